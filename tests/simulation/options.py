"""The command line of the simulator: `python -m tests.simulation`, or `make simulate`.

--seed N            one history, by its seed, with its shrunk steps if it breaks a promise; --trace shows all
of it --seconds S         histories for so long, on both cores; the first seed is chosen by the time of day,
and told --first N           ... from this seed on: the same histories each time --json              the
figures as JSON
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from typing import Any

from tests.simulation.plan import plan
from tests.simulation.shrink import shrink
from tests.simulation.simulation import Outcome, play
from tests.simulation.steps import take

_SHOWN = 3  # broken histories that are shrunk and shown


def main() -> None:
    """Play histories; the exit code is 1 if a promise was broken."""
    parser = argparse.ArgumentParser(
        prog="tests.simulation", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seed", type=int)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--first", type=int)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--all", action="store_true", help="go on after a broken promise")
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--no-shrink", action="store_true")
    options = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Some sets of the packages are gone through in an order that depends on it.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])
    if options.seed is not None:
        sys.exit(_one(options.seed, options.steps, options.trace, not options.no_shrink))
    sys.exit(_many(options))


def _one(seed: int, steps: int, trace: bool, shrinks: bool) -> int:
    outcome = play(plan(seed, steps), take, keeps_trace=trace)
    for line in outcome.trace:
        print(line)
    if outcome.broken and shrinks:
        show(outcome, steps)
    elif outcome.broken:
        print(f"seed {seed}: {outcome.broken}: {outcome.words}; trace {outcome.digest}")
    else:
        print(f"seed {seed}: no promise was broken, {outcome.events} events, trace {outcome.digest}")
    return int(bool(outcome.broken))


def show(outcome: Outcome, steps: int) -> None:
    """What broke, and in how few steps."""
    whole = plan(outcome.seed, steps)
    print(f"seed {outcome.seed}: {outcome.broken}: {outcome.words}; trace {outcome.digest}")
    few = shrink(whole.steps, lambda some: play(whole, take, some).broken == outcome.broken)
    print(f"  {len(few)} of {len(whole.steps)} steps are enough:")
    for step in few:
        print(f"    {step}")
    print(f"    {play(whole, take, few).words}")
    print(f"  again: make simulate SEED={outcome.seed}", flush=True)


class Figures:
    """Of all histories together."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.histories = self.events = self.messages = 0
        self.simulated_s = 0.0
        self.faults: Counter[str] = Counter()
        self.broken: list[tuple[int, str]] = []
        self._began = time.monotonic()

    def add(self, outcome: Outcome) -> None:
        """One more."""
        self.histories += 1
        self.events += outcome.events
        self.messages += outcome.messages
        self.simulated_s += outcome.simulated_s
        self.faults.update(outcome.faults)
        if outcome.broken:
            self.broken.append((outcome.seed, outcome.broken))

    def as_json(self) -> dict[str, Any]:
        """For --json."""
        return {
            "first_seed": self.first,
            "histories": self.histories,
            "wall_s": round(time.monotonic() - self._began, 1),
            "simulated_s": round(self.simulated_s),
            "events": self.events,
            "messages": self.messages,
            "faults": self.faults.total(),
            "faults_by_kind": dict(self.faults.most_common()),
            "broken": self.broken,
        }


def _many(options: argparse.Namespace) -> int:
    first = int(time.time()) * 1000 if options.first is None else options.first
    figures = Figures(first)
    until = time.monotonic() + options.seconds
    shown = 0
    with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
        seeds = iter(range(first, first + (1 << 40)))
        under_way = [pool.apply_async(_play, (next(seeds), options.steps)) for _ in range(2 * options.jobs)]
        while under_way:
            outcome = under_way.pop(0).get()
            figures.add(outcome)
            if outcome.broken and (shown < _SHOWN or options.all):
                shown += 1
                if options.json or options.all:
                    print(f"seed {outcome.seed}: {outcome.broken}: {outcome.words}", file=sys.stderr)
                else:
                    show(outcome, options.steps)
            if time.monotonic() < until and (options.all or not outcome.broken):
                under_way.append(pool.apply_async(_play, (next(seeds), options.steps)))
            elif outcome.broken and not options.all:
                break
    found = figures.as_json()
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        kinds = dict(Counter(kind for _, kind in figures.broken))
        print(
            f"{found['histories']} histories from seed {first}: {found['faults']:,} faults in"
            f" {found['simulated_s']:,} s of simulated and {found['wall_s']} s of real time,"
            f" {found['events']:,} events, {found['messages']:,} messages;"
            f" {len(figures.broken)} broke a promise {kinds or ''}"
        )
    return int(bool(figures.broken))


def _play(seed: int, steps: int) -> Outcome:
    return play(plan(seed, steps), take)
