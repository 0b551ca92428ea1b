"""What the API has to ask of the router: waits for the link, shares frames, and has an end.

Owns: every request of the API that is not answered yet, its deadline, the bytes that all of them hold. Must
not know: HTTP.

Single sends of one turn of the loop share a Send frame. What finds no router waits for one for a moment: a
router that is started again is back within a second.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

from zfront.api.problem import BusyError, TooLateError
from zfront.periodic import Periodic
from zfront.router_link import RouterLink
from zrouter.errors import RefusedError, RouterUnavailableError
from zrouter.link.session import SEND_MESSAGES, OnAnswer
from zrouter.wire import (
    DEFAULT_MAX_FRAME_BYTES,
    DEFAULT_MAX_MESSAGE_BYTES,
    PAIR_BYTES,
    SEND_BYTES,
    TOO_LARGE,
    Message,
    Pair,
    Send,
)

_SWEEP_S: Final = 0.1
# How long a request waits for a router that is not there.
_GRACE_S: Final = 1.0
# What a request takes beside its bytes: objects of Python, its share of a frame.
_OBJECT_BYTES: Final = 1024


class _PendingRequest:
    """One request. `pair` is that of a single send without a key: those can share a frame."""

    __slots__ = ("deadline", "make", "on_answer", "pair", "request")

    def __init__(
        self, make: Callable[[int], Message] | None, on_answer: OnAnswer, pair: Pair | None, deadline: float
    ) -> None:
        self.make = make
        self.on_answer = on_answer
        self.pair = pair
        self.deadline = deadline
        self.request = 0


class PendingRequests:
    """`timeout_s` is what the router has for an answer; `max_bytes` what all requests may hold together."""

    def __init__(self, link: RouterLink, timeout_s: float, max_bytes: int) -> None:
        self.busy = 0  # requests refused because too much was under way
        self.held_bytes = 0
        self._link = link
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._waiting: deque[_PendingRequest] = deque()  # not said to the router yet, in order
        # By request number, the oldest first: a frame of sends shares one number and one deadline.
        self._under_way: dict[int, tuple[float, OnAnswer]] = {}
        self._loop = asyncio.get_event_loop()
        self._flush_is_due = False
        self._sweeper: Periodic | None = None

    def max_message(self) -> int:
        """The longest message that the router takes, as far as it said so."""
        welcome = self._link.session.welcome
        return welcome.max_message if welcome else DEFAULT_MAX_MESSAGE_BYTES

    def max_frame(self) -> int:
        """The longest frame that it takes."""
        welcome = self._link.session.welcome
        return welcome.max_frame if welcome else DEFAULT_MAX_FRAME_BYTES

    def take(self, size: int) -> None:
        """A request holds so many bytes from now on; give them back with `give`.

        Raises:
            BusyError: others hold too many already.
        """
        if self.held_bytes + size > self._max_bytes:
            self.busy += 1
            raise BusyError("too many requests are under way")
        self.held_bytes += size

    def give(self, size: int) -> None:
        """It holds them no longer."""
        self.held_bytes -= size

    def send(self, an_id: bytes, message: bytes, key: bytes, on_answer: OnAnswer) -> None:
        """Send one message; `on_answer` gets its receipt, a number, or the RouterError that came instead.

        Raises:
            BusyError: too much is under way.
        """
        size = len(message) + _OBJECT_BYTES
        self.take(size)

        def answer(receipt: Any) -> None:
            self.held_bytes -= size
            on_answer(receipt)

        if key:
            pairs = [(an_id, message)]
            self._add(lambda request: Send(request, pairs, key), _first(answer))
        else:
            self._add(None, answer, (an_id, message))

    async def ask(self, make: Callable[[int], Message]) -> Any:
        """The answer to any request, a message of the wire or a list of receipts.

        Raises:
            RouterError: what came instead.
        """
        answer: asyncio.Future[Any] = self._loop.create_future()

        def came(found: Any) -> None:
            if answer.done():
                return  # whoever asked has gone
            if isinstance(found, Exception):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        self._add(make, came)
        return await answer

    def _add(
        self, make: Callable[[int], Message] | None, on_answer: OnAnswer, pair: Pair | None = None
    ) -> None:
        self._waiting.append(_PendingRequest(make, on_answer, pair, time.monotonic() + _GRACE_S))
        if self._sweeper is None:
            self._sweeper = Periodic(_SWEEP_S, self._sweep)
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        if not self._waiting or not self._link.is_up():
            return
        deadline = time.monotonic() + self._timeout_s
        waiting, self._waiting = self._waiting, deque()
        pairs: list[Pair] = []
        answers: list[OnAnswer] = []
        hub = 0
        for pending_request in waiting:
            if pending_request.pair is None:
                self._say_sends(pairs, answers, deadline)
                pairs, answers = [], []
                assert pending_request.make is not None
                self._say(pending_request.make, pending_request.on_answer, deadline)
                continue
            an_id, message = pending_request.pair
            if len(message) > self.max_message():
                # Together with the others it would have them refused, too.
                pending_request.on_answer(too_long(len(message), self.max_message()))
                continue
            size = len(an_id) + len(message) + PAIR_BYTES
            if size > hub or len(pairs) == SEND_MESSAGES:
                self._say_sends(pairs, answers, deadline)
                pairs, answers, hub = [], [], self.max_frame() - SEND_BYTES
            hub -= size
            pairs.append(pending_request.pair)
            answers.append(pending_request.on_answer)
        self._say_sends(pairs, answers, deadline)
        self._link.flush()

    def _say_sends(self, pairs: list[Pair], answers: list[OnAnswer], deadline: float) -> None:
        if pairs:
            self._say(lambda request: Send(request, pairs), _each(answers), deadline)

    def _say(self, make: Callable[[int], Message], on_answer: OnAnswer, deadline: float) -> None:
        def came(answer: Any) -> None:
            if self._under_way.pop(number, None) is not None:
                on_answer(answer)

        number = self._link.session.ask(make, came)
        self._under_way[number] = (deadline, on_answer)

    def _sweep(self) -> None:
        """End what has waited for too long, and try again what waits for the router."""
        now = time.monotonic()
        late = TooLateError("the router did not answer in time")
        for request, (_, on_answer) in list(self._late(now)):
            del self._under_way[request]
            self._link.session.give_up(request)
            on_answer(late)
        self._flush()
        away = RouterUnavailableError("the router is away, or busy")
        while self._waiting and self._waiting[0].deadline < now:
            self.busy += 1
            self._waiting.popleft().on_answer(away)
        if not self._waiting and not self._under_way and self._sweeper is not None:
            self._sweeper.stop()
            self._sweeper = None

    def _late(self, now: float) -> Iterator[tuple[int, tuple[float, OnAnswer]]]:
        for request, one in self._under_way.items():
            if one[0] >= now:
                return
            yield request, one


def too_long(size: int, most: int) -> RefusedError:
    """What the router would say of a message that is too long."""
    return RefusedError(TOO_LARGE, f"a message of {size} bytes is too long: {most} are the limit")


def _first(on_answer: OnAnswer) -> OnAnswer:
    return lambda answer: on_answer(answer if isinstance(answer, Exception) else answer[0])


def _each(answers: list[OnAnswer]) -> OnAnswer:
    """An answer of one frame, taken apart for those who share it."""

    def came(answer: Any) -> None:
        if isinstance(answer, Exception):
            for on_answer in answers:
                on_answer(answer)
        else:
            for on_answer, handed in zip(answers, answer, strict=True):
                on_answer(handed)

    return came
