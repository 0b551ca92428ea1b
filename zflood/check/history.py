"""One client, as its record tells: when it was there, what it was told that it missed, what came in order.

Owns: its connections, its gaps, the order of what came. Must not know: what was sent, files.

Its memory grows with its connections and gaps, not with its messages. Times are nanoseconds.
"""

from __future__ import annotations

from typing import Final

from zrouter.wire.offset import NEW, UNKNOWN, Offset, read_offset

_NEVER: Final = 1 << 63


class Connection:
    """One connection of a client."""

    __slots__ = ("begun_ns", "ended_ns", "open_ns")

    def __init__(self, begun_ns: int) -> None:
        self.begun_ns = begun_ns
        self.open_ns = _NEVER  # the server has said that all comes from now on
        self.ended_ns = _NEVER


class Client:
    """What is known of one client."""

    __slots__ = (
        "_cursor", "_last", "_word_ns", "connections", "gaps", "ids", "is_resumable", "last_ns", "name",
        "told_ns",
    )  # fmt: skip

    def __init__(self, name: str, ids: list[str]) -> None:
        self.name = name
        self.ids = ids
        self.is_resumable = False  # it was given offsets
        self.connections: list[Connection] = []
        self.gaps: list[tuple[int, int]] = []  # it was told that messages of about this time are gone
        self.told_ns = _NEVER  # from then on it was to get all, once, if it is resumable
        self.last_ns = 0  # of its last event
        self._word_ns = 0  # when the server told it last how far it is, by a message or a notice
        self._cursor: Offset = NEW
        self._last: dict[int, int] = {}  # of each sender, the highest number that came

    def began(self, at_ns: int) -> None:
        """It asks on a new connection."""
        self.last_ns = at_ns
        self.connections.append(Connection(at_ns))

    def is_up(self, at_ns: int) -> None:
        """Its connection is answered: that is all that it is told if there are no offsets."""
        self.last_ns = at_ns
        if self.connections and not self.is_resumable:
            self.connections[-1].open_ns = min(at_ns, self.connections[-1].open_ns)

    def opened(self, at_ns: int, offset: str) -> None:
        """It has all up to this offset, and all from here on comes."""
        self.last_ns = self._word_ns = at_ns
        self._came_to(at_ns, offset)

    def missed(self, at_ns: int, offset: str) -> None:
        """It is told that some of what came since the last word of the server is gone."""
        self.gaps.append((self._word_ns, at_ns))
        self.opened(at_ns, offset)

    def message(self, at_ns: int, sender: int, number: int, offset: str) -> bool:
        """Whether this one comes in order: by its sender, and by the router as far as the offset tells.

        Number 0: its sender knows of no order.
        """
        self.last_ns = self._word_ns = at_ns
        in_order = True
        if number:
            in_order = number > self._last.get(sender, -1)
            if in_order:
                self._last[sender] = number
        if offset:
            in_order = self._came_to(at_ns, offset) and in_order
        return in_order

    def ended(self, at_ns: int) -> None:
        """Its connection is over."""
        self.last_ns = at_ns
        if self.connections:
            self.connections[-1].ended_ns = min(at_ns, self.connections[-1].ended_ns)

    @property
    def epoch(self) -> int:
        """The router's life of the last offset."""
        return self._cursor.epoch

    @property
    def position(self) -> int:
        """That of the last offset."""
        return self._cursor.position

    def until_ns(self) -> int:
        """It was there for the last time, or still is when its record ends."""
        last = self.connections[-1].ended_ns if self.connections else self.last_ns
        return min(last, self.last_ns)

    def was_told_of(self, from_ns: int, to_ns: int, margin_ns: int) -> bool:
        """Whether a gap excuses what was sent in this time."""
        return any(begin - margin_ns <= to_ns and from_ns <= end for begin, end in self.gaps)

    def steady(self, from_ns: int, to_ns: int) -> bool:
        """Whether one connection was open all that time."""
        return any(one.open_ns <= from_ns and to_ns <= self._end(one) for one in self.connections)

    def endings(self, from_ns: int, to_ns: int) -> int:
        """How many of its connections ended in that time."""
        return sum(from_ns <= self._end(one) <= to_ns for one in self.connections)

    def _end(self, one: Connection) -> int:
        return one.ended_ns if one is not self.connections[-1] else min(one.ended_ns, self.last_ns)

    def _came_to(self, at_ns: int, offset: str) -> bool:
        """Note an offset; whether it lies behind the last one."""
        if self.connections:
            # That it was answered does not say that all comes, where it will be told when.
            known_ns = self.connections[-1].open_ns if self.is_resumable else at_ns
            self.connections[-1].open_ns = min(at_ns, known_ns)
        self.is_resumable = True
        self.told_ns = min(at_ns, self.told_ns)
        cursor = read_offset(offset.strip('"'))
        if cursor is UNKNOWN:
            return True  # of another server: it tells nothing of the order
        is_behind = cursor.epoch != self._cursor.epoch or cursor.position > self._cursor.position
        if is_behind:
            self._cursor = cursor
        return is_behind
