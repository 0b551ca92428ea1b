"""Files that must not have been there: keys, which nobody else may see for a moment.

Owns: that a file has its mode from the first byte, is whole or not there, and never in place of another. Must
not know: what is in it.
"""

from __future__ import annotations

import os

from zrouter.replaced_file import write_first


class NewFileError(OSError):
    """It could not be written; nothing of it is left."""


class AlreadyThereError(NewFileError):
    """There is a file of that name; it is untouched."""


def write_new(path: str, data: bytes, mode: int) -> None:
    """Write this to a new file, and to the disk.

    Raises:
        AlreadyThereError: there is one.
        NewFileError: it can't be made or written; the text says why.
    """
    try:
        write_first(path, data, mode)
    except FileExistsError:
        raise AlreadyThereError(
            f"{path} is there already, and a key that is lost can't be made again"
        ) from None
    except FileNotFoundError:
        folder = os.path.dirname(path)
        raise NewFileError(f"{path}: No such file or directory, for there is no {folder}") from None
    except OSError as error:
        raise NewFileError(f"{path}: {error.strerror or error}") from None
