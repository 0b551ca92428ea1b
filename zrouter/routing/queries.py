"""Questions that cost work: who holds these ids, what are the figures. Peers take turns in them.

Owns: which of them wait, whose turn it is, how much is looked up after each burst. Must not know: sockets,
the time, who holds an id (it asks), what the figures are.

A peer that asks as fast as it can waits for its own questions, nobody else does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import msgspec

from zrouter import wire
from zrouter.routing.limits import MAX_QUESTION_IDS, QUESTION_COST, QUESTION_IDS, has_room
from zrouter.routing.peers import Peer
from zrouter.routing.routing_table import Holder
from zrouter.wire import WireError, encode

Asked: TypeAlias = wire.Who | wire.Stats


class _Query:
    """One that is being answered: the holders of its first ids, and how many bytes these will be."""

    __slots__ = ("asked", "found", "size")

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.found: list[list[tuple[str, int]]] = []
        self.size = 0


class Queries:
    """Of one router's life.

    `holders` says which frontends hold an id, on how many connections; `figures` are those of now;
    `find_peer` says who is on a connection now. An answer has `max_answer` bytes or so at the most.
    """

    def __init__(
        self,
        holders: Callable[[bytes], Iterable[tuple[Holder, int]]],
        figures: Callable[[], dict[str, Any]],
        find_peer: Callable[[bytes], Peer | None],
        max_answer: int,
    ) -> None:
        self._holders = holders
        self._figures = figures
        self._find_peer = find_peer
        self._max_answer = max_answer
        self._waiting: dict[Peer, deque[_Query]] = {}  # whose turn it is comes first
        self._held: dict[Peer, int] = {}  # what these cost, in ids
        self._cost = self._questions = 0

    def __len__(self) -> int:
        return self._questions

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, peer: Peer, asked: Asked) -> None:
        """Answer this one in its turn.

        Raises:
            WireError: with code FULL: the peer has more than its share of what may wait.
        """
        cost, held = _cost(asked), self._held.get(peer, 0)
        peers = len(self._waiting) + (peer not in self._waiting)
        if not has_room(MAX_QUESTION_IDS, self._cost, peers, held, cost):
            raise WireError(wire.FULL, f"{len(self)} questions wait already")
        self._waiting.setdefault(peer, deque()).append(_Query(asked))
        self._held[peer] = held + cost
        self._cost += cost
        self._questions += 1

    def answers(self) -> Iterator[tuple[bytes, bytes]]:
        """`(address, frame)` for as many as a burst's time allows."""
        budget = QUESTION_IDS
        figures: msgspec.Raw | None = None  # the same for all of a burst
        while self._waiting and budget > 0:
            peer = next(iter(self._waiting))
            if self._find_peer(peer.address) is not peer:
                self._forget(peer)
                continue
            question = self._waiting[peer][0]
            budget -= QUESTION_COST
            if isinstance(question.asked, wire.Stats):
                figures = figures or msgspec.Raw(encode(self._figures()))
                budget -= len(figures) // 100
                yield peer.address, encode((70, question.asked.request, figures))
            else:
                budget = self._look_up(question, question.asked.ids, budget)
                if len(question.found) < len(question.asked.ids):
                    self._next_one(peer)
                    continue
                yield peer.address, self._answer(question)
            self._done(peer, question)
            self._next_one(peer)

    def _look_up(self, question: _Query, ids: list[bytes], budget: int) -> int:
        found, size = question.found, question.size
        while budget > 0 and len(found) < len(ids):
            holders = [(holder.name, connections) for holder, connections in self._holders(ids[len(found)])]
            size += 5 + sum(len(name) + 8 for name, _ in holders)
            if size > self._max_answer:
                found += [[]] * (len(ids) - len(found))
                break
            found.append(holders)
            budget -= 1 + len(holders)
        question.size = size
        return budget

    def _answer(self, question: _Query) -> bytes:
        request = question.asked.request
        if question.size <= self._max_answer:
            return encode(wire.Holders(request, question.found))
        why = f"the answer would have more than {self._max_answer} bytes: ask for fewer ids"
        return encode(wire.Error(request, wire.TOO_LARGE, why))

    def _done(self, peer: Peer, question: _Query) -> None:
        waiting = self._waiting[peer]
        waiting.popleft()
        self._questions -= 1
        self._held[peer] -= _cost(question.asked)
        self._cost -= _cost(question.asked)
        if not waiting:
            self._forget(peer)

    def _forget(self, peer: Peer) -> None:
        self._questions -= len(self._waiting.pop(peer))
        self._cost -= self._held.pop(peer)

    def _next_one(self, peer: Peer) -> None:
        """It was its turn."""
        if peer in self._waiting:
            self._waiting[peer] = self._waiting.pop(peer)


def _cost(asked: Asked) -> int:
    return QUESTION_COST + (len(asked.ids) if isinstance(asked, wire.Who) else 0)
