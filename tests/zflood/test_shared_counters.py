"""Counts that processes share."""

from __future__ import annotations

import os
from pathlib import Path

from zflood.shared_counters import Counts, SharedCounters


def test_rows_of_several_processes_are_added_up(tmp_path: Path) -> None:
    board = SharedCounters.make(tmp_path / "board", 3)
    assert board.total() == Counts()
    board.write(2, Counts(1, 2, 3, 4, 5))
    child = os.fork()
    if not child:
        SharedCounters(tmp_path / "board").write(0, Counts(10, 20, 30, 40, 2**40))
        os._exit(0)
    os.waitpid(child, 0)
    assert board.total() == Counts(11, 22, 33, 44, 2**40 + 5)
