"""Every setting is in docs/operations.md with its default, and its option, variable and config key work."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

import zfront.cli
import zrouter.cli.commands
from zfront.settings import FrontSettings
from zrouter.server.settings import RouterSettings

DOCUMENT = (Path(__file__).parents[1] / "docs" / "operations.md").read_text()
PROGRAMS: dict[str, tuple[type, click.Group]] = {
    "zrouter": (RouterSettings, zrouter.cli.commands.commands),
    "zfront": (FrontSettings, zfront.cli.commands),
}
# A value for each setting that is not its default; the others get one by their type.
OTHERS = {"log_level": "debug", "workers": 2, "bind": "tcp://127.0.0.1:1", "router": "ipc:///run/router"}


def every_setting() -> list[Any]:
    return [
        pytest.param(program, field, id=f"{program} {field.name}")
        for program, (settings, _) in PROGRAMS.items()
        for field in dataclasses.fields(settings)
    ]


def option(field: dataclasses.Field[Any]) -> str:
    return "--" + field.name.replace("_", "-")


def variable(program: str, field: dataclasses.Field[Any]) -> str:
    return f"{program}_{field.name}".upper()


def documented(program: str) -> list[list[str]]:
    """The rows of the program's table: option, variable, default, meaning, when full, counter."""
    section = DOCUMENT.split(f"\n### Settings of {program}\n")[1].split("\n#")[0]
    rows = [
        [cell.strip() for cell in line.strip("| ").split(" | ")]
        for line in section.splitlines()
        if line.startswith("| `--")
    ]
    assert all(len(row) == 6 for row in rows)
    return rows


def other_than_default(field: dataclasses.Field[Any]) -> Any:
    if field.name in OTHERS:
        return OTHERS[field.name]
    if isinstance(field.default, bool):
        return not field.default
    return field.default + 1 if isinstance(field.default, int | float) else "x"


def shown_default(field: dataclasses.Field[Any]) -> str:
    if field.default is False:
        return "off"
    if field.default is None:
        return "-"
    return f"`{field.default}` {field.metadata['unit']}".rstrip() if field.default != "" else "none"


def parsed(program: str, *arguments: str) -> dict[str, Any]:
    """What `serve` is called with for these arguments."""
    command = PROGRAMS[program][1].commands["serve"]
    return command.make_context("serve", list(arguments)).params


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_table_has_each_setting_in_order_and_no_other(program: str) -> None:
    fields = dataclasses.fields(PROGRAMS[program][0])
    assert [row[0] for row in documented(program)] == [f"`{option(field)}`" for field in fields]


@pytest.mark.parametrize(("program", "field"), every_setting())
def test_a_row_has_the_variable_the_default_and_the_help(program: str, field: dataclasses.Field[Any]) -> None:
    row = next(row for row in documented(program) if row[0] == f"`{option(field)}`")
    assert row[1:4] == [f"`{variable(program, field)}`", shown_default(field), field.metadata["help"]]


@pytest.mark.parametrize(("program", "field"), every_setting())
def test_option_variable_and_config_key_set_it(
    program: str, field: dataclasses.Field[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert parsed(program)[field.name] == field.default
    value = other_than_default(field)
    arguments = [option(field)] if value is True else [option(field), str(value)]
    assert parsed(program, *arguments)[field.name] == value
    config = tmp_path / "config.toml"
    config.write_text(f"{field.name} = {str(value).lower() if isinstance(value, bool) else repr(value)}\n")
    assert parsed(program, "--config", str(config))[field.name] == value
    monkeypatch.setenv(variable(program, field), str(value))
    assert parsed(program)[field.name] == value


def test_an_option_goes_before_a_variable_and_a_variable_before_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    config.write_text("lease = 9.0\n")
    monkeypatch.setenv("ZROUTER_CONFIG", str(config))
    assert parsed("zrouter")["lease"] == 9.0
    monkeypatch.setenv("ZROUTER_LEASE", "8")
    assert parsed("zrouter")["lease"] == 8.0
    assert parsed("zrouter", "--lease", "7")["lease"] == 7.0


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_help_of_serve_shows_them_all(program: str) -> None:
    code = f"from {program}.cli import main; main()"
    shown = subprocess.run(
        [sys.executable, "-c", code, "serve", "--help"], capture_output=True, text=True, check=True
    ).stdout
    words = " ".join(shown.split())
    for field in dataclasses.fields(PROGRAMS[program][0]):
        assert re.search(rf"{option(field)}\b", words)
        assert f"env var: {variable(program, field)}" in words
        assert field.metadata["help"] in words


@pytest.mark.parametrize(
    ("file", "setting"),
    [
        ("sysctl.d/60-zcomet.conf", r"([\w.-]+) = (.+)"),
        ("tmpfiles.d/60-zcomet-halt.conf", r"w /sys/\S+/(\w+) - - - - (\d+)"),
    ],
)
def test_every_kernel_setting_is_explained_with_its_value(file: str, setting: str) -> None:
    text = (Path(__file__).parents[1] / "systemd" / file).read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines
    for line in lines:
        found = re.fullmatch(setting, line)
        assert found, line
        assert "| `{}` | {} |".format(*found.groups()) in DOCUMENT


@pytest.mark.parametrize(
    "options",
    [
        ("--max-message", "1M", "--max-frame", "1M"),
        ("--window", "1M"),
        ("--lease", "0"),
        ("--lease", "-1"),
        ("--queue-in", "0"),
        ("--max-ids", "0"),
    ],
)
def test_bounds_under_which_nothing_gets_through_are_usage_errors(options: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from zrouter.cli import main; main()", "serve", *options],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 2
    assert options[0] in done.stderr
    assert "Traceback" not in done.stderr
