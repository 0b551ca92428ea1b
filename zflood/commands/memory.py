"""`zflood memory`."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zrouter.daemon import program
from zrouter.daemon.numbers import Count, Number
from zrouter.daemon.output import json_line, say

if TYPE_CHECKING:
    import psutil


@click.command(short_help="Sample memory and connections.")
@click.option("--pid", "pids", type=Count(1), multiple=True, help="Of this process; may be repeated.")
@click.option("--name", help="Of every process that runs this program, such as zfront.")
@click.option("--unit", help="Of a systemd unit of this host, such as zfront@8000.")
@click.option("--port", type=Count(1, 65535), help="Count established connections of this port.")
@click.option("--every", type=Number(0.1), default=60.0, show_default=True, help="A row each [s].")
@click.option("--count", type=Count(1), help="Stop after so many rows; else when the process ends.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Append to this file too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def memory(
    pids: tuple[int, ...],
    name: str | None,
    unit: str | None,
    port: int | None,
    every: float,
    count: int | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Sample memory and connections: tab-separated rows, each written at once.

    Columns: time, unix time, resident kB, connections, then proportional (PSS) and unique (USS) kB, number of
    processes with their children, their CPU seconds, and of the whole host kB of TCP buffers, TCP sockets and
    kB of kernel slab. What --name and --unit name may come and go; for --pid the end of it is the end.

    \b
    Examples:
      zflood memory --name zfront --port 8000 --every 1
      zflood memory --unit zfront@8000 --port 8000 --out mem.tsv
    """
    from zflood.memory import SampleFile, samples

    if sum(map(bool, (pids, name, unit))) != 1:
        raise click.UsageError("one of --pid, --name and --unit, please")
    find = _find(pids, name, unit)
    # As Ctrl-C does: the row under way is written or not, never half.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.ExitStack() as files:
        # Reading must be possible, to see whether the header is there.
        file = out and SampleFile(files.enter_context(out.open("a+")))
        shown = None if as_json else SampleFile(sys.stdout)
        is_first = True
        with contextlib.suppress(KeyboardInterrupt):
            for sample in islice(samples(find, port, every, until_gone=bool(pids)), count):
                if is_first and not sample.processes:
                    say(f"zflood: no process of {name or unit} runs here now", sys.stderr)
                is_first = False
                if file:
                    file.append(sample)
                if shown:
                    shown.append(sample)
                else:
                    json_line(sample._asdict())


def _find(pids: tuple[int, ...], name: str | None, unit: str | None) -> Callable[[], list[psutil.Process]]:
    from zflood import memory

    if name:
        return memory.by_name(name)
    try:
        if unit:
            return memory.by_unit(unit)
        return memory.by_pids(pids)
    except ValueError as error:
        raise click.UsageError(f"--unit {error}") from None
    except memory.NotFoundError as error:
        program.fail("zflood", str(error))
