"""Open mode: a frontend on loopback without tokens, whose streams are for whoever is on this machine.

Owns: what suggests that somebody else is behind a request. Must not know: sockets, Tornado, ids.

Two bring in others: a proxy on this host, behind which is the whole internet, and a browser, which asks for
every page that it shows. So Host has to be loopback's or one of `--hosts` (a name may be made to point here),
no proxy may say that it passed the request on, and a page has to be our own or one that `--cors` names (by
Origin; where there is none, by Referer and Fetch Metadata). A proxy that says nothing can't be told from a
program here.
"""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import urlsplit

from zfront.requests.hosts import Hosts
from zfront.requests.origins import Origins

_WAYS: Final = "without tokens streams are for this machine alone: give --token-key-file, or --insecure"


class Surroundings(NamedTuple):
    """What a request says of where it comes from: values of headers, empty where there was none."""

    host: str = ""
    origin: str = ""
    referer: str = ""
    fetch_site: str = ""
    is_forwarded: bool = False


class OpenMode:
    """`hosts` are those of a frontend that is open."""

    def __init__(self, origins: Origins, hosts: Hosts) -> None:
        self.refused = 0
        self._origins = origins
        self._hosts = hosts

    def admits(self, asked: Surroundings) -> bool:
        """Whether nothing suggests that somebody else is behind it."""
        return not self._refusal(asked)

    def knows(self, host: str) -> bool:
        """The same for a request that says no more than that Host."""
        return not self._hosts.refusal(host)

    def refusal(self, asked: Surroundings) -> str:
        """Why a request is refused; empty if it is not. Counts."""
        refusal = self._refusal(asked)
        if refusal:
            self.refused += 1
        return refusal

    def _refusal(self, asked: Surroundings) -> str:
        refusal = self._hosts.refusal(asked.host)
        if refusal:
            return f"{refusal}: see --hosts"
        if asked.is_forwarded:
            return f"a proxy passed this on; {_WAYS}"
        if asked.origin:
            is_ours = self._origins.may_open(asked.origin, asked.host)
        else:
            is_ours = self._is_our_page(asked)
        return "" if is_ours else f"pages of {asked.origin or 'other origins'} may not: see --cors"

    def _is_our_page(self, asked: Surroundings) -> bool:
        """By what a browser says where it says no Origin: of images, frames, and of EventSource at home."""
        if asked.referer:
            try:
                page = urlsplit(asked.referer)
            except ValueError:
                return False
            return self._origins.may_open(f"{page.scheme}://{page.netloc}", asked.host)
        return asked.fetch_site.lower() in ("", "none", "same-origin")
