"""Tokens that are taken back: by every transport, on every frontend, over restarts and cuts of anybody."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest

from tests.conftest import Client, Program, eventually, wait_for
from tests.end_to_end.posting import JSON, Backend
from tests.end_to_end.test_tokens import CLOSED, Guarded, Socket
from zrouter import RefusedError
from zrouter.client import RouterClient

DEADLINE_S = 10.0  # of tests, on a machine that does other things


@pytest.fixture
def kept(start: Callable[..., Program], tmp_path: Path) -> Callable[..., Program]:
    """Starts a router that keeps revocations; the same file each time."""

    def begin(bind: str = "tcp://127.0.0.1:0", *more: str) -> Program:
        file = ("--revocations", str(tmp_path / "revocations"))
        return start("zrouter", "serve", "--bind", bind, "--store", "none", *file, *more)

    return begin


@pytest.fixture
def router(kept: Callable[..., Program]) -> Program:
    return kept()


@pytest.fixture
def fronts(start: Callable[..., Program], router: Program, tmp_path: Path) -> list[Guarded]:
    """Two frontends with two workers each, and the same keys."""
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.append(Guarded(start, router, tmp_path / name, "--workers", "2"))
    made[1].file.write_bytes(made[0].file.read_bytes())
    made[1].key = made[0].key
    eventually(lambda: "read again" in made[1].program.log(), DEADLINE_S)
    return made


def told(api: RouterClient, count: int) -> None:
    """Wait until so many workers want to be told."""
    eventually(lambda: api.stats()["revocations_told"] == count)


def streams(front: Guarded, token: str, sub: str = "ann") -> dict[str, Client]:
    return {
        name: Client(front.address, f"/{name}/{sub}?token={token}", read_head=name != "poll")
        for name in ("test", "stream", "sse", "poll")
    }


def test_every_connection_of_a_subject_ends_in_words_and_no_other(
    fronts: list[Guarded], api: RouterClient
) -> None:
    told(api, 4)
    token = fronts[0].token()
    others = [
        Client(front.address, f"/sse/bob?token={front.token('bob')}") for front in fronts for _ in range(50)
    ]
    of_ann = [streams(front, token) for front in fronts]
    sockets = [Socket(front, token) for front in fronts]
    wait_for(api, "ann", 10)
    wait_for(api, "bob", 100)
    began = time.monotonic()
    assert api.revoke(sub="ann") == 4
    ends = {name: of.read_to_end().decode() for clients in of_ann for name, of in clients.items()}
    for socket in sockets:
        while data := socket.client.socket.recv(65536):
            socket.heard.feed(data)
        assert socket.heard.closes[0] == CLOSED + b"the token was revoked"
    assert time.monotonic() - began < DEADLINE_S
    assert ends["test"].endswith("\r\n\r\n0\r\n\r\n")
    assert ends["stream"].endswith('{"event":"expired"}\n\r\n0\r\n\r\n')
    assert ends["sse"].endswith('event: expired\ndata: {"event":"expired"}\n\n\r\n0\r\n\r\n')
    assert ends["poll"].startswith("HTTP/1.1 401 ")
    wait_for(api, "ann", 0)
    for front in fronts:
        for path in ("/test/ann", "/stream/ann", "/sse/ann", "/poll/ann", "/ws/ann"):
            assert front.ask(f"{path}?token={token}")[0] == 401
    # Nobody else noticed, and a fresh token is good.
    assert api.who("bob")["bob"]
    api.send("bob", "still here")
    for other in others:
        other.read_until(b"still here")
    eventually(lambda: fronts[1].ask(f"/sse/ann?token={fronts[1].token()}")[0] == 200, 3)


def test_by_jti_and_all_before_a_time(fronts: list[Guarded], api: RouterClient) -> None:
    front = fronts[0]
    told(api, 4)
    now = int(time.time())

    def token(sub: str, **claims: object) -> str:
        return jwt.encode(
            {"sub": sub, "exp": now + 600, **claims}, front.key.signs, "HS256", {"kid": front.key.kid}
        )

    tokens = {
        "with jti": token("ann", jti="x", iat=now - 10),
        "another jti": token("ann", jti="y", iat=now - 10),
        "old": token("ann", iat=now - 100),
        "of no time": token("ann"),
    }
    clients = {name: Client(front.address, f"/sse/ann?token={one}") for name, one in tokens.items()}
    wait_for(api, "ann", 4)
    api.revoke(jti="x")
    assert b"expired" in clients["with jti"].read_to_end()
    wait_for(api, "ann", 3)
    api.revoke(everybody=True, before=now - 50)
    for name in ("old", "of no time"):
        assert b"expired" in clients[name].read_to_end()
    wait_for(api, "ann", 1)
    statuses = {name: front.ask(f"/sse/ann?token={one}")[0] for name, one in tokens.items()}
    assert statuses == {"with jti": 401, "another jti": 200, "old": 401, "of no time": 401}


def test_to_end_connections_alone_lets_them_come_back(fronts: list[Guarded], api: RouterClient) -> None:
    told(api, 4)
    token = fronts[0].token(ids=["ann", "room:*"])
    client = Client(fronts[0].address, f"/sse/room:1?token={token}")
    wait_for(api, "room:1", 1)
    api.revoke(sub="ann", keep_s=0)
    assert b"expired" in client.read_to_end()
    assert fronts[0].ask(f"/sse/ann?token={token}")[0] == 200
    assert api.stats()["revocations"] == 0


def test_a_fresh_token_of_a_websocket_that_is_revoked_is_not_good(
    fronts: list[Guarded], api: RouterClient
) -> None:
    told(api, 4)
    now = int(time.time())
    old = jwt.encode(
        {"sub": "ann", "exp": now + 600, "iat": now - 100},
        fronts[0].key.signs,
        "HS256",
        {"kid": fronts[0].key.kid},
    )
    socket = Socket(fronts[0], fronts[0].token())
    api.revoke(sub="ann", before=now - 50)
    eventually(lambda: fronts[0].ask(f"/sse/ann?token={old}")[0] == 401)
    assert socket.say(token=old) == {"event": "error", "text": "a token is needed, and it has to be good"}
    assert socket.say(token=fronts[0].token())["event"] == "renewed"


def test_what_was_answered_is_there_after_a_kill_of_all(
    start: Callable[..., Program], kept: Callable[..., Program], router: Program, tmp_path: Path
) -> None:
    front = Guarded(start, router, tmp_path)
    token, other = front.token(), front.token("bob")
    address = router.address
    with RouterClient(address) as api:
        told(api, 1)
        api.revoke(sub="ann")
    router.stop(signal.SIGKILL)
    front.program.stop(signal.SIGKILL)
    again = kept(address)
    key_file = ("--token-key-file", str(front.file))
    front.program = start("zfront", "serve", "--listen", "127.0.0.1:0", "--router", address, *key_file)
    front.address = front.program.address
    with RouterClient(again.address) as api:
        told(api, 1)
        eventually(lambda: front.ask(f"/sse/ann?token={token}")[0] == 401)
        assert front.ask(f"/sse/bob?token={other}")[0] == 200
        assert api.stats()["revocations"] == 1


def test_a_frontend_that_was_cut_off_learns_before_it_logs_anybody_in(
    start: Callable[..., Program], router: Program, api: RouterClient, tmp_path: Path
) -> None:
    front = Guarded(start, router, tmp_path)
    told(api, 1)
    token = front.token()
    client = Client(front.address, f"/sse/ann?token={token}")
    wait_for(api, "ann", 1)
    front.program.tell(signal.SIGSTOP)
    try:
        eventually(lambda: not api.who("ann")["ann"], 15)  # logged out: its lease is over
        assert api.revoke(sub="ann") == 0
        assert api.send("ann", "not for a thief") <= 0
    finally:
        front.program.tell(signal.SIGCONT)
    seen = client.read_to_end()
    assert b"expired" in seen
    assert b"thief" not in seen
    assert front.ask(f"/sse/ann?token={token}")[0] == 401


def test_thousands_are_told_to_a_frontend_that_begins(
    start: Callable[..., Program], router: Program, api: RouterClient, tmp_path: Path
) -> None:
    backend = [f"user:{number}" for number in range(2000)]
    for name in backend:
        api.revoke(sub=name)
    front = Guarded(start, router, tmp_path)
    eventually(lambda: any(row.get("revocations") == 2000 for row in api.stats()["frontends"]))
    assert front.ask(f"/sse/user:1999?token={front.token('user:1999', ids=['user:1999'])}")[0] in (200, 401)
    old = jwt.encode(
        {"sub": "user:7", "exp": time.time() + 60}, front.key.signs, "HS256", {"kid": front.key.kid}
    )
    assert front.ask(f"/sse/user:7?token={old}")[0] == 401


def test_a_storm_of_connections_amid_revocations_leaves_none_alive(
    fronts: list[Guarded], api: RouterClient
) -> None:
    told(api, 4)
    token = jwt.encode(
        {"sub": "ann", "exp": time.time() + 600}, fronts[0].key.signs, "HS256", {"kid": fronts[0].key.kid}
    )
    clients: list[tuple[float, Client]] = []

    def connect(count: int) -> None:
        for number in range(count):
            client = Client(fronts[number % 2].address, "")
            head = f"GET /sse/ann?token={token} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            client.socket.sendall(head.encode())
            clients.append((time.monotonic(), client))

    connect(200)
    api.revoke(sub="ann")
    answered = time.monotonic()
    while time.monotonic() < answered + 1.5:
        connect(20)
        time.sleep(0.02)
    answers = [(at, client.read_to_end()) for at, client in clients]  # each ends: refused, or ended
    assert all(b" 401 " in one[:20] or b"expired" in one for _, one in answers)
    assert all(b" 401 " in one[:20] for at, one in answers if at > answered + 1)
    wait_for(api, "ann", 0)


def test_a_full_disk_is_told_and_it_holds_all_the_same(start: Callable[..., Program], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    nowhere = ("--revocations", str(tmp_path / "file" / "revocations"))
    router = start("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--store", "none", *nowhere)
    front = Guarded(start, router, tmp_path)
    with RouterClient(router.address) as api:
        told(api, 1)
        token = front.token()
        with pytest.raises(RefusedError, match="told to 1 peers, but not kept") as raised:
            api.revoke(sub="ann")
        assert raised.value.code == "store-failed"
        assert front.ask(f"/sse/ann?token={token}")[0] == 401


def test_a_file_that_is_damaged_ends_the_start_in_words(tmp_path: Path) -> None:
    (tmp_path / "revocations").write_bytes(b"rubbish" * 100)
    code = "from zrouter.cli import main; main()"
    options = (
        "--bind",
        "tcp://127.0.0.1:0",
        "--store",
        "none",
        "--revocations",
        str(tmp_path / "revocations"),
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "serve", *options], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "revocations" in done.stderr
    assert "--revocations none" in done.stderr
    assert "Traceback" not in done.stderr


def test_by_http_with_the_scope_admin_and_for_ids_of_the_key(
    start: Callable[..., Program], router: Program, api: RouterClient, tmp_path: Path
) -> None:
    front = Guarded(start, router, tmp_path)
    told(api, 1)
    token = front.token()
    backend = Backend(front.program)
    for body in (
        b"",
        b"{}",
        b'{"sub":"a","jti":"b"}',
        b'{"sub":""}',
        b'{"sub":5}',
        b'{"who":1}',
        b'{"sub":"a","keep_s":1e99}',
    ):
        answer = backend.ask("POST", "/api/revocations", body, JSON)
        assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert (
        backend.ask("POST", "/api/revocations", b'{"sub":"ann"}', {"Content-Type": "text/plain"}).status
        == 415
    )
    answer = backend.ask("POST", "/api/revocations", b'{"sub":"ann"}', JSON)
    assert (answer.status, answer.json) == (200, {"told": 1})
    assert front.ask(f"/sse/ann?token={token}")[0] == 401
    backend.close()


def test_what_is_sent_after_the_answer_is_written_to_none_of_many(
    start: Callable[..., Program], router: Program, api: RouterClient, tmp_path: Path
) -> None:
    front = Guarded(start, router, tmp_path)
    told(api, 1)
    token = front.token()
    clients = [
        Client(front.address, f"/stream/ann?token={token}") for _ in range(700)
    ]  # more than end in one go
    wait_for(api, "ann", 700)
    front.program.tell(signal.SIGSTOP)
    try:
        api.revoke(everybody=True)
        api.send("ann", "too late")
    finally:
        front.program.tell(signal.SIGCONT)
    for client in clients:
        seen = client.read_to_end()
        assert b"expired" in seen
        assert b"too late" not in seen


def test_nobody_is_told_presence_before_all_revocations_are_known(
    start: Callable[..., Program], kept: Callable[..., Program], router: Program, tmp_path: Path
) -> None:
    (tmp_path / "one").mkdir()
    front = Guarded(start, router, tmp_path / "one")
    token = jwt.encode(
        {"sub": "ann", "exp": time.time() + 600, "watch": ["bob"], "jti": "zzz"},
        front.key.signs, "HS256", {"kid": front.key.kid},
    )  # fmt: skip
    address = router.address
    front.program.tell(signal.SIGSTOP)
    with RouterClient(address) as api:
        for number in range(800):
            api.revoke(jti=f"{number:0200d}")
        api.revoke(jti="zzz")
    router.stop()
    front.program.tell(signal.SIGCONT)
    watcher = Client(front.address, f"/stream/ann?token={token}&watch=bob")
    with_router = kept(address)
    with RouterClient(with_router.address) as api:
        messages = api.login("bob")
        seen = watcher.read_to_end()
        assert b"presence" not in seen
        assert b"expired" in seen
        del messages


def test_tokens_that_do_not_say_when_they_were_made_are_older_than_any_time(
    fronts: list[Guarded], api: RouterClient
) -> None:
    told(api, 4)
    front = fronts[0]
    token = jwt.encode(
        {"sub": "ann", "exp": time.time() + 600}, front.key.signs, "HS256", {"kid": front.key.kid}
    )
    client = Client(front.address, f"/sse/ann?token={token}")
    wait_for(api, "ann", 1)
    api.revoke(sub="ann", before=0)
    assert b"expired" in client.read_to_end()
    assert front.ask(f"/sse/ann?token={token}")[0] == 401
