"""The mailboxes: what was sent a short while ago, so that a client that comes back gets what it missed.

Owns: the position of each message, the journal of the last frames, what a client of some ids has missed. Must
not know: sockets, where the time comes from (clock.py), who is logged in.

Each message that the router takes gets the next position; one number so says how far a client of any ids has
come. Frames are kept as they came, in segments. Nobody looks into a segment until somebody comes back who may
have missed some of it: then it is indexed by id, once. So keeping a message costs little more than its bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable
from operator import itemgetter
from typing import Final, NamedTuple, TypeAlias

from zrouter import wire
from zrouter.routing.clock import Clock
from zrouter.routing.limits import Limits
from zrouter.routing.skipped_messages import SkippedMessages
from zrouter.wire import Delivery

# A segment is sealed at this part of the bytes or seconds that are kept: it is forgotten as a whole.
_PARTS: Final = 64
_POSITION_BYTES: Final = 8
# What an indexed message takes beside its bytes: an object, a slot, a share of its id's row.
_ROW_BYTES: Final = 120
# A message with its position before it; one for many ids is shared by their rows.
Row: TypeAlias = "bytes | tuple[int, bytes]"
# What a frame takes beside its bytes.
_FRAME_BYTES: Final = 50


class Mailboxed(NamedTuple):
    """One message for many ids, each with a position, one after another."""

    message: bytes
    ids: list[bytes]


class Missed(NamedTuple):
    """What a client gets that comes back: `messages` in order, and whether that is all that it missed."""

    is_all: bool
    messages: list[Delivery]


class _Segment:
    """Some of the journal."""

    __slots__ = ("bytes", "frames", "index", "indexed", "messages", "sealed_at", "since", "started_at")

    def __init__(self, since: int, now: float) -> None:
        self.since = since  # the position before its first message
        self.started_at = now
        self.sealed_at: float | None = None
        self.bytes = 0
        self.messages = 0
        self.frames: list[bytes | int | Mailboxed] = []  # those that are not indexed yet, see Mailboxes.keep
        self.indexed = since  # the position before the first message of these
        # id -> what came for it, each with its position before it; a lone one without a list.
        self.index: dict[bytes, Row | list[Row]] = {}


class Mailboxes:
    """The journal of one router's life."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self.position = 0  # of the last message that was taken
        self.evicted = 0  # messages that had to go before their time
        self.bytes = 0
        self._limits = limits
        self.skipped = SkippedMessages()
        self._clock = clock
        self._segment_bytes = limits.mailbox_total // _PARTS
        self._segments: deque[_Segment] = deque()
        self._floor = 0  # of what came after this position, nothing has been forgotten

    @property
    def is_on(self) -> bool:
        """Whether anything is kept."""
        return self._limits.mailbox_s > 0

    @property
    def messages(self) -> int:
        """How many messages are kept."""
        return sum(segment.messages for segment in self._segments)

    def keep(self, frames: list[bytes | int | Mailboxed], messages: int, size: int, skipped: int = 0) -> None:
        """Keep what came in one burst: so many messages in Send frames of so many bytes together.

        A number in place of a frame: so many messages were for nobody who is or just was here, `skipped` in
        all. They have positions and are not kept: `unkept` has to know their ids. A Kept is a message for
        each of its ids.
        """
        before = self.position
        self.position += messages
        if not self.is_on:
            return
        if messages == skipped:
            self._skip(skipped)
            return
        if not self._segments or self._segments[-1].sealed_at is not None:
            self._segments.append(_Segment(before, self._clock.now))
        segment = self._segments[-1]
        segment.frames += frames
        segment.messages += messages - skipped
        size += len(frames) * _FRAME_BYTES
        segment.bytes += size
        self.bytes += size
        if segment.bytes > self._segment_bytes:
            segment.sealed_at = self._clock.now
            self._make_room()

    def _skip(self, count: int) -> None:
        """Nothing but positions: however many they are, they take no memory."""
        if not self._segments or self._segments[-1].sealed_at is not None:
            return  # the next segment begins behind them
        frames = self._segments[-1].frames
        last = frames[-1] if frames else b""
        if isinstance(last, int):
            frames[-1] = last + count
        else:
            frames.append(count)

    def tick(self) -> None:
        """Seal what is old enough, and forget what is too old."""
        now, kept_s = self._clock.now, self._limits.mailbox_s
        segments = self._segments
        if not segments:
            return
        newest = segments[-1]
        if newest.sealed_at is None and now - newest.started_at > kept_s / _PARTS:
            newest.sealed_at = now
        while segments and (sealed_at := segments[0].sealed_at) is not None and now - sealed_at > kept_s:
            self._forget_oldest()

    def look_into(self, position: int, budget: int) -> int:
        """Index what came after that position, at most `budget` messages and what the last frame has more.

        Returns how many messages that were. When it is less than `budget`, `missed` can answer.
        """
        done = 0
        for segment in reversed(self._segments):
            while segment.frames and done < budget:
                done += self._index(segment, budget - done)
            if segment.since <= position or done >= budget:
                break
        self._make_room()
        return done

    def missed(self, ids: Iterable[bytes], position: int, here: Container[bytes]) -> Missed:
        """The messages for these ids after that position, of those that were looked into.

        `here` has the ids that somebody holds or that messages are kept for.
        """
        if position == self.position:
            return Missed(True, [])
        is_all = self.is_on and self._floor <= position <= self.position
        messages: list[Delivery] = []
        wanted = set(ids)
        for an_id in self._found(wanted, position):
            found, is_whole = self._newest(an_id, position)
            messages += found
            is_all = is_all and is_whole
        is_all = is_all and not any(self.skipped.may_have(an_id, position, an_id in here) for an_id in wanted)
        messages.sort(key=itemgetter(2))
        size = 0
        for index in range(len(messages) - 1, -1, -1):
            size += len(messages[index][1]) + wire.PAIR_BYTES + len(messages[index][0])
            if size > self._limits.max_frame:
                return Missed(False, messages[index + 1 :])
        return Missed(is_all, messages)

    def _found(self, ids: set[bytes], position: int) -> set[bytes]:
        """Those of these ids that something came for since: of ten thousand they are few."""
        found: set[bytes] = set()
        for segment in reversed(self._segments):
            found |= segment.index.keys() & ids
            if segment.since <= position:
                break
        return found

    def _newest(self, an_id: bytes, position: int) -> tuple[list[Delivery], bool]:
        """The messages of one id after a position, newest first, and whether the limits let all of them."""
        found: list[Delivery] = []
        size = 0
        for segment in reversed(self._segments):
            row = segment.index.get(an_id, [])
            for one in reversed(row) if isinstance(row, list) else (row,):
                if isinstance(one, bytes):
                    at, message = int.from_bytes(one[:_POSITION_BYTES], "big"), one[_POSITION_BYTES:]
                else:
                    at, message = one
                if at <= position:
                    return found, True
                size += len(message)
                if len(found) == self._limits.mailbox_messages or size > self._limits.mailbox_bytes:
                    return found, False
                found.append((an_id, message, at))
            if segment.since <= position:
                break
        return found, True

    def _index(self, segment: _Segment, budget: int) -> int:
        """Index frames of this segment, in order, until they had so many messages."""
        done = taken = 0
        index, position = segment.index, segment.indexed
        for frame in segment.frames:
            taken += 1
            if isinstance(frame, int):
                position += frame
            elif isinstance(frame, Mailboxed):
                for an_id in frame.ids:
                    position += 1
                    _put(index, an_id, (position, frame.message))
                done += len(frame.ids)
            else:
                send = wire.decode_to_router(frame)
                assert isinstance(send, wire.Send)
                for an_id, message in send.pairs:
                    position += 1
                    _put(index, an_id, position.to_bytes(_POSITION_BYTES, "big") + message)
                done += len(send.pairs)
            if done >= budget:
                break
        segment.indexed = position
        del segment.frames[:taken]
        segment.bytes += done * _ROW_BYTES
        self.bytes += done * _ROW_BYTES
        return done

    def _make_room(self) -> None:
        """Forget the oldest segments while there is too much."""
        while self.bytes > self._limits.mailbox_total and self._segments[0].sealed_at is not None:
            self.evicted += self._segments[0].messages
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        oldest = self._segments.popleft()
        self.bytes -= oldest.bytes
        self._floor = self._segments[0].since if self._segments else self.position


def _put(index: dict[bytes, Row | list[Row]], an_id: bytes, one: Row) -> None:
    row = index.get(an_id)
    if row is None:
        index[an_id] = one
    elif isinstance(row, list):
        row.append(one)
    else:
        index[an_id] = [row, one]
