"""How every command line here ends: one clear line on standard error, and an exit code.

0 = done, 1 = could not, 2 = usage (click's), 130 = interrupted. Never a traceback for what a user can cause.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click
import zmq

from zrouter.daemon.exposure import ExposedError
from zrouter.session import RouterError
from zrouter.wire import WireError

EXIT_COULD_NOT = 1
EXIT_INTERRUPTED = 130


def run(command: click.Command, name: str) -> NoReturn:
    """Run a click command as the program `name`."""
    try:
        if f"_{name.upper()}_COMPLETE" in os.environ:
            command.main(prog_name=name)  # a shell asks how the line might go on
        # Not main(): it prints an empty line when it is interrupted.
        with command.make_context(name, sys.argv[1:]) as context:
            status = command.invoke(context)
        sys.stdout.flush()
        sys.exit(status if isinstance(status, int) else 0)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has left; the interpreter would complain while flushing it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_COULD_NOT)
    except zmq.ZMQError as error:
        fail(name, f"ZeroMQ: {error}")
    except (RouterError, WireError, ExposedError, OSError) as error:
        fail(name, str(error))


def fail(name: str, text: str) -> NoReturn:
    """Say why not, and leave."""
    print(f"{name}: {text}", file=sys.stderr)
    sys.exit(EXIT_COULD_NOT)
