"""How the client whose calls wait does that: with deadlines, carrying on the link's business meanwhile.

Owns: the link of a RouterClient while a call waits, batches under way. Must not know: what is asked
(client.py, core.py); turns.py is the same for asyncio.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Generic

import zmq

from zrouter import core
from zrouter.core import AnyPair, Call, Core, Result, Timeout
from zrouter.session import Answer, LinkLostError, RouterError, RouterUnavailableError, batches
from zrouter.watching import Presence
from zrouter.wire import Pair

# A call that ends with its time-out tries another link if nothing came for so long on this one.
_DOUBT_S: Final = 0.9


class Waiting:
    """What RouterClient stands on. With `retry`, what a broken link may have lost is asked for again."""

    def __init__(self, core: Core, timeout_s: float | None, retry: bool) -> None:
        self._timeout_s = timeout_s
        self._retry = retry
        self._core = core
        self._session = core.session
        self._dealer = core.dealer

    def _deadline(self, timeout_s: Timeout) -> float | None:
        """When to give up, on the monotonic clock."""
        chosen = core.chosen(timeout_s, self._timeout_s)
        return None if chosen is None else time.monotonic() + chosen

    def _call(self, call: Call[Result], timeout_s: Timeout) -> Result:
        deadline = self._deadline(timeout_s)
        while True:
            self._be_up(deadline)
            slot = _Slot()
            request = self._session.ask(call.make, slot.fill)
            try:
                return call.result(self._wait(slot, deadline))
            except LinkLostError:
                if not self._retry:
                    raise
            except RouterUnavailableError:
                self._session.give_up(request)
                raise

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
        name = core.as_key(key, core.MAX_BATCHES_KEY_BYTES)
        handed: list[Result] = []
        under_way: deque[_Batch[Result]] = deque()
        try:
            self._be_up(self._deadline(timeout_s))
            assert self._session.welcome is not None
            for number, batch in enumerate(
                batches(core.as_pairs(pairs), self._session.welcome.max_frame - len(name))
            ):
                deadline = self._deadline(timeout_s)
                self._be_up(deadline)
                if receipts:
                    self._ask_again(under_way)
                    under_way.append(_Batch(make(batch, core.batch_key(name, number))))
                    self._ask(under_way[-1])
                    if len(under_way) >= core.BATCHES_UNDER_WAY:
                        handed += self._oldest(under_way, deadline)
                else:
                    self._session.send_unreceipted(batch, core.batch_key(name, number))
                self._push(deadline)
            while under_way:
                handed += self._oldest(under_way, self._deadline(timeout_s))
        except RouterError as error:
            error.handed = handed
            raise
        finally:
            for batch_under_way in under_way:
                self._session.give_up(batch_under_way.request)
        return handed

    def _portions(self, ids: Iterable[str | bytes], timeout_s: Timeout) -> list[list[bytes]]:
        self._be_up(self._deadline(timeout_s))
        assert self._session.welcome is not None
        return list(core.portions(ids, self._session.welcome.max_frame))

    def _settle(self, complaint: str, deadline: float | None) -> None:
        self._be_up(deadline)
        while not self._core.is_settled():
            self._core.check_refused()
            self._pump(deadline, complaint)
        self._core.check_refused()

    def _leave(self, timeout_s: float | None) -> int:
        if not self._core.is_leaving:
            self._core.is_leaving = True
            try:
                self._dealer.flush(time.monotonic())  # which sees whether the link is there
                if self._session.welcome is not None or self._session.has_unsaid():
                    self._say_goodbye(self._deadline(timeout_s))
            except RouterError:
                pass  # what was not confirmed is counted, and returned
            finally:
                self._core.close()
        return self._session.unconfirmed

    def _say_goodbye(self, deadline: float | None) -> None:
        """Never sent again: behind a link that broke it confirms nothing of what that one carried."""
        slot = _Slot()
        self._session.ask(core.goodbye_call().make, slot.fill)
        self._session.confirmed(core.goodbye_call().result(self._wait(slot, deadline)))

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
        self._core.check_open()
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
            if self._core.is_silent(now, _DOUBT_S):
                self._dealer.reopen()
            raise RouterUnavailableError(complaint)
        if not self._session.tick(now):
            self._dealer.reopen()
        flushed = self._dealer.flush(now)
        wait_s = core.TICK_S if deadline is None else min(core.TICK_S, deadline - now)
        poller = zmq.Poller()
        poller.register(self._dealer.monitor, zmq.POLLIN)
        poller.register(self._dealer.socket, zmq.POLLIN if flushed else zmq.POLLIN | zmq.POLLOUT)
        ready = dict(poller.poll(max(1, int(wait_s * 1000))))
        now = time.monotonic()
        if self._dealer.monitor in ready:
            self._dealer.read_monitor(now)
        if self._dealer.socket in ready:
            self._core.take(now)
        if self._session.fatal is not None:
            raise self._session.fatal

    def _messages(self) -> Iterator[Any]:
        inbox = self._core.inbox
        while inbox or inbox.held:
            if inbox:
                yield inbox.take()
            else:
                self._core.check_open()
                self._pump(None, "")

    def _presence(self) -> Iterator[Presence]:
        watching = self._core.watching
        while watching or watching.watched:
            if watching:
                yield watching.take()
            else:
                self._core.check_open()
                self._pump(None, "")


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
