"""Server-sent events: heads, ids, ends."""

from __future__ import annotations

import pytest

from tests.zflood.swarm.transports import CHUNKED_SSE_HEAD, SSE_HEAD, Fed, sse_event


def test_it_says_what_it_accepts() -> None:
    assert b"\r\nAccept: text/event-stream\r\n" in Fed("sse", 1).said[1]


@pytest.mark.parametrize(
    ("header", "error"),
    [
        (b"Content-Type: text/html\r\n", "content type text/html"),
        (b"", "content type missing"),
        (b"Content-Type: TEXT/Event-Stream ; charset=utf-8\r\n", ""),
    ],
)
def test_the_content_type_has_to_be_that_of_events(header: bytes, error: str) -> None:
    fed = Fed("sse", 1)
    fed.feed(1, b"HTTP/1.1 200 OK\r\n" + header + b"\r\n")
    if error:
        assert fed.error(1) == error
    assert fed.answered == ([] if error else [1])


@pytest.mark.parametrize(
    ("ids", "errors"),
    [
        ([b"1", b"2", b"9"], {}),
        ([b"5", b"5"], {"repeated event id": 1}),
        ([b"5", b"4", b"5"], {"event id that goes backwards": 1}),
        ([b"b-2", b"b-1", b"b-1", b"\xc2\xb2", b"1" * 30, b"1" * 30], {}),  # no plain numbers
        ([b"0", b"0"], {"repeated event id": 1}),
    ],
)
def test_ids_that_are_plain_numbers_have_to_rise(ids: list[bytes], errors: dict[str, int]) -> None:
    fed = Fed("sse", 1)
    fed.feed(1, CHUNKED_SSE_HEAD)
    for an_id in ids:
        event = b"id: " + an_id + b"\ndata: x\n\n"
        fed.feed(1, b"%x\r\n%s\r\n" % (len(event), event))
    assert fed.tally.errors == errors
    assert fed.tally.chunks == len(ids)


def test_events_without_an_id_have_no_order() -> None:
    fed = Fed("sse", 1)
    fed.feed(1, SSE_HEAD + b"\r\n" + sse_event(7, b"a") + b"data: b\n\n" * 3)
    assert fed.tally.chunks == 4
    assert not fed.tally.errors


def test_heartbeats_are_no_messages() -> None:
    fed = Fed("sse", 1)
    fed.feed(1, SSE_HEAD + b"\r\n" + sse_event(7, b"a") + b": ping\n\n" * 3 + b"\n\n")
    assert fed.tally.chunks == 1


@pytest.mark.parametrize(
    ("rest", "end", "error"),
    [
        (b"data: x\n", b"0\r\n\r\n", "truncated event"),
        (b"data: x\n\nda", b"0\r\n\r\n", "truncated event"),
        (b"data: x\n\n", b"0\r\n\r\n", ""),
        (b"data: x\n\n: pi", b"0\r\n\r\n", ""),
        (b"data: x\n", b"", "truncated response"),
    ],
)
def test_half_an_event_before_the_last_chunk_is_an_error(rest: bytes, end: bytes, error: str) -> None:
    fed = Fed("sse", 1)
    fed.feed(1, CHUNKED_SSE_HEAD + b"%x\r\n%s\r\n" % (len(rest), rest))
    fed.feed(1, end)
    assert fed.error(1) == error


@pytest.mark.parametrize(("rest", "error"), [(b"data: x\n", "truncated event"), (b"data: x\n\n", "")])
def test_half_an_event_at_the_end_of_an_unframed_body_is_an_error(rest: bytes, error: str) -> None:
    fed = Fed("sse", 1)
    fed.feed(1, SSE_HEAD + b"\r\n")
    fed.feed(1, rest)
    fed.feed(1, b"")
    assert fed.error(1) == error


def test_a_byte_order_mark_is_read_over_at_the_start_only() -> None:
    fed = Fed("sse", 1)
    fed.feed(1, SSE_HEAD + b"\r\n")
    for piece in (b"\xef", b"\xbb\xbfdata: a\n\n", b"\xef\xbb\xbfdata: b\n\n", b"data: c\n\n"):
        fed.feed(1, piece)
    assert fed.tally.chunks == 2
