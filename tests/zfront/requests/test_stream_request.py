"""What a URL asks for."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zfront.requests.stream_request import (
    MAX_IDS,
    MAX_WATCHED,
    BadStreamRequestError,
    StreamRequest,
    read_stream_request,
)
from zfront.transports import CHUNKED, chunked
from zrouter.wire.offset import Offset

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60).filter(
    lambda text: len(text.encode()) <= 255
)


def read(path: str, query: str) -> StreamRequest:
    stream_request = read_stream_request(chunked.PATH + path, query)
    assert stream_request is not None
    return stream_request


@given(IDS)
def test_an_id_comes_out_of_the_path_as_it_went_in(an_id: str) -> None:
    assert read(quote(an_id, safe=""), "") == StreamRequest(CHUNKED, (an_id.encode(),))


@given(st.lists(IDS, min_size=1, max_size=10), st.booleans(), st.sampled_from([0.0, 0.5, 10.0]))
def test_all_of_it_comes_out_of_the_query(ids: list[str], welcome: bool, tick_s: float) -> None:
    query = urlencode([("id", an_id) for an_id in ids[1:]] + [("welcome", int(welcome)), ("tick", tick_s)])
    stream_request = read(quote(ids[0], safe=""), query)
    assert stream_request == StreamRequest(
        CHUNKED, tuple(dict.fromkeys(an_id.encode() for an_id in ids)), welcome, tick_s
    )


@given(IDS.filter(lambda text: not set(text) & set("%?&=+;#")))
def test_bytes_that_are_not_percent_encoded_are_the_ids_own(an_id: str) -> None:
    raw = an_id.encode().decode("latin-1")
    assert read(raw, f"id=0&id={raw}").ids[0] == an_id.encode()
    assert read("0", f"id={raw}").ids == tuple(dict.fromkeys((b"0", an_id.encode())))


@given(st.lists(IDS, max_size=5))
def test_ids_to_watch_come_out_of_the_query_once_each(ids: list[str]) -> None:
    query = urlencode([("watch", an_id) for an_id in ids])
    stream_request = read_stream_request("/sse/a", query)
    assert stream_request is not None
    assert stream_request.watched == tuple(dict.fromkeys(an_id.encode() for an_id in ids))
    assert read("a", query).watched == ()  # the series' page watches nobody


def test_a_poll_can_not_watch() -> None:
    with pytest.raises(BadStreamRequestError, match="can't watch"):
        read_stream_request("/poll/a", "watch=b")


def test_too_many_ids_to_watch_are_refused() -> None:
    read_stream_request("/ws/a", "&".join(f"watch={number}" for number in range(MAX_WATCHED)))
    with pytest.raises(BadStreamRequestError, match=f"more than {MAX_WATCHED} ids"):
        read_stream_request("/ws/a", "&".join(f"watch={number}" for number in range(MAX_WATCHED + 1)))


def test_a_tick_is_rounded_to_tenths() -> None:
    asked = ("0.1", "0.14999", "0.25001", "3600", "0")
    ticks = [read("a", f"tick={tick}").tick_s for tick in asked]
    assert ticks == [0.1, 0.1, 0.3, 3600.0, 0.0]


@pytest.mark.parametrize(
    ("path", "query", "why"),
    [
        ("", "", "1 to 255 bytes, not 0"),
        ("x" * 256, "", "1 to 255 bytes, not 256"),
        ("%ff", "", "not UTF-8"),
        ("\xff", "", "not UTF-8"),
        ("a", "id=\xff", "not UTF-8"),
        ("a", "id=%ff", "not UTF-8"),
        ("a", "&".join(f"id={number}" for number in range(MAX_IDS)), f"more than {MAX_IDS} ids"),
        ("a", "&".join(f"id={number}" for number in range(MAX_IDS + 5)), f"more than {MAX_IDS} ids"),
        ("a", "tick=soon", "a number of seconds"),
        ("a", "tick=nan", "0.1 to 3600 seconds"),
        ("a", "tick=0.01", "0.1 to 3600 seconds"),
        ("a", "tick=-1", "0.1 to 3600 seconds"),
        ("a", "tick=inf", "0.1 to 3600 seconds"),
    ],
)
def test_what_can_not_be_had_says_why(path: str, query: str, why: str) -> None:
    with pytest.raises(BadStreamRequestError, match=why):
        read(path, query)


@pytest.mark.parametrize("name", ["lastEventId", "lastEventID", "Last-Event-ID"])
def test_a_client_that_can_not_set_a_header_says_in_the_query_where_it_was(name: str) -> None:
    then, now, header = (Offset(1, number).text() for number in (1, 2, 3))
    for query in (f"since={then}&{name}={now}", f"{name}={now}&since={then}", f"{name}={now}"):
        stream_request = read_stream_request("/sse/a", query)
        assert stream_request is not None
        assert stream_request.offset == Offset(1, 2), query
        stream_request = read_stream_request("/sse/a", query, header)
        assert stream_request is not None
        assert stream_request.offset == Offset(1, 3), "the header is newer than the URL"
    stream_request = read_stream_request("/sse/a", f"since={then}&{name}=")
    assert stream_request is not None
    assert stream_request.offset == Offset(1, 1)
