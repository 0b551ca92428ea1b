"""`python -m tests.simulation.mutants`, or `make mutants`: is each of them found, and how soon?

--only WORDS   those with these words in their name; nothing is written then
--seconds S    how long each is looked for; 600 by default
--json         the table as JSON
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.simulation.mutants.catalogue import MUTANTS
from tests.simulation.mutants.mutant import ROOT, Mutant

PAGE = ROOT / "docs" / "simulation.md"
_BEGIN, _END = "<!-- mutants -->\n", "<!-- end of mutants -->\n"
_HEAD = "| a small fault | in | found after | as | seed |\n|---|---|---|---|---|\n"


class Row(NamedTuple):
    """Of one mutant: the history that broke a promise, how long that took with those before it [s]."""

    mutant: str
    file: str
    seconds: float
    seed: int | None
    kind: str  # of the promise; why it was not found

    def __str__(self) -> str:
        if self.seed is None:
            return f"| {self.mutant} | `{self.file}` | **{self.kind}** | | |"
        return f"| {self.mutant} | `{self.file}` | {self.seconds:.1f} s | {self.kind} | {self.seed} |"


def main() -> None:
    """Print the table; the exit code is 1 if one was not found."""
    parser = argparse.ArgumentParser(prog="tests.simulation.mutants", description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if options.only in mutant.name]
    rows: list[Row] = []
    show = sys.stderr if options.json else sys.stdout
    print(_HEAD, end="", file=show, flush=True)
    with ThreadPoolExecutor(options.jobs) as threads:
        for row in threads.map(lambda mutant: look_for(mutant, options.seconds), chosen):
            rows.append(row)
            print(row, file=show, flush=True)
    found = [row for row in rows if row.seed is not None]
    longest = max((row.seconds for row in found), default=0.0)
    summary = f"{len(found)} of {len(rows)} were found, the last after {longest:.0f} s."
    print(f"\n{summary}", file=show)
    if options.json:
        print(json.dumps([row._asdict() for row in rows], indent=1))
    if len(chosen) == len(MUTANTS):
        write_into(PAGE, rows, summary)
    sys.exit(len(found) < len(rows))


def look_for(mutant: Mutant, seconds: float) -> Row:
    """Play histories with it, always the same, until one breaks a promise."""
    with tempfile.TemporaryDirectory() as name:
        mutant.put_into(Path(name))
        began = time.monotonic()
        done = _simulate(name, "--seconds", str(seconds), "--first", "1", "--jobs", "1", "--json")
        spent = round(time.monotonic() - began, 1)
    file = mutant.edits[0].file
    if done.returncode == 1 and done.stdout.startswith("{"):
        seed, kind = json.loads(done.stdout)["broken"][0]
        if _simulate(str(ROOT), "--seed", str(seed), "--no-shrink").returncode == 0:
            return Row(mutant.name, file, spent, seed, kind)
        return Row(mutant.name, file, spent, None, f"not found: seed {seed} breaks without it, too")
    why = "not found" if done.returncode == 0 else f"failed: {done.stderr[-300:]}"
    return Row(mutant.name, file, spent, None, why)


def _simulate(folder: str, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": folder, "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-m", "tests.simulation", *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def write_into(page: Path, rows: list[Row], summary: str) -> None:
    """Put the table where the last one is."""
    before, _, rest = page.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    table = "".join(f"{row}\n" for row in rows)
    page.write_text(f"{before}{_BEGIN}\n{_HEAD}{table}\n{summary}\n{_END}{after}")


if __name__ == "__main__":
    main()
