"""Files of keys, read again when they change.

Owns: which files are taken, and when one is looked at. Must not know: tokens.

A file has a JWK set (JSON), PEM blocks, or one line with a secret. A file that was replaced by one that
can't be used changes nothing: the keys that were good stay.
"""

from __future__ import annotations

from typing import Final

from zrouter.given_file import GivenFile, read_ordinary
from zrouter.tokens import key_material
from zrouter.tokens.errors import KeyFileError
from zrouter.tokens.keys import Key, KeySet

MOST_BYTES: Final = 256 << 10
_OTHERS: Final = 0o007


def read_keys(path: str) -> KeySet:
    """The keys of a file.

    Raises:
        KeyFileError: it can't be read, is not an ordinary file, has no key or a bad one, or holds a secret
            that every user of this host can read.
    """
    try:
        data, mode = read_ordinary(path, MOST_BYTES)
        keys = KeySet(parse_keys(data))
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror or error}") from None
    except KeyFileError as error:
        raise KeyFileError(f"{path}: {error}") from None
    if mode & _OTHERS and any(key.is_secret for key in keys.keys):
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
        self._file = GivenFile(path)
        self._read()
        self.failures = 0  # of readings again, one for each that is told

    def refresh(self) -> str:
        """Read it again if it has changed; what to log: empty if there is nothing to say."""
        failed = self._file.read_again(self._read, KeyFileError)
        if failed is None:
            return ""
        if failed:
            self.failures += 1
            return f"{failed}; the keys of before stay"
        return f"{self._path}: read again, {len(self.keys.keys)} key(s)"

    def _read(self) -> None:
        self.keys = read_keys(self._path)
