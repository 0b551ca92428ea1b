"""`zflood check`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from zrouter.daemon import program
from zrouter.daemon.numbers import Count, Number
from zrouter.daemon.output import json_line, say


@click.command(short_help="Compare what was told with what was seen.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--settle", type=Number(), default=1.0, show_default=True,
    help="What was sent so shortly before a client's end is not missed [s].",
)  # fmt: skip
@click.option(
    "--lease", type=Number(), default=5.0, show_default=True,
    help="So long a receipt may count a connection that has gone [s].",
)  # fmt: skip
@click.option("--show", type=Count(0, 1_000_000), default=10, show_default=True, help="Offences in words.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(folder: Path, settle: float, lease: float, show: int, as_json: bool) -> None:
    """Compare what senders were told with what clients saw, as --check has put it into FOLDER.

    Exits 1 if a message was lost, seen twice, out of order, by the wrong client or though nobody sent it, or
    if a receipt was wrong. Gaps that were announced are no offences. On several hosts their clocks have to
    agree.

    \b
    Examples:
      zflood clients --transport sse --url http://127.0.0.1:8000/sse/%d --check records --seconds 20 &
      zflood messages --count 5000 --check records; wait
      zflood check records
    """
    from zflood.check.folder import compare
    from zflood.check.log_format import LogError
    from zflood.check.show import lines
    from zflood.check.verdict import Margins

    try:
        verdict = compare(folder, Margins(settle, lease), show)
    except LogError as error:
        program.fail("zflood", str(error))
    if as_json:
        json_line(verdict.as_json())
    else:
        for line in lines(verdict):
            say(line)
    if verdict.offences:
        sys.exit(program.EXIT_COULD_NOT)
