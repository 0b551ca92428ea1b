"""Long polling: each answer is a message, or has several, and the next one is asked for at once.

Owns: which answers are messages, when another connection is needed. Must not know: HTTP's framing, sockets.

A client counts as answered once it has asked, for the server answers when there is a message. An answer's
ETag says how far the client is, and is asked with next time (RFC 9110, 13.1.2).
"""

from __future__ import annotations

from typing import ClassVar, Final

import httptools

from zflood.swarm.tally import Progress, Tally
from zflood.swarm.transports import objects
from zflood.swarm.transports.interface import HELD_MAX_BYTES, Answered, AskAgain, Cut, Ended
from zflood.swarm.transports.responses import get

_NOTHING_NEW: Final = (204, 304)
_TAG_MAX_BYTES: Final = 1024


class _Answer:
    """One parser, which calls back here; between two answers it is as new."""

    __slots__ = (
        "begun",
        "body",
        "complete",
        "held_bytes",
        "is_kept_alive",
        "is_unframed",
        "parser",
        "status",
        "tag",
    )

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.reset()

    def reset(self) -> None:
        self.begun = 0
        self.complete = 0
        self.status = 0
        self.tag = ""
        self.body = b""
        self.held_bytes = 0
        self.is_unframed = True  # the body is all that comes until the connection ends
        self.is_kept_alive = False

    def on_message_begin(self) -> None:
        self.begun += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in (b"content-length", b"transfer-encoding"):
            self.is_unframed = False
        elif name == b"etag" and not self.complete and len(value) <= _TAG_MAX_BYTES:
            self.tag = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if not self.complete:
            self.status = self.parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        if not self.complete:
            self.body = self.body + body if self.body else body

    def on_message_complete(self) -> None:
        if 100 <= self.status < 200 and self.status != 101:
            self.begun = self.status = 0  # the real one follows (RFC 9110, 15.2)
            return
        self.complete += 1
        self.is_kept_alive = self.parser.should_keep_alive()


class Poll:
    """Follows every connection of a process; see `zflood.swarm.transports.interface.Transport`."""

    is_answered_at_once: ClassVar[bool] = False

    def __init__(self, tally: Tally, answered: Answered) -> None:
        self._tally = tally
        self._progress = Progress(tally)
        self._answered = answered
        self._requests: list[bytes] = []  # by connection, without what differs from one to the next
        self._own: dict[int, _Answer] = {}  # connections with an unfinished answer
        self._new = _Answer()

    def opened(self, connection: int, host: str, path: str, since: str = "") -> bytes:
        self._progress.begin(connection, since)
        if connection >= len(self._requests):
            self._requests += [b""] * (connection + 1024 - len(self._requests))
        self._requests[connection] = get(host, path)
        self._answered(connection)
        return self._request(connection)

    def offset(self, connection: int) -> str:
        return self._progress.offset(connection)

    def feed(self, connection: int, data: bytes) -> bytes:
        answer = self._own.pop(connection, self._new)
        if not data:
            if answer.status and answer.is_unframed:
                raise self._over(answer, self._count(connection, answer))
            raise Cut("truncated answer" if answer.held_bytes else "closed without an answer")
        try:
            answer.parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            raise
        except httptools.HttpParserUpgrade:
            raise self._over(answer, f"status {answer.status}") from None
        except httptools.HttpParserError as error:
            raise self._over(answer, f"bad framing: {error}") from None
        if not answer.complete:
            return self._keep(connection, answer, len(data))
        fault = self._count(connection, answer) or (
            "an answer that nobody asked for" if answer.begun > 1 else ""
        )
        if fault or not answer.is_kept_alive:
            raise self._over(answer, fault)
        answer.reset()
        self._new = answer
        return self._request(connection)

    def left(self, connection: int) -> None:
        self._own.pop(connection, None)
        self._requests[connection] = b""

    def _keep(self, connection: int, answer: _Answer, read_bytes: int) -> bytes:
        """It is in a state of its own now."""
        self._replace(answer)
        self._own[connection] = answer
        answer.held_bytes += read_bytes
        if answer.held_bytes > HELD_MAX_BYTES:
            raise Ended(f"more than {HELD_MAX_BYTES:,} bytes without an end")
        return b""

    def _request(self, connection: int) -> bytes:
        tag = self._progress.offset(connection)
        request = self._requests[connection]
        return request[:-2] + f"If-None-Match: {tag}\r\n\r\n".encode() if tag else request

    def _count(self, connection: int, answer: _Answer) -> str:
        """A complete answer; returns what is wrong with it."""
        if answer.status in _NOTHING_NEW:
            if answer.tag:
                self._progress.opened(connection, answer.tag)
            return ""
        if answer.status != 200:
            return f"status {answer.status}"
        if not answer.body:
            return "empty answer"
        ours = objects.read_answer(answer.body)
        if ours is None:
            self._progress.message(connection, answer.body)
        else:
            for found in ours.messages:
                objects.tell(self._progress, connection, found)
        if answer.tag:
            self._progress.came_to(connection, answer.tag)
        return ""

    def _over(self, answer: _Answer, fault: str) -> Ended:
        """No more answers on this connection."""
        self._replace(answer)
        return Ended(fault) if fault else AskAgain()

    def _replace(self, answer: _Answer) -> None:
        """The others may not share it any more."""
        if answer is self._new:
            self._new = _Answer()
