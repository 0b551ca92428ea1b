"""What N connections ask of a host: processes, open files, source addresses, memory.

Owns: what one connection costs, measured on this project. Must not know: what the host has (tune.py).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

# Resident bytes that each connection adds, the most of several runs (figures: docs/memory.md); made again by
FRONT_BYTES: Final = 232  # of a zfront worker: `python -m tests.bench parking`
ROUTER_BYTES: Final = 163  # of zrouter, for each id: `python -m tests.bench memory`
FLOOD_BYTES: Final = 224  # of a zflood process: `python -m tests.bench swarm`
# Kernel memory of one end: all slabs grew by 9.9 KB for each of 1,004,400 idle connections over loopback,
# bare C programs at both ends. The objects alone are 3,848 bytes an end (docs/memory.md); the rest is
# unused room in slabs and port buckets.
KERNEL_END_BYTES: Final = 5_000
# A process after some traffic, its private memory: a worker (docs/memory.md, gc.freeze), one of the processes
# of `zflood clients --processes 2` (Private_Dirty in smaps_rollup); the router: resident.
WORKER_BYTES: Final = 10_000_000
FLOOD_PROCESS_BYTES: Final = 6_000_000
ROUTER_PROCESS_BYTES: Final = 31_000_000
# What is charged to tcp_mem while one message of up to 3,000 bytes waits to be read, for one end only: `mem`
# of TCP in /proc/net/sockstat rose by 1.01 pages for each of 5,000 such connections, and fell to 0 after.
PAGE_BYTES: Final = 4096

# Open files of a process that are not clients.
FRONT_RESERVE: Final = 384
FLOOD_RESERVE: Final = 100
# As many zfront workers, or zflood processes, as their options allow.
MOST_PROCESSES: Final = 512
# Connections that zflood makes from one source address before it takes the next.
PER_SOURCE: Final = 5_000


class Side(StrEnum):
    """Which end of the connections is on this host."""

    SERVER = "server"
    CLIENTS = "clients"
    BOTH = "both"


class Memory(NamedTuple):
    """Bytes that idle connections take here."""

    kernel: int
    zfront: int
    zrouter: int
    zflood: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self)


class Demand(NamedTuple):
    """So many connections, with processes that may open `files` files each."""

    connections: int
    side: Side
    files: int

    @property
    def serves(self) -> bool:
        """Whether zfront is here."""
        return self.side is not Side.CLIENTS

    @property
    def floods(self) -> bool:
        """Whether zflood is here."""
        return self.side is not Side.SERVER

    @property
    def ends(self) -> int:
        """Ends of connections on this host: sockets, descriptors, places in an epoll."""
        return self.connections * (self.serves + self.floods)

    @property
    def workers(self) -> int:
        """Workers of zfront that hold them; 0 where it is not."""
        return self._processes(FRONT_RESERVE) if self.serves else 0

    @property
    def processes(self) -> int:
        """Processes of zflood that make them; 0 where it is not."""
        return self._processes(FLOOD_RESERVE) if self.floods else 0

    @property
    def open_files(self) -> int:
        """Files that all of our processes have open together."""
        return self.ends + self.workers * FRONT_RESERVE + self.processes * FLOOD_RESERVE

    def sources(self, ports: int) -> int:
        """Source addresses, if each has so many ports to the same destination."""
        return _ceil(self.connections, max(1, ports))

    def memory(self) -> Memory:
        """What they take while nothing is sent; the router counts where zfront is."""
        each = self.connections
        return Memory(
            self.ends * KERNEL_END_BYTES,
            self.serves * each * FRONT_BYTES + self.workers * WORKER_BYTES,
            self.serves * (each * ROUTER_BYTES + ROUTER_PROCESS_BYTES),
            self.floods * each * FLOOD_BYTES + self.processes * FLOOD_PROCESS_BYTES,
        )

    def _processes(self, reserve: int) -> int:
        return max(1, _ceil(self.connections, max(1, self.files - reserve)))


def _ceil(whole: int, part: int) -> int:
    return -(-whole // part)
