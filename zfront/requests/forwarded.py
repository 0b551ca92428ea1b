"""Whose request it is when proxies stand before us: what X-Forwarded-For says, if trusted proxies did.

Owns: the rule. Must not know: requests. Each proxy adds on the right whom it has the request from, so the
list is read from there, and the first address that is no trusted proxy's is the client's: what stands left of
it, the client may have made up.
"""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import Final

_MOST: Final = 32  # entries from the right: more proxies in a row there are not
_WITH_PORT: Final = re.compile(r"\[([^\[\]]+)\](?::\d{1,5})?|(\d+\.\d+\.\d+\.\d+):\d{1,5}").fullmatch


class Proxies:
    """`trusted` is a list of addresses and networks with commas, such as `127.0.0.1, 10.0.0.0/8`.

    Raises:
        ValueError: one of them is neither.
    """

    def __init__(self, trusted: str) -> None:
        self.are_some = bool(trusted.strip())
        self._networks = [ip_network(one.strip()) for one in trusted.split(",") if one.strip()]

    def client(self, peer: str, forwarded: str) -> str:
        """The client's address: `peer` is whom we have the request from, `forwarded` what it says."""
        address = _mapped(peer)
        for one in reversed(forwarded.rsplit(",", _MOST)[-_MOST:]):
            named = _address(one)
            if not named or not self._is_trusted(address):
                break
            address = named
        return address

    def _is_trusted(self, address: str) -> bool:
        # An address of one IP version is in no network of the other.
        return _is_address(address) and any(ip_address(address) in network for network in self._networks)


def _address(entry: str) -> str:
    """The address of an entry, which may have a port, brackets, quotes (RFC 7239, 6); empty: it has none."""
    entry = entry.strip(' \t"')
    found = _WITH_PORT(entry)
    text = (found[1] or found[2]) if found else entry
    return _mapped(text) if _is_address(text) else ""


def _mapped(text: str) -> str:
    """An IPv4 address that is written as IPv6 is that address."""
    try:
        mapped = getattr(ip_address(text), "ipv4_mapped", None)
    except ValueError:
        return text
    return text if mapped is None else str(mapped)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


NOBODY: Final = Proxies("")
