"""Processes that do the same work: what is said of one that fails, and of an interruption."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from zflood.processes import Processes, ProcessesError


def test_of_tasks_that_failed_together_the_first_is_told() -> None:
    def work(number: int, report: Callable[[int], None]) -> None:
        raise ExceptionGroup("tasks", [ExceptionGroup("more", [OverflowError("too far")]), ValueError("x")])

    with pytest.raises(ProcessesError, match=r"^too far$"):
        list(Processes[int](1, work).reports())


def test_members_that_are_interrupted_as_they_begin_say_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    def work(number: int, report: Callable[[int], None]) -> None:
        signal.pause()

    for _ in range(20):
        crew = Processes[int](3, work)
        crew._interrupt()
        assert not any(list(crew.reports()))
    assert capfd.readouterr().err == ""
