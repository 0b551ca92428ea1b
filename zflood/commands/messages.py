"""`zflood messages`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from zrouter.daemon import program
from zrouter.daemon.arguments import key_file_of
from zrouter.daemon.numbers import Count, Number
from zrouter.link.curve_keys import read_curve_keys
from zrouter.wire import DEFAULT_ROUTER

if TYPE_CHECKING:
    from zflood.sender.ids import Ids
    from zflood.sender.outlets import Outlet

# Messages that one send carries when the router gets them as fast as its receipts come back.
_FLOOD_BATCH = 1000
_OPEN_TASKS = 100
_MOST_BYTES = 64 << 20


@click.command(short_help="Send many messages, and count the receipts.")
@click.option("--router", default=DEFAULT_ROUTER, envvar="ZROUTER_ROUTER", show_default=True)
@click.option(
    "--curve-key-file",
    envvar="ZROUTER_CURVE_KEY_FILE",
    metavar="PATH",
    help="Our keys, for a router that wants some: a file of `zrouter keygen`.",
)
@click.option("--http", metavar="URL", help="POST the messages to any server instead; %d is the id.")
@click.option("--publish", is_flag=True, help="Each message goes to everyone who follows the id.")
@click.option(
    "--count",
    type=Count(1),
    default=10_000,
    show_default=True,
    help="Messages in all.",
)
@click.option(
    "--interval-ms",
    type=Number(),
    default=1.0,
    show_default=True,
    help="Open loop: between two messages of all senders together. Closed: from a receipt to the next send.",
)
@click.option(
    "--loop", type=click.Choice(["open", "closed"]), help="Default: open, closed without an interval."
)
@click.option(
    "--max-id",
    type=Count(1),
    default=10_000,
    show_default=True,
    help="Ids are 1 to this.",
)
@click.option(
    "--distribution",
    type=click.Choice(["uniform", "zipf"]),
    default="uniform",
    show_default=True,
    help="Of the ids; zipf: id 1 gets the most.",
)
@click.option(
    "--zipf-s",
    type=Number(0, 100),
    default=1.0,
    show_default=True,
    help="Exponent of zipf.",
)
@click.option(
    "--size",
    type=Count(0, _MOST_BYTES),
    metavar="BYTES",
    help="Pad messages to so many. Default: the stamp alone.",
)
@click.option(
    "--senders",
    type=Count(1, 64),
    default=1,
    show_default=True,
    help="Processes that share the work.",
)
@click.option(
    "--tasks",
    type=Count(1, 10_000),
    help="Senders in each process: sends under way at a time, with --http connections.  "
    "[default: open loop 100, closed 1]",
)
@click.option(
    "--batch",
    type=Count(1, 100_000),
    help="Closed loop, to a router: messages in one send.  [default: 1; 1000 without an interval]",
)
@click.option(
    "--timeout",
    type=Number(0, 3600, min_open=True),
    default=5.0,
    show_default=True,
    help="Longest wait for a receipt [s].",
)
@click.option("--every", type=Number(0.1), default=10.0, show_default=True, help="A line each [s].")
@click.option(
    "--json", "json_out", is_flag=False, flag_value="-", metavar="[OUT]",
    help="Print JSON lines, or write them to the file OUT.",
)  # fmt: skip
@click.option(
    "--check", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
    help="Number the messages, and record there what came of each, for `zflood check`.",
)  # fmt: skip
@click.pass_context
def messages(
    context: click.Context,
    router: str,
    curve_key_file: str | None,
    http: str | None,
    publish: bool,
    count: int,
    interval_ms: float,
    loop: str | None,
    max_id: int,
    distribution: str,
    zipf_s: float,
    size: int | None,
    senders: int,
    tasks: int | None,
    batch: int | None,
    timeout: float,
    every: float,
    json_out: str | None,
    check: Path | None,
) -> None:
    """Send stamped messages to random ids, and count the receipts; exits 1 if a message got none.

    An open loop keeps its schedule whatever the receiver does, and latency begins when a message was due. In
    a closed loop each sender waits for the receipt before it goes on.

    \b
    Examples:
      zflood messages --count 60000 --interval-ms 1 --max-id 10000 --distribution zipf
      zflood messages --count 1000000 --interval-ms 0 --senders 4
      zflood messages --loop closed --tasks 50 --interval-ms 20 --size 200
      zflood messages --publish --count 60000   # to who follows: see `zflood friends --plain`
      zflood messages --http 'http://192.0.2.1/publish?id=%d' --interval-ms 2   # any server's URL
    """
    from zflood.lines import open_lines
    from zflood.processes import ProcessesError
    from zflood.sender.messages import Plan, send_all
    from zflood.sender.show import show_messages

    def is_given(option: str) -> bool:
        return context.get_parameter_source(option) is ParameterSource.COMMANDLINE

    if http is not None and is_given("router"):
        raise click.UsageError("--router or --http, not both")
    if http is not None and publish:
        raise click.UsageError("--publish goes through a router, not with --http")
    if is_given("zipf_s") and distribution != "zipf":
        raise click.UsageError("--zipf-s is for --distribution zipf")
    is_open = loop == "open" if loop else interval_ms > 0
    if is_open and not interval_ms:
        raise click.UsageError("an open loop needs an --interval-ms above 0")
    if batch is not None and (is_open or http is not None):
        raise click.UsageError("--batch is for a closed loop to a router")
    tasks = tasks or (_OPEN_TASKS if is_open else 1)
    plan = Plan(
        outlet=_outlet(router, curve_key_file, http, publish, tasks, timeout),
        ids=_ids(max_id, zipf_s if distribution == "zipf" else None),
        messages=count,
        size_bytes=_size(size),
        is_open=is_open,
        interval_s=interval_ms / 1000,
        batch=batch or (1 if interval_ms or http is not None else _FLOOD_BATCH),
        senders=senders,
        tasks=tasks,
        every_s=every,
        check=check,
    )
    try:
        with open_lines(json_out) as lines:
            totals = show_messages(send_all(plan), count, every, lines)
    except ProcessesError as error:
        program.fail("zflood", str(error))
    if totals.errors:
        sys.exit(program.EXIT_COULD_NOT)


def _outlet(
    router: str, curve_key_file: str | None, http: str | None, publish: bool, tasks: int, timeout_s: float
) -> Callable[[], Outlet]:
    if http is None:
        if curve_key_file is not None:
            with key_file_of("--curve-key-file"):
                read_curve_keys(curve_key_file, is_peer=True)
        from zflood.sender.outlets.router import PublishOutlet, RouterOutlet

        kind = PublishOutlet if publish else RouterOutlet
        return lambda: kind(router, timeout_s, curve_key_file)
    from zflood.sender.outlets.http import HttpOutlet, check_url

    url = http
    try:
        check_url(url)
    except ValueError as error:
        raise click.UsageError(f"--http {error}") from None
    return lambda: HttpOutlet(url, tasks, timeout_s)


def _ids(max_id: int, exponent: float | None) -> Ids:
    from zflood.sender import ids

    try:
        return ids.uniform(max_id) if exponent is None else ids.zipf(max_id, exponent)
    except ValueError as error:
        raise click.UsageError(f"--max-id: {error}") from None


def _size(size: int | None) -> int:
    from zflood.latency import STAMP_BYTES

    if size is not None and size < STAMP_BYTES:
        raise click.UsageError(f"--size {size}: the stamp alone has {STAMP_BYTES} bytes")
    return size or STAMP_BYTES
