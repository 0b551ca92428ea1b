"""Whose address counts where connections of one are bounded.

Owns: which addresses are one client's. Must not know: requests, proxies.

Of IPv6 a client has a network of 64 bits, in which it may choose any address (RFC 4291, 2.5.1); an IPv4
address that is written as IPv6 (2.5.5.2) is that address.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address


@lru_cache(1024)
def client_network(address: str) -> str:
    """The same text for all addresses of one client; the text itself if it is no address."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if isinstance(found, IPv4Address):
        return str(found)
    return f"{found.packed[:8].hex()}/64"
