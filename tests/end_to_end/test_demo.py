"""The demo, small: what it prints is what a reader of the README sees first."""

from __future__ import annotations

import subprocess
import sys

import pytest


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


@pytest.mark.parametrize("seconds", ["nan", "inf", "1e300"])
def test_a_time_that_is_none_is_a_usage_error(seconds: str) -> None:
    code = "from zflood.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "demo", "--seconds", seconds], capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
