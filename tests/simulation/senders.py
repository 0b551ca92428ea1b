"""Senders: processes that send, publish, follow, kick, ask, each on a link of its own, as programs do.

Owns: what each asked for and what it was told, sending again with a key. Must not know: what the answers
ought to be.

A sender is a Link, a Session and a Dealer as they ship, that hold nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.simulation.frontends import computer
from tests.simulation.judge.ledger import Entry, Ledger
from tests.simulation.network import Network
from tests.simulation.routers import ENDPOINT
from tests.simulation.sockets import Descriptors
from tests.simulation.world import Broken, Process
from zfront.router_link import RouterLink
from zrouter import wire
from zrouter.errors import LinkLostError, RefusedError, RouterError
from zrouter.link.session import Answer

_AGAIN_S = 0.4
_MOST_TRIES = 20


class Asked:
    """One request: how it is made, what its answer is told to."""

    def __init__(
        self, make: Callable[[int], wire.Message], on_answer: Callable[[Answer], None], at: float
    ) -> None:
        self.make = make
        self.on_answer = on_answer
        self.at = at
        self.tries = 0  # left, when the link breaks
        self.is_repeated = False  # it may be asked for again


class Sender:
    """See the module's docstring."""

    def __init__(self, network: Network, descriptors: Descriptors, number: int, ledger: Ledger) -> None:
        self.number = number
        self.world = network.world
        self.waiting: dict[int, Asked] = {}  # by a number of our own
        self._ledger = ledger
        self._count = 0
        self._asked = 0
        self._changing: set[tuple[str, str]] = set()
        self._by_key: dict[bytes, tuple[Callable[[int], wire.Message], list[Entry]]] = {}
        self.process = Process(self.world, f"sender {number}")
        self.process.ahead_s = 50.0 * number
        computer(network, descriptors, self.process)
        self.process.run(self._build)

    def _build(self) -> None:
        nothing: Callable[[object], None] = lambda _: None  # noqa: E731
        self.link = RouterLink(
            ENDPOINT,
            f"sender{self.number}",
            holdings=tuple,
            connections=lambda an_id: 0,
            report=dict,
            deliver=nothing,
            evict=nothing,
        )
        self.link.start()

    def is_up(self) -> bool:
        """Whether it may ask for something."""
        return not self.process.is_stopped and self.link.is_up()

    # ---- what it does ------------------------------------------------------------------------------------

    def send(
        self, ids: list[str], size: int, key: bytes, *, receipts: bool, publishes: bool = False
    ) -> bytes:
        """One message for each of these ids, in one frame; returns what was sent, to be sent again."""
        entries = [self._new(an_id, publishes) for an_id in ids]
        pairs = [(an_id.encode(), self._body(entry, size)) for an_id, entry in zip(ids, entries, strict=True)]
        if not receipts:
            self.process.run(partial(self._say, pairs, key))
            return b""
        kind = wire.Publish if publishes else wire.Send
        if key:
            for entry in entries:
                entry.is_repeated = True
            self._by_key[key] = (lambda request: kind(request, pairs, key)), entries
        self._ask(
            lambda request: kind(request, pairs, key), partial(self._told, entries), _MOST_TRIES if key else 0
        )
        return key

    def again(self, key: bytes, other: Sender) -> None:
        """What was sent with that key is sent again by another; it may be the first that is told of it."""
        if key in self._by_key:
            make, entries = self._by_key[key]
            other.ask(make, partial(self._told_again, entries))

    def _told_again(self, entries: list[Entry], answer: Answer) -> None:
        if entries[0].receipt is None:
            self._told(entries, answer)

    def _say(self, pairs: list[wire.Pair], key: bytes) -> None:
        self.link.session.send_unreceipted(pairs, key)
        self.link.flush()

    def send_with_key_of_others(self, key: bytes, an_id: str) -> None:
        """Another message under a key that was used."""
        entry = self._new(an_id, False)
        pairs = [(an_id.encode(), self._body(entry, 1))]

        def told(answer: Answer) -> None:
            entry.is_refused = isinstance(answer, RefusedError)
            if isinstance(answer, wire.Receipts | list):
                self._told([entry], answer)

        self._ask(lambda request: wire.Send(request, pairs, key), told)

    def follow(self, subscriber: str, subscribee: str, *, is_follow: bool) -> None:
        """Of one pair; not while it is being changed."""
        pair = (subscriber, subscribee)
        if pair in self._changing:
            return
        self._changing.add(pair)
        self._ledger.follows.asked(*pair, is_follow, self.world.now, self.number)
        kind = wire.Follows if is_follow else wire.Unfollows
        pairs = [(subscriber.encode(), subscribee.encode())]

        def told(answer: Answer) -> None:
            self._changing.discard(pair)
            if isinstance(answer, wire.Done):
                self._ledger.follows.answered(*pair, is_follow, self.world.now)

        self._ask(lambda request: kind(request, pairs), told)

    def ask(
        self,
        make: Callable[[int], wire.Message],
        on_answer: Callable[[Answer], None] = lambda _: None,
        tries: int = 0,
    ) -> None:
        """Anything else."""
        self._ask(make, on_answer, tries)

    def unanswered(self, since: float) -> Asked | None:
        """What it asked for before that time and was not told, though no answer to it was dropped."""
        lost_at = self._ledger.dropped_at.get(self.link.session.name, -1.0)
        return next((one for one in self.waiting.values() if lost_at < one.at < since), None)

    # ---- inside --------------------------------------------------------------------------------------------

    def _new(self, an_id: str, is_published: bool) -> Entry:
        self._count += 1
        return self._ledger.new((self.number, self._count), an_id, is_published, self.world.now)

    def _body(self, entry: Entry, size: int) -> bytes:
        filling = ("äx<&'\"y\u2028" * (size // 8 + 1))[:size]
        return (
            f"n={entry.number[0]}.{entry.number[1]} {filling}".encode()[: max(20, size)]
            .decode(errors="ignore")
            .encode()
        )

    def _ask(
        self, make: Callable[[int], wire.Message], on_answer: Callable[[Answer], None], tries: int = 0
    ) -> None:
        self._asked += 1
        number, asked = self._asked, Asked(make, on_answer, self.world.now)
        asked.tries, asked.is_repeated = tries, tries > 0
        self.waiting[number] = asked
        self.process.run(partial(self._say_it, number, asked))

    def _say_it(self, number: int, asked: Asked) -> None:
        if not self.link.is_up():
            if asked.tries:
                asked.tries -= 1
                self.process.after(_AGAIN_S, partial(self._say_it, number, asked))
            else:
                del self.waiting[number]
                asked.on_answer(LinkLostError("not up"))
            return
        self.link.session.ask(asked.make, partial(self._answered, number, asked))
        self.link.flush()

    def _answered(self, number: int, asked: Asked, answer: Answer) -> None:
        if getattr(answer, "code", "") == wire.STORE_FAILED and asked.is_repeated:
            self.process.after(_AGAIN_S, partial(self._say_it, number, asked))
            return
        if isinstance(answer, LinkLostError) and asked.tries:
            asked.tries -= 1
            self.process.after(_AGAIN_S, partial(self._say_it, number, asked))
            return
        self.waiting.pop(number, None)
        asked.on_answer(answer)

    def _told(self, entries: list[Entry], answer: Answer) -> None:
        if isinstance(answer, RouterError):
            self.world.trace("told", entries[0], type(answer).__name__, getattr(answer, "code", ""))
            return
        receipts = [row[2] for row in answer.receipts] if isinstance(answer, wire.Published) else answer
        if len(receipts) != len(entries):
            raise Broken("wrong receipt", f"{len(receipts)} receipts for {len(entries)} messages")
        for entry, receipt in zip(entries, receipts, strict=True):
            entry.receipt, entry.told = receipt, self.world.now
            self.world.trace("told", entry, receipt)
