"""How a run is told while it goes on: lines, and for what takes long a live bar or a line now and then.

Owns: the words' place on standard error, their pace. Must not know: what a run does.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Final

from rich.progress import TaskID

from zflood.bar import bar
from zrouter.daemon.output import printable

_EVERY_S: Final = 10.0  # between two lines of progress where there is no bar


class Narrator:
    """Tells people; a bar where standard error is a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._bar = bar()
        self._task: TaskID | None = None
        self._what = ""
        self._next_line = 0.0

    def __enter__(self) -> Narrator:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """One line, with the time since the beginning."""
        spent = time.strftime("%H:%M:%S", time.gmtime(time.monotonic() - self._began))
        self._bar.console.print(f"{spent}  {printable(text)}", markup=False, soft_wrap=True)

    def progress(self, what: str, done: int, wanted: int) -> None:
        """How far something is; `what` names it, and a new name begins a new bar."""
        if what != self._what:
            self._what = what
            self._task = self._bar.add_task(what, total=wanted)
            self._next_line = time.monotonic() + _EVERY_S
        assert self._task is not None
        self._bar.update(self._task, completed=done)
        if not self._bar.console.is_terminal and time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _EVERY_S
            self.say(f"{what}: {done:,} of {wanted:,}")
