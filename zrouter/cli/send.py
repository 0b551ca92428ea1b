"""`zrouter send` and `zrouter publish`."""

from __future__ import annotations

import os
import sys

import click

from zrouter.cli.printing import connections_text
from zrouter.cli.router_options import as_json as json_option
from zrouter.cli.router_options import client_options, connect
from zrouter.daemon.arguments import ID, KEY
from zrouter.daemon.output import json_line, say
from zrouter.wire import KEPT


@click.command(short_help="Send a message to every connection of an id.")
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
        say(f"handed to {connections_text(connections)}")
    else:
        say(f"nobody is logged in as {id}")


@click.command(short_help="Send a message to everyone who follows an id.")
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
    say(f"{followers}: handed to {connections_text(receipt.handed)}{kept}")


def _body(message: str) -> bytes:
    return sys.stdin.buffer.read() if message == "-" else os.fsencode(message)
