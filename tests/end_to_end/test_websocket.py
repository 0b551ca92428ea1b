"""A real frontend and Autobahn's cases for WebSocket servers, over real sockets.

zfront does not echo. It answers a message that is no wish with an error, so that is what is heard in place of
each message; what a message was is looked at in tests/zfront/connections/test_websocket_input.py.
"""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Iterator

import pytest

from tests.conftest import Client, Program, eventually
from tests.zfront.websocket_cases import Case, Heard, cases, frame
from zrouter.client import RouterClient

HANDSHAKE = (
    "GET /ws/1 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
)
TEXT, CLOSE, PONG = 1, 8, 10


class Socket:
    """A WebSocket that has heard that it is logged in."""

    def __init__(self, address: str, more: str = "") -> None:
        client = Client(address, "", read_head=False)
        self.socket = client.socket
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(f"{HANDSHAKE}{more}\r\n".encode())
        head, _, rest = client.read_until(b"\r\n\r\n").partition(b"\r\n\r\n")
        self.head = head.decode()
        self.heard = Heard()
        self.heard.feed(rest)
        self.has_ended = False
        self.hear(1)
        assert json.loads(self.heard.messages.pop())["event"] == "open"
        self.heard.order.clear()

    def hear(self, count: int) -> None:
        """Until so much came, or the end; -1: until the end."""
        while not self.has_ended and (count < 0 or self.heard.count < count):
            self._read()

    def write(self, data: bytes) -> None:
        """Write it, and read meanwhile, so that nobody waits for the other."""
        view = memoryview(data)
        while view and not self.has_ended:
            readable, writable, _ = select.select([self.socket], [self.socket], [], 10)
            assert readable or writable
            if readable:
                self._read()
            elif writable:
                try:
                    view = view[self.socket.send(view[:65536]) :]
                except (BrokenPipeError, ConnectionResetError):
                    return  # what came before is still to be read

    def _read(self) -> None:
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.has_ended = not data
        self.heard.feed(data)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a frontend for all cases."""
    folder = tmp_path_factory.mktemp("websocket")
    router = Program(folder / "router.log", "zrouter", "serve", "--bind", "tcp://127.0.0.1:0")
    # Some cases are a thousand messages at once.
    listen = ("--listen", "127.0.0.1:0", "--router", router.address, "--client-rate", "100000")
    front = Program(folder / "front.log", "zfront", "serve", *listen)
    yield front.address
    assert front.stop() == 0
    router.stop()
    assert "Traceback" not in front.log()


def ways() -> list[pytest.ParameterSet]:
    return [
        pytest.param(case, chop, id=f"{case.name} {name}")
        for case in cases()
        for name, chop in (("as it is", case.chop), ("byte by byte", 1))
        if chop != 1 or (case.is_small and not case.name.startswith("9."))
    ]


@pytest.mark.parametrize(("case", "chop"), ways())
def test_autobahn(address: str, case: Case, chop: int) -> None:
    client = Socket(address)
    for step in case.steps():
        if client.has_ended:
            break
        if isinstance(step, int):
            client.hear(step)
        elif chop:
            for start in range(0, len(step), chop):
                client.write(step[start : start + chop])
        else:
            client.write(step)
    client.hear(-1)
    heard = client.heard
    assert all(json.loads(one)["event"] == "error" for one in heard.messages)
    assert len(heard.messages) == len(case.messages)
    assert heard.pongs == case.pongs
    assert heard.codes == [case.code]
    assert heard.order.index(CLOSE) == len(heard.order) - 1, "nothing comes behind a close frame (5.5.1)"
    client.socket.close()


def test_a_message_and_a_close_frame_in_one_packet_are_both_answered_in_order(address: str) -> None:
    client = Socket(address)
    client.write(frame("text", b"?") + frame("ping", b"") + frame("close", b"\x03\xe8"))
    client.hear(-1)
    assert sorted(client.heard.order[:2]) == [TEXT, PONG]
    assert client.heard.order[2:] == [CLOSE]


def test_compression_is_not_agreed_to(address: str) -> None:
    client = Socket(address, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n")
    assert "extensions" not in client.head.lower()
    client.write(frame("text", b"?", rsv=4))
    client.hear(-1)
    assert client.heard.codes == [1002]


def test_a_subprotocol_is_not_agreed_to(address: str) -> None:
    assert "sec-websocket-protocol" not in Socket(address, "Sec-WebSocket-Protocol: chat\r\n").head.lower()


def test_a_client_that_was_refused_has_time_to_read_why(address: str) -> None:
    """It is still writing when the close frame comes (7.1.1): the connection is not reset under it."""
    client = Socket(address)
    client.socket.sendall(frame("binary", b"*" * (4 << 20)))
    client.hear(-1)
    assert client.heard.codes == [1009]


def test_a_wish_beside_a_close_frame_is_done(router: Program, front: Program, api: RouterClient) -> None:
    client = Socket(front.address)
    client.write(frame("text", b'{"ack":"1.1"}') + frame("close", b"\x03\xe8"))
    client.hear(-1)
    assert client.heard.codes == [1000]
    eventually(lambda: '"acked":1' in json.dumps(api.stats(), separators=(",", ":")))
