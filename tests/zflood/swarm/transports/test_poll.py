"""Long polling: which answers are messages, and when another connection is asked for."""

from __future__ import annotations

import pytest

from tests.zflood.swarm.transports import Fed, answer
from zflood.swarm.transports.interface import AskAgain

NOTHING = b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.fixture
def fed() -> Fed:
    return Fed("poll", 1)


def test_it_counts_as_answered_once_it_has_asked(fed: Fed) -> None:
    assert fed.answered == [1]


def test_the_same_is_asked_again_after_each_answer(fed: Fed) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"
    for good in (answer(b"a"), NOTHING, chunked):
        assert fed.feed(1, good) == fed.said[1]
    assert fed.tally.chunks == 2
    assert not fed.tally.errors
    assert fed.answered == [1]


@pytest.mark.parametrize(
    "last",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na",
        b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na",
    ],
)
def test_after_an_answer_that_closes_another_connection_is_needed(fed: Fed, last: bytes) -> None:
    fed.feed(1, last)
    assert isinstance(fed.endings[1], AskAgain)
    assert fed.tally.chunks == 1


def test_a_body_that_ends_with_the_connection_is_an_answer(fed: Fed) -> None:
    assert fed.feed(1, b"HTTP/1.1 200 OK\r\n\r\nab") == b""
    fed.feed(1, b"")
    assert isinstance(fed.endings[1], AskAgain)
    assert fed.tally.chunks == 1


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (answer(b""), "empty answer"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc", "status 404"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", "status 101"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "bad framing: "),
        (answer(b"a") + answer(b"a"), "an answer that nobody asked for"),
        (answer(b"a") + b"HTTP/1", "an answer that nobody asked for"),
    ],
)
def test_other_answers_are_errors_and_end_their_connection_only(fed: Fed, bad: bytes, error: str) -> None:
    fed.open(2)
    fed.feed(1, bad)
    assert fed.error(1).startswith(error)
    assert not isinstance(fed.endings[1], AskAgain)
    before = fed.tally.chunks
    fed.feed(2, answer(b"x"))
    assert fed.tally.chunks == before + 1
    assert 2 not in fed.endings


def test_half_an_answer_is_none(fed: Fed) -> None:
    fed.feed(1, answer(b"abc")[:-1])
    fed.feed(1, b"")
    assert not isinstance(fed.endings[1], AskAgain)
    assert fed.tally.chunks == 0
