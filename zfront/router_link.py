"""The frontend's link to the router, in Tornado's event loop: log in, log in again, receive.

Owns: when the sockets of a Dealer are read and written. Must not know: clients.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Collection
from typing import Final

import zmq
from tornado.ioloop import IOLoop

from zfront.periodic import Periodic
from zrouter.link.curve_keys import CurveKeys
from zrouter.link.dealer import Dealer
from zrouter.link.resumption import Resumption
from zrouter.link.session import Session
from zrouter.wire import Delivery, Goodbye, Report, Revocation, State

log = logging.getLogger("zfront")

_TICK_S: Final = 0.25
_LEAVING_TICK_S: Final = 0.05
_UNANSWERED_S: Final = 2.0
_COUNT_S: Final = 1.0  # for counting what can't be delivered any more
_SILENT_TICKS: Final = round(2 / _TICK_S)  # from the start on


class RouterLink:
    """Carries a session in the event loop.

    `deliver` and `evict` get what is for our ids, `tell` the states of those that are watched; `arriving` is
    called before any of what has arrived is given to anybody. `revoked` is told which tokens are good no
    longer; None: there are no tokens.
    """

    def __init__(
        self,
        router: str,
        name: str,
        holdings: Callable[[], Collection[bytes]],
        connections: Callable[[bytes], int],
        report: Callable[[], Report] | None,
        deliver: Callable[[list[Delivery]], None],
        evict: Callable[[list[bytes]], None],
        resumption: Resumption | None = None,
        watching: Callable[[], Collection[bytes]] = tuple,
        is_watched: Callable[[bytes], bool] = lambda _: False,
        tell: Callable[[list[State]], None] = lambda _: None,
        arriving: Callable[[], None] = lambda: None,
        curve: CurveKeys | None = None,
        revoked: Callable[[list[Revocation]], None] | None = None,
    ) -> None:
        self.session = Session(
            name,
            os.urandom(8),
            0.0,
            holdings,
            connections,
            report,
            resumption=resumption,
            watching=watching,
            is_watched=is_watched,
            revoked=revoked,
        )
        self._arriving = arriving
        self._deliver = deliver
        self._evict = evict
        self._tell = tell
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._dealer = Dealer(self._context, router, self.session, curve)
        self._loop = IOLoop.current()
        self._flush_is_due = False
        self._burst_is_due = False
        self._timer: Periodic | None = None
        self._is_known = False
        self._silent_ticks = 0
        self._is_closed = False
        self._is_leaving = False
        self._left: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Begin to read; the router is greeted as soon as there is a connection."""
        self._watch()
        self._timer = Periodic(_TICK_S, self._tick)

    def changed(self, an_id: bytes) -> None:
        """The connections of an id are more or fewer: told to the router with all others of this turn."""
        if self._is_closed or self._is_leaving:
            return  # at the end clients are closed after the link
        self.session.changed(an_id)
        self._flush_soon()

    def watch_changed(self, an_id: bytes) -> None:
        """An id is watched from now on, or not any more: told to the router as well."""
        if not self._is_closed and not self._is_leaving:
            self.session.watch_changed(an_id)
            self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.add_callback(self._flush)

    def is_up(self) -> bool:
        """Whether the router knows us, and takes more."""
        is_here = not self._is_closed and not self._is_leaving
        return is_here and self.session.welcome is not None and not self._dealer.is_full()

    def flush(self) -> None:
        """Send now what the session has to say, not at the end of the turn."""
        self._flush()

    def leave(self, within_s: float, left: Callable[[], None]) -> None:
        """Say goodbye, and close when it is answered; `left` is told.

        What the router sent before its answer is delivered: nothing for us comes behind it. What is not taken
        within that time is counted and said.
        """
        if self._timer is not None:
            self._timer.stop()
        self._left = left
        if self.session.welcome is None:
            self.close()
            return
        self._flush()  # before the goodbye: behind it the router knows us no more
        self._is_leaving = True
        self.session.ask(Goodbye, lambda _: self._loop.add_callback(self.close))
        self._flush()
        # It looks after what an edge did not tell of, and after a router that goes before it answers.
        self._timer = Periodic(_LEAVING_TICK_S, self._leaving_tick)
        self._loop.call_later(within_s, self._give_up)

    def _leaving_tick(self) -> None:
        self._turned(0, 0)
        if self.session.welcome is None:
            self.close()
        elif time.monotonic() - self.session.heard_at > _UNANSWERED_S and not self._dealer.has_arrivals():
            self._give_up()  # a router that hangs

    def _give_up(self) -> None:
        """The time is over: see what else has come, and say how much that is."""
        if self._is_closed:
            return
        undelivered = 0

        def count(messages: list[Delivery]) -> None:
            nonlocal undelivered
            undelivered += len(messages)

        until = time.monotonic() + _COUNT_S
        while time.monotonic() < until and not self._dealer.receive(time.monotonic(), count, lambda _: None):
            pass
        log.warning("stopping: %d messages and more that had come were not delivered", undelivered)
        self.close()

    def close(self) -> None:
        """Go, now."""
        if self._is_closed:
            return
        if self._timer is not None:
            self._timer.stop()
        self._unwatch()
        self._is_closed = True
        self._dealer.close()
        self._context.term()
        self._left()

    def _watch(self) -> None:
        self._loop.add_handler(self._dealer.socket.fileno(), self._arrived, IOLoop.READ)
        self._loop.add_handler(self._dealer.monitor.fileno(), self._turned, IOLoop.READ)
        self._loop.add_callback(self._turned, 0, 0)

    def _unwatch(self) -> None:
        for socket in (self._dealer.socket, self._dealer.monitor):
            self._loop.remove_handler(socket.fileno())

    def _turned(self, descriptor: int, events: int) -> None:
        """A connection to the router came or went."""
        if self._is_closed:
            return
        self._dealer.read_monitor(time.monotonic())
        self._arrived(0, 0)

    def _note(self) -> None:
        """Log what the router refused, and whether it knows us, if that has changed."""
        for refused in (self.session.fatal, self.session.refused_login, self.session.refused_watch):
            if refused is not None:
                log.error("the router %s refuses us: %s", self._dealer.router, refused)
        self.session.fatal = self.session.refused_login = self.session.refused_watch = None
        self._silent_ticks += 1
        if self._silent_ticks == _SILENT_TICKS and self.session.welcome is None:
            log.warning(
                "no router answers at %s; clients may come, and are logged in when it is there",
                self._dealer.router,
            )
        if self._is_known == (self.session.welcome is not None):
            return
        self._is_known = not self._is_known
        if self._is_known:
            log.info("the router %s knows us", self._dealer.router)
        else:
            log.warning(
                "the router %s has gone; clients stay, and are logged in when it is back", self._dealer.router
            )

    def _arrived(self, descriptor: int, events: int) -> None:
        """ZeroMQ's descriptors signal edges: read until nothing is left, or come back."""
        if self._is_closed:
            return
        self._arriving()
        is_drained = self._dealer.receive(time.monotonic(), self._deliver, self._evict, self._tell)
        if not is_drained or self._dealer.has_to_say():
            self._flush()

    def _flush(self) -> None:
        self._flush_is_due = False
        if self._is_closed:
            return
        self._dealer.flush(time.monotonic())
        # Sending may have swallowed the edge of an arrival, and there may be more than was taken. One is due
        # at a time: else each edge and tick adds one to every turn of the loop, and heartbeats come too late.
        if not self._burst_is_due and self._dealer.has_arrivals():
            self._burst_is_due = True
            self._loop.add_callback(self._next_burst)

    def _next_burst(self) -> None:
        self._burst_is_due = False
        self._arrived(0, 0)

    def _tick(self) -> None:
        if not self.session.tick(time.monotonic()):
            self._unwatch()
            self._dealer.reopen()
            self._watch()
        self._turned(0, 0)
        self._note()
