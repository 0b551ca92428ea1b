"""RouterClient: what tools and users' programs talk to the router through, with calls that wait.

Owns: waiting, with deadlines. Must not know: the messages' bytes or the rules of a session (session.py);
zrouter/aio.py is the same for asyncio.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Final, NamedTuple

import zmq

from zrouter import wire
from zrouter.dealer import Dealer
from zrouter.session import Answer, LinkLostError, RouterError, RouterUnavailableError, Session, batches
from zrouter.wire import Pair

DEFAULT_TIMEOUT_S: Final = 5.0
# A program that computes for half a minute between two calls keeps its place; see renew() in session.py.
LEASE_S: Final = 30.0
# Batches of send_many that wait for their receipts at a time.
_BATCHES_UNDER_WAY: Final = 32
_TICK_S: Final = 0.25


class Received(NamedTuple):
    """A message for one of the ids that a client is logged in as."""

    id: str
    message: bytes


def as_id(an_id: str | bytes) -> bytes:
    """The id's bytes.

    Raises:
        WireError: it is not 1 to 255 bytes of UTF-8.
    """
    found = an_id.encode() if isinstance(an_id, str) else an_id
    wire.check_ids([found])
    return found


def default_name(kind: str) -> str:
    """How a process introduces itself if nobody named it: `kind@host:pid`."""
    return f"{kind}@{socket.gethostname()}:{os.getpid()}"


class RouterClient:
    """A link to the router whose calls wait until they are answered.

    >>> with RouterClient("tcp://127.0.0.1:5570") as router:
    ...     router.send("user:123", b"hello")
    1

    Not for several threads at once. Every call that waits takes at most `timeout_s` (None: for ever), then
    raises RouterUnavailableError. LinkLostError means that the link broke after the request was sent, so
    nobody knows whether it was carried out; with `retry` it is sent again, and may then arrive twice.
    """

    def __init__(
        self,
        router: str = "tcp://127.0.0.1:5570",
        *,
        name: str | None = None,
        timeout_s: float | None = DEFAULT_TIMEOUT_S,
        retry: bool = False,
    ) -> None:
        self._timeout_s = timeout_s
        self._retry = retry
        self._held: dict[bytes, int] = {}
        self._received: list[Received] = []
        self._session = Session(
            name or default_name("client"),
            os.urandom(8),
            LEASE_S,
            holdings=lambda: self._held,
            connections=lambda an_id: self._held.get(an_id, 0),
        )
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._dealer = Dealer(self._context, router, self._session)
        self._closed = False

    def __enter__(self) -> RouterClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def send(self, an_id: str | bytes, message: bytes | str, *, timeout_s: float | None = -1.0) -> int:
        """Send one message; how many connections it was handed to (0 = nobody).

        Raises:
            RefusedError: the message is too long, or the id is not one.
            RouterUnavailableError, LinkLostError: see the class.
        """
        body = message.encode() if isinstance(message, str) else message
        pairs = [(as_id(an_id), body)]
        handed: list[int] = self._call(lambda request: wire.Send(request, pairs), timeout_s)
        return handed[0]

    def send_many(
        self, pairs: Iterable[Pair], *, receipts: bool = True, timeout_s: float | None = -1.0
    ) -> list[int]:
        """Send many `(id, message)`, in order; for each, how many connections it was handed to.

        The timeout is for each step forward, not for all of it. With `receipts=False` nothing is asked, the
        list stays empty, and `close()` tells whether all were taken.

        Raises:
            RefusedError, RouterUnavailableError, LinkLostError: as `send`; what went before was sent.
        """
        handed: list[int] = []
        under_way: list[_Slot] = []
        self._be_up(self._deadline(timeout_s))
        assert self._session.welcome is not None
        for batch in batches(pairs, self._session.welcome.max_frame):
            deadline = self._deadline(timeout_s)
            self._be_up(deadline)
            if receipts:
                slot = _Slot()
                self._session.ask(partial(wire.Send, pairs=batch), slot.fill)
                under_way.append(slot)
                if len(under_way) >= _BATCHES_UNDER_WAY:
                    handed += self._wait(under_way.pop(0), deadline)
            else:
                self._session.send_unreceipted(batch)
            self._push(deadline)
        for slot in under_way:
            handed += self._wait(slot, self._deadline(timeout_s))
        return handed

    def login(self, *ids: str | bytes, timeout_s: float | None = -1.0) -> Iterator[Received]:
        """Log in as these ids and return an iterator over their messages as they come; it never ends.

        The login is known to the router when this returns. If the router comes back from a restart, the
        client logs in again by itself.
        """
        for an_id in map(as_id, ids):
            self._held[an_id] = 1
            self._session.changed(an_id)
        deadline = self._deadline(timeout_s)
        while not self._session.is_settled():
            self._pump(deadline, "the router did not take the login")
        if self._session.refused_login is not None:
            raise self._session.refused_login
        return self._messages()

    def logout(self, *ids: str | bytes) -> None:
        """Log out of these ids; messages that came before are still given by the iterator."""
        for an_id in map(as_id, ids):
            self._held.pop(an_id, None)
            self._session.changed(an_id)
        self._push(self._deadline(-1.0))

    def who(self, *ids: str | bytes, timeout_s: float | None = -1.0) -> dict[str, list[tuple[str, int]]]:
        """For each id `[(frontend, connections), ...]`; an empty list if nobody holds it."""
        keys = [as_id(an_id) for an_id in ids]
        answer: wire.Holders = self._call(lambda request: wire.Who(request, keys), timeout_s)
        return {key.decode(): found for key, found in zip(keys, answer.holders, strict=True)}

    def stats(self, *, timeout_s: float | None = -1.0) -> dict[str, Any]:
        """The router's figures, by name: docs/wire-protocol.md lists them."""
        answer: wire.Figures = self._call(wire.Stats, timeout_s)
        return answer.figures

    def kick(self, *ids: str | bytes, timeout_s: float | None = -1.0) -> int:
        """End every connection of these ids, wherever it is; how many were asked to end."""
        keys = [as_id(an_id) for an_id in ids]
        answer: wire.Done = self._call(lambda request: wire.Kick(request, keys), timeout_s)
        return answer.count

    @property
    def lost_messages(self) -> int:
        """Messages for our ids that never came: the link broke or the router had to drop them."""
        return self._session.lost_messages

    def close(self, *, timeout_s: float | None = -1.0) -> int:
        """Leave, once the router has taken all that was sent; returns how many sends it did not confirm.

        That can only be messages sent with `receipts=False`.
        """
        if self._closed:
            return 0
        self._closed = True
        try:
            if self._session.welcome is not None:
                done: wire.Done = self._call(wire.Goodbye, timeout_s)
                self._session.unconfirmed = max(0, self._session.unconfirmed - done.count)
        except RouterError:
            pass  # what was not confirmed is counted, and returned
        finally:
            self._dealer.close()
            self._context.term()
        return self._session.unconfirmed

    # ---- waiting ---------------------------------------------------------------------------------------

    def _deadline(self, timeout_s: float | None) -> float | None:
        """When to give up, on the monotonic clock; -1 stands for the client's own timeout."""
        chosen = self._timeout_s if timeout_s == -1.0 else timeout_s
        return None if chosen is None else time.monotonic() + chosen

    def _call(self, make: Any, timeout_s: float | None) -> Answer:
        deadline = self._deadline(timeout_s)
        while True:
            self._be_up(deadline)
            slot = _Slot()
            request = self._session.ask(make, slot.fill)
            try:
                return self._wait(slot, deadline)
            except LinkLostError:
                if not self._retry:
                    raise
            except RouterUnavailableError:
                self._session.give_up(request)
                raise

    def _wait(self, slot: _Slot, deadline: float | None) -> Answer:
        while not slot.filled:
            self._pump(deadline, "the router did not answer in time")
        if isinstance(slot.answer, RouterError):
            raise slot.answer
        return slot.answer

    def _be_up(self, deadline: float | None) -> None:
        """Return when the router knows us."""
        if self._session.is_stale(now := time.monotonic()):
            self._session.renew(now)
        while self._session.welcome is None:
            self._pump(deadline, f"no router answers at {self._dealer.router}")

    def _push(self, deadline: float | None) -> None:
        """Hand what is to be said to ZeroMQ, waiting for room if its queue is full."""
        while not self._dealer.flush(time.monotonic()):
            self._pump(deadline, "the router does not take messages")

    def _pump(self, deadline: float | None, complaint: str) -> None:
        """Carry on the link's business until something happened or a little time passed."""
        now = time.monotonic()
        if deadline is not None and now >= deadline:
            raise RouterUnavailableError(complaint)
        if not self._session.tick(now):
            self._dealer.reopen()
        flushed = self._dealer.flush(now)
        wait_s = _TICK_S if deadline is None else min(_TICK_S, deadline - now)
        poller = zmq.Poller()
        poller.register(self._dealer.monitor, zmq.POLLIN)
        poller.register(self._dealer.socket, zmq.POLLIN if flushed else zmq.POLLIN | zmq.POLLOUT)
        ready = dict(poller.poll(max(1, int(wait_s * 1000))))
        now = time.monotonic()
        if self._dealer.monitor in ready:
            self._dealer.read_monitor(now)
        if self._dealer.socket in ready:
            pairs: list[Pair] = []
            evictions: list[bytes] = []
            self._dealer.receive(now, pairs, evictions)
            self._received += [Received(an_id.decode(), body) for an_id, body in pairs]
            self._evicted(evictions)
        if self._session.fatal is not None:
            raise self._session.fatal

    def _evicted(self, ids: Sequence[bytes]) -> None:
        for an_id in ids:
            if self._held.pop(an_id, None):
                self._session.changed(an_id)

    def _messages(self) -> Iterator[Received]:
        """Give what has come, then wait for more; ends when no id is left, for the last was kicked."""
        while self._received or self._held:
            if self._received:
                batch, self._received = self._received, []
                yield from batch
            else:
                self._pump(None, "")


class _Slot:
    """Where the answer to one request will be."""

    __slots__ = ("answer", "filled")

    def __init__(self) -> None:
        self.filled = False
        self.answer: Answer = None

    def fill(self, answer: Answer) -> None:
        self.filled, self.answer = True, answer
