"""Keys of the link: CURVE (ZeroMQ's RFC 26), one pair for each peer and one for the router.

Owns: the form of their files, and which of them are taken. Must not know: sockets, who may do what.

A file is TOML: `public`, `secret`, and for a peer `router`, the public key of the router that it talks to;
each is 40 characters of Z85 (ZeroMQ's RFC 32), for 32 bytes.
"""

from __future__ import annotations

import os
import re
import tomllib
from typing import Final, NamedTuple

from zrouter.errors import PortableError
from zrouter.given_file import read_ordinary

_MOST_BYTES: Final = 64 << 10
_OTHERS: Final = 0o077
_Z85: Final = re.compile(r"[0-9A-Za-z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}").fullmatch


class CurveKeyError(PortableError, ValueError):
    """A key, or a file of keys, can't be used; the text never quotes a secret."""


class CurveKeys(NamedTuple):
    """A pair, and the router's public key: empty in the router's own file."""

    public: str
    secret: str
    router: str = ""

    def __repr__(self) -> str:
        return f"CurveKeys({self.public!r}, <secret>, {self.router!r})"


def is_key(text: object) -> bool:
    """Whether it has the form of a key."""
    return isinstance(text, str) and _Z85(text) is not None


def read_curve_keys(path: str, *, is_peer: bool) -> CurveKeys:
    """The keys of a file; those of a peer (`is_peer`) name the router's.

    Raises:
        CurveKeyError: it can't be read, is not an ordinary file, others can read it, or it has no keys.
    """
    members = _members(path, _private(path))
    keys = CurveKeys(members["public"], members["secret"], members["router"])
    if not is_key(keys.public) or not is_key(keys.secret):
        raise CurveKeyError(f"{path}: public and secret are 40 characters each; `zrouter keygen` makes them")
    if is_peer and not is_key(keys.router):
        raise CurveKeyError(f'{path}: has no router = "KEY", the public key of the router')
    return keys


def public_key(path: str) -> str:
    """The public key of a file of keys, or of one that has no more than that.

    Raises:
        CurveKeyError: there is none in it.
    """
    found = _members(path, _bytes(path)[0])["public"]
    if not is_key(found):
        raise CurveKeyError(f"{path}: has no public key of 40 characters")
    return found


def as_file(keys: CurveKeys) -> bytes:
    """What a file with these has in it."""
    lines = ["# Keys of the zcomet link. Whoever has this file is this peer.", f'public = "{keys.public}"']
    lines.append(f'secret = "{keys.secret}"')
    if keys.router:
        lines.append(f'router = "{keys.router}"')
    return ("\n".join(lines) + "\n").encode()


def _private(path: str) -> bytes:
    data, mode = _bytes(path)
    if mode & _OTHERS and not _is_credential(path):
        raise CurveKeyError(f"{path}: others can read it; chmod 600 {path}")
    return data


def _is_credential(path: str) -> bool:
    """Whether systemd keeps it for us alone (LoadCredential=): who may read it shows as group bits."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    return bool(folder) and os.path.realpath(path).startswith(os.path.realpath(folder) + "/")


def _bytes(path: str) -> tuple[bytes, int]:
    try:
        return read_ordinary(path, _MOST_BYTES)
    except OSError as error:
        raise CurveKeyError(f"{path}: {error.strerror or error}") from None


def _members(path: str, data: bytes) -> dict[str, str]:
    try:
        found = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise CurveKeyError(f"{path}: not TOML") from None
    return {name: str(found.get(name, "")) for name in ("public", "secret", "router")}
