"""Parked sockets: the descriptors of connected clients, in an epoll of their own, and their outboxes.

Owns: descriptors, their epoll, the bounded outboxes of slow clients, whose turn it is to be read. Must not
know: ids, transports, HTTP.

A parked connection is a row: its descriptor is registered here, and everything else about it is in arrays and
dicts indexed by that number. It has an outbox only while the kernel does not take more.

Whatever ends a connection, in the middle of whatever, the descriptor stays ours and `on_close` is told of it
in the next `handle_events`, and there only: so a caller that goes on with it, or with a list that has it,
writes to nobody and does no harm.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from zfront.connections.read_pauses import ReadPauses
from zfront.connections.work_budget import END, WorkBudget

_HUNG_UP: Final = select.EPOLLHUP | select.EPOLLERR | select.EPOLLRDHUP
_READ_BYTES: Final = 4096
_EVENTS: Final = (
    4  # clients dealt with before the clock is looked at; each has a turn of less than a millisecond
)
# How long all clients together may keep the loop; the epoll then begins with those who had no turn.
TURN_S: Final = 0.003
# A client that has more to say than a turn's worth, or says too much, is not read for so long at the least.
PACE_S: Final = 0.025
# What a client may say: units of work a second, so many at once, and how long it may go on wanting more.
RATE: Final = 100
_BURST_S: Final = 4
_PATIENCE_S: Final = 20.0
_UNIT_BYTES: Final = 1024  # the work of reading so much
# What a parked client may still say that nobody wants (pipelined requests, stray bytes): it is thrown away.
CLIENT_BYTES: Final = 65536
# What may wait for all clients together beyond their outboxes, because they missed it.
OWED_BYTES: Final = 64 << 20
# How long a connection that was ended may take to read what was for it.
DRAIN_S: Final = 5.0


class Heard(NamedTuple):
    """What came of a client's bytes."""

    units: int  # of work: what a short message costs, some 20 us
    is_wanted: bool = True  # whether it may say that
    wants_more: bool = False  # whether some are kept for a next turn


UNWANTED: Final = Heard(1, is_wanted=False)


class ParkedSockets:
    """See the module's docstring.

    `on_close(descriptor, why)` is told of each connection that ends. `on_data(descriptor, data)` is given
    what a client says, and no bytes when it is its turn again; it may keep what is more than a turn's worth.
    `rate` is in units of work a second for each client, `clock` a monotonic one [s].
    """

    def __init__(
        self,
        outbox_bytes: int,
        on_close: Callable[[int, str], None],
        on_data: Callable[[int, bytes], Heard] = lambda descriptor, data: UNWANTED,
        rate: float = RATE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.budget = WorkBudget(rate, rate * _BURST_S, _PATIENCE_S)
        self.cut_bytes = 0  # that clients had not read when their time to do so was over
        self._epoll = select.epoll()
        self._on_close = on_close
        self._on_data = on_data
        self._outbox_bytes = outbox_bytes
        self._clock = clock
        self._parked: set[int] = set()
        self._outboxes: dict[int, bytearray] = {}
        self._owed: dict[
            int, int
        ] = {}  # what may wait beyond the bound of an outbox, for those who missed it
        self._owed_bytes = 0
        self._said_bytes: dict[int, int] = {}
        self._ended: dict[int, str] = {}  # why; `on_close` has yet to be told
        self._draining: dict[int, float] = {}  # it was told, but an outbox is left: until when
        self._paused = ReadPauses()  # those that are not read now

    def __len__(self) -> int:
        return len(self._parked) + len(self._draining)

    def __contains__(self, descriptor: int) -> bool:
        return descriptor in self._parked and descriptor not in self._ended

    def fileno(self) -> int:
        """The epoll's own descriptor: readable when a client needs something."""
        return self._epoll.fileno()

    def park(self, descriptor: int) -> None:
        """Take over a connected, non-blocking socket's descriptor."""
        self._epoll.register(descriptor, select.EPOLLIN | select.EPOLLRDHUP)
        self._parked.add(descriptor)

    def descriptors(self) -> list[int]:
        """The descriptors that are parked."""
        return [one for one in self._parked if one not in self._ended] if self._ended else list(self._parked)

    def release(self, descriptor: int) -> bytes:
        """Give a connection away without ending it; returns what is still to be written to it."""
        self._parked.remove(descriptor)
        self._epoll.unregister(descriptor)
        return bytes(self._forget(descriptor))

    # ---- writing -------------------------------------------------------------------------------------

    def write_all(
        self,
        writes: Mapping[int, bytes | bytearray],
        write: Callable[[int, bytes | bytearray], int] = os.write,
    ) -> None:
        """Send to each client what is for it. Much of the cost of a message is here."""
        outboxes = self._outboxes
        for descriptor, data in writes.items():
            if descriptor in outboxes:
                self._keep(descriptor, data)
                continue
            try:
                sent = write(descriptor, data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.close(descriptor, "reset")
                continue
            if sent != len(data):
                self._keep(descriptor, data[sent:])

    def write(self, descriptor: int, data: bytes) -> None:
        """Send to a client, or keep for it what the kernel does not take; too much ends the connection."""
        self.write_all({descriptor: data})

    def write_ahead(self, descriptor: int, data: bytes) -> None:
        """Send what more will follow at once: the kernel may hold it for that, for 0.2 s at most.

        Both then are one packet, and wake the client once (MSG_MORE of send(2), and tcp(7) for the limit).
        """
        self.write_all({descriptor: data}, _send_more)

    def _keep(self, descriptor: int, data: bytes | bytearray) -> None:
        """Put into the outbox what has to wait until the kernel takes more."""
        if descriptor not in self:
            return
        outbox = self._outboxes.get(descriptor)
        if outbox is None:
            outbox = self._outboxes[descriptor] = bytearray()
            self._watch(descriptor)
        if len(outbox) + len(data) > self._outbox_bytes + self._owed.get(descriptor, 0):
            self.close(descriptor, "slow")
            return
        outbox += data

    def _drain(self, descriptor: int) -> None:
        outbox = self._outboxes[descriptor]
        try:
            sent = os.write(descriptor, outbox)
        except BlockingIOError:
            return
        except OSError:
            self.close(descriptor, "reset")
            return
        del outbox[:sent]
        if not outbox:
            del self._outboxes[descriptor]
            self.settle(descriptor)
            self._watch(descriptor)

    def owe(self, descriptor: int, size: int) -> bool:
        """So much more may wait for this client, until all is sent: it asked for what it missed.

        False if all clients together would have too much. Whoever calls this calls `settle` when it has
        written.
        """
        if size > self._outbox_bytes:
            if self._owed_bytes + size > OWED_BYTES:
                return False
            self._owed[descriptor] = self._owed.get(descriptor, 0) + size
            self._owed_bytes += size
        return True

    def settle(self, descriptor: int) -> None:
        """What was owed is written; if nothing of it waits, that is all."""
        if descriptor not in self._outboxes:
            self._owed_bytes -= self._owed.pop(descriptor, 0)

    # ---- ending --------------------------------------------------------------------------------------

    def end(self, descriptor: int, last: bytes, why: str) -> None:
        """Send last words, and end the connection with them; the reasons are those of `close`.

        It gets `DRAIN_S` to read what is for it.
        """
        if last:
            self.write_ahead(descriptor, last)
        if descriptor in self:
            self._end(descriptor, why, self._outboxes.get(descriptor, b""))

    def close(self, descriptor: int, why: str) -> None:
        """End a connection: "gone", "reset", "slow", "chatty", "idle", "aged", "evicted" or "shutdown"."""
        if descriptor in self:
            self._end(descriptor, why, b"")
        elif descriptor in self._draining:
            self._part(descriptor)

    def _end(self, descriptor: int, why: str, unsent: bytes | bytearray) -> None:
        self._ended[descriptor] = why
        self._outboxes[descriptor] = bytearray(unsent)  # so whatever is written to it comes to `_keep`
        # The epoll tells of this, and so of the end; if there is no connection any more, it tells of that.
        with contextlib.suppress(OSError):
            _with_socket(descriptor, lambda connection: connection.shutdown(socket.SHUT_RD))

    def _bury(self) -> None:
        """Tell of those that were ended."""
        while self._ended:
            descriptor, why = next(iter(self._ended.items()))
            # Told before the number can be given to a new connection.
            self._on_close(descriptor, why)
            del self._ended[descriptor]
            self._parked.remove(descriptor)
            unsent = self._forget(descriptor)
            if unsent:
                self._outboxes[descriptor] = bytearray(unsent)
                self._draining[descriptor] = self._clock() + DRAIN_S
                self._epoll.modify(descriptor, select.EPOLLOUT)
            else:
                os.close(descriptor)

    def _part(self, descriptor: int) -> None:
        """Nothing more is written to it."""
        del self._draining[descriptor]
        self.cut_bytes += len(self._outboxes.pop(descriptor, b""))
        os.close(descriptor)

    def _forget(self, descriptor: int) -> bytes | bytearray:
        """It is not parked any more; what was still to be written to it."""
        self._said_bytes.pop(descriptor, None)
        self._owed_bytes -= self._owed.pop(descriptor, 0)
        self._paused.end(descriptor)
        self.budget.forget(descriptor)
        return self._outboxes.pop(descriptor, b"")

    # ---- what clients do -----------------------------------------------------------------------------

    def handle_events(self) -> None:
        """Deal with what clients did: hung up, talked, made room. It takes little more than TURN_S."""
        self._bury()
        until = self._clock() + TURN_S
        while events := self._epoll.poll(0, _EVENTS):
            for descriptor, event in events:
                self._handle(descriptor, event)
            self._bury()
            if len(events) < _EVENTS or self._clock() >= until:
                break

    def has_paused(self) -> bool:
        """Whether `go_on` has something to do before long."""
        return bool(self._paused or self._draining)

    def go_on(self) -> None:
        """Read those again whose turn it is, and close those who were ended and do not read."""
        now = self._clock()
        while self._clock() < now + TURN_S and (descriptor := self._paused.next(now)) is not None:
            if descriptor in self:
                self._take(descriptor, b"")
            if descriptor in self and descriptor not in self._paused:
                self._watch(descriptor)
        for descriptor, until in list(self._draining.items()):
            if until <= now:
                self._part(descriptor)

    def _handle(self, descriptor: int, event: int) -> None:
        if descriptor in self._draining:
            self._drain(descriptor)
            if descriptor in self._draining and not self._outboxes.get(descriptor):
                self._part(descriptor)
        elif descriptor not in self:
            return
        elif event & _HUNG_UP:
            self.close(descriptor, "gone")
        else:
            if event & select.EPOLLIN:
                self._read(descriptor)
            if event & select.EPOLLOUT and descriptor in self and descriptor in self._outboxes:
                self._drain(descriptor)

    def _watch(self, descriptor: int) -> None:
        """Have the epoll tell of what is wanted of it now."""
        if descriptor in self._draining:
            return
        wanted = select.EPOLLRDHUP
        if descriptor not in self._paused:
            wanted |= select.EPOLLIN
        if descriptor in self._outboxes:
            wanted |= select.EPOLLOUT
        self._epoll.modify(descriptor, wanted)

    def _read(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self.close(descriptor, "reset" if error.errno == errno.ECONNRESET else "gone")
            return
        if data:
            self._take(descriptor, data)
        else:
            self.close(descriptor, "gone")

    def _take(self, descriptor: int, data: bytes) -> None:
        """It said this, or nothing but it is its turn again: have it done, see when it is read next."""
        heard = self._on_data(descriptor, data)
        if descriptor not in self:
            return
        if not heard.is_wanted and data:
            said = self._said_bytes[descriptor] = self._said_bytes.get(descriptor, 0) + len(data)
            if said > CLIENT_BYTES:
                self.close(descriptor, "chatty")
                return
        now = self._clock()
        units = heard.units + len(data) // _UNIT_BYTES
        wait_s = self.budget.spend(descriptor, units, now, wants_more=heard.wants_more)
        if wait_s == END:
            self.close(descriptor, "chatty")
        elif wait_s or heard.wants_more:
            self._pause(descriptor, now + max(wait_s, PACE_S))

    def _pause(self, descriptor: int, until: float) -> None:
        """Read it no more until then: TCP makes it wait."""
        self._paused.pause(descriptor, until)
        self._watch(descriptor)


def _send_more(descriptor: int, data: bytes | bytearray) -> int:
    return _with_socket(descriptor, lambda connection: connection.send(data, socket.MSG_MORE))


def _with_socket(descriptor: int, do: Callable[[socket.socket], int | None]) -> int:
    # Python has send() with flags for sockets only; the family is one that it knows, and not looked at.
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, descriptor)
    try:
        return do(connection) or 0
    finally:
        connection.detach()
