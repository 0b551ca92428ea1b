"""Every number that a user can give a program: finite, within bounds, in one spelling."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import zflood.commands
import zfront.cli
import zrouter.cli.commands
from zrouter.daemon.numbers import ByteSize, Count, Number

GROUPS: dict[str, click.Command] = {
    "zrouter": zrouter.cli.commands.commands,
    "zfront": zfront.cli.commands,
    "zflood": zflood.commands.commands,
}
NO_NUMBERS = [
    "nan", "NaN", "-nan", "inf", "-inf", "Infinity", "1e999", "", " ", "x", "0x10", "1_000", "1,000",
    "\u0661\u0662", "1 2", "--5", "5-", "1e", "\uff15", "9" * 400,
]  # fmt: skip
NO_VALUES: list[Any] = [
    float("nan"),
    float("inf"),
    -float("inf"),
    True,
    False,
    [],
    {},
    10**400,
    10**20,
    -(10**20),
]


def commands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for child, one in command.commands.items():
            yield from commands(f"{name} {child}", one)


def numeric() -> Iterator[Any]:
    for program, group in GROUPS.items():
        for name, command in commands(program, group):
            for parameter in command.params:
                if isinstance(parameter, click.Option) and parameter.count:
                    continue
                if isinstance(
                    parameter.type, ByteSize | click.types.IntParamType | click.types.FloatParamType
                ):
                    yield pytest.param(command, parameter, id=f"{name} {parameter.name}")


def test_there_are_numbers_to_look_at() -> None:
    assert len(list(numeric())) > 60


@pytest.mark.parametrize(("command", "parameter"), list(numeric()))
def test_each_number_has_bounds_and_one_spelling(command: click.Command, parameter: click.Parameter) -> None:
    kind = parameter.type
    assert isinstance(kind, Count | Number | ByteSize), f"{type(kind).__name__} takes nan or has no bounds"
    assert kind.min is not None
    assert kind.max is not None
    below, above = int(kind.min) - 1, int(kind.max) + 1
    for bad in [*NO_NUMBERS, *NO_VALUES, str(below), below, str(above), above, 10**20]:
        with pytest.raises(click.BadParameter):
            kind.convert(bad, parameter, click.Context(command))
    for good in (kind.max, str(int(kind.max)), f" {int(kind.max)} "):
        assert kind.convert(good, parameter, click.Context(command)) == kind.max


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("zrouter", "serve", "--lease", "nan"), "--lease"),
        (("zrouter", "serve", "--presence-linger", "inf"), "--presence-linger"),
        (("zrouter", "serve", "--queue-in", "99999999999"), "--queue-in"),
        (("zfront", "serve", "--worker-timeout", "nan"), "--worker-timeout"),
        (("zflood", "clients", "--rate", "nan"), "--rate"),
    ],
)
def test_what_is_no_number_is_a_usage_error_of_one_line(words: tuple[str, ...], option: str) -> None:
    code = f"from {words[0]}.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *words[1:]], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert option in line


def test_a_settings_file_is_held_to_the_same(tmp_path: Path) -> None:
    serve = zrouter.cli.commands.commands.commands["serve"]
    for line in (
        "lease = nan",
        "lease = inf",
        "lease = true",
        "queue_in = 1.5",
        'max_peers = "1_0"',
        "window = true",
    ):
        file = tmp_path / "settings.toml"
        file.write_text(line + "\n")
        with pytest.raises(click.BadParameter):
            serve.make_context("serve", ["--config", str(file)])


def test_sizes_are_written_as_people_write_them() -> None:
    read = ByteSize().convert
    sizes = {
        "0": 0,
        "64K": 65536,
        "64KiB": 65536,
        "64 kb": 65536,
        "1.5M": 3 << 19,
        "2G": 2 << 30,
        "1T": 1 << 40,
    }
    assert {text: read(text, None, None) for text in sizes} == sizes
    assert Number(0, 5).convert(".5e1", None, None) == 5
