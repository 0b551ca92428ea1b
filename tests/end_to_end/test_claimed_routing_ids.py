"""Nobody ends the router, or stays in it, by claiming a routing id, or by saying nothing; with raw bytes."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator

import zmq

from tests.conftest import Program, eventually
from zrouter import wire
from zrouter.client import RouterClient
from zrouter.wire import encode

# ZMTP 3.0: signature, version, mechanism NULL, not a server.
GREETING = b"\xff" + b"\0" * 7 + b"\x01\x7f" + b"\x03\0" + b"NULL".ljust(20, b"\0") + b"\0" * 32


def ready(claim: bytes) -> bytes:
    """The command READY of a DEALER with this routing id."""
    body = b"\x05READY" + b"\x0bSocket-Type" + (6).to_bytes(4) + b"DEALER"
    body += b"\x08Identity" + len(claim).to_bytes(4) + claim
    return b"\x04" + bytes([len(body)]) + body if len(body) < 256 else b"\x06" + len(body).to_bytes(8) + body


@contextlib.contextmanager
def mines(router: Program, claims: list[bytes], then: bytes = b"") -> Iterator[list[socket.socket]]:
    host, _, port = router.address.removeprefix("tcp://").rpartition(":")
    with contextlib.ExitStack() as stack:
        sockets = []
        for claim in claims:
            mine = stack.enter_context(socket.create_connection((host, int(port)), timeout=20))
            mine.sendall(GREETING + ready(claim))
            heard = b""
            while b"\x05READY" not in heard:  # what comes before it is a fault
                heard += mine.recv(4096)
            mine.sendall(then)
            sockets.append(mine)
        yield sockets


def is_ended(mine: socket.socket) -> bool:
    """Read to the end; fails by its time-out if the router leaves it open."""
    with contextlib.suppress(ConnectionResetError):
        while mine.recv(65536):
            pass
    return True


def numbered(number: int) -> bytes:
    return b"\0" + number.to_bytes(4)


def connect_often(router: Program, times: int) -> None:
    for _ in range(times):
        with RouterClient(router.address, timeout_s=10) as client:
            client.who("a")


def test_claims_of_what_an_unseeded_libzmq_would_make_up_do_not_end_it(
    router: Program,
) -> None:
    with mines(router, [numbered(0x6B8B4567 + ahead) for ahead in range(60)]):
        connect_often(router, 30)
    assert router.process.poll() is None


def test_each_router_counts_from_another_number(start: Callable[..., Program]) -> None:
    def a_number() -> bytes:
        from zrouter.server.connection_monitor import _first_id, seed

        seed()
        context = zmq.Context()
        socket = context.socket(zmq.ROUTER)
        try:
            return _first_id(context, socket)
        finally:
            socket.close()
            context.term()

    assert len({a_number() for _ in range(8)}) == 8


def test_a_claim_that_says_nothing_more_is_cut_off(start: Callable[..., Program]) -> None:
    router = start(
        "zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--store", "none", "--hello-timeout", "0.3"
    )
    claims = [numbered(0xABCDEF), b"\0", b"\0" * 5, b"chosen", b"store", b"x" * 255, b""]
    with mines(router, claims) as sockets, RouterClient(router.address) as client:
        assert all(map(is_ended, sockets))
        # One more: the client itself, which says Hello when it is used first, and comes back by itself.
        assert len(claims) <= client.stats()["strangers_cut"] <= len(claims) + 1
        eventually(lambda: client.stats()["strangers"] == 0)
        assert client.stats()["peers"] == 1


def test_a_hello_behind_a_claimed_id_is_cut_off_at_once_and_is_no_peer(router: Program) -> None:
    hello = encode(wire.Hello(wire.VERSION, "mine", b"i" * 8, 60_000))
    frame = b"\0" + bytes([len(hello)]) + hello
    with mines(router, [numbered(1), numbered(0xFFFFFFFF), b"\0abc"], frame) as sockets:
        for mine in sockets:
            mine.settimeout(3)  # less than --hello-timeout
        assert all(map(is_ended, sockets))
        with RouterClient(router.address) as client:
            assert client.stats()["peers"] == 1


def test_the_oldest_strangers_go_when_they_are_too_many_and_peers_stay(
    start: Callable[..., Program],
) -> None:
    router = start(
        "zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--store", "none",
        "--max-strangers", "10", "--hello-timeout", "30",
    )  # fmt: skip
    with (
        RouterClient(router.address) as client,
        mines(router, [numbered(2**31 + n) for n in range(200)]) as sockets,
    ):
        assert all(map(is_ended, sockets[:180]))
        figures = client.stats()
        assert figures["strangers"] <= 11
        assert figures["hellos"] == 1


def test_a_client_that_was_forgotten_keeps_its_connection(start: Callable[..., Program]) -> None:
    router = start(
        "zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--store", "none", "--hello-timeout", "0.3"
    )
    hello = encode(wire.Hello(wire.VERSION, "silent", b"i" * 8, 0))
    with RouterClient(router.address) as client, mines(router, [b""], b"\0" + bytes([len(hello)]) + hello):
        eventually(lambda: client.stats()["lapsed"] == 1)
        assert client.stats()["strangers_cut"] == 0


def test_a_hangup_of_its_terminal_ends_the_router_in_order(router: Program) -> None:
    assert router.stop(signal.SIGHUP) == 0
    assert "stopping" in router.log()
