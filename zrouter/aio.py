"""AsyncRouterClient: the client for programs on asyncio, for any number of tasks of one loop.

Owns: when the link is read and written in the loop, who waits for what. Must not know: what requests and
answers mean (core.py), the rules of a session (session.py); client.py is the same for programs that block.

Sends of one turn of the loop share a frame; the first of them is not held back longer than that turn.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Any, Generic, TypeAlias, overload

from zrouter import core, wire
from zrouter.core import CLIENT_TIMEOUT, Call, Counts, Page, PublishReceipt, Result, Timeout
from zrouter.inbox import Gap, Received
from zrouter.session import (
    Answer,
    LinkLostError,
    RefusedError,
    RouterError,
    RouterUnavailableError,
    batches,
)
from zrouter.watching import Presence
from zrouter.wire import Pair

__all__ = ["AsyncRouterClient", "Counts", "Gap", "Page", "Presence", "PublishReceipt", "Received"]

_Receipt: TypeAlias = "asyncio.Future[int]"
_Ask: TypeAlias = "Callable[[Call[list[Result]]], tuple[int, asyncio.Future[list[Result]]]]"


class AsyncRouterClient:
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
        timeout_s: float | None = core.DEFAULT_TIMEOUT_S,
        retry: bool = False,
        max_received: int = core.DEFAULT_MAX_RECEIVED,
        on_link: Callable[[bool], None] | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._retry = retry
        self._loop = asyncio.get_running_loop()
        self._core = core.Core(router, name, max_received, on_link)
        self._session = self._core.session
        self._dealer = self._core.dealer
        self._news = asyncio.Event()  # set and replaced each time that something came or went
        self._sends: list[tuple[Pair, _Receipt]] = []  # of this turn of the loop
        self._flush_is_due = False
        self._burst_is_due = False
        self._watch()
        self._ticker = self._loop.call_later(core.TICK_S, self._tick)

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
        pair = core.as_pair(an_id, message)
        if key is not None:
            return (await self._call(core.send_call([pair], core.as_key(key)), timeout_s))[0]

        async def send_it() -> int:
            await self._be_up()
            self._check_size(pair)
            receipt: _Receipt = self._loop.create_future()
            self._sends.append((pair, receipt))
            self._flush_soon()
            return await receipt

        return await self._in_time(send_it, timeout_s)

    async def send_many(
        self,
        pairs: Iterable[Pair],
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
        return await self._in_batches(core.send_call, pairs, key, timeout_s, receipts=receipts)

    async def publish(
        self,
        an_id: str | bytes,
        message: bytes | str,
        *,
        key: str | bytes | None = None,
        timeout_s: Timeout = CLIENT_TIMEOUT,
    ) -> PublishReceipt:
        """Send one message to everyone who follows the id and is logged in; what became of it."""
        call = core.publish_call([core.as_pair(an_id, message)], core.as_key(key))
        return (await self._call(call, timeout_s))[0]

    async def publish_many(
        self,
        pairs: Iterable[Pair],
        *,
        key: str | bytes | None = None,
        timeout_s: Timeout = CLIENT_TIMEOUT,
    ) -> list[PublishReceipt]:
        """Publish many `(id, message)`; those of one id in order. The rest as `send_many`."""
        return await self._in_batches(core.publish_call, pairs, key, timeout_s)

    async def follow(
        self, subscriber: str | bytes, *subscribees: str | bytes, timeout_s: Timeout = CLIENT_TIMEOUT
    ) -> int:
        """Let one follow these from the next publish on; it is on disk. How many it did not follow before."""
        return await self.follow_many(core.follow_pairs(subscriber, subscribees), timeout_s=timeout_s)

    async def unfollow(
        self, subscriber: str | bytes, *subscribees: str | bytes, timeout_s: Timeout = CLIENT_TIMEOUT
    ) -> int:
        """Let one follow these no more; how many it followed."""
        return await self.unfollow_many(core.follow_pairs(subscriber, subscribees), timeout_s=timeout_s)

    async def follow_many(self, pairs: Iterable[Pair], *, timeout_s: Timeout = CLIENT_TIMEOUT) -> int:
        """Store many `(subscriber, subscribee)`, in order; how many are new."""
        return sum(await self._in_batches(core.follow_call, pairs, None, timeout_s))

    async def unfollow_many(self, pairs: Iterable[Pair], *, timeout_s: Timeout = CLIENT_TIMEOUT) -> int:
        """Forget many `(subscriber, subscribee)`, in order; how many there were."""
        return sum(await self._in_batches(core.unfollow_call, pairs, None, timeout_s))

    async def followers(self, an_id: str | bytes, *, timeout_s: Timeout = CLIENT_TIMEOUT) -> list[str]:
        """Who follows an id. The timeout is for each page."""
        return await self._related(core.as_id(an_id), True, timeout_s)

    async def following(self, an_id: str | bytes, *, timeout_s: Timeout = CLIENT_TIMEOUT) -> list[str]:
        """Whom an id follows. The timeout is for each page."""
        return await self._related(core.as_id(an_id), False, timeout_s)

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
        last = core.as_id(after) if after else b""
        return await self._call(core.related_call(core.as_id(an_id), is_followers, last, limit), timeout_s)

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
        self._core.check_open()
        self._core.hold(ids, since)
        await self._settled(timeout_s)
        return self._messages()

    async def watch(self, *ids: str | bytes, timeout_s: Timeout = CLIENT_TIMEOUT) -> AsyncIterator[Presence]:
        """Watch these ids; what it returns gives their presence as it is and as it changes, in `async for`.

        The iterator ends when nothing is watched any more. `RouterClient.watch` says more.
        """
        self._core.check_open()
        self._core.watch(ids)
        await self._settled(timeout_s)
        return self._presence()

    async def unwatch(self, *ids: str | bytes) -> None:
        """Watch these ids no more."""
        self._core.check_open()
        self._core.unwatch(ids)
        self._flush_soon()
        self._tell_news()

    async def logout(self, *ids: str | bytes) -> None:
        """Log out of these ids; messages that came before are still given by the iterator."""
        self._core.check_open()
        self._core.release(ids)
        self._flush_soon()
        self._tell_news()

    async def who(
        self, *ids: str | bytes, timeout_s: Timeout = CLIENT_TIMEOUT
    ) -> dict[str, list[tuple[str, int]]]:
        """For each id `[(frontend, connections), ...]`; an empty list if nobody holds it."""
        found: dict[str, list[tuple[str, int]]] = {}
        for some in await self._portions(ids, timeout_s):
            holders = await self._call(core.who_call(some), timeout_s)
            found |= holders
        return found

    async def stats(self, *, timeout_s: Timeout = CLIENT_TIMEOUT) -> dict[str, Any]:
        """The router's figures, by name: docs/operations.md explains them."""
        return await self._call(core.stats_call(), timeout_s)

    async def kick(self, *ids: str | bytes, timeout_s: Timeout = CLIENT_TIMEOUT) -> int:
        """End every connection of these ids, wherever it is; how many were asked to end."""
        ended = 0
        for some in await self._portions(ids, timeout_s):
            ended += await self._call(core.kick_call(some), timeout_s)
        return ended

    @property
    def lost_messages(self) -> int:
        """Messages for our ids that never came: the link broke or the router had to drop them."""
        return self._session.lost_messages

    @property
    def dropped_messages(self) -> int:
        """Messages that came, and were dropped as the oldest because `max_received` waited to be taken."""
        return self._core.inbox.dropped_messages

    async def close(self, *, timeout_s: Timeout = CLIENT_TIMEOUT) -> int:
        """Leave, once the router has taken all that was sent; returns how many sends it did not confirm."""
        if self._core.is_closed:
            return 0
        try:
            if self._session.welcome is not None:
                self._core.confirmed(await self._call(core.goodbye_call(), timeout_s))
        except RouterError:
            pass  # what was not confirmed is counted, and returned
        finally:
            self._core.is_closed = True
            self._ticker.cancel()
            self._unwatch()
            self._session.closed()  # whoever still waits gets an error
            _settle_all([receipt for _, receipt in self._sends], RouterError("the client is closed"))
            self._core.close()
            self._tell_news()
        return self._session.unconfirmed

    # ---- waiting ---------------------------------------------------------------------------------------

    async def _in_time(self, work: Callable[[], Awaitable[Result]], timeout_s: Timeout) -> Result:
        chosen = self._timeout_s if timeout_s is CLIENT_TIMEOUT else timeout_s
        try:
            async with asyncio.timeout(chosen):
                return await work()
        except TimeoutError:
            raise RouterUnavailableError(
                f"no router answers at {self._dealer.router}"
                if self._session.welcome is None
                else "the router did not answer in time"
            ) from None

    async def _call(self, call: Call[Result], timeout_s: Timeout) -> Result:
        async def ask() -> Result:
            while True:
                await self._be_up()
                request, answer = self._ask(call)
                try:
                    return await answer
                except LinkLostError:
                    if not self._retry or self._core.is_closed:
                        raise
                finally:
                    self._session.give_up(request)

        return await self._in_time(ask, timeout_s)

    async def _in_batches(
        self,
        make: Callable[[list[Pair], bytes], Call[list[Result]]],
        pairs: Iterable[Pair],
        key: str | bytes | None,
        timeout_s: Timeout,
        *,
        receipts: bool = True,
    ) -> list[Result]:
        """What `make` asks for all pairs, in batches, some of which are under way at the same time."""
        name = core.as_key(key, core.MAX_BATCHES_KEY_BYTES)
        handed: list[Result] = []
        under_way: deque[_Batch[Result]] = deque()
        try:
            await self._in_time(self._be_up, timeout_s)
            assert self._session.welcome is not None
            for number, batch in enumerate(batches(pairs, self._session.welcome.max_frame - len(name))):
                await self._in_time(self._be_up, timeout_s)
                if receipts:
                    self._ask_again(under_way)
                    under_way.append(_Batch(make(batch, core.batch_key(name, number)), self._ask))
                    if len(under_way) >= core.BATCHES_UNDER_WAY:
                        handed += await self._in_time(partial(self._oldest, under_way), timeout_s)
                else:
                    self._session.send_unreceipted(batch, core.batch_key(name, number))
                    self._flush_soon()
            while under_way:
                handed += await self._in_time(partial(self._oldest, under_way), timeout_s)
        except RouterError as error:
            error.handed = handed
            raise
        finally:
            for batch_under_way in under_way:
                batch_under_way.answer.cancel()
        return handed

    async def _related(self, an_id: bytes, is_followers: bool, timeout_s: Timeout) -> list[str]:
        found: list[str] = []
        after: bytes | None = b""
        while after is not None:
            page = await self.page(an_id, is_followers=is_followers, after=after, timeout_s=timeout_s)
            found += map(bytes.decode, page.ids)
            after = page.ids[-1] if len(page.ids) == wire.MAX_RELATIONS else None
        return found

    async def _portions(self, ids: Iterable[str | bytes], timeout_s: Timeout) -> list[list[bytes]]:
        await self._in_time(self._be_up, timeout_s)
        assert self._session.welcome is not None
        return list(core.portions(ids, self._session.welcome.max_frame))

    async def _settled(self, timeout_s: Timeout) -> None:
        """Return when the router has taken what was logged in or watched."""
        self._flush_soon()
        await self._in_time(partial(self._until, self._core.is_settled), timeout_s)
        self._core.check_refused()

    def _ask_again(self, under_way: Iterable[_Batch[Result]]) -> None:
        """If that was chosen, send those again whose answers a broken link has lost, in order."""
        for batch in under_way if self._retry else ():
            if batch.is_lost():
                batch.ask(self._ask)

    async def _oldest(self, under_way: deque[_Batch[Result]]) -> list[Result]:
        """What the oldest batch was answered."""
        while True:
            try:
                receipts = await under_way[0].answer
            except LinkLostError:
                if not self._retry or self._core.is_closed:
                    raise
                await self._be_up()
                self._ask_again(under_way)
            else:
                under_way.popleft()
                return receipts

    def _ask(self, call: Call[Result]) -> tuple[int, asyncio.Future[Result]]:
        answer: asyncio.Future[Result] = self._loop.create_future()
        request = self._session.ask(call.make, partial(_settle, answer, call.result))
        self._flush_soon()
        return request, answer

    async def _be_up(self) -> None:
        """Return when the router knows us and takes frames."""
        self._core.check_open()
        await self._until(lambda: self._session.welcome is not None and not self._dealer.is_full())

    async def _until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            self._core.check_open()
            if self._session.fatal is not None:
                raise self._session.fatal
            await self._news.wait()

    async def _messages(self) -> AsyncIterator[Any]:
        inbox = self._core.inbox
        while inbox or inbox.held:
            if inbox:
                yield inbox.take()
            else:
                await self._until(lambda: bool(inbox or not inbox.held))

    async def _presence(self) -> AsyncIterator[Presence]:
        watching = self._core.watching
        while watching or watching.watched:
            if watching:
                yield watching.take()
            else:
                await self._until(lambda: bool(watching or not watching.watched))

    # ---- the link in the loop ----------------------------------------------------------------------------

    def _watch(self) -> None:
        self._loop.add_reader(self._dealer.socket.fileno(), self._arrived)
        self._loop.add_reader(self._dealer.monitor.fileno(), self._turned)
        self._loop.call_soon(self._turned)

    def _unwatch(self) -> None:
        self._loop.remove_reader(self._dealer.socket.fileno())
        self._loop.remove_reader(self._dealer.monitor.fileno())

    def _turned(self) -> None:
        """A connection to the router came or went."""
        if not self._core.is_closed:
            self._dealer.read_monitor(time.monotonic())
            self._arrived()

    def _arrived(self) -> None:
        """ZeroMQ's descriptors signal edges: read until nothing is left, or come back."""
        if self._core.is_closed:
            return
        is_drained = self._core.take(time.monotonic())
        self._tell_news()
        if not is_drained or self._sends or self._dealer.has_to_say():
            self._flush()

    def _flush_soon(self) -> None:
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        if self._core.is_closed:
            return
        if self._sends and self._session.welcome is not None:
            self._say_sends()
        self._dealer.flush(time.monotonic())
        # Sending may have swallowed the edge of an arrival, and there may be more than was taken. One is due
        # at a time: else each edge and tick adds one to every turn of the loop.
        if not self._burst_is_due and self._dealer.has_arrivals():
            self._burst_is_due = True
            self._loop.call_soon(self._next_burst)

    def _next_burst(self) -> None:
        self._burst_is_due = False
        self._arrived()

    def _check_size(self, pair: Pair) -> None:
        """Refuse here what the router would refuse together with the sends of other tasks."""
        assert self._session.welcome is not None
        most = self._session.welcome.max_message
        if len(pair[1]) > most:
            text = f"a message of {len(pair[1])} bytes is too long: {most} are the limit"
            raise RefusedError(wire.TOO_LARGE, text)

    def _say_sends(self) -> None:
        """One frame, if it is not too long, for all that tasks have sent in this turn."""
        assert self._session.welcome is not None
        sends, self._sends = self._sends, []
        receipts = iter([receipt for _, receipt in sends])
        for batch in batches([pair for pair, _ in sends], self._session.welcome.max_frame):
            waiting = [next(receipts) for _ in batch]
            self._session.ask(core.send_call(batch).make, partial(_settle_all, waiting))

    def _tick(self) -> None:
        if not self._session.tick(time.monotonic()):
            self._unwatch()
            self._dealer.reopen()
            self._watch()
        self._turned()
        self._ticker = self._loop.call_later(core.TICK_S, self._tick)

    def _tell_news(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class _Batch(Generic[Result]):
    """A batch whose answer is waited for."""

    __slots__ = ("_call", "answer")

    def __init__(self, call: Call[list[Result]], ask: _Ask[Result]) -> None:
        self._call = call
        self.answer: asyncio.Future[list[Result]]
        self.ask(ask)

    def ask(self, ask: _Ask[Result]) -> None:
        """Send it, once more maybe."""
        self.answer = ask(self._call)[1]

    def is_lost(self) -> bool:
        """Whether the link broke before it was answered."""
        answer = self.answer
        return answer.done() and not answer.cancelled() and isinstance(answer.exception(), LinkLostError)


def _settle(waiting: asyncio.Future[Result], result: Callable[[Any], Result], answer: Answer) -> None:
    if waiting.done():
        return  # cancelled
    if isinstance(answer, RouterError):
        waiting.set_exception(answer)
    else:
        waiting.set_result(result(answer))


def _settle_all(waiting: list[_Receipt], answer: Answer) -> None:
    for number, receipt in enumerate(waiting):
        _settle(receipt, int, answer if isinstance(answer, RouterError) else answer[number])
