"""A scenario from its first step to its verdict, one run after the other.

Owns: the order of things, the figures of a whole run, what held. Must not know: how steps are carried out
(steps.py), how it is reported.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any, Final

import psutil
from msgspec import Struct

from zflood.check.folder import compare
from zflood.check.log_format import LogError
from zflood.check.show import lines
from zflood.check.verdict import KINDS, Verdict
from zflood.memory import Sample
from zflood.run.environment import FRONTEND, ROUTER, Environment, StopError
from zflood.run.expectation import Expectation, expectation
from zflood.run.figures import label, number
from zflood.run.narrator import Narrator
from zflood.run.programs import ProgramError
from zflood.run.scenario import Follows, Play
from zflood.run.steps import Figures, carry_out
from zflood.time_line import Mark, Moment
from zrouter.daemon.program import EXIT_INTERRUPTED
from zrouter.errors import RouterError

_SUMS: Final = ("sent", "handed", "nobody", "kept", "received", "lost")
_CHECK: Final = "check"
_STORE: Final = "store"
_NO_OFFENCE: Final = "check.offences == 0"


class Check(Struct):
    """An expectation, the figure, and whether it held."""

    text: str
    value: float | None
    holds: bool | None  # None: it is not for a run like this


class StepOutcome(Struct):
    """What a step left; `began_s` since the start of the run."""

    name: str
    began_s: float
    figures: Figures


class Outcome(Struct):
    """What came of a run."""

    name: str
    settings: dict[str, Any]
    steps: list[StepOutcome]
    figures: Figures  # of the whole run, and of each step as `step.figure`
    checks: list[Check]
    moments: list[Moment]
    marks: list[Mark]
    samples: dict[str, list[Sample]]
    stopped: str  # why it could not be carried out to its end; empty if it was
    exit_code: int  # what a signal asks of us; 0 = there was none
    offences: list[str]  # the first ones that the comparison found, in words

    def holds(self) -> bool:
        """Whether it came to its end, and all held that must."""
        return not self.stopped and all(check.holds is not False for check in self.checks)


def play(play: Play, folder: Path, narrator: Narrator) -> Outcome:
    """Carry out one run; its logs and samples are written to the folder, which is made."""
    outcome = Outcome(play.name, play.settings, [], {}, [], [], [], {}, "", 0, [])
    records = folder / _CHECK if play.check else None
    store = folder / _STORE if any(isinstance(step, Follows) for step in play.steps) else None
    environment = Environment(
        folder, play.services, play.sample_s, play.min_free_mb, narrator, records, store
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for earlier in (folder / _CHECK, folder / _STORE):
            if earlier.exists():
                shutil.rmtree(earlier)  # of an earlier run, whose report this one takes the place of
        with environment:
            try:
                for step in play.steps:
                    began_s = environment.elapsed_s()
                    narrator.say(f"{step.name} begins")
                    figures = carry_out(environment, step)
                    outcome.steps.append(StepOutcome(step.name, began_s, figures))
                    narrator.say(f"{step.name} is done: {in_words(figures)}")
                environment.check()
            finally:
                outcome.figures = _of_the_run(environment, outcome.steps)
    except (StopError, ProgramError, RouterError, OSError, psutil.Error) as error:
        outcome.stopped = str(error)
    except KeyboardInterrupt:
        outcome.stopped, outcome.exit_code = "interrupted", EXIT_INTERRUPTED
    except SystemExit as ended:
        outcome.stopped, outcome.exit_code = "ended from outside", int(ended.code or 0)
    if records is not None and not outcome.exit_code:
        _compare(outcome, records, environment.elapsed_s(), narrator)
    if outcome.stopped:
        narrator.say(f"stopped: {outcome.stopped}")
    outcome.moments, outcome.marks, outcome.samples = (
        environment.moments,
        environment.marks,
        environment.samples,
    )
    expected = [*play.expect]
    if play.check and _NO_OFFENCE not in map(str, expected):
        expected.append(expectation(_NO_OFFENCE))
    outcome.checks = [_check(one, outcome.figures) for one in expected]
    return outcome


def _compare(outcome: Outcome, records: Path, began_s: float, narrator: Narrator) -> None:
    """Compare what senders were told with what clients saw; what was found good is not kept."""
    narrator.say("check begins: what senders were told and what clients saw is compared")
    try:
        verdict = compare(records)
    except (LogError, OSError) as error:
        outcome.stopped = outcome.stopped or f"check: {error}"
        return
    figures = {f"{_CHECK}.{name}": value for name, value in _found(verdict).items()}
    outcome.steps.append(StepOutcome(_CHECK, began_s, figures))
    outcome.figures |= figures
    outcome.figures.setdefault("lost", verdict.offences["lost"])
    outcome.offences = verdict.first
    for line in lines(verdict):
        narrator.say(line)
    if not verdict.offences:
        shutil.rmtree(records)


def _found(verdict: Verdict) -> Figures:
    return {
        "clients": verdict.clients,
        "messages": verdict.messages,
        "sights": verdict.sights,
        "connections": verdict.connections,
        "gaps": verdict.gaps,
        "offences": verdict.offences.total(),
        **{kind: verdict.offences[kind] for kind in KINDS},
    }


def in_words(figures: Figures) -> str:
    """The figures of a step without those of the programs' resources."""
    shown = (
        f"{label(name.partition('.')[2])} {number(value)}"
        for name, value in figures.items()
        if not re.search(r"_(rss|pss)_mb$|_cpu_percent$", name)
    )
    return "; ".join(shown)


def _of_the_run(environment: Environment, steps: list[StepOutcome]) -> Figures:
    """Of all steps together."""
    seen, counts = environment.seen(), environment.counts()
    figures: Figures = {
        "connected": counts.connected,
        "active": counts.active,
        "closed": counts.closed,
        "errors": seen.errors.total(),
        **{f"errors.{re.sub('[^a-z0-9]+', '-', kind.lower())}": count for kind, count in seen.errors.items()},
    }
    by_step = {name: value for step in steps for name, value in step.figures.items()}
    for name in _SUMS:
        values = [value for key, value in by_step.items() if key.partition(".")[2] == name]
        if values:
            figures[name] = sum(values)
    figures |= seen.latencies.figures()
    for group in (ROUTER, FRONTEND):
        if samples := environment.samples.get(group):
            figures[f"{group}_rss_max_mb"] = round(max(sample.rss_kb for sample in samples) / 1024, 2)
    return figures | by_step


def _check(expectation: Expectation, figures: Figures) -> Check:
    return Check(str(expectation), figures.get(expectation.must.figure), expectation.holds(figures))
