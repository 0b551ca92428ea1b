"""zflood's commands: clients, messages, demo."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import NoReturn

import click

from zrouter.daemon import program
from zrouter.settings import DEFAULT_ROUTER


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
@click.option("--urls", type=click.File("r"), help="Read one URL a line from this file instead; - is stdin.")
@click.option(
    "--rate", type=click.FloatRange(min=0), default=0, help="New connections a second; 0 = no limit."
)
@click.option("--seconds", type=click.FloatRange(min=0), help="Leave after so long.")
@click.option(
    "--every", type=click.FloatRange(min=0.1), default=10.0, show_default=True, help="A line each [s]."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def clients(
    url: str,
    ids: str,
    urls: Iterator[str] | None,
    rate: float,
    seconds: float | None,
    every: float,
    as_json: bool,
) -> None:
    """Connect many clients, read all that comes, and check it; exits 1 if anything was wrong.

    \b
    Examples:
      zflood clients --ids 1-1000 --rate 100 --seconds 60
      zflood clients --urls urls.txt
    """
    from zflood.clients import Swarm, run

    first, _, last = ids.partition("-")
    if not (first.isdigit() and last.isdigit()):
        raise click.UsageError(f"--ids {ids}: not A-B")
    targets = (line.strip() for line in urls) if urls else (url % n for n in range(int(first), int(last) + 1))

    def show(swarm: Swarm) -> None:
        tally = swarm.tally
        latency = tally.latency_us
        figures = {
            "active": swarm.active(),
            "closed": tally.closed,
            "chunks": tally.messages,
            "p50_ms": latency.get_value_at_percentile(50) / 1000,
            "p99_ms": latency.get_value_at_percentile(99) / 1000,
            "max_ms": latency.get_max_value() / 1000,
            "errors": dict(tally.errors),
        }
        line = json.dumps(figures) if as_json else "  ".join(f"{k} {v}" for k, v in figures.items())
        print(line, flush=True)

    if run(targets, rate, seconds, every, show).tally.errors:
        sys.exit(program.EXIT_COULD_NOT)


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
