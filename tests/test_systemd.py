"""The units are what systemd accepts, and readiness and watchdog are really sent."""

from __future__ import annotations

import ctypes
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.confined import LIBSECCOMP, allowed, settings
from tests.conftest import Client, eventually
from zrouter.client import RouterClient

SYSTEMD = Path(__file__).parent.parent / "systemd"
UNITS = sorted(SYSTEMD.glob("z*.service"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_units_verify(tmp_path: Path) -> None:
    for unit in SYSTEMD.glob("z*"):
        text = unit.read_text()
        # The programs are not in /opt here; any program will do for the check.
        text = re.sub(r"/opt/zcomet/bin/\S+", shutil.which("true") or "/bin/true", text)
        name = unit.name.replace("@", "@8000")
        (tmp_path / name).write_text(text)
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(map(str, tmp_path.iterdir()))],
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    ours = [line for line in found.stderr.splitlines() if str(tmp_path) in line]
    assert ours == []


@pytest.mark.skipif(shutil.which("systemd-tmpfiles") is None, reason="systemd is not installed")
def test_idle_cores_of_a_virtual_machine_are_set_and_elsewhere_nothing_is_made(tmp_path: Path) -> None:
    file = SYSTEMD / "tmpfiles.d" / "60-zcomet-halt.conf"
    parameter = tmp_path / "sys" / "module" / "haltpoll" / "parameters" / "guest_halt_poll_ns"

    def create() -> None:
        subprocess.run(
            ["systemd-tmpfiles", "--create", f"--root={tmp_path}", str(file)], check=True, timeout=30
        )

    create()
    assert not parameter.exists()
    parameter.parent.mkdir(parents=True)
    parameter.write_text("0\n")
    create()
    assert parameter.read_text().strip() == "1000000"


@pytest.mark.parametrize(
    "command",
    [
        ["zrouter", "serve", "--bind", "tcp://127.0.0.1:0"],
        ["zfront", "serve", "--listen", "127.0.0.1:0"],
        ["zfront", "serve", "--listen", "127.0.0.1:0", "--workers", "2"],
    ],
    ids=["zrouter", "zfront", "zfront with workers"],
)
def test_readiness_watchdog_and_stopping_are_sent(tmp_path: Path, command: list[str]) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(15)
        code = f"from {command[0]}.cli import main; main()"
        process = subprocess.Popen(
            [sys.executable, "-c", code, *command[1:]],
            env={
                "NOTIFY_SOCKET": str(tmp_path / "notify"),
                "WATCHDOG_USEC": "200000",
                "PATH": "/usr/bin:/bin",
            },
        )
        try:
            assert notify.recv(4096).startswith(b"READY=1")
            assert notify.recv(4096) == b"WATCHDOG=1"
            process.send_signal(signal.SIGTERM)
            while (said := notify.recv(4096)) != b"STOPPING=1":
                assert said == b"WATCHDOG=1"
            assert process.wait(15) == 0
        finally:
            process.kill()
            process.wait()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_exposed_to_little(unit: Path) -> None:
    words = ["systemd-analyze", "security", "--offline=true", "--threshold=25", "--no-pager", str(unit)]
    found = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stdout  # 2.5 of 10 at the most
    level = re.search(r"exposure level for \S+: ([0-9.]+)", found.stdout)
    assert level is not None
    assert float(level[1]) <= 2.5


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_has_a_bound_of_memory_and_does_not_restart_after_a_mistake(
    unit: Path,
) -> None:
    assert settings(unit, "MemoryMax")
    assert settings(unit, "RestartPreventExitStatus") == ["2"]
    assert settings(unit, "UMask") == ["0077"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_programs_work_with_the_calls_that_their_units_allow(tmp_path: Path) -> None:
    try:
        ctypes.CDLL(LIBSECCOMP)
    except OSError:
        pytest.skip("libseccomp is not installed")
    running: list[subprocess.Popen[bytes]] = []

    def start(unit: str, *words: str) -> Callable[[], str]:
        log = tmp_path / f"{len(running)}.log"
        with log.open("wb") as file:
            running.append(
                subprocess.Popen(
                    [sys.executable, "-m", "tests.confined", str(SYSTEMD / unit), *words],
                    stdout=file,
                    stderr=file,
                )
            )
        return log.read_text

    def address(said: Callable[[], str]) -> str:
        found = eventually(lambda: re.search(r"listening on (\S+)", said()))
        return str(found[1])

    assert "setrlimit" not in allowed(SYSTEMD / "zrouter.service")
    try:
        store = tmp_path / "store"
        router = address(
            start("zrouter.service", "zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--store", str(store))
        )
        front = address(
            start(
                "zfront@.service",
                "zfront",
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--router",
                router,
                "--workers",
                "2",
            )
        )
        with RouterClient(router) as api:
            client = Client(front, "/sse/ann")
            eventually(lambda: api.send("ann", "hello") == 1)
            client.read_until(b"hello")
            assert api.follow("ann", "bob") == 1
            eventually(lambda: api.publish("bob", "news").handed == 1)
            client.read_until(b"news")
        rows = start(
            "zmemory@.service",
            "zflood",
            "memory",
            "--pid",
            str(running[0].pid),
            "--count",
            "2",
            "--every",
            "0.1",
        )
        assert running[-1].wait(60) == 0, rows()
        assert rows().count("\n") >= 3
        # The filter is really there.
        nice = (
            f"from tests.confined import *; confine(Path({str(SYSTEMD / 'zrouter.service')!r})); os.nice(1)"
        )
        held = subprocess.run([sys.executable, "-c", nice], capture_output=True, timeout=60)
        assert b"PermissionError" in held.stderr
    finally:
        for program in running:
            program.terminate()
        for program in running:
            program.wait(20)
    assert [program.returncode for program in running] == [0, 0, 0]
