"""Composition of one frontend worker: hub, router link, Tornado, acceptor; startup, the loop, shutdown.

Owns: the order in which they begin and end. Must not know: what any of them does.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop

from zfront.api.context import ApiContext
from zfront.connections.hub import Hub
from zfront.connections.no_park import NoParkSockets
from zfront.connections.parked_sockets import DRAIN_S, PACE_S, ParkedSockets
from zfront.connections.tick_wheel import TENTH_S
from zfront.date_header import NOW
from zfront.handlers.app import make_app
from zfront.http.acceptor import Acceptor
from zfront.http.send_fast_path import SendFastPath
from zfront.http.unparked import SILENT_S
from zfront.periodic import Periodic
from zfront.requests.plain_request import HEAD_BYTES
from zfront.router_link import RouterLink
from zfront.settings import FrontSettings
from zfront.workers.liveness import BEAT_S, LivenessPipe
from zrouter.daemon import notify, process
from zrouter.wire import Report, Revocation

if TYPE_CHECKING:
    from zfront.handlers.backend_admission import BackendAdmission
    from zfront.requests.admission import Admission
    from zrouter.api_keys.key_files import ApiKeyFile
    from zrouter.link.curve_keys import CurveKeys
    from zrouter.tokens.key_files import KeyFile

log = logging.getLogger("zfront")

# Clients closed in one go at shutdown, and the pause between: all at once they would come back all at once.
_CLOSE_BATCH = 500
_CLOSE_PAUSE_S = 0.02
# Of the time that stopping may take: for what is still to be delivered. The rest is for the clients' ends.
_LEAVING_SHARE = 0.5
# The API answers a body that does not come, and closes; this much later whoever else waits for one is closed.
_GRACE_S = 5.0
_REFUSALS_S = 10  # between two lines of the log about clients that were refused


class Worker:
    """One process that holds clients."""

    def __init__(
        self,
        settings: FrontSettings,
        listener: socket.socket,
        name: str,
        lifeline: LivenessPipe | None = None,
        keys: ApiKeyFile | None = None,
        token_keys: KeyFile | None = None,
        curve: CurveKeys | None = None,
        api_curve: CurveKeys | None = None,
    ) -> None:
        self._settings = settings
        self._lifeline = lifeline
        self._loop = IOLoop.current()
        kind = NoParkSockets if settings.no_park else ParkedSockets
        self._token_keys = token_keys
        admission = None if token_keys is None else _admission(settings, token_keys)
        self._backend = _backend_admission(settings)
        self._hub = Hub(
            settings,
            self._changed,
            self._watch_changed,
            kind,
            admission=admission or self._backend,
            end_clock=lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
        )
        subscriptions = self._hub.subscriptions
        self._link = RouterLink(
            settings.router,
            name,
            holdings=subscriptions.ids,
            connections=subscriptions.count,
            watching=self._hub.watchers.ids,
            is_watched=self._hub.watchers.is_watched,
            report=self._report,
            deliver=self._hub.fan_out.deliver,
            evict=self._hub.evict,
            tell=self._hub.tell,
            resumption=self._hub.resumption,
            arriving=self._arriving,
            curve=curve,
            revoked=self._revoked if admission or self._backend else None,
        )
        self._api_link = self._link if api_curve is None else _api_link(settings, name, api_curve)
        self._api_keys = keys
        hosts = settings.known_hosts(keys is not None)
        now = None if keys is None else lambda: keys.keys
        self._context = ApiContext(settings, now, self._api_link, self._hub.origins, hosts)
        self._open_mode = settings.open_mode()
        server = HTTPServer(
            make_app(
                self._hub,
                self._context,
                settings.proxies(),
                hosts,
                settings.path_ids_only,
                admission,
                self._open_mode,
                self._backend,
            ),
            max_header_size=HEAD_BYTES,
            idle_connection_timeout=SILENT_S,
            body_timeout=settings.body_timeout + _GRACE_S,
            max_body_size=HEAD_BYTES,
        )
        self._fast_path = SendFastPath(self._context, settings.api_connections, self._hub.faults)
        self._acceptor = Acceptor(
            listener,
            self._hub,
            server,
            settings.keepalive,
            self._fast_path,
            hosts,
            self._hub.faults,
            settings.api_connections,
            settings.unsent,
            settings.path_ids_only,
            admission,
            self._open_mode,
            asks_backend=self._backend is not None,
            proxies=settings.proxies(),
        )
        self._ticker: Periodic | None = None  # while somebody waits for ticks
        self._pacer: Periodic | None = None  # while a client has to wait for its turn
        self._second = 0
        self._refusals: dict[str, int] = {}  # that the log has been told of
        self._stopping = False

    def run(self, ready: Callable[[], None]) -> None:
        """Serve until SIGTERM or SIGINT; `ready` is called once clients can come."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: self._loop.add_callback_from_signal(self._stop))
        gc.collect()
        gc.freeze()
        if isinstance(parked := self._hub.parked, ParkedSockets):
            self._loop.add_handler(parked.fileno(), lambda *_: self._clients_did(parked), IOLoop.READ)
        self._link.start()
        if self._api_link is not self._link:
            self._api_link.start()
        self._acceptor.open()
        ready()
        if self._lifeline is not None:
            self._loop.add_handler(self._lifeline.fileno(), lambda *_: self._orphaned(), IOLoop.READ)
            Periodic(BEAT_S, self._lifeline.beat)
        elif (watchdog_s := notify.watchdog_s()) is not None:
            Periodic(watchdog_s, notify.alive)
        Periodic(1.0, self._sweep)
        self._loop.start()

    def _clients_did(self, parked: ParkedSockets) -> None:
        parked.handle_events()
        if self._pacer is None and parked.has_paused():
            self._pacer = Periodic(PACE_S, self._go_on)

    def _go_on(self) -> None:
        self._hub.parked.go_on()
        if self._pacer is not None and not self._hub.parked.has_paused():
            self._pacer.stop()
            self._pacer = None

    def _sweep(self) -> None:
        NOW.renew()
        self._second += 1
        self._hub.sweep(self._second)
        self._acceptor.unparked.sweep()
        self._end_expired()
        if self._second % _REFUSALS_S == 0:
            self._tell_refusals()
        for file in (self._token_keys, self._api_keys):
            if file is not None and (changed := file.refresh()):
                log.warning(changed)

    def _tell_refusals(self) -> None:
        """Whoever looks after this finds out why clients are refused; they themselves are not told."""
        now = self._hub.refusals()
        new = {why: count - self._refusals.get(why, 0) for why, count in now.items()}
        self._refusals = dict(now)
        told = ", ".join(f"{why} {count}" for why, count in sorted(new.items()) if count)
        if told:
            log.warning("not let in within %d s, by why: %s; docs/tokens.md", _REFUSALS_S, told)

    def _end_expired(self) -> None:
        if self._hub.end_expired():
            self._loop.call_later(_CLOSE_PAUSE_S, self._end_expired)

    def _arriving(self) -> None:
        """What the router says after the end of a client's token, by whatever way, is not written to it."""
        while self._hub.end_expired():
            pass  # after a stop of the whole process, that may be all of them

    def _revoked(self, revocations: list[Revocation]) -> None:
        if self._hub.revoke(revocations):
            self._arriving()  # all of them: what else has come behind this is not theirs

    def _changed(self, an_id: bytes) -> None:
        self._link.changed(an_id)
        if self._ticker is None and self._hub.is_ticking():
            self._ticker = Periodic(TENTH_S, self._tick)

    def _watch_changed(self, an_id: bytes) -> None:
        self._link.watch_changed(an_id)

    def _tick(self) -> None:
        self._hub.tick()
        if self._ticker is not None and not self._hub.is_ticking():
            self._ticker.stop()
            self._ticker = None

    def _report(self) -> Report:
        return {
            **self._hub.report(),
            **self._context.report(),
            "paused": self._acceptor.paused,
            "unparked": len(self._acceptor.unparked),
            "made_way": self._acceptor.unparked.made_way,
            "lost": self._link.session.lost_messages,
            **({} if self._backend is None else self._backend.report()),
            "outsiders_refused": 0 if self._open_mode is None else self._open_mode.refused,
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
        log.info("stopping: %d clients to close", len(self._hub.parked))
        self._acceptor.close()
        # What the router has sent is delivered first; the answers among it are the send fast path's.
        within_s = self._settings.shutdown_timeout * _LEAVING_SHARE
        if self._api_link is self._link:
            self._link.leave(within_s, self._has_left)
        else:
            half = within_s / 2
            self._api_link.leave(half, lambda: self._link.leave(half, self._has_left))

    def _has_left(self) -> None:
        self._fast_path.close()
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
        if self._hub.end_some(_CLOSE_BATCH) == _CLOSE_BATCH:
            self._loop.call_later(_CLOSE_PAUSE_S, self._close_some)
        else:
            self._drain(self._loop.time() + DRAIN_S)

    def _drain(self, until: float) -> None:
        """What the kernel did not take of the last words goes out as their clients read."""
        self._hub.parked.go_on()
        if len(self._hub.parked) and self._loop.time() < until:
            self._loop.call_later(_CLOSE_PAUSE_S, self._drain, until)
        else:
            self._loop.stop()


def _api_link(settings: FrontSettings, name: str, curve: CurveKeys) -> RouterLink:
    """A link of its own for the API, with keys of its own."""
    return RouterLink(
        settings.router,
        f"{name}/api",
        holdings=tuple,
        connections=lambda _: 0,
        report=None,
        deliver=lambda _: None,
        evict=lambda _: None,
        curve=curve,
    )


def _backend_admission(settings: FrontSettings) -> BackendAdmission | None:
    passed_on = settings.passed_on()
    if passed_on is None:
        return None
    # Loaded where a backend is asked: an HTTP client is in it.
    from zfront.handlers.backend_admission import BackendAdmission

    return BackendAdmission(
        settings.auth_url,
        passed_on,
        settings.origins(),
        settings.auth_timeout,
        settings.auth_cache,
        settings.token_max_age,
        settings.auth_ca_file,
    )


def _admission(settings: FrontSettings, keys: KeyFile) -> Admission:
    # Loaded where there are tokens.
    from zfront.requests.admission import Admission
    from zrouter.tokens.verify import Verifier

    verifier = Verifier(
        lambda: keys.keys,
        settings.token_audience,
        settings.token_issuer,
        settings.token_leeway,
        settings.token_max_age,
    )
    return Admission(verifier, settings.origins(), time.time, settings.token_cookie)
