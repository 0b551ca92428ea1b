"""How every command line here ends: one clear line on standard error, and an exit code.

0 = done, 1 = could not, 2 = usage (click's), 130 = interrupted. Never a traceback for what a user can cause.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import NoReturn

import click
import zmq

from zrouter.daemon import output
from zrouter.daemon.exposure import ExposedError
from zrouter.errors import RouterError
from zrouter.wire import WireError

# What click 8.2 and later raise, with the help as its text, where no command is given.
_HELP = getattr(click.exceptions, "NoArgsIsHelpError", ())

EXIT_COULD_NOT = 1
EXIT_INTERRUPTED = 130


def run(command: click.Command, name: str) -> NoReturn:
    """Run a click command as the program `name`."""
    output.open_streams()
    try:
        if f"_{name.upper()}_COMPLETE" in os.environ:
            command.main(prog_name=name)  # a shell asks how the line might go on
        # Not main(): it prints an empty line when it is interrupted.
        with command.make_context(name, sys.argv[1:]) as context:
            status = command.invoke(context)
        output.flush()
        sys.exit(status if isinstance(status, int) else 0)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        _show(error, name)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        output.give_up_output()  # whoever read it has left
        sys.exit(EXIT_COULD_NOT)
    except output.OutputError as error:
        output.give_up_output()
        fail(name, f"standard output: {error.strerror}")
    except zmq.ZMQError as error:
        fail(name, f"ZeroMQ: {error}")
    except (RouterError, WireError, ExposedError) as error:
        fail(name, str(error))
    except UnicodeError as error:
        # An argument or a variable with bytes that are no text, where text is needed.
        fail(name, f"not UTF-8: {error}")
    except OSError as error:
        if error.errno == errno.EBADF and error.filename is None:
            fail(name, f"standard input: {error.strerror}")  # `<&-`
        fail(name, ": ".join(str(part) for part in (error.filename, error.strerror) if part) or str(error))


def _show(error: click.ClickException, name: str) -> None:
    """One line, which also says where help is; click's own are four."""
    context = getattr(error, "ctx", None)
    if context is None or isinstance(error, _HELP):
        error.show()
        return
    command = context.command_path or name
    said = " ".join(error.format_message().split()).removesuffix(".")
    output.say(f"{command}: {said} (see {command} --help)", sys.stderr)


def fail(name: str, text: str) -> NoReturn:
    """Say why not, and leave."""
    output.say(f"{name}: {text}", sys.stderr)
    sys.exit(EXIT_COULD_NOT)
