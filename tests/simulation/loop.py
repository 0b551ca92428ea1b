"""An event loop of a simulated process, with as much of Tornado's IOLoop as our shells use.

Owns: which callbacks and descriptors are due in a turn. Must not know: what they do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from tests.simulation.world import Process

# What a turn takes, and how long a woken loop sleeps on at the most [s].
_TURN_S = 0.0003


class SimLoop:
    """Turns when something is due. A descriptor is any object of which `is_readable` says whether it is."""

    READ: ClassVar = 1

    def __init__(self, process: Process, is_readable: Callable[[int], bool]) -> None:
        self._process = process
        self._is_readable = is_readable
        self._callbacks: list[Callable[[], object]] = []
        self._handlers: dict[int, Callable[[int, int], object]] = {}
        self._turn_is_due = False

    def add_handler(self, descriptor: int, handler: Callable[[int, int], object], events: int) -> None:
        self._handlers[descriptor] = handler
        self.wake()

    def remove_handler(self, descriptor: int) -> None:
        self._handlers.pop(descriptor, None)

    def add_callback(self, callback: Callable[..., object], *args: Any) -> None:
        self._callbacks.append(lambda: callback(*args))
        self.wake()

    def call_later(self, delay_s: float, callback: Callable[..., object], *args: Any) -> None:
        self._process.after(delay_s, lambda: self.add_callback(callback, *args))

    def call_every(self, period_s: float, do: Callable[[], object]) -> Callable[[], None]:
        """Again and again, until what is returned is called."""
        is_on = [True]

        def again() -> None:
            if is_on[0]:
                self.call_later(period_s, again)
                do()

        self.call_later(period_s, again)
        return lambda: is_on.__setitem__(0, False)

    def wake(self) -> None:
        """Something may be due."""
        if not self._turn_is_due:
            self._turn_is_due = True
            late = self._process.world.chance.random() * _TURN_S + self._process.late_s
            self._process.after(late, self._turn)

    def _turn(self) -> None:
        self._turn_is_due = False
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()
        ready = [one for one in self._handlers if self._is_readable(one)]
        if len(ready) > 1:
            self._process.world.chance.shuffle(ready)
        for descriptor in ready:
            handler = self._handlers.get(descriptor)
            if handler is not None:
                handler(descriptor, self.READ)
        if self._callbacks or any(map(self._is_readable, self._handlers)):
            self.wake()


class SimEvery:
    """zfront.periodic.Periodic, on the loop of the process that makes it; `current` says which that is."""

    current: ClassVar[Callable[[], SimLoop]]

    def __init__(self, period_s: float, do: Callable[[], object]) -> None:
        self.stop = SimEvery.current().call_every(period_s, do)
