"""Which requests are a WebSocket handshake: RFC 6455, 4.2.1 and 11.3, by both ways into a frontend.

The short way reads a request that comes whole; one that comes in two pieces is Tornado's.
"""

from __future__ import annotations

import socket
import time
from typing import Final

import pytest

from tests.conftest import Client, Program

GOOD: Final = {
    "Host": "127.0.0.1",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Version": "13",
}
# What is another than in GOOD, and the status. None: the header is missing; a list: it is there so often.
CASES: Final[dict[str, tuple[dict[str, str | list[str] | None], int]]] = {
    "a plain one": ({}, 101),
    "any case": ({"Connection": "uPGRADE", "Upgrade": "WebSocket"}, 101),
    "blanks": ({"Connection": " \tUpgrade ", "Sec-WebSocket-Version": " 13\t"}, 101),
    "Upgrade among others, as Firefox says it": ({"Connection": "keep-alive, Upgrade"}, 101),
    "two lines of Connection": ({"Connection": ["keep-alive", "Upgrade"]}, 101),
    "another protocol first": ({"Upgrade": "h2c, websocket"}, 101),
    "an origin of its own": ({"Host": "LOCALHOST:8000", "Origin": "http://localhost:8000"}, 101),
    "two lines of extensions": ({"Sec-WebSocket-Extensions": ["a", "b; c=1"]}, 101),
    "two lines of protocols": ({"Sec-WebSocket-Protocol": ["a", "b"]}, 101),
    "no Connection": ({"Connection": None}, 426),
    "another Connection": ({"Connection": "keep-alive"}, 426),
    "a word that has Upgrade in it": ({"Connection": "upgraded, x-upgrade"}, 426),
    "no Upgrade": ({"Upgrade": None}, 426),
    "another Upgrade": ({"Upgrade": "h2c"}, 426),
    "a version of websocket": ({"Upgrade": "websocket/13"}, 426),
    "no version": ({"Sec-WebSocket-Version": None}, 426),
    "an old version": ({"Sec-WebSocket-Version": "8"}, 426),
    "more than a version": ({"Sec-WebSocket-Version": "13, 8"}, 426),
    "two lines of versions": ({"Sec-WebSocket-Version": ["13", "13"]}, 426),
    "a version with zeros": ({"Sec-WebSocket-Version": "013"}, 426),
    "no key": ({"Sec-WebSocket-Key": None}, 400),
    "an empty key": ({"Sec-WebSocket-Key": ""}, 400),
    "a short key": ({"Sec-WebSocket-Key": "AAAA"}, 400),
    "a long key": ({"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAAAA"}, 400),
    "no base64": ({"Sec-WebSocket-Key": "!AAAAAAAAAAAAAAAAAAAAA=="}, 400),
    "two keys": ({"Sec-WebSocket-Key": ["AAAAAAAAAAAAAAAAAAAAAA==", "BAAAAAAAAAAAAAAAAAAAAA=="]}, 400),
    "the same key twice": ({"Sec-WebSocket-Key": ["AAAAAAAAAAAAAAAAAAAAAA=="] * 2}, 400),
    "no host": ({"Host": None}, 400),
    "two hosts": ({"Host": ["127.0.0.1", "127.0.0.1"]}, 400),
    "a foreign origin": ({"Origin": "http://elsewhere.example"}, 403),
}


def request(changed: dict[str, str | list[str] | None], line: str = "GET /ws/1 HTTP/1.1") -> bytes:
    lines = [line]
    for name, value in {**GOOD, **changed}.items():
        lines += [f"{name}: {one}" for one in ([value] if isinstance(value, str) else value or [])]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def status(front: Program, data: bytes, is_whole: bool) -> int:
    client = Client(front.address, "")
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    pieces = [data] if is_whole else [data[:10], data[10:]]
    for piece in pieces:
        client.socket.sendall(piece)
        time.sleep(0.01 if not is_whole else 0)  # or the kernel makes one of them
    head = client.read_until(b"\r\n\r\n")
    client.socket.close()
    return int(head.split()[1])


@pytest.mark.parametrize("is_whole", [True, False], ids=["whole", "in pieces"])
def test_what_is_no_handshake_is_refused_by_both_ways(front: Program, is_whole: bool) -> None:
    found = {name: status(front, request(changed), is_whole) for name, (changed, _) in CASES.items()}
    assert found == {name: wanted for name, (_, wanted) in CASES.items()}


@pytest.mark.parametrize("line", ["POST /ws/1 HTTP/1.1", "GET /ws/1 HTTP/1.0", "PUT /ws/1 HTTP/1.1"])
def test_only_a_get_of_http_1_1_is_a_handshake(front: Program, line: str) -> None:
    assert status(front, request({}, line), is_whole=True) >= 400


def test_one_of_another_version_is_told_which_there_is(front: Program) -> None:
    client = Client(front.address, "")
    client.socket.sendall(request({"Sec-WebSocket-Version": "7"}))
    assert b"\r\nSec-Websocket-Version: 13\r\n".lower() in client.read_until(b"\r\n\r\n").lower()
