"""The allow list: what is in it, and that one that can't be used never takes the place of one that can."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import zmq
from zmq.utils import z85

from zrouter.link.curve_keys import CurveKeyError
from zrouter.server.allow_list import MOST_KEYS, AllowList, parse_allow_list

# Two keys, the same in each run: they are in the names of tests.
ONE, TWO = (zmq.curve_public(z85.encode(bytes([number] * 32))).decode() for number in (1, 2))


def table(name: str, public: str, roles: str = '"frontend"') -> str:
    return f'["{name}"]\npublic = "{public}"\nroles = [{roles}]\n'


GOOD = table("front-1", ONE) + table("shop@10.0.0.1:1", TWO, '"sender", "inspector"')


def test_a_list_says_who_has_each_key() -> None:
    found = parse_allow_list(GOOD.encode())
    assert {key: (who.key, set(who.roles), who.public) for key, who in found.items()} == {
        ONE: ("front-1", {"frontend"}, ONE),
        TWO: ("shop@10.0.0.1:1", {"sender", "inspector"}, TWO),
    }


BAD: list[tuple[str, str]] = [
    ("", "does not mean everybody"),
    ("# nobody\n", "does not mean everybody"),
    (table("a", ONE[:39]), "a: public"),
    (table("a", ONE + "x"), "a: public"),
    (table("a", ONE[:39] + "~"), "a: public"),
    (table("a", "*"), "a: public"),
    (table("a", ONE) + table("b", ONE), "b and a have the same key"),
    (table("a", ONE) + table("a", TWO), "not TOML"),
    (table("a", ONE, ""), "roles is a list of some of"),
    (table("a", ONE, '"root"'), "roles is a list of some of"),
    (table("a", ONE, '"frontend", 1'), "roles is a list of some of"),
    (table("a", ONE).replace('["frontend"]', '"frontend"'), "roles is a list of some of"),
    (table("a", ONE) + 'secret = "x"\n', "a: secret is none of"),
    (table("", ONE), "1 to 64"),
    (table("a b", ONE), "1 to 64"),
    (table("x" * 65, ONE), "1 to 64"),
    (table("a.b", ONE).replace('"a.b"', "a.b"), "public is a key"),
    ('a = "b"\n', "public is a key"),
    ("a = [1]\n", "public is a key"),
]


@pytest.mark.parametrize(("text", "why"), BAD)
def test_a_list_that_is_not_one_is_refused_with_the_place(text: str, why: str) -> None:
    with pytest.raises(CurveKeyError, match=why.replace("*", r"\*")):
        parse_allow_list(text.encode())


@pytest.mark.parametrize("size", range(1, len(GOOD.encode()), 7))
def test_half_a_list_is_never_more_than_the_whole(size: int) -> None:
    try:
        found = parse_allow_list(GOOD.encode()[:size])
    except CurveKeyError:
        return
    whole = parse_allow_list(GOOD.encode())
    assert found.items() <= whole.items()


def test_there_is_a_bound() -> None:
    with pytest.raises(CurveKeyError, match="more than"):
        parse_allow_list("\n".join(f"[k{number}]" for number in range(MOST_KEYS + 1)).encode())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "allow.toml"
    path.write_text(GOOD)
    return path


def replace(path: Path, data: bytes) -> None:
    fresh = path.with_suffix(".fresh")
    fresh.write_bytes(data)
    os.replace(fresh, path)


def test_a_list_is_read_again_when_it_changes_and_only_then(path: Path) -> None:
    allowed = AllowList(str(path))
    assert allowed.refresh() is None
    replace(path, table("front-1", ONE).encode())
    assert allowed.refresh() == ""
    assert allowed.by_key.keys() == {ONE}
    assert allowed.refresh() is None


def test_it_may_be_written_in_place(path: Path) -> None:
    allowed = AllowList(str(path))
    path.write_text(table("front-2", ONE))
    assert allowed.refresh() == ""
    assert allowed.by_key[ONE].key == "front-2"


def spoil_with_a_fifo(path: Path) -> None:
    """Whoever opens it to read waits until somebody writes."""
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "spoil",
    [
        *(pytest.param(lambda path, text=text: replace(path, text.encode()), id=why) for text, why in BAD),
        pytest.param(lambda path: replace(path, b"\xff\xfe"), id="not UTF-8"),
        pytest.param(lambda path: path.unlink(), id="gone"),
        pytest.param(lambda path: (path.unlink(), path.mkdir()), id="a directory"),
        pytest.param(spoil_with_a_fifo, id="a fifo"),
        pytest.param(lambda path: (path.unlink(), path.symlink_to("missing")), id="a link to nothing"),
    ],
)
def test_the_list_of_before_stays_where_the_new_one_is_none(
    path: Path, spoil: Callable[[Path], None]
) -> None:
    allowed = AllowList(str(path))
    before = allowed.by_key
    spoil(path)
    said = allowed.refresh()
    assert said is not None
    assert "the list of before stays" in said
    assert allowed.by_key == before
    assert allowed.refresh() is None  # said once
    if path.is_dir():
        path.rmdir()
    replace(path, table("front-1", ONE).encode())
    assert allowed.refresh() == ""
    assert allowed.by_key.keys() == {ONE}


def test_the_first_reading_has_to_succeed(tmp_path: Path) -> None:
    with pytest.raises(CurveKeyError, match="No such file"):
        AllowList(str(tmp_path / "missing"))
