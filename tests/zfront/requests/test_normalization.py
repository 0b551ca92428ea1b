"""Forms of HTTP that Tornado does not read, put in those that it does; and targets that are none."""

from __future__ import annotations

import pytest

from zfront.requests import urls
from zfront.requests.normalization import as_tornado_reads, chunk_size

LINE = b"POST /api/send/a HTTP/1.1\r\n"


@pytest.mark.parametrize(
    "said", [b"Expect: 100-Continue", b"EXPECT:100-CONTINUE ", b"expect: \t100-continue"]
)
def test_an_expectation_is_put_in_small_letters(said: bytes) -> None:
    assert b"\r\nExpect: 100-continue\r\n" in as_tornado_reads(LINE + said + b"\r\nHost: a\r\n\r\n")


@pytest.mark.parametrize(
    "said",
    [b"Connection: keep-alive, close", b"connection: Close,x", b"Connection: x\r\nConnection: close"],
)
def test_close_stands_alone_however_it_was_said(said: bytes) -> None:
    head = as_tornado_reads(LINE + said + b"\r\nHost: a\r\n\r\n")
    assert head == LINE + b"Connection: close\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    "said",
    [
        b"Connection: keep-alive",
        b"Connection: xclosex, y",
        b"Connection: close",
        b"Connection: Upgrade, close",
    ],
)
def test_anything_else_stays_as_it_is(said: bytes) -> None:
    head = LINE + said + b"\r\nHost: a\r\nX: expect: 100-Continue\r\n\r\n"
    assert as_tornado_reads(head) == head


@pytest.mark.parametrize("line", [b"5\r\n", b"5;a\r\n", b'5 ; a="b;c"\r\n', b"5;;\r\n"])
def test_extensions_of_a_chunk_are_left_out(line: bytes) -> None:
    assert chunk_size(line) == b"5\r\n"


@pytest.mark.parametrize("target", ["%", "%z", "%zz", "a%2", "%2g", "#", "a#b", "%23%"])
def test_an_escape_that_is_not_whole_is_a_fault(target: str) -> None:
    assert urls.fault(target)


@pytest.mark.parametrize("target", ["", "%23", "%zZ".replace("zZ", "fF"), "a+b&c=d", "\xff"])
def test_all_else_is_none(target: str) -> None:
    assert urls.fault(target) == ""
