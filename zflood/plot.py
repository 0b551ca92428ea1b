"""The series' graph: resident memory over minutes, connections beside it; several runs in one picture.

Owns: the picture. Must not know: where the samples come from. matplotlib and plotext are the extra `plots`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TextIO

from zflood.memory import Sample
from zflood.time_line import Moment

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which people who see few colours can tell apart.
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SUFFIXES: Final = (".png", ".svg", ".pdf")
_MB_FROM_KB: Final = 20_000  # above it the axis is in MB, for people
_MINUTES_FROM_S: Final = 300
_HOURS_FROM_MIN: Final = 300
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_HEADROOM: Final = 1.1
_APART: Final = 0.03  # of the width: two lines of writing


class PlotsMissingError(Exception):
    """The libraries that draw are not installed."""

    def __init__(self, module: str | None) -> None:
        super().__init__(f"drawing needs {module}: from a checkout, pip install '.[plots]'")


class Run(NamedTuple):
    """Samples under a name."""

    name: str
    samples: Sequence[Sample]

    def minutes(self) -> list[float]:
        """Since the first sample; a clock that was set back stands still meanwhile."""
        steps = (max(0, after.unix_s - before.unix_s) for before, after in pairwise(self.samples))
        return [seconds / 60 for seconds in accumulate(steps, initial=0)]


def _axis(runs: Sequence[Run]) -> tuple[float, str]:
    """How many minutes one step of the axis has, and its name: hours, if they are many."""
    longest = max(run.minutes()[-1] for run in runs)
    return (60, "hours elapsed") if longest > _HOURS_FROM_MIN else (1, "minutes elapsed")


def title(runs: Sequence[Run]) -> str:
    """What the series called its graph."""
    connections = max(sample.connections for run in runs for sample in run.samples)
    return (
        f"Memory with {connections:,} active connection{'s' * (connections != 1)}"
        if connections
        else "Memory"
    )


def draw(runs: Sequence[Run], title: str) -> Figure:
    """Resident memory of each run, and its connections dashed on an axis of their own.

    Raises:
        PlotsMissingError: matplotlib is not installed.
    """
    figure = _figure(height=5)
    memory = figure.add_subplot()
    connections = memory.twinx()
    connections.set_visible(any(sample.connections for run in runs for sample in run.samples))
    in_mb = max(sample.rss_kb for run in runs for sample in run.samples) >= _MB_FROM_KB
    unit, elapsed = _axis(runs)
    for run, colour in zip(runs, COLOURS * (len(runs) // len(COLOURS) + 1), strict=False):
        minutes = [each / unit for each in run.minutes()]
        resident = [sample.rss_kb / (1024 if in_mb else 1) for sample in run.samples]
        # A line needs two points.
        marker = "" if len(minutes) > 1 else "o"
        memory.plot(minutes, resident, color=colour, linewidth=1.8, label=run.name, marker=marker)
        count = [sample.connections for sample in run.samples]
        connections.plot(minutes, count, color=colour, linewidth=1, linestyle=(0, (4, 3)), alpha=0.7)
    memory.set_title(title, parse_math=False)
    memory.set_xlabel(elapsed)
    memory.set_ylabel("resident memory [MB]" if in_mb else "resident memory [KB]")
    connections.set_ylabel("connections (dashed)")
    _from_zero(memory, connections)
    _for_reading(memory, connections)
    memory.grid(axis="y", alpha=0.3)
    if len(runs) > 1:
        for text in memory.legend(frameon=False, loc="lower right").get_texts():
            text.set_parse_math(False)
    return figure


def draw_moments(moments: Sequence[Moment], marks: Sequence[tuple[float, str]], title: str) -> Figure:
    """A run over time: connections and messages a second above, latency below, the steps marked.

    Raises:
        PlotsMissingError: matplotlib is not installed.
    """
    figure = _figure(height=6)
    from matplotlib.ticker import NullFormatter

    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    in_minutes = moments[-1].seconds > _MINUTES_FROM_S
    scale = 60 if in_minutes else 1
    times = [moment.seconds / scale for moment in moments]
    connections = above.twinx()
    above.plot(times, _rates(moments), color=COLOURS[0], linewidth=1.4)
    connections.plot(
        times, [one.active for one in moments], color=COLOURS[1], linewidth=1.4, linestyle=(0, (4, 3))
    )
    above.set_title(title, parse_math=False)
    above.set_ylabel("messages received/s", color=COLOURS[0])
    connections.set_ylabel("connections (dashed)", color=COLOURS[1])
    heard = [(time, one) for time, one in zip(times, moments, strict=True) if one.max_ms]
    for name, colour in (("max_ms", COLOURS[3]), ("p99_ms", COLOURS[4]), ("p50_ms", COLOURS[2])):
        below.plot(
            [time for time, _ in heard], [getattr(one, name) for _, one in heard],
            ".-", markersize=3, linewidth=1, color=colour, label=name.removesuffix("_ms"),
        )  # fmt: skip
    below.set_yscale("log")
    below.yaxis.set_minor_formatter(NullFormatter())
    below.set_ylabel("latency [ms]")
    below.set_xlabel("minutes elapsed" if in_minutes else "seconds elapsed")
    if heard:
        below.legend(frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
    _from_zero(above, connections)
    _for_reading(above, connections, below)
    for axis in (above, below):
        axis.grid(axis="y", alpha=0.3)
        for began_s, _ in marks:
            axis.axvline(began_s / scale, color="#5b6675", linewidth=0.7, alpha=0.5)
    for began_s, name in _apart(marks, _APART * moments[-1].seconds):
        above.annotate(
            name, (began_s / scale, 1), xycoords=("data", "axes fraction"), xytext=(3, -4),
            textcoords="offset points", rotation=90, va="top", ha="left", fontsize=8, color="#5b6675",
            parse_math=False,
        )  # fmt: skip
    return figure


def _figure(height: float) -> Figure:
    """An empty one.

    Raises:
        PlotsMissingError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise PlotsMissingError(error.name) from None
    return Figure(figsize=(9, height), dpi=120, layout="constrained")


def _from_zero(*axes: Axes) -> None:
    for axis in axes:
        axis.set_ylim(bottom=0, top=axis.get_ylim()[1] * _HEADROOM or 1)


def _for_reading(*axes: Axes) -> None:
    for axis in axes:
        axis.yaxis.set_major_formatter(_for_people)
        axis.spines[["top"]].set_visible(False)


def _apart(marks: Sequence[tuple[float, str]], least_s: float) -> list[tuple[float, str]]:
    """Marks whose names would lie upon each other share one place."""
    apart: list[tuple[float, str]] = []
    for began_s, name in marks:
        if apart and began_s - apart[-1][0] < least_s:
            apart[-1] = (apart[-1][0], f"{apart[-1][1]}, {name}")
        else:
            apart.append((began_s, name))
    return apart


def _rates(moments: Sequence[Moment]) -> list[float]:
    """Messages received a second, since the moment before."""
    rates = [0.0]
    for before, after in pairwise(moments):
        rates.append(max(0, after.received - before.received) / max(after.seconds - before.seconds, 1e-3))
    return rates


def _for_people(value: float, _: object) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:g}"


def save_svg(figure: Figure, out: TextIO) -> None:
    """As SVG, with text as text."""
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none", "font.family": "sans-serif"}):
        # Without the metadata, which name a library and its address.
        figure.savefig(out, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))


def save(figure: Figure, path: Path) -> None:
    """Write it as the suffix says: .png, .svg, .pdf.

    Raises:
        ValueError: there is no such format.
    """
    figure.savefig(path)


def plain(drawn: str) -> str:
    """A drawing without the colours of a terminal (ECMA-48's SGR)."""
    return _COLOUR.sub("", drawn)


def draw_in_terminal(runs: Sequence[Run], title: str, width: int, height: int) -> str:
    """The same in characters.

    Raises:
        PlotsMissingError: plotext is not installed.
    """
    try:
        import plotext
    except ModuleNotFoundError as error:
        raise PlotsMissingError(error.name) from None
    plotext.clear_figure()
    plotext.theme("clear")
    # The width is what was asked for, also where the library takes the terminal for narrower.
    plotext.limit_size(False, False)
    plotext.plotsize(width, height)
    unit, elapsed = _axis(runs)
    for run in runs:
        resident = [sample.rss_kb / 1024 for sample in run.samples]
        plotext.plot([each / unit for each in run.minutes()], resident, label=run.name)
    plotext.title(title)
    plotext.xlabel(elapsed)
    plotext.ylabel("resident memory [MB]")
    drawn: str = plotext.build()
    return drawn
