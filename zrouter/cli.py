"""zrouter's commands: serve, and the tools to send, log in and inspect."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import click

from zrouter.client import RouterClient, default_name
from zrouter.core import DEFAULT_TIMEOUT_S
from zrouter.daemon import logs, program
from zrouter.daemon.arguments import ENDPOINT, ID
from zrouter.daemon.exposure import check_zmq
from zrouter.daemon.options import options
from zrouter.follows.commands import COMMANDS
from zrouter.settings import RouterSettings
from zrouter.wire import DEFAULT_ROUTER, KEPT


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
    """


def _client_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--router and --timeout, which every command that talks to a router has."""
    timeout = click.option(
        "--timeout",
        type=click.FloatRange(min=0),
        default=DEFAULT_TIMEOUT_S,
        envvar="ZROUTER_TIMEOUT",
        show_default=True,
        show_envvar=True,
        help="Give up after so many seconds.",
    )
    router = click.option(
        "--router",
        type=ENDPOINT,
        default=DEFAULT_ROUTER,
        envvar="ZROUTER_ROUTER",
        show_default=True,
        show_envvar=True,
        help="The router's ZeroMQ endpoint.",
    )
    return router(timeout(command))


_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _connect(
    router: str, timeout: float, kind: str, on_link: Callable[[bool], None] | None = None
) -> RouterClient:
    return RouterClient(router, name=default_name(kind), timeout_s=timeout, on_link=on_link)


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
    RouterService(settings).run()


@commands.command()
@click.argument("id", type=ID)
@click.argument("message")
@_client_options
@_json
def send(id: str, message: str, router: str, timeout: float, as_json: bool) -> None:
    """Send MESSAGE to every connection of ID, and print the receipt; '-' reads the message from stdin.

    \b
    Examples:
      zrouter send user:123 'hello'
      date | zrouter send user:123 - --json
    """
    body = sys.stdin.buffer.read() if message == "-" else os.fsencode(message)
    with _connect(router, timeout, "send") as client:
        connections = client.send(id, body)
    if as_json:
        receipt = {
            "id": id,
            "bytes": len(body),
            "connections": max(0, connections),
            "kept": connections == KEPT,
        }
        print(json.dumps(receipt))
    elif connections == KEPT:
        print(f"kept for {id}, who left a short while ago")
    elif connections:
        print(f"handed to {connections} connection{'s' if connections > 1 else ''}")
    else:
        print(f"nobody is logged in as {id}")


@commands.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True, type=ID)
@click.option("--count", type=click.IntRange(min=1), help="Leave after so many messages.")
@_client_options
@_json
def login(ids: tuple[str, ...], count: int | None, router: str, timeout: float, as_json: bool) -> None:
    """Log in as each ID from the terminal, and print each message as it comes.

    \b
    Examples:
      zrouter login user:123
      zrouter login user:123 news --count 10 --json
    """

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def tell(is_up: bool) -> None:
        say(f"the router at {router} is there" if is_up else f"waiting for the router at {router}")

    with _connect(router, timeout, "login", tell) as client:
        messages = client.login(*ids)
        say(f"logged in as {', '.join(ids)}")
        for number, (an_id, body) in enumerate(messages, 1):
            text = body.decode(errors="backslashreplace")
            print(json.dumps({"id": an_id, "message": text}) if as_json else f"{an_id}: {text}", flush=True)
            if number == count:
                return
    print("logged out by the router", file=sys.stderr)


@commands.command()
@click.argument("id", type=ID)
@_client_options
@_json
def logout(id: str, router: str, timeout: float, as_json: bool) -> None:
    """End every connection of ID, wherever it is.

    \b
    Example:
      zrouter logout user:123
    """
    with _connect(router, timeout, "logout") as client:
        ended = client.kick(id)
    if as_json:
        print(json.dumps({"id": id, "connections": ended}))
    elif ended:
        print(f"ended {ended} connection{'s' if ended > 1 else ''}")
    else:
        print(f"nobody is logged in as {id}")


@commands.command()
@click.argument("id", required=False, type=ID)
@_client_options
@_json
def who(id: str | None, router: str, timeout: float, as_json: bool) -> None:
    """Show which frontends hold ID and how many connections are on each; without ID, all frontends.

    \b
    Examples:
      zrouter who user:123
      zrouter who --json
    """
    with _connect(router, timeout, "who") as client:
        if id is None:
            rows = [(row["name"], row["connections"], row["ids"]) for row in client.stats()["frontends"]]
        else:
            rows = [(name, connections, None) for name, connections in client.who(id)[id]]
    if as_json:
        found = [
            {"frontend": name, "connections": connections} | ({} if ids is None else {"ids": ids})
            for name, connections, ids in rows
        ]
        print(json.dumps({"frontends": found} if id is None else {"id": id, "frontends": found}))
        return
    if not rows:
        print("no frontend is logged in" if id is None else f"nobody is logged in as {id}")
    for name, connections, ids in rows:
        print(f"{name}  {connections} connections" + ("" if ids is None else f"  {ids} ids"))


@commands.command()
@_client_options
@_json
def stats(router: str, timeout: float, as_json: bool) -> None:
    """Show ids, connections, frontends, messages in and out, rates, drops and memory.

    \b
    Examples:
      zrouter stats
      zrouter stats --json
    """
    with _connect(router, timeout, "stats") as client:
        figures = client.stats()
    if as_json:
        print(json.dumps(figures))
        return
    frontends = figures.pop("frontends")
    width = max(map(len, figures))
    for name, value in figures.items():
        shown = f"{value:,}" if isinstance(value, int) and name != "pid" else str(value)
        print(f"{name:<{width}}  {shown}")
    print(f"{'frontends':<{width}}  {len(frontends)}")
    for row in frontends:
        name = row.pop("name")
        print(f"  {name}: " + ", ".join(f"{key} {value}" for key, value in row.items()))


for _command in COMMANDS:
    commands.add_command(_command)
