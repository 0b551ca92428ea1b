"""Composition of one frontend worker: room, link, Tornado, door; startup, the loop, shutdown.

Owns: the order in which they begin and end. Must not know: what any of them does.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
from collections.abc import Callable, Sequence

from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop

from zfront.api.desk import Desk
from zfront.api.office import Office
from zfront.api.plain import HEAD_BYTES
from zfront.app import make_app
from zfront.date import NOW
from zfront.door import Door
from zfront.every import Every
from zfront.held import HeldLot
from zfront.lifeline import BEAT_S, Lifeline
from zfront.link import Link
from zfront.lot import DRAIN_S, PACE_S, Lot
from zfront.room import Room
from zfront.settings import FrontSettings
from zfront.ticks import TENTH_S
from zfront.unparked import SILENT_S
from zrouter.daemon import notify, process
from zrouter.wire import Report

log = logging.getLogger("zfront")

# Clients closed in one go at shutdown, and the pause between: all at once they would come back all at once.
_CLOSE_BATCH = 500
_CLOSE_PAUSE_S = 0.02
# Of the time that stopping may take: for what is still to be delivered. The rest is for the clients' ends.
_LEAVING_SHARE = 0.5
# The API answers a body that does not come, and closes; this much later whoever else waits for one is closed.
_GRACE_S = 5.0


class Worker:
    """One process that holds clients."""

    def __init__(
        self,
        settings: FrontSettings,
        listener: socket.socket,
        name: str,
        lifeline: Lifeline | None = None,
        keys: Sequence[str] = (),
    ) -> None:
        self._settings = settings
        self._lifeline = lifeline
        self._loop = IOLoop.current()
        kind = HeldLot if settings.no_park else Lot
        self._room = Room(settings, self._changed, self._watch_changed, kind)
        audience = self._room.audience
        self._link = Link(
            settings.router,
            name,
            holdings=audience.ids,
            connections=audience.count,
            watching=self._room.watchers.ids,
            is_watched=self._room.watchers.is_watched,
            report=self._report,
            deliver=self._room.delivery.deliver,
            evict=self._room.evict,
            tell=self._room.tell,
            resumption=self._room.resumption,
        )
        hosts = settings.known_hosts(keys)
        self._office = Office(settings, keys, self._link, self._room.origins, hosts)
        server = HTTPServer(
            make_app(self._room, self._office, settings.proxies(), hosts, settings.path_ids_only),
            max_header_size=HEAD_BYTES,
            idle_connection_timeout=SILENT_S,
            body_timeout=settings.body_timeout + _GRACE_S,
            max_body_size=HEAD_BYTES,
        )
        self._desk = Desk(self._office, settings.api_connections, self._room.faults)
        self._door = Door(
            listener,
            self._room,
            server,
            settings.keepalive,
            self._desk,
            hosts,
            self._room.faults,
            settings.api_connections,
            settings.unsent,
            settings.path_ids_only,
        )
        self._ticker: Every | None = None  # while somebody waits for ticks
        self._pacer: Every | None = None  # while a client has to wait for its turn
        self._second = 0
        self._stopping = False

    def run(self, ready: Callable[[], None]) -> None:
        """Serve until SIGTERM or SIGINT; `ready` is called once clients can come."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: self._loop.add_callback_from_signal(self._stop))
        gc.collect()
        gc.freeze()
        if isinstance(lot := self._room.lot, Lot):
            self._loop.add_handler(lot.fileno(), lambda *_: self._clients_did(lot), IOLoop.READ)
        self._link.start()
        self._door.open()
        ready()
        if self._lifeline is not None:
            self._loop.add_handler(self._lifeline.fileno(), lambda *_: self._orphaned(), IOLoop.READ)
            Every(BEAT_S, self._lifeline.beat)
        elif (watchdog_s := notify.watchdog_s()) is not None:
            Every(watchdog_s, notify.alive)
        Every(1.0, self._sweep)
        self._loop.start()

    def _clients_did(self, lot: Lot) -> None:
        lot.handle_events()
        if self._pacer is None and lot.has_paused():
            self._pacer = Every(PACE_S, self._go_on)

    def _go_on(self) -> None:
        self._room.lot.go_on()
        if self._pacer is not None and not self._room.lot.has_paused():
            self._pacer.stop()
            self._pacer = None

    def _sweep(self) -> None:
        NOW.renew()
        self._second += 1
        self._room.sweep(self._second)
        self._door.unparked.sweep()

    def _changed(self, an_id: bytes) -> None:
        self._link.changed(an_id)
        if self._ticker is None and self._room.is_ticking():
            self._ticker = Every(TENTH_S, self._tick)

    def _watch_changed(self, an_id: bytes) -> None:
        self._link.watch_changed(an_id)

    def _tick(self) -> None:
        self._room.tick()
        if self._ticker is not None and not self._room.is_ticking():
            self._ticker.stop()
            self._ticker = None

    def _report(self) -> Report:
        return {
            **self._room.report(),
            **self._office.report(),
            "paused": self._door.paused,
            "unparked": len(self._door.unparked),
            "made_way": self._door.unparked.made_way,
            "lost": self._link.session.lost_messages,
            **process.figures(),
        }

    def _stop(self) -> None:
        if self._stopping:
            return
        self._stopping = True
        if self._lifeline is None:
            notify.stopping()
        # Bounded, whatever hangs: the kernel ends us, with a line before if Python still runs.
        signal.signal(signal.SIGALRM, self._late)
        signal.setitimer(signal.ITIMER_REAL, self._settings.shutdown_timeout)
        log.info("stopping: %d clients to close", len(self._room.lot))
        self._door.close()
        # What the router has sent is delivered first; the answers among it are the desk's.
        self._link.leave(self._settings.shutdown_timeout * _LEAVING_SHARE, self._has_left)

    def _has_left(self) -> None:
        self._desk.close()
        self._close_some()

    def _orphaned(self) -> None:
        assert self._lifeline is not None
        self._loop.remove_handler(self._lifeline.fileno())
        log.error("the supervisor has gone")
        self._stop()

    def _late(self, signum: int, frame: object) -> None:
        log.error("did not stop within %g s: leaving at once", self._settings.shutdown_timeout)
        os._exit(1)

    def _close_some(self) -> None:
        if self._room.end_some(_CLOSE_BATCH) == _CLOSE_BATCH:
            self._loop.call_later(_CLOSE_PAUSE_S, self._close_some)
        else:
            self._drain(self._loop.time() + DRAIN_S)

    def _drain(self, until: float) -> None:
        """What the kernel did not take of the last words goes out as their clients read."""
        self._room.lot.go_on()
        if len(self._room.lot) and self._loop.time() < until:
            self._loop.call_later(_CLOSE_PAUSE_S, self._drain, until)
        else:
            self._loop.stop()
