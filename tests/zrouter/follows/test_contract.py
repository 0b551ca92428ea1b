"""What every store of follows promises."""

from __future__ import annotations

import io

import numpy as np
import pytest

from tests.zrouter.follows.conftest import pairs
from zrouter.follows.store import BadRecordError, Change, Follows, Format
from zrouter.wire import WireError


def test_an_empty_store_knows_nobody(follows: Follows) -> None:
    assert follows.followers(b"a") == follows.following(b"a") == []
    assert follows.counts(b"a") == (0, 0)
    assert pairs(follows) == set()
    with follows.read() as view:
        assert view.number(b"a") is None


def test_who_follows_is_found_both_ways(follows: Follows) -> None:
    assert follows.follow(b"ann", b"bob", b"cleo") == 2
    assert follows.follow(b"dan", b"bob") == 1
    assert sorted(follows.followers(b"bob")) == [b"ann", b"dan"]
    assert sorted(follows.following(b"ann")) == [b"bob", b"cleo"]
    assert follows.counts(b"bob") == (2, 0)
    assert follows.counts(b"ann") == (0, 2)
    assert pairs(follows) == {(b"ann", b"bob"), (b"ann", b"cleo"), (b"dan", b"bob")}


def test_to_follow_twice_is_to_follow_once(follows: Follows) -> None:
    assert follows.follow(b"a", b"b", b"b") == 1
    assert follows.follow(b"a", b"b") == 0
    assert pairs(follows) == {(b"a", b"b")}


def test_who_unfollows_is_gone_in_both_directions(follows: Follows) -> None:
    follows.follow(b"a", b"b", b"c")
    assert follows.unfollow(b"a", b"b", b"never") == 1
    assert follows.unfollow(b"a", b"b") == 0
    assert follows.followers(b"b") == []
    assert pairs(follows) == {(b"a", b"c")}


def test_one_may_follow_oneself(follows: Follows) -> None:
    follows.follow(b"a", b"a")
    assert follows.followers(b"a") == follows.following(b"a") == [b"a"]
    assert pairs(follows) == {(b"a", b"a")}


def test_changes_are_done_in_order_and_each_says_what_it_did(follows: Follows) -> None:
    done = follows.change(
        [
            Change(True, b"a", b"b"),
            Change(True, b"a", b"b"),
            Change(False, b"a", b"b"),
            Change(False, b"a", b"b"),
            Change(True, b"a", b"b"),
        ]
    )
    assert done == [True, False, True, False, True]
    assert pairs(follows) == {(b"a", b"b")}


@pytest.mark.parametrize("bad", [b"", b"x" * 256, b"\xff"])
def test_what_is_no_id_is_refused_with_all_that_came_with_it(follows: Follows, bad: bytes) -> None:
    with pytest.raises(WireError):
        follows.change([Change(True, b"a", b"b"), Change(True, b"a", bad)])
    assert pairs(follows) == set()


def test_ids_are_any_utf8_up_to_255_bytes(follows: Follows) -> None:
    ids = ["é" * 127, "\t", "\n", "\x00", "a b", "日本", "x" * 255, "\U0010ffff"]
    every = [an_id.encode() for an_id in ids]
    follows.follow(b"a", *every)
    assert set(follows.following(b"a")) == set(every)
    for an_id in every:
        assert follows.followers(an_id) == [b"a"]


def test_numbers_are_the_ids(follows: Follows) -> None:
    follows.follow(b"a", b"c")
    follows.follow(b"b", b"c")
    with follows.read() as view:
        number = view.number(b"c")
        assert number is not None
        found = view.followers_of(number).whole()
        assert found.dtype == np.uint32
        assert np.all(np.diff(found.astype(int)) > 0)
        assert view.names(found) == [b"a", b"b"]
        assert view.names([number]) == [b"c"]
        assert view.size == 3
        assert view.followers_of(number).holds(int(found[0]))
        assert not view.followers_of(number).holds(number)


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("tsv", b"a\tb\nc\tb\r\n\na\tb\nb\ta"),
        ("csv", b'subscriber,subscribee\r\na,b\r\n"c",b\r\na,"b"\r\n\r\nb,a\r\n'),
        (
            "jsonl",
            b'{"subscriber":"a","subscribee":"b"}\n{"subscribee":"b","subscriber":"c"}\n\n'
            b'{"subscriber":"\\u0061","subscribee":"b"}\n{"subscriber":"b","subscribee":"a"}\n',
        ),
    ],
)
def test_a_load_takes_each_record_once_in_any_order(follows: Follows, form: Format, data: bytes) -> None:
    loaded = follows.load(io.BytesIO(data), form)
    assert loaded == (4, 3, 3)
    assert pairs(follows) == {(b"a", b"b"), (b"c", b"b"), (b"b", b"a")}


def test_a_load_adds_to_what_is_there(follows: Follows) -> None:
    follows.follow(b"a", b"b", b"z")
    follows.load(io.BytesIO(b"a\tb\na\tc\nzz\ta\n"))
    assert pairs(follows) == {(b"a", b"b"), (b"a", b"z"), (b"a", b"c"), (b"zz", b"a")}
    follows.unfollow(b"a", b"b")
    follows.follow(b"new", b"a")
    follows.load(io.BytesIO(b"m\ta\n"))
    assert pairs(follows) == {(b"a", b"z"), (b"a", b"c"), (b"zz", b"a"), (b"new", b"a"), (b"m", b"a")}


def test_a_load_that_replaces_forgets_the_others(follows: Follows) -> None:
    follows.follow(b"a", b"b")
    follows.load(io.BytesIO(b"c\td\n"), replace=True)
    assert pairs(follows) == {(b"c", b"d")}
    follows.load(io.BytesIO(b""), replace=True, allow_empty=True)
    assert pairs(follows) == set()


@pytest.mark.parametrize(
    ("form", "data", "line"),
    [
        ("tsv", b"a\tb\na\n", 2),
        ("tsv", b"a\tb\n\na\t\n", 3),
        ("tsv", b"a\tb\tc\n", 1),
        ("tsv", b"a\tb\n\xff\tb\n", 2),
        ("tsv", b"a\tb\n" + b"x" * 256 + b"\tb\n", 2),
        ("tsv", b"a\tb\na\t" + b"y" * 256, 2),
        ("csv", b"subscriber,subscribee\na,b\na\n", 3),
        ("csv", b'a,b\n"x\ny",b\na,b,c\n', 4),
        ("csv", b'a,b\na,"b', 2),
        ("csv", b"a,b\n,b\n", 2),
        ("csv", b"a,b\na,\xff\n", 2),
        ("jsonl", b'{"subscriber":"a","subscribee":"b"}\n{"subscriber":"a"}\n', 2),
        ("jsonl", b'{"subscriber":"a","subscribee":7}\n', 1),
        ("jsonl", b'\n{"subscriber":"a","subscribee":""}\n', 2),
        ("jsonl", b"a\tb\n", 1),
        ("jsonl", b'{"subscriber":"a","subscribee":"\xff"}\n', 1),
    ],
)
def test_a_bad_record_is_refused_with_its_line_and_with_all_others(
    follows: Follows, form: Format, data: bytes, line: int
) -> None:
    follows.follow(b"old", b"b")
    with pytest.raises(BadRecordError, match=f"^line {line}: ") as refused:
        follows.load(io.BytesIO(data), form)
    assert refused.value.line == line
    assert pairs(follows) == {(b"old", b"b")}


def test_figures_say_who_has_most(follows: Follows) -> None:
    follows.load(io.BytesIO(b"a\tb\nc\tb\nd\tb\na\tc\n"))
    follows.unfollow(b"d", b"b")
    follows.follow(b"a", b"e", b"f")
    figures = follows.figures()
    assert figures["pairs"] == 5
    assert figures["subscribers"] == 2
    assert figures["subscribees"] == 4
    assert figures["most_followers"] == 2
    assert figures["most_following"] == 4
