"""The one way by which a command's words get out: a line is one line, JSON is JSON.

Owns: what is escaped for a terminal, JSON without NaN, what a stream that is closed or full means. Must not
know: who says what. Names, figures and messages come from peers: a control character among them would clear a
screen or forge a row.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

# C0 and DEL, C1, line and paragraph separators, what turns the direction of writing, halves of surrogates,
# and the byte order mark.
_UNSEEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
# For text of several lines that is our own, such as a traceback in a log.
_UNSEEN_IN_LINES: Final = re.compile(_UNSEEN.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))


class OutputError(OSError):
    """Standard output takes no more; its text says why."""


def printable(text: object, *, lines: bool = False) -> str:
    r"""The text, with what a terminal acts on as \x1b, \n, \u202e; `lines` leaves line feeds and tabs."""
    return (_UNSEEN_IN_LINES if lines else _UNSEEN).sub(_escaped, str(text))


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def say(text: object, to: IO[str] | None = None) -> None:
    """Print this as one line, at once, to standard output if nothing else is given.

    Raises:
        OutputError: standard output is full, or closed.
        OSError: the same of another stream.
    """
    _write(printable(text), to)


def say_all(texts: Iterable[object]) -> None:
    """Each as one line to standard output, which is flushed at the end: for lists that may be long.

    Raises:
        OutputError: standard output is full, or closed.
    """
    with _named():
        sys.stdout.writelines(f"{printable(text)}\n" for text in texts)
        sys.stdout.flush()


def json_line(value: Any, to: IO[str] | None = None) -> None:
    """Print this as a line of JSON (RFC 8259), at once: NaN and infinity, which are none, are null.

    Raises:
        OutputError: standard output is full, or closed.
        OSError: the same of another stream.
    """
    # DEL is the one control character that json leaves alone.
    _write(json.dumps(_finite(value), allow_nan=False).replace("\x7f", "\\u007f"), to)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key if not isinstance(key, float) else str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value


def _write(text: str, to: IO[str] | None) -> None:
    if to is not None:
        print(text, file=to, flush=True)
        return
    with _named():
        print(text, flush=True)


@contextmanager
def _named() -> Iterator[None]:
    """What standard output does not take is told as its fault, but that nobody reads it any more."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(error.errno, error.strerror, "standard output") from None


def flush() -> None:
    """What is left to write goes out while there is still somebody to say that it could not.

    Raises:
        OutputError: standard output is full, or closed.
    """
    with _named():
        sys.stdout.flush()


def open_streams() -> None:
    """Give the process its three streams, whatever it was started with; before anything else is opened.

    A stream that was closed (`>&-`) must not become the number of a socket. Reading from standard input fails
    then, and so does writing to standard output, as with any other program; standard error swallows. What an
    encoding does not have, and bytes that are no text, are shown by their number: the work is done by then,
    and a traceback would make a script do it again.
    """
    for descriptor, mode in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is this one, for those below it are taken.
            os.open(os.devnull, mode)
            os.set_inheritable(descriptor, True)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - it lives as long as the process
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # a test's own stream may have none
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def give_up_output() -> None:
    """Nobody takes what is left to write: the interpreter must not complain of it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
