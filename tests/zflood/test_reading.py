"""What zflood's clients read: the same tally however the bytes are cut, faults by their kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zflood.reading import BadResponseError, Reading, Tally
from zfront.transports import chunked


def fed(*pieces: tuple[int, bytes]) -> Tally:
    reading = Reading(Tally())
    for connection in {connection for connection, _ in pieces}:
        reading.opened(connection)
    for connection, piece in pieces:
        reading.feed(connection, piece)
    return reading.tally


def response(messages: int) -> bytes:
    return chunked.HEAD + b"".join(
        chunked.message_chunk(number, b"m" * number) for number in range(1, messages + 1)
    )


@st.composite
def interleaved(draw: st.DrawFn) -> tuple[int, list[tuple[int, bytes]]]:
    """Responses of several connections, cut anywhere, and mixed in the order of their pieces."""
    left = {connection: response(draw(st.integers(0, 5))) for connection in range(draw(st.integers(1, 4)))}
    total = sum(data.count(b"Recvd") for data in left.values())
    pieces = []
    while left:
        connection = draw(st.sampled_from(sorted(left)))
        size = draw(st.integers(1, 200))
        pieces.append((connection, left[connection][:size]))
        left[connection] = left[connection][size:]
        if not left[connection]:
            del left[connection]
    return total, pieces


@given(interleaved())
def test_however_the_bytes_come_every_message_counts_once(case: tuple[int, list[tuple[int, bytes]]]) -> None:
    total, pieces = case
    tally = fed(*pieces)
    assert tally.chunks == total
    assert not tally.errors


def test_a_missing_and_a_repeated_message_are_seen() -> None:
    one, two, four = (chunked.message_chunk(number, b"x") for number in (1, 2, 4))
    assert fed((5, chunked.HEAD + one + four)).errors == {"missing message": 1}
    assert fed((5, chunked.HEAD + one + two), (5, two)).errors == {"repeated message": 1}


@pytest.mark.parametrize("bad", [b"zz\r\nhello\r\n", b"5\r\nhelloX\r\n", b"-1\r\n"])
def test_a_chunk_that_breaks_the_framing_ends_the_connection(bad: bytes) -> None:
    good = chunked.message_chunk(1, b"x")
    reading = Reading(Tally())
    for connection in (1, 2):
        reading.opened(connection)
        reading.feed(connection, chunked.HEAD + good)
    with pytest.raises(BadResponseError, match="bad framing"):
        reading.feed(1, bad)
    reading.feed(2, chunked.message_chunk(2, b"y"))  # the parser that they shared is another now
    assert reading.tally.chunks == 3
    assert not reading.tally.errors


def test_the_last_chunk_ends_the_response_and_others_go_on() -> None:
    reading = Reading(Tally())
    for connection in (1, 2):
        reading.opened(connection)
        reading.feed(connection, chunked.HEAD)
    with pytest.raises(BadResponseError):
        reading.feed(1, chunked.LAST_CHUNK)
    reading.feed(2, chunked.message_chunk(1, b"y"))
    assert (reading.tally.ended, reading.tally.chunks) == (1, 1)


def test_an_answer_that_is_not_200_is_an_error_of_its_status() -> None:
    reading = Reading(Tally())
    reading.opened(1)
    with pytest.raises(BadResponseError):
        reading.feed(1, b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n\r\nfull\n")
    assert reading.tally.errors == {"status 503": 1}
    assert reading.tally.connected == 0
