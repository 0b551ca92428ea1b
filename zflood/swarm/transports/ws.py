"""WebSocket (RFC 6455) by wsproto: each text or binary message is a message.

Owns: handshakes under way, which connections need decoders of their own, what a close frame means. Must not
know: how frames are laid out, sockets.

wsproto's Connection has some 900 bytes, and an idle client has none: between two messages all connections are
in the same state, so that one pair of decoders serves them all, as in responses.py.
"""

from __future__ import annotations

from typing import ClassVar, Final

from wsproto.connection import ConnectionType
from wsproto.events import AcceptConnection, RejectConnection, Request
from wsproto.frame_protocol import (
    CloseReason,
    FrameDecoder,
    FrameProtocol,
    MessageDecoder,
    Opcode,
    ParseFailed,
)
from wsproto.handshake import H11Handshake
from wsproto.utilities import ProtocolError

from zflood.swarm.tally import Progress, Tally
from zflood.swarm.transports import objects
from zflood.swarm.transports.interface import HELD_MAX_BYTES, Answered, Cut, Ended

_HEAD_END: Final = b"\r\n\r\n"
_HEAD_MAX_BYTES: Final = 65_536
_TEXT, _BINARY, _CLOSE, _PING, _PONG = Opcode.TEXT, Opcode.BINARY, Opcode.CLOSE, Opcode.PING, Opcode.PONG
_CLOSE_HEADER: Final = 0x88
# The server is done, or goes away for a while; every other code tells of a fault.
_ORDERLY: Final = {
    CloseReason.NORMAL_CLOSURE,
    CloseReason.GOING_AWAY,
    CloseReason.NO_STATUS_RCVD,
    CloseReason.SERVICE_RESTART,
}


class _Decoders:
    """Those of one connection, or of all that are between two messages."""

    __slots__ = ("frames", "held_bytes", "messages", "pieces")

    def __init__(self) -> None:
        self.frames = FrameDecoder(client=True)
        self.messages = MessageDecoder()
        self.pieces = bytearray()  # of a message that is not complete
        self.held_bytes = 0  # read since a message was complete

    def joined(self, piece: object, is_last: bool) -> bytes:
        """The message that this piece completes; b"" if it does not."""
        if isinstance(piece, str):
            piece = piece.encode()
        assert isinstance(piece, bytes)
        self.pieces += piece
        if not is_last:
            return b""
        message = bytes(self.pieces)
        self.pieces.clear()
        return message

    @property
    def is_at_rest(self) -> bool:
        frames = self.frames
        return frames.header is None and self.messages.opcode is None and not len(frames.buffer)


def _whole(opcode: Opcode, payload: object) -> bytes:
    """A message that is a single frame, checked here: a MessageDecoder would cost a fifth more for each."""
    assert isinstance(payload, bytes)
    if opcode is _TEXT:
        try:
            payload.decode()
        except UnicodeDecodeError as error:
            raise ParseFailed(str(error), CloseReason.INVALID_FRAME_PAYLOAD_DATA) from None
    elif opcode is not _BINARY:
        raise ParseFailed("unexpected CONTINUATION")
    return payload


class Ws:
    """Follows every connection of a process; see `zflood.swarm.transports.interface.Transport`."""

    is_answered_at_once: ClassVar[bool] = True  # a handshake under way is 2.3 KB

    def __init__(self, tally: Tally, answered: Answered) -> None:
        self._tally = tally
        self._answered = answered
        self._progress = Progress(tally)
        self._handshakes: dict[int, tuple[H11Handshake, bytearray]] = {}  # and what came of the head
        self._closing: set[int] = set()  # both close frames are sent; only the server's end may come
        self._own: dict[int, _Decoders] = {}
        self._at_rest = _Decoders()
        self._speaker = FrameProtocol(client=True, extensions=[])

    def opened(self, connection: int, host: str, path: str, since: str = "") -> bytes:
        self._progress.begin(connection, since)
        if since:
            path += f"{'&' if '?' in path else '?'}since={since}"
        handshake = H11Handshake(ConnectionType.CLIENT)
        self._handshakes[connection] = handshake, bytearray()
        return bytes(handshake.send(Request(host=host, target=path)))

    def offset(self, connection: int) -> str:
        return self._progress.offset(connection)

    def feed(self, connection: int, data: bytes) -> bytes:
        if self._handshakes and connection in self._handshakes:
            data = self._shake(connection, data)
            if not data:
                return b""
        if self._closing and connection in self._closing and data:
            raise Ended("bytes after the close frame")
        if not data:
            raise Ended() if connection in self._closing else Cut("closed without a close frame")
        decoders = self._own.pop(connection, None)
        if decoders is None:
            decoders = self._at_rest
        try:
            said = self._decode(connection, decoders, data)
        except Ended:
            self._replace(decoders)
            raise
        except ParseFailed as error:
            self._replace(decoders)
            is_text = error.code is CloseReason.INVALID_FRAME_PAYLOAD_DATA
            kind = "text that is not UTF-8" if is_text else str(error)
            raise Ended(f"bad frame: {kind}", bytes(self._speaker.close(error.code))) from None
        if not decoders.is_at_rest:
            self._replace(decoders)
            self._own[connection] = decoders
            decoders.held_bytes += len(data)
            if decoders.held_bytes > HELD_MAX_BYTES:
                too_big = bytes(self._speaker.close(CloseReason.MESSAGE_TOO_BIG))
                raise Ended(f"more than {HELD_MAX_BYTES:,} bytes without an end", too_big)
        return said

    def left(self, connection: int) -> None:
        self._handshakes.pop(connection, None)
        self._closing.discard(connection)
        self._own.pop(connection, None)

    def _shake(self, connection: int, data: bytes) -> bytes:
        """The server's half of the handshake; returns what came after it."""
        handshake, head = self._handshakes[connection]
        if not data:
            raise Cut("truncated head" if head else "closed without an answer")
        head += data
        end = head.find(_HEAD_END) + len(_HEAD_END)
        if end < len(_HEAD_END):
            if len(head) > _HEAD_MAX_BYTES:
                raise Ended("bad handshake: no end of the head")
            return b""
        try:
            handshake.receive_data(bytes(head[:end]))
        except (ProtocolError, UnicodeDecodeError) as error:
            is_text = isinstance(error, UnicodeDecodeError)
            raise Ended(f"bad handshake: {'a header is not ASCII' if is_text else error}") from None
        event = next(handshake.events(), None)
        if isinstance(event, RejectConnection):
            raise Ended(f"status {event.status_code}")
        if not isinstance(event, AcceptConnection):
            raise Ended("bad handshake: no answer in the head")
        del self._handshakes[connection]
        self._answered(connection)
        return bytes(head[end:])

    def _decode(self, connection: int, decoders: _Decoders, data: bytes) -> bytes:
        """Count the messages; returns what to say. The hot path."""
        frames, messages = decoders.frames, decoders.messages
        frames.receive_bytes(data)
        said = b""
        while frames.buffer and (frame := frames.process_buffer()) is not None:
            opcode = frame.opcode
            if opcode is _PING:
                assert isinstance(frame.payload, bytes)
                said += self._speaker.pong(frame.payload)
            elif opcode is _CLOSE:
                assert isinstance(frame.payload, bytes)
                return said + self._close(connection, frame.payload, len(frames.buffer))
            elif opcode is not _PONG:
                if messages.opcode is not None or not (frame.frame_finished and frame.message_finished):
                    frame = messages.process_frame(frame)
                    body = decoders.joined(frame.payload, frame.message_finished)
                else:
                    body = _whole(opcode, frame.payload)
                if frame.message_finished:
                    decoders.held_bytes = 0
                    objects.take(self._progress, connection, body)
        return said

    def _close(self, connection: int, payload: bytes, bytes_after: int) -> bytes:
        """The server's close frame; returns the answer, after which the server is to close (7.1.1)."""
        reader = FrameProtocol(client=True, extensions=[])
        reader.receive_bytes(bytes((_CLOSE_HEADER, len(payload))) + payload)
        read = next(reader.received_frames()).payload
        assert isinstance(read, tuple)
        code, _ = read
        answer = bytes(reader.close(code))
        if bytes_after:
            raise Ended("bytes after the close frame", answer)
        if code not in _ORDERLY:
            raise Ended(f"close code {int(code)}", answer)
        self._closing.add(connection)
        self._tally.ended += 1
        return answer

    def _replace(self, decoders: _Decoders) -> None:
        """The others may not share these any more."""
        if decoders is self._at_rest:
            self._at_rest = _Decoders()
