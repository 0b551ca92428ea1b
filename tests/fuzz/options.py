"""A run of the targets: some at once, each for so many seconds; then a table, and the same as JSON.

Owns: the options, what is shown. Must not know: what a target does. Ends with 1 if something was found.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.fuzz.targets import TARGETS

_COVERAGE = re.compile(r"\bcov: (\d+)")
_EXECUTED = re.compile(r"^stat::number_of_executed_units: (\d+)", re.MULTILINE)
# Beside its time, for the start and the end; libFuzzer ends a single input after 20 s.
_MORE_S = 120


def main() -> None:
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--seconds", type=float, default=300, help="of each target")
    parser.add_argument(
        "--target", action="append", choices=sorted(TARGETS), help="only this; may be repeated"
    )
    parser.add_argument("--jobs", type=int, default=2, help="targets at once")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--folder", type=Path, default=Path(".fuzz"), help="for findings, and fuzz.json")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(options.jobs) as pool:
        names = options.target or list(TARGETS)
        rows = list(pool.map(lambda name: _run(name, options), names))
    total = {
        "executions": sum(row["executions"] for row in rows),
        "findings": sum(len(row["findings"]) for row in rows),
        "seconds_each": options.seconds,
        "seed": options.seed,
        "targets": rows,
    }
    (options.folder / "fuzz.json").write_text(json.dumps(total, indent=1) + "\n")
    _show(rows, total)
    sys.exit(1 if total["findings"] else 0)


def _run(name: str, options: argparse.Namespace) -> dict[str, Any]:
    for old in (options.folder / name).glob("*"):
        old.unlink()
    command = [sys.executable, "-m", "tests.fuzz.worker", name, str(options.seconds), str(options.folder)]
    log = options.folder / f"{name}.log"
    with log.open("w") as file:
        done = subprocess.run(
            [*command, str(options.seed)],
            stderr=file,
            timeout=options.seconds + _MORE_S,
        )
    text = log.read_text(errors="replace")
    executed, reached = _EXECUTED.search(text), _COVERAGE.findall(text)
    found = [path.read_text().partition("\n")[0] for path in sorted((options.folder / name).glob("*.txt"))]
    if done.returncode or executed is None:
        found.append(f"the process ended with {done.returncode}: see {log}")
    return {
        "target": name,
        "executions": int(executed[1]) if executed else 0,
        "coverage": int(reached[-1]) if reached else None,
        "findings": found,
    }


def _show(rows: list[dict[str, Any]], total: dict[str, Any]) -> None:
    print(f"{'target':<18} {'executions':>12} {'coverage':>9} {'findings':>9}")
    for row in rows:
        reached = "-" if row["coverage"] is None else row["coverage"]
        print(f"{row['target']:<18} {row['executions']:>12,} {reached:>9} {len(row['findings']):>9}")
        for finding in row["findings"]:
            print(f"  {finding}")
    print(f"{'all':<18} {total['executions']:>12,} {'':>9} {total['findings']:>9}")
