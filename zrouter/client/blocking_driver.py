"""How the client whose calls wait does that: with deadlines, carrying on the link's business meanwhile.

Owns: the link of a RouterClient while a call waits, batches under way. Must not know: what is asked
(blocking.py, connection.py); async_driver.py is the same for asyncio.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from threading import Lock
from typing import Any, Final, Generic

import zmq

from zrouter.client import connection
from zrouter.client.call_locks import CallLocks
from zrouter.client.connection import AnyPair, Call, Connection, Result, Timeout
from zrouter.client.inbox import Inbox
from zrouter.client.presence_feed import Presence, PresenceFeed
from zrouter.errors import LinkLostError, RouterError, RouterUnavailableError
from zrouter.link.session import Answer, batches
from zrouter.wire import Pair

# A call that ends with its time-out tries another link if nothing came for so long on this one.
_DOUBT_S: Final = 0.9
# Where threads share a client, one that waits for messages lets others have it that often.
_SHARED_S: Final = 0.02
_beginning: Final = Lock()


class BlockingDriver:
    """What RouterClient stands on. With `retry`, what a broken link may have lost is asked for again."""

    def __init__(self, make: Callable[[], Connection], timeout_s: float | None, retry: bool) -> None:
        self._timeout_s = timeout_s
        self._retry = retry
        self._make = make
        self._turns = CallLocks()
        self._link(make())

    def _link(self, connection: Connection) -> None:
        self._connection = connection
        self._session = connection.session
        self._dealer = connection.dealer

    @contextmanager
    def _alone(self, timeout_s: Timeout) -> Iterator[float | None]:
        """The deadline of a call, which has the client for itself."""
        deadline = self._deadline(timeout_s)
        self._take(deadline)
        try:
            self._connection.check_open()
            yield deadline
        finally:
            self._turns.give()

    def _take(self, deadline: float | None) -> None:
        """Have the client for oneself; to be given back.

        Raises:
            RouterUnavailableError: another thread has it until then.
        """
        if self._connection.is_inherited:
            self._begin_anew()
        if not self._turns.take(deadline):
            raise RouterUnavailableError("another thread uses this client; it may have one of its own")

    def _begin_anew(self) -> None:
        """In a forked process: with a link of its own. Who had the turn has stayed behind."""
        with _beginning:
            inherited = self._connection
            if inherited.is_inherited:
                self._turns = CallLocks()
                if inherited.is_leaving:
                    inherited.is_inherited = False  # nothing is there, and nothing will be
                else:
                    self._link(self._make())

    def _deadline(self, timeout_s: Timeout) -> float | None:
        """When to give up, on the monotonic clock."""
        chosen = connection.chosen(timeout_s, self._timeout_s)
        return None if chosen is None else time.monotonic() + chosen

    def _call(self, call: Call[Result], timeout_s: Timeout) -> Result:
        deadline = self._deadline(timeout_s)
        self._take(deadline)
        try:
            return self._ask_until(call, deadline)
        finally:
            self._turns.give()

    def _ask_until(self, call: Call[Result], deadline: float | None) -> Result:
        while True:
            self._be_up(deadline)
            slot = _Slot()
            request = self._session.ask(call.make, slot.fill)
            try:
                return call.result(self._wait(slot, deadline))
            except LinkLostError:
                if not self._retry:
                    raise
            finally:
                self._session.give_up(request)

    def _in_batches(
        self,
        make: Callable[[list[Pair], bytes], Call[list[Result]]],
        pairs: Iterable[AnyPair],
        key: str | bytes | None,
        timeout_s: Timeout,
        *,
        receipts: bool = True,
    ) -> list[Result]:
        """What `make` asks for all pairs, in batches, some of which are under way at the same time."""
        name = connection.as_key(key, connection.MAX_BATCHES_KEY_BYTES)
        handed: list[Result] = []
        under_way: deque[_Batch[Result]] = deque()
        self._take(self._deadline(timeout_s))
        try:
            self._be_up(self._deadline(timeout_s))
            assert self._session.welcome is not None
            for number, batch in enumerate(
                batches(connection.as_pairs(pairs), self._session.welcome.max_frame - len(name))
            ):
                deadline = self._deadline(timeout_s)
                self._be_up(deadline)
                if receipts:
                    self._ask_again(under_way)
                    under_way.append(_Batch(make(batch, connection.batch_key(name, number))))
                    self._ask(under_way[-1])
                    if len(under_way) >= connection.BATCHES_UNDER_WAY:
                        handed += self._oldest(under_way, deadline)
                else:
                    self._session.send_unreceipted(batch, connection.batch_key(name, number))
                self._push(deadline)
            while under_way:
                handed += self._oldest(under_way, self._deadline(timeout_s))
        except RouterError as error:
            error.handed = handed
            raise
        finally:
            for batch_under_way in under_way:
                self._session.give_up(batch_under_way.request)
            self._turns.give()
        return handed

    def _portions(self, ids: Iterable[str | bytes], timeout_s: Timeout) -> list[list[bytes]]:
        with self._alone(timeout_s) as deadline:
            self._be_up(deadline)
            assert self._session.welcome is not None
            return list(connection.portions(ids, self._session.welcome.max_frame))

    def _log_in(self, ids: Iterable[str | bytes], since: str | None, timeout_s: Timeout) -> Iterator[Any]:
        with self._alone(timeout_s) as deadline:
            self._settle(self._connection.log_in(ids, since), "the router did not take the login", deadline)
            inbox = self._connection.inbox
            return _Coming(self, inbox, inbox.held)

    def _watch(self, ids: Iterable[str | bytes], timeout_s: Timeout) -> Iterator[Presence]:
        with self._alone(timeout_s) as deadline:
            self._settle(self._connection.watch(ids), "the router did not take the watches", deadline)
            watching = self._connection.watching
            return _Coming(self, watching, watching.watched)

    def _settle(self, wish: connection.Wish, complaint: str, deadline: float | None) -> None:
        try:
            self._be_up(deadline)
            while not wish.is_so() and wish.refusal() is None:
                self._pump(deadline, complaint)
            wish.end()
        except BaseException:
            wish.undo()
            raise

    def _leave(self, timeout_s: Timeout) -> int:
        seconds = connection.close_timeout(timeout_s, self._session.unconfirmed)
        deadline = None if seconds is None else time.monotonic() + seconds
        if self._connection.is_inherited:
            self._connection.is_leaving = self._connection.is_closed = (
                True  # the link stays with its own process
            )
            return 0
        self._take(deadline)
        try:
            self._end(deadline)
        finally:
            self._turns.give()
        return self._session.unconfirmed

    def _end(self, deadline: float | None) -> None:
        if self._connection.is_leaving:
            return
        self._connection.is_leaving = True
        try:
            self._dealer.flush(time.monotonic())  # which sees whether the link is there
            if self._session.welcome is not None or self._session.has_unsaid():
                self._say_goodbye(deadline)
        except RouterError:
            pass  # what was not confirmed is counted, and returned
        finally:
            self._connection.close()

    def _say_goodbye(self, deadline: float | None) -> None:
        """Never sent again: behind a link that broke it confirms nothing of what that one carried."""
        slot = _Slot()
        self._session.ask(connection.goodbye_call().make, slot.fill)
        self._session.confirmed(connection.goodbye_call().result(self._wait(slot, deadline)))

    def _ask(self, batch: _Batch[Result]) -> None:
        batch.slot = _Slot()
        batch.request = self._session.ask(batch.call.make, batch.slot.fill)

    def _ask_again(self, under_way: Iterable[_Batch[Result]]) -> None:
        """If that was chosen, send those again whose answers a broken link has lost, in order.

        Those behind them that were on no link yet have to go behind them again.
        """
        is_lost = False
        for batch in under_way if self._retry else ():
            lost = isinstance(batch.slot.answer, LinkLostError)
            is_lost = is_lost or lost
            if lost or (is_lost and not batch.slot.filled):
                self._session.give_up(batch.request)
                self._ask(batch)

    def _oldest(self, under_way: deque[_Batch[Result]], deadline: float | None) -> list[Result]:
        """What the oldest batch was answered."""
        while True:
            try:
                answer = self._wait(under_way[0].slot, deadline)
            except LinkLostError:
                if not self._retry:
                    raise
                self._be_up(deadline)
                self._ask_again(under_way)
            else:
                return under_way.popleft().call.result(answer)

    def _wait(self, slot: _Slot, deadline: float | None) -> Answer:
        while not slot.filled:
            self._pump(deadline, "the router did not answer in time")
        if isinstance(slot.answer, RouterError):
            raise slot.answer
        return slot.answer

    def _be_up(self, deadline: float | None) -> None:
        """Return when the router knows us."""
        self._connection.check_open()
        if self._session.is_stale(now := time.monotonic()):
            self._session.renew(now)
        while self._session.welcome is None:
            self._pump(deadline, f"no router answers at {self._dealer.router}")

    def _push(self, deadline: float | None) -> None:
        """Hand what is to be said to ZeroMQ, waiting for room if its queue is full."""
        while not self._dealer.flush(time.monotonic()):
            self._pump(deadline, "the router does not take messages")

    def _pump(self, deadline: float | None, complaint: str, at_most_s: float = connection.TICK_S) -> None:
        """Carry on the link's business until something happened or a little time passed."""
        now = time.monotonic()
        if deadline is not None and now >= deadline:
            if self._connection.is_silent(now, _DOUBT_S):
                self._dealer.reopen()
            raise RouterUnavailableError(complaint)
        if not self._session.tick(now):
            self._dealer.reopen()
        flushed = self._dealer.flush(now)
        wait_s = at_most_s if deadline is None else min(at_most_s, deadline - now)
        poller = zmq.Poller()
        poller.register(self._dealer.monitor, zmq.POLLIN)
        poller.register(self._dealer.socket, zmq.POLLIN if flushed else zmq.POLLIN | zmq.POLLOUT)
        ready = dict(poller.poll(max(1, int(wait_s * 1000))))
        now = time.monotonic()
        if self._dealer.monitor in ready:
            self._dealer.read_monitor(now)
        if self._dealer.socket in ready:
            self._connection.take(now)
        if self._session.fatal is not None:
            raise self._session.fatal


class _Coming:
    """What comes, as an iterator; an error does not end it, for it may go on. It ends when no id is left."""

    def __init__(self, client: BlockingDriver, queue: Inbox | PresenceFeed, ids: Sized) -> None:
        self._client = client
        self._connection = client._connection
        self._queue = queue
        self._ids = ids

    def __iter__(self) -> _Coming:
        return self

    def __next__(self) -> Any:
        while True:
            self._client._take(None)
            try:
                if self._client._connection is not self._connection:
                    raise RouterError("this login was made before a fork, and is not this process's")
                if self._queue:
                    return self._queue.take()
                if not self._ids:
                    raise StopIteration
                self._connection.check_open()
                self._client._pump(
                    None, "", _SHARED_S if self._client._turns.is_shared else connection.TICK_S
                )
            finally:
                self._client._turns.give()
            self._client._turns.let_others()


class _Slot:
    """Where the answer to one request will be."""

    __slots__ = ("answer", "filled")

    def __init__(self) -> None:
        self.filled = False
        self.answer: Answer = None

    def fill(self, answer: Answer) -> None:
        self.filled, self.answer = True, answer


class _Batch(Generic[Result]):
    """A batch whose answer is waited for."""

    __slots__ = ("call", "request", "slot")

    def __init__(self, call: Call[list[Result]]) -> None:
        self.call = call
        self.request = 0
        self.slot = _Slot()
