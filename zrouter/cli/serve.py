"""`zrouter serve`."""

from __future__ import annotations

import click

from zrouter.daemon import logs, program
from zrouter.daemon.exposure import check_zmq
from zrouter.daemon.options import options
from zrouter.server.settings import RouterSettings


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

    check_zmq(settings.bind, settings.insecure)
    logs.set_up(settings.log_level)
    path = settings.store_path()
    if path is None:
        SocketLoop(settings).run()
        return
    # What is needed for a store is loaded only if there is to be one.
    from zrouter.follows.store import StoreError
    from zrouter.server.store_writer import StoreWriter

    store_writer = StoreWriter(path)
    service = SocketLoop(settings, store_writer)
    try:
        store_writer.check()
    except StoreError as error:
        program.fail("zrouter", f"{error}; --store none runs without")
    service.run()
