"""Pages of other origins: what they may read, and who may open a WebSocket."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.conftest import Client, Program, needs_curl, wait_for
from zrouter.client import RouterClient

HERE, LISTED, OTHER = "http://here.example", "https://listed.example", "https://other.example"
KEY = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
UPGRADE = f"Connection: Upgrade\r\nUpgrade: websocket\r\n{KEY}"


def answer(front: Program, target: str, *lines: str) -> str:
    """The head of the answer to a GET with these header lines."""
    client = Client(front.address, "")
    more = "".join(line if line.endswith("\r\n") else f"{line}\r\n" for line in lines)
    client.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: here.example\r\n{more}\r\n".encode())
    return client.read_until(b"\r\n\r\n").partition(b"\r\n\r\n")[0].decode() + "\r\n"


@pytest.fixture
def listing(start: Callable[..., Program], router: Program) -> Program:
    listen = ("--listen", "127.0.0.1:0", "--router", router.address)
    names = ("--hosts", "here.example")
    return start("zfront", "serve", *listen, *names, "--cors", f"{LISTED}, https://more.example")


@pytest.mark.parametrize("path", ["/test/1", "/stream/1", "/sse/1"])
@pytest.mark.parametrize("more", [(), ("Content-Length: 0",)], ids=["parked", "by Tornado"])
def test_a_stream_names_the_origin_that_may_read_it(
    listing: Program, path: str, more: tuple[str, ...]
) -> None:
    head = answer(listing, path, f"Origin: {LISTED}", *more)
    assert f"Access-Control-Allow-Origin: {LISTED}\r\n" in head
    assert "Vary: Origin\r\n" in head
    assert "Access-Control" not in answer(listing, path, f"Origin: {OTHER}", *more)
    assert "Access-Control" not in answer(listing, path, *more)


def test_all_origins_may_read_if_the_setting_says_so(start: Callable[..., Program], router: Program) -> None:
    listen = ("--listen", "127.0.0.1:0", "--hosts", "here.example")
    front = start("zfront", "serve", *listen, "--router", router.address, "--cors", "*")
    assert "Access-Control-Allow-Origin: *\r\n" in answer(front, "/sse/1", f"Origin: {OTHER}")
    assert " 101 " in answer(front, "/ws/1", f"Origin: {OTHER}", UPGRADE)


def test_each_answer_to_a_poll_names_the_origin(listing: Program, api: RouterClient) -> None:
    client = Client(listing.address, "")
    request = f"GET /poll/1 HTTP/1.1\r\nHost: here.example\r\nOrigin: {LISTED}\r\n\r\n".encode()
    for _ in range(2):
        client.seen = b""
        wait_for(api, "1", 0)  # an answered poll is logged out
        client.socket.sendall(request)
        wait_for(api, "1", 1)
        api.send("1", "x")
        assert f"Access-Control-Allow-Origin: {LISTED}\r\n".encode() in client.read_until(b"]}\n")


@pytest.mark.parametrize(
    ("origin", "status"),
    [(HERE, " 101 "), (LISTED, " 101 "), (OTHER, " 403 "), ("null", " 403 "), ("", " 101 ")],
)
def test_a_page_may_open_a_websocket_here_if_it_is_ours_or_listed(
    listing: Program, origin: str, status: str
) -> None:
    lines = [UPGRADE, *([f"Origin: {origin}"] if origin else [])]
    assert status in answer(listing, "/ws/1", *lines)


@needs_curl
def test_a_browser_that_asks_first_is_told(listing: Program) -> None:
    def asked(origin: str) -> str:
        command = ["curl", "-si", "-X", "OPTIONS", "-H", f"Origin: {origin}", f"{listing.address}/poll/1"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert f"Access-Control-Allow-Origin: {LISTED}" in asked(LISTED)
    assert "If-None-Match" in asked(LISTED)
    assert "Access-Control" not in asked(OTHER)
    assert " 204 " in asked(OTHER)


def test_what_is_no_origin_is_a_usage_error_before_workers_are_started() -> None:
    command = [sys.executable, "-c", "from zfront.cli import main; main()", "serve", "--workers", "2"]
    done = subprocess.run([*command, "--cors", "foo"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert "'foo' is no origin" in done.stderr
    assert done.stderr.count("\n") == 1


# What a page gets whose name has been made to point to 127.0.0.1, by every way in.
FOREIGN_HOSTS = ("evil.example:8000", "127.0.0.1.evil.example", "0.0.0.0", "foo.localhost.evil", "10.0.0.1")
OWN_HOSTS = ("127.0.0.1", "LOCALHOST:8000", "localhost.", "[::1]:80", "127.8.8.8")
EVERY_PATH = (
    "/test/1", "/stream/1", "/sse/1", "/ws/1", "/poll/1", "/", "/demo", "/pages/demo.js", "/api/who/1",
    "/api/openapi.json",
)  # fmt: skip


@pytest.mark.parametrize("path", EVERY_PATH)
def test_a_foreign_name_of_a_frontend_on_loopback_gets_nothing(front: Program, path: str) -> None:
    def status(target: str, host: str, *more: str) -> int:
        client = Client(front.address, "")
        lines = "".join(f"{line}\r\n" for line in (f"Host: {host}", *more))
        client.socket.sendall(f"HEAD {target} HTTP/1.1\r\n{lines}\r\n".encode())
        return int(client.read_until(b"\r\n\r\n").split()[1])

    for host in FOREIGN_HOSTS:
        assert status(path, host) == 403, host
        assert status(path, host, "Content-Length: 0", f"Origin: http://{host}") == 403, host
        assert status(f"http://{host}{path}", "127.0.0.1") == 403, host
    for host in OWN_HOSTS:
        assert status(path, host) not in (403, 500), host
