"""The allow list: whose keys may use the link, and with which roles.

Owns: the form of its file, and that it is read again when it changes. Must not know: sockets, connections.

A file is TOML with a table for each key:

    [front-1]
    public = "..."
    roles = ["frontend"]
"""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

from zrouter.given_file import GivenFile, read_ordinary
from zrouter.link.curve_keys import CurveKeyError, is_key
from zrouter.routing.roles import ROLES, Identity

MOST_KEYS: Final = 10_000
_MOST_BYTES: Final = 8 << 20
_NAME: Final = re.compile(r"[A-Za-z0-9._@:/-]{1,64}").fullmatch


def parse_allow_list(data: bytes) -> dict[str, Identity]:
    """Who has each public key.

    Raises:
        CurveKeyError: it is no such file, has no key, one twice, or a role that there is not.
    """
    try:
        tables = tomllib.loads(data.decode())
    except UnicodeDecodeError:
        raise CurveKeyError("not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise CurveKeyError(f"not TOML: {error}") from None
    if not tables:
        raise CurveKeyError("there is no key in it, and that does not mean everybody")
    if len(tables) > MOST_KEYS:
        raise CurveKeyError(f"more than {MOST_KEYS} keys")
    found: dict[str, Identity] = {}
    for name, table in tables.items():
        public, roles = _row(name, table)
        if public in found:
            raise CurveKeyError(f"{name} and {found[public].key} have the same key")
        found[public] = Identity(name, roles, public)
    return found


def check_name(name: str) -> None:
    """Refuse what a key can't be called.

    Raises:
        CurveKeyError: it has other characters, or too many.
    """
    if not _NAME(name):
        raise CurveKeyError(f"{name!r}: a key is called by 1 to 64 letters, digits and . _ @ : / -")


def _row(name: str, table: Any) -> tuple[str, frozenset[str]]:
    check_name(name)
    if not isinstance(table, dict) or not is_key(table.get("public")):
        raise CurveKeyError(f"{name}: public is a key of 40 characters")
    if unknown := table.keys() - {"public", "roles"}:
        raise CurveKeyError(f"{name}: {sorted(unknown)[0]} is none of public and roles")
    roles = table.get("roles")
    if not isinstance(roles, list) or not roles or not all(role in ROLES for role in roles):
        raise CurveKeyError(f"{name}: roles is a list of some of {', '.join(ROLES)}")
    return table["public"], frozenset(roles)


class AllowList:
    """The list in a file, as it is now. The first reading raises CurveKeyError."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = GivenFile(path)
        self._read()

    def refresh(self) -> str | None:
        """Read it again if it has changed: None if it has not, else empty, or why the old one stays."""
        failed = self._file.read_again(self._read, CurveKeyError)
        return f"{failed}; the list of before stays" if failed else failed

    def _read(self) -> None:
        path = self._path
        try:
            self.by_key = parse_allow_list(read_ordinary(path, _MOST_BYTES)[0])
        except OSError as error:
            raise CurveKeyError(f"{path}: {error.strerror or error}") from None
        except CurveKeyError as error:
            raise CurveKeyError(f"{path}: {error}") from None
