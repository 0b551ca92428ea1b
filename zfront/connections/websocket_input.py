"""What WebSocket clients say: frames become messages, pings are answered, faults end the connection.

Owns: the decoders of connections that are in the middle of a message, or have more than a turn's worth of
them. Must not know: sockets, ids, what a message means.

Between two messages all connections are in the same state, so one pair of wsproto's decoders serves them all,
and a connection that is quiet has none. What one says in a heap is worked off in turns.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from wsproto.frame_protocol import (
    CloseReason,
    Frame,
    FrameDecoder,
    FrameProtocol,
    MessageDecoder,
    Opcode,
    ParseFailed,
)

from zfront.connections.ping_runs import take_pings
from zfront.transports import ws

MESSAGE_BYTES: Final = 65_536  # of a client's message
FRAMES_A_TURN: Final = 16  # of one client; the rest is kept for its next turn
_CLOSE: Final = 0x88
_MASKED: Final = 0x80
_NORMAL: Final = CloseReason.NORMAL_CLOSURE.to_bytes(2, "big")


class Said(NamedTuple):
    """What came of some bytes."""

    messages: list[str | bytes]
    answer: bytes  # pongs
    last: bytes = b""  # a close frame, behind all answers to the messages (5.5.1); then the connection ends
    is_fault: bool = False  # the client may still be writing
    frames: int = 1  # that were worked off
    has_more: bool = False  # some are kept: `receive` them with no bytes more


class _Decoders:
    """Those of one connection, or of all that are between two messages."""

    __slots__ = ("frames", "held", "messages")

    def __init__(self) -> None:
        self.frames = FrameDecoder(client=False)
        self.messages = MessageDecoder()
        self.held = bytearray()  # of a message that is not complete; as bytes, which text can't outgrow

    @property
    def is_at_rest(self) -> bool:
        frames = self.frames
        return frames.header is None and self.messages.opcode is None and not len(frames.buffer)

    def take(self, frame: Frame) -> str | bytes | None:
        """The message, if it is complete with this piece of a data frame.

        Raises:
            ParseFailed: it is out of place, or not UTF-8.
        """
        piece = self.messages.process_frame(frame)
        payload = piece.payload
        assert isinstance(payload, str | bytes)
        if piece.message_finished and not self.held:
            return payload
        self.held += payload.encode() if isinstance(payload, str) else payload
        if not piece.message_finished:
            return None
        whole, self.held = self.held, bytearray()
        return whole.decode() if isinstance(payload, str) else bytes(whole)

    def check_size(self, size: int) -> None:
        """Look at a message that gets so many bytes more, and those that the head of its frame announces.

        Raises:
            ParseFailed: it is too long (7.4.1).
        """
        header = self.frames.header
        if header is not None and not header.opcode.iscontrol():
            size += header.payload_len - self.frames.payload_consumed
        if len(self.held) + size > MESSAGE_BYTES:
            raise ParseFailed("message is too long", CloseReason.MESSAGE_TOO_BIG)


class WebSocketInput:
    """Follows every WebSocket of a worker."""

    def __init__(self) -> None:
        self._own: dict[int, _Decoders] = {}
        self._at_rest = _Decoders()

    def count(self) -> int:
        """How many connections are in the middle of a message, or have more of them."""
        return len(self._own)

    def held_bytes(self) -> int:
        """Of the messages that are not complete."""
        return sum(len(decoders.held) for decoders in self._own.values())

    def receive(self, connection: int, data: bytes) -> Said:
        """Take what a connection said: a turn's worth of it."""
        decoders = self._own.pop(connection, None) or self._at_rest
        messages: list[str | bytes] = []
        pings, answer = 0, b""
        if decoders is self._at_rest:
            pings, answer, data = take_pings(data)
        frames = 0
        try:
            decoders.frames.receive_bytes(data)
            while frames < FRAMES_A_TURN and (frame := decoders.frames.process_buffer()) is not None:
                frames += 1
                if frame.opcode is Opcode.PING:
                    assert isinstance(frame.payload, bytes)
                    answer += bytes(FrameProtocol(client=False, extensions=[]).pong(frame.payload))
                elif frame.opcode is Opcode.CLOSE:
                    assert isinstance(frame.payload, bytes)
                    self._replace(decoders)
                    return Said(messages, answer, _closed(frame.payload))
                elif frame.opcode is not Opcode.PONG:
                    decoders.check_size(len(frame.payload))
                    message = decoders.take(frame)
                    if message is not None:
                        messages.append(message)
            decoders.check_size(0)
        except ParseFailed as error:
            self._replace(decoders)
            return Said(messages, answer, ws.close(error.code), True)
        has_more = frames == FRAMES_A_TURN and len(decoders.frames.buffer) > 0
        if not decoders.is_at_rest:
            self._replace(decoders)
            self._own[connection] = decoders
        return Said(messages, answer, frames=pings + frames, has_more=has_more)

    def left(self, connection: int) -> None:
        """It has gone; no error if it had nothing here."""
        self._own.pop(connection, None)

    def _replace(self, decoders: _Decoders) -> None:
        """The others may not share these any more."""
        if decoders is self._at_rest:
            self._at_rest = _Decoders()


def _closed(payload: bytes) -> bytes:
    """The answer to a client's close frame: its code again, or what is wrong with it (5.5.1, 7.4)."""
    code = int.from_bytes(payload[:2], "big")
    if len(payload) >= 2:
        if not ws.may_be_said(code):
            return ws.close(CloseReason.PROTOCOL_ERROR)
        payload = _NORMAL + payload[2:]  # wsproto does not know all codes of the registry
    reader = FrameProtocol(client=False, extensions=[])
    reader.receive_bytes(bytes((_CLOSE, _MASKED | len(payload), 0, 0, 0, 0)) + payload)
    try:
        read = next(reader.received_frames()).payload
    except ParseFailed as error:
        return ws.close(error.code)
    assert isinstance(read, tuple)
    return bytes(reader.close(code or read[0]))
