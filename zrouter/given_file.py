"""A file that people give a program and change while it runs: keys, and lists of them.

Owns: that nothing but an ordinary file is read, within a bound and without waiting; when to read it again.
Must not know: what is in it.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

_Seen = tuple[int, int, int, int]  # what of a file's state changes when it is written or replaced
_UNREAD: Final[_Seen] = (-1, -1, -1, -1)


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
    """Whether a file is another since it was looked at last, by its state alone."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._seen = self._look()

    def has_changed(self) -> bool:
        """True once for each change; one that has gone has changed, too."""
        before, self._seen = self._seen, self._look()
        return self._seen != before

    def look_again(self) -> None:
        """What is there could not be read: it counts as changed the next time, too."""
        self._seen = _UNREAD

    def _look(self) -> _Seen | None:
        try:
            state = os.stat(self.path)
        except OSError:
            return None
        return state.st_ino, state.st_mtime_ns, state.st_size, state.st_mode
