"""The parking lot with real sockets: order through an outbox, its bound, and what clients do."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

import pytest

from tests.conftest import eventually
from zfront.lot import CLIENT_BYTES, Lot

OUTBOX = 50_000


class Parked:
    """A lot with one connection, and the client's side of it."""

    def __init__(self, pair: tuple[socket.socket, socket.socket] | None = None) -> None:
        self.ended: list[tuple[int, str]] = []
        self.lot = Lot(OUTBOX, lambda descriptor, why: self.ended.append((descriptor, why)))
        ours, self.client = pair or socket.socketpair()
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.client.settimeout(5)
        self.descriptor = ours.detach()
        self.lot.park(self.descriptor)

    def why(self) -> str | None:
        """Why the connection ended, if it has."""
        self.lot.handle_events()
        return self.ended[0][1] if self.ended else None


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        return listener.accept()[0], client


@pytest.fixture
def parked() -> Iterator[Parked]:
    one = Parked()
    yield one
    one.lot.close(one.descriptor, "test")
    one.client.close()


def test_what_the_kernel_does_not_take_goes_out_later_in_order(parked: Parked) -> None:
    pieces = [os.urandom(1000) for _ in range(OUTBOX // 1000)]
    for piece in pieces:
        parked.lot.write(parked.descriptor, piece)
    seen = b""
    while len(seen) < OUTBOX:
        seen += parked.client.recv(700)
        parked.lot.handle_events()
        if len(seen) > OUTBOX // 2 and len(pieces) == OUTBOX // 1000:
            pieces.append(b"written while others still wait")
            parked.lot.write(parked.descriptor, pieces[-1])
    while len(seen) < sum(map(len, pieces)):
        parked.lot.handle_events()
        seen += parked.client.recv(700)
    assert seen == b"".join(pieces)
    assert not parked.ended


@pytest.fixture
def over_tcp() -> Iterator[Parked]:
    one = Parked(tcp_pair())
    yield one
    one.lot.close(one.descriptor, "test")
    one.client.close()


def test_what_is_written_ahead_comes_with_what_follows(over_tcp: Parked) -> None:
    over_tcp.lot.write_ahead(over_tcp.descriptor, b"head, ")
    over_tcp.client.setblocking(False)
    with pytest.raises(BlockingIOError):
        over_tcp.client.recv(100)
    over_tcp.client.settimeout(5)
    over_tcp.lot.write(over_tcp.descriptor, b"body")
    assert over_tcp.client.recv(100) == b"head, body"


def test_what_is_written_ahead_comes_without_it_too(over_tcp: Parked) -> None:
    over_tcp.lot.write_ahead(over_tcp.descriptor, b"head")
    assert over_tcp.client.recv(100) == b"head"  # after 0.2 s, says tcp(7)


def test_what_is_written_ahead_keeps_its_place_behind_an_outbox(parked: Parked) -> None:
    parked.lot.write(parked.descriptor, bytes(OUTBOX // 2))
    parked.lot.write_ahead(parked.descriptor, b"head")
    seen = b""
    while len(seen) < OUTBOX // 2 + 4:
        parked.lot.handle_events()
        seen += parked.client.recv(OUTBOX)
    assert seen == bytes(OUTBOX // 2) + b"head"


def test_last_words_come_before_the_end(over_tcp: Parked) -> None:
    over_tcp.lot.end(over_tcp.descriptor, b"farewell", "evicted")
    assert over_tcp.ended == [(over_tcp.descriptor, "evicted")]
    assert over_tcp.client.recv(100) == b"farewell"
    assert over_tcp.client.recv(100) == b""


def test_last_words_to_who_has_left_are_no_error(over_tcp: Parked) -> None:
    over_tcp.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    over_tcp.client.close()  # a reset
    over_tcp.lot.end(over_tcp.descriptor, b"farewell", "evicted")
    assert over_tcp.ended == [(over_tcp.descriptor, "reset")]


def test_an_outbox_that_would_be_too_long_ends_the_connection(parked: Parked) -> None:
    def write() -> bool:
        parked.lot.write(parked.descriptor, bytes(1000))
        return parked.descriptor not in parked.lot

    eventually(write)
    assert parked.ended == [(parked.descriptor, "slow")]
    assert len(parked.lot) == 0


@pytest.mark.parametrize("how", [socket.SHUT_WR, socket.SHUT_RDWR])
def test_a_client_that_hangs_up_is_gone(parked: Parked, how: int) -> None:
    parked.client.shutdown(how)
    assert eventually(parked.why) == "gone"


def test_a_write_to_a_client_that_has_reset_ends_the_connection(parked: Parked) -> None:
    parked.client.close()
    parked.lot.write(parked.descriptor, b"anybody there?")
    assert parked.ended == [(parked.descriptor, "reset")]


def test_a_client_may_talk_but_not_for_ever(parked: Parked) -> None:
    said = 0
    while parked.why() is None:
        assert said <= 2 * CLIENT_BYTES
        said += parked.client.send(bytes(1000))
    assert parked.ended[0][1] == "chatty"
    assert said > CLIENT_BYTES


def test_several_writes_at_once_reach_each_their_client(parked: Parked) -> None:
    ours, other = socket.socketpair()
    ours.setblocking(False)
    second = ours.detach()
    parked.lot.park(second)
    parked.lot.write_all({parked.descriptor: b"one", second: bytearray(b"two")})
    assert (parked.client.recv(10), other.recv(10)) == (b"one", b"two")
    parked.lot.close(second, "test")
    other.close()
