"""Who is on the link: every peer that said Hello, when it was last heard, what is under way to it.

Owns: the peers by address, their leases, and the count of bytes under way to each. Must not know: sockets,
the time (`now` is an argument, in seconds of any monotonic clock), or how a message finds its peer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from zrouter.routing.roles import Identity, may_say
from zrouter.routing.routing_table import Holder
from zrouter.wire import Pair, Report

_ASK_EACH_S: Final = 1.0


class Peer(Holder):
    """One connection of one process to the router. It is a frontend as long as it holds ids.

    `address` is the routing id that the ROUTER socket made up for the connection, so that a process that
    comes back, or another of the same name, is never taken for this one.
    """

    __slots__ = (
        "accepted",
        "dropped",
        "handed_bytes",
        "heard",
        "hellos",
        "identity",
        "instance",
        "last_change",
        "lease_s",
        "may",
        "receipted",
        "receipts",
        "received_bytes",
        "report",
        "seq",
    )

    def __init__(
        self,
        address: bytes,
        name: str,
        instance: bytes,
        lease_s: float,
        now: float,
        identity: Identity | None = None,
    ) -> None:
        super().__init__(address, name)
        self.identity = identity  # whose key it has; None: there are no keys
        self.may = None if identity is None else may_say(identity.roles)  # None: everything
        self.hellos = (0.0, now)  # how many it has said, less those that time has made up for, and when
        self.instance = instance
        self.lease_s = lease_s
        self.heard = now
        # Messages that were for this peer, lost ones too: a jump that it sees is a loss that it can count.
        self.seq = 0
        # Their difference is what is under way: queues of ZeroMQ, kernel buffers, the peer's own queue.
        self.handed_bytes = 0
        self.received_bytes = 0
        self.accepted = 0  # messages taken from it
        self.dropped = 0  # messages for it that could not be handed over
        self.report: Report = {}
        self.last_change = 0  # the last job of follows that came from it
        # Of the burst under way: what it will be told; for each Send that this is about, or whose receipts
        # are to be remembered, the position before it, its pairs, and what it will be told of them.
        self.receipts: list[tuple[int, list[int]]] = []
        self.receipted: list[tuple[int, list[Pair], list[int]]] = []

    @property
    def whose(self) -> bytes:
        """The name space of its idempotency keys: that of its key; empty where there are no keys."""
        return b"" if self.identity is None else self.identity.key.encode() + b"\0"

    def under_way_bytes(self) -> int:
        """Bytes of Deliver frames handed to ZeroMQ for this peer that it has not reported as received."""
        return self.handed_bytes - self.received_bytes


class Peers:
    """Every peer by its address, at most `max_peers`."""

    def __init__(self, max_peers: int) -> None:
        self.max_peers = max_peers
        self.by_address: dict[bytes, Peer] = {}
        self._by_name: dict[str, dict[bytes, Peer]] = {}
        self._lives: dict[tuple[str, bytes], Peer] = {}  # by name and instance
        self._asked: dict[str, float] = {}  # names, when those who have one were asked last whether they live

    def __len__(self) -> int:
        return len(self.by_address)

    def __iter__(self) -> Iterator[Peer]:
        return iter(self.by_address.values())

    def is_full(self) -> bool:
        """Whether one more would be too many."""
        return len(self.by_address) >= self.max_peers

    def add(self, peer: Peer) -> None:
        """Know this peer from now on."""
        self.by_address[peer.address] = peer
        self._by_name.setdefault(peer.name, {})[peer.address] = peer
        self._lives[peer.name, peer.instance] = peer

    def remove(self, peer: Peer) -> None:
        """Know it no more; no error if it was not known."""
        if self.by_address.pop(peer.address, None) is None:
            return
        namesakes = self._by_name[peer.name]
        del namesakes[peer.address]
        if not namesakes:
            del self._by_name[peer.name]
            self._asked.pop(peer.name, None)
        if self._lives.get((peer.name, peer.instance)) is peer:
            del self._lives[peer.name, peer.instance]

    def find(self, address: bytes) -> Peer | None:
        """The peer on that connection."""
        return self.by_address.get(address)

    def earlier_life(self, name: str, instance: bytes) -> Peer | None:
        """The same process on another connection."""
        return self._lives.get((name, instance))

    def one_of(self, name: str) -> Peer | None:
        """Somebody of that name."""
        return next(iter(self._by_name.get(name, {}).values()), None)

    def to_be_asked(self, hello: Peer, now: float) -> list[Peer]:
        """Who else has the name of one that just said Hello; nobody if they were asked a moment ago.

        However often somebody says Hello, and however many have that name, it costs no more.
        """
        namesakes = self._by_name[hello.name]
        if len(namesakes) == 1 or now - self._asked.get(hello.name, float("-inf")) < _ASK_EACH_S:
            return []
        self._asked[hello.name] = now
        return [peer for peer in namesakes.values() if peer is not hello]

    def lapsed(self, now: float) -> list[Peer]:
        """Those that were silent for longer than their lease."""
        return [peer for peer in self if now - peer.heard > peer.lease_s]

    def excuse_all(self, now: float) -> None:
        """Begin every lease anew: the router itself was away and could not have heard anybody."""
        for peer in self:
            peer.heard = now
