"""A small world that keeps a good record: a router with a mailbox, senders, clients that come and go.

One step of the world takes a second, so that what is a matter of time is plain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from zflood.check import client_log
from zflood.check.numbers import number
from zflood.check.partitions import Sending, Sight
from zflood.check.verdict import Comparison, Margins, Verdict
from zrouter.wire import KEPT

SECOND = 1_000_000_000
EPOCH = 0xE
Event = tuple[Any, ...]
# A world in which nothing is under way: what is sent in a second was seen in it.
EXACT = Margins(settle_s=0.5, lease_s=0)


class ListPartitions:
    """Shelves that are one list."""

    def __init__(self) -> None:
        self.sendings: list[Sending] = []
        self.sights: list[Sight] = []
        self.sending = self.sendings.append
        self.sight = self.sights.append

    def each(self) -> Iterator[tuple[Iterable[Sending], Iterable[Sight]]]:
        yield self.sendings, self.sights


@dataclass
class Member:
    """A client of the world."""

    client: int
    ids: list[str]
    is_resumable: bool
    is_there: bool = False
    position: int = 0  # up to which it has had all

    @property
    def transport(self) -> str:
        return "sse" if self.is_resumable else "chunked"


@dataclass
class World:
    """What happened, as records."""

    seen: list[Event] = field(default_factory=list)
    sent: dict[int, list[Event]] = field(default_factory=dict)
    follows: list[tuple[str, str]] = field(default_factory=list)

    def verdict(self) -> Verdict:
        """What the comparison says of it."""
        comparison = Comparison(ListPartitions(), EXACT)
        for sender, events in self.sent.items():
            comparison.begin(sender, iter(events))
        comparison.saw("seen-0001", self.seen)
        comparison.audience.follows(self.follows)
        for sender, events in self.sent.items():
            comparison.sent(sender, iter(events))
        return comparison.verdict()


def offset(position: int) -> str:
    return f"{EPOCH:x}.{position:x}"


def good(random: Random, steps: int, with_gaps: bool = False) -> World:
    """So many steps, at random."""
    names = [f"id-{n}" for n in range(random.randint(1, 4))]
    members = [
        Member(client, random.sample(names, random.randint(1, len(names))), random.random() < 0.7)
        for client in range(random.randint(1, 5))
    ]
    senders = list(range(1, random.randint(2, 4)))
    world = World(sent={sender: [(True,)] for sender in senders})
    counts = dict.fromkeys(senders, 0)
    mailbox: list[tuple[str, int, int]] = [("", 0, 1)]  # id, number, position
    held: set[str] = set()  # ids that somebody has or had
    lost: dict[int, bool] = {}  # clients that have to be told of a gap
    now = SECOND

    def say(kind: int, member: Member, *rest: object) -> None:
        nonlocal now
        now += 1
        world.seen.append((kind, member.client, now, *rest))

    def come(member: Member) -> None:
        say(client_log.BEGIN, member)
        say(client_log.UP, member)
        held.update(member.ids)
        member.is_there = True
        if not member.is_resumable:
            return
        if lost.pop(member.client, False):
            member.position = len(mailbox)
            say(client_log.GAP, member, "evicted", offset(member.position))
        missed = [one for one in mailbox if one[0] in member.ids and one[2] > member.position]
        if not missed or not member.position:
            say(client_log.OPEN, member, offset(len(mailbox)))
        elif member.position:
            for _, a_number, position in missed:
                say(client_log.MESSAGE, member, a_number, offset(position))
        member.position = len(mailbox)

    for member in members:
        say(client_log.CLIENT, member, member.transport, member.ids)
        come(member)
    for _ in range(steps):
        now += SECOND
        what = random.random()
        if what < 0.2:
            member = random.choice(members)
            if member.is_there:
                say(client_log.END, member, "cut")
                member.is_there = False
        elif what < 0.4:
            member = random.choice(members)
            if not member.is_there:
                if with_gaps and random.random() < 0.3:
                    lost[member.client] = True
                come(member)
        else:
            sender, an_id = random.choice(senders), random.choice(names)
            counts[sender] += 1
            a_number, position = number(sender, counts[sender]), len(mailbox) + 1
            mailbox.append((an_id, a_number, position))
            began = now
            receipt = 0
            for member in members:
                if member.is_there:
                    member.position = position if member.is_resumable else 0
                    if an_id in member.ids:
                        receipt += 1
                        at = offset(position) if member.is_resumable else ""
                        say(client_log.MESSAGE, member, a_number, at)
            told = receipt or (KEPT if an_id in held else 0)
            now += 1
            world.sent[sender].append((began, now, counts[sender], [an_id], [told]))
    now += 2 * SECOND
    for member in members:
        if not member.is_there:
            come(member)
    now += 2 * SECOND
    for member in members:
        say(client_log.LEAVE, member)
    return world
