"""What every command that asks a router has: its options, and the link.

Owns: --router, --timeout, --json. Must not know: what a command asks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

from zrouter.client import RouterClient, default_name
from zrouter.client.connection import DEFAULT_TIMEOUT_S
from zrouter.daemon.arguments import ENDPOINT
from zrouter.daemon.numbers import Number
from zrouter.wire import DEFAULT_ROUTER

as_json: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def client_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--router and --timeout."""
    timeout = click.option(
        "--timeout",
        type=Number(0),
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


def connect(
    router: str,
    timeout: float,
    kind: str,
    on_link: Callable[[bool], None] | None = None,
    *,
    retry: bool = False,
) -> RouterClient:
    """A client that introduces itself as this kind of command."""
    return RouterClient(router, name=default_name(kind), timeout_s=timeout, retry=retry, on_link=on_link)
