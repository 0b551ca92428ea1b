"""A program that watches and does not read: it grows nobody, and learns how it is when it reads again."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import Program, eventually
from zrouter.client import Presence, RouterClient

IDS = [f"{number:0>240}" for number in range(2000)]


def test_a_stopped_watcher_is_told_no_more_than_the_window_and_the_last_states_once_it_goes_on(
    router: Program, api: RouterClient, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    one, two = RouterClient(router.address), RouterClient(router.address)
    one.login(*IDS)
    code = "from zrouter.cli import main; main()"
    with said.open("wb") as file:
        watcher = subprocess.Popen(
            [sys.executable, "-c", code, "watch", *IDS, "--router", router.address], stdout=file
        )
    try:
        eventually(lambda: said.read_text().count("is online, 1 connection\n") == len(IDS))
        watcher.send_signal(signal.SIGSTOP)
        presence = api.watch(IDS[0])  # by one who reads
        assert next(presence).connections == 1
        told = [_told_by_a_change(api, two, presence) for _ in range(12)]
        assert told[0] > len(IDS)
        assert told[-4:] == [2] * 4  # whoever reads, and nobody else
        two.login(*IDS)
        watcher.send_signal(signal.SIGCONT)
        eventually(lambda: _last_states(said) == dict.fromkeys(IDS, "is online, 2 connections"))
    finally:
        watcher.send_signal(signal.SIGCONT)
        watcher.terminate()
        watcher.wait(10)
        one.close()
        two.close()


def _told_by_a_change(api: RouterClient, two: RouterClient, presence: Iterator[Presence]) -> int:
    """All ids are on two connections, and on one again; how many states are told of that."""
    before = api.stats()["presence_out"]
    for change, connections in ((two.login, 2), (two.logout, 1)):
        change(*IDS)
        two.stats()
        assert next(presence).connections == connections
    return int(api.stats()["presence_out"] - before)


def _last_states(said: Path) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in said.read_text().splitlines() if line.count(" ") >= 2)
