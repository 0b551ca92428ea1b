"""The JSON objects of zfront's streams: a message, or a word about the stream itself (docs/http-api.md).

Owns: their form. Must not know: what they come in. What is no such object is another server's message.
"""

from __future__ import annotations

from typing import Final

import msgspec

from zflood.swarm.tally import Progress

OPEN: Final = "open"
GAP: Final = "gap"


class Object(msgspec.Struct):
    """One of them; a message has no `event`. `base64` is one that is not UTF-8."""

    event: str = ""
    offset: str = ""
    reason: str = ""
    message: str | None = None
    base64: str | None = None

    @property
    def body(self) -> bytes:
        """The message, or what stands for it."""
        return (self.message if self.message is not None else self.base64 or "").encode()


class Answer(msgspec.Struct):
    """An answer to a long poll."""

    offset: str
    messages: list[Object]


_read = msgspec.json.Decoder(Object).decode
_read_answer = msgspec.json.Decoder(Answer).decode


def read(data: bytes) -> Object | None:
    """One object; None if it is none of these."""
    if not data.startswith(b"{"):
        return None
    try:
        found = _read(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    is_message = not found.event and (found.message is not None or found.base64 is not None)
    is_notice = found.event in (OPEN, GAP) and found.offset != ""
    return found if is_message or is_notice else None


def read_answer(data: bytes) -> Answer | None:
    """One answer; None if it is another server's."""
    if not data.startswith(b"{"):
        return None
    try:
        return _read_answer(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def take(progress: Progress, connection: int, data: bytes) -> None:
    """What came is told: an object of ours for what it says, all else for a message."""
    found = read(data)
    if found is None:
        progress.message(connection, data)
    else:
        tell(progress, connection, found)


def tell(progress: Progress, connection: int, found: Object) -> None:
    """An object is told for what it says."""
    if not found.event:
        progress.message(connection, found.body, found.offset)
    elif found.event == OPEN:
        progress.opened(connection, found.offset)
    else:
        progress.gap(connection, found.reason, found.offset)
