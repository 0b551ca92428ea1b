"""`zflood plot`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import click

from zrouter.daemon import program
from zrouter.daemon.output import say


@click.command(short_help="Draw what `memory` has sampled.")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), default=Path("mem.png"), show_default=True,
    help="The picture; its suffix says which kind: .png, .svg or .pdf.",
)  # fmt: skip
@click.option("--title", help="Default: how many connections there were.")
@click.option("--terminal", is_flag=True, help="Draw in the terminal instead.")
def plot(files: tuple[Path, ...], out: Path, title: str | None, terminal: bool) -> None:
    """Draw samples of `zflood memory`, or of several runs of it, over the minutes since their first row.

    \b
    Examples:
      zflood plot mem.tsv --title "10,000 clients, 1,000 messages/s"
      zflood plot parked.tsv not-parked.tsv --out memory.svg
      zflood plot mem.tsv --terminal
    """
    from zflood import plot
    from zflood.memory import read_samples

    if not terminal and out.suffix.lower() not in plot.SUFFIXES:
        raise click.UsageError(f"--out {out}: the name ends in none of {', '.join(plot.SUFFIXES)}")
    try:
        runs = [plot.Run(path.stem, read_samples(path, _warn)) for path in files]
        title = title or plot.title(runs)
        if terminal:
            columns, lines = shutil.get_terminal_size()
            drawn = plot.draw_in_terminal(runs, title, columns, max(5, min(lines - 2, 30)))
            if os.environ.get("NO_COLOR") or not sys.stdout.isatty():
                drawn = plot.plain(drawn)
            sys.stdout.write(drawn + "\n")
        else:
            plot.save(plot.draw(runs, title), out)
            say(out)
    except (ValueError, plot.PlotsMissingError) as error:
        program.fail("zflood", str(error))


def _warn(text: str) -> None:
    say(f"zflood: {text}", sys.stderr)
