"""The series' page: an endless HTML document in HTTP/1.1 chunks (RFC 9112, section 7.1).

Owns: the bytes of the head, of a message, of the welcome and of a tick. Must not know: sockets.
"""

from __future__ import annotations

from typing import Final

from zfront.transports.chunks import LAST, chunk, head

__all__ = ["HEAD", "LAST", "PATH", "TYPE", "escape", "message_chunk", "tick_chunk", "welcome_chunk"]

PATH: Final = "/test/"
TYPE: Final = "text/html; charset=utf-8"
HEAD: Final = head(TYPE)

# Ready-made pieces of the usual chunks: formatting numbers is most of the work otherwise. About 100 KB.
_SIZES: Final = [b"%x\r\n" % size for size in range(1024)]
_OPENINGS: Final = [b"Recvd msg #%d: '" % number for number in range(1024)]
_CLOSING: Final = b"'<br/>\n"
_CLOSING_BYTES: Final = len(_CLOSING)
_END: Final = _CLOSING + b"\r\n"
_AND, _LESS, _MORE, _QUOTE, _DOUBLE_QUOTE = b"&<>'\""


def escape(message: bytes) -> bytes:
    """HTML-escape, and make what is not UTF-8 readable as UTF-8."""
    if not message.isascii():
        message = message.decode(errors="replace").encode()
    # Looking for a number is four times as fast as looking for bytes.
    if _AND in message:
        message = message.replace(b"&", b"&amp;")
    if _LESS in message or _MORE in message or _QUOTE in message or _DOUBLE_QUOTE in message:
        message = message.replace(b"<", b"&lt;").replace(b">", b"&gt;")
        message = message.replace(b"'", b"&#x27;").replace(b'"', b"&quot;")
    return message


def message_chunk(number: int, escaped: bytes) -> bytes:
    """The chunk of the connection's message `number`, counted from 1; `escaped` is from `escape`."""
    opening = _OPENINGS[number] if number < 1024 else b"Recvd msg #%d: '" % number
    size = len(opening) + len(escaped) + _CLOSING_BYTES
    return b"".join((_SIZES[size] if size < 1024 else b"%x\r\n" % size, opening, escaped, _END))


def welcome_chunk(an_id: bytes) -> bytes:
    """What `?welcome=1` asks for."""
    return chunk(b"zfront welcomes you! Your Id: %b<br/>\n" % escape(an_id))


def tick_chunk(number: int, an_id: bytes) -> bytes:
    """What `?tick=S` asks for, every S seconds."""
    return chunk(b"Chunk %d for id %b<br/>\n" % (number, escape(an_id)))
