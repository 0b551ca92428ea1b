"""By which names this frontend may be called: the header Host of a request.

Owns: the rule. Must not know: requests, who asks.

A frontend that listens on loopback and has no keys is open to whoever is on this machine, and a browser is
there for every page that it shows: one whose name is made to point to 127.0.0.1 (DNS rebinding) would be of
our own origin. So it answers to loopback's names, and to those that the setting `--hosts` has.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from zfront.requests.origins import read_host
from zrouter.daemon.exposure import is_loopback


class Hosts:
    """`is_open`: it listens on loopback, and nobody needs a key. `named` is a list with commas, without
    ports.

    Raises:
        ValueError: one of them is no host.
    """

    def __init__(self, is_open: bool, named: str = "") -> None:
        self._is_open = is_open
        self._named = set()
        for one in filter(None, map(str.strip, named.split(","))):
            found = read_host(one)
            if found is None or found[1]:
                raise ValueError(f"{one!r} is no name of a host, such as app.example")
            self._named.add(found[0])
        self.refusal = lru_cache(256)(self._refusal)

    def _refusal(self, host: str) -> str:
        """Why a request that names this host is refused; empty if it is not. Programs may name none."""
        if not host or not (self._is_open or self._named):
            return ""
        found = read_host(host)
        if found is not None and (found[0] in self._named or (self._is_open and is_loopback(found[0]))):
            return ""
        return "Host is not a loopback address" if self._is_open else "Host is another's"


ANY: Final = Hosts(is_open=False)
