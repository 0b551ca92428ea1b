"""`zflood messages`."""

from __future__ import annotations

import json

import click

from zrouter.daemon import program
from zrouter.wire import DEFAULT_ROUTER


@click.command()
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
