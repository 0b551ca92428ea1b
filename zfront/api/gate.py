"""Who may use the API: keys, and what browsers and proxies say of those who stand behind them.

Owns: the rules of Authorization (RFC 6750), Origin and Host. Must not know: requests, where keys come from.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Final, NamedTuple

from zfront.api.problem import Problem
from zfront.hosts import Hosts
from zfront.origins import Origins

_CHALLENGE: Final = (("WWW-Authenticate", 'Bearer realm="zcomet"'),)
# Headers of a proxy: whoever asks is somebody else than who connected.
FORWARDED: Final = frozenset(("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"))


class Credentials(NamedTuple):
    """What a request says of who asks. Header values as they came; empty: there was none."""

    authorization: str = ""
    origin: str = ""
    host: str = ""
    is_forwarded: bool = False


class Gate:
    """`keys` are those of the settings. Without any all may who can connect, if that is this machine only."""

    def __init__(self, keys: Iterable[str], is_local: bool, origins: Origins, hosts: Hosts) -> None:
        self._keys = [key.encode() for key in keys]
        self._is_local = is_local
        self._origins = origins
        self._hosts = hosts

    def refusal(self, asked: Credentials) -> Problem | None:
        """Why such a request is refused; None if it is not."""
        if not self._origins.may_open(asked.origin, asked.host):
            return Problem(403, f"pages of {asked.origin} may not: see --cors")
        if self._keys:
            return None if self._has_key(asked.authorization) else _no_key(asked.authorization)
        if not self._is_local:
            return _not_configured("this frontend listens beyond loopback")
        if asked.is_forwarded:
            return _not_configured("a proxy passed this on")
        refusal = self._hosts.refusal(asked.host)
        return _not_configured(refusal) if refusal else None

    def lines_for(self, origin: str) -> bytes:
        """The lines of CORS that an answer to a page of that origin has; empty: it said none."""
        return self._origins.lines(origin)

    def _has_key(self, authorization: str) -> bool:
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return False
        said = given.strip().encode("latin-1", "replace")
        # All are compared, and each in constant time: how long it takes says nothing of any key.
        return sum(hmac.compare_digest(said, key) for key in self._keys) > 0


def _not_configured(why: str) -> Problem:
    return Problem(403, f"no API key is configured, and {why}: give zfront --api-key-file")


def _no_key(authorization: str) -> Problem:
    detail = "the API key is wrong" if authorization else "an API key is needed: Authorization: Bearer KEY"
    return Problem(401, detail, headers=_CHALLENGE)


def read_keys(text: str) -> list[str]:
    """The keys of a file or a setting: one a line, empty lines and those that begin with # do not count.

    Raises:
        ValueError: one is not what a header can carry, or shorter than 16 characters.
    """
    keys = [line.strip() for line in text.splitlines()]
    keys = [key for key in keys if key and not key.startswith("#")]
    for number, key in enumerate(keys, 1):
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ValueError(f"API key {number} has characters that a header can't carry")
        if len(key) < 16:
            raise ValueError(f"API key {number} is shorter than 16 characters")
    return keys
