"""The live bar of a load, on standard error if that is a terminal.

Owns: how it looks. Must not know: what goes on.
"""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class _Rate(ProgressColumn):
    """Steps a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed / 1e6:,.1f} M/s" if speed else "")


class LoadProgress:
    """One line for each stage: how much of it, how fast, how long it will take."""

    def __init__(self) -> None:
        console = Console(file=sys.stderr, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description:<18}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            _Rate(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            disable=not console.is_terminal,
            redirect_stdout=False,
        )

    def stage(self, what: str, total: int | None) -> None:
        """Something begins; what came before is done."""
        self._finish()
        self._progress.add_task(what, total=total)

    def advance(self, steps: int) -> None:
        """So many were done."""
        self._progress.advance(self._progress.task_ids[-1], steps)

    def _finish(self) -> None:
        for task in self._progress.tasks[-1:]:
            self._progress.update(task.id, total=task.total or 1, completed=task.total or 1)

    def __enter__(self) -> LoadProgress:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._finish()
        self._progress.stop()
