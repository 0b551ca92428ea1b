"""`zrouter keys`: what it prints, and what it leaves behind where it fails."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from zrouter.api_keys.key_files import ApiKeyFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "api-keys"


def keys(path: Path, *arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
    code = "from zrouter.cli import main; main()"
    command = [sys.executable, "-c", code, "keys", *arguments]
    environment = {**os.environ, "ZFRONT_API_KEY_FILE": str(path)}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    return subprocess.run(command, text=True, timeout=60, env=environment, **streams)  # type: ignore[call-overload,no-any-return]


def test_a_key_is_printed_once_and_kept_as_a_hash(path: Path) -> None:
    done = keys(path, "make", "shop", "--scope", "send", "--scope", "send", "--id", "shop:*")
    assert done.returncode == 0
    key = done.stdout.removesuffix("\n")
    found = ApiKeyFile(str(path)).keys.find(key)
    assert found is not None
    assert found.name == "shop"
    assert found.scopes == {"send"}
    assert found.first_refused([b"shop:1", b"other"]) == 1
    assert key not in done.stderr
    listed = keys(path, "list", "--json")
    (row,) = [json.loads(line) for line in listed.stdout.splitlines()]
    assert row.pop("made").endswith("Z")
    assert row == {"id": found.id, "name": "shop", "scopes": ["send"], "ids": ["shop:*"]}
    shown = keys(path, "list").stdout
    assert shown.split()[:4] == [found.id, "shop", "send", "shop:*"]
    for said in (listed.stdout, shown):
        assert key[16:] not in said
        assert found.digest.hex() not in said


def test_revoke_takes_an_id_or_a_name_that_is_one(path: Path) -> None:
    for name in ("shop", "twice", "twice"):
        keys(path, "make", name, "--scope", "send")
    ambiguous = keys(path, "revoke", "twice")
    assert (ambiguous.returncode, "by its id" in ambiguous.stderr) == (1, True)
    assert keys(path, "revoke", "shop").returncode == 0
    again = keys(path, "revoke", "shop")
    assert (again.returncode, "no key" in again.stderr) == (1, True)
    for line in keys(path, "list").stdout.splitlines():
        assert keys(path, "revoke", line.split()[0]).returncode == 0
    assert keys(path, "list").stdout == ""
    assert not ApiKeyFile(str(path)).keys


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("make", "x"), 2),
        (("make", "--scope", "send"), 2),
        (("make", "x", "--scope", "root"), 2),
        (("make", "x", "--scope", "send", "--id", "a*b"), 1),
        (("make", "x", "--scope", "send", "--id", ""), 1),
        (("make", "\x1b[2J", "--scope", "send"), 1),
        (("make", "x" * 65, "--scope", "send"), 1),
        (("make", b"\xff", "--scope", "send"), 1),
        (("make", "x", "--scope", "send", "--id", b"\xff"), 1),
        (("list",), 1),
        (("revoke", "x"), 1),
    ],
)
def test_what_can_not_be_done_is_said_in_a_line_and_makes_no_file(
    path: Path, arguments: tuple[str, ...], code: int
) -> None:
    done = keys(path, *arguments)
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr.startswith("zrouter keys")
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr
    assert not path.exists()


def test_a_key_that_could_not_be_shown_is_not_in_the_file(path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = keys(path, "make", "shop", "--scope", "send", stdout=full)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert not path.exists()


def test_a_file_that_can_not_be_written_or_used_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "no" / "keys", Path("/proc/keys"), tmp_path):
        done = keys(path, "make", "shop", "--scope", "send")
        assert done.returncode in (1, 2)
        assert str(path) in done.stderr
        assert "Traceback" not in done.stderr
    bad = tmp_path / "bad"
    bad.write_text("0123456789abcdef\n")
    assert "plain keys" in keys(bad, "list").stderr
    assert bad.read_text() == "0123456789abcdef\n"


@pytest.mark.parametrize(("mode", "is_told"), [(0o644, True), (0o600, False)])
def test_a_key_written_where_others_read_is_told(
    tmp_path: Path, path: Path, mode: int, is_told: bool
) -> None:
    with (tmp_path / "out").open("w") as out:
        os.fchmod(out.fileno(), mode)
        done = keys(path, "make", "shop", "--scope", "send", stdout=out)
    assert done.returncode == 0
    assert ("can be read by others" in done.stderr) == is_told
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == mode
