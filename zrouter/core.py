"""What both faces of the client share: requests and what their answers mean, what is held, what has come.

Owns: a client's ids, the bounded queue of messages that nobody has taken yet, the link's parts put together.
Must not know: how anybody waits; that is client.py and aio.py.
"""

from __future__ import annotations

import enum
import os
import socket
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

import zmq

from zrouter import wire
from zrouter.dealer import Dealer
from zrouter.session import RouterError, Session
from zrouter.wire import Delivery, Message, Pair

DEFAULT_TIMEOUT_S: Final = 5.0
DEFAULT_MAX_RECEIVED: Final = 100_000
# A program that computes for half a minute between two calls keeps its place; see renew() in session.py.
LEASE_S: Final = 30.0
# Batches of send_many that wait for their receipts at a time.
BATCHES_UNDER_WAY: Final = 32
TICK_S: Final = 0.25

Result = TypeVar("Result")


class _Default(enum.Enum):
    TIMEOUT = "the client's own"


CLIENT_TIMEOUT: Final = _Default.TIMEOUT
# Seconds; None = for ever.
Timeout: TypeAlias = float | _Default | None


class Received(NamedTuple):
    """A message for one of the ids that a client is logged in as."""

    id: str
    message: bytes


class Call(NamedTuple, Generic[Result]):
    """A request, made with a number, and what its answer means."""

    make: Callable[[int], Message]
    result: Callable[[Any], Result]


def as_id(an_id: str | bytes) -> bytes:
    """The id's bytes.

    Raises:
        WireError: it is not 1 to 255 bytes of UTF-8.
    """
    found = an_id.encode() if isinstance(an_id, str) else an_id
    wire.check_ids([found])
    return found


def as_pair(an_id: str | bytes, message: str | bytes) -> Pair:
    """What one send carries.

    Raises:
        WireError: the id is not one.
    """
    return (as_id(an_id), message.encode() if isinstance(message, str) else message)


def default_name(kind: str) -> str:
    """How a process introduces itself if nobody named it: `kind@host:pid`."""
    return f"{kind}@{socket.gethostname()}:{os.getpid()}"


def send_call(pairs: list[Pair]) -> Call[list[int]]:
    """Answered by the connections that each pair was handed to."""
    return Call(lambda request: wire.Send(request, pairs), list)


def who_call(ids: Iterable[str | bytes]) -> Call[dict[str, list[tuple[str, int]]]]:
    """Answered by the frontends of each id, with the number of connections on each."""
    keys = [as_id(an_id) for an_id in ids]
    names = [key.decode() for key in keys]
    return Call(
        lambda request: wire.Who(request, keys), lambda answer: dict(zip(names, answer.holders, strict=True))
    )


def stats_call() -> Call[dict[str, Any]]:
    """Answered by the router's figures."""
    return Call(wire.Stats, lambda answer: dict(answer.figures))


def kick_call(ids: Iterable[str | bytes]) -> Call[int]:
    """Answered by the number of connections that were asked to end."""
    keys = [as_id(an_id) for an_id in ids]
    return Call(lambda request: wire.Kick(request, keys), lambda answer: int(answer.count))


def goodbye_call() -> Call[int]:
    """Answered, once all that was sent before has been routed, by how many messages that were."""
    return Call(wire.Goodbye, lambda answer: int(answer.count))


class Core:
    """One client's link, its ids and its messages."""

    def __init__(
        self, router: str, name: str | None, max_received: int, on_link: Callable[[bool], None] | None
    ) -> None:
        self.held: dict[bytes, int] = {}
        self.received: deque[Received] = deque()
        self.dropped_messages = 0  # came, and were the oldest when the queue was full
        self._max_received = max_received
        self.session = Session(
            name or default_name("client"),
            os.urandom(8),
            LEASE_S,
            holdings=lambda: self.held,
            connections=lambda an_id: self.held.get(an_id, 0),
            on_link=on_link,
        )
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.dealer = Dealer(self.context, router, self.session)
        self.is_closed = False

    def hold(self, ids: Iterable[str | bytes]) -> None:
        """Log in as these ids from now on, and again whenever the router forgot it."""
        for an_id in [as_id(an_id) for an_id in ids]:
            self.held[an_id] = 1
            self.session.changed(an_id)

    def release(self, ids: Iterable[str | bytes]) -> None:
        """Log out of these ids."""
        for an_id in map(as_id, ids):
            if self.held.pop(an_id, None):
                self.session.changed(an_id)

    def take(self, now: float) -> bool:
        """Take what has come; False if there is more."""
        return self.dealer.receive(now, self._deliver, self.release)

    def _deliver(self, messages: list[Delivery]) -> None:
        self.received.extend(Received(an_id.decode(), message) for an_id, message, _ in messages)
        while len(self.received) > self._max_received:
            self.received.popleft()
            self.dropped_messages += 1

    def check_open(self) -> None:
        """Refuse to work after `close()`.

        Raises:
            RouterError: the client is closed.
        """
        if self.is_closed:
            raise RouterError("the client is closed")

    def check_login(self) -> None:
        """Raise what the router had against the last login.

        Raises:
            RefusedError: it did not take it.
        """
        refused, self.session.refused_login = self.session.refused_login, None
        if refused is not None:
            raise refused

    def confirmed(self, count: int) -> None:
        """A Goodbye was answered: so many messages were taken."""
        self.session.unconfirmed = max(0, self.session.unconfirmed - count)

    def close(self) -> None:
        """End the link."""
        self.dealer.close()
        self.context.term()
