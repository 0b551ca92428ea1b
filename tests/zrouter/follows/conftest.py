"""Stores for the tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from zrouter.follows.lmdb_store.store import LmdbFollows
from zrouter.follows.memory import MemoryFollows
from zrouter.follows.store import Follows


def zrouter(*words: str | Path, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run the program."""
    return subprocess.run(
        [sys.executable, "-c", "from zrouter.cli import main; main()", *map(str, words)],
        input=stdin, capture_output=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.fixture(params=["memory", "lmdb"])
def follows(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Follows]:
    """An empty store of each kind: whatever is promised of one is promised of all."""
    make: dict[str, Callable[[], Follows]] = {
        "memory": MemoryFollows,
        "lmdb": lambda: LmdbFollows(tmp_path / "store"),
    }
    with make[request.param]() as store:
        yield store


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[LmdbFollows]:
    """An empty store on disk, at tmp_path / "store"."""
    with LmdbFollows(tmp_path / "store") as store:
        yield store


def pairs(store: Follows) -> set[tuple[bytes, bytes]]:
    """All pairs; each is there once, and verify agrees."""
    found = list(store.pairs())
    assert len(found) == len(set(found))
    assert list(store.verify()) == []
    assert store.figures()["pairs"] == len(found)
    return set(found)
