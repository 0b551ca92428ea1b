"""Who may use the API: keys, and what browsers and proxies say of those who stand behind them.

Owns: the rules of Authorization (RFC 6750), Origin and Host. Must not know: requests, where keys come from.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Final

from zfront.api.problem import Problem
from zfront.requests.credentials import Credentials
from zfront.requests.hosts import Hosts
from zfront.requests.origins import Origins

_CHALLENGE: Final = (("WWW-Authenticate", 'Bearer realm="zcomet"'),)


class Authorization:
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
