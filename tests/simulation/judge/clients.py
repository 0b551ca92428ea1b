"""The clients' judge: what a client was told, beside what docs/http-api.md promises it.

Owns: of one client, which has gone on from its last offset each time it came back: what it saw, from when on
all is due to it, which gaps it was told. Must not know: the link, how a frontend does it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from tests.simulation.judge.ledger import Entry, Ledger
from tests.simulation.reading import Word
from tests.simulation.world import Broken

_NEVER = 1e18


class Witness:
    """See the module's docstring. Times are the world's."""

    def __init__(self, name: str, transport: str, ledger: Ledger, clock: Callable[[], float]) -> None:
        self.name = name
        self.is_resumable = transport != "test"
        self.offset = ""  # up to where it has all, as it would say when it comes back
        self._at = ""  # of the last word that had an offset
        self.is_open = False  # it was told so on this connection
        self.due_since: dict[str, float] = {}  # id -> from then on it is to get all
        self.presence: dict[str, int] = {}  # of this connection
        self.gaps: list[tuple[float, float]] = []
        self.seen: Counter[tuple[tuple[int, int], str]] = Counter()
        self._transport = transport
        self._ledger = ledger
        self._clock = clock
        self._asked_at = 0.0
        self._frontend = ""
        self._is_new = True
        self._ids: set[str] = set()  # that it asked for, and did not leave
        self._known: dict[str, float] = {}  # since when the router has known that it is that id
        self._joined: dict[
            str, int
        ] = {}  # by WebSocket: how much had been written when the frontend read that
        self._left: dict[str, int] = {}
        self._last: Entry | None = None
        self._count = 0

    # ---- what it does ------------------------------------------------------------------------------------

    def asks(self, frontend: str, ids: Iterable[str], *, is_new: bool) -> None:
        """It connects."""
        self._frontend = frontend
        self._ids = set(ids)
        self._asked_at = self._clock()
        self._is_new = is_new
        self._count = 0
        self._last = None
        self._at = self.offset
        self.is_open = False
        self.presence.clear()
        self._joined.clear()
        self._left.clear()
        self._known.clear()
        for an_id in [one for one in self.due_since if one not in self._ids]:
            del self.due_since[an_id]

    def is_known(self, an_id: str) -> None:
        """The router knows that it is this id, on this connection."""
        if self._is_new and not self.is_open:
            self._known.setdefault(an_id, self._clock())

    def joins(self, an_id: str) -> None:
        """It asks to be this id, too."""
        self._ids.add(an_id)

    def was_joined(self, an_id: str, written: int, *, is_clear: bool) -> None:
        """The frontend has read that; it had written so much before."""
        self._ids.add(an_id)
        self._left.pop(an_id, None)
        self._joined.setdefault(an_id, written if is_clear else 1 << 62)

    def was_left(self, an_id: str, written: int, *, is_clear: bool) -> None:
        """The frontend has read that it is not this id any more."""
        self._ids.discard(an_id)
        self._joined.pop(an_id, None)
        self._known.pop(an_id, None)
        self.due_since.pop(an_id, None)
        # What waits in the frontend for a slow client was for it when it came.
        self._left[an_id] = written if is_clear else 1 << 62

    # ---- what it is told ---------------------------------------------------------------------------------

    def hears(self, word: Word, at: int) -> None:
        """One word, which ends so many bytes behind the beginning of the connection.

        Raises:
            Broken: it is not to be told that.
        """
        if word.kind == "message":
            self._message(word, at)
        elif word.kind in ("open", "gap", "answer"):
            self._notice(word, at)
        elif word.kind == "presence":
            self.presence[word.id] = int(word.text)
        elif word.kind == "error":
            raise Broken("refused", f"{self.name}: {word.text}")

    def _notice(self, word: Word, at: int) -> None:
        now = self._clock()
        if word.kind == "gap":
            self.gaps.append((self._ledger.time_of(self.offset), now))
        if word.offset:
            self._moves(word, is_message=False)
            self.offset = word.offset
            self.is_open = True
            for an_id in self._ids:
                if an_id not in self._joined or at > self._joined[an_id]:
                    self.due_since.setdefault(an_id, self._known.get(an_id, now))

    def _moves(self, word: Word, *, is_message: bool) -> None:
        """It is at another offset now."""
        if self._where(self._at)[0] == self._where(word.offset)[0]:
            before, after = self._where(self._at)[1], self._where(word.offset)[1]
            if after < before or (is_message and after == before):
                raise Broken(
                    "out of order", f"{self.name}: {word.kind} {word.text[:30]!r} at {after}, behind {before}"
                )
        self._at = word.offset
        if self._transport != "poll" or not is_message:
            self.offset = word.offset

    @staticmethod
    def _where(offset: str) -> tuple[str, int]:
        epoch, _, position = offset.partition(".")
        return epoch, int(position or "0", 16)

    def _message(self, word: Word, at: int) -> None:
        entry = self._ledger.find(word.text)
        if entry is None:
            raise Broken("never sent", f"{self.name}: {word.text[:40]!r}")
        an_id = self._whose(word, entry)
        if an_id in self._left and at > self._left[an_id]:
            raise Broken("wrong client", f"{self.name}: {entry}, after it was logged out of {an_id[:20]!r}")
        # What was sent again with its key after a restart may come twice: the router took it twice.
        if self.seen[entry.number, an_id] >= max(1, len(entry.taken)):
            raise Broken("twice", f"{self.name}: {entry}")
        self.seen[entry.number, an_id] += 1
        if self._is_too_old(entry) and an_id not in self._joined:
            raise Broken(
                "too old", f"{self.name}: {entry}, {self._asked_at - entry.taken[-1]:.3f} s before it came"
            )
        if self.is_resumable:
            self.is_open |= not self._is_new  # it is told what it missed, in place of an "open"
            self._moves(word, is_message=True)
        else:
            self._count += 1
            if int(word.offset) != self._count:
                raise Broken("wrong number", f"{self.name}: {entry} is #{word.offset}, not #{self._count}")
            self._in_order(entry)

    def _is_too_old(self, entry: Entry) -> bool:
        """Whether it came for others before this client did, and was not under way to its frontend then."""
        if not self._is_new or not self.is_resumable or not entry.taken or entry.taken[-1] >= self._asked_at:
            return False
        here = self._frontend
        return not entry.is_published and (
            here not in entry.fronts or entry.heard.get(here, _NEVER) < self._asked_at
        )

    def _whose(self, word: Word, entry: Entry) -> str:
        """For which of its ids that is; of what was published some transports don't say."""
        if not entry.is_published:
            found = word.id or entry.id
            if found != entry.id or (found not in self._ids and found not in self._left):
                raise Broken("wrong client", f"{self.name}, which is not {entry.id[:20]!r}: {entry}")
            return found
        follows = self._ledger.follows
        may = [one for one in sorted({*self._ids, *self._left}) if follows.may(one, entry.id, entry.at)]
        if word.id and word.id not in may:
            raise Broken("wrong client", f"{self.name}, which does not follow: {entry}")
        for one in may if not word.id else [word.id]:
            if word.id or self.seen[entry.number, one] < max(1, len(entry.taken)):
                return one
        raise Broken("twice", f"{self.name}: {entry} more often than its ids follow")

    def _in_order(self, entry: Entry) -> None:
        if entry.is_published or len(entry.taken) != 1:
            return
        if self._last is not None and entry.taken[0] < self._last.taken[0]:
            raise Broken("out of order", f"{self.name}: {entry} after {self._last}")
        self._last = entry

    # ---- at the end --------------------------------------------------------------------------------------

    def lacks(self) -> list[str]:
        """What it was to get and did not, in words; it is there, and everything has come to rest."""
        found: list[str] = []
        for an_id, since in sorted(self.due_since.items()):
            for entry in self._ledger.entries.values():
                if self._is_due(entry, an_id, since) and (entry.number, an_id) not in self.seen:
                    found.append(
                        f"{self.name}: {entry}, taken at {entry.taken[-1]:.3f}, receipt {entry.receipt}"
                    )
        return found

    def _is_due(self, entry: Entry, an_id: str, since: float) -> bool:
        if entry.is_refused or not entry.taken or entry.taken[-1] <= since:
            return False
        if entry.is_published:
            sender = 0 if entry.is_repeated else entry.number[0]
            must = self._ledger.follows.must(an_id, entry.id, entry.at, entry.order, sender)
            if entry.receipt is None or not must:
                return False
            if self._transport == "sse":
                return False  # it does not say for which of its ids
        elif entry.id != an_id:
            return False
        until = entry.taken[-1]
        if (
            entry.is_published
        ):  # and handed to all before it was told; if it was taken twice, nobody knows when
            until = entry.told if entry.told is not None and len(entry.taken) == 1 else _NEVER
        return not any(begin <= until and entry.taken[-1] <= end for begin, end in self.gaps)
