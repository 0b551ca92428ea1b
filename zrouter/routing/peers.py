"""Who is on the link: every peer that said Hello, when it was last heard, what is under way to it.

Owns: the peers by address, their leases, and the count of bytes under way to each. Must not know: sockets,
the time (`now` is an argument, in seconds of any monotonic clock), or how a message finds its peer.
"""

from __future__ import annotations

from collections.abc import Iterator

from zrouter.routing.routing_table import Holder
from zrouter.wire import Pair, Report


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
        "instance",
        "last_change",
        "lease_s",
        "receipted",
        "receipts",
        "received_bytes",
        "report",
        "seq",
    )

    def __init__(self, address: bytes, name: str, instance: bytes, lease_s: float, now: float) -> None:
        super().__init__(address, name)
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

    def under_way_bytes(self) -> int:
        """Bytes of Deliver frames handed to ZeroMQ for this peer that it has not reported as received."""
        return self.handed_bytes - self.received_bytes


class Peers:
    """Every peer by its address, at most `max_peers`."""

    def __init__(self, max_peers: int) -> None:
        self.max_peers = max_peers
        self.by_address: dict[bytes, Peer] = {}

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

    def remove(self, peer: Peer) -> None:
        """Know it no more; no error if it was not known."""
        self.by_address.pop(peer.address, None)

    def find(self, address: bytes) -> Peer | None:
        """The peer on that connection."""
        return self.by_address.get(address)

    def earlier_lives(self, hello: Peer) -> list[Peer]:
        """Peers of the same name as one that just said Hello, apart from itself."""
        return [peer for peer in self if peer.name == hello.name and peer is not hello]

    def lapsed(self, now: float) -> list[Peer]:
        """Those that were silent for longer than their lease."""
        return [peer for peer in self if now - peer.heard > peer.lease_s]

    def excuse_all(self, now: float) -> None:
        """Begin every lease anew: the router itself was away and could not have heard anybody."""
        for peer in self:
            peer.heard = now
