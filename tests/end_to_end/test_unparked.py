"""Connections that say nothing, or half of a request, against those that do: real programs, many sockets."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable

import pytest

from tests.conftest import Client, Program, eventually, wait_for
from zrouter.client import RouterClient

KEY = "0123456789abcdef"
POST = b"POST /api/send/a HTTP/1.1\r\nHost: 127.0.0.1\r\n"
AUTHORIZED = b"Authorization: Bearer " + KEY.encode() + b"\r\n"


@pytest.fixture
def small(start: Callable[..., Program], router: Program) -> Program:
    """A frontend for 100 connections, with a key."""
    listen = ("--listen", "127.0.0.1:0", "--router", router.address)
    return start(
        "zfront", "serve", *listen, "--max-connections", "100", "--api-key", KEY, "--body-timeout", "2"
    )


def connect(front: Program, data: bytes = b"") -> socket.socket:
    host, port = front.address.removeprefix("http://").rsplit(":", 1)
    connection = socket.create_connection((host, int(port)))
    if data:
        connection.sendall(data)
    return connection


def answer(connection: socket.socket) -> bytes:
    connection.settimeout(20)
    data = b""
    while b"\r\n\r\n" not in data and (piece := connection.recv(65536)):
        data += piece
    return data


@pytest.mark.parametrize(
    "said",
    [b"", b"G", b"GET /sse/a HTTP/1.1\r\nHost: 127", POST + b"Content-Length: 9\r\n\r\nx", b"PUT /api/fol"],
    ids=["nothing", "a byte", "half a head", "half a body", "half a line"],
)
def test_however_many_say_less_than_a_request_all_others_get_in(
    small: Program, api: RouterClient, said: bytes
) -> None:
    crowd = [connect(small, said) for _ in range(300)]
    client = connect(small, b"GET /sse/a HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b" 200 OK" in answer(client)
    wait_for(api, "a", 1)
    for _ in range(3):
        crowd += [connect(small, said) for _ in range(100)]  # who was pushed out comes again
        backend = connect(small, POST + AUTHORIZED + b"Content-Length: 1\r\n\r\nx")
        assert b" 200 OK" in answer(backend)
        slow = connect(small, b"GET /api/stats HTTP/1.1\r\nHost: localhost\r\n" + AUTHORIZED)
        time.sleep(0.05)
        slow.sendall(b"\r\n")
        assert b" 200 OK" in answer(slow)
        for one in (backend, slow):
            one.close()
    for one in (client, *crowd):
        one.close()


def test_with_all_places_taken_senders_get_in_and_clients_are_told(small: Program, api: RouterClient) -> None:
    clients = [connect(small, b"GET /sse/a HTTP/1.1\r\nHost: localhost\r\n\r\n") for _ in range(100)]
    wait_for(api, "a", 100)
    assert answer(connect(small, b"GET /test/a HTTP/1.1\r\nHost: localhost\r\n\r\n")).startswith(
        b"HTTP/1.1 503 "
    )
    for request in (
        POST + AUTHORIZED + b"Content-Length: 1\r\n\r\nx",
        b"GET /api/who/a HTTP/1.1\r\nHost: localhost\r\n" + AUTHORIZED + b"\r\n",
    ):
        assert answer(connect(small, request)).startswith(b"HTTP/1.1 200 ")
    assert b"data: x" in b"".join(clients[7].recv(65536) for _ in range(2))
    for one in clients:
        one.close()


def test_who_sends_nothing_for_long_is_closed_and_silent_ones_count(
    small: Program, api: RouterClient
) -> None:
    silent = [connect(small) for _ in range(50)]
    figures = api.stats

    def unparked() -> bool:
        return "'unparked': 50" in str(figures())

    eventually(unparked, 20)  # the kernel hands a silent one over after five seconds
    for one in silent:
        one.close()
    eventually(lambda: "'unparked': 0" in str(figures()))


@pytest.mark.parametrize(
    "key", [b"", b"Authorization: Bearer wrongwrongwrongwrong\r\n"], ids=["none", "wrong"]
)
@pytest.mark.parametrize(
    "path", [b"POST /api/send/a", b"POST /api/send", b"PUT /api/follows/a", b"POST /api/publish/a"]
)
def test_who_may_not_is_told_before_the_body_has_come(small: Program, path: bytes, key: bytes) -> None:
    head = (
        path
        + b" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
        + key
    )
    connection = connect(small, head + b"\r\n")
    began = time.monotonic()
    assert answer(connection).startswith(b"HTTP/1.1 401 ")
    assert time.monotonic() - began < 1.5


@pytest.mark.parametrize("pieces", [(b"x",) * 40, (b"",) * 40], ids=["byte by byte", "nothing"])
def test_a_request_has_one_deadline_however_it_trickles(small: Program, pieces: tuple[bytes, ...]) -> None:
    connection = connect(small, POST + AUTHORIZED + b"Content-Length: 1000\r\n\r\n")
    began = time.monotonic()
    seen = b""
    connection.settimeout(0.2)
    for piece in pieces:
        try:
            connection.sendall(piece)
            seen += connection.recv(65536)
            break
        except TimeoutError:
            continue
    assert seen.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began < 6


def test_an_event_source_that_finds_no_place_is_told_when_to_come_back(
    start: Callable[..., Program], router: Program, api: RouterClient
) -> None:
    listen = ("--listen", "127.0.0.1:0", "--router", router.address)
    front = start("zfront", "serve", *listen, "--max-connections", "1", "--cors", "https://app.example")
    first = connect(front, b"GET /sse/a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    wait_for(api, "a", 1)
    delays = set()
    for ending in (b"", b"X: y\r\n" * 3):
        for pieces in (1, 2):
            request = (
                b"GET /sse/a HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n"
                b"Origin: https://app.example\r\n" + ending + b"\r\n"
            )
            client = Client(front.address, "")
            client.socket.sendall(request[:20] if pieces == 2 else request)
            if pieces == 2:
                time.sleep(0.05)
                client.socket.sendall(request[20:])
            seen = client.read_to_end()
            assert seen.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"Content-Type: text/event-stream" in seen
            assert b"Access-Control-Allow-Origin: https://app.example" in seen
            found = re.search(rb"\r\n\r\nretry: ([0-9]+)\n\n$", seen)
            assert found, seen
            delays.add(int(found[1]))
    assert all(5000 <= delay <= 15000 for delay in delays)
    assert len(delays) > 1
    assert answer(connect(front, b"GET /sse/a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")).startswith(
        b"HTTP/1.1 503 "
    )
    first.close()


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /sse/a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /stream/a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /test/a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /api/stats HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST /api/send/a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n\r\nx",
        b"POST /api/send/%zz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n\r\nx",
        b"rubbish\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: y\r\n" * 3000 + b"\r\n",
    ],
    ids=range(10),
)
def test_every_answer_says_when_it_was_made(front: Program, request_: bytes) -> None:
    seen = answer(connect(front, request_))
    assert (
        len(re.findall(rb"\r\nDate: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n", seen))
        == 1
    ), seen


def test_the_answer_of_a_poll_has_the_time_of_that_answer(front: Program, api: RouterClient) -> None:
    connection = connect(front, b"GET /poll/a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    wait_for(api, "a", 1)
    time.sleep(2.1)
    api.send("a", "x")
    found = re.search(rb"Date: .* (\d\d):(\d\d):(\d\d) GMT", answer(connection))
    assert found
    said = int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3])
    now = time.gmtime()
    assert (now.tm_hour * 3600 + now.tm_min * 60 + now.tm_sec - said) % 86400 <= 2
