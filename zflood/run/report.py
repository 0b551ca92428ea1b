"""The report of a scenario: a folder with report.html (one file that needs no other), report.md, report.json.

Owns: which figures and graphs are shown, in which words. Must not know: how they came about. jinja2,
matplotlib and scipy are the extra `report`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import io
import os
import platform
import sys
from collections.abc import Sequence
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import psutil

from zflood import plot
from zflood.run.environment import FRONTEND
from zflood.run.figures import LABELS, label, number
from zflood.run.runner import Outcome
from zflood.run.scenario import Beside, Scenario, slug
from zflood.time_line import write_moments

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TEMPLATES: Final = resources.files("zflood.run") / "templates"
_NEEDED: Final = ("jinja2", "matplotlib", "scipy")
_LIBRARIES: Final = ("zcomet", "pyzmq", "tornado", "msgspec", "httptools", "psutil")

_HELD: Final = {True: "yes", False: "no", None: "not judged"}


class ReportsMissingError(Exception):
    """The libraries that reports are made with are not installed."""


def check_libraries() -> None:
    """Find out before a long run rather than after it.

    Raises:
        ReportsMissingError: one is missing.
    """
    for name in _NEEDED:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            why = f"a report needs {name}: from a checkout, pip install '.[report]'"
            raise ReportsMissingError(why) from None


def write(
    folder: Path, name: str, scenario: Scenario, outcomes: Sequence[Outcome], began: datetime
) -> dict[str, Any]:
    """Write all of it; what report.json says."""
    from jinja2 import Environment

    report = _contents(name, scenario, outcomes, began)
    (folder / "report.json").write_text(as_json_text(report) + "\n")
    graphs = _graphs(scenario, outcomes)
    for file, (_, figure) in graphs.items():
        plot.save(figure, folder / f"{file}.png")
    for outcome in outcomes:
        write_moments(folder / slug(outcome.name) / "moments.tsv", outcome.moments)
    shown = {
        **report,
        "graphs": [{"file": f"{file}.png", "title": title} for file, (title, _) in graphs.items()],
        "tables": _tables(outcomes),
    }
    for kind in ("html", "md"):
        text = (_TEMPLATES / f"report.{kind}.j2").read_text()
        environment = Environment(autoescape=kind == "html", trim_blocks=True, lstrip_blocks=True)
        environment.filters |= {"number": number, "label": label, "value": _value, "held": _HELD.get}
        svgs = [_svg(figure) for _, figure in graphs.values()] if kind == "html" else []
        (folder / f"report.{kind}").write_text(
            environment.from_string(text).render(**shown, svgs=svgs) + "\n"
        )
    return report


def as_json_text(report: dict[str, Any]) -> str:
    """report.json."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1).decode()


def _value(value: object) -> str:
    """A setting for people."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:,.10g}" if is_number else str(value)


def _contents(name: str, scenario: Scenario, outcomes: Sequence[Outcome], began: datetime) -> dict[str, Any]:
    return {
        "scenario": name,
        "title": scenario.title,
        "about": scenario.about,
        "holds": len(outcomes) == len(scenario.plays) and all(outcome.holds() for outcome in outcomes),
        "began": began.isoformat(" ", "seconds"),
        "seconds": round((datetime.now() - began).total_seconds(), 1),
        "command": "zflood " + " ".join(sys.argv[1:]),
        "machine": _machine(),
        "versions": {one: _version(one) for one in _LIBRARIES},
        "beside": [
            {"what": one.what, "theirs": one.theirs, "ours": _ours(one, outcomes)} for one in scenario.beside
        ],
        "runs": [
            {
                "name": outcome.name,
                "holds": outcome.holds(),
                "stopped": outcome.stopped,
                "settings": outcome.settings,
                "offences": outcome.offences,
                "checks": [msgspec.structs.asdict(check) for check in outcome.checks],
                "steps": [msgspec.structs.asdict(step) for step in outcome.steps],
                "figures": outcome.figures,
            }
            for outcome in outcomes
        ],
    }


def _ours(beside: Beside, outcomes: Sequence[Outcome]) -> list[str]:
    """The figure of each run that it is of."""
    return [
        f"{number(outcome.figures.get(beside.figure))} {beside.unit}".rstrip()
        + ("" if beside.run or len(outcomes) == 1 else f" ({outcome.name})")
        for outcome in outcomes
        if beside.run in ("", outcome.name)
    ]


def _machine() -> dict[str, str]:
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    return {
        "processor": f"{os.cpu_count()} cores, {model}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _tables(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """For each step a table: figures down, runs across."""
    order = {name: place for place, name in enumerate(LABELS)}
    by_step: dict[str, dict[str, dict[str, float]]] = {}
    for outcome in outcomes:
        for step in outcome.steps:
            for key, value in step.figures.items():
                figure = key[len(step.name) + 1 :]
                by_step.setdefault(step.name, {}).setdefault(figure, {})[outcome.name] = value
    return [
        {
            "step": step,
            "rows": [
                {"figure": figure, "values": [values.get(outcome.name) for outcome in outcomes]}
                for figure, values in sorted(rows.items(), key=lambda row: order.get(row[0], len(order)))
            ],
        }
        for step, rows in by_step.items()
    ]


def _graphs(scenario: Scenario, outcomes: Sequence[Outcome]) -> dict[str, tuple[str, Figure]]:
    """File name without suffix -> title and picture."""
    graphs: dict[str, tuple[str, Figure]] = {}
    sampled = [
        plot.Run(outcome.name, outcome.samples[FRONTEND])
        for outcome in outcomes
        if len(outcome.samples.get(FRONTEND, ())) > 1
    ]
    if sampled:
        title = f"Memory of the frontend: {scenario.title[0].lower()}{scenario.title[1:]}"
        graphs["memory"] = (title, plot.draw(sampled, title))
    for outcome in outcomes:
        if len(outcome.moments) > 2 and any(one.active or one.received for one in outcome.moments):
            last_s = outcome.moments[-1].seconds  # what came later, a comparison, has no place in it
            marks = [(step.began_s, step.name) for step in outcome.steps if step.began_s <= last_s]
            marks = sorted([*marks, *((mark.seconds, mark.name) for mark in outcome.marks)])
            title = scenario.title if len(scenario.plays) == 1 else outcome.name.capitalize()
            graphs[f"{slug(outcome.name)}-time"] = (title, plot.draw_moments(outcome.moments, marks, title))
    return graphs


def _svg(figure: Figure) -> str:
    """To stand within an HTML page."""
    text = io.StringIO()
    plot.save_svg(figure, text)
    return text.getvalue().partition("<svg")[1] + text.getvalue().partition("<svg")[2]
