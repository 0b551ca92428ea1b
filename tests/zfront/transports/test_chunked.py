"""The series' page: framing that a parser reads back, and text that a browser shows as it was sent."""

from __future__ import annotations

import html
import re

import httptools
from hypothesis import given
from hypothesis import strategies as st

from zfront.transports import chunked

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=3000)


class Body:
    """What httptools makes of a response."""

    def __init__(self, response: bytes) -> None:
        self.chunks: list[bytes] = []
        self.is_complete = False
        httptools.HttpResponseParser(self).feed_data(response)

    def on_body(self, body: bytes) -> None:
        self.chunks.append(body)

    def on_message_complete(self) -> None:
        self.is_complete = True


@given(st.lists(st.tuples(st.integers(1, 10_000), TEXT), max_size=5))
def test_a_message_comes_back_out_of_its_chunk_with_its_number(messages: list[tuple[int, str]]) -> None:
    made = [chunked.message_chunk(n, chunked.escape(text.encode())) for n, text in messages]
    body = Body(chunked.HEAD + b"".join(made) + chunked.LAST)
    assert body.is_complete
    assert len(body.chunks) == len(messages)
    for chunk, (number, text) in zip(body.chunks, messages, strict=True):
        found = re.fullmatch(r"Recvd msg #(\d+): '(.*)'<br/>\n", chunk.decode(), re.DOTALL)
        assert found is not None
        assert int(found[1]) == number
        assert html.unescape(found[2]) == text


@given(st.binary(max_size=500))
def test_no_bytes_can_break_out_of_the_quotes_or_of_utf_8(message: bytes) -> None:
    escaped = chunked.escape(message)
    assert not set(escaped) & set(b"<>'\"")
    assert escaped.decode().replace("&amp;", "").count("&") == sum(
        escaped.count(entity) for entity in (b"&lt;", b"&gt;", b"&#x27;", b"&quot;")
    )


@given(TEXT)
def test_escaping_is_the_standard_librarys(text: str) -> None:
    assert chunked.escape(text.encode()).decode() == html.escape(text)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80), st.integers(1, 10**9))
def test_welcome_and_tick_say_the_id(an_id: str, number: int) -> None:
    welcome, tick = Body(
        chunked.HEAD + chunked.welcome_chunk(an_id.encode()) + chunked.tick_chunk(number, an_id.encode())
    ).chunks
    assert welcome.decode() == f"zfront welcomes you! Your Id: {html.escape(an_id)}<br/>\n"
    assert tick.decode() == f"Chunk {number} for id {html.escape(an_id)}<br/>\n"
