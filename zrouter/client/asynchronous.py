"""AsyncRouterClient: the client for programs on asyncio, for any number of tasks of one loop.

Owns: its verbs and what they promise. Must not know: when the link is read and written (async_driver.py),
what requests and answers mean (connection.py), the rules of a session (session.py); blocking.py is the same
for programs that block.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Any, overload

from zrouter import wire
from zrouter.client import connection
from zrouter.client.async_driver import AsyncDriver
from zrouter.client.async_driver import Coming as _Coming
from zrouter.client.connection import CLIENT_TIMEOUT, AnyPair, Counts, Page, PublishReceipt, Timeout
from zrouter.client.inbox import Gap, Received
from zrouter.client.presence_feed import Presence
from zrouter.wire.arguments import check_timeout
from zrouter.wire.revoking import DEFAULT_KEEP_S, revocation

__all__ = ["AsyncRouterClient", "Counts", "Gap", "Page", "Presence", "PublishReceipt", "Received"]


class AsyncRouterClient(AsyncDriver):
    """A link to the router, in the running event loop.

    >>> async with AsyncRouterClient("tcp://127.0.0.1:5570") as router:
    ...     await router.send("user:123", b"hello")
    1

    Arguments and errors are those of `zrouter.client.RouterClient`. Calls of several tasks may be under way
    at the same time, and one that is cancelled leaves the others alone; what it asked for may still be done.
    The link is kept alive in the background.
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
        # Before anything is opened.
        check_timeout(timeout_s)
        asyncio.get_running_loop()
        super().__init__(
            connection.Connection(router, name, max_received, on_link, curve_key_file), timeout_s, retry
        )

    async def __aenter__(self) -> AsyncRouterClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def send(
        self,
        an_id: str | bytes,
        message: bytes | str,
        *,
        key: str | bytes | None = None,
        timeout_s: Timeout = CLIENT_TIMEOUT,
    ) -> int:
        """Send one message; how many connections it was handed to (0 = nobody)."""
        pair = connection.as_pair(an_id, message)
        if key is not None:
            return (await self._call(connection.send_call([pair], connection.as_key(key)), timeout_s))[0]
        return await self._in_time(partial(self._send, pair), timeout_s)

    async def send_many(
        self,
        pairs: Iterable[AnyPair],
        *,
        receipts: bool = True,
        key: str | bytes | None = None,
        timeout_s: Timeout = CLIENT_TIMEOUT,
    ) -> list[int]:
        """Send many `(id, message)`, in order; for each, how many connections it was handed to.

        The timeout is for each step forward. With `receipts=False` nothing is asked, the list stays empty,
        and `close()` tells whether all were taken. `handed` of an error is the list so far. What a key does,
        `RouterClient.send_many` says.
        """
        return await self._in_batches(connection.send_call, pairs, key, timeout_s, receipts=receipts)

    async def publish(
        self,
        an_id: str | bytes,
        message: bytes | str,
        *,
        key: str | bytes | None = None,
        timeout_s: Timeout = CLIENT_TIMEOUT,
    ) -> PublishReceipt:
        """Send one message to everyone who follows the id and is logged in; what became of it."""
        call = connection.publish_call([connection.as_pair(an_id, message)], connection.as_key(key))
        return (await self._call(call, timeout_s))[0]

    async def publish_many(
        self,
        pairs: Iterable[AnyPair],
        *,
        key: str | bytes | None = None,
        timeout_s: Timeout = CLIENT_TIMEOUT,
    ) -> list[PublishReceipt]:
        """Publish many `(id, message)`; those of one id in order. The rest as `send_many`."""
        return await self._in_batches(connection.publish_call, pairs, key, timeout_s)

    async def follow(
        self, subscriber: str | bytes, *subscribees: str | bytes, timeout_s: Timeout = CLIENT_TIMEOUT
    ) -> int:
        """Let one follow these from the next publish on; it is on disk. How many it did not follow before."""
        return await self.follow_many(connection.follow_pairs(subscriber, subscribees), timeout_s=timeout_s)

    async def unfollow(
        self, subscriber: str | bytes, *subscribees: str | bytes, timeout_s: Timeout = CLIENT_TIMEOUT
    ) -> int:
        """Let one follow these no more; how many it followed."""
        return await self.unfollow_many(connection.follow_pairs(subscriber, subscribees), timeout_s=timeout_s)

    async def follow_many(self, pairs: Iterable[AnyPair], *, timeout_s: Timeout = CLIENT_TIMEOUT) -> int:
        """Store many `(subscriber, subscribee)`, in order; how many are new."""
        return sum(await self._in_batches(connection.follow_call, pairs, None, timeout_s))

    async def unfollow_many(self, pairs: Iterable[AnyPair], *, timeout_s: Timeout = CLIENT_TIMEOUT) -> int:
        """Forget many `(subscriber, subscribee)`, in order; how many there were."""
        return sum(await self._in_batches(connection.unfollow_call, pairs, None, timeout_s))

    async def followers(self, an_id: str | bytes, *, timeout_s: Timeout = CLIENT_TIMEOUT) -> list[str]:
        """Who follows an id. The timeout is for each page."""
        return await self._related(connection.as_id(an_id), True, timeout_s)

    async def following(self, an_id: str | bytes, *, timeout_s: Timeout = CLIENT_TIMEOUT) -> list[str]:
        """Whom an id follows. The timeout is for each page."""
        return await self._related(connection.as_id(an_id), False, timeout_s)

    async def page(
        self,
        an_id: str | bytes,
        *,
        is_followers: bool,
        after: str | bytes = b"",
        limit: int = wire.MAX_RELATIONS,
        timeout_s: Timeout = CLIENT_TIMEOUT,
    ) -> Page:
        """A page of at most so many of them, behind the last of the page before; limit 0 = only count."""
        last = connection.as_id(after) if after else b""
        return await self._call(
            connection.related_call(connection.as_id(an_id), is_followers, last, limit), timeout_s
        )

    async def counts(self, an_id: str | bytes, *, timeout_s: Timeout = CLIENT_TIMEOUT) -> Counts:
        """How many follow an id, and how many it follows."""
        followers = await self.page(an_id, is_followers=True, limit=0, timeout_s=timeout_s)
        following = await self.page(an_id, is_followers=False, limit=0, timeout_s=timeout_s)
        return Counts(followers.total, following.total)

    @overload
    async def login(
        self, *ids: str | bytes, since: None = None, timeout_s: Timeout = CLIENT_TIMEOUT
    ) -> AsyncIterator[Received]: ...

    @overload
    async def login(
        self, *ids: str | bytes, since: str, timeout_s: Timeout = CLIENT_TIMEOUT
    ) -> AsyncIterator[Received | Gap]: ...

    async def login(
        self, *ids: str | bytes, since: str | None = None, timeout_s: Timeout = CLIENT_TIMEOUT
    ) -> AsyncIterator[Received] | AsyncIterator[Received | Gap]:
        """Log in as these ids; what it returns gives their messages as they come, in `async for`.

        The iterator ends when no id is left: all were logged out or kicked. What `since` does,
        `RouterClient.login` says.
        """
        self._check_usable(timeout_s)
        await self._settled(self._connection.log_in(ids, since), timeout_s)
        return _Coming(self, self._connection.inbox, self._connection.inbox.held)

    async def watch(self, *ids: str | bytes, timeout_s: Timeout = CLIENT_TIMEOUT) -> AsyncIterator[Presence]:
        """Watch these ids; what it returns gives their presence as it is and as it changes, in `async for`.

        The iterator ends when nothing is watched any more. `RouterClient.watch` says more.
        """
        self._check_usable(timeout_s)
        await self._settled(self._connection.watch(ids), timeout_s)
        return _Coming(self, self._connection.watching, self._connection.watching.watched)

    async def unwatch(self, *ids: str | bytes) -> None:
        """Watch these ids no more."""
        self._check_usable(None)
        self._connection.unwatch(ids)
        self._flush_soon()
        self._tell_news()

    async def logout(self, *ids: str | bytes) -> None:
        """Log out of these ids; messages that came before are still given by the iterator."""
        self._check_usable(None)
        self._connection.release(ids)
        self._flush_soon()
        self._tell_news()

    async def who(
        self, *ids: str | bytes, timeout_s: Timeout = CLIENT_TIMEOUT
    ) -> dict[str, list[tuple[str, int]]]:
        """For each id `[(frontend, connections), ...]`; an empty list if nobody holds it."""
        found: dict[str, list[tuple[str, int]]] = {}
        for some in await self._portions(ids, timeout_s):
            holders = await self._call(connection.who_call(some), timeout_s)
            found |= holders
        return found

    async def stats(self, *, timeout_s: Timeout = CLIENT_TIMEOUT) -> dict[str, Any]:
        """The router's figures, by name: docs/operations.md explains them."""
        return await self._call(connection.stats_call(), timeout_s)

    async def kick(self, *ids: str | bytes, timeout_s: Timeout = CLIENT_TIMEOUT) -> int:
        """End every connection of these ids, wherever it is; how many were asked to end."""
        ended = 0
        for some in await self._portions(ids, timeout_s):
            ended += await self._call(connection.kick_call(some), timeout_s)
        return ended

    async def revoke(
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
        return await self._call(connection.revoke_call(revoked), timeout_s)

    @property
    def lost_messages(self) -> int:
        """Messages for our ids that never came: the link broke or the router had to drop them."""
        return self._session.lost_messages

    @property
    def dropped_messages(self) -> int:
        """Messages that came, and were dropped as the oldest because `max_received` waited to be taken."""
        return self._connection.inbox.dropped_messages

    async def close(self, *, timeout_s: Timeout = CLIENT_TIMEOUT) -> int:
        """Leave, once the router has taken all that was sent; returns how many sends it did not confirm.

        How long that takes, `RouterClient.close` says. Whoever closes it meanwhile waits for the same end.
        """
        return await self._leave(connection.close_timeout(timeout_s, self._session.unconfirmed))

    async def _related(self, an_id: bytes, is_followers: bool, timeout_s: Timeout) -> list[str]:
        found: list[str] = []
        after: bytes | None = b""
        while after is not None:
            page = await self.page(an_id, is_followers=is_followers, after=after, timeout_s=timeout_s)
            found += map(bytes.decode, page.ids)
            after = page.ids[-1] if len(page.ids) == wire.MAX_RELATIONS else None
        return found
