"""The examples in docs/http-api.md, run as they stand there, their output compared line by line.

Each block is a shell session with a router and a frontend of its own; only host and port are replaced.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Program, eventually, needs_curl
from zrouter.client import RouterClient

DOCUMENT = (Path(__file__).parents[1] / "docs" / "http-api.md").read_text()
BLOCKS = re.findall(r"^```console\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:8000"

DATE = re.compile(r"^Date: .* GMT\n", re.MULTILINE)


class Shell:
    """Runs one command after the other; what ends with `&` goes on beside them."""

    def __init__(self, folder: Path, router: Program, front: Program, start: Callable[..., Program]) -> None:
        self.front = front
        self._folder = folder
        self._router = router
        self._start = start
        self._beside: list[subprocess.Popen[bytes]] = []

    def run(self, command: str) -> str:
        """The command's output, after `&` and `wait` none."""
        if command.startswith("zfront serve ") and command.endswith(" &"):
            words = [*command.removesuffix(" &").split(), "--listen", "127.0.0.1:0"]
            self.front = self._start(*words, "--router", self._router.address)
        elif command.endswith(" &"):
            parked = self._parked()
            self._beside.append(self._shell(command.removesuffix(" &")))
            eventually(lambda: self._parked() > parked)
        elif command == "wait":
            for process in self._beside:
                process.wait(10)
        else:
            return self._shell(command).communicate(timeout=20)[0].decode()
        return ""

    def end(self) -> None:
        for process in self._beside:
            process.kill()
            process.wait()

    def _shell(self, command: str) -> subprocess.Popen[bytes]:
        programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return subprocess.Popen(
            ["bash", "-c", command.replace(ADDRESS, self.front.address)],
            cwd=self._folder,
            env=os.environ | {"PATH": programs, "ZROUTER_ROUTER": self._router.address},
            stdout=subprocess.PIPE,
        )

    def _parked(self) -> int:
        with RouterClient(self._router.address) as api:
            return int(api.stats()["connections"])


@needs_curl
@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_an_example_answers_as_the_document_says(
    block: str, start: Callable[..., Program], router: Program, front: Program, tmp_path: Path
) -> None:
    shell = Shell(tmp_path, router, front, start)
    steps: list[Any] = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    assert steps
    try:
        for command, output in steps:
            # A terminal does not show the CR of an HTTP head.
            said = shell.run(command).replace("\r\n", "\n")
            assert DATE.sub("", said) == DATE.sub("", output), command
    finally:
        shell.end()


def test_every_status_of_the_document_has_an_example() -> None:
    table = DOCUMENT.split("\n## Other answers\n")[1].split("\n```")[0]
    shown = "".join(BLOCKS)
    statuses = set(re.findall(r"\b[45]\d\d\b", table))
    assert {
        status for status in statuses if not re.search(rf"^(HTTP/1.1 )?{status}\b", shown, re.MULTILINE)
    } == set()
