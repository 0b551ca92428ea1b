"""A body that is compressed is refused, whichever request it is of: nobody unpacks it on its way."""

from __future__ import annotations

import gzip

import pytest

from tests.conftest import Client, Program
from zrouter.client import RouterClient

BODIED = [
    ("POST", "/api/send/a", ""),
    ("POST", "/api/publish/a", ""),
    ("POST", "/api/send", "application/json"),
    ("POST", "/api/send", "application/x-ndjson"),
    ("PUT", "/api/follows/a", "application/json"),
    ("DELETE", "/api/follows/a", "application/json"),
]


def answer(front: Program, method: str, path: str, kind: str, coding: str, body: bytes) -> bytes:
    client = Client(front.address, "")
    typed = f"Content-Type: {kind}\r\n" if kind else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{typed}Content-Length: {len(body)}\r\n"
    client.socket.sendall(f"{head}{coding}Connection: close\r\n\r\n".encode() + body)
    return client.read_to_end()


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "identity, br", "deflate", "nonsense"])
@pytest.mark.parametrize(("method", "path", "kind"), BODIED)
def test_it_is_415_and_says_what_is_taken(
    front: Program, api: RouterClient, method: str, path: str, kind: str, coding: str
) -> None:
    told = answer(front, method, path, kind, f"Content-Encoding: {coding}\r\n", gzip.compress(b"[]"))
    assert told.startswith(b"HTTP/1.1 415 ")
    assert b"\r\nAccept-Encoding: identity\r\n" in told
    assert api.stats()["messages_in"] == 0


@pytest.mark.parametrize("coding", ["", "Content-Encoding: identity\r\n", "Content-Encoding: \r\n"])
def test_one_that_is_as_it_is_is_taken(front: Program, coding: str) -> None:
    assert answer(front, "POST", "/api/send/a", "", coding, b"x").startswith(b"HTTP/1.1 200 ")
