"""What WebSocket clients say: frames become messages, pings are answered, faults end the connection.

Owns: the decoders of connections that are in the middle of a message. Must not know: sockets, ids, what a
message means.

Between two messages all connections are in the same state, so one pair of wsproto's decoders serves them all,
and a connection that is quiet has none.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from wsproto.frame_protocol import (
    CloseReason,
    FrameDecoder,
    FrameProtocol,
    MessageDecoder,
    Opcode,
    ParseFailed,
)

from zfront.transports import ws

MESSAGE_BYTES: Final = 65_536  # of a client's message, and of what may wait for its end
_CLOSE: Final = 0x88
_MASKED: Final = 0x80


class Said(NamedTuple):
    """What came of some bytes: messages, what to answer, and whether the connection ends with that."""

    messages: list[str | bytes]
    answer: bytes
    is_end: bool


class _Decoders:
    """Those of one connection, or of all that are between two messages."""

    __slots__ = ("frames", "held_bytes", "messages", "pieces")

    def __init__(self) -> None:
        self.frames = FrameDecoder(client=False)
        self.messages = MessageDecoder()
        self.pieces: list[str | bytes] = []  # of a message that is not complete
        self.held_bytes = 0  # read since a message was complete

    @property
    def is_at_rest(self) -> bool:
        frames = self.frames
        return frames.header is None and self.messages.opcode is None and not len(frames.buffer)


class Sockets:
    """Follows every WebSocket of a worker."""

    def __init__(self) -> None:
        self._own: dict[int, _Decoders] = {}
        self._at_rest = _Decoders()

    def receive(self, connection: int, data: bytes) -> Said:
        """Take what a connection said."""
        decoders = self._own.pop(connection, None) or self._at_rest
        messages: list[str | bytes] = []
        answer = b""
        try:
            decoders.frames.receive_bytes(data)
            while (frame := decoders.frames.process_buffer()) is not None:
                if frame.opcode is Opcode.PING:
                    assert isinstance(frame.payload, bytes)
                    answer += bytes(FrameProtocol(client=False, extensions=[]).pong(frame.payload))
                elif frame.opcode is Opcode.CLOSE:
                    assert isinstance(frame.payload, bytes)
                    self._replace(decoders)
                    return Said(messages, answer + _closed(frame.payload), True)
                elif frame.opcode is not Opcode.PONG:
                    frame = decoders.messages.process_frame(frame)
                    decoders.pieces.append(frame.payload)  # type: ignore[arg-type]
                    if frame.message_finished:
                        messages.append(_joined(decoders.pieces))
                        decoders.pieces = []
                        decoders.held_bytes = 0
        except ParseFailed as error:
            self._replace(decoders)
            return Said(messages, answer + ws.close(error.code), True)
        if not decoders.is_at_rest:
            self._replace(decoders)
            decoders.held_bytes += len(data)
            if decoders.held_bytes > MESSAGE_BYTES:
                return Said(messages, answer + ws.close(CloseReason.MESSAGE_TOO_BIG), True)
            self._own[connection] = decoders
        return Said(messages, answer, False)

    def left(self, connection: int) -> None:
        """It has gone; no error if it had nothing here."""
        self._own.pop(connection, None)

    def _replace(self, decoders: _Decoders) -> None:
        """The others may not share these any more."""
        if decoders is self._at_rest:
            self._at_rest = _Decoders()


def _joined(pieces: list[str | bytes]) -> str | bytes:
    if len(pieces) == 1:
        return pieces[0]
    if isinstance(pieces[0], str):
        return "".join(piece for piece in pieces if isinstance(piece, str))
    return b"".join(piece for piece in pieces if isinstance(piece, bytes))


def _closed(payload: bytes) -> bytes:
    """The answer to a client's close frame: its code again, or what is wrong with it (5.5.1, 7.4)."""
    reader = FrameProtocol(client=False, extensions=[])
    reader.receive_bytes(bytes((_CLOSE, _MASKED | len(payload), 0, 0, 0, 0)) + payload)
    try:
        read = next(reader.received_frames()).payload
    except ParseFailed as error:
        return ws.close(error.code)
    assert isinstance(read, tuple)
    return bytes(reader.close(read[0]))
