"""Feeds a transport by hand, and plays the server's side of each."""

from __future__ import annotations

from collections.abc import Callable

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Event, TextMessage

from zflood.swarm.tally import Tally
from zflood.swarm.transports import transport
from zflood.swarm.transports.interface import Ended
from zfront.transports import chunked

HOST, PATH = "127.0.0.1:8000", "/test/1"
SSE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
CHUNKED_SSE_HEAD = SSE_HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


class Told:
    """A witness that keeps what it is told."""

    def __init__(self) -> None:
        self.all: list[tuple[str | int | bytes, ...]] = []

    def opened(self, connection: int, offset: str) -> None:
        self.all.append(("opened", connection, offset))

    def message(self, connection: int, body: bytes, offset: str) -> None:
        self.all.append(("message", connection, body, offset))

    def gap(self, connection: int, reason: str, offset: str) -> None:
        self.all.append(("gap", connection, reason, offset))


class Fed:
    """One transport; what it said and how each connection ended is kept."""

    def __init__(self, name: str, *connections: int, witness: Told | None = None) -> None:
        self.tally = Tally(witness)
        self.answered: list[int] = []
        self.said: dict[int, bytes] = {}
        self.endings: dict[int, Ended] = {}
        self.transport = transport(name)(self.tally, self.answered.append)
        for connection in connections:
            self.open(connection)

    def open(self, connection: int, since: str = "") -> None:
        self.said[connection] = self.transport.opened(connection, HOST, PATH, since)

    def feed(self, connection: int, data: bytes) -> bytes:
        """What is said to that; b"" if it ended instead."""
        try:
            return self.transport.feed(connection, data)
        except Ended as ended:
            self.endings[connection] = ended
            self.transport.left(connection)
            return b""

    def error(self, connection: int) -> str:
        """What it ended of; it has to have ended."""
        return str(self.endings[connection])


class WsServer:
    """The server's side of one WebSocket, by wsproto."""

    def __init__(self, request: bytes) -> None:
        self.connection = WSConnection(ConnectionType.SERVER)
        self.heard(request)

    def heard(self, data: bytes) -> list[Event]:
        self.connection.receive_data(data)
        return list(self.connection.events())

    def accept(self) -> bytes:
        return self.connection.send(AcceptConnection())

    def says(self, *events: Event) -> bytes:
        return b"".join(map(self.connection.send, events))


def sse_event(number: int, data: bytes) -> bytes:
    return b"id: %d\ndata: %s\n\n" % (number, data)


def answer(body: bytes) -> bytes:
    """An answer to a long poll."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def _chunked(request: bytes, messages: list[bytes]) -> list[bytes]:
    chunks = (chunked.message_chunk(number, body) for number, body in enumerate(messages, 1))
    return [chunked.HEAD + b"".join(chunks)]


def _sse(request: bytes, messages: list[bytes]) -> list[bytes]:
    """Chunks that end anywhere, and a comment before each event."""
    events = b"".join(
        b": still here\n\n" + sse_event(number, body) for number, body in enumerate(messages, 1)
    )
    pieces = [events[start : start + 17] for start in range(0, len(events), 17)]
    return [CHUNKED_SSE_HEAD + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)]


def _unframed_sse(request: bytes, messages: list[bytes]) -> list[bytes]:
    return [SSE_HEAD + b"\r\n" + b"".join(sse_event(number, body) for number, body in enumerate(messages, 1))]


def _ndjson(request: bytes, messages: list[bytes]) -> list[bytes]:
    """Lines in chunks that end anywhere, an empty one before each of them."""
    lines = b"".join(b'\n{"id":"1","offset":"a.%d","message":"%s"}\n' % one for one in enumerate(messages, 1))
    pieces = [lines[start : start + 17] for start in range(0, len(lines), 17)]
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return [head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)]


def _ws(request: bytes, messages: list[bytes]) -> list[bytes]:
    """Each message in two fragments."""
    server = WsServer(request)
    said = [server.accept()]
    for body in messages:
        text = body.decode()
        said.append(server.says(TextMessage(text[:1], message_finished=False), TextMessage(text[1:])))
    return [b"".join(said)]


def _poll(request: bytes, messages: list[bytes]) -> list[bytes]:
    """An empty one first."""
    return [b"HTTP/1.1 204 No Content\r\n\r\n", *map(answer, messages)]


# Name of a transport, and what a server sends on one connection, each part once it was asked for.
Server = Callable[[bytes, list[bytes]], list[bytes]]
SERVERS: list[tuple[str, Server]] = [
    ("chunked", _chunked),
    ("sse", _sse),
    ("sse", _unframed_sse),
    ("ndjson", _ndjson),
    ("ws", _ws),
    ("poll", _poll),
]
