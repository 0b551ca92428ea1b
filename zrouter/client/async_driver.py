"""How the client for asyncio works: when the link is read and written in the loop, who waits for what.

Owns: the link of an AsyncRouterClient, answers that tasks wait for, batches under way. Must not know: what is
asked (asynchronous.py, connection.py); blocking_driver.py is the same for calls that block.

Sends of one turn of the loop share a frame; the first of them is not held back longer than that turn.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sized
from functools import partial
from typing import Any, Final, Generic, TypeAlias

from zrouter import wire
from zrouter.client import connection
from zrouter.client.connection import TICK_S, AnyPair, Call, Connection, Result, Timeout
from zrouter.client.inbox import Inbox
from zrouter.client.presence_feed import PresenceFeed
from zrouter.errors import LinkLostError, RefusedError, RouterError, RouterUnavailableError
from zrouter.link.session import Answer, batches
from zrouter.wire import Pair

_Receipt: TypeAlias = "asyncio.Future[int]"
_Ask: TypeAlias = "Callable[[Call[list[Result]]], tuple[int, asyncio.Future[list[Result]]]]"


# A call that ends with its time-out tries another link if nothing came for so long on this one. The calls of
# others are on it, too: more than the second that the router may be silent.
_DOUBT_S: Final = 1.5


class AsyncDriver:
    """What AsyncRouterClient stands on, in the running loop."""

    def __init__(self, connection: Connection, timeout_s: float | None, retry: bool) -> None:
        self._timeout_s = timeout_s
        self._retry = retry
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._session = connection.session
        self._dealer = connection.dealer
        self._news = asyncio.Event()  # set and replaced each time that something came or went
        self._sends: list[tuple[Pair, _Receipt]] = []  # of this turn of the loop
        self._flush_is_due = False
        self._burst_is_due = False
        self._leaving: asyncio.Task[None] | None = None
        self._watch()
        self._ticker = self._loop.call_later(TICK_S, self._tick)

    async def _in_time(self, work: Callable[[], Awaitable[Result]], timeout_s: Timeout) -> Result:
        seconds = connection.chosen(timeout_s, self._timeout_s)
        self._check_loop()
        try:
            async with asyncio.timeout(seconds):
                return await work()
        except TimeoutError:
            is_away = self._session.welcome is None
            if self._connection.is_silent(time.monotonic(), _DOUBT_S):
                self._reopen()
            raise RouterUnavailableError(
                f"no router answers at {self._dealer.router}"
                if is_away
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
                    if not self._retry or self._connection.is_leaving:
                        raise
                finally:
                    self._session.give_up(request)

        return await self._in_time(ask, timeout_s)

    async def _in_batches(
        self,
        make: Callable[[list[Pair], bytes], Call[list[Result]]],
        pairs: Iterable[AnyPair],
        key: str | bytes | None,
        timeout_s: Timeout,
        *,
        receipts: bool = True,
    ) -> list[Result]:
        """What `make` asks for all pairs, in batches, some of which are under way at the same time."""
        self._check_usable(timeout_s)
        name = connection.as_key(key, connection.MAX_BATCHES_KEY_BYTES)
        handed: list[Result] = []
        under_way: deque[_Batch[Result]] = deque()
        try:
            await self._be_up_in_time(timeout_s)
            assert self._session.welcome is not None
            for number, batch in enumerate(
                batches(connection.as_pairs(pairs), self._session.welcome.max_frame - len(name))
            ):
                await self._be_up_in_time(timeout_s)
                if receipts:
                    self._ask_again(under_way)
                    under_way.append(_Batch(make(batch, connection.batch_key(name, number)), self._ask))
                    self._flush()  # while the next ones are made
                    if len(under_way) >= connection.BATCHES_UNDER_WAY:
                        handed += await self._in_time(partial(self._oldest, under_way), timeout_s)
                else:
                    self._session.send_unreceipted(batch, connection.batch_key(name, number))
                    self._flush()
            while under_way:
                handed += await self._in_time(partial(self._oldest, under_way), timeout_s)
        except RouterError as error:
            error.handed = handed
            raise
        finally:
            for batch_under_way in under_way:
                self._session.give_up(batch_under_way.request)
                batch_under_way.answer.cancel()
        return handed

    async def _portions(self, ids: Iterable[str | bytes], timeout_s: Timeout) -> list[list[bytes]]:
        self._check_usable(timeout_s)
        await self._be_up_in_time(timeout_s)
        assert self._session.welcome is not None
        return list(connection.portions(ids, self._session.welcome.max_frame))

    async def _settled(self, wish: connection.Wish, timeout_s: Timeout) -> None:
        """Return when the router has taken what was logged in or watched; else it was not."""
        self._flush_soon()
        try:
            await self._in_time(
                partial(self._until, lambda: wish.is_so() or wish.refusal() is not None), timeout_s
            )
            wish.end()
        except BaseException:
            if not self._connection.is_closed:
                wish.undo()
                self._flush_soon()
                self._tell_news()
            raise

    def _ask_again(self, under_way: Iterable[_Batch[Result]]) -> None:
        """If that was chosen, send those again whose answers a broken link has lost, in order.

        Those behind them that were on no link yet have to go behind them again.
        """
        is_lost = False
        for batch in under_way if self._retry else ():
            is_lost = is_lost or batch.is_lost()
            if batch.is_lost() or (is_lost and not batch.answer.done()):
                self._session.give_up(batch.request)
                batch.ask(self._ask)

    async def _oldest(self, under_way: deque[_Batch[Result]]) -> list[Result]:
        """What the oldest batch was answered."""
        while True:
            try:
                receipts = await under_way[0].answer
            except LinkLostError:
                if not self._retry or self._connection.is_leaving:
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

    def _is_up(self) -> bool:
        return self._session.welcome is not None and not self._dealer.is_full()

    async def _be_up(self) -> None:
        """Return when the router knows us and takes frames."""
        self._connection.check_open()
        await self._until(self._is_up)

    async def _be_up_in_time(self, timeout_s: Timeout) -> None:
        # As a rule nothing has to be waited for, and a timeout costs more than all else here.
        if self._connection.is_leaving or not self._is_up():
            await self._in_time(self._be_up, timeout_s)

    async def _until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            self._connection.check_open()
            if self._session.fatal is not None:
                raise self._session.fatal
            await self._news.wait()

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
        if not self._connection.is_closed:
            self._dealer.read_monitor(time.monotonic())
            self._arrived()

    def _arrived(self) -> None:
        """ZeroMQ's descriptors signal edges: read until nothing is left, or come back."""
        if self._connection.is_closed:
            return
        is_drained = self._connection.take(time.monotonic())
        self._tell_news()
        if not is_drained or self._sends or self._dealer.has_to_say():
            self._flush()

    def _flush_soon(self) -> None:
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        if self._connection.is_closed:
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

    async def _send(self, pair: Pair) -> int:
        """The receipt of one send; it shares a frame with those of the same turn."""
        while True:
            await self._be_up()
            self._check_size(pair)
            receipt: _Receipt = self._loop.create_future()
            self._sends.append((pair, receipt))
            self._flush_soon()
            try:
                return await receipt
            except LinkLostError:
                if not self._retry or self._connection.is_leaving:
                    raise

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
        # Without those that nobody waits for any more.
        sends, self._sends = [one for one in self._sends if not one[1].done()], []
        receipts = iter([receipt for _, receipt in sends])
        for batch in batches([pair for pair, _ in sends], self._session.welcome.max_frame):
            waiting = [next(receipts) for _ in batch]
            self._session.ask(connection.send_call(batch).make, partial(_settle_all, waiting))

    async def _leave(self, timeout_s: float | None) -> int:
        self._check_loop()
        if self._leaving is None and not self._connection.is_closed:
            self._connection.is_leaving = True
            self._leaving = self._loop.create_task(self._say_goodbye(timeout_s))
        if self._leaving is not None:
            await asyncio.shield(self._leaving)
        return self._session.unconfirmed

    async def _say_goodbye(self, timeout_s: float | None) -> None:
        """Never sent again: behind a link that broke it confirms nothing of what that one carried."""
        try:
            self._flush()  # the sends of this turn
            if self._session.welcome is not None or self._session.has_unsaid():
                call = connection.goodbye_call()
                _, answer = self._ask(call)
                self._session.confirmed(await self._in_time(lambda: answer, timeout_s))
        except RouterError:
            pass  # what was not confirmed is counted, and returned
        finally:
            self._end(RouterError("the client is closed"))

    def _check_usable(self, timeout_s: Timeout) -> None:
        connection.chosen(timeout_s, None)
        self._check_loop()
        self._connection.check_open()

    def _check_loop(self) -> None:
        """Refuse to work for another loop or process; neither knows when to read the link.

        Raises:
            RuntimeError: it is one.
        """
        if self._connection.is_inherited:
            raise RuntimeError("this client was made before a fork; make another one in this process")
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError("this client belongs to another event loop; make another one in this one")

    def _end(self, error: RouterError) -> None:
        """Close the link; whoever still waits gets the error."""
        self._ticker.cancel()
        self._unwatch()
        self._session.ended()
        _settle_all([receipt for _, receipt in self._sends], error)
        self._connection.close()
        self._tell_news()

    def _tick(self) -> None:
        # Before anything else: whatever happens below, it goes on.
        self._ticker = self._loop.call_later(TICK_S, self._tick)
        if not self._session.tick(time.monotonic()):
            self._reopen()
        self._turned()

    def _reopen(self) -> None:
        self._unwatch()
        self._dealer.reopen()
        self._watch()

    def _tell_news(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Coming:
    """What comes, for `async for`; it ends when no id is left.

    Whoever stops waiting, as with a time-out, misses nothing and may wait again.
    """

    def __init__(self, client: AsyncDriver, queue: Inbox | PresenceFeed, ids: Sized) -> None:
        self._client = client
        self._queue = queue
        self._ids = ids

    def __aiter__(self) -> Coming:
        return self

    async def __anext__(self) -> Any:
        self._client._check_loop()
        if not self._queue:
            await self._client._until(lambda: bool(self._queue or not self._ids))
        if not self._queue:
            raise StopAsyncIteration
        return self._queue.take()


class _Batch(Generic[Result]):
    """A batch whose answer is waited for."""

    __slots__ = ("_call", "answer", "request")

    def __init__(self, call: Call[list[Result]], ask: _Ask[Result]) -> None:
        self._call = call
        self.answer: asyncio.Future[list[Result]]
        self.request: int
        self.ask(ask)

    def ask(self, ask: _Ask[Result]) -> None:
        """Send it, once more maybe."""
        self.request, self.answer = ask(self._call)

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
