"""The demo, small: what it prints is what a reader of the README sees first."""

from __future__ import annotations

import subprocess
import sys


def test_the_demo_loses_nothing() -> None:
    demo = subprocess.run(
        [
            sys.executable,
            "-c",
            "from zflood.cli import main; main()",
            "demo",
            "--clients",
            "200",
            "--seconds",
            "2",
        ],
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "connected" in demo.stdout
    assert "2,000" in demo.stdout
