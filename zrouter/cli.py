"""zrouter's commands: serve, and the tools to send, log in and inspect."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import click

from zrouter.asking import as_json as json_option
from zrouter.asking import client_options, connect
from zrouter.cursor import UNKNOWN, read_cursor
from zrouter.daemon import logs, program
from zrouter.daemon.arguments import ID, KEY
from zrouter.daemon.exposure import check_zmq
from zrouter.daemon.options import options
from zrouter.daemon.output import json_line, say
from zrouter.follows.commands import COMMANDS
from zrouter.inbox import Gap
from zrouter.settings import RouterSettings
from zrouter.wire import KEPT


def main() -> NoReturn:
    """The program `zrouter`."""
    program.run(commands, "zrouter")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="zcomet")
def commands() -> None:
    """Send messages to whoever is logged in, and run the router that carries them.

    \b
    Examples:
      zrouter serve
      zrouter send user:123 'hello'
      zrouter login user:123
      zrouter who user:123 --json
      zrouter follow user:123 artist:456
      zrouter publish artist:456 'a new album'
    """


def _say(text: str) -> None:
    say(text, sys.stderr)


def _link_teller(router: str) -> Callable[[bool], None]:
    """Says on standard error when the router is away, and when it is there again."""
    return lambda is_up: _say(
        f"the router at {router} is there" if is_up else f"waiting for the router at {router}"
    )


def _some(count: int) -> str:
    return f"{count} connection{'' if count == 1 else 's'}"


@commands.command()
@options(RouterSettings, "ZROUTER")
def serve(settings: RouterSettings) -> None:
    """Run the router.

    \b
    Examples:
      zrouter serve
      zrouter serve --bind tcp://127.0.0.1:0 --log-level debug
    """
    from zrouter.service import RouterService

    check_zmq(settings.bind, settings.insecure)
    logs.set_up(settings.log_level)
    path = settings.store_path()
    if path is None:
        RouterService(settings).run()
        return
    # What is needed for a store is loaded only if there is to be one.
    from zrouter.follows.store import StoreError
    from zrouter.shelf import Shelf

    shelf = Shelf(path)
    service = RouterService(settings, shelf)
    try:
        shelf.check()
    except StoreError as error:
        program.fail("zrouter", f"{error}; --store none runs without")
    service.run()


@commands.command(short_help="Send a message to every connection of an id.")
@click.argument("id", type=ID)
@click.argument("message")
@click.option(
    "--key", type=KEY, help="Your name for this send; sent again with it, it does not arrive a second time."
)
@client_options
@json_option
def send(id: str, message: str, key: bytes | None, router: str, timeout: float, as_json: bool) -> None:
    """Send MESSAGE to every connection of ID, and print the receipt; '-' reads the message from stdin.

    \b
    Examples:
      zrouter send user:123 'hello'
      zrouter send user:123 'your order has left' --key order-4711-left
      date | zrouter send user:123 - --json
    """
    body = _body(message)
    with connect(router, timeout, "send", retry=key is not None) as client:
        connections = client.send(id, body, key=key)
    if as_json:
        receipt = {
            "id": id,
            "bytes": len(body),
            "connections": max(0, connections),
            "kept": connections == KEPT,
        }
        json_line(receipt)
    elif connections == KEPT:
        say(f"kept for {id}, who left a short while ago")
    elif connections:
        say(f"handed to {_some(connections)}")
    else:
        say(f"nobody is logged in as {id}")


@commands.command(short_help="Send a message to everyone who follows an id.")
@click.argument("id", type=ID)
@click.argument("message")
@click.option(
    "--key", type=KEY, help="Your name for this publish; done again with it, nobody gets it a second time."
)
@client_options
@json_option
def publish(id: str, message: str, key: bytes | None, router: str, timeout: float, as_json: bool) -> None:
    """Send MESSAGE to everyone who follows ID and is logged in, and print the receipt; '-' reads stdin.

    \b
    Examples:
      zrouter publish artist:456 'a new album'
      zrouter publish artist:456 'a new album' --key album-7 --json
    """
    body = _body(message)
    with connect(router, timeout, "publish", retry=key is not None) as client:
        receipt = client.publish(id, body, key=key)
    if as_json:
        json_line({"id": id, "bytes": len(body), **receipt._asdict()})
        return
    kept = f", kept for {receipt.kept} who just left" if receipt.kept else ""
    followers = (
        f"{receipt.followers} follower{'' if receipt.followers == 1 else 's'}, {receipt.online} online"
    )
    say(f"{followers}: handed to {_some(receipt.handed)}{kept}")


def _body(message: str) -> bytes:
    return sys.stdin.buffer.read() if message == "-" else os.fsencode(message)


@commands.command(short_help="Log in from the terminal, and print what comes.")
@click.argument("ids", metavar="ID...", nargs=-1, required=True, type=ID)
@click.option("--count", type=click.IntRange(min=1), help="Leave after so many messages.")
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
    with connect(router, timeout, "login", _link_teller(router)) as client:
        came = client.login(*ids) if since is None else client.login(*ids, since=since)
        _say(f"logged in as {', '.join(ids)}")
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
    _say("logged out by the router")


def _as_offset(text: str | None) -> str | None:
    if text and read_cursor(text) == UNKNOWN:
        raise click.BadParameter(f"{text!r} is no offset")
    return text


def _print_gap(gap: Gap, as_json: bool) -> None:
    if as_json:
        json_line({"gap": gap.reason, "offset": gap.offset})
    else:
        _say(f"messages are missing here: {gap.reason}")


@commands.command(short_help="Show who comes and goes.")
@click.argument("ids", metavar="ID...", nargs=-1, required=True, type=ID)
@click.option("--count", type=click.IntRange(min=1), help="Leave after so many lines.")
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
    with connect(router, timeout, "watch", _link_teller(router)) as client:
        for number, (an_id, connections) in enumerate(client.watch(*ids), 1):
            if as_json:
                json_line({"id": an_id, "connections": connections})
            else:
                state = f"online, {_some(connections)}" if connections else "offline"
                say(f"{an_id} is {state}")
            if number == count:
                return


@commands.command()
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
        say(f"ended {_some(ended)}")
    else:
        say(f"nobody is logged in as {id}")


@commands.command(short_help="Show which frontends hold an id.")
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
            say(f"{head}{name}  {_some(count)}")


def _print_frontends(rows: list[dict[str, Any]], as_json: bool) -> None:
    found = [{"frontend": row["name"], "connections": row["connections"], "ids": row["ids"]} for row in rows]
    if as_json:
        json_line({"frontends": found})
        return
    if not found:
        say("no frontend is logged in")
    for row in found:
        say(
            f"{row['frontend']}  {_some(row['connections'])}, {row['ids']} id{'' if row['ids'] == 1 else 's'}"
        )


@commands.command(short_help="Show the router's figures.")
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


for _command in COMMANDS:
    commands.add_command(_command)
