"""The units are what systemd accepts, and readiness and watchdog are really sent."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parent.parent / "systemd"


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
