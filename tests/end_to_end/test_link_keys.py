"""A router with keys: who gets in, what each may say, and what happens when keys change; real programs."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import zmq

from tests.conftest import Client, Program, eventually
from tests.end_to_end.posting import Backend
from tests.link_keys import LinkKeys, use_keys
from zrouter import wire
from zrouter.client import RouterClient
from zrouter.errors import RefusedError, RouterError

ALL = ("frontend", "sender", "inspector", "admin")


@pytest.fixture
def keys(tmp_path: Path) -> LinkKeys:
    """Each role has a peer, and one has all."""
    keys = LinkKeys(tmp_path)
    for role in ALL:
        keys.peer(role, role)
    keys.peer("all", *ALL)
    return keys


@pytest.fixture
def router(start: Callable[..., Program], keys: LinkKeys, tmp_path: Path) -> Program:
    bind = ("--bind", "tcp://127.0.0.1:0", "--store", str(tmp_path / "follows"))
    return start("zrouter", "serve", *bind, *keys.serve_options())


@pytest.fixture
def client(router: Program, keys: LinkKeys) -> Iterator[Callable[..., RouterClient]]:
    with contextlib.ExitStack() as stack:
        yield lambda key, **more: stack.enter_context(
            RouterClient(router.address, curve_key_file=keys.peer(key), **more)
        )


def zrouter(*words: str) -> tuple[int, str, float]:
    """The exit code of a command, what it said of what went wrong, and how long it took."""
    code = "from zrouter.cli import main; main()"
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.strip(), time.monotonic() - began


@contextlib.contextmanager
def raw(router: Program, path: str | None = None, routing_id: bytes = b"") -> Iterator[zmq.Socket[bytes]]:
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.linger, socket.rcvtimeo = 0, 10_000
    if routing_id:
        socket.routing_id = routing_id
    if path is not None:
        use_keys(socket, path)
    socket.connect(router.address)
    yield socket
    socket.close()
    context.term()


def test_a_message_goes_from_a_sender_to_a_listener(client: Callable[..., RouterClient]) -> None:
    listener, sender = client("frontend"), client("sender")
    messages = listener.login("ann")
    assert sender.send("ann", "hello") == 1
    assert next(messages).message == b"hello"


ASKS: dict[str, tuple[Callable[[RouterClient], object], set[str]]] = {
    "Login": (lambda api: api.login("ann"), {"frontend"}),
    "Watch": (lambda api: api.watch("ann"), {"frontend"}),
    "Send": (lambda api: api.send("ann", "x"), {"sender"}),
    "Publish": (lambda api: api.publish("ann", "x"), {"sender"}),
    "Who": (lambda api: api.who("ann"), {"inspector"}),
    "Stats": (lambda api: api.stats(), {"inspector"}),
    "Kick": (lambda api: api.kick("ann"), {"admin"}),
    "Follows": (lambda api: api.follow("ann", "bob"), {"admin"}),
    "Unfollows": (lambda api: api.unfollow("ann", "bob"), {"admin"}),
    "Related": (lambda api: api.counts("ann"), {"admin", "inspector"}),
}


@pytest.mark.parametrize("role", ALL)
def test_a_key_may_do_what_its_role_is_for_and_no_more(
    role: str, client: Callable[..., RouterClient]
) -> None:
    api, inspector = client(role), client("inspector")
    refused = 0
    for kind, (ask, roles) in ASKS.items():
        if role in roles:
            ask(api)
            continue
        with pytest.raises(RefusedError, match=f"{kind} needs the role .*; key {role} has {role}") as caught:
            ask(api)
        assert caught.value.code == wire.FORBIDDEN
        refused += 1
    # Behind a Login or a Watch that was refused comes a Logout or an Unwatch.
    assert inspector.stats()["forbidden"] == refused + (0 if role == "frontend" else 2)


def test_the_ways_not_to_get_in_are_told_apart_at_once(
    start: Callable[..., Program], router: Program, keys: LinkKeys, tmp_path: Path
) -> None:
    plain = start("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--store", "none")
    (tmp_path / "other").mkdir()
    other = LinkKeys(tmp_path / "other")
    known, unknown, another = keys.peer("sender"), tmp_path / "unknown.key", other.peer("sender", "sender")
    unknown.write_bytes(Path(another).read_bytes())
    ours = [line for line in Path(known).read_text().splitlines() if line.startswith("router")]
    theirs = [line for line in Path(another).read_text().splitlines() if not line.startswith("router")]
    unknown.write_text("\n".join(theirs + ours))
    unknown.chmod(0o600)
    cases = [
        (router, (), "the router wants keys (CURVE): give --curve-key-file"),
        (router, ("--curve-key-file", str(unknown)), "know our key"),
        (
            router,
            ("--curve-key-file", another),
            "the handshake breaks each time: is that the key of this router, and",
        ),
        (plain, ("--curve-key-file", known), "the router has no keys (CURVE)"),
    ]
    for to, options, said in cases:
        for words in (("send", "ann", "x"), ("who", "ann"), ("stats",), ("login", "ann")):
            code, error, took_s = zrouter(words[0], "--router", to.address, *options, *words[1:])
            # libzmq may close a connection before its reason is read.
            is_told = said in error or (bool(options) and "the handshake breaks each time" in error)
            assert (code, is_told, len(error.splitlines())) == (1, True, 1), (words, error)
            assert took_s < 3.0, words


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_nobody_starts_with_keys_that_others_can_read(keys: LinkKeys, mode: int) -> None:
    for name, words in (
        ("router", ("serve", *keys.serve_options())),
        ("sender", ("send", "--curve-key-file", keys.peer("sender"), "ann", "x")),
    ):
        path = keys.folder / f"{name}.key"
        path.chmod(mode)
        code, error, _ = zrouter(*words)
        assert code == 2
        assert f"chmod 600 {path}" in error


@pytest.mark.parametrize("spoil", ["", "rubbish", '["a"]\npublic = "short"\nroles = ["admin"]\n'])
def test_a_router_does_not_start_with_a_list_that_is_none(keys: LinkKeys, spoil: str) -> None:
    keys.allow.write_text(spoil)
    code, error, _ = zrouter("serve", "--bind", "tcp://127.0.0.1:0", *keys.serve_options())
    assert code == 2
    assert str(keys.allow) in error


def test_keys_and_a_list_go_together(keys: LinkKeys) -> None:
    for only in (keys.serve_options()[:2], keys.serve_options()[2:]):
        code, error, _ = zrouter("serve", *only)
        assert (code, "go together" in error) == (2, True)


def test_an_allowed_key_can_not_take_the_routing_id_of_another(
    router: Program, keys: LinkKeys, client: Callable[..., RouterClient]
) -> None:
    listener, sender = client("frontend"), client("sender")
    listener.login("ann")
    hello = wire.encode(wire.Hello(1, "x", b"i" * 8, 0))
    for claim in (b"x", b"x" * 255):
        with raw(router, keys.peer("admin"), claim) as socket:
            socket.send(hello)
            answer = wire.decode_from_router(socket.recv())
            assert isinstance(answer, wire.Error)
            assert answer.code == wire.NOT_UNDERSTOOD
    with raw(router, keys.peer("admin"), b"store") as socket:  # the router's own
        socket.rcvtimeo = 1000
        socket.send(hello)
        with pytest.raises(zmq.Again):
            socket.recv()
    assert sender.send("ann", "still here") == 1
    assert router.process.poll() is None


def test_nothing_of_a_peer_without_keys_is_read(router: Program, client: Callable[..., RouterClient]) -> None:
    inspector = client("inspector")
    before = inspector.stats()
    with raw(router) as socket:
        socket.rcvtimeo = 1000
        socket.send(wire.encode(wire.Hello(1, "x", b"i" * 8, 0)))
        with pytest.raises(zmq.Again):
            socket.recv()
    after = inspector.stats()
    assert (after["errors"], after["peers"]) == (before["errors"], before["peers"])


def test_a_name_is_the_keys_that_came_first_and_another_key_is_refused(
    client: Callable[..., RouterClient],
) -> None:
    first, second = client("frontend", name="front-1"), client("all", name="front-1", timeout_s=5)
    first.login("ann")
    with pytest.raises(RefusedError, match="a peer with another key, frontend, has the name front-1"):
        second.login("bob")
    assert client("sender").send("ann", "x") == 1
    first.close()
    eventually(lambda: is_in(second))


def is_in(api: RouterClient) -> bool:
    with contextlib.suppress(RouterError):
        api.login("bob")
        return True
    return False


def test_a_role_that_is_taken_away_or_added_counts_within_two_seconds(
    keys: LinkKeys, client: Callable[..., RouterClient]
) -> None:
    admin = client("admin")
    admin.kick("nobody")
    for roles, may_kick, may_ask in ((("inspector",), False, True), (("inspector", "admin"), True, True)):
        keys.change("admin", *roles)
        eventually(partial(agrees, admin, "Kick", may_kick), 2.5)
        assert may_do(admin, "Who") == may_ask


def agrees(api: RouterClient, kind: str, may: bool) -> bool:
    return may_do(api, kind) == may


def is_said_again(router: Program, times: int) -> bool:
    return router.log().count("the list of before stays") > times


def may_do(api: RouterClient, kind: str) -> bool:
    with contextlib.suppress(RouterError):
        ASKS[kind][0](api)
        return True
    return False


def test_a_key_that_is_taken_out_ends_its_session_and_is_back_when_it_is_allowed_again(
    keys: LinkKeys, router: Program, client: Callable[..., RouterClient]
) -> None:
    inspector, frontend = client("inspector"), client("frontend", timeout_s=30)
    frontend.login(*(f"user-{number}" for number in range(100_000)))
    assert inspector.stats()["ids"] == 100_000
    refused = inspector.stats()["keys_refused"]
    keys.change("frontend")
    eventually(lambda: inspector.stats()["connections"] == 0, 2.5)
    eventually(lambda: "its key frontend was taken out" in router.log())
    with pytest.raises(RefusedError, match="allow list"):
        frontend.login("ann")
    began = time.monotonic()
    eventually(lambda: not is_in(frontend) and inspector.stats()["keys_refused"] >= refused + 3)
    assert time.monotonic() - began > 2.0  # no more than one a second
    keys.change("frontend", "frontend")
    eventually(lambda: is_in(frontend) and inspector.stats()["connections"] == 100_001)


def test_half_a_list_changes_nothing(
    keys: LinkKeys, router: Program, client: Callable[..., RouterClient]
) -> None:
    frontend, sender = client("frontend"), client("sender")
    frontend.login("ann")
    good = keys.allow.read_text()
    for bad in ("", good[: len(good) // 2 + 3], good + good):
        keys.allow.write_text(bad)
        said = router.log().count("the list of before stays")
        eventually(partial(is_said_again, router, said), 5.0)
        assert sender.send("ann", "x") == 1
    keys.allow.unlink()
    time.sleep(1.5)
    assert sender.send("ann", "x") == 1


def test_a_peer_changes_its_key_and_its_clients_miss_nothing(
    start: Callable[..., Program], keys: LinkKeys, router: Program, client: Callable[..., RouterClient]
) -> None:
    listen = ("--listen", "127.0.0.1:0", "--router", router.address, "--name", "front-1")
    sender = client("sender")
    front = start("zfront", "serve", *listen, "--curve-key-file", keys.peer("frontend"))
    with contextlib.closing(Client(front.address, "/sse/ann").socket):
        eventually(lambda: sender.send("ann", "one") == 1)
    keys.peer("frontend-2", "frontend")
    front.stop()
    assert sender.send("ann", "two") == wire.KEPT
    # The list is read again within a second; until then it is refused, and tries again.
    front = start("zfront", "serve", *listen, "--curve-key-file", keys.peer("frontend-2"))
    keys.change("frontend")
    with contextlib.closing(Client(front.address, "/sse/ann").socket):
        eventually(lambda: sender.send("ann", "three") == 1)


def test_the_api_of_a_frontend_has_keys_of_its_own(
    start: Callable[..., Program], keys: LinkKeys, router: Program, client: Callable[..., RouterClient]
) -> None:
    options = ("--router", router.address, "--curve-key-file", keys.peer("frontend"))
    streams = start("zfront", "serve", "--listen", "127.0.0.1:0", *options)
    backends = start(
        "zfront", "serve", "--listen", "127.0.0.1:0", *options, "--api-curve-key-file", keys.peer("sender")
    )
    listener = Client(streams.address, "/sse/ann")
    eventually(lambda: client("inspector").who("ann")["ann"])
    answer = Backend(streams).post("/api/send/ann", b"no")
    assert (answer.status, "needs the role sender" in answer.json["detail"]) == (403, True)
    backend = Backend(backends)
    answer = backend.post("/api/send/ann", b"yes")
    assert (answer.status, answer.json["connections"]) == (200, 1)
    assert b"yes" in listener.read_until(b"yes")
    assert b"no\n" not in listener.seen
    assert backend.ask("DELETE", "/api/connections/ann").status == 403
    names = {name for name, _ in client("inspector").who("ann")["ann"]}
    assert [name.rpartition(":")[2] for name in names] == [streams.address.rpartition(":")[2]]
    listener.socket.close()


def test_peers_wait_for_a_router_that_stands_still_and_get_in(
    router: Program, keys: LinkKeys, client: Callable[..., RouterClient]
) -> None:
    router.tell(signal.SIGSTOP)
    try:
        found: list[int] = []
        late = threading.Thread(target=lambda: found.append(client("sender", timeout_s=30).send("ann", "x")))
        late.start()
        time.sleep(3.0)
        assert found == []  # nobody gets in while nobody answers
    finally:
        router.tell(signal.SIGCONT)
    late.join(30)
    assert found == [0]


def test_ipc_is_for_its_owner_and_its_group(start: Callable[..., Program], tmp_path: Path) -> None:
    path = tmp_path / "link"
    before = os.umask(0)
    try:
        start("zrouter", "serve", "--bind", f"ipc://{path}", "--store", "none")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    code, error, _ = zrouter("serve", "--bind", "ipc://@zcomet-test", "--store", "none")
    assert code != 0
    assert "no mode" in error


def test_a_flood_of_messages_has_keys(router: Program, keys: LinkKeys) -> None:
    command = [sys.executable, "-c", "from zflood.cli import main; main()", "messages", "--count", "500"]
    options = ("--router", router.address, "--interval-ms", "0", "--curve-key-file", keys.peer("sender"))
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    done = subprocess.run(
        [*command, "--router", router.address, "--interval-ms", "0"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "give --curve-key-file" in done.stderr
