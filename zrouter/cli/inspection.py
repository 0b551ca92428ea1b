"""`zrouter who` and `zrouter stats`."""

from __future__ import annotations

from typing import Any

import click

from zrouter.cli.printing import connections_text
from zrouter.cli.router_options import as_json as json_option
from zrouter.cli.router_options import client_options, connect
from zrouter.daemon.arguments import ID
from zrouter.daemon.output import json_line, say


@click.command(short_help="Show which frontends hold an id.")
@click.argument("ids", metavar="[ID]...", nargs=-1, type=ID)
@client_options
@json_option
def who(ids: tuple[str, ...], router: str, timeout: float, as_json: bool) -> None:
    """Show which frontends hold each ID and how many connections are on each; without ID, all frontends.

    With several, --json prints a line for each.

    \b
    Examples:
      zrouter who user:123
      zrouter who user:123 user:124 --json
      zrouter who
    """
    with connect(router, timeout, "who") as client:
        if not ids:
            _print_frontends(client.stats()["frontends"], as_json)
            return
        holders = client.who(*ids)
    for an_id in ids:
        rows = [{"frontend": name, "connections": count} for name, count in holders[an_id]]
        if as_json:
            json_line({"id": an_id, "frontends": rows})
            continue
        if not rows:
            say(f"nobody is logged in as {an_id}")
        head = f"{an_id}  " if len(ids) > 1 else ""
        for name, count in holders[an_id]:
            say(f"{head}{name}  {connections_text(count)}")


def _print_frontends(rows: list[dict[str, Any]], as_json: bool) -> None:
    found = [{"frontend": row["name"], "connections": row["connections"], "ids": row["ids"]} for row in rows]
    if as_json:
        json_line({"frontends": found})
        return
    if not found:
        say("no frontend is logged in")
    for row in found:
        say(
            f"{row['frontend']}  {connections_text(row['connections'])}, "
            f"{row['ids']} id{'' if row['ids'] == 1 else 's'}"
        )


@click.command(short_help="Show the router's figures.")
@client_options
@json_option
def stats(router: str, timeout: float, as_json: bool) -> None:
    """Show ids, connections, frontends, messages in and out, rates, drops and memory.

    \b
    Examples:
      zrouter stats
      zrouter stats --json
    """
    with connect(router, timeout, "stats") as client:
        figures = client.stats()
    if as_json:
        json_line(figures)
        return
    frontends = figures.pop("frontends")
    width = max(map(len, figures))
    for name, value in figures.items():
        shown = f"{value:,}" if isinstance(value, int) and name != "pid" else str(value)
        say(f"{name:<{width}}  {shown}")
    say(f"{'frontends':<{width}}  {len(frontends)}")
    for row in frontends:
        name = row.pop("name")
        say(f"  {name}: " + ", ".join(f"{key} {value}" for key, value in row.items()))
