"""Tokens that are good no longer: what the router remembers of them, and who is told.

Owns: the revocations, their numbers, their ends, the peers that want to be told, what waits for the disk.
Must not know: sockets, tokens, where revocations are kept.

Each has a number, higher than all before it. A peer asks for those behind the last number that it knows, a
page at a time, and is told of new ones at once. What was lost on the way is not missed: with each Pulse it
is told the last number, and asks again if it knows less. None is forgotten before its end: where there is no
room, new ones are refused.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple, TypeAlias

from zrouter import wire
from zrouter.routing.peers import Peer
from zrouter.wire import MAX_REVOCATIONS_PER_FRAME, WireError, check_ids, encode

_Key: TypeAlias = tuple[int, bytes]
# Of a page: a peer that asks and reads nothing holds so many times --queue-out at the most.
_PAGE_BYTES: Final = 16 * 1024
_ENTRY_BYTES: Final = 24  # of one, beside its value
_LATEST: Final = 2**53
_SPARE: Final = 1000  # what may be in the log and the heap that is over
# Until then a revocation may be kept: longer than any token is good.
_LONGEST_S: Final = 2 * 366 * 86400


class _Entry(NamedTuple):
    before: int
    until: int
    number: int


class RevocationJob(NamedTuple):
    """Revocations to be put on disk together; see `stored`."""

    number: int
    revocations: list[wire.Revocation]


class Revocations:
    """Of one router's life. `time` gives Unix time [s]; `find_peer` says who is on a connection now.

    `is_kept`: somebody takes the jobs and calls `stored`; else revocations are gone with the router.
    """

    def __init__(
        self,
        most: int,
        time: Callable[[], float],
        find_peer: Callable[[bytes], Peer | None],
        is_kept: bool,
    ) -> None:
        self._most = most
        self._time = time
        self._find_peer = find_peer
        self._is_kept = is_kept
        self._entries: dict[_Key, _Entry] = {}
        self._log: list[
            tuple[int, _Key]
        ] = []  # in the order of their numbers; some are over, or have a later one
        self._ends: list[tuple[int, _Key]] = []  # a heap
        self._told: dict[Peer, None] = {}
        self._jobs: list[RevocationJob] = []
        self._waiting: dict[
            int, tuple[Peer, int, int]
        ] = {}  # who asked for a job: peer, request, how many told
        self._answers: list[tuple[bytes, bytes]] = []
        self.last = 0  # number

    def __len__(self) -> int:
        return len(self._entries)

    def load(self, revocations: Iterable[wire.Revocation]) -> None:
        """Those that were kept from before. Call it before anything else."""
        now = self._time()
        for kind, value, before, until in revocations:
            if until > now:
                self._put((kind, value), before, until)

    def figures(self) -> dict[str, int]:
        """What `stats` shows."""
        return {"revocations": len(self._entries), "revocations_told": len(self._told)}

    # ---- what peers say ----------------------------------------------------------------------------------

    def revoke(self, peer: Peer, asked: wire.Revoke) -> None:
        """Revoke these: told at once, answered when they are on disk.

        Raises:
            WireError: one of them is none, or there is no room; nothing is revoked then.
        """
        now = self._time()
        for revocation in asked.revocations:
            _check(revocation, now)
        lasting = [one for one in asked.revocations if one[3] > now]
        new = {(kind, value) for kind, value, _, _ in lasting} - self._entries.keys()
        if len(self._entries) + len(new) > self._most:
            raise WireError(
                wire.FULL, f"{len(self._entries)} tokens are revoked already, the most that may be"
            )
        before = self.last
        for kind, value, made_before, until in lasting:
            self._put((kind, value), made_before, until)
        told = self._tell(before, asked.revocations)
        job = RevocationJob(self.last, lasting)
        if self._is_kept and lasting:
            self._jobs.append(job)
            self._waiting[job.number] = (peer, asked.request, told)
        elif asked.request:
            self._answers.append((peer.address, encode(wire.Done(asked.request, told))))

    def ask(self, peer: Peer, asked: wire.Revocations) -> None:
        """Answer with a page, and tell this peer from now on."""
        self._told[peer] = None
        page: list[wire.Revocation] = []
        size, last, more = 0, asked.after, False
        for number, key in self._behind(asked.after):
            size += len(key[1]) + _ENTRY_BYTES
            if len(page) == MAX_REVOCATIONS_PER_FRAME or size > _PAGE_BYTES:
                more = True
                break
            entry = self._entries[key]
            page.append((*key, entry.before, entry.until))
            last = number
        if not more:
            last = self.last
        answer = wire.Revoked(asked.request, asked.after, last, more, page)
        self._answers.append((peer.address, encode(answer)))

    def remind(self) -> None:
        """Say where the numbers are to all who want to be told: each asks for what it has missed."""
        if self.last:
            self._tell(self.last, [])

    def forget(self, peer: Peer) -> None:
        """It has gone; no error if it was never told."""
        self._told.pop(peer, None)

    # ---- what the shell does -----------------------------------------------------------------------------

    def has_answers(self) -> bool:
        """Whether there are some."""
        return bool(self._answers)

    def answers(self) -> list[tuple[bytes, bytes]]:
        """`(address, frame)` since the last call."""
        answers, self._answers = self._answers, []
        return answers

    def take(self) -> list[RevocationJob]:
        """What is to be put on disk since the last call; then call `stored`."""
        jobs, self._jobs = self._jobs, []
        return jobs

    def stored(self, number: int, error: str) -> None:
        """This job is on disk; or why it is not: it holds until the router ends all the same."""
        peer, request, told = self._waiting.pop(number)
        if not request or self._find_peer(peer.address) is not peer:
            return
        if error:
            text = f"told to {told} peers, but not kept: {error}"[:200]
            answer: wire.Message = wire.Error(request, wire.STORE_FAILED, text)
        else:
            answer = wire.Done(request, told)
        self._answers.append((peer.address, encode(answer)))

    def expire(self, most: int) -> bool:
        """Forget so many that are over; whether there may be more of them."""
        now = self._time()
        for _ in range(most):
            if not self._ends or self._ends[0][0] > now:
                return False
            until, key = heapq.heappop(self._ends)
            entry = self._entries.get(key)
            if entry is not None and entry.until <= until:
                del self._entries[key]
        return True

    # ---- inside --------------------------------------------------------------------------------------------

    def _put(self, key: _Key, before: int, until: int) -> None:
        """The later of both counts: revoking twice is as once."""
        known = self._entries.get(key)
        if known is not None:
            before, until = max(before, known.before), max(until, known.until)
        self.last += 1
        self._entries[key] = _Entry(before, until, self.last)
        self._log.append((self.last, key))
        heapq.heappush(self._ends, (until, key))
        if len(self._log) > 2 * len(self._entries) + _SPARE:
            self._log = [one for one in self._log if self._is_current(*one)]
        if len(self._ends) > 2 * len(self._entries) + _SPARE:
            self._ends = [(entry.until, key) for key, entry in self._entries.items()]
            heapq.heapify(self._ends)

    def _is_current(self, number: int, key: _Key) -> bool:
        entry = self._entries.get(key)
        return entry is not None and entry.number == number

    def _behind(self, after: int) -> Iterator[tuple[int, _Key]]:
        for at in range(bisect_right(self._log, after, key=lambda one: one[0]), len(self._log)):
            if self._is_current(*self._log[at]):
                yield self._log[at]

    def _tell(self, before: int, revocations: list[wire.Revocation]) -> int:
        """Tell all who want to be; how many those are."""
        frame = encode(wire.Revoked(0, before, self.last, False, revocations))
        self._answers.extend((peer.address, frame) for peer in self._told)
        return len(self._told)


def _check(revocation: wire.Revocation, now: float) -> None:
    kind, value, before, until = revocation
    if kind == wire.REVOKED_ALL:
        if value:
            raise WireError(wire.NOT_UNDERSTOOD, "to revoke all has no value")
    elif kind == wire.REVOKED_SUB:
        check_ids([value])
    elif not value:
        raise WireError(wire.NOT_UNDERSTOOD, "an empty jti is none")
    if before > _LATEST or until > now + _LONGEST_S:
        raise WireError(wire.NOT_UNDERSTOOD, "a revocation ends within two years")
