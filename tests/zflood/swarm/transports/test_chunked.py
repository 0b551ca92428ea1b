"""Chunked: numbers, HTTP's framing, and bodies that are not chunked."""

from __future__ import annotations

import pytest

from tests.zflood.swarm.transports import Fed
from zfront.transports import chunked

ONE, TWO, FOUR = (chunked.message_chunk(number, b"x") for number in (1, 2, 4))


@pytest.mark.parametrize(
    ("pieces", "error"),
    [([ONE + FOUR], "missing message"), ([TWO], "missing message"), ([ONE + TWO, TWO], "repeated message")],
)
def test_a_missing_and_a_repeated_message_are_seen(pieces: list[bytes], error: str) -> None:
    fed = Fed("chunked", 5)
    for piece in [chunked.HEAD, *pieces]:
        fed.feed(5, piece)
    assert fed.tally.errors == {error: 1}


@pytest.mark.parametrize("bad", [b"zz\r\nhello\r\n", b"5\r\nhelloX\r\n", b"-1\r\n"])
def test_a_chunk_that_breaks_the_framing_ends_its_connection_only(bad: bytes) -> None:
    fed = Fed("chunked", 1, 2)
    for connection in (1, 2):
        fed.feed(connection, chunked.HEAD + ONE)
    fed.feed(1, bad)
    assert fed.error(1).startswith("bad framing")
    fed.feed(2, TWO)  # the parser that they shared is another now
    assert fed.tally.chunks == 3
    assert not fed.tally.errors


def test_the_last_chunk_ends_the_response_and_others_go_on() -> None:
    fed = Fed("chunked", 1, 2)
    for connection in (1, 2):
        fed.feed(connection, chunked.HEAD)
    fed.feed(1, chunked.LAST)
    fed.feed(2, ONE)
    assert fed.error(1) == ""
    assert 2 not in fed.endings
    assert (fed.tally.ended, fed.tally.chunks) == (1, 1)


@pytest.mark.parametrize("status", [101, 204, 302, 503])
def test_an_answer_that_is_not_200_is_an_error_of_its_status(status: int) -> None:
    fed = Fed("chunked", 1)
    fed.feed(1, b"HTTP/1.1 %d Some Reason\r\nContent-Length: 5\r\n\r\n" % status)
    assert fed.error(1) == f"status {status}"
    assert fed.answered == []


def test_what_follows_the_end_of_a_response_is_an_error() -> None:
    fed = Fed("chunked", 1)
    fed.feed(1, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx" * 2)
    assert fed.error(1) == "an answer that nobody asked for"


def test_an_informational_answer_comes_before_the_real_one() -> None:
    fed = Fed("chunked", 1)
    fed.feed(1, b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    assert fed.answered == []
    fed.feed(1, chunked.HEAD + ONE)
    assert fed.answered == [1]
    assert fed.tally.chunks == 1


def test_a_body_without_chunks_is_taken_as_it_comes() -> None:
    fed = Fed("chunked", 1, 2)
    fed.feed(1, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
    fed.feed(2, b"HTTP/1.1 200 OK\r\n\r\nabc")
    fed.feed(2, b"def")
    assert not fed.endings
    fed.feed(1, b"def")
    assert fed.error(1) == ""
    assert (fed.tally.ended, fed.tally.chunks) == (1, 4)


def test_a_number_that_stood_for_a_body_without_chunks_can_stand_for_chunks() -> None:
    fed = Fed("chunked", 1)
    fed.feed(1, b"HTTP/1.1 200 OK\r\n\r\nabc")
    fed.feed(1, b"")
    fed.open(1)
    for piece in (chunked.HEAD, ONE + TWO):
        fed.feed(1, piece)
    assert fed.tally.chunks == 3
    assert not fed.tally.errors
