"""Tokens at a real frontend: by every way in, until they are over, renewed, and with keys that change."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Client, Program, eventually, wait_for
from tests.zfront.websocket_cases import Heard, frame
from zrouter.client import RouterClient
from zrouter.tokens.key_files import parse_keys
from zrouter.tokens.make import make_secret, make_token

UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    "Sec-WebSocket-Version: 13\r\n"
)
CLOSED = (4401).to_bytes(2, "big")
SETTINGS = ("--token-leeway", "0", "--token-warning", "1", "--token-cookie", "zc")


class Guarded:
    """A frontend that wants tokens, and the key for them."""

    def __init__(self, start: Callable[..., Program], router: Program, folder: Path, *more: str) -> None:
        self.file = folder / "keys.json"
        self.change_keys()
        listen = ("--listen", "127.0.0.1:0", "--router", router.address)
        self.program = start("zfront", "serve", *listen, "--token-key-file", str(self.file), *SETTINGS, *more)
        self.address = self.program.address

    def change_keys(self) -> None:
        data = make_secret("k1")
        (self.key,) = parse_keys(data)
        new = self.file.with_suffix(".new")
        new.touch(0o600)
        new.write_bytes(data)
        os.replace(new, self.file)

    def token(self, sub: str = "ann", ttl_s: float = 600, **claims: list[str]) -> str:
        return make_token(self.key, sub, time.time(), ttl_s, **claims)

    def ask(self, target: str, *lines: str, method: str = "GET") -> tuple[int, str]:
        """The status and the whole head of an answer."""
        client = Client(self.address, "")
        head = "".join(f"{line}\r\n" for line in ("Host: 127.0.0.1", *lines))
        client.socket.sendall(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1"))
        seen = client.read_until(b"\r\n\r\n").decode("latin-1")
        client.socket.close()
        return int(seen.split()[1]), seen


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Guarded, Program]]:
    """One frontend for all that leave it as it was, and its router."""
    folder = tmp_path_factory.mktemp("tokens")
    started: list[Program] = []

    def start(*command: str) -> Program:
        started.append(Program(folder / f"{len(started)}.log", *command))
        return started[-1]

    router = start("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--store", "none")
    yield Guarded(start, router, folder), router
    for program in reversed(started):
        program.stop()


@pytest.fixture
def guarded(programs: tuple[Guarded, Program], api: RouterClient) -> Guarded:
    wait_for(api, "ann", 0)
    return programs[0]


@pytest.fixture
def api(programs: tuple[Guarded, Program]) -> Iterator[RouterClient]:
    with RouterClient(programs[1].address) as client:
        yield client


# A way in is what becomes of the target and the lines of a request for it.
WAYS: dict[str, Callable[[Guarded, str, tuple[str, ...]], int]] = {
    "past Tornado": lambda at, target, lines: at.ask(target, *lines)[0],
    "Tornado": lambda at, target, lines: at.ask(target, "Content-Length: 0", *lines)[0],
    "HEAD": lambda at, target, lines: at.ask(target, *lines, method="HEAD")[0],
    "a whole URL": lambda at, target, lines: at.ask("http://127.0.0.1" + target, *lines)[0],
    "the next request": lambda at, target, lines: _after_a_poll(at, target, lines),
}


def _after_a_poll(at: Guarded, target: str, lines: tuple[str, ...]) -> int:
    """On a connection whose first request was admitted: nothing of that stays."""
    client = Client(at.address, "")
    said = f"Host: 127.0.0.1\r\nAuthorization: Bearer {at.token()}\r\n"
    client.socket.sendall(f"GET /poll/ann?since=x.1 HTTP/1.1\r\n{said}\r\n".encode())
    client.read_until(b"\r\n\r\n")
    length = int(client.seen.lower().partition(b"content-length: ")[2].split()[0])
    client.read_until(b"}\n")
    assert client.seen.startswith(b"HTTP/1.1 200")
    assert client.seen.endswith(b"\n")
    assert length > 0
    client.seen = b""
    head = "".join(f"{line}\r\n" for line in ("Host: 127.0.0.1", *lines))
    client.socket.sendall(f"GET {target} HTTP/1.1\r\n{head}\r\n".encode())
    seen = client.read_until(b"\r\n\r\n")
    client.socket.close()
    return int(seen.split()[1])


def test_each_request_is_judged_alike_by_every_way_in(guarded: Guarded, api: RouterClient) -> None:
    good = guarded.token(ids=["ann", "room:*"], watch=["bob"])
    bearer = f"Authorization: Bearer {good}"
    forged = good[:-4] + ("AAAA" if not good.endswith("AAAA") else "BBBA")
    over = make_token(guarded.key, "ann", time.time() - 700)
    api_key = "Authorization: Bearer zk_1_abcdefghijklmnop"
    table: list[tuple[str, tuple[str, ...], int]] = [
        ("/sse/ann", (), 401),
        ("/sse/ann", (bearer,), 200),
        (f"/stream/ann?token={good}", (), 200),
        (f"/test/room:1?token={good}", (), 200),
        (f"/sse/ann?token={good}&id=room:9&watch=bob", (), 200),
        (f"/sse/ann?token={good}&id=bob", (), 403),
        (f"/sse/ann?token={good}&watch=ann", (), 403),
        (f"/sse/%61nn?token={good}", (), 200),
        (f"/sse/%2561nn?token={good}", (), 403),
        (f"/sse/ann%00?token={good}", (), 403),
        (f"/sse//ann?token={good}", (), 403),
        ("/sse/room:", (bearer,), 403),
        ("/sse/bob", (bearer,), 403),
        ("/sse/ann", (f"Authorization: Basic {good}",), 401),
        ("/sse/ann", (bearer, bearer), 400),
        (f"/sse/ann?token={good}&token={good}", (), 400),
        (f"/sse/ann?token={good}", (f"Authorization: Bearer {over}",), 400),
        ("/sse/ann?token=", (), 401),
        (f"/sse/ann?TOKEN={good}", (), 401),
        (f"/sse/ann?token={forged}", (), 401),
        (f"/sse/ann?token={over}", (), 401),
        (f"/sse/ann?token={good}%3D", (), 401),
        ("/sse/ann", (api_key,), 401),
        ("/sse/ann", (f"Cookie: zc={good}",), 403),
        ("/sse/ann", (f"Cookie: zc={good}", "Sec-Fetch-Site: same-origin"), 200),
        ("/sse/ann", (f"Cookie: zc={good}", "Sec-Fetch-Site: same-site"), 403),
        ("/sse/ann", (f"Cookie: zc={good}", "Origin: http://127.0.0.1"), 200),
        ("/sse/ann", (f"Cookie: zc={good}", "Origin: http://evil.example"), 403),
        ("/sse/ann", (f"Cookie: zc={good}; zc={over}", "Sec-Fetch-Site: same-origin"), 400),
    ]
    for name, way in WAYS.items():
        wrong = [
            (target[:40], lines, expected, status)
            for target, lines, expected in table
            if (status := way(guarded, target, lines)) != expected
        ]
        assert not wrong, name
    wait_for(api, "bob", 0)
    assert good not in guarded.program.log()


def test_whose_host_a_whole_url_says_is_the_one_that_counts(guarded: Guarded) -> None:
    for host, expected in (("127.0.0.1", 200), ("evil.example", 403), ("localhost:80", 200)):
        target = f"http://{host}/sse/ann?token={guarded.token()}"
        assert guarded.ask(target, method="HEAD")[0] == expected


def test_a_refusal_says_what_is_needed_and_no_more(guarded: Guarded) -> None:
    status, head = guarded.ask("/sse/ann?token=x.y.z")
    assert status == 401
    assert 'WWW-Authenticate: Bearer realm="zcomet"' in head
    assert "no-store" in head
    assert "nosniff" in head


class Socket:
    """A WebSocket with a token among its subprotocols."""

    def __init__(self, at: Guarded, token: str) -> None:
        self.client = Client(at.address, "")
        lines = f"Host: 127.0.0.1\r\n{UPGRADE}Sec-WebSocket-Protocol: zcomet, bearer.{token}\r\n"
        self.client.socket.sendall(f"GET /ws/ann HTTP/1.1\r\n{lines}\r\n".encode())
        self.head, _, rest = self.client.read_until(b"\r\n\r\n").partition(b"\r\n\r\n")
        self.heard = Heard()
        self.heard.feed(rest)
        assert self.next()["event"] == "open"

    def next(self) -> dict[str, object]:
        while not self.heard.messages:
            data = self.client.socket.recv(65536)
            assert data, self.heard.order
            self.heard.feed(data)
        found: dict[str, object] = json.loads(self.heard.messages.pop(0))
        return found

    def say(self, **command: object) -> dict[str, object]:
        self.client.socket.sendall(frame("text", json.dumps(command).encode()))
        return self.next()


def test_a_websocket_is_held_to_its_token(guarded: Guarded, api: RouterClient) -> None:
    with_socket = Socket(guarded, guarded.token(ids=["ann", "room:*"], watch=["bob"]))
    head = with_socket.head.decode()
    assert head.endswith("\r\nSec-WebSocket-Protocol: zcomet")
    assert "bearer" not in head
    say = with_socket.say
    assert say(login=["room:1"])["event"] == "open"
    error = say(login=["room:2", "eve"], logout=["ann"])
    assert error == {"event": "error", "text": "the token is not for eve"}
    assert say(watch=["ann"])["event"] == "error"
    assert say(watch=["bob"])["event"] == "presence"
    wait_for(api, "room:1", 1)
    assert api.who("room:2") == {"room:2": []}
    # A token of somebody else, one that is forged: the old one stays.
    assert say(token=guarded.token("bob", ids=["ann"]))["event"] == "error"
    assert say(token="x.y.z") == {"event": "error", "text": "a token is needed, and it has to be good"}
    renewed = say(token=guarded.token(ids=["ann"], watch=[]))
    assert renewed["event"] == "renewed"
    assert (renewed["logged_out"], renewed["unwatched"]) == (["room:1"], ["bob"])
    wait_for(api, "room:1", 0)
    api.send("ann", "still here")
    assert with_socket.next()["message"] == "still here"


def test_a_websocket_that_sends_bad_tokens_is_closed(guarded: Guarded) -> None:
    found = Socket(guarded, guarded.token())
    found.client.socket.sendall(frame("text", b'{"token":"x.y.z"}') * 30)
    while data := found.client.socket.recv(65536):
        found.heard.feed(data)
    assert found.heard.closes[0][:2] == CLOSED
    assert len(found.heard.messages) < 12


def test_a_fresh_token_moves_the_end(guarded: Guarded) -> None:
    found = Socket(guarded, guarded.token(ttl_s=4))
    assert found.say(token=guarded.token(ttl_s=600))["event"] == "renewed"
    found.client.socket.settimeout(6)
    with pytest.raises(TimeoutError):
        found.next()


def test_each_transport_says_that_its_token_is_over(guarded: Guarded, api: RouterClient) -> None:
    token = guarded.token(ttl_s=5)
    streams = {
        name: Client(guarded.address, f"/{name}/ann?token={token}", read_head=name != "poll")
        for name in ("test", "stream", "sse", "poll")
    }
    websocket = Socket(guarded, token)
    wait_for(api, "ann", 5)
    ended = {name: client.read_to_end().decode() for name, client in streams.items()}
    assert ended["test"].endswith("\r\n\r\n0\r\n\r\n")
    assert '{"event":"expiring","ends_in":1}\n' in ended["stream"]
    assert ended["stream"].endswith('{"event":"expired"}\n\r\n0\r\n\r\n')
    assert 'event: expiring\ndata: {"event":"expiring","ends_in":1}\n\n' in ended["sse"]
    assert ended["sse"].endswith('event: expired\ndata: {"event":"expired"}\n\n\r\n0\r\n\r\n')
    assert ended["poll"].startswith("HTTP/1.1 401 ")
    assert ended["poll"].endswith('{"event":"expired"}\n')
    assert websocket.next() == {"event": "expiring", "ends_in": 1}
    while data := websocket.client.socket.recv(65536):
        websocket.heard.feed(data)
    assert websocket.heard.closes[0][:2] == CLOSED
    wait_for(api, "ann", 0)


def test_a_frontend_that_was_stopped_over_the_end_writes_nothing_behind_it(
    guarded: Guarded, api: RouterClient
) -> None:
    count = 600  # more than are ended in one go
    token = guarded.token(ttl_s=6)
    clients = [Client(guarded.address, f"/stream/ann?token={token}") for _ in range(count)]
    wait_for(api, "ann", count)
    api.send("ann", "before")
    for client in clients:
        client.read_until(b"before")
    guarded.program.tell(signal.SIGSTOP)
    try:
        time.sleep(7)  # what is shown is that time passes
        api.send("ann", "too late")
    finally:
        guarded.program.tell(signal.SIGCONT)
    for client in clients:
        seen = client.read_to_end()
        assert b"expired" in seen
        assert b"too late" not in seen


def test_new_keys_count_without_a_restart_and_bad_ones_change_nothing(guarded: Guarded) -> None:
    old = guarded.token()
    assert guarded.ask("/sse/ann", f"Authorization: Bearer {old}")[0] == 200
    guarded.change_keys()
    new = guarded.token()
    eventually(lambda: guarded.ask("/sse/ann", f"Authorization: Bearer {new}")[0] == 200)
    assert guarded.ask("/sse/ann", f"Authorization: Bearer {old}")[0] == 401
    guarded.file.write_text("{")
    eventually(lambda: "the keys of before stay" in guarded.program.log())
    assert guarded.ask("/sse/ann", f"Authorization: Bearer {new}")[0] == 200


def test_without_parking_tokens_count_too(
    start: Callable[..., Program], router: Program, tmp_path: Path
) -> None:
    guarded = Guarded(start, router, tmp_path, "--no-park")
    assert guarded.ask("/sse/ann")[0] == 401
    assert guarded.ask("/sse/ann", f"Authorization: Bearer {guarded.token()}")[0] == 200
    client = Client(guarded.address, f"/stream/ann?token={guarded.token(ttl_s=2)}")
    assert b"expired" in client.read_to_end()


def test_hundreds_that_end_at_once_all_end(guarded: Guarded, api: RouterClient) -> None:
    token = guarded.token(ttl_s=8)
    clients = [Client(guarded.address, "") for _ in range(200)]
    for client in clients:
        client.socket.sendall(f"GET /sse/ann?token={token} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    wait_for(api, "ann", 200)
    for client in clients:
        assert client.read_to_end().endswith(b'{"event":"expired"}\n\n\r\n0\r\n\r\n')
    wait_for(api, "ann", 0)


def test_what_was_refused_is_counted_by_reason(guarded: Guarded, api: RouterClient) -> None:
    for target in ("/sse/ann", "/sse/ann?token=x.y.z", f"/sse/bob?token={guarded.token()}"):
        guarded.ask(target)

    def counted() -> bool:
        reasons = {f"refused_{why}" for why in ("missing", "malformed", "ids")}
        return any(reasons <= row.keys() for row in api.stats()["frontends"])

    eventually(counted)


def test_a_secret_in_a_refused_request_is_in_no_log(guarded: Guarded) -> None:
    canary = "CANARY-5f2e"
    for target in (
        f"/sse/a?token={canary}",
        f"/x?token={canary}",
        f"/ws/a?token={canary}",
        f"/sse/%zz?token={canary}",
    ):
        for lines in (
            (),
            (f"Authorization: Bearer {canary}",),
            (f"Cookie: zc={canary}", "Content-Length: 0"),
        ):
            assert canary not in guarded.ask(target, *lines)[1]
    assert canary not in guarded.program.log()


def test_a_hostile_header_costs_a_connection_and_no_more(guarded: Guarded) -> None:
    connection = http.client.HTTPConnection(guarded.address.removeprefix("http://"), timeout=10)
    connection.request("GET", "/sse/ann", headers={"Cookie": "zc=;" * 1900})
    assert connection.getresponse().status == 401
    connection.close()
    with socket.create_connection(("127.0.0.1", int(guarded.address.rpartition(":")[2])), timeout=10) as raw:
        raw.sendall(b"GET /sse/ann HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \xff\xfe\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 401 ")
