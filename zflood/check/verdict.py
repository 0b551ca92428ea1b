"""The comparison: was everything that senders were told about seen by whom it was for, once, and in order?

Owns: what counts as an offence. Must not know: files, where things are kept meanwhile (partitions.py),
sockets.

It takes two rounds. In the first each record is read once, in order; what belongs to one message is put on
the partition of its number. In the second each partition is judged alone, so that memory holds all clients
and one partition.

A message is due to a client that

- has one of its ids, and had been told that it gets all from now on before the message was sent,
- and was there, or came back, later than `settle` after the sender's receipt,
- unless a gap was announced to it for that time.

That is for clients that are given offsets, and so can come back for what they missed. The others (chunked)
are due what was handed over while they were connected: as many of them as the receipt says, less connections
that ended about then. For both, a receipt must not name more connections than there are clients that saw it.

What was published is for the clients that have an id which follows; each of them has one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from zflood.check import client_log
from zflood.check.audience import Audience
from zflood.check.history import Client
from zflood.check.numbers import number, parts
from zflood.check.partitions import Partitions, Sending, Sight
from zflood.check.sender_log import KEPT, NOBODY, TAKEN, UNKNOWN

LOST: Final = "lost"
TWICE: Final = "twice"
OUT_OF_ORDER: Final = "out_of_order"
WRONG_RECEIPT: Final = "wrong_receipt"
NEVER_SENT: Final = "never_sent"
WRONG_CLIENT: Final = "wrong_client"
KINDS: Final = (LOST, TWICE, OUT_OF_ORDER, WRONG_RECEIPT, NEVER_SENT, WRONG_CLIENT)
_WORDS: Final = {KEPT: "kept", NOBODY: "nobody", UNKNOWN: "no receipt", TAKEN: "taken"}

Event = tuple[Any, ...]


class Margins(NamedTuple):
    """How exact times are to be taken [s]."""

    settle_s: float = 1.0  # what was sent so shortly before a client's end may be under way
    lease_s: float = 5.0  # so long a receipt may count a connection that has gone


@dataclass
class Verdict:
    """What came of it."""

    messages: int = 0  # that were sent
    sights: int = 0  # messages that clients saw
    clients: int = 0
    connections: int = 0
    gaps: int = 0  # that were announced
    receipts: Counter[str] = field(default_factory=Counter)  # messages by receipt: handed, kept, ...
    offences: Counter[str] = field(default_factory=Counter)  # by kind
    first: list[str] = field(default_factory=list)  # the first of these, in words
    most_shown: int = 10

    def note(self, kind: str, words: str) -> None:
        """One offence."""
        self.offences[kind] += 1
        if len(self.first) < self.most_shown:
            self.first.append(f"{kind.replace('_', ' ')}: {words}")

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "messages": self.messages,
            "sights": self.sights,
            "clients": self.clients,
            "connections": self.connections,
            "gaps": self.gaps,
            "receipts": dict(self.receipts),
            "offences": self.offences.total(),
            **{kind: self.offences[kind] for kind in KINDS},
            "first": self.first,
        }


class Comparison:
    """`begin` for each sender's record, `saw` for each of clients, `sent` for the senders, then `verdict`.

    If `audience` has publishes, it is told who follows whom before the verdict.
    """

    def __init__(self, partitions: Partitions, margins: Margins | None = None, most_shown: int = 10) -> None:
        self._unordered: set[int] = set()
        margins = margins or Margins()
        self._partitions = partitions
        self._settle_ns = int(margins.settle_s * 1e9)
        self._lease_ns = int(margins.lease_s * 1e9)
        self._clients: list[Client] = []
        self.audience = Audience()
        self._epochs: dict[int, int] = {}
        self._verdict = Verdict(most_shown=most_shown)

    # ---- first round ------------------------------------------------------------------------------------

    def begin(self, sender: int, events: Iterator[Event]) -> None:
        """A sender's record, with its number: its first event, or all if they were published."""
        is_in_order, *more = next(events, (True,))
        if not is_in_order:
            self._unordered.add(sender)
        if more == [True]:
            self.audience.published(sender, events)

    def saw(self, name: str, events: Iterable[Event]) -> None:
        """A record of clients."""
        here: dict[int, tuple[int, Client]] = {}
        put, verdict, order_of = self._partitions.sight, self._verdict, self.audience.order
        for kind, client, at_ns, *rest in events:
            if kind == client_log.MESSAGE:
                index, one = here[client]
                number, offset = rest
                sender, count = parts(number)
                order = order_of(sender, count)
                in_order = one.message(at_ns, order, number if sender not in self._unordered else 0, offset)
                epoch = self._epoch(one.epoch) if offset else 0
                put(Sight(number, index, one.position if offset and in_order else 0, epoch, in_order))
                verdict.sights += 1
            elif kind == client_log.CLIENT:
                here[client] = len(self._clients), self._client(f"client {client} of {name}", *rest)
            else:
                self._befell(here[client][1], kind, at_ns, *rest)

    def sent(self, sender: int, events: Iterator[Event]) -> None:
        """A sender's record, whole."""
        next(events, None)
        put, verdict, id_number = self._partitions.sending, self._verdict, self.audience.number
        for began_ns, ended_ns, first, ids, receipts in events:
            verdict.messages += len(ids)
            for count, (an_id, receipt) in enumerate(zip(ids, receipts, strict=True), first):
                put(Sending(number(sender, count), id_number(an_id), receipt, began_ns, ended_ns))
                verdict.receipts[_WORDS.get(receipt, "handed")] += 1

    def _client(self, name: str, transport: str, ids: list[str]) -> Client:
        for an_id in ids:
            self.audience.holds(len(self._clients), an_id)
        one = Client(f"{name} ({transport})", ids)
        self._clients.append(one)
        return one

    def _befell(self, one: Client, kind: int, at_ns: int, *rest: str) -> None:
        if kind == client_log.BEGIN:
            one.began(at_ns)
            self._verdict.connections += 1
        elif kind == client_log.UP:
            one.is_up(at_ns)
        elif kind == client_log.OPEN:
            one.opened(at_ns, rest[0])
        elif kind == client_log.GAP:
            one.missed(at_ns, rest[1])
            self._verdict.gaps += 1
        elif kind in (client_log.END, client_log.LEAVE):
            one.ended(at_ns)

    def _epoch(self, epoch: int) -> int:
        """A small number in its place; 0 = none."""
        return self._epochs.setdefault(epoch, len(self._epochs) % 255 + 1)

    # ---- second round -----------------------------------------------------------------------------------

    def verdict(self) -> Verdict:
        """Judge all that was recorded."""
        self._verdict.clients = len(self._clients)
        names = self.audience.names()
        for sendings, sights in self._partitions.each():
            by_number: defaultdict[int, list[Sight]] = defaultdict(list)
            for sight in sights:
                by_number[sight[0]].append(sight)
            for sending in sendings:
                self._judge(sending, by_number.pop(sending[0], ()), names)
            for found in by_number.values():
                for sight in found:
                    words = f"message {_name(sight.number)} came to {self._clients[sight.client].name}"
                    self._verdict.note(NEVER_SENT, f"{words}, and no sender says that it sent it")
        return self._verdict

    def _judge(self, sending: Sending, sights: Sequence[Sight], names: list[str]) -> None:
        sender = parts(sending.number)[0]
        holders = self.audience.of(sender, sending.id)
        if len(sights) == 1 == len(holders) and sights[0].client == holders[0]:
            who = {holders[0]}
            if sights[0].is_in_order and sending.receipt in (1, KEPT, UNKNOWN, TAKEN):
                return  # as it is most of the time
        else:
            who = {sight.client for sight in sights}
        told = f"message {_name(sending.number)} to {names[sending.id]!r} ({_receipt(sending.receipt)})"
        self._judge_sights(told, sights, set(holders), self.audience.is_published(sender))
        lost = [one for one in holders if one not in who and self._is_due(self._clients[one], sending)]
        for one in lost:
            self._verdict.note(LOST, f"{told} did not come to {self._clients[one].name}")
        self._judge_receipt(told, sending, who, holders, len(lost))

    def _judge_sights(
        self, told: str, sights: Sequence[Sight], holders: set[int], is_published: bool
    ) -> None:
        had: set[int] = set()
        has_not = "does not follow" if is_published else "has not"
        places = {sight[2:4] for sight in sights if sight.position}
        for sight in sights:
            name = self._clients[sight.client].name
            if sight.client not in holders:
                self._verdict.note(
                    WRONG_CLIENT,
                    f"{told} came to {name}, which {has_not} this id",
                )
            elif sight.client in had:
                self._verdict.note(TWICE, f"{told} came to {name} again")
            elif not sight.is_in_order:
                self._verdict.note(OUT_OF_ORDER, f"{told} came to {name} after a later one")
            had.add(sight.client)
        # What is published goes to some followers at a time, each time with an offset of its own.
        if len(places) > len({epoch for _, epoch in places}) and not is_published:
            self._verdict.note(OUT_OF_ORDER, f"{told} has different offsets for different clients")

    def _is_due(self, one: Client, sending: Sending) -> bool:
        """Whether a client that did not see it is to have it, by what it was told itself."""
        return (
            one.is_resumable
            and sending.receipt != UNKNOWN
            and one.told_ns < sending.began_ns
            and sending.ended_ns < one.until_ns() - self._settle_ns
            and not one.was_told_of(sending.began_ns, sending.ended_ns, self._settle_ns)
        )

    def _judge_receipt(
        self, told: str, sending: Sending, who: set[int], holders: list[int], lost: int
    ) -> None:
        """Whether as many saw it as the receipt says, which judges for clients that can't come back, too."""
        if sending.receipt == NOBODY and who:
            self._verdict.note(WRONG_RECEIPT, f"{told} came to {len(who)} clients")
        missing = sending.receipt - len(who) - lost
        if missing <= 0:
            return
        from_ns, to_ns = sending.began_ns, sending.ended_ns
        missing -= sum(
            self._clients[one].endings(from_ns - self._lease_ns, to_ns + self._settle_ns)
            + self._clients[one].was_told_of(from_ns, to_ns, self._settle_ns)
            for one in {*holders, *who}
        )
        for one in holders:
            if missing <= 0:
                return
            client = self._clients[one]
            if one not in who and not client.is_resumable and client.steady(from_ns, to_ns):
                self._verdict.note(LOST, f"{told} did not come to {client.name}")
                missing -= 1
        if missing > 0:
            self._verdict.note(WRONG_RECEIPT, f"{told} came to {len(who)} clients")


def _name(number: int) -> str:
    return "{}.{}".format(*parts(number))


def _receipt(receipt: int) -> str:
    return _WORDS.get(receipt) or f"handed to {receipt}"
