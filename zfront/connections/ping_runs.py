"""Pings of WebSocket clients that come one after another: what they cost is little, and so is the answer.

Owns: the reading of a run of pings, and their pongs. Must not know: other frames, sockets.

Each is answered (RFC 6455, section 5.5.2) but for those that come in a heap: there the last one will do
(5.5.3).
"""

from __future__ import annotations

from typing import Final, NamedTuple

PING: Final = 0x89
_PONG: Final = 0x8A
_MASKED: Final = 0x80
_LONGEST: Final = 125
_HEAD_BYTES: Final = 6  # two, and the mask
_EACH: Final = 16  # so many in one piece are answered one by one


class PingRuns(NamedTuple):
    """Those at the start of some bytes."""

    frames: int
    pongs: bytes
    rest: bytes


def take_pings(data: bytes) -> PingRuns:
    """The whole pings that these bytes begin with; one that is not whole, or bad, is the rest's."""
    frames = start = last = 0
    pongs = b""
    while len(data) - start >= _HEAD_BYTES and data[start] == PING:
        size = data[start + 1] - _MASKED
        end = start + _HEAD_BYTES + size
        if not 0 <= size <= _LONGEST or end > len(data):
            break
        frames, last, start = frames + 1, start, end
        if frames <= _EACH:
            pongs += _pong(data[last:end])
    if frames > _EACH:
        pongs += _pong(data[last:start])
    return PingRuns(frames, pongs, data[start:])


def _pong(ping: bytes) -> bytes:
    size = len(ping) - _HEAD_BYTES
    if not size:
        return b"\x8a\x00"
    mask = int.from_bytes(ping[2:6] * (size // 4 + 1))
    padded = int.from_bytes(ping[6:].ljust(size // 4 * 4 + 4, b"\0"))
    payload = (mask ^ padded).to_bytes(size // 4 * 4 + 4)[:size]
    return bytes((_PONG, size)) + payload
