"""What a client makes of the bytes that come, after docs/http-api.md alone: words of the five transports.

Owns: heads, chunks, lines, events, frames, answers. Must not know: who reads, what is promised.

A word is (kind, id, text, offset): "open", "message", "gap", "presence", "error", "answer" (the end of a
poll's), "tick", "closed" (a WebSocket's close frame). Bytes that are none of these are a broken promise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

from tests.simulation.world import Broken


class Word(NamedTuple):
    """One thing that a client was told."""

    kind: str
    id: str = ""
    text: str = ""
    offset: str = ""


class _More(Exception):  # noqa: N818
    """Bytes are missing."""


Reader: TypeAlias = "ChunkedReader | LinesReader | EventsReader | FramesReader | AnswersReader"


class _Reader:
    """Follows one connection; `feed` gives what is complete."""

    def __init__(self) -> None:
        self._bytes = b""
        self._fed = 0
        self._has_head = False
        self.is_ended = False  # in order
        self.is_full = False  # the server was, and said nothing else

    def feed(self, data: bytes) -> list[tuple[Word, int]]:
        """The words that are complete, each with how many bytes of the connection that were."""
        self._bytes += data
        self._fed += len(data)
        words: list[tuple[Word, int]] = []
        try:
            while self._bytes and not self.is_full:
                words += [(word, self._fed - len(self._bytes)) for word in self._some()]
        except _More:
            pass
        return words

    def _some(self) -> list[Word]:
        if not self._has_head:
            head = self._until(b"\r\n\r\n")
            self._has_head = True
            return self.on_head(head.decode("latin-1"))
        return self.on_body()

    def on_head(self, head: str) -> list[Word]:
        if " 503 " in head.split("\r\n")[0]:
            self._bytes = b""
            self.is_full = True
            return [Word("full")]
        if " 200 " not in head.split("\r\n")[0]:
            raise Broken("bad answer", head.split("\r\n")[0])
        return [Word("head")]

    def on_body(self) -> list[Word]:
        raise NotImplementedError

    def _until(self, end: bytes) -> bytes:
        found = self._bytes.find(end)
        if found < 0:
            raise _More
        taken, self._bytes = self._bytes[:found], self._bytes[found + len(end) :]
        return taken

    def _take(self, count: int) -> bytes:
        if len(self._bytes) < count:
            raise _More
        taken, self._bytes = self._bytes[:count], self._bytes[count:]
        return taken

    def _chunk(self) -> bytes:
        before = self._bytes
        try:
            size = int(self._until(b"\r\n"), 16)
            body = self._take(size)
            if self._take(2) != b"\r\n":
                raise Broken("bad bytes", "a chunk without its end")
        except ValueError:
            raise Broken("bad bytes", f"no size of a chunk: {before[:20]!r}") from None
        except _More:
            self._bytes = before
            raise
        self.is_ended = self.is_ended or not size
        return body


def _object(found: dict[str, Any]) -> Word:
    offset = found.get("offset", "")
    if "event" not in found:
        return Word("message", found["id"], found.get("message", found.get("base64", "")), offset)
    if found["event"] == "presence":
        return Word("presence", found["id"], str(found["connections"]))
    return Word(found["event"], "", found.get("reason", found.get("text", "")), offset)


class ChunkedReader(_Reader):
    """/test: one chunk is one message."""

    _MESSAGE = re.compile(r"Recvd msg #(\d+): '(.*)'<br/>\n", re.DOTALL)

    def on_body(self) -> list[Word]:
        text = self._chunk().decode()
        found = self._MESSAGE.fullmatch(text)
        if found:
            return [Word("message", "", found[2], found[1])]
        return [Word("tick", "", text)] if text else []


class LinesReader(_Reader):
    """/stream."""

    def __init__(self) -> None:
        super().__init__()
        self._line = b""

    def on_body(self) -> list[Word]:
        *lines, self._line = (self._line + self._chunk()).split(b"\n")
        return [_object(json.loads(line)) for line in lines if line]


class EventsReader(_Reader):
    """/sse, as the standard reads it (9.2.6)."""

    def __init__(self) -> None:
        super().__init__()
        self._text = ""

    def on_body(self) -> list[Word]:
        self._text += self._chunk().decode()
        *events, self._text = self._text.split("\n\n")
        return [word for event in events for word in self._event(event)]

    @staticmethod
    def _event(event: str) -> Iterator[Word]:
        fields: dict[str, list[str]] = {}
        for line in event.split("\n"):
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
        offset = fields.get("id", [""])[-1]
        kind = fields.get("event", ["message"])[-1]
        if "data" not in fields:
            if offset:
                yield Word("open", "", "", offset)
        elif kind == "presence":
            yield _object(json.loads(fields["data"][0]))
        elif kind == "gap":
            yield Word("gap", "", fields["data"][0], offset)
        else:
            yield Word("message", "", "\n".join(fields["data"]), offset)


class FramesReader(_Reader):
    """/ws: frames of a server, which are whole and not masked."""

    def on_head(self, head: str) -> list[Word]:
        if " 101 " not in head.split("\r\n")[0]:
            return super().on_head(head)
        return [Word("head")]

    def on_body(self) -> list[Word]:
        before = self._bytes
        try:
            first, size = self._take(2)
            if size == 126:
                size = int.from_bytes(self._take(2), "big")
            elif size == 127:
                size = int.from_bytes(self._take(8), "big")
            payload = self._take(size)
        except _More:
            self._bytes = before
            raise
        if first == 0x81:
            return [_object(json.loads(payload))]
        if first == 0x88:
            self.is_ended = True
            return [Word("closed", "", str(int.from_bytes(payload[:2], "big")))]
        if first not in (0x89, 0x8A):
            raise Broken("bad bytes", f"a frame that begins with {first:#x}")
        return []


class AnswersReader(_Reader):
    """/poll: one answer after the other."""

    def __init__(self) -> None:
        super().__init__()
        self._head = ""

    def on_head(self, head: str) -> list[Word]:
        self._head = head
        if " 204 " in head.split("\r\n")[0]:
            self._has_head = False
            found = re.search(r'ETag: "(.*)"', head)
            return [Word("answer", "", "204", found[1] if found else "")]
        return super().on_head(head)

    def on_body(self) -> list[Word]:
        found = re.search(r"Content-Length: (\d+)", head := self._head)
        body = json.loads(self._take(int(found[1]) if found else 0))
        self._has_head = False
        if f'ETag: "{body["offset"]}"' not in head:
            raise Broken("bad bytes", "the ETag of a poll is not its offset")
        return [*map(_object, body["messages"]), Word("answer", "", "200", body["offset"])]


READERS: dict[str, type[_Reader]] = {
    "test": ChunkedReader,
    "stream": LinesReader,
    "sse": EventsReader,
    "ws": FramesReader,
    "poll": AnswersReader,
}


def frame(text: str, opcode: int = 0x1) -> bytes:
    """What a WebSocket client says; the mask is of zeros, which masks nothing (RFC 6455, 5.3)."""
    data = text.encode()
    if len(data) < 126:
        head = bytes((0x80 | opcode, 0x80 | len(data)))
    else:
        head = bytes((0x80 | opcode, 0x80 | 126)) + len(data).to_bytes(2, "big")
    return head + bytes(4) + data
