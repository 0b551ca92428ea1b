"""Rubbish on both ports, of every kind that hypothesis thinks of, costs no bystander a message."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Client, Program, eventually, wait_for
from zrouter import wire
from zrouter.client import RouterClient
from zrouter.wire import encode

# The programs live as long as the test; every example meets the same ones.
SAME_PROGRAMS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
HELLO = encode(wire.Hello(wire.VERSION, "stranger", b"i" * 8, 0))
VALID = [
    HELLO,
    encode(wire.Login(1, [b"x", b"y"], [1, 2])),
    encode(wire.Logout(2, [b"x"])),
    encode(wire.Send(3, [(b"x", b"message"), (b"nobody", b"-")])),
    encode(wire.Heartbeat(5, {"a": 1})),
    encode(wire.Who(4, [b"x"])),
    encode(wire.Stats(5)),
    encode(wire.Goodbye(6)),
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A valid frame that was cut, or in which some bytes are others."""
    frame = bytearray(draw(st.sampled_from(VALID)))
    for place in draw(st.lists(st.integers(0, len(frame) - 1), max_size=3)):
        frame[place] = draw(st.integers(0, 255))
    return bytes(frame[: draw(st.integers(0, len(frame)))])


FRAMES = st.one_of(st.binary(max_size=300), damaged(), st.sampled_from(VALID))


@contextlib.contextmanager
def dealer(address: str, routing_id: bytes = b"") -> Iterator[zmq.Socket[bytes]]:
    context = zmq.Context()
    stranger = context.socket(zmq.DEALER)
    stranger.linger = 0
    stranger.rcvtimeo = 5000
    if routing_id:
        stranger.routing_id = routing_id
    stranger.connect(address)
    try:
        yield stranger
    finally:
        stranger.close()
        context.term()


class Bystanders:
    """Somebody who is logged in and somebody who sends to them: nothing of theirs may be lost."""

    def __init__(self, router: str) -> None:
        self.reader, self.sender = RouterClient(router), RouterClient(router)
        self._messages = self.reader.login("bystander")
        self._sent = 0

    def check(self) -> None:
        self._sent += 1
        assert self.sender.send("bystander", str(self._sent)) == 1
        assert next(self._messages).message == b"%d" % self._sent

    def close(self) -> None:
        self.reader.close()
        self.sender.close()


@pytest.fixture
def bystanders(router: Program) -> Iterator[Bystanders]:
    both = Bystanders(router.address)
    yield both
    both.close()


@pytest.mark.parametrize("says_hello", [False, True])
def test_any_frames_on_the_link(router: Program, bystanders: Bystanders, says_hello: bool) -> None:
    @SAME_PROGRAMS
    @given(st.lists(st.lists(FRAMES, min_size=1, max_size=4), min_size=1, max_size=5))
    def attack(messages: list[list[bytes]]) -> None:
        with dealer(router.address) as stranger:
            if says_hello:
                stranger.send(HELLO)
            for parts in messages:
                stranger.send_multipart(parts)
            # All that was sent before has been read once this is answered, whatever the answer.
            stranger.send(encode(wire.Stats(99)))
            eventually(lambda: _request(wire.decode_from_router(stranger.recv())) == 99)
            bystanders.check()

    attack()
    assert router.process.poll() is None
    assert "Traceback" not in router.log()
    # Two bystanders; the strangers have gone, or go within their lease.
    eventually(lambda: bystanders.sender.stats()["peers"] == 2)


def _request(message: Any) -> int:
    return int(getattr(message, "request", 0))


def test_any_bytes_on_the_zeromq_port(router: Program, bystanders: Bystanders) -> None:
    host, _, port = router.address.removeprefix("tcp://").rpartition(":")
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(16) + b"\0" + bytes(31)  # ZMTP 3.1
    descriptors = psutil.Process(router.process.pid).num_fds

    @SAME_PROGRAMS
    @given(st.binary(max_size=500), st.integers(0, len(greeting)))
    def attack(rubbish: bytes, of_greeting: int) -> None:
        with socket.create_connection((host, int(port))) as raw, contextlib.suppress(ConnectionError):
            raw.sendall(greeting[:of_greeting] + rubbish)
        bystanders.check()

    before = descriptors()
    attack()
    eventually(lambda: descriptors() <= before + 2)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"", wire.NOT_UNDERSTOOD),
        (encode([1, 99, "a later version"]), wire.WRONG_VERSION),
        (encode(wire.Send(0, [(b"1", b"x")])), wire.SAY_HELLO),
        (encode([4, 0, [[b"x" * 256, b""]]]), wire.BAD_ID),
    ],
)
def test_what_is_wrong_is_said_and_counted(
    router: Program, api: RouterClient, frame: bytes, code: str
) -> None:
    with dealer(router.address) as stranger:
        stranger.send(frame)
        error = wire.decode_from_router(stranger.recv())
    assert isinstance(error, wire.Error)
    assert error.code == code
    assert api.stats()["errors"] == 1


def test_a_peer_that_chooses_its_routing_id_is_told_not_to(router: Program, bystanders: Bystanders) -> None:
    with dealer(router.address, b"me") as stranger:
        stranger.send(HELLO)
        error = wire.decode_from_router(stranger.recv())
        assert isinstance(error, wire.Error)
        assert "routing id" in error.text
    bystanders.check()


def test_a_frame_that_is_too_long_is_refused_and_one_much_too_long_ends_the_connection(
    router: Program, bystanders: Bystanders
) -> None:
    long = encode(wire.Send(1, [(b"bystander", b"x" * 60_000)] * 20))
    with dealer(router.address) as stranger:
        stranger.send(HELLO)
        assert isinstance(wire.decode_from_router(stranger.recv()), wire.Welcome)
        stranger.send(long)
        error = wire.decode_from_router(stranger.recv())
        assert isinstance(error, wire.Error)
        assert (error.code, error.refused) == (wire.TOO_LARGE, 20)
        memory = psutil.Process(router.process.pid).memory_info().rss
        for _ in range(20):
            stranger.send(bytes(5 * 1024 * 1024))
        bystanders.check()
        assert psutil.Process(router.process.pid).memory_info().rss < memory + 30e6
    bystanders.check()


REQUEST = b"GET /test/1?welcome=1 HTTP/1.1\r\nHost: 127.0.0.1\r\nX-More: some\r\n\r\n"


@st.composite
def bad_requests(draw: st.DrawFn) -> bytes:
    """A request that was cut or changed, with something behind it."""
    request = bytearray(REQUEST)
    for place in draw(st.lists(st.integers(0, len(request) - 1), max_size=3)):
        request[place] = draw(st.integers(0, 255))
    return bytes(request[: draw(st.integers(0, len(request)))]) + draw(st.binary(max_size=50))


def test_any_bytes_on_the_http_port(front: Program, api: RouterClient) -> None:
    bystander = Client(front.address, "/test/bystander")
    wait_for(api, "bystander", 1)
    descriptors = psutil.Process(front.process.pid).num_fds
    before = descriptors()
    sent = 0

    @SAME_PROGRAMS
    @given(st.one_of(st.binary(min_size=1, max_size=300), bad_requests()), st.booleans())
    def attack(rubbish: bytes, in_pieces: bool) -> None:
        nonlocal sent
        stranger = Client(front.address, "")
        with stranger.socket, contextlib.suppress(ConnectionError):
            for start in range(0, len(rubbish), 7 if in_pieces else 1000):
                stranger.socket.sendall(rubbish[start : start + (7 if in_pieces else 1000)])
        sent += 1
        assert api.send("bystander", "fine") == 1
        bystander.read_until(b"Recvd msg #%d: 'fine'" % sent)

    attack()
    eventually(lambda: descriptors() <= before)
    assert "Traceback" not in front.log()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /test/1 HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"y" * 20_000 + b"\r\n\r\n", b"431"),
        (b"GET /test/%ff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"400"),
        (b"GET /test/1 HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", b"505"),
        (b"BREW /pot HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"501"),
        (b"GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"404"),
        (b"GET /test/1 HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET /test/1 HTTP/1.1\r\nHost: x/y\r\n\r\n", b"400"),
        (b"GET /test/1 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", b"200"),
        (b"GET http://localhost:8000/test/1?id=2 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"200"),
        (b"GET HTTP://Localhost/test/%ff HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET http://localhost HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"200"),
        (b"GET HTTP://x/test/1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"403"),
        (b"GET http://x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"403"),
        (b"GET http:///test/1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"404"),
    ],
)
def test_a_request_that_can_be_read_gets_its_status(
    front: Program, request_bytes: bytes, status: bytes
) -> None:
    client = Client(front.address, "")
    client.socket.sendall(request_bytes)
    assert client.read_until(b"\r\n")[9:12] == status


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3000000\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nf0000\r\n", b"400"),
        (b"GET /test/1 HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ", b"431"),
        (b"", b"431"),
    ],
)
def test_who_is_still_talking_when_it_is_refused_gets_to_read_why(
    front: Program, head: bytes, status: bytes
) -> None:
    client = Client(front.address, "")
    client.socket.sendall(head)
    for _ in range(30):
        client.socket.sendall(b"x" * 100_000)
    # As one that reads only when it has said all: a reset in between would have taken the answer away.
    while data := client.socket.recv(65536):
        client.seen += data
    assert client.seen[9:12] == status


def test_a_flood_of_bad_requests_is_not_a_flood_of_log_lines(front: Program) -> None:
    for request in (b"nonsense\r\n\r\n", b"GET /test/%ff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"):
        for _ in range(100):
            client = Client(front.address, "")
            client.socket.sendall(request)
            assert client.read_until(b"\r\n")[9:12] == b"400"
    assert len(front.log().splitlines()) < 50


def test_what_a_client_says_behind_its_request_is_read_away_up_to_a_bound(
    front: Program, api: RouterClient
) -> None:
    pipelining = Client(front.address, "")
    pipelining.socket.sendall(REQUEST * 2)
    pipelining.read_until(b"\r\n\r\n")
    wait_for(api, "1", 1)
    assert api.send("1", "one stream only") == 1
    pipelining.read_until(b"'one stream only'")
    with contextlib.suppress(ConnectionError):
        for _ in range(100):
            pipelining.socket.sendall(os.urandom(1024))
    eventually(lambda: api.stats()["frontends"][0].get("closed_chatty") == 1)


def test_a_head_that_comes_byte_by_byte_waits_alone(front: Program, api: RouterClient) -> None:
    loris = [Client(front.address, "") for _ in range(50)]
    for byte in REQUEST[:20]:
        for client in loris:
            client.socket.sendall(bytes([byte]))
    quick = Client(front.address, "/test/quick")
    wait_for(api, "quick", 1)
    assert api.send("quick", "at once") == 1
    quick.read_until(b"'at once'")
    for client in loris:
        client.socket.sendall(REQUEST[20:])
        client.read_until(b"Your Id: 1")
