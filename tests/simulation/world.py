"""The world: a clock that is turned by hand, what happens next, the processes it happens to, the trace.

Owns: virtual time, the order of events, chance, which process runs now. Must not know: what any process does.

Everything that happens is an event in one heap, by time and then by the order in which it was asked for. All
chance comes from one `Random`, made of the seed, so a seed is a whole history.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable
from hashlib import blake2b
from random import Random
from traceback import extract_tb
from typing import Any, TypeAlias

Do: TypeAlias = Callable[[], object]


class Broken(Exception):  # noqa: N818  a promise is, not the program
    """A promise was broken; `kind` is one word for it."""

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(words)
        self.kind = kind


class Process:
    """One operating system process: it has a clock, can be stopped (SIGSTOP), go on, and be killed.

    What happens to it while it is stopped, happens when it goes on. `clock` is its monotonic clock [s], which
    is not that of others.
    """

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.is_stopped = False
        self.is_alive = True
        self.ahead_s = 100.0  # its clock, of the world's
        self.late_s = 0.0  # it is slow: each turn begins so much later
        self.disturbed_at = -1.0  # when it was stopped, slow or killed for the last time
        self.on_go_on: list[Do] = []
        # What stands in for the kernel, the loop and ZeroMQ in this process.
        self.kernel: Any = None
        self.loop: Any = None
        self.context: Any = None
        self._deferred: deque[Do] = deque()

    def clock(self) -> float:
        """Its monotonic clock [s]."""
        return self.world.now + self.ahead_s

    def after(self, delay_s: float, do: Do) -> None:
        """Do it in this process, so much later."""
        self.world.after(delay_s, lambda: self.run(do))

    def run(self, do: Do) -> None:
        """Do it now, or when the process goes on."""
        if not self.is_alive:
            return
        if self.is_stopped:
            self._deferred.append(do)
            return
        before, self.world.running = self.world.running, self
        try:
            do()
        except Broken:
            raise
        except Exception as error:
            where = " < ".join(
                f"{frame.name}:{frame.lineno}" for frame in reversed(extract_tb(error.__traceback__)[-6:])
            )
            raise Broken("crash", f"{self.name}: {error!r} in {where}") from error
        finally:
            self.world.running = before

    def stop(self) -> None:
        """As SIGSTOP."""
        self.is_stopped = True
        self.disturbed_at = self.world.now
        self.world.trace("stop", self.name)

    def go_on(self) -> None:
        """As SIGCONT."""
        if self.is_stopped and self.is_alive:
            self.is_stopped = False
            self.disturbed_at = self.world.now
            self.world.trace("go on", self.name)
            waiting, self._deferred = self._deferred, deque()
            for do in [*waiting, *self.on_go_on]:
                self.after(0.0, do)

    def kill(self) -> None:
        """As SIGKILL."""
        self.is_alive = False
        self.disturbed_at = self.world.now
        self._deferred.clear()
        self.world.trace("kill", self.name)


class World:
    """See the module's docstring. `lines` are kept if somebody wants to read the trace."""

    def __init__(self, seed: int, *, keeps_trace: bool = False) -> None:
        self.now = 0.0
        self.chance = Random(seed)
        self.events = 0
        self.faults: Counter[str] = Counter()  # by kind, as they take effect
        self.lines: list[str] = []
        self._keeps_trace = keeps_trace
        self._hash = blake2b(digest_size=8)
        self._heap: list[tuple[float, int, Do]] = []
        self._count = 0
        self._outside = Process(self, "outside")
        self.running = self._outside

    def after(self, delay_s: float, do: Do) -> None:
        """Do it so much later."""
        self._count += 1
        heapq.heappush(self._heap, (self.now + delay_s, self._count, do))

    def at(self, when: float, do: Do) -> None:
        """Do it then."""
        self.after(max(0.0, when - self.now), do)

    def run_until(self, when: float, most_events: int) -> None:
        """Let happen what happens until then.

        Raises:
            Broken: a promise was; or there was no end of events.
        """
        heap = self._heap
        while heap and heap[0][0] <= when:
            self.now, _, do = heapq.heappop(heap)
            self.events += 1
            if self.events > most_events:
                raise Broken("livelock", f"{most_events} events, and no end at {self.now:.3f} s")
            do()
        self.now = max(self.now, when)

    def injected(self, kind: str, what: str = "") -> None:
        """A fault takes effect."""
        self.faults[kind] += 1
        self.trace("fault", kind, what)

    def trace(self, *words: object) -> None:
        """What has happened, in words that are the same each time."""
        line = f"{self.now:.6f} {' '.join(map(str, words))}"
        self._hash.update(line.encode())
        if self._keeps_trace:
            self.lines.append(line)

    def digest(self) -> str:
        """Of all that has happened so far."""
        return self._hash.hexdigest()
