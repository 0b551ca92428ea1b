"""Clients that say as much as they can, for ever: each goes on as fast as its socket takes it.

`python -m tests.bench.rude pings|commands|bad|logins|polls|bytes PORT CLIENTS`; a line on standard input
begins it, the next one ends it. Prints a line of JSON when all are connected, one when it begins, one at the
end.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import sys
import time
from typing import Final

HANDSHAKE: Final = (
    b"GET /ws/rude%d HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
PLAIN: Final = b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
_BLOCK: Final = 65_536
_AGAIN_S: Final = 0.5  # who is closed comes back after that


def _text(payload: bytes) -> bytes:
    """A text frame, masked with zeros."""
    return b"\x81" + bytes((0x80 | len(payload),)) + bytes(4) + payload


def _logins(number: int) -> bytes:
    """Ids in and out again, others each time."""
    frames = b""
    for turn in range(400):
        ids = [f"{number}-{turn}-{one}" for one in range(4)]
        frames += _text(json.dumps({"login": ids}).encode()) + _text(json.dumps({"logout": ids}).encode())
    return frames


def words(what: str, number: int) -> tuple[bytes, bytes]:
    """How one comes in, and what it says again and again."""
    polls = PLAIN % b"/poll/rude?since=1.1"
    if what == "polls":
        return polls, polls
    if what == "bytes":
        return PLAIN % b"/sse/rude", b"x"
    said = {
        "pings": b"\x89\x80" + bytes(4),
        "commands": _text(b'{"ack":"1.1"}'),
        "bad": _text(b"x"),
    }
    return HANDSHAKE % number, said[what] if what in said else _logins(number)


class Rude:
    """All of them, in one process."""

    def __init__(self, what: str, port: int, clients: int) -> None:
        self.ended = 0
        self.said_bytes = 0
        self._port = port
        self._what = what
        self._selector = selectors.DefaultSelector()
        self._says: dict[socket.socket, bytes] = {}
        self._away: list[tuple[float, int]] = []
        self._number: dict[socket.socket, int] = {}
        for number in range(clients):
            self._come(number, selectors.EVENT_READ)

    def _come(self, number: int, events: int) -> None:
        hello, said = words(self._what, number)
        try:
            connection = socket.create_connection(("127.0.0.1", self._port), timeout=5)
            connection.sendall(hello)
            connection.recv(4096)
        except OSError:
            self._away.append((time.monotonic() + _AGAIN_S, number))
            return
        connection.setblocking(False)
        self._says[connection] = said if self._what == "bytes" else said * (_BLOCK // len(said) or 1)
        self._number[connection] = number
        self._selector.register(connection, events)

    def go_on(self, until_line: bool = True) -> None:
        """Until there is a line to read."""
        os.set_blocking(0, False)
        for connection in self._says:
            self._selector.modify(connection, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while not _line():
            for key, events in self._selector.select(0.1):
                self._serve(key.fileobj, events)  # type: ignore[arg-type]
            while self._away and self._away[0][0] < time.monotonic():
                self._come(self._away.pop(0)[1], selectors.EVENT_READ | selectors.EVENT_WRITE)

    def _serve(self, connection: socket.socket, events: int) -> None:
        try:
            if events & selectors.EVENT_READ and not connection.recv(_BLOCK):
                raise ConnectionResetError
            if events & selectors.EVENT_WRITE:
                self.said_bytes += self._say(connection)
        except BlockingIOError:
            pass
        except OSError:
            self.ended += 1
            self._selector.unregister(connection)
            del self._says[connection]
            self._away.append((time.monotonic() + _AGAIN_S, self._number.pop(connection)))
            connection.close()

    def _say(self, connection: socket.socket) -> int:
        """What the socket takes; what it did not take of a block goes on with the next one."""
        said = self._says[connection]
        sent = connection.send(said)
        if sent != len(said):
            self._says[connection] = said[sent:] + said[:sent]
        return sent


def _line() -> bytes | None:
    try:
        return os.read(0, 100)
    except BlockingIOError:
        return None


def main(what: str, port: str, clients: str) -> None:
    """See the module's docstring."""
    rude = Rude(what, int(port), int(clients))
    print("{}", flush=True)
    os.read(0, 100)
    print("{}", flush=True)
    began = time.monotonic()
    rude.go_on()
    print(
        json.dumps({"ended": rude.ended, "said_bytes": rude.said_bytes, "seconds": time.monotonic() - began}),
        flush=True,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
