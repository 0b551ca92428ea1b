"""What both faces of the client share: requests and what their answers mean, what is held, what has come.

Owns: what a client's requests are, and the parts of its link, put together. Must not know: how anybody waits;
that is blocking.py and asynchronous.py.
"""

from __future__ import annotations

import enum
import errno
import logging
import os
import socket
import weakref
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar, cast

import zmq

from zrouter import wire
from zrouter.client.claims import Claims
from zrouter.client.inbox import Inbox
from zrouter.client.presence_feed import PresenceFeed
from zrouter.errors import RouterError
from zrouter.link.curve_keys import read_curve_keys
from zrouter.link.dealer import Dealer
from zrouter.link.session import Session
from zrouter.wire import Message, Pair
from zrouter.wire.arguments import as_bytes as as_bytes
from zrouter.wire.arguments import as_id as as_id
from zrouter.wire.arguments import as_ids as as_ids
from zrouter.wire.arguments import as_key as as_key
from zrouter.wire.arguments import as_pair as as_pair
from zrouter.wire.arguments import check_count, check_endpoint, check_pairs, check_timeout

log = logging.getLogger("zrouter.link")

DEFAULT_TIMEOUT_S: Final = 5.0
DEFAULT_MAX_RECEIVED: Final = 100_000
# A program that computes for half a minute between two calls keeps its place; see renew() in session.py.
LEASE_S: Final = 30.0
# The router says something each second. A link on which nothing came for so long while somebody looked was
# cut, or the router hangs: another is tried.
PATIENCE_S: Final = 4.0
# Of closing, whatever the time-out of the other calls is; and how many messages without a receipt the router
# is given another second for.
CLOSE_S: Final = 2.0
CLOSE_MESSAGES: Final = 50_000
# Batches of send_many that wait for their receipts at a time.
BATCHES_UNDER_WAY: Final = 32
# The longest key of a `send_many`: its batches have keys of their own, made of it and their number.
MAX_BATCHES_KEY_BYTES: Final = 240
# Ids that a request asks for; the answer has a row for each.
_IDS_ASKED: Final = 2000
TICK_S: Final = 0.25

# What ZeroMQ says of an address that it can not use.
_NO_ADDRESS: Final = (errno.EINVAL, errno.ENODEV, errno.ENAMETOOLONG, errno.EPROTONOSUPPORT)

Result = TypeVar("Result")
# An id and a message, or two ids; str: UTF-8.
AnyPair: TypeAlias = tuple[str | bytes, str | bytes]


class _Default(enum.Enum):
    TIMEOUT = "the client's own"


CLIENT_TIMEOUT: Final = _Default.TIMEOUT
# Seconds; None = for ever.
Timeout: TypeAlias = float | _Default | None


class PublishReceipt(NamedTuple):
    """What became of a publish: of `followers`, `online` are logged in; it was `handed` to their connections.

    `kept` = followers that left a short while ago and get it when they come back.
    """

    followers: int
    online: int
    handed: int
    kept: int


class Counts(NamedTuple):
    """How many follow an id, and how many it follows."""

    followers: int
    following: int


class Page(NamedTuple):
    """Some of so many ids."""

    total: int
    ids: list[bytes]


def chosen(timeout_s: Timeout, own: float | None) -> float | None:
    """The seconds of this call; None = for ever.

    Raises:
        TypeError, ValueError: they are none.
    """
    return own if timeout_s is CLIENT_TIMEOUT else check_timeout(timeout_s)


def close_timeout(timeout_s: Timeout, unconfirmed: int) -> float | None:
    """The same of closing."""
    return chosen(timeout_s, CLOSE_S + unconfirmed / CLOSE_MESSAGES)


class Call(NamedTuple, Generic[Result]):
    """A request, made with a number, and what its answer means."""

    make: Callable[[int], Message]
    result: Callable[[Any], Result]


def as_pairs(pairs: Iterable[AnyPair]) -> Iterator[Pair]:
    """The pairs' bytes. If the first is of bytes, all are taken to be: to look at each costs too much."""
    each = iter(pairs)
    first = next(each, None)
    if first is None:
        return iter(())
    whole = chain((first,), each)
    if not isinstance(first, tuple | list) or len(first) != 2:
        check_pairs([first])
    if isinstance(first[0], bytes) and isinstance(first[1], bytes):
        return cast(Iterator[Pair], whole)
    return ((as_bytes(one, "an id"), as_bytes(other, "a message")) for one, other in whole)


def batch_key(key: bytes, number: int) -> bytes:
    """The key of that batch of a `send_many`: another for each, the same when it is tried again."""
    return b"%b/%d" % (key, number) if key else b""


def portions(ids: Iterable[str | bytes], max_frame: int) -> Iterator[list[bytes]]:
    """These ids in portions that fit a frame each, at least one.

    Raises:
        WireError: one of them is not an id.
    """
    keys = as_ids(ids)
    most = min(_IDS_ASKED, max(1, (max_frame - wire.SEND_BYTES) // (wire.MAX_ID_BYTES + wire.PAIR_BYTES)))
    for first in range(0, max(1, len(keys)), most):
        yield keys[first : first + most]


def default_name(kind: str) -> str:
    """How a process introduces itself if nobody named it: `kind@host:pid`."""
    return f"{kind}@{socket.gethostname()}:{os.getpid()}"


def _tell_safely(on_link: Callable[[bool], None], is_there: bool) -> None:
    """What the program makes of it is no part of the link's work, which goes on."""
    try:
        on_link(is_there)
    except Exception:
        log.exception("on_link raised")


def _own_name() -> str:
    """Of a client that nobody named: the first of a process is `client@host:pid`, the next `...:pid-2`."""
    pid = os.getpid()
    made = _made[pid] = _made.get(pid, 0) + 1
    return default_name("client") + (f"-{made}" if made > 1 else "")


_cores: weakref.WeakSet[Connection] = weakref.WeakSet()
# Links that are another process's: ZeroMQ's objects are not even to be destroyed here.
_inherited: list[Connection] = []


def _forked() -> None:
    for one in list(_cores):
        one.is_inherited = True
        _inherited.append(one)
    _cores.clear()


os.register_at_fork(after_in_child=_forked)
_made: dict[int, int] = {}  # clients of each process, this one and those that it was forked from


def send_call(pairs: list[Pair], key: bytes = b"") -> Call[list[int]]:
    """Answered by the connections that each pair was handed to."""
    return Call(lambda request: wire.Send(request, pairs, key), list)


def publish_call(pairs: list[Pair], key: bytes = b"") -> Call[list[PublishReceipt]]:
    """Answered by what became of each."""
    return Call(
        lambda request: wire.Publish(request, pairs, key),
        lambda answer: [PublishReceipt(*receipt) for receipt in answer.receipts],
    )


def follow_call(pairs: list[Pair], key: bytes = b"") -> Call[list[int]]:
    """Answered, once they are on disk, by how many of the pairs are new; it needs no key."""
    return Call(lambda request: wire.Follows(request, pairs), lambda answer: [int(answer.count)])


def unfollow_call(pairs: list[Pair], key: bytes = b"") -> Call[list[int]]:
    """Answered, once that is on disk, by how many of the pairs there were; it needs no key."""
    return Call(lambda request: wire.Unfollows(request, pairs), lambda answer: [int(answer.count)])


def related_call(an_id: bytes, is_followers: bool, after: bytes, limit: int) -> Call[Page]:
    """Answered by a page of who follows an id, or of whom it follows."""
    return Call(
        lambda request: wire.Related(request, an_id, is_followers, after, limit),
        lambda answer: Page(answer.total, answer.ids),
    )


def follow_pairs(subscriber: str | bytes, subscribees: Iterable[str | bytes]) -> list[Pair]:
    """One subscriber with each subscribee.

    Raises:
        WireError: one of them is no id.
    """
    own = as_id(subscriber)
    return [(own, as_id(subscribee)) for subscribee in subscribees]


def who_call(keys: list[bytes]) -> Call[dict[str, list[tuple[str, int]]]]:
    """Answered by the frontends of each id, with the number of connections on each."""
    names = [key.decode() for key in keys]
    return Call(
        lambda request: wire.Who(request, keys), lambda answer: dict(zip(names, answer.holders, strict=True))
    )


def stats_call() -> Call[dict[str, Any]]:
    """Answered by the router's figures."""
    return Call(wire.Stats, lambda answer: dict(answer.figures))


def kick_call(keys: list[bytes]) -> Call[int]:
    """Answered by the number of connections that were asked to end."""
    return Call(lambda request: wire.Kick(request, keys), lambda answer: int(answer.count))


def revoke_call(revocation: wire.Revocation) -> Call[int]:
    """Answered, once that is on disk, by the number of frontends that were told."""
    return Call(lambda request: wire.Revoke(request, [revocation]), lambda answer: int(answer.count))


def goodbye_call() -> Call[int]:
    """Answered, once all that was sent before has been routed, by how many messages that were."""
    return Call(wire.Goodbye, lambda answer: int(answer.count))


class Wish(NamedTuple):
    """A login or a watch under way; its outcome belongs to the call that made it."""

    is_so: Callable[[], bool]  # the router has answered
    refusal: Callable[[], Exception | None]  # what it has against it
    keep: Callable[[], None]
    undo: Callable[[], None]  # it failed: it has done nothing

    def end(self) -> None:
        """Return if the router took it.

        Raises:
            RefusedError: it did not.
        """
        refusal = self.refusal()
        if refusal is not None:
            raise refusal
        self.keep()


class Connection:
    """One client's link, its ids and its messages, and what it watches."""

    def __init__(
        self,
        router: str,
        name: str | None,
        max_received: int,
        on_link: Callable[[bool], None] | None,
        curve_key_file: str | None = None,
    ) -> None:
        # Before anything is opened.
        check_endpoint(router)
        curve = None if curve_key_file is None else read_curve_keys(curve_key_file, is_peer=True)
        self.inbox = Inbox(check_count(max_received, "max_received"))
        self.watching = PresenceFeed()
        self._logins, self._watches = Claims(), Claims()
        held, watched = self.inbox.held, self.watching.watched
        self.session = Session(
            name or _own_name(),
            os.urandom(8),
            LEASE_S,
            holdings=lambda: held,
            connections=lambda an_id: held.get(an_id, 0),
            on_link=None if on_link is None else partial(_tell_safely, on_link),
            resumption=self.inbox.resumption,
            watching=lambda: watched,
            is_watched=watched.__contains__,
            patience_s=PATIENCE_S,
        )
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self.dealer = Dealer(self.context, router, self.session, curve)
        except zmq.ZMQError as error:
            self.context.destroy(0)
            if error.errno in _NO_ADDRESS:
                raise ValueError(f"{router!r} is not an address: {error.strerror}") from None
            raise
        # In a process that was forked: the link is that of the other one, and is not touched.
        self.is_inherited = False
        _cores.add(self)
        self.is_leaving = False
        self.is_closed = False

    def log_in(self, ids: Iterable[str | bytes], since: str | None) -> Wish:
        """Log in as these ids from now on, and again whenever the router forgot it."""
        keys = as_ids(ids)
        call = self._logins.begin(keys, self.inbox.held)
        login = self.inbox.hold(keys, since)
        for an_id in keys:
            self.session.changed(an_id)

        def is_so() -> bool:
            return self.session.is_settled() and (
                self.session.refusal_of_login(keys) is not None or login not in self.inbox.resumption
            )

        return Wish(
            is_so,
            lambda: self.session.refusal_of_login(keys),
            lambda: self._logins.keep(keys),
            lambda: self.release(self._logins.undo(keys, call)),
        )

    def release(self, ids: Iterable[str | bytes]) -> None:
        """Log out of these ids."""
        for an_id in self.inbox.release(as_ids(ids)):
            self.session.changed(an_id)

    def watch(self, ids: Iterable[str | bytes]) -> Wish:
        """Watch these ids from now on, and again whenever the router forgot it."""
        keys = as_ids(ids)
        call = self._watches.begin(keys, self.watching.watched)
        self.watching.watch(keys)
        for an_id in keys:
            self.session.watch_changed(an_id)
        return Wish(
            self.session.is_settled,
            lambda: self.session.refusal_of_watch(keys),
            lambda: self._watches.keep(keys),
            lambda: self.unwatch(self._watches.undo(keys, call)),
        )

    def unwatch(self, ids: Iterable[str | bytes]) -> None:
        """Watch these no more."""
        for an_id in self.watching.unwatch(as_ids(ids)):
            self.session.watch_changed(an_id)

    def take(self, now: float) -> bool:
        """Take what has come; False if there is more."""
        return self.dealer.receive(now, self.inbox.deliver, self.release, self.watching.tell)

    def is_silent(self, now: float, for_s: float) -> bool:
        """Whether nothing at all came for so long, of what was asked for and of what comes by itself."""
        self.dealer.read_monitor(now)
        while not self.take(now):
            pass
        return self.session.is_silent(now, for_s)

    def check_open(self) -> None:
        """Refuse to work after `close()`.

        Raises:
            RouterError: the client is closed.
        """
        if self.is_leaving:
            raise RouterError("the client is closed")

    def close(self) -> None:
        """End the link."""
        self.is_leaving = self.is_closed = True
        self.dealer.close()
        self.context.term()
