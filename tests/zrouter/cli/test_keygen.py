"""`zrouter keygen`: what it writes, where, and what it never writes over."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from zrouter.cli.commands import commands
from zrouter.link.curve_keys import read_curve_keys
from zrouter.server.allow_list import parse_allow_list


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    before = os.umask(0)
    yield tmp_path
    os.umask(before)


def keygen(*arguments: str) -> Result:
    return CliRunner().invoke(commands, ["keygen", *arguments])


def test_a_router_and_two_peers_by_three_commands(here: Path) -> None:
    assert keygen("router.key").exit_code == 0
    done = keygen("front1.key", "--router", "router.key", "--role", "frontend", "--allow", "allow.toml")
    assert done.exit_code == 0, done.output
    shop = ("--role", "sender", "--role", "inspector", "--name", "the-shop")
    assert keygen("shop.key", "--router", "router.key", *shop, "--allow", "allow.toml").exit_code == 0
    router = read_curve_keys("router.key", is_peer=False)
    peers = [read_curve_keys(name, is_peer=True) for name in ("front1.key", "shop.key")]
    assert {peer.router for peer in peers} == {router.public}
    allowed = parse_allow_list((here / "allow.toml").read_bytes())
    assert [(allowed[peer.public].key, set(allowed[peer.public].roles)) for peer in peers] == [
        ("front1", {"frontend"}),
        ("the-shop", {"sender", "inspector"}),
    ]
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in here.iterdir()}
    assert modes == {"router.key": 0o600, "front1.key": 0o600, "shop.key": 0o600, "allow.toml": 0o644}


def test_without_a_list_the_entry_is_printed_and_no_secret_is(here: Path) -> None:
    keygen("router.key")
    done = keygen("front1.key", "--router", "router.key", "--role", "frontend")
    keys = read_curve_keys("front1.key", is_peer=True)
    assert parse_allow_list(done.stdout.encode()).keys() == {keys.public}
    assert keys.secret not in done.output


def test_the_routers_public_key_alone_is_enough_on_another_host(here: Path) -> None:
    keygen("router.key")
    public = read_curve_keys("router.key", is_peer=False).public
    (here / "router.pub").write_text(f'public = "{public}"\n')
    assert keygen("front1.key", "--router", "router.pub", "--role", "frontend").exit_code == 0
    assert read_curve_keys("front1.key", is_peer=True).router == public


@pytest.mark.parametrize("name", ["router.key", "front1.key"])
def test_a_file_that_is_there_is_never_written_over(here: Path, name: str) -> None:
    keygen("router.key")
    peer = ("--router", "router.key", "--role", "frontend", "--allow", "allow.toml")
    keygen("front1.key", *peer)
    before = {path.name: path.read_bytes() for path in here.iterdir()}
    done = keygen(name, *(() if name == "router.key" else (*peer, "--name", "again")))
    assert done.exit_code == 1
    assert "is there already" in done.stderr
    assert {path.name: path.read_bytes() for path in here.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("missing/front.key",), 1, "No such file or directory"),
        (("front.key", "--router", "missing.key", "--role", "frontend"), 1, "missing.key: No such file"),
        (("front.key", "--router", "rubbish", "--role", "frontend"), 1, "rubbish: "),
        (("front.key", "--router", "router.key"), 2, "needs a role"),
        (("front.key", "--role", "frontend"), 2, "--router FILE"),
        (("front.key", "--allow", "allow.toml"), 2, "--router FILE"),
        (("front.key", "--router", "router.key", "--role", "root"), 2, "'root' is not one of"),
        (("front.key", "--router", "router.key", "--role", "sender", "--name", "a b"), 1, "is called by"),
        (("front.key", "--router", "router.key", "--role", "sender", "--allow", "rubbish"), 1, "rubbish: "),
        (("front.key", "--router", "router.key", "--role", "sender", "--allow", "."), 1, ".: "),
    ],
)
def test_what_can_not_be_is_said_and_nothing_is_written(
    here: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    keygen("router.key")
    (here / "rubbish").write_bytes(b"\xff\xfe[[")
    done = keygen(*arguments)
    assert done.exit_code == code
    assert said in done.stderr
    assert "Traceback" not in done.output
    assert {path.name for path in here.iterdir()} == {"router.key", "rubbish"}


def test_a_name_stands_once_in_a_list(here: Path) -> None:
    keygen("router.key")
    peer = ("--router", "router.key", "--role", "sender", "--allow", "allow.toml", "--name", "shop")
    keygen("one.key", *peer)
    before = (here / "allow.toml").read_bytes()
    done = keygen("two.key", *peer)
    assert done.exit_code == 1
    assert (here / "allow.toml").read_bytes() == before
    assert not (here / "two.key").exists()
