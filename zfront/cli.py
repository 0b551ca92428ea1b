"""zfront's command: serve."""

from __future__ import annotations

import logging
import socket
from typing import NoReturn

import click

from zfront.settings import FrontSettings
from zfront.workers.liveness import LivenessPipe
from zrouter.daemon import logs, notify, program
from zrouter.daemon.exposure import check_listener
from zrouter.daemon.options import options

log = logging.getLogger("zfront")


def main() -> NoReturn:
    """The program `zfront`."""
    program.run(commands, "zfront")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="zcomet")
def commands() -> None:
    """Hold clients' HTTP connections, and write to each what is sent to its ids.

    \b
    Examples:
      zfront serve
      zfront serve --listen 127.0.0.1:8000 --workers 2
    """


@commands.command()
@options(FrontSettings, "ZFRONT")
def serve(settings: FrontSettings) -> None:
    """Run a frontend; clients connect to http://HOST:PORT/test/ID.

    \b
    Examples:
      zfront serve
      zfront serve --listen 127.0.0.1:8000 --workers 2 --max-connections 10000
    """
    from zfront.http.acceptor import check_free, listen
    from zfront.workers.supervisor import Supervisor
    from zfront.workers.worker import Worker

    host, port = settings.address()
    token_keys = settings.token_keys()
    curve = settings.curve_keys()
    api_curve = settings.api_curve_keys()
    passed_on = settings.passed_on()
    is_guarded = token_keys is not None or passed_on is not None
    check_listener(host, is_guarded, settings.insecure)
    keys = settings.api_keys()
    settings.proxies()
    settings.origins()
    settings.known_hosts(keys is not None)
    logs.set_up(settings.log_level)
    if token_keys is not None and not settings.token_audience:
        log.warning("--token-audience is not set: a token for another service of the same keys is good here")
    for warning in settings.warnings_of_keys(keys):
        log.warning(warning)
    try:
        check_free(host, port)
        first = listen(host, port, settings.keepalive, settings.unsent)
    except OSError as error:
        program.fail("zfront", f"cannot listen on {settings.listen}: {error.strerror or error}")
    port = first.getsockname()[1]
    name = settings.name or f"zfront@{socket.gethostname()}:{port}"
    listeners = [first] + [
        listen(host, port, settings.keepalive, settings.unsent) for _ in range(settings.workers - 1)
    ]
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    log.info("listening on http://%s with %d worker(s)", where, settings.workers)
    if settings.workers == 1:
        Worker(settings, first, name, keys=keys, token_keys=token_keys, curve=curve, api_curve=api_curve).run(
            lambda: notify.ready(f"listening on {where}")
        )
        return

    def work(number: int, listener: socket.socket, lifeline: LivenessPipe) -> None:
        Worker(settings, listener, f"{name}/{number}", lifeline, keys, token_keys, curve, api_curve).run(
            lifeline.ready
        )

    supervisor = Supervisor(listeners, work, settings.worker_timeout, settings.shutdown_timeout)
    if not supervisor.run():
        program.fail("zfront", "not all workers began and ended as they should; the log says why")
