"""`zflood clients`."""

from __future__ import annotations

import re
import sys
from ipaddress import IPv4Network
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO
from urllib.parse import urlsplit

import click

from zflood.swarm.transports import TRANSPORTS
from zflood.tuning.demand import MOST_PROCESSES
from zrouter.daemon import program
from zrouter.daemon.numbers import Count, Number

if TYPE_CHECKING:
    from zflood.swarm.swarm import Urls

_IDS: Final = re.compile(r"([0-9]{1,15})-([0-9]{1,15})")
_URL_MAX: Final = 65_536


@click.command(short_help="Hold many clients, and check all that comes.")
@click.option("--url", default="http://127.0.0.1:8000/test/%d", show_default=True, help="%d is the id.")
@click.option("--ids", default="1-10000", show_default=True, help="First and last id, A-B.")
@click.option("--urls", type=click.File("r"), help="One URL a line from this file instead; - is stdin.")
@click.option("--rate", type=Number(), default=0, help="New connections a second; 0 = no limit.")
@click.option("--seconds", type=Number(), help="Leave after so long; else when all have ended.")
@click.option(
    "--processes", type=Count(1, MOST_PROCESSES), help="Default: as many as the descriptors ask for."
)
@click.option("--source", help="Connect from addresses of this network; default for 127.x: 127.0.0.0/8.")
@click.option("--every", type=Number(0.1), default=10.0, show_default=True, help="A line each [s].")
@click.option("--transport", type=click.Choice(list(TRANSPORTS)), default="chunked", show_default=True)
@click.option(
    "--timeout",
    type=Number(min_open=True),
    default=30.0,
    show_default=True,
    help="Longest wait for a connection and its answer [s].",
)
@click.option("--reconnect", is_flag=True, help="Clients whose connection ends connect again.")
@click.option(
    "--json", "json_out", is_flag=False, flag_value="-", metavar="[OUT]",
    help="Print JSON lines, or write them to the file OUT.",
)  # fmt: skip
@click.option(
    "--check", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
    help="Record there what each client sees, for `zflood check`.",
)  # fmt: skip
@click.option("--board", type=click.Path(exists=True, dir_okay=False, path_type=Path), hidden=True)
def clients(
    url: str,
    ids: str,
    urls: TextIO | None,
    rate: float,
    seconds: float | None,
    processes: int | None,
    source: str | None,
    every: float,
    transport: str,
    timeout: float,
    reconnect: bool,
    json_out: str | None,
    check: Path | None,
    board: Path | None,
) -> None:
    """Connect many clients, read all that comes, and check it; exits 1 if anything was wrong.

    Chunks counts messages: chunks, events (sse), lines (ndjson), WebSocket messages (ws), or what is in
    answers (poll). With --reconnect a connection that is cut is counted as a cut, and is no error: its client
    connects again, at once and then after pauses up to 1 s, until --seconds are over or Ctrl-C, and asks for
    what it missed as a browser does. --rate is the pace of first connections only.

    \b
    Examples:
      zflood clients --ids 1-1000 --rate 100 --seconds 60
      zflood clients --urls urls.txt --processes 2
      zflood clients --transport ws --url ws://127.0.0.1:9000/feed/%d --ids 1-100 --seconds 10
      zflood clients --reconnect --seconds 3600 --json flood.jsonl
      zflood clients --transport sse --url http://127.0.0.1:8000/sse/%d --reconnect --check records
    """
    from zflood.lines import open_lines
    from zflood.processes import ProcessesError
    from zflood.swarm.show import show_clients
    from zflood.swarm.swarm import Plan, processes_needed, run

    wanted = _urls(url, ids, urls)
    network = _source(source, next(wanted.each(), ""))
    processes = processes or processes_needed(len(wanted))
    if processes > MOST_PROCESSES:
        raise click.UsageError(
            f"{len(wanted):,} clients would take {processes:,} processes, with as many open files as one may"
            f" have here; {MOST_PROCESSES} are the most"
        )
    plan = Plan(wanted, rate, seconds, processes, network, every, transport, reconnect, timeout, board, check)
    try:
        with open_lines(json_out) as lines:
            totals = show_clients(run(plan), len(wanted), lines)
    except ProcessesError as error:
        program.fail("zflood", str(error))
    if totals.errors:
        sys.exit(program.EXIT_COULD_NOT)


def _urls(url: str, ids: str, file: TextIO | None) -> Urls:
    from zflood.swarm.clients import target
    from zflood.swarm.swarm import Urls

    if file is None:
        found = _IDS.fullmatch(ids)
        if not found or int(found[1]) > int(found[2]):
            raise click.UsageError(f"--ids {ids[:100]}: not A-B")
        check_pattern(url, found[1] == found[2])
        urls = Urls(url, int(found[1]), int(found[2]))
    else:
        urls = Urls("", 0, 0, _lines(file))
    try:
        for one in urls.each() if file else islice(urls.each(), 1):
            target(one)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return urls


def check_pattern(url: str, is_one: bool = False) -> None:
    """Refuse a URL that has no place for the id, unless there is but one."""
    if "%d" not in url and not is_one:
        raise click.UsageError(f"--url {url[:200]}: there is no %d in it, the place of the id")


def _lines(file: TextIO) -> list[str]:
    lines = []
    try:
        while line := file.readline(_URL_MAX):
            if len(line) == _URL_MAX:
                raise click.UsageError(f"--urls {file.name}: a line is longer than {_URL_MAX:,} characters")
            if line.strip():
                lines.append(line.strip())
    except UnicodeDecodeError:
        raise click.UsageError(f"--urls {file.name}: not text") from None
    if not lines:
        raise click.UsageError(f"--urls {file.name}: no URL is in it")
    return lines


def _source(source: str | None, url: str) -> IPv4Network | None:
    """The network to connect from; loopback has enough addresses, so that ports don't run out."""
    if source is None:
        return IPv4Network("127.0.0.0/8") if (urlsplit(url).hostname or "").startswith("127.") else None
    try:
        return IPv4Network(source)
    except ValueError as error:
        raise click.UsageError(f"--source {error}") from None
