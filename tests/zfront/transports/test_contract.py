"""What every transport that can be resumed gives its clients, read back by readers that are not ours."""

from __future__ import annotations

import base64
import json
from typing import Any

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Ping, TextMessage

from zfront.transports import NDJSON, POLL, SSE, STREAMS, WS, objects, poll, ws
from zfront.transports.chunks import head

every_stream = pytest.mark.parametrize("kind", sorted(STREAMS))
IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).map(str.encode)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
OFFSET = b"1f.2a"


def body_of(answer: bytes) -> tuple[bytes, bool]:
    """The body of an HTTP answer, and whether it is complete."""
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(answer)
    body = b""
    while (event := reader.next_event()) is not h11.NEED_DATA:
        if isinstance(event, h11.EndOfMessage):
            return body, True
        if isinstance(event, h11.Data):
            body += event.data
    return body, False


def events_of(body: str) -> list[dict[str, str]]:
    """What an EventSource makes of it (WHATWG HTML, 9.2.6), with "id" as the id that it remembers then."""
    found: list[dict[str, str]] = []
    last_id, fields = "", {}
    data: list[str] = []
    for line in body.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                data.append(value)
            elif name == "id":
                last_id = value
            elif name:
                fields[name] = value
        else:
            if data:
                found.append({"event": "message", **fields, "data": "\n".join(data), "id": last_id})
            fields, data = {}, []
    return found


def frames_of(data: bytes) -> list[Any]:
    reader = Connection(ConnectionType.CLIENT)
    reader.receive_data(data)
    return list(reader.events())


def objects_of(kind: int, data: bytes) -> list[dict[str, Any]]:
    """The objects or events that are in these bytes."""
    if kind == WS:
        return [json.loads(event.data) for event in frames_of(data) if isinstance(event, TextMessage)]
    body, _ = body_of(head("text/plain") + data)
    if kind == NDJSON:
        assert body.endswith(b"\n")
        return [json.loads(line) for line in body.splitlines() if line]
    return [dict(one) for one in events_of(body.decode())]


@given(st.text("\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029a\u0085€", min_size=1, max_size=20))
def test_an_object_is_one_line_for_every_reader_of_lines(text: str) -> None:
    an_id = text.encode()
    for told in (objects.message(an_id, an_id, OFFSET), objects.presence(an_id, 1), objects.error(text)):
        assert len(told.decode().splitlines()) == 1
        assert text in json.loads(told).values()


@every_stream
@given(IDS, TEXTS)
def test_a_text_comes_out_as_it_went_in(kind: int, an_id: bytes, text: str) -> None:
    (one,) = objects_of(kind, STREAMS[kind].message(an_id, text.encode(), OFFSET))
    if kind == SSE:  # which has one kind of line end
        lines = text.replace("\r\n", "\n").replace("\r", "\n")
        assert one == {"event": "message", "data": lines, "id": OFFSET.decode()}
    else:
        assert one == {"id": an_id.decode(), "message": text, "offset": OFFSET.decode()}


@every_stream
@given(st.binary(max_size=100).map(lambda data: data + b"\xff"))
def test_what_is_not_text_comes_in_base64(kind: int, message: bytes) -> None:
    (one,) = objects_of(kind, STREAMS[kind].message(b"a", message, OFFSET))
    if kind == SSE:
        assert one["event"] == "binary"
    assert base64.b64decode(one["data" if kind == SSE else "base64"]) == message


@every_stream
def test_a_gap_says_why(kind: int) -> None:
    (one,) = objects_of(kind, STREAMS[kind].gap("evicted", OFFSET))
    assert one["event"] == "gap"
    assert one["data" if kind == SSE else "reason"] == "evicted"
    assert one["id" if kind == SSE else "offset"] == OFFSET.decode()


@every_stream
@given(IDS, st.integers(0, 10**6))
def test_presence_says_who_and_on_how_many_connections(kind: int, an_id: bytes, connections: int) -> None:
    message = STREAMS[kind].message(b"a", b"x", OFFSET)
    _, one = objects_of(kind, message + STREAMS[kind].presence(an_id, connections))
    if kind == SSE:
        assert one["event"] == "presence"
        assert one["id"] == OFFSET.decode()  # the last message's is remembered still
        one = json.loads(one["data"])
    assert one == {"event": "presence", "id": an_id.decode(), "connections": connections}


@every_stream
def test_what_keeps_a_connection_alive_is_no_message(kind: int) -> None:
    assert objects_of(kind, STREAMS[kind].ALIVE) == []
    if kind == WS:
        assert [type(event) for event in frames_of(ws.ALIVE)] == [Ping]


@every_stream
@pytest.mark.parametrize("why", ["evicted", "shutdown", "aged"])
def test_a_stream_that_ends_is_complete(kind: int, why: str) -> None:
    last = STREAMS[kind].last(why)
    if kind == WS:
        (event,) = frames_of(last)
        assert isinstance(event, CloseConnection)
        assert event.code == (1000 if why == "evicted" else 1001)
    else:
        assert body_of(head("text/plain") + last) == (b"", True)


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_frame_of_any_size_is_whole(size: int) -> None:
    (event,) = frames_of(ws.text(b"x" * size))
    assert isinstance(event, TextMessage)
    assert (event.data, event.message_finished) == ("x" * size, True)


@given(st.lists(st.tuples(IDS, TEXTS), min_size=1, max_size=5))
def test_an_answer_to_a_poll_has_all_messages_and_where_to_go_on(messages: list[tuple[bytes, str]]) -> None:
    elements = b"".join(poll.message(an_id, text.encode(), OFFSET) for an_id, text in messages)
    body, is_complete = body_of(poll.answer(poll.gap("evicted", OFFSET) + elements, OFFSET))
    assert is_complete
    found = json.loads(body)
    assert found["offset"] == OFFSET.decode()
    assert found["messages"][0] == {"event": "gap", "reason": "evicted", "offset": OFFSET.decode()}
    assert [(one["id"].encode(), one["message"]) for one in found["messages"][1:]] == messages


def test_nothing_in_time_is_an_answer_without_a_body() -> None:
    assert body_of(poll.nothing(OFFSET)) == (b"", True)
    assert POLL not in STREAMS
