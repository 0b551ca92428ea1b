"""`zflood demo`."""

from __future__ import annotations

import sys

import click

from zrouter.daemon import program
from zrouter.daemon.numbers import Count, Number


@click.command(short_help="Show the whole system, for half a minute.")
@click.option(
    "--clients",
    type=Count(1),
    default=10_000,
    envvar="DEMO_CLIENTS",
    show_default=True,
    show_envvar=True,
)
@click.option(
    "--seconds",
    type=Number(1),
    default=30,
    envvar="DEMO_SECONDS",
    show_default=True,
    show_envvar=True,
)
def demo(clients: int, seconds: float) -> None:
    """Start a router, a frontend and clients, send 1,000 messages/s, and show a table; exits 1 on any loss.

    \b
    Example:
      zflood demo --clients 1000 --seconds 5
    """
    from zflood.commands.scenarios import read, text_of
    from zflood.demo import run_demo
    from zflood.run.programs import end_in_order

    changed = {"clients": str(clients), "seconds": str(seconds)}
    (one,) = read("demo", text_of("demo")[1], changed).plays
    end_in_order()
    outcome = run_demo(one)
    if outcome.exit_code:
        sys.exit(outcome.exit_code)
    if not outcome.holds():
        sys.exit(program.EXIT_COULD_NOT)
