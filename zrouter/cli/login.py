"""`zrouter login`, `watch` and `logout`."""

from __future__ import annotations

import click

from zrouter.cli.printing import connections_text, link_teller, say_aside
from zrouter.cli.router_options import as_json as json_option
from zrouter.cli.router_options import client_options, connect
from zrouter.client.inbox import Gap
from zrouter.daemon.arguments import ID
from zrouter.daemon.numbers import Count
from zrouter.daemon.output import json_line, say
from zrouter.wire.offset import UNKNOWN, read_offset


@click.command(short_help="Log in from the terminal, and print what comes.")
@click.argument("ids", metavar="ID...", nargs=-1, required=True, type=ID)
@click.option("--count", type=Count(1), help="Leave after so many messages.")
@click.option(
    "--since",
    metavar="OFFSET",
    callback=lambda context, option, text: _as_offset(text),
    help="Begin with what came behind this offset, which --json shows, and miss nothing from then on.",
)
@client_options
@json_option
def login(
    ids: tuple[str, ...], count: int | None, since: str | None, router: str, timeout: float, as_json: bool
) -> None:
    """Log in as each ID from the terminal, and print each message as it comes.

    With --since, what was missed meanwhile comes first, or word that some of it is gone: a gap.

    \b
    Examples:
      zrouter login user:123
      zrouter login user:123 news --count 10 --json
      zrouter login user:123 --since 18867251edfa0000.2a
    """
    with connect(router, timeout, "login", link_teller(router)) as client:
        came = client.login(*ids) if since is None else client.login(*ids, since=since)
        say_aside(f"logged in as {', '.join(ids)}")
        messages = 0
        for one in came:
            if isinstance(one, Gap):
                _print_gap(one, as_json)
                continue
            text = one.message.decode(errors="backslashreplace")
            row = {"id": one.id, "message": text, "offset": one.offset}
            if as_json:
                json_line(row)
            else:
                say(f"{one.id}: {text}")
            messages += 1
            if messages == count:
                return
    say_aside("logged out by the router")


def _as_offset(text: str | None) -> str | None:
    if text and read_offset(text) == UNKNOWN:
        raise click.BadParameter(f"{text!r} is no offset")
    return text


def _print_gap(gap: Gap, as_json: bool) -> None:
    if as_json:
        json_line({"gap": gap.reason, "offset": gap.offset})
    else:
        say_aside(f"messages are missing here: {gap.reason}")


@click.command(short_help="Show who comes and goes.")
@click.argument("ids", metavar="ID...", nargs=-1, required=True, type=ID)
@click.option("--count", type=Count(1), help="Leave after so many lines.")
@client_options
@json_option
def watch(ids: tuple[str, ...], count: int | None, router: str, timeout: float, as_json: bool) -> None:
    """Show on how many connections each ID is, now and whenever that changes.

    An ID that loses its last connection is shown as offline once it had none for the router's
    --presence-linger: who comes back before is not shown.

    \b
    Examples:
      zrouter watch user:123
      zrouter watch user:123 user:124 --count 2 --json
    """
    with connect(router, timeout, "watch", link_teller(router)) as client:
        for number, (an_id, connections) in enumerate(client.watch(*ids), 1):
            if as_json:
                json_line({"id": an_id, "connections": connections})
            else:
                state = f"online, {connections_text(connections)}" if connections else "offline"
                say(f"{an_id} is {state}")
            if number == count:
                return


@click.command()
@click.argument("id", type=ID)
@client_options
@json_option
def logout(id: str, router: str, timeout: float, as_json: bool) -> None:
    """End every connection of ID, wherever it is.

    \b
    Example:
      zrouter logout user:123
    """
    with connect(router, timeout, "logout") as client:
        ended = client.kick(id)
    if as_json:
        json_line({"id": id, "connections": ended})
    elif ended:
        say(f"ended {connections_text(ended)}")
    else:
        say(f"nobody is logged in as {id}")
