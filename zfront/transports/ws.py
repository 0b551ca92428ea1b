"""WebSocket (RFC 6455): each message is a text message with a JSON object.

Owns: the bytes of the answer to a handshake and of frames to clients. What clients say is read in
websocket_input.py. Frames to clients are not masked (5.1), so one serves all of them.
"""

from __future__ import annotations

import base64
import struct
from typing import Final

from zfront.transports import objects
from zfront.transports.interface import NO_TOKEN

__all__ = [
    "ALIVE",
    "PATH",
    "TYPE",
    "asks_for_upgrade",
    "expiring",
    "gap",
    "is_key",
    "last",
    "may_be_said",
    "message",
    "opened",
    "presence",
    "switch",
]

PATH: Final = "/ws/"
TYPE: Final = "application/json"
ALIVE: Final = b"\x89\x00"  # a ping
# Close codes (7.4.1).
_NORMAL: Final = 1000
_GOING_AWAY: Final = 1001
_UNAUTHORIZED: Final = 4401  # of those for applications (7.4.2)
_WHY: Final = {"evicted": _NORMAL, **dict.fromkeys(NO_TOKEN, _UNAUTHORIZED)}
_WORDS: Final = {"expired": "the token is not good any more", "revoked": "the token was revoked"}
VERSION: Final = "13"
_BLANKS: Final = " \t"


def asks_for_upgrade(connection: str, upgrade: str, version: str) -> bool:
    """Whether these headers ask for a WebSocket of the version that there is (4.2.1, 3 to 6).

    Both lists may have further members (RFC 9110, 7.6.1 and 7.8). Two versions are none (11.3.5).
    """
    is_asked = "upgrade" in _members(connection) and "websocket" in _members(upgrade)
    return is_asked and version.strip(_BLANKS) == VERSION


def is_key(key: str) -> bool:
    """Whether it is a Sec-WebSocket-Key: 16 bytes in base64, once (4.2.1, 5; 11.3.1)."""
    try:
        return len(base64.b64decode(key.strip(_BLANKS), validate=True)) == 16
    except ValueError:
        return False


def _members(field: str) -> list[str]:
    return [member.strip(_BLANKS).lower() for member in field.split(",")]


def may_be_said(code: int) -> bool:
    """Whether a close frame may have this code: 7.4, and IANA's WebSocket Close Code Number Registry."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def switch(key: str, has_subprotocol: bool = False) -> bytes:
    """The head that ends the handshake (4.2.2); a client that offers our subprotocol wants it chosen."""
    from wsproto.utilities import generate_accept_token  # loaded when the first one comes

    token = generate_accept_token(key.strip(_BLANKS).encode("latin-1"))
    return (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n%b\r\n"
        % (token, b"Sec-WebSocket-Protocol: zcomet\r\n" if has_subprotocol else b"")
    )


def opened(offset: bytes) -> bytes:
    """The first message."""
    return text(objects.opened(offset))


def message(an_id: bytes, message: bytes, offset: bytes) -> bytes:
    """One message."""
    return text(objects.message(an_id, message, offset))


def gap(why: str, offset: bytes) -> bytes:
    """One message."""
    return text(objects.gap(why, offset))


def presence(an_id: bytes, connections: int) -> bytes:
    """One message."""
    return text(objects.presence(an_id, connections))


def expiring(ends_in_s: int) -> bytes:
    """One message."""
    return text(objects.expiring(ends_in_s))


def last(why: str) -> bytes:
    """A close frame."""
    return close(_WHY.get(why, _GOING_AWAY), _WORDS.get(why))


def close(code: int, reason: str | None = None) -> bytes:
    """A close frame."""
    from wsproto.frame_protocol import FrameProtocol

    return bytes(FrameProtocol(client=False, extensions=[]).close(code, reason))


def text(payload: bytes) -> bytes:
    """One text frame, whole (5.2). wsproto makes the same bytes in five times the time."""
    size = len(payload)
    if size < 126:
        return b"%c%c%b" % (0x81, size, payload)
    if size < 65536:
        return struct.pack("!BBH", 0x81, 126, size) + payload
    return struct.pack("!BBQ", 0x81, 127, size) + payload
