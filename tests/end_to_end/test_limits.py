"""Bounds for each address, id and API key, by every way in; words and Retry-After for who is over one."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import Client, Program, wait_for
from tests.end_to_end.posting import JSON, LINES, Backend
from tests.end_to_end.test_api_keys import Keys, figure
from tests.end_to_end.test_api_send import assert_problem
from tests.end_to_end.test_tokens import UPGRADE
from tests.zfront.websocket_cases import Heard, frame
from zrouter.client import RouterClient

STREAMS = ("/test/a", "/stream/a", "/sse/a", "/ws/a")


@pytest.fixture
def frontend(start: Callable[..., Program], router: Program) -> Callable[..., Program]:
    def begin(*more: str) -> Program:
        return start("zfront", "serve", "--listen", "127.0.0.1:0", "--router", router.address, *more)

    return begin


class From:
    """Connections of one address of this host."""

    def __init__(self, front: Program, address: str) -> None:
        host, _, port = front.address.removeprefix("http://").rpartition(":")
        self._to = (host, int(port))
        self._address = address
        self.open: list[socket.socket] = []

    def ask(self, path: str, *lines: str) -> bytes:
        """The head of an answer; the connection stays."""
        link = socket.create_connection(self._to, 10, (self._address, 0))
        self.open.append(link)
        more = UPGRADE if path.startswith("/ws") else ""
        said = "".join(f"{line}\r\n" for line in lines)
        link.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{said}{more}\r\n".encode())
        seen = b""
        while b"\r\n\r\n" not in seen and (data := link.recv(4096)):
            seen += data
        return seen

    def close(self) -> None:
        while self.open:
            self.open.pop().close()


@pytest.fixture
def clients() -> Iterator[Callable[[Program, str], From]]:
    made: list[From] = []

    def come(front: Program, address: str) -> From:
        made.append(From(front, address))
        return made[-1]

    yield come
    for one in made:
        one.close()


@pytest.mark.parametrize("path", STREAMS)
@pytest.mark.parametrize("more", [(), ("Content-Length: 0",)], ids=["the short way", "through Tornado"])
def test_one_address_has_so_many_connections_and_others_have_theirs(
    frontend: Callable[..., Program],
    clients: Callable[[Program, str], From],
    path: str,
    more: tuple[str, ...],
    api: RouterClient,
) -> None:
    front = frontend("--max-per-address", "3")
    one, other = clients(front, "127.0.0.2"), clients(front, "127.0.0.3")
    good = b" 101 " if path.startswith("/ws") else b" 200 "
    for _ in range(3):
        assert good in one.ask(path, *more)
    refused = one.ask(path, *more)
    assert b" 429 " in refused
    assert b"Retry-After: " in refused
    assert good in other.ask(path, *more)
    one.close()
    wait_for(api, "a", 1)
    assert good in one.ask(path, *more)
    figure(api, "crowded_address", 1)


def test_behind_a_trusted_proxy_the_clients_address_counts_and_nobody_makes_one_up(
    frontend: Callable[..., Program], clients: Callable[[Program, str], From]
) -> None:
    front = frontend("--max-per-address", "2", "--trusted-proxies", "127.0.0.9", "--insecure")
    proxy, client = clients(front, "127.0.0.9"), clients(front, "127.0.0.8")
    for more in ((), ("Content-Length: 0",)):
        for number in range(4):
            # Each of another client, as the proxy says; what stands before, the client made up.
            said = f"X-Forwarded-For: 6.6.6.6, 10.0.{len(more)}.{number}"
            assert b" 200 " in proxy.ask("/sse/a", said, *more)
        assert b" 200 " in proxy.ask("/sse/a", f"X-Forwarded-For: 10.0.{len(more)}.1", *more)
        assert b" 429 " in proxy.ask("/sse/a", f"X-Forwarded-For: 10.0.{len(more)}.1", *more)
        assert b" 200 " in proxy.ask("/sse/a", f"x-forwarded-for:[2001:db8:{len(more)}::1]:80", *more)
        assert b" 200 " in proxy.ask("/sse/a", f"X-Forwarded-For: 2001:db8:{len(more)}::2", *more)
        assert b" 429 " in proxy.ask("/sse/a", f"X-Forwarded-For: 2001:db8:{len(more)}::3", *more)
    for number in range(2):
        assert b" 200 " in client.ask("/sse/a", f"X-Forwarded-For: 10.9.9.{number}")
    assert b" 429 " in client.ask("/sse/a", "X-Forwarded-For: 10.9.9.9")


def test_one_id_has_so_many_connections_however_they_come(
    frontend: Callable[..., Program], clients: Callable[[Program, str], From], api: RouterClient
) -> None:
    front = frontend("--max-per-id", "3", "--poll-timeout", "1")
    some = clients(front, "127.0.0.2")
    for path in STREAMS[:3]:
        assert b" 200 " in some.ask(path)
    for path in STREAMS:
        for more in ((), ("Content-Length: 0",)):
            assert b" 429 " in some.ask(path, *more)
    assert b" 429 " in some.ask("/sse/b?id=a")
    browser = some.ask("/sse/a", "Accept: text/event-stream")
    assert b" 200 " in browser, "an EventSource that gets 429 never comes back"
    poll = Client(front.address, "")
    for target, status in ((b"/poll/b", b" 204 "), (b"/poll/a", b" 429 ")):
        poll.seen = b""
        poll.socket.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert status in poll.read_until(b"\r\n\r\n")
    figure(api, "crowded_id", 11)


def test_a_websocket_logs_in_to_no_id_that_is_full(
    frontend: Callable[..., Program], clients: Callable[[Program, str], From]
) -> None:
    front = frontend("--max-per-id", "1")
    assert b" 200 " in clients(front, "127.0.0.2").ask("/sse/a")
    client = Client(front.address, "")
    client.socket.sendall(f"GET /ws/b HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}\r\n".encode())
    client.read_until(b"\r\n\r\n")
    heard = Heard()
    heard.feed(client.seen.partition(b"\r\n\r\n")[2])
    client.socket.sendall(frame("text", b'{"login":["c","a"]}'))
    while not any("error" in str(one) for one in heard.messages):
        heard.feed(client.socket.recv(4096))
    assert "as many connections as it may" in str(heard.messages[-1])


@pytest.mark.parametrize("is_long", [False, True], ids=["the short way", "through Tornado"])
def test_one_key_has_so_many_requests_and_messages_a_second(
    frontend: Callable[..., Program],
    tmp_path_factory: pytest.TempPathFactory,
    is_long: bool,
    api: RouterClient,
) -> None:
    keys = Keys(tmp_path_factory.mktemp("keys") / "api-keys")
    first, second, last = (keys.make("send") for _ in range(3))
    front = frontend("--api-rate", "5", "--api-key-file", str(keys.path))
    one, other = Backend(front, is_long, first), Backend(front, is_long, second)
    statuses = [one.post("/api/send/a", b"x").status for _ in range(20)]
    assert statuses.count(200) >= 10
    assert 429 in statuses
    refused = next(
        answer for answer in (one.post("/api/send/a", b"x") for _ in range(30)) if answer.status == 429
    )
    assert_problem(refused, 429)
    assert int(refused.headers["Retry-After"]) >= 1
    assert other.post("/api/send/a", b"x").status == 200
    batch = [{"id": "a", "message": "x"}] * 100
    assert other.ask("POST", "/api/send", json.dumps(batch), JSON).status == 200
    assert other.post("/api/send/a", b"x").status == 429, "its messages count"
    third = Backend(front, is_long, last)
    lines = "\n".join(map(json.dumps, batch))
    assert third.ask("POST", "/api/send", lines, LINES).status == 200
    assert third.post("/api/send/a", b"x").status == 429
    for backend in (one, other, third):
        backend.close()
