"""Follows through the router: changes on their way to the store and back, and pages of who follows whom.

Owns: which changes wait to be on disk, who is told when they are. Must not know: sockets, the time, how a
store works, or where: a shell takes the changes away and says what came of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeAlias

import numpy as np

from zrouter import wire
from zrouter.follows.store import Change, Follows, StoreError, View
from zrouter.routing.counters import Counters
from zrouter.routing.limits import MAX_FOLLOWS, MAX_RELATED, RELATED_COST, RELATED_IDS
from zrouter.routing.peers import Peer
from zrouter.wire import WireError, encode

# The store, None if nothing is there yet. Raises StoreError.
OpenStore: TypeAlias = Callable[[], Follows | None]


class Job(NamedTuple):
    """Changes that are on disk together or not at all; the shell gives `number` back."""

    number: int
    changes: list[Change]


class FollowRequests:
    """Of one router's life."""

    def __init__(self, store: OpenStore, counters: Counters) -> None:
        self.done = 0  # all jobs up to this number are on disk, or failed
        self._store = store
        self._counters = counters
        self._last = 0
        self._jobs: list[Job] = []  # not taken yet
        self._waiting: dict[int, tuple[Peer, int, int]] = {}  # who asked, its request, how many changes
        self._pairs = 0  # of all of these
        self._answers: list[tuple[Peer, bytes]] = []
        self._questions: deque[tuple[Peer, wire.Related]] = deque()

    @property
    def waiting(self) -> int:
        """Pairs that are not on disk yet."""
        return self._pairs

    def store(self) -> Follows | None:
        """The store; None if nothing was ever put into it.

        Raises:
            WireError: it can't be opened.
        """
        try:
            with reading():
                return self._store()
        except StoreError as error:
            raise failed(error) from None

    def change(self, peer: Peer, message: wire.Follows | wire.Unfollows) -> None:
        """Let it be on disk soon.

        Raises:
            WireError: too much waits, or an id is none.
        """
        count = max(1, len(message.pairs))
        if self._pairs + count > MAX_FOLLOWS:
            raise WireError(wire.FULL, f"{self._pairs} pairs wait to be stored already")
        wire.check_ids([an_id for pair in message.pairs for an_id in pair])
        is_follow = type(message) is wire.Follows
        self._last += 1
        self._jobs.append(Job(self._last, [Change(is_follow, *pair) for pair in message.pairs]))
        self._waiting[self._last] = (peer, message.request, count)
        self._pairs += count
        peer.last_change = self._last

    def take(self) -> list[Job]:
        """What is to be stored now, in order."""
        jobs, self._jobs = self._jobs, []
        return jobs

    def stored(self, number: int, outcome: list[bool] | StoreError) -> None:
        """Of this job, in order: what each change did, once it is on disk, or why none of it is."""
        peer, request, count = self._waiting.pop(number)
        self.done = number
        self._pairs -= count
        if isinstance(outcome, StoreError):
            self._counters.errors += 1
            error = failed(outcome)
            self._answers.append((peer, encode(wire.Error(request, error.code, str(error)))))
            return
        self._counters.follows_changed += sum(outcome)
        if request:
            self._answers.append((peer, encode(wire.Done(request, sum(outcome)))))

    def related(self, peer: Peer, related: wire.Related) -> None:
        """Answer with a page of followers or subscribees, in its turn.

        Raises:
            WireError: with code FULL.
        """
        if len(self._questions) >= MAX_RELATED:
            raise WireError(wire.FULL, f"{len(self._questions)} questions for followers wait already")
        self._questions.append((peer, related))

    def has_questions(self) -> bool:
        """Whether some of them wait."""
        return bool(self._questions)

    def _answer_some(self) -> None:
        """As many as a burst's time allows."""
        budget = RELATED_IDS
        while self._questions and budget > 0:
            peer, related = self._questions.popleft()
            budget -= RELATED_COST
            try:
                answer = self._relations(related)
                budget -= len(answer.ids)
                self._answers.append((peer, encode(answer)))
            except WireError as error:
                self._counters.errors += 1
                self._answers.append((peer, encode(wire.Error(related.request, error.code, str(error)))))

    def _relations(self, related: wire.Related) -> wire.Relations:
        store = self.store()
        total, ids = 0, list[bytes]()
        if store is not None:
            try:
                with reading(), store.read() as view:
                    total, ids = _page(view, related)
            except StoreError as error:
                raise failed(error) from None
        return wire.Relations(related.request, total, ids)

    def answers(self) -> list[tuple[Peer, bytes]]:
        """`(peer, frame)` of what was answered since, or can be now."""
        self._answer_some()
        answers, self._answers = self._answers, []
        return answers


def _page(view: View, related: wire.Related) -> tuple[int, list[bytes]]:
    number = view.number(related.id)
    if number is None:
        return 0, []
    found = view.followers_of(number) if related.is_followers else view.following_of(number)
    if not related.limit:
        return len(found), []
    whole, first = found.whole(), 0
    if related.after:
        last = view.number(related.after)
        if last is None:
            raise WireError(wire.BAD_ID, "no id is called as the last of the page before")
        first = int(whole.searchsorted(np.uint32(last), side="right"))
    return len(found), view.names(whole[first : first + related.limit])


def failed(error: StoreError) -> WireError:
    """What is told of it."""
    return WireError(wire.STORE_FAILED, str(error))


@contextmanager
def reading() -> Iterator[None]:
    """Read the store: whatever exception comes of one that is damaged, whoever asked is told, and no more.

    Raises:
        StoreError: in place of any exception but WireError.
    """
    try:
        yield
    except (StoreError, WireError):
        raise
    except Exception as error:
        raise StoreError(f"the store can't be read, it may be damaged: {error!r:.100}") from error
