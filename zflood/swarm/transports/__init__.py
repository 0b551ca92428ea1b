"""How messages come down a connection: one file each, bytes in and bytes out.

Owns: the list of them. Must not know: how bytes are read and written.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from zflood.swarm.transports.interface import Transport

# By name, which is that of the file, too: its class. A file is imported, and its library, when it is needed.
TRANSPORTS: Final = {
    "chunked": "Chunked",
    "sse": "Sse",
    "ndjson": "Ndjson",
    "ws": "Ws",
    "poll": "Poll",
}


def transport(name: str) -> type[Transport]:
    """One of TRANSPORTS."""
    found: type[Transport] = getattr(import_module(f"{__name__}.{name}"), TRANSPORTS[name])
    return found
