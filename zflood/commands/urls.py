"""`zflood urls`."""

from __future__ import annotations

import click

from zflood.commands.clients import check_pattern
from zrouter.daemon.numbers import Count
from zrouter.daemon.output import say_all


@click.command()
@click.option("--count", type=Count(1), required=True, help="How many.")
@click.option("--url", default="http://127.0.0.1:8000/test/%d", show_default=True, help="%d is the id.")
@click.option("--first", type=Count(0), default=1, show_default=True, help="The first id.")
def urls(count: int, url: str, first: int) -> None:
    """Print a file of URLs, one a line, for `zflood clients --urls`.

    \b
    Examples:
      zflood urls --count 10000 > urls.txt
      zflood urls --count 10 | zflood clients --urls - --seconds 5
    """
    from zflood.swarm.swarm import Urls

    check_pattern(url)
    say_all(Urls(url, first, first + count - 1).each())
