"""Which ids a claim stands for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrouter.tokens.errors import GRANT, TokenError
from zrouter.tokens.grants import MOST_ENTRIES, Grant, read_grant


def grant(*entries: Any, sub: str | None = "ann") -> Grant:
    return read_grant("ids", list(entries), sub)


def allowed(entry: str, *ids: str, sub: str | None = "ann") -> list[str]:
    found = grant(entry, sub=sub)
    return [an_id for an_id in ids if found.allows(an_id.encode())]


def test_an_entry_is_an_id_or_a_prefix_with_more_behind_it() -> None:
    assert allowed("a", "a", "A", "a:", "a:b", "aa", "a ") == ["a"]
    assert allowed("a:*", "a", "a:", "a:b", "a:b:c", "ab", "A:b", "a:*") == ["a:b", "a:b:c", "a:*"]
    assert allowed("a/*", "a/b", "a:b") == ["a/b"]
    assert allowed("caf\xe9", "caf\xe9", "cafe\u0301") == ["caf\xe9"]


@pytest.mark.parametrize("entry", ["a*", "*:b", "a:*:b", "a:**", "*", ":*", "/*", "a:\\*", "**", "{sub}*"])
def test_a_star_elsewhere_is_refused(entry: str) -> None:
    with pytest.raises(TokenError) as caught:
        grant(entry)
    assert caught.value.reason == GRANT


@pytest.mark.parametrize("entry", ["{SUB}", "{iss}", "{", "{sub", "sub}", "{{sub}}", "{sub}}", "{}"])
def test_braces_are_for_the_subject_alone(entry: str) -> None:
    with pytest.raises(TokenError):
        grant(entry)


def test_the_subject_is_put_in_as_it_is() -> None:
    assert allowed("user:{sub}", "user:ann", "user:{sub}", "user:") == ["user:ann"]
    assert allowed("{sub}:{sub}", "ann:ann") == ["ann:ann"]
    assert allowed("user:{sub}:*", "user:ann:1", "user:ann", "user:anna:1") == ["user:ann:1"]
    assert allowed("user:{sub}", "user:a:b", "user:{sub}", sub="a:b") == ["user:a:b"]
    assert allowed("{sub}", "{sub}", sub="{sub}") == ["{sub}"]


@pytest.mark.parametrize("sub", ["*", "x:*", "x\0", "x\n", "x\u202e", None, "y" * 251])
def test_a_subject_that_would_be_somebody_else_there(sub: str | None) -> None:
    with pytest.raises(TokenError):
        grant("user:{sub}", sub=sub)


@pytest.mark.parametrize("sub", ["ann:bob", "ann/bob"])
def test_a_subject_with_a_part_of_its_own_is_the_last_one(sub: str) -> None:
    assert grant("user:{sub}", sub=sub)
    for entry in ("user:{sub}:*", "{sub}:inbox", "{sub}:{sub}:x"):
        with pytest.raises(TokenError):
            grant(entry, sub=sub)


@pytest.mark.parametrize(
    "entries",
    [None, "a", {}, 5, [1], [["a"]], [""], [None], ["x" * 256], ["\ud800"], ["a"] * (MOST_ENTRIES + 1)],
)
def test_what_is_no_list_of_entries(entries: Any) -> None:
    with pytest.raises(TokenError) as caught:
        read_grant("ids", entries, "ann")
    assert caught.value.reason == GRANT


def test_an_empty_list_grants_nothing_and_so_does_a_prefix_alone() -> None:
    assert grant() == Grant()
    assert not grant().allows(b"ann")
    assert grant("a:*").first_refused([b"a:1", b"a:", b"b"]) == b"a:"
    assert grant("a:*", "b").first_refused([b"a:1", b"b"]) is None


@given(st.lists(st.text(min_size=1, max_size=8), max_size=4), st.binary(min_size=1, max_size=9))
def test_an_id_is_granted_as_the_words_say(entries: list[str], an_id: bytes) -> None:
    try:
        found = grant(*entries)
    except TokenError:
        return
    filled = [one.replace("{sub}", "ann").encode() for one in entries]
    expected = an_id in [one for one in filled if not one.endswith((b":*", b"/*")) or len(one) < 3] or any(
        an_id.startswith(one[:-1]) and an_id != one[:-1] for one in filled if one.endswith((b":*", b"/*"))
    )
    assert found.allows(an_id) == expected
