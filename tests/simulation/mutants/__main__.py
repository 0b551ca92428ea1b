"""`python -m tests.simulation.mutants`, or `make mutants`: is each of them found, and how soon?

--only WORDS   those with these words in their name
--seconds S    how long each is looked for; 600 by default
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

from tests.simulation.mutants.catalogue import MUTANTS
from tests.simulation.mutants.mutant import Mutant


def main() -> None:
    """Print the table; the exit code is 1 if one was not found."""
    parser = argparse.ArgumentParser(prog="tests.simulation.mutants", description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if options.only in mutant.name]
    print("| a small fault | in | found after | as | seed |\n|---|---|---|---|---|", flush=True)
    found = 0
    with ThreadPoolExecutor(options.jobs) as threads:
        for row, is_found in threads.map(lambda mutant: look_for(mutant, options.seconds), chosen):
            print(row, flush=True)
            found += is_found
    print(f"\n{found} of {len(chosen)} were found")
    sys.exit(found < len(chosen))


def look_for(mutant: Mutant, seconds: float) -> tuple[str, bool]:
    """A row of the table, and whether it was found."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mutant.put_into(folder)
        began = time.monotonic()
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.simulation",
                "--seconds",
                str(seconds),
                "--first",
                "1",
                "--jobs",
                "1",
                "--json",
            ],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": name, "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
        )
        spent = time.monotonic() - began
    file = mutant.edits[0].file
    if done.returncode == 1 and done.stdout.startswith("{"):
        seed, kind = json.loads(done.stdout)["broken"][0]
        return f"| {mutant.name} | {file} | {spent:.1f} s | {kind} | {seed} |", True
    why = "not found" if done.returncode == 0 else f"failed: {done.stderr[-300:]}"
    return f"| {mutant.name} | {file} | **{why}** | | |", False


if __name__ == "__main__":
    main()
