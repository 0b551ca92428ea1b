"""A frontend on loopback without tokens: its streams are for this machine, by every way in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Client, Program, eventually
from zrouter.client import RouterClient

UPGRADE = (
    "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)  # fmt: skip
LISTED = "https://listed.example"
STREAMS = ("/test/1", "/stream/1", "/sse/1", "/poll/1", "/ws/1")

# Lines of requests behind which somebody else may be, and of those that are ours.
OTHERS: tuple[tuple[str, ...], ...] = (
    ("X-Forwarded-For: 10.0.0.1",), ("x-forwarded-for:",), ("Forwarded: for=10.0.0.1",), ("Via: 1.1 proxy",),
    ("X-Real-IP: 127.0.0.1",), ("X-Forwarded-Host: localhost",), ("X-Forwarded-Proto: https",),
    ("CF-Connecting-IP: 1.1.1.1",), ("True-Client-IP: 1.1.1.1",), ("Origin: https://evil.example",),
    ("Origin: null",), ("Origin: http://127.0.0.1:1",), ("Origin: http://[",),
    ("Referer: https://evil.example/page",), ("Referer: http://[",), ("Referer: about:blank",),
    ("Referer: http://{own}@evil.example/",), ("Referer: file:///etc/passwd",),
    ("Sec-Fetch-Site: cross-site",), ("Sec-Fetch-Site: same-site",), ("Sec-Fetch-Site: CROSS-SITE",),
    ("Origin: https://evil.example", "Referer: http://{own}/"), ("Host: evil.example",),
)  # fmt: skip
OURS: tuple[tuple[str, ...], ...] = (
    (), ("Origin: http://{own}",), ("Referer: http://{own}/demo",), ("Sec-Fetch-Site: same-origin",),
    ("Sec-Fetch-Site: none",), (f"Origin: {LISTED}",), (f"Origin: {LISTED}", "Sec-Fetch-Site: cross-site"),
    ("Referer: https://listed.example/page",),
)  # fmt: skip


def status(front: Program, path: str, lines: tuple[str, ...], method: str = "GET", body: bool = False) -> int:
    own = front.address.removeprefix("http://")
    said = [line.format(own=own) for line in lines]
    if not any(line.startswith("Host:") for line in said):
        said.insert(0, f"Host: {own}")
    if path.startswith("/ws"):
        said += UPGRADE
    if body:
        said.append("Content-Length: 0")  # what the short way leaves to Tornado
    client = Client(front.address, "")
    client.socket.sendall(
        f"{method} {path} HTTP/1.1\r\n".encode() + "".join(f"{one}\r\n" for one in said).encode() + b"\r\n"
    )
    try:
        return 204 if path.startswith("/poll") and method == "GET" and _waits(client) else _status(client)
    finally:
        client.socket.close()


def _status(client: Client) -> int:
    return int(client.read_until(b"\r\n").split()[1])


def _waits(client: Client) -> bool:
    """Whether a poll was let in: it is answered when there is a message."""
    client.socket.settimeout(0.2)
    try:
        return not client.socket.recv(1, 2)  # MSG_PEEK
    except TimeoutError:
        return True
    finally:
        client.socket.settimeout(10)


@pytest.fixture
def frontend(start: Callable[..., Program], router: Program) -> Callable[..., Program]:
    def begin(*more: str) -> Program:
        listen = ("--listen", "127.0.0.1:0", "--router", router.address, "--cors", LISTED)
        return start("zfront", "serve", *listen, *more)

    return begin


@pytest.mark.parametrize("keys", [(), ("--api-key", "k" * 16)], ids=["no API key", "an API key"])
@pytest.mark.parametrize("path", STREAMS)
@pytest.mark.parametrize("body", [False, True], ids=["the short way", "through Tornado"])
def test_streams_are_for_this_machine_alone(
    frontend: Callable[..., Program], path: str, body: bool, keys: tuple[str, ...]
) -> None:
    front = frontend(*keys)
    for lines in OTHERS:
        assert status(front, path, lines, body=body) == 403, lines
        assert status(front, path, lines, "HEAD", body) == 403, lines
    good = 101 if path.startswith("/ws") else 204 if path.startswith("/poll") else 200
    for lines in OURS:
        assert status(front, path, lines, body=body) == good, lines


def test_who_was_refused_is_counted_and_told_what_there_is_to_do(
    frontend: Callable[..., Program], api: RouterClient
) -> None:
    front = frontend()
    client = Client(front.address, "")
    client.socket.sendall(b"GET /sse/1 HTTP/1.1\r\nHost: localhost\r\nVia: 1.1 nginx\r\n\r\n")
    answer = client.read_until(b"--insecure\n").decode()
    assert "--token-key-file" in answer
    assert status(front, "/test/1", ("Origin: https://evil.example",)) == 403
    eventually(lambda: any(row.get("outsiders_refused") == 2 for row in api.stats()["frontends"]))


def test_on_a_connection_that_is_kept_each_request_is_looked_at(frontend: Callable[..., Program]) -> None:
    client = Client(frontend("--poll-timeout", "1").address, "")
    client.socket.sendall(b"GET /poll/1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    client.read_until(b" 204 ")
    client.read_until(b"\r\n\r\n")
    client.socket.sendall(b"GET /poll/1 HTTP/1.1\r\nHost: localhost\r\nForwarded: for=a\r\n\r\n")
    client.read_until(b" 403 ")


@pytest.mark.parametrize("path", STREAMS)
def test_insecure_is_for_a_proxy_that_checks_by_itself(frontend: Callable[..., Program], path: str) -> None:
    front = frontend("--insecure")
    good = 101 if path.startswith("/ws") else 204 if path.startswith("/poll") else 200
    assert status(front, path, ("X-Forwarded-For: 10.0.0.1", "Via: 1.1 nginx")) == good
