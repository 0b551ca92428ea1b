"""Whose request it is when proxies stand before us: what X-Forwarded-For says, if trusted proxies did.

Owns: the rule. Must not know: requests. Each proxy adds on the right whom it has the request from, so the
list is read from there, and the first address that is no trusted proxy's is the client's: what stands left of
it, the client may have made up.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Final


class Proxies:
    """`trusted` is a list of addresses and networks with commas, such as `127.0.0.1, 10.0.0.0/8`.

    Raises:
        ValueError: one of them is neither.
    """

    def __init__(self, trusted: str) -> None:
        self._networks = [ip_network(one.strip()) for one in trusted.split(",") if one.strip()]

    def client(self, peer: str, forwarded: str) -> str:
        """The client's address: `peer` is whom we have the request from, `forwarded` what it says."""
        address = peer
        for one in reversed(forwarded.split(",")):
            if not self._is_trusted(address) or not _is_address(one.strip()):
                break
            address = one.strip()
        return address

    def _is_trusted(self, address: str) -> bool:
        # An address of one IP version is in no network of the other.
        return _is_address(address) and any(ip_address(address) in network for network in self._networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


NOBODY: Final = Proxies("")
