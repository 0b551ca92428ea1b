"""Files of keys, read again when they change.

Owns: which files are taken, and when one is looked at. Must not know: tokens.

A file has a JWK set (JSON), PEM blocks, or one line with a secret. A file that was replaced by one that
can't be used changes nothing: the keys that were good stay.
"""

from __future__ import annotations

import os
import stat
from typing import Final

from zrouter.tokens import key_material
from zrouter.tokens.errors import KeyFileError
from zrouter.tokens.keys import Key, KeySet

MOST_BYTES: Final = 256 << 10
_OTHERS: Final = 0o007
Seen = tuple[int, int, int, int]  # what of a file's state changes when it is written or replaced


def read_keys(path: str) -> KeySet:
    """The keys of a file.

    Raises:
        KeyFileError: it can't be read, is not an ordinary file, has no key or a bad one, or holds a secret
            that every user of this host can read.
    """
    try:
        # A FIFO would hold us up until somebody writes to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode):
                raise KeyFileError(f"{path}: not an ordinary file")
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror or error}") from None
    try:
        if len(data) > MOST_BYTES:
            raise KeyFileError(f"more than {MOST_BYTES >> 10} KiB")
        keys = KeySet(parse_keys(data))
    except KeyFileError as error:
        raise KeyFileError(f"{path}: {error}") from None
    if state.st_mode & _OTHERS and any(key.is_secret for key in keys.keys):
        raise KeyFileError(f"{path}: has a secret, and every user of this host can read it; chmod o= {path}")
    return keys


def parse_keys(data: bytes) -> list[Key]:
    """The keys in these bytes: JSON, PEM, or one line.

    Raises:
        KeyFileError: there is something else in them.
    """
    text = data.strip()
    if text.startswith(b"{"):
        return key_material.of_jwk(text)
    if b"-----BEGIN " in text:
        return key_material.of_pem(text)
    if not text:
        return []
    if b"\n" in text:
        raise KeyFileError("several lines, and neither JSON nor PEM: a secret is one line")
    return [key_material.secret(text)]


class KeyFile:
    """The keys of a file, as they are now. The first reading raises KeyFileError."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen = self._look()
        self.keys = read_keys(path)
        self.failures = 0  # of readings again

    def refresh(self) -> str:
        """Read it again if it has changed; what to log: empty if there is nothing to say."""
        seen = self._look()
        if seen == self._seen:
            return ""
        self._seen = seen
        try:
            self.keys = read_keys(self._path)
        except KeyFileError as error:
            self.failures += 1
            return f"{error}; the keys of before stay"
        return f"{self._path}: read again, {len(self.keys.keys)} key(s)"

    def _look(self) -> Seen | None:
        try:
            state = os.stat(self._path)
        except OSError:
            return None
        return state.st_ino, state.st_mtime_ns, state.st_size, state.st_mode
