"""`zrouter serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zrouter.daemon import logs, program
from zrouter.daemon.exposure import check_zmq
from zrouter.daemon.options import options
from zrouter.server.settings import RouterSettings

if TYPE_CHECKING:
    from pathlib import Path

    from zrouter.link.curve_keys import CurveKeys
    from zrouter.server.allow_list import AllowList
    from zrouter.wire import Revocation


@click.command()
@options(RouterSettings, "ZROUTER")
def serve(settings: RouterSettings) -> None:
    """Run the router.

    \b
    Examples:
      zrouter serve
      zrouter serve --bind tcp://127.0.0.1:0 --log-level debug
    """
    from zrouter.server.socket_loop import SocketLoop

    gate = _gate(settings)
    check_zmq(settings.bind, gate is not None, settings.insecure)
    logs.set_up(settings.log_level)
    path = settings.store_path()
    revocations = settings.revocations_path()
    kept = _kept(revocations)
    if path is None:
        SocketLoop(settings, gate=gate, revocations=revocations, kept=kept).run()
        return
    # What is needed for a store is loaded only if there is to be one.
    from zrouter.follows.store import StoreError
    from zrouter.server.store_writer import StoreWriter

    store_writer = StoreWriter(path)
    service = SocketLoop(settings, store_writer, gate, revocations, kept)
    try:
        store_writer.check()
    except StoreError as error:
        program.fail("zrouter", f"{error}; --store none runs without")
    service.run()


def _kept(path: Path | None) -> list[Revocation]:
    """The revocations of before."""
    if path is None or not path.exists():
        return []
    from zrouter.server.revocation_writer import RevocationFile, RevocationFileError  # with SQLite

    try:
        return RevocationFile(path).read()
    except RevocationFileError as error:
        program.fail("zrouter", f"{error}; --revocations none runs without, and forgets who was revoked")


def _gate(settings: RouterSettings) -> tuple[CurveKeys, AllowList] | None:
    """The router's keys and who may connect; None where there are no keys."""
    if bool(settings.curve_server_key_file) != bool(settings.curve_allow_file):
        raise click.UsageError("--curve-server-key-file and --curve-allow-file go together")
    if not settings.curve_server_key_file:
        return None
    from zrouter.link.curve_keys import CurveKeyError, read_curve_keys
    from zrouter.server.allow_list import AllowList

    try:
        keys = read_curve_keys(settings.curve_server_key_file, is_peer=False)
        return keys, AllowList(settings.curve_allow_file)
    except CurveKeyError as error:
        raise click.UsageError(str(error)) from None
