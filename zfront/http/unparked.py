"""Connections that are not parked: those that have said nothing, and those whose requests Tornado reads.

Owns: which there are, how many there may be, who goes for a new one. Must not know: what is said on them.

One that has said nothing is a descriptor in an epoll and the time since when. One that Tornado reads takes
10 KB, so they have a bound of their own. Both take the places that parked clients leave, and make room for
these: of those that are not parked, the one that has been there for longest goes first. One that has shown
that it may use the API is counted apart, so that clients, however many, do not shut senders out.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from typing import Final, Protocol

SILENT_S: Final = 30.0  # then one that has said nothing is closed
LEAST: Final = 64  # places that parked clients leave to others at the least
STREAMS: Final = 512  # that Tornado reads, before they have shown that they may use the API
_EVENTS: Final = 64


class Stream(Protocol):
    """A connection that Tornado reads."""

    def reading(self) -> bool:
        """Whether it waits for its client."""

    def cut(self) -> None:
        """Close it, now; it is removed by that."""


class Unparked:
    """`parked()` is how many are parked now, of `limit`; `api_limit` is how many API streams there may be.

    `on_data(descriptor)` is given the descriptor of one that has said something, or has gone: it is the
    caller's from then on. `clock` is a monotonic one [s].
    """

    def __init__(
        self,
        parked: Callable[[], int],
        limit: int,
        api_limit: int,
        on_data: Callable[[int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.made_way = 0  # connections closed for new ones
        self._parked = parked
        self._limit = limit
        self._api_limit = api_limit
        self._on_data = on_data
        self._clock = clock
        self._epoll = select.epoll()
        # Both in the order in which they came, with the time.
        self._silent: dict[int, float] = {}
        self._streams: dict[Stream, float] = {}
        self._api: dict[Stream, None] = {}

    def __len__(self) -> int:
        return len(self._silent) + len(self._streams) + len(self._api)

    def fileno(self) -> int:
        """The epoll's own descriptor: readable when somebody has said something."""
        return self._epoll.fileno()

    def wait(self, descriptor: int) -> None:
        """Take over a connected socket's descriptor until something comes on it."""
        self.make_way(1)
        self._epoll.register(descriptor, select.EPOLLIN | select.EPOLLRDHUP)
        self._silent[descriptor] = self._clock()

    def add(self, stream: Stream) -> None:
        """Tornado reads this one from now on."""
        self.make_way(1)
        if len(self._streams) >= STREAMS:
            self._cut(next(iter(self._streams)))
        self._streams[stream] = self._clock()

    def remove(self, stream: Stream) -> None:
        """It was closed, or parked."""
        self._streams.pop(stream, None)
        self._api.pop(stream, None)

    def may_use_api(self, stream: Stream) -> None:
        """It has shown so with its request. Too many of them: one goes that waits for its client."""
        if self._streams.pop(stream, None) is None:
            return
        if len(self._api) >= self._api_limit:
            idle = next((one for one in self._api if one.reading()), None)
            if idle is not None:
                self._cut(idle)
        self._api[stream] = None

    def make_way(self, count: int = 0) -> None:
        """Close those that have been there for longest, until there are places for so many more."""
        places = max(self._limit - self._parked(), LEAST)
        while len(self._silent) + len(self._streams) + count > places:
            silent, stream = next(iter(self._silent), None), next(iter(self._streams), None)
            if stream is None or (silent is not None and self._silent[silent] <= self._streams[stream]):
                if silent is None:
                    return
                self._drop(silent)
                self.made_way += 1
            else:
                self._cut(stream)

    def handle_events(self) -> None:
        """Hand on those that have said something."""
        for descriptor, _ in self._epoll.poll(0, _EVENTS):
            if descriptor in self._silent:
                self._epoll.unregister(descriptor)
                del self._silent[descriptor]
                self._on_data(descriptor)

    def sweep(self) -> None:
        """Close those that have been silent for too long."""
        until = self._clock() - SILENT_S
        while self._silent:
            descriptor, since = next(iter(self._silent.items()))
            if since > until:
                break
            self._drop(descriptor)

    def _drop(self, descriptor: int) -> None:
        del self._silent[descriptor]
        os.close(descriptor)

    def _cut(self, stream: Stream) -> None:
        self.made_way += 1
        self.remove(stream)
        stream.cut()
