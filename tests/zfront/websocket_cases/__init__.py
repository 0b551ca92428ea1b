"""The cases of the Autobahn test suite for WebSocket servers, as data; one file for each of its groups.

Owns: how a case is read, and the bytes that it sends. A case has Autobahn's number; that suite is for servers
that echo, so `hear` says what such a server would: a pong for each ping, and each message.

`send` has frames, in order:
    op          text, binary, more (a continuation), ping, pong, close, or the number of a reserved opcode
    text, hex   the payload, as text or in hex; `times` says how often it is repeated
    code        of a close frame, before its reason
    fin, rsv    the bits, where they are not 1 and 0
    fragment    the frame is made many, of so many bytes each
    messages    the frame is sent so many times
or, in place of a frame,
    raw         bytes in hex
    heard       by now so much of `hear` was heard, or "close": the connection was refused
`chop` says in pieces of how many bytes all that is written. `close` is the code of the close frame that
comes, or "none" for one without; where it is missing the client closes with 1000, and that is what it hears.
"""

from __future__ import annotations

import struct
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OPCODES = {"more": 0, "text": 1, "binary": 2, "close": 8, "ping": 9, "pong": 10}
_KEY = bytes.fromhex("a5c30f96")
_SMALL = 4096  # bytes of a case that is also sent byte by byte


@dataclass(frozen=True)
class Case:
    """See the module's docstring."""

    name: str
    what: str
    send: list[dict[str, Any]]
    hear: list[str]
    close: int | str = 0
    chop: int = 0

    def steps(self) -> Iterator[bytes | int]:
        """What is written, frame by frame; a number in between: so much was heard by now, -1 = the end."""
        for one in self.send:
            if "heard" in one:
                yield -1 if one["heard"] == "close" else int(one["heard"])
            elif "raw" in one:
                yield bytes.fromhex(one["raw"])
            else:
                yield from _frames(one)
        if not self.close:
            yield frame("close", struct.pack("!H", 1000))

    @property
    def pongs(self) -> list[bytes]:
        """The payloads of those that come."""
        sent = [_payload(one) for one in self.send if one.get("op") == "ping"]
        return sent[: self.hear.count("pong")]

    @property
    def messages(self) -> list[bytes]:
        """Those that are taken."""
        sent: list[bytes] = []
        is_complete = True
        for one in self.send:
            if one.get("op") in ("text", "binary"):
                sent += [_payload(one)] * one.get("messages", 1)
            elif one.get("op") == "more" and not is_complete:
                sent[-1] += _payload(one)
            if one.get("op") in ("text", "binary", "more"):
                is_complete = one.get("fin", True)
        return sent[: sum(1000 if one == "1000 messages" else one == "message" for one in self.hear)]

    @property
    def code(self) -> int | None:
        """Of the close frame that comes."""
        return None if self.close == "none" else int(self.close or 1000)

    @property
    def is_small(self) -> bool:
        """Whether it can be sent byte by byte in no time."""
        return sum(len(_payload(one)) * int(one.get("messages", 1)) for one in self.send) < _SMALL


def cases() -> list[Case]:
    """All of them, in Autobahn's order."""
    files = sorted(Path(__file__).parent.glob("*.toml"), key=lambda file: int(file.stem.partition("-")[0]))
    return [Case(**case) for file in files for case in tomllib.loads(file.read_text())["case"]]


def frame(op: str | int, payload: bytes, fin: bool = True, rsv: int = 0) -> bytes:
    """A masked frame (RFC 6455, section 5.2)."""
    opcode = op if isinstance(op, int) else OPCODES[op]
    size = len(payload)
    first = fin << 7 | rsv << 4 | opcode
    if size < 126:
        head = struct.pack("!BB", first, 0x80 | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, size)
    mask = (_KEY * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload) ^ int.from_bytes(mask)
    return head + _KEY + masked.to_bytes(size)


@dataclass
class Heard:
    """Reads the frames of a server, which are not masked and never in fragments."""

    pongs: list[bytes] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)  # text messages
    closes: list[bytes] = field(default_factory=list)  # payloads of close frames
    order: list[int] = field(default_factory=list)  # opcodes, as they came
    _rest: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> None:
        """Take bytes."""
        rest = self._rest
        rest += data
        while (frame := _first(rest)) is not None:
            opcode, payload, size = frame
            del rest[:size]
            if opcode == OPCODES["ping"]:  # it keeps quiet connections alive
                continue
            self.order.append(opcode)
            {1: self.messages, 8: self.closes, 10: self.pongs}[opcode].append(payload)

    @property
    def count(self) -> int:
        """Of what is in a case's `hear`."""
        return len(self.pongs) + len(self.messages)

    @property
    def codes(self) -> list[int | None]:
        """Of the close frames."""
        return [struct.unpack("!H", one[:2])[0] if one else None for one in self.closes]


def _first(data: bytearray) -> tuple[int, bytes, int] | None:
    if len(data) < 2:
        return None
    assert data[0] & 0xF0 == 0x80, "not one whole frame without reserved bits"
    size, start = data[1], 2
    if size == 126:
        start, size = 4, int.from_bytes(data[2:4])
    elif size == 127:
        start, size = 10, int.from_bytes(data[2:10])
    if len(data) < start + size:
        return None
    return data[0] & 0x0F, bytes(data[start : start + size]), start + size


def _payload(one: dict[str, Any]) -> bytes:
    payload = bytes.fromhex(one["hex"]) if "hex" in one else str(one.get("text", "")).encode()
    return (struct.pack("!H", one["code"]) if "code" in one else b"") + payload * int(one.get("times", 1))


def _frames(one: dict[str, Any]) -> Iterator[bytes]:
    payload, op, fin, rsv = _payload(one), one["op"], one.get("fin", True), one.get("rsv", 0)
    size = one.get("fragment", 0)
    if not size:
        whole = frame(op, payload, fin, rsv)
        for _ in range(one.get("messages", 1)):
            yield whole
        return
    for start in range(0, len(payload), size):
        is_last = start + size >= len(payload)
        yield frame("more" if start else op, payload[start : start + size], is_last, rsv)
