"""What zfront says of where a client is: it is told to the witness, and said when the client comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.zflood.swarm.transports import Fed, Told, WsServer, answer
from zfront.transports import ndjson, poll, sse, ws
from zfront.transports.chunks import head

MISSED = [
    ("opened", 3, "e.1"),
    ("message", 3, b"one", "e.2"),
    ("gap", 3, "evicted", "e.5"),
    ("message", 3, b"two", "e.6"),
]


def _stream(kind: str) -> Callable[[bytes], bytes]:
    made: Any = {"sse": sse, "ndjson": ndjson}[kind]
    parts = (
        made.opened(b"e.1"),
        made.message(b"1", b"one", b"e.2"),
        made.gap("evicted", b"e.5"),
        made.message(b"1", b"two", b"e.6"),
    )
    return lambda request: head(made.TYPE) + b"".join(parts)


def _ws(request: bytes) -> bytes:
    return WsServer(request).accept() + b"".join(
        (
            ws.opened(b"e.1"),
            ws.message(b"1", b"one", b"e.2"),
            ws.gap("evicted", b"e.5"),
            ws.message(b"1", b"two", b"e.6"),
        )
    )


STREAMS: dict[str, Callable[[bytes], bytes]] = {"sse": _stream("sse"), "ndjson": _stream("ndjson"), "ws": _ws}


@pytest.mark.parametrize("name", STREAMS)
def test_a_witness_is_told_messages_gaps_and_offsets_in_order(name: str) -> None:
    told = Told()
    fed = Fed(name, 3, witness=told)
    fed.feed(3, STREAMS[name](fed.said[3]))
    assert told.all == MISSED
    assert (fed.tally.chunks, fed.tally.gaps) == (2, 1)
    assert fed.transport.offset(3) == "e.6"
    assert not fed.tally.errors


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sse", b"\r\nLast-Event-ID: e.6\r\n"),
        ("ndjson", b"\r\nLast-Event-ID: e.6\r\n"),
        ("ws", b"GET /test/1?since=e.6 HTTP/1.1\r\n"),
        ("poll", b'\r\nIf-None-Match: "e.6"\r\n'),
    ],
)
def test_a_client_that_comes_back_says_where_it_was(name: str, said: bytes) -> None:
    since = '"e.6"' if name == "poll" else "e.6"
    fed = Fed(name)
    fed.open(3)
    assert b"e.6" not in fed.said[3]
    fed.open(4, since)
    assert said in fed.said[4]
    assert fed.transport.offset(4) == since


def test_a_poll_asks_with_the_tag_of_its_last_answer() -> None:
    told = Told()
    fed = Fed("poll", 3, witness=told)
    said = fed.feed(3, poll.nothing(b"e.1"))
    assert b'\r\nIf-None-Match: "e.1"\r\n\r\n' in said
    messages = (
        poll.message(b"1", b"one", b"e.2") + poll.gap("evicted", b"e.5") + poll.message(b"1", b"two", b"e.6")
    )
    said = fed.feed(3, poll.answer(messages, b"e.7"))
    assert b'\r\nIf-None-Match: "e.7"\r\n\r\n' in said
    assert told.all == [("opened", 3, '"e.1"'), *MISSED[1:]]
    assert fed.tally.chunks == 2


@pytest.mark.parametrize(
    "body", [b'{"event":"trade"}', b'{"message":1}', b"{", b"{}", b"\xff", b'{"event":"gap"}']
)
def test_what_another_server_says_is_a_message_whole(body: bytes) -> None:
    told = Told()
    fed = Fed("poll", 3, witness=told)
    fed.feed(3, answer(body))
    assert told.all == [("message", 3, body, "")]


def test_a_line_that_is_cut_off_at_an_orderly_end_is_an_error() -> None:
    fed = Fed("ndjson", 3)
    fed.feed(3, head(ndjson.TYPE) + b"3\r\nabc\r\n0\r\n\r\n")
    assert fed.error(3) == "truncated line"
