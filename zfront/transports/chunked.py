"""The series' page: an endless HTML document in HTTP/1.1 chunks (RFC 9112, section 7.1).

Owns: the bytes of the head, of a message, of the welcome and of a tick. Must not know: sockets.
"""

from __future__ import annotations

from typing import Final

HEAD: Final = (
    b"HTTP/1.1 200 OK\r\n"
    b"Content-Type: text/html; charset=utf-8\r\n"
    b"Transfer-Encoding: chunked\r\n"
    b"Cache-Control: no-cache\r\n"
    b"X-Accel-Buffering: no\r\n\r\n"
)


def escape(message: bytes) -> bytes:
    """HTML-escape, and make what is not UTF-8 readable as UTF-8."""
    try:
        message.decode()
    except UnicodeDecodeError:
        message = message.decode(errors="replace").encode()
    if b"&" in message:
        message = message.replace(b"&", b"&amp;")
    if b"<" in message or b">" in message or b"'" in message or b'"' in message:
        message = message.replace(b"<", b"&lt;").replace(b">", b"&gt;")
        message = message.replace(b"'", b"&#x27;").replace(b'"', b"&quot;")
    return message


def message_chunk(number: int, escaped: bytes) -> bytes:
    """The chunk of the connection's message `number`, counted from 1; `escaped` is from `escape`."""
    line = b"Recvd msg #%d: '%b'<br/>\n" % (number, escaped)
    return b"%x\r\n%b\r\n" % (len(line), line)


def welcome_chunk(an_id: bytes) -> bytes:
    """What `?welcome=1` asks for."""
    return chunk(b"zfront welcomes you! Your Id: %b<br/>\n" % escape(an_id))


def tick_chunk(number: int, an_id: bytes) -> bytes:
    """What `?tick=S` asks for, every S seconds."""
    return chunk(b"Chunk %d for id %b<br/>\n" % (number, escape(an_id)))


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK: Final = b"0\r\n\r\n"
