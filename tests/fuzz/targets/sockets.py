"""WebSocket frames of clients: read alike however they are cut, and as another implementation reads them.

The frames of the other one are those of `websockets`; how they make messages is said here once more, after
RFC 6455.
"""

from __future__ import annotations

import codecs
from typing import Any, Final

from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import Close, Frame, Opcode
from websockets.streams import StreamReader

from tests.fuzz.given import cuts
from zfront.connections.ping_runs import take_pings
from zfront.connections.websocket_input import MESSAGE_BYTES, WebSocketInput

_OURS: Final = 3  # a connection's number
_PAST: Final = 9  # another's
# Messages, pongs, the code of the close frame that we answer with (0 = none).
Read = tuple[list[Any], bytes, int]


def websocket(data: bytes) -> None:
    """The first byte says how many sizes of pieces follow; behind these is what the client says."""
    sizes = data[1 : 1 + (data[0] % 8 if data else 0)]
    said = data[1 + len(sizes) :]
    whole, in_pieces = _read(said, b""), _read(said, sizes)
    assert whole[0] == in_pieces[0]
    assert whole[2] == in_pieces[2]
    messages, pongs, code, is_cut = _other(said)
    assert whole[0] == messages, "the messages are the same"
    if code != 1009:
        # A fault can be seen in the head of a frame that is not whole yet.
        assert whole[2] == code or (is_cut and code == 0 and whole[2] in (1002, 1007, 1009)), (whole[2], code)
    else:
        # Ours reads the mask before it looks at the length; a control frame may not be long at all.
        assert whole[2] in (1002, 1009) or (whole[2] == 0 and is_cut), whole[2]
    if pongs.count(b"\x8a") <= 16 and in_pieces[2] == code:
        assert in_pieces[1] == pongs or len(sizes) == 0 or code, "each ping is answered"
    found = take_pings(said)
    assert said.endswith(found.rest)


def _read(said: bytes, sizes: bytes) -> Read:
    sockets = WebSocketInput()
    messages: list[Any] = []
    answer = b""
    for piece in cuts(said, sizes):
        got = sockets.receive(_OURS, piece)
        while True:
            messages += got.messages
            answer += got.answer
            if got.last:
                sockets.left(_OURS)
                _is_untouched(sockets)
                return messages, answer, _code(got.last)
            if not got.has_more:
                break
            got = sockets.receive(_OURS, b"")
    _is_untouched(sockets)
    sockets.left(_OURS)
    assert sockets.count() == 0
    return messages, answer, 0


def _is_untouched(sockets: WebSocketInput) -> None:
    """Another connection does not see anything of ours."""
    got = sockets.receive(_PAST, b"\x81\x82\0\0\0\0{}")
    assert got.messages == ["{}"]
    assert not got.last
    sockets.left(_PAST)


def _code(frame: bytes) -> int:
    assert frame[0] == 0x88
    assert frame[1] == len(frame) - 2 <= 125
    return int.from_bytes(frame[2:4], "big") or 1005


def _other(said: bytes) -> tuple[list[Any], bytes, int, bool]:
    """As `_read`, and whether a frame is not whole."""
    reader = StreamReader()
    reader.feed_data(said)
    messages: list[Any] = []
    pongs, pieces, is_text = b"", bytearray(), None
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while frame := _frame(reader, MESSAGE_BYTES - len(pieces)):
            data = bytes(frame.data)
            if frame.opcode is Opcode.PING:
                pongs += bytes((0x8A, len(data))) + data
            elif frame.opcode is Opcode.CLOSE:
                if len(data) >= 2:
                    Close(int.from_bytes(data[:2], "big"), "").check()
                return messages, pongs, int(Close.parse(data).code), False
            elif frame.opcode is not Opcode.PONG:
                if (frame.opcode is Opcode.CONT) == (is_text is None):
                    return messages, pongs, 1002, False
                is_text = frame.opcode is Opcode.TEXT if is_text is None else is_text
                pieces += data
                if is_text:
                    decoder.decode(data, frame.fin)
                if frame.fin:
                    messages.append(pieces.decode() if is_text else bytes(pieces))
                    pieces, is_text = bytearray(), None
    except UnicodeDecodeError:
        return messages, pongs, 1007, False
    except PayloadTooBig:
        return messages, pongs, 1009, len(reader.buffer) < 4
    except ProtocolError:
        return messages, pongs, 1002, False
    return messages, pongs, 0, bool(reader.buffer) or reader_is_inside(reader)


def reader_is_inside(reader: StreamReader) -> bool:
    """Whether the head of a frame was read, and not the whole frame."""
    return getattr(reader, "inside", False)


def _frame(reader: StreamReader, most: int) -> Frame | None:
    """The next one; None if it is not whole."""
    has_begun = bool(reader.buffer)
    head = bytes(reader.buffer[:10])
    size, bits = head[1] & 127 if len(head) > 1 else 0, len(head) * 8
    if (size == 126 and bits >= 32 and int.from_bytes(head[2:4], "big") < 126) or (
        size == 127 and bits >= 80 and int.from_bytes(head[2:10], "big") >> 16 == 0
    ):
        raise ProtocolError("a length in more bytes than it takes (RFC 6455, section 5.2)")
    steps = Frame.parse(reader.read_exact, mask=True, max_size=most)
    try:
        next(steps)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    reader.inside = has_begun  # type: ignore[attr-defined]
    return None
