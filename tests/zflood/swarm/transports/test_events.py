"""The format of server-sent events, as WHATWG HTML 9.2 has it, with its own examples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zflood.swarm.transports.events import Event, EventDecoder

Fields = tuple[bytes | None, bytes, bytes | None, bytes | None]


def plain(*data: bytes) -> list[Fields]:
    return [(one, b"", None, None) for one in data]


STREAMS: list[tuple[bytes, list[Fields]]] = [
    # Those of the standard; an id without a value is the empty one.
    (b"data: YHOO\ndata: +2\ndata: 10\n\n", plain(b"YHOO\n+2\n10")),
    (
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        [(b"first event", b"", b"1", None), (b"second event", b"", b"", None), *plain(b" third event")],
    ),
    (b"data\n\ndata\ndata\n\ndata:", plain(b"", b"\n")),
    (b"data:test\n\ndata: test\n\n", plain(b"test", b"test")),
    # Ours.
    (b"data: 1\r\ndata: 2\r\n\r\ndata: 3\rdata: 4\r\r", plain(b"1\n2", b"3\n4")),
    (b"event: add\nid: a\0b\nretry: 3s\nother: x\ndata: y\n\n", [(b"y", b"add", None, None)]),
    (b"retry: 3000\ndata: y\n\n", [(b"y", b"", None, b"3000")]),
    (b"event: lonely\nid: 7\n\n: comment\n\n\n\n", [(None, b"lonely", b"7", None)]),
    (b"\xef\xbb\xbfdata: 1\r\rdata: 2\r\n\r\ndata: 3\n\r\n", plain(b"1", b"2", b"3")),
]  # fmt: skip
each_stream = pytest.mark.parametrize(("stream", "events"), STREAMS, ids=[repr(s[:30]) for s, _ in STREAMS])


@each_stream
@given(data=st.data())
def test_events_are_those_of_the_standard_however_the_bytes_are_cut(
    stream: bytes, events: list[Fields], data: st.DataObject
) -> None:
    decoder = EventDecoder()
    found: list[Event] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += decoder.feed(stream[:size])
        stream = stream[size:]
    assert found == [Event(*event) for event in events]


def test_an_event_is_given_with_its_last_line_end_whichever_that_is() -> None:
    for end in (b"\n", b"\r", b"\r\n"):
        assert len(EventDecoder().feed(b"data: x" + end + end)) == 1


@pytest.mark.parametrize(
    ("stream", "is_within"),
    [(b"", False), (b"data: x\n\n", False), (b": ping", False), (b"data: x\n", True), (b"da", True)],
)
def test_it_is_known_whether_an_event_is_unfinished(stream: bytes, is_within: bool) -> None:
    decoder = EventDecoder(is_at_start=False)
    decoder.feed(stream)
    assert decoder.is_within_event == is_within
    assert decoder.is_at_rest == (stream in (b"", b"data: x\n\n"))
