"""The DEALER socket that every peer talks through, with its monitor: the shell that both clients share.

Owns: the ZeroMQ sockets of one link, their options, and carrying a Session's frames. Must not know: how its
owner waits (poll or event loop).

A frame is queued only while a connection is complete (ZMQ_IMMEDIATE), so nothing waits unseen for a router
that is away, and a Hello is the first thing that a new connection carries.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final, cast

import zmq
import zmq.backend
from zmq.utils.monitor import recv_monitor_message

from zrouter.errors import RefusedError
from zrouter.link.curve_keys import CurveKeys
from zrouter.link.session import Session
from zrouter.wire import FORBIDDEN, Deliver, Delivery, Evict, Presence, Resumed, State, WireError
from zrouter.wire.arguments import is_ipv6

log = logging.getLogger("zrouter.link")

RECONNECT_MS: Final = 50
RECONNECT_MAX_MS: Final = 1000
QUEUE_FRAMES: Final = 1000  # in each direction, inside ZeroMQ; beyond it the router's window and we wait
# One burst: what is taken before its messages are written. More wait longer, and share more writes.
BURST_FRAMES: Final = 256
BURST_MESSAGES: Final = 4096
_NOBLOCK: Final = int(zmq.NOBLOCK)
_EVENTS: Final = int(zmq.EVENTS)
_POLLIN: Final = int(zmq.POLLIN)
# Unbound and with plain integers: pyzmq's own methods look the option up in an enum each time.
_get = cast(Callable[[Any, int], int], zmq.backend.Socket.get)
_FAILED: Final = {
    int(zmq.EVENT_HANDSHAKE_FAILED_AUTH): "auth",
    int(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL): "protocol",
    int(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL): "",
}
_WATCHED: Final = sum(_FAILED) + int(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
# A router that goes away amid handshakes breaks one; one that has another key breaks each.
_BROKEN: Final = 3


class Dealer:
    """One link to one router; opened anew when the session says that it is dead."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        router: str,
        session: Session,
        curve: CurveKeys | None = None,
    ) -> None:
        self.router = router
        self._curve = curve
        self._broken = 0  # handshakes, one after another
        self.session = session
        self._context = context
        self._unsent: list[bytes] = []
        self._lacks = False  # descriptors, when another connection was wanted last
        self.socket, self.monitor = self._sockets()
        self.socket.connect(router)

    def read_monitor(self, now: float) -> None:
        """Tell the session which connections came and went."""
        while True:
            try:
                event = recv_monitor_message(self.monitor, _NOBLOCK)["event"]
            except zmq.Again:
                return
            self._unsent.clear()
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._broken = 0
                self.session.opened(now)
            elif event in _FAILED:
                self._failed(_FAILED[event], now)
            else:
                self.session.closed()

    def _failed(self, how: str, now: float) -> None:
        """A handshake did; ZeroMQ tries again by itself only where it was not refused."""
        self._broken += 1
        if how == "auth":
            why = "the router does not know our key: is it in its allow list?"
        elif how == "protocol":
            why = (
                "the router wants keys (CURVE): give --curve-key-file"
                if self._curve is None
                else "the router has no keys (CURVE): leave --curve-key-file out, or give it some"
            )
        elif self._curve is not None and self._broken >= _BROKEN:
            why = "the handshake breaks each time: is that the key of this router, and does it know our key?"
        else:
            return
        self.session.shut_out(RefusedError(FORBIDDEN, f"{self.router}: {why}"), now)

    def receive(
        self,
        now: float,
        deliver: Callable[[list[Delivery]], None],
        evict: Callable[[list[bytes]], None],
        tell: Callable[[list[State]], None] = lambda _: None,
    ) -> bool:
        """Take what has come, up to a burst, and give away the messages and evictions for the ids we hold.

        `tell` gets `(id, connections)` of ids that we watch. True if nothing is left to take.
        """
        recv, receive, has_arrivals = self.socket.recv, self.session.receive, self.has_arrivals
        messages: list[Delivery] = []
        is_drained = False
        for _ in range(BURST_FRAMES):
            # Asked before each, because an exception for "nothing there" costs more than the question.
            if not has_arrivals():
                is_drained = True
                break
            frame = recv(_NOBLOCK)
            try:
                message = receive(frame, now)
            except WireError as error:
                log.warning("not a message of the router: %s", error)
                continue
            if type(message) is Deliver:
                messages += message.messages
                if message.fans:
                    messages += message.fanned()
                if len(messages) >= BURST_MESSAGES:
                    break
            elif message is not None:
                if messages:
                    deliver(messages)
                    messages = []
                if type(message) is Resumed:
                    self.session.resumed(message)
                elif type(message) is Evict:
                    evict(message.ids)
                elif type(message) is Presence:
                    tell(message.states)
        if messages:
            deliver(messages)
        return is_drained

    def flush(self, now: float) -> bool:
        """Send what the session has to say; False if some of it must wait for room in the queue.

        What has happened to the connection is looked at before: nothing is said onto one that has gone.
        """
        if _get(self.monitor, _EVENTS) & _POLLIN:
            self.read_monitor(now)
        out = self._unsent + self.session.outgoing(now) if self._unsent else self.session.outgoing(now)
        send, socket = zmq.backend.Socket.send, self.socket
        for index, frame in enumerate(out):
            try:
                send(socket, frame, _NOBLOCK)
            except zmq.Again:
                self._unsent = out[index:]
                return False
        if self._unsent:
            self._unsent = []
        return True

    def has_to_say(self) -> bool:
        """Whether `flush` would send something."""
        return bool(self._unsent) or self.session.has_to_say()

    def is_full(self) -> bool:
        """Whether frames wait for room in ZeroMQ's queue."""
        return bool(self._unsent)

    def has_arrivals(self) -> bool:
        """Whether a frame waits to be received."""
        return bool(_get(self.socket, _EVENTS) & _POLLIN)

    def reopen(self) -> None:
        """Drop the connection, which is dead or half-open, and make another.

        Where there are no descriptors for another, the old one stays, and the owner asks again later.
        """
        try:
            fresh = self._sockets()
        except zmq.ZMQError as error:
            if not self._lacks:
                log.warning("no new connection to the router %s: %s; it is tried again", self.router, error)
            self._lacks = True
            return
        self._lacks = False
        self.close()
        self.session.closed()
        self.socket, self.monitor = fresh
        self.socket.connect(self.router)

    def close(self) -> None:
        """End the link; frames that ZeroMQ still holds are dropped, so ask for a Done before."""
        self._unsent.clear()
        self.socket.disable_monitor()
        self.monitor.close(0)
        self.socket.close(0)

    def _sockets(self) -> tuple[zmq.Socket[bytes], zmq.Socket[bytes]]:
        """Both of them, or none.

        Raises:
            ZMQError: no descriptors, or no memory.
        """
        socket = self._context.socket(zmq.DEALER)
        socket.set(zmq.IMMEDIATE, 1)
        socket.set(zmq.LINGER, 0)
        socket.set(zmq.SNDHWM, QUEUE_FRAMES)
        socket.set(zmq.RCVHWM, QUEUE_FRAMES)
        socket.set(zmq.RECONNECT_IVL, RECONNECT_MS)
        socket.set(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
        socket.set(zmq.TCP_KEEPALIVE, 1)
        socket.set(zmq.IPV6, is_ipv6(self.router))
        if self._curve is not None:
            socket.set(zmq.CURVE_SERVERKEY, self._curve.router.encode())
            socket.set(zmq.CURVE_PUBLICKEY, self._curve.public.encode())
            socket.set(zmq.CURVE_SECRETKEY, self._curve.secret.encode())
        try:
            return socket, socket.get_monitor_socket(_WATCHED)
        except zmq.ZMQError:
            socket.close(0)
            raise
