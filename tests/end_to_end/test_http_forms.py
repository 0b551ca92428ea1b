"""Forms of HTTP/1.1 that clients use and parsers read each in its own way: one verdict by both ways in.

A request that comes whole may go past Tornado; one that comes in two pieces does not.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest

from tests.conftest import Client, Program, wait_for
from tests.end_to_end.test_websocket import Socket
from tests.zfront.websocket_cases import frame
from zrouter.client import RouterClient

POST = b"POST /api/send/a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n"
CHUNKS = POST.replace(b"Content-Length: 1", b"Transfer-Encoding: chunked")
SSE = b"GET /sse/a HTTP/1.1\r\nHost: 127.0.0.1\r\n"

both_ways = pytest.mark.parametrize("is_whole", [True, False], ids=["whole", "in pieces"])


def say(front: Program, data: bytes, is_whole: bool = True) -> Client:
    client = Client(front.address, "")
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for piece in [data] if is_whole else [data[:9], data[9:]]:
        client.socket.sendall(piece)
        time.sleep(0 if is_whole else 0.02)  # or the kernel makes one of them
    return client


def status(front: Program, data: bytes, is_whole: bool = True) -> int:
    client = say(front, data, is_whole)
    head = client.read_until(b"\r\n\r\n")
    client.socket.close()
    return int(head.split()[1])


@both_ways
@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (POST + b"\r\nx", 200),
        (b"\r\n" + POST + b"\r\nx", 200),  # RFC 9112, 2.2
        (b"\r\n\r\n" + SSE + b"\r\n", 200),
        (POST.replace(b"\r\n", b"\n") + b"\nx", 200),  # 2.2: a lone LF may be taken for a line's end
        (POST.replace(b" HTTP", b"  HTTP") + b"\r\nx", 400),  # 3: one space
        (SSE.replace(b" HTTP", b"  HTTP") + b"\r\n", 400),
        (POST.replace(b"send/a", b"send/%zz") + b"\r\nx", 400),
        (POST.replace(b"send/a", b"send/%4") + b"\r\nx", 400),
        (POST.replace(b"send/a", b"send/a#x") + b"\r\nx", 400),
        (SSE.replace(b"/a", b"/%zz") + b"\r\n", 400),
        (SSE.replace(b"/a", b"/a#b") + b"\r\n", 400),
        (SSE.replace(b"/a", b"/a?id=%g0") + b"\r\n", 400),
        (b"GET /api/who?id=%zz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"GET /api/who/%z HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (CHUNKS + b"\r\n1;a=b\r\nx\r\n0\r\n\r\n", 200),
        (CHUNKS + b"\r\n1\r\nx\r\n0;b\r\nT: 1\r\n\r\n", 200),
        (CHUNKS + b"\r\nz\r\nx\r\n0\r\n\r\n", 400),
    ],
)  # fmt: skip
def test_what_a_request_is_does_not_depend_on_its_way(
    front: Program, data: bytes, wanted: int, is_whole: bool
) -> None:
    assert status(front, data, is_whole) == wanted


@both_ways
@pytest.mark.parametrize(
    ("said", "closes"),
    [
        (b"Connection: close", True),
        (b"connection: CLOSE", True),
        (b"Connection: keep-alive, close", True),
        (b"Connection: keep-alive\r\nConnection: close", True),
        (b"Connection: keep-alive", False),
        (b"Connection: xclosex", False),
        (b"X: close", False),
    ],
)
def test_a_connection_ends_with_the_answer_if_the_request_says_so(
    front: Program, said: bytes, closes: bool, is_whole: bool
) -> None:
    client = say(front, POST + said + b"\r\n\r\nx", is_whole)
    head = client.read_until(b"}\n").lower()
    assert (b"\r\nconnection: close\r\n" in head) is closes
    client.socket.settimeout(0.3 if not closes else 10)
    if closes:
        assert client.socket.recv(1) == b""
    else:
        with pytest.raises(TimeoutError):
            client.socket.recv(1)


def test_only_the_last_of_several_requests_is_answered_with_close(front: Program) -> None:
    client = say(front, (POST + b"\r\nx") * 2 + POST + b"Connection: close\r\n\r\nx")
    answers = client.read_to_end().split(b"HTTP/1.1 ")[1:]
    assert [b"Connection: close" in answer for answer in answers] == [False, False, True]


@both_ways
def test_a_poll_that_says_close_is_the_last_of_its_connection(
    front: Program, api: RouterClient, is_whole: bool
) -> None:
    client = say(front, b"GET /poll/a HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", is_whole)
    wait_for(api, "a", 1)
    api.send("a", "x")
    answer = client.read_to_end()
    assert b"Connection: close\r\n" in answer
    assert b'"message":"x"' in answer


@pytest.mark.parametrize("said", [b"100-continue", b"100-Continue", b"100-CONTINUE"])
def test_who_expects_to_be_told_to_go_on_is(front: Program, said: bytes) -> None:
    client = say(front, POST + b"Expect: " + said + b"\r\n\r\n")
    assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100")
    client.socket.sendall(b"x")
    assert b"HTTP/1.1 200" in client.read_until(b"}\n")


HALF_CLOSED = [
    POST + b"\r\nx",
    b"PUT /api/follows/a/b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n",
    b"POST /api/publish/a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n\r\nx",
    b"POST /api/send HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\n"
    b'Content-Length: 25\r\n\r\n{"id":"a","message":"x"}\n',
    CHUNKS + b"\r\n1\r\nx\r\n0\r\n\r\n",
    b"GET /api/who/a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /api/stats HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
]


@both_ways
@pytest.mark.parametrize("data", HALF_CLOSED)
def test_who_says_no_more_after_a_request_is_answered(front: Program, data: bytes, is_whole: bool) -> None:
    client = say(front, data, is_whole)
    client.socket.shutdown(socket.SHUT_WR)
    answer = client.read_to_end()
    assert answer.startswith((b"HTTP/1.1 20", b"HTTP/1.1 201")), answer


def test_who_says_no_more_in_the_middle_of_a_request_costs_nothing(front: Program) -> None:
    for data in (POST, SSE, POST + b"\r\n", b"GET / HT"):
        client = say(front, data)
        client.socket.shutdown(socket.SHUT_WR)
        client.read_to_end()


@pytest.fixture
def narrow(start: Callable[..., Program], router: Program) -> Program:
    listen = ("--listen", "127.0.0.1:0", "--router", router.address)
    return start("zfront", "serve", *listen, "--path-ids-only")


@both_ways
@pytest.mark.parametrize("query", ["id=b", "watch=b", "i%64=b", "%77atch=b", "a=1&id=b"])
@pytest.mark.parametrize("path", ["sse", "stream", "poll", "ws", "test"])
def test_ids_beside_the_path_are_refused_where_that_was_chosen(
    narrow: Program, path: str, query: str, is_whole: bool
) -> None:
    request = f"GET /{path}/a?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    assert status(narrow, request, is_whole) == 400


def test_a_websocket_can_not_log_in_as_another_where_that_was_chosen(
    narrow: Program, api: RouterClient
) -> None:
    client = Socket(narrow.address)
    client.write(frame("text", b'{"login":["b"]}') + frame("text", b'{"watch":["b"]}'))
    client.hear(2)
    assert all(b"path alone" in one for one in client.heard.messages)
    assert not api.who("b")["b"]


@both_ways
@pytest.mark.parametrize("host", [b"evil.example", b"evil.example:8000", b"10.0.0.1"])
@pytest.mark.parametrize("path", [b"/sse/a", b"/test/a", b"/stream/a", b"/poll/a", b"/api/who/a"])
def test_a_frontend_that_is_open_is_not_called_by_anothers_name(
    front: Program, path: bytes, host: bytes, is_whole: bool
) -> None:
    assert status(front, b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (path, host), is_whole) == 403


@pytest.mark.parametrize(
    "path", ["/", "/demo", "/nothing", "/api/stats", "/sse/", "/test/a", "/sse/a", "/stream/a"]
)
def test_every_answer_has_browsers_be_careful(front: Program, path: str) -> None:
    client = say(front, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    head = client.read_until(b"\r\n\r\n").lower()
    for field in (
        b"x-content-type-options: nosniff",
        b"x-frame-options: deny",
        b"referrer-policy: no-referrer",
    ):
        assert field in head
