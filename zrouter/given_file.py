"""A file that people give a program and change while it runs: keys, and lists of them.

Owns: that nothing but an ordinary file is read, within a bound and without waiting; when to read it again.
Must not know: what is in it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

_Seen = tuple[int, int, int, int]  # what of a file's state changes when it is written or replaced


def read_ordinary(path: str, most: int) -> tuple[bytes, int]:
    """The bytes of a file, at most so many, and its mode.

    Raises:
        OSError: it can't be read, has more, or is no ordinary file: a FIFO would hold us up until somebody
            writes to it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not an ordinary file")
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"more than {most >> 10} KiB")
    return data, mode


class GivenFile:
    """When a file, or several that belong together, is to be read again: by its state alone.

    One that has gone has changed, too. One that could not be read is read again until it can.
    """

    def __init__(self, *paths: str) -> None:
        self._paths = paths
        self._seen: list[_Seen | None] | None = self._look()  # None: what is there could not be read
        self._said = ""  # of the last failure

    def read_again(self, read: Callable[[], None], failure: type[Exception]) -> str | None:
        """Read it if it has changed. None: nothing is to be said; empty: it was read; else why not, once."""
        before, self._seen = self._seen, self._look()
        if self._seen == before:
            return None
        try:
            read()
        except failure as error:
            self._seen = None
            said, self._said = self._said, str(error)
            return None if self._said == said else self._said
        self._said = ""
        return ""

    def _look(self) -> list[_Seen | None]:
        return list(map(_state, self._paths))


def _state(path: str) -> _Seen | None:
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_ino, state.st_mtime_ns, state.st_size, state.st_mode
