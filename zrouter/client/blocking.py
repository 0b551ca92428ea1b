"""RouterClient: what tools and users' programs talk to the router through, with calls that wait.

Owns: its verbs and what they promise. Must not know: how a call waits (blocking_driver.py), what requests and
answers mean (connection.py), the rules of a session (session.py); asynchronous.py is the same for asyncio.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import Any, overload

from zrouter import wire
from zrouter.client import connection
from zrouter.client.blocking_driver import BlockingDriver
from zrouter.client.connection import (
    CLIENT_TIMEOUT,
    AnyPair,
    Counts,
    Page,
    PublishReceipt,
    Timeout,
    default_name,
)
from zrouter.client.inbox import Gap, Received
from zrouter.client.presence_feed import Presence
from zrouter.wire.arguments import check_timeout
from zrouter.wire.revoking import DEFAULT_KEEP_S, revocation

__all__ = ["Counts", "Gap", "Page", "Presence", "PublishReceipt", "Received", "RouterClient", "default_name"]


class RouterClient(BlockingDriver):
    """A link to the router whose calls wait until they are answered.

    >>> with RouterClient("tcp://127.0.0.1:5570") as router:
    ...     router.send("user:123", b"hello")
    1

    Threads may share one: their calls take turns. In a process that was forked it makes a link of its own,
    and is not logged in.

    Every call that waits takes at most `timeout_s` seconds (None: for ever), then raises
    RouterUnavailableError. LinkLostError means that the link broke after the request was sent, so nobody
    knows whether it was carried out; with `retry` it is sent again, and may then arrive twice, unless it has
    a key.

    A `key` is the caller's own name for a send, 1 to 255 bytes (str: UTF-8) that nobody else chooses. Sent
    again with the same key and the same messages, on any link, it is not routed again and gets the receipts
    of the first time, as long as the router remembers it (`--idempotency-seconds`; not across its restart).

    `curve_key_file` is a file of `zrouter keygen`, for a router that wants keys; CurveKeyError, a ValueError:
    it can't be used. A call for which the key has not the role raises RefusedError with the code `forbidden`.

    `on_link` is called with False when the router has been away for a second, at the start too, and with True
    when it is there after that.

    It works on the link only while a call waits. A client that is logged in and makes no call for 30 seconds
    is forgotten; its next call greets the router anew, and what was sent to its ids meanwhile is lost to it.
    """

    def __init__(
        self,
        router: str = wire.DEFAULT_ROUTER,
        *,
        name: str | None = None,
        timeout_s: float | None = connection.DEFAULT_TIMEOUT_S,
        retry: bool = False,
        max_received: int = connection.DEFAULT_MAX_RECEIVED,
        on_link: Callable[[bool], None] | None = None,
        curve_key_file: str | None = None,
    ) -> None:
        check_timeout(timeout_s)  # before anything is opened
        super().__init__(
            partial(connection.Connection, router, name, max_received, on_link, curve_key_file),
            timeout_s,
            retry,
        )

    def __enter__(self) -> RouterClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def send(
        self,
        an_id: str | bytes,
        message: bytes | str,
        *,
        key: str | bytes | None = None,
        timeout_s: Timeout = CLIENT_TIMEOUT,
    ) -> int:
        """Send one message; how many connections it was handed to (0 = nobody).

        Raises:
            RefusedError: the message is too long, or another one had this key.
            WireError: the id is not one, or the key.
            RouterUnavailableError, LinkLostError: see the class.
        """
        call = connection.send_call([connection.as_pair(an_id, message)], connection.as_key(key))
        return self._call(call, timeout_s)[0]

    def send_many(
        self,
        pairs: Iterable[AnyPair],
        *,
        receipts: bool = True,
        key: str | bytes | None = None,
        timeout_s: Timeout = CLIENT_TIMEOUT,
    ) -> list[int]:
        """Send many `(id, message)`, in order; for each, how many connections it was handed to.

        The timeout is for each step forward, not for all of it. With `receipts=False` nothing is asked, the
        list stays empty, and `close()` tells whether all were taken.

        The pairs are cut into batches, the same pairs always the same way. With a key, of at most 240 bytes,
        batch i has the key `key/i`: what fails is done by the same call once more, and each message is routed
        once. With `retry` too, batches that a broken link may have lost are sent again, in order.

        Raises:
            RefusedError, RouterUnavailableError, LinkLostError: as `send`; `handed` of the error is the list
                for the pairs that were answered before.
        """
        return self._in_batches(connection.send_call, pairs, key, timeout_s, receipts=receipts)

    def publish(
        self,
        an_id: str | bytes,
        message: bytes | str,
        *,
        key: str | bytes | None = None,
        timeout_s: Timeout = CLIENT_TIMEOUT,
    ) -> PublishReceipt:
        """Send one message to everyone who follows the id and is logged in; what became of it.

        Raises:
            RefusedError: the message is too long, another one had this key, or the router has no store.
            WireError: the id is not one, or the key.
            RouterUnavailableError, LinkLostError: see the class.
        """
        call = connection.publish_call([connection.as_pair(an_id, message)], connection.as_key(key))
        return self._call(call, timeout_s)[0]

    def publish_many(
        self,
        pairs: Iterable[AnyPair],
        *,
        key: str | bytes | None = None,
        timeout_s: Timeout = CLIENT_TIMEOUT,
    ) -> list[PublishReceipt]:
        """Publish many `(id, message)`; those of one id in order. Timeout, key and errors as `send_many`."""
        return self._in_batches(connection.publish_call, pairs, key, timeout_s)

    def follow(
        self, subscriber: str | bytes, *subscribees: str | bytes, timeout_s: Timeout = CLIENT_TIMEOUT
    ) -> int:
        """Let one follow these from the next publish on; it is on disk. How many it did not follow before.

        Raises:
            RefusedError: the router has no store, or it failed, or too much waits for the disk.
            WireError: an id is not one.
            RouterUnavailableError, LinkLostError: see the class; what was asked may be done by then.
        """
        return self.follow_many(connection.follow_pairs(subscriber, subscribees), timeout_s=timeout_s)

    def unfollow(
        self, subscriber: str | bytes, *subscribees: str | bytes, timeout_s: Timeout = CLIENT_TIMEOUT
    ) -> int:
        """Let one follow these no more; how many it followed. Errors as `follow`."""
        return self.unfollow_many(connection.follow_pairs(subscriber, subscribees), timeout_s=timeout_s)

    def follow_many(self, pairs: Iterable[AnyPair], *, timeout_s: Timeout = CLIENT_TIMEOUT) -> int:
        """Store many `(subscriber, subscribee)`, in order; how many are new. Errors as `follow`."""
        return sum(self._in_batches(connection.follow_call, pairs, None, timeout_s))

    def unfollow_many(self, pairs: Iterable[AnyPair], *, timeout_s: Timeout = CLIENT_TIMEOUT) -> int:
        """Forget many `(subscriber, subscribee)`, in order; how many there were. Errors as `follow`."""
        return sum(self._in_batches(connection.unfollow_call, pairs, None, timeout_s))

    def followers(self, an_id: str | bytes, *, timeout_s: Timeout = CLIENT_TIMEOUT) -> list[str]:
        """Who follows an id. The timeout is for each page. Errors as `follow`."""
        return self._related(connection.as_id(an_id), True, timeout_s)

    def following(self, an_id: str | bytes, *, timeout_s: Timeout = CLIENT_TIMEOUT) -> list[str]:
        """Whom an id follows. The timeout is for each page. Errors as `follow`."""
        return self._related(connection.as_id(an_id), False, timeout_s)

    def page(
        self,
        an_id: str | bytes,
        *,
        is_followers: bool,
        after: str | bytes = b"",
        limit: int = wire.MAX_RELATIONS,
        timeout_s: Timeout = CLIENT_TIMEOUT,
    ) -> Page:
        """A page of at most so many of them, behind the last of the page before; limit 0 = only count.

        Raises:
            RefusedError: also if no id is called as the last of the page before; else as `follow`.
        """
        last = connection.as_id(after) if after else b""
        return self._call(
            connection.related_call(connection.as_id(an_id), is_followers, last, limit), timeout_s
        )

    def counts(self, an_id: str | bytes, *, timeout_s: Timeout = CLIENT_TIMEOUT) -> Counts:
        """How many follow an id, and how many it follows. Errors as `follow`."""
        followers = self.page(an_id, is_followers=True, limit=0, timeout_s=timeout_s)
        following = self.page(an_id, is_followers=False, limit=0, timeout_s=timeout_s)
        return Counts(followers.total, following.total)

    @overload
    def login(
        self, *ids: str | bytes, since: None = None, timeout_s: Timeout = CLIENT_TIMEOUT
    ) -> Iterator[Received]: ...

    @overload
    def login(
        self, *ids: str | bytes, since: str, timeout_s: Timeout = CLIENT_TIMEOUT
    ) -> Iterator[Received | Gap]: ...

    def login(
        self, *ids: str | bytes, since: str | None = None, timeout_s: Timeout = CLIENT_TIMEOUT
    ) -> Iterator[Received] | Iterator[Received | Gap]:
        """Log in as these ids and return an iterator over their messages as they come.

        The login is known to the router when this returns. If the router comes back from a restart, the
        client logs in again by itself. The iterator ends when no id is left: all were logged out or kicked.

        With `since` the login resumes: the iterator begins with what came for the ids behind that offset,
        which a message had that one of them got before (empty: with what comes from now on). Also when the
        link breaks, it gives what was missed, in order, each message once, or a Gap where that is not
        possible. What makes no sense as an offset is a Gap too.

        Raises:
            WireError: an id is not one.
            RefusedError: the router has no room for more ids.
            RouterUnavailableError: see the class.
        """
        return self._log_in(ids, since, timeout_s)

    def watch(self, *ids: str | bytes, timeout_s: Timeout = CLIENT_TIMEOUT) -> Iterator[Presence]:
        """Watch these ids and return an iterator over their presence: as it is now, then what changes.

        Of each id the iterator gives its connections over all frontends, first as they are and again whenever
        they are others; 0 once it has had none for a while (`--presence-linger`), so that a reconnect is no
        news. What changes faster than it is taken is given once, as it is by then. The iterator ends when
        nothing is watched any more.

        Raises:
            WireError: an id is not one.
            RefusedError: the router has no room for more watches.
            RouterUnavailableError: see the class.
        """
        return self._watch(ids, timeout_s)

    def unwatch(self, *ids: str | bytes, timeout_s: Timeout = CLIENT_TIMEOUT) -> None:
        """Watch these ids no more."""
        with self._alone(timeout_s) as deadline:
            self._connection.unwatch(ids)
            self._push(deadline)

    def logout(self, *ids: str | bytes, timeout_s: Timeout = CLIENT_TIMEOUT) -> None:
        """Log out of these ids; messages that came before are still given by the iterator."""
        with self._alone(timeout_s) as deadline:
            self._connection.release(ids)
            self._push(deadline)

    def who(self, *ids: str | bytes, timeout_s: Timeout = CLIENT_TIMEOUT) -> dict[str, list[tuple[str, int]]]:
        """For each id `[(frontend, connections), ...]`; an empty list if nobody holds it."""
        found: dict[str, list[tuple[str, int]]] = {}
        for some in self._portions(ids, timeout_s):
            holders = self._call(connection.who_call(some), timeout_s)
            found |= holders
        return found

    def stats(self, *, timeout_s: Timeout = CLIENT_TIMEOUT) -> dict[str, Any]:
        """The router's figures, by name: docs/operations.md explains them."""
        return self._call(connection.stats_call(), timeout_s)

    def kick(self, *ids: str | bytes, timeout_s: Timeout = CLIENT_TIMEOUT) -> int:
        """End every connection of these ids, wherever it is; how many were asked to end."""
        some = self._portions(ids, timeout_s)
        return sum(self._call(connection.kick_call(keys), timeout_s) for keys in some)

    def revoke(
        self,
        *,
        sub: str | bytes | None = None,
        jti: str | None = None,
        everybody: bool = False,
        before: float | None = None,
        keep_s: float = DEFAULT_KEEP_S,
        timeout_s: Timeout = CLIENT_TIMEOUT,
    ) -> int:
        """Take tokens back before their end; returns how many frontends were told.

        Of `sub`, or of everybody, those that were made (`iat`) before that Unix time [s], by default now; or
        the one with this `jti`. Their connections end within a second, and they are refused for `keep_s`,
        which is to be as long as tokens are good. With `keep_s` 0 connections end, and may come back.

        Raises:
            TypeError, ValueError: an argument is none, or they do not go together.
            RouterError: it was not done; with the code `store-failed`: it was, until the router ends.
        """
        revoked = revocation(time.time(), sub, jti, everybody, before, keep_s)
        return self._call(connection.revoke_call(revoked), timeout_s)

    @property
    def lost_messages(self) -> int:
        """Messages for our ids that never came: the link broke or the router had to drop them."""
        return self._session.lost_messages

    @property
    def dropped_messages(self) -> int:
        """Messages that came, and were dropped as the oldest because `max_received` waited to be taken."""
        return self._connection.inbox.dropped_messages

    def close(self, *, timeout_s: Timeout = CLIENT_TIMEOUT) -> int:
        """Leave, once the router has taken all that was sent; returns how many sends it did not confirm.

        That can only be messages sent with `receipts=False`. It takes at most 2 seconds, and one more for
        each 50,000 of them, whatever the time-out of the other calls is; `timeout_s` says otherwise.
        """
        return self._leave(timeout_s)

    def _related(self, an_id: bytes, is_followers: bool, timeout_s: Timeout) -> list[str]:
        found: list[str] = []
        after: bytes | None = b""
        while after is not None:
            ids = self.page(an_id, is_followers=is_followers, after=after, timeout_s=timeout_s).ids
            found += map(bytes.decode, ids)
            after = ids[-1] if len(ids) == wire.MAX_RELATIONS else None
        return found
