"""zflood's commands: clients, messages, demo."""

from __future__ import annotations

import json
import sys
from ipaddress import IPv4Network
from itertools import islice
from typing import TYPE_CHECKING, NoReturn, TextIO
from urllib.parse import urlsplit

import click

from zrouter.daemon import program
from zrouter.wire import DEFAULT_ROUTER

if TYPE_CHECKING:
    from zflood.swarm import Urls


def main() -> NoReturn:
    """The program `zflood`."""
    program.run(commands, "zflood")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "ZFLOOD"})
@click.version_option(package_name="zcomet")
def commands() -> None:
    """Play the clients and the senders, and measure.

    \b
    Examples:
      zflood clients --ids 1-1000 --seconds 30
      zflood messages --count 30000 --interval-ms 1 --max-id 1000
      zflood demo
    """


@commands.command()
@click.option("--url", default="http://127.0.0.1:8000/test/%d", show_default=True, help="%d is the id.")
@click.option("--ids", default="1-10000", show_default=True, help="First and last id, A-B.")
@click.option("--urls", type=click.File("r"), help="One URL a line from this file instead; - is stdin.")
@click.option("--rate", type=click.FloatRange(0), default=0, help="New connections a second; 0 = no limit.")
@click.option("--seconds", type=click.FloatRange(0), help="Leave after so long; else when all have ended.")
@click.option("--processes", type=click.IntRange(1, 512), help="Default: as many as the descriptors ask for.")
@click.option("--source", help="Connect from addresses of this network; default for 127.x: 127.0.0.0/8.")
@click.option("--every", type=click.FloatRange(0.1), default=10.0, show_default=True, help="A line each [s].")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def clients(
    url: str,
    ids: str,
    urls: TextIO | None,
    rate: float,
    seconds: float | None,
    processes: int | None,
    source: str | None,
    every: float,
    as_json: bool,
) -> None:
    """Connect many clients, read all that comes, and check it; exits 1 if anything was wrong.

    \b
    Examples:
      zflood clients --ids 1-1000 --rate 100 --seconds 60
      zflood clients --urls urls.txt --processes 2
    """
    from zflood.crew import CrewError
    from zflood.show import show_clients
    from zflood.swarm import Plan, processes_needed, run

    wanted = _urls(url, ids, urls)
    network = _source(source, next(wanted.each(), ""))
    plan = Plan(wanted, rate, seconds, processes or processes_needed(len(wanted)), network, every)
    try:
        totals = show_clients(run(plan), len(wanted), as_json)
    except CrewError as error:
        program.fail("zflood", str(error))
    if totals.errors:
        sys.exit(program.EXIT_COULD_NOT)


def _urls(url: str, ids: str, file: TextIO | None) -> Urls:
    from zflood.clients import target
    from zflood.swarm import Urls

    if file is None:
        first, _, last = ids.partition("-")
        if not (first.isdigit() and last.isdigit() and int(first) <= int(last)):
            raise click.UsageError(f"--ids {ids}: not A-B")
        urls = Urls(url, int(first), int(last))
    else:
        urls = Urls(url, 0, 0, [line.strip() for line in file if line.strip()])
    try:
        for one in urls.each() if file else islice(urls.each(), 1):
            target(one)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return urls


def _source(source: str | None, url: str) -> IPv4Network | None:
    """The network to connect from; loopback has enough addresses, so that ports don't run out."""
    if source is None:
        return IPv4Network("127.0.0.0/8") if (urlsplit(url).hostname or "").startswith("127.") else None
    try:
        return IPv4Network(source)
    except ValueError as error:
        raise click.UsageError(f"--source {error}") from None


@commands.command()
@click.option("--router", default=DEFAULT_ROUTER, envvar="ZROUTER_ROUTER", show_default=True)
@click.option(
    "--count", type=click.IntRange(min=1), default=10_000, show_default=True, help="Messages to send."
)
@click.option(
    "--interval-ms", type=click.FloatRange(min=0), default=1.0, show_default=True, help="0 = no pause."
)
@click.option(
    "--max-id", type=click.IntRange(min=1), default=10_000, show_default=True, help="Ids are 1 to this."
)
@click.option(
    "--senders",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes that share the work.",
)
@click.option(
    "--every", type=click.FloatRange(min=0.1), default=10.0, show_default=True, help="A line each [s]."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def messages(
    router: str, count: int, interval_ms: float, max_id: int, senders: int, every: float, as_json: bool
) -> None:
    """Send stamped messages to random ids, and count the receipts.

    \b
    Examples:
      zflood messages --count 60000 --interval-ms 1 --max-id 10000
      zflood messages --count 1000000 --interval-ms 0 --senders 4
    """
    from zflood.crew import CrewError
    from zflood.messages import Plan, send_all

    try:
        for sent in send_all(Plan(router, count, interval_ms / 1000, max_id, senders, every)):
            rate = f"{sent.messages / max(sent.seconds, 1e-9):,.0f}/s"
            text = f"sent {sent.messages}  handed {sent.handed}  nobody {sent.nobody}  {rate}"
            print(json.dumps(sent._asdict()) if as_json else text, flush=True)
    except CrewError as error:
        program.fail("zflood", str(error))


@commands.command()
@click.option("--clients", type=click.IntRange(1), default=10_000, envvar="DEMO_CLIENTS", show_default=True)
@click.option("--seconds", type=click.FloatRange(min=1), default=30, envvar="DEMO_SECONDS", show_default=True)
def demo(clients: int, seconds: float) -> None:
    """Start a router, a frontend and clients, send 1,000 messages/s, and show a table; exits 1 on any loss.

    \b
    Example:
      zflood demo --clients 1000 --seconds 5
    """
    from zflood.demo import run_demo

    if not run_demo(clients, seconds):
        sys.exit(program.EXIT_COULD_NOT)
