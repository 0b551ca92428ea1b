"""The router's shell: one ROUTER socket and one loop that drains a burst, applies it and flushes it.

Owns: the socket, the clock, signals. Must not know: what a message means; that is router.py.

Follows are put on disk in another thread (store_writer.py), which wakes the loop by a frame on a socket of
its own.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

import zmq
import zmq.backend

from zrouter.daemon import notify, process
from zrouter.routing.limits import BURST_BYTES, BURST_FRAMES, cost
from zrouter.routing.router import Router
from zrouter.server.connection_monitor import ConnectionMonitor, seed
from zrouter.server.settings import RouterSettings
from zrouter.server.zap import Gate
from zrouter.wire import Send, encode
from zrouter.wire.arguments import is_ipv6

if TYPE_CHECKING:
    from pathlib import Path

    from zrouter.link.curve_keys import CurveKeys
    from zrouter.routing.roles import Identity
    from zrouter.server.allow_list import AllowList
    from zrouter.server.revocation_writer import RevocationWriter
    from zrouter.server.store_writer import StoreWriter, WriterThread
    from zrouter.wire import Revocation

log = logging.getLogger("zrouter")

TICK_MS: Final = 250
LOOK_MS: Final = 20  # how often to look at who connects, while some have not said Hello
LIST_S: Final = 1.0  # how often the allow list is looked at
PACE_MS: Final = 5  # while a publish waits for frontends
_OTHERS: Final = 0o117  # what nobody may do with an ipc socket
# A frame longer than max_frame gets an error; one longer than this many times that ends the connection.
OVERSIZE: Final = 4
_SEND: Final = encode(Send(0, []))[1:2]  # the second byte of a frame is its kind
_NOBLOCK: Final = int(zmq.NOBLOCK)
_MORE: Final = int(zmq.NOBLOCK | zmq.SNDMORE)
# Plain integers: pyzmq's enums cost a look-up each.
_RCVMORE: Final = int(zmq.RCVMORE)
_EVENTS: Final = int(zmq.EVENTS)
_POLLIN: Final = int(zmq.POLLIN)
# The thread that puts follows on disk; ROUTER lets nobody else have a routing id that is taken.
_STORE: Final = b"store"
_STORE_ENDPOINT: Final = "inproc://store"
_get = cast(Callable[[Any, int], int], zmq.backend.Socket.get)


class SocketLoop:
    """Runs a Router on a ROUTER socket until it is told to stop; follows go to the store writer, if any.

    `revocations` = where revoked tokens are kept, None: nowhere; `kept` are those of before.
    """

    def __init__(
        self,
        settings: RouterSettings,
        store_writer: StoreWriter | None = None,
        gate: tuple[CurveKeys, AllowList] | None = None,
        revocations: Path | None = None,
        kept: Iterable[Revocation] = (),
    ) -> None:
        self._store_writer = store_writer
        self._revocations_path = revocations
        self._revocation_writer: RevocationWriter | None = None
        self._waking = threading.Lock()
        self._writer: WriterThread | None = None
        self._router = Router(
            time.time_ns(),
            settings.limits(),
            self._figures,
            None if self._store_writer is None else self._store_writer.store,
            None if gate is None else self._identified,
            time.time,
            keeps_revocations=revocations is not None,
        )
        self._router.revocations.load(kept)
        self._whose: dict[bytes, str] = {}  # the keys of those who spoke first in this burst, by address
        self._running = True
        self._next_tick = 0.0
        seed()
        self._next_look = 0.0
        self._next_list = 0.0
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.set(zmq.ROUTER_MANDATORY, 1)
        self._socket.set(zmq.RCVHWM, settings.queue_in)
        self._socket.set(zmq.SNDHWM, settings.queue_out)
        self._socket.set(zmq.MAXMSGSIZE, settings.max_frame * OVERSIZE)
        self._socket.set(zmq.LINGER, 1000)
        self._socket.set(zmq.TCP_KEEPALIVE, 1)
        self._socket.set(zmq.BACKLOG, 1024)
        self._socket.set(zmq.IPV6, is_ipv6(settings.bind))
        self._socket.set(zmq.HANDSHAKE_IVL, round(settings.hello_timeout * 1000))
        self._waits_ms = 0
        self._wait_at_most(TICK_MS)
        # Before anybody else can connect.
        self._monitor = ConnectionMonitor(
            self._context, self._socket, settings.max_strangers, settings.hello_timeout
        )
        self._gate = None if gate is None else Gate(self._context, self._socket, *gate)
        self._socket.bind(_STORE_ENDPOINT)
        self._waker = self._context.socket(zmq.DEALER)
        self._waker.set(zmq.ROUTING_ID, _STORE)
        self._waker.set(zmq.LINGER, 0)
        self._waker.connect(_STORE_ENDPOINT)
        # An ipc socket is for its owner and its group, from the first moment.
        before = os.umask(_OTHERS)
        os.umask(before | _OTHERS)
        self._socket.bind(settings.bind)
        os.umask(before)
        self.endpoint = str(self._socket.get_string(zmq.LAST_ENDPOINT))

    def run(self) -> None:
        """Serve until `stop()`, SIGTERM, SIGINT or SIGHUP."""
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, lambda *_: self.stop())
        # Nothing here makes cycles that matter, and a collection with millions of ids stalls everybody.
        gc.collect()
        gc.freeze()
        gc.disable()
        log.info("listening on %s", self.endpoint)
        notify.ready(f"listening on {self.endpoint}")
        watchdog_s = notify.watchdog_s()
        next_alive = 0.0
        while self._running:
            now = self.turn()
            if watchdog_s is not None and now >= next_alive:
                next_alive = now + watchdog_s
                notify.alive()
        notify.stopping()
        log.info("stopping")
        is_kept = self._revocation_writer is None or self._revocation_writer.close()
        is_written = self._writer is None or self._writer.close()
        if self._store_writer is not None and is_written:
            self._store_writer.close()
        if not is_written or not is_kept:
            what = "revocations" if is_written else "follows"
            log.error("%s are not on disk yet, and were not answered: leaving without them", what)
            os._exit(1)
        self._monitor.close()
        if self._gate is not None:
            self._gate.close()
        self._waker.close()
        self._socket.close()
        self._context.term()

    def turn(self) -> float:
        """Wait for what comes, but not past a tick, and do all that follows from it: one burst.

        Returns the time at which that was, on the monotonic clock [s].
        """
        now = self._drain()
        if self._store_writer is not None:
            self._store_changes(self._store_writer)
        if self._revocations_path is not None:
            self._keep_revocations(self._revocations_path)
        if now >= self._next_tick:
            self._next_tick = now + TICK_MS / 1000
            self._router.tick(now)
        if now >= self._next_look:
            self._next_look = now + LOOK_MS / 1000
            self._monitor.look(now, self._router.counters)
        if self._gate is not None and now >= self._next_list:
            self._next_list = now + LIST_S
            self._read_list(self._gate)
        self._flush(now)
        for loss in self._router.losses():
            # The name is the peer's own choice: %r keeps line ends and escapes out of the log.
            log.warning("logged out %r, which held %d ids: %s", loss.name, loss.ids, loss.why)
        return now

    def stop(self) -> None:
        """Leave the loop after the burst under way; may be called from a signal handler."""
        self._running = False

    def _wait_at_most(self, milliseconds: int) -> None:
        """For the next frame."""
        if milliseconds != self._waits_ms:
            self._waits_ms = milliseconds
            self._socket.set(zmq.RCVTIMEO, milliseconds)

    def _drain(self) -> float:
        """Wait for a frame, but not past a tick, and feed the router what has arrived, up to a burst.

        Returns the time at which that was, on the monotonic clock [s].
        """
        recv, known = self._socket.recv, self._router.known
        arrivals: list[tuple[bytes, bytes]] = []
        room = BURST_BYTES
        wait = _NOBLOCK if self._router.has_work() else 0  # for the first frame
        usual = LOOK_MS if self._monitor.pending_hellos else TICK_MS
        self._wait_at_most(PACE_MS if self._router.is_pacing() else usual)
        if self._gate is not None:
            self._gate.wait(0 if wait else self._waits_ms)
            wait = _NOBLOCK
        try:
            while room > 0 and len(arrivals) < BURST_FRAMES:
                address = recv(wait)
                if address in known:
                    frame = recv()
                else:
                    found = self._recv_from_stranger(address)
                    if found is None:
                        wait = _NOBLOCK
                        continue
                    frame = found
                arrivals.append((address, frame))
                room -= len(frame) if frame[1:2] == _SEND else cost(frame)
                # A frame that comes alone is the usual case, and an exception costs more than a question.
                if not wait and not _get(self._socket, _EVENTS) & _POLLIN:
                    break
                wait = _NOBLOCK
        except zmq.Again:
            pass
        now = time.monotonic()
        if arrivals:
            self._router.receive(arrivals, now)
            self._whose.clear()
        return now

    def _identified(self, address: bytes) -> Identity | None:
        """Whose key the connection has that just spoke first. From the answer to ZAP, never from the peer."""
        assert self._gate is not None
        return self._gate.who_is(self._whose.get(address, ""))

    def _read_list(self, gate: Gate) -> None:
        said = gate.allowed.refresh()
        if said is None:
            return
        if said:
            log.error("%s", said)
            return
        log.info("the allow list has %d keys now", len(gate.allowed.by_key))
        self._router.reidentify(lambda before: gate.who_is(before.public))

    def _store_changes(self, store_writer: StoreWriter) -> None:
        """Take what was stored, and give away what is to be."""
        if self._writer is not None:
            for number, outcome in self._writer.results():
                self._router.stored(number, outcome)
        jobs = self._router.changes()
        if jobs:
            if self._writer is None:
                self._writer = _writer(store_writer, self._wake)
            for job in jobs:
                self._writer.submit(job)

    def _keep_revocations(self, path: Path) -> None:
        """The same of revocations."""
        revocations = self._router.revocations
        if self._revocation_writer is not None:
            for number, error in self._revocation_writer.results():
                revocations.stored(number, error)
        for job in revocations.take():
            if self._revocation_writer is None:
                self._revocation_writer = _revocation_writer(path, self._wake)
            self._revocation_writer.submit(job)

    def _wake(self) -> None:
        """In a thread that writes: something was stored. If the queue is full, the loop is not asleep."""
        with self._waking, suppress(zmq.Again):
            self._waker.send(b"", _NOBLOCK)

    def _recv_from_stranger(self, address: bytes) -> bytes | None:
        """The frame behind an address that nobody has who said Hello; empty if it isn't one message.

        A message of ours is an address and one frame. Asking ZeroMQ whether more parts follow costs more than
        receiving them, so of known peers it isn't asked: a surplus part is then read as the next address,
        so it ends here and is refused. None: it is no peer's, or somebody's who claims an address that ROUTER
        makes up, and was cut off.
        """
        frame, parts, connection = b"", 0, -1
        while _get(self._socket, _RCVMORE):
            part = self._socket.recv(copy=False)
            with suppress(zmq.ZMQError):
                connection = part.get(zmq.SRCFD)
            if self._gate is not None:
                with suppress(zmq.ZMQError):
                    self._whose[address] = str(part.get("User-Id"))
            frame, parts = part.bytes, parts + 1
        if address == _STORE:
            return None
        if parts and connection >= 0:
            self._monitor.look(time.monotonic(), self._router.counters)
            if self._monitor.pending_hellos.is_made_up(address):
                self._monitor.pending_hellos.spoke(connection)
            elif address[:1] == b"\0":
                self._monitor.cut(connection, self._router.counters)
                return None
        return frame if parts == 1 else b""

    def _figures(self) -> dict[str, Any]:
        return {
            **process.figures(),
            "strangers": len(self._monitor.pending_hellos),
            "keys_refused": 0 if self._gate is None else self._gate.refused,
        }

    def _flush(self, now: float) -> None:
        """Send what the burst has made, and tell the router what could not be sent."""
        router = self._router
        dropped = router.counters.dropped_backlog
        for address, frame, gone in self._send_all(router.deliveries(now)):
            router.undeliverable(address, frame, gone)
        if router.counters.dropped_backlog > dropped:
            log.warning("dropped messages for a frontend that does not keep up")
        for address, frame, gone in self._send_all(router.replies()):
            router.unanswered(address, frame, gone)

    def _send_all(self, out: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes, bool]]:
        """Send each frame; returns those that could not be, and whether it was because the peer has gone."""
        send, socket = zmq.backend.Socket.send, self._socket
        unsent: list[tuple[bytes, bytes, bool]] = []
        for address, frame in out:
            try:
                send(socket, address, _MORE)
                send(socket, frame, _NOBLOCK)
            except zmq.ZMQError as error:
                if error.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                    raise
                unsent.append((address, frame, error.errno == zmq.EHOSTUNREACH))
        return unsent


def _writer(store_writer: StoreWriter, wake: Callable[[], None]) -> WriterThread:
    from zrouter.server.store_writer import WriterThread  # with all that a store needs, only now

    return WriterThread(store_writer, wake)


def _revocation_writer(path: Path, wake: Callable[[], None]) -> RevocationWriter:
    from zrouter.server.revocation_writer import RevocationFile, RevocationWriter  # with SQLite, only now

    return RevocationWriter(RevocationFile(path), wake)
