"""Files that others read at any moment: replaced in one step, never changed.

Owns: that a reader finds the whole of before or the whole of now. Must not know: what is in them.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress


def replace_whole(path: str, data: bytes, mode: int) -> None:
    """Have a file with these bytes, with `mode`, or in place of one that is there, whose mode and owner stay.

    Raises:
        OSError: it can't be written; what was there is untouched, and nothing else is left.
    """
    fresh = write_beside(path, data, mode)
    try:
        with suppress(FileNotFoundError):
            before = os.stat(path)
            os.chmod(fresh, before.st_mode & 0o7777)
            if os.geteuid() == 0:
                os.chown(fresh, before.st_uid, before.st_gid)
        os.replace(fresh, path)
    except OSError:
        os.unlink(fresh)
        raise


def write_beside(path: str, data: bytes, mode: int) -> str:
    """A new file beside that, on the disk: its path.

    Raises:
        OSError: it can't be written; nothing of it is left.
    """
    fresh = f"{path}.{secrets.token_hex(4)}"  # one that a kill left behind is in nobody's way
    write_first(fresh, data, mode)
    return fresh


def write_first(path: str, data: bytes, mode: int) -> None:
    """Write this to a file that was not there, and to the disk; it has its mode from the first byte.

    Raises:
        OSError: there is one (FileExistsError), or it can't be written; nothing of it is left.
    """
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with open(out, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(out)
    except OSError:
        with suppress(OSError):
            os.unlink(path)
        raise
