"""What every command that asks a router has: its options, and the link.

Owns: --router, --timeout, --json. Must not know: what a command asks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

from zrouter.client import RouterClient, default_name
from zrouter.client.connection import DEFAULT_TIMEOUT_S
from zrouter.daemon.arguments import ENDPOINT, key_file_of
from zrouter.daemon.numbers import Number
from zrouter.wire import DEFAULT_ROUTER

_KEY_FILE: Final = "zrouter.curve-key-file"
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
    return router(timeout(_curve_key_file(command)))


def _curve_key_file(command: Callable[..., Any]) -> Callable[..., Any]:
    """--curve-key-file, which `connect` finds by itself: no command does anything else with it."""
    return click.option(
        "--curve-key-file",
        envvar="ZROUTER_CURVE_KEY_FILE",
        show_envvar=True,
        metavar="PATH",
        expose_value=False,
        callback=_keep,
        help="Our keys, for a router that wants some: a file of `zrouter keygen`.",
    )(command)


def _keep(ctx: click.Context, param: click.Parameter, path: str | None) -> None:
    ctx.meta[_KEY_FILE] = path


def connect(
    router: str,
    timeout: float,
    kind: str,
    on_link: Callable[[bool], None] | None = None,
    *,
    retry: bool = False,
) -> RouterClient:
    """A client that introduces itself as this kind of command."""
    key_file = click.get_current_context().meta.get(_KEY_FILE)
    with key_file_of("--curve-key-file"):
        return RouterClient(
            router,
            name=default_name(kind),
            timeout_s=timeout,
            retry=retry,
            on_link=on_link,
            curve_key_file=key_file,
        )
