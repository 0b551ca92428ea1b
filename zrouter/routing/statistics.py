"""What `zrouter stats` shows: totals, rates, and a row for each frontend.

Owns: the names of the figures that are not counters; docs/operations.md explains each. Must not know: who
asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from zrouter.routing.counters import Counters
from zrouter.routing.idempotency import Idempotency
from zrouter.routing.mailboxes import Mailboxes
from zrouter.routing.peers import Peer, Peers
from zrouter.routing.presence import Watches
from zrouter.routing.routing_table import RoutingTable


def of_the_parts(
    table: RoutingTable,
    peers: Peers,
    mailboxes: Mailboxes,
    watches: Watches,
    idempotency: Idempotency,
    counters: Counters,
) -> dict[str, Any]:
    """The figures of a router's parts as they are now."""
    return {
        "ids": len(table),
        "connections": table.connections,
        "peers": len(peers),
        "mailbox_ids": table.lingering,
        "mailbox_ids_evicted": table.evicted,
        "mailbox_messages": mailboxes.messages,
        "mailbox_bytes": mailboxes.bytes,
        "mailbox_evicted": mailboxes.evicted,
        "watches": watches.watches,
        "presence_out": watches.states_out,
        "keys": len(idempotency),
        "keys_evicted": idempotency.evicted,
        **msgspec.structs.asdict(counters),
    }


def of_frontends(frontends: Mapping[bytes, Peer]) -> list[dict[str, Any]]:
    """A row for each; the router's own figures go before what the frontend reports under the same name."""
    return [
        {
            **peer.report,
            "name": peer.name,
            "ids": len(peer.held),
            "connections": peer.connections,
            "under_way_bytes": peer.under_way_bytes(),
            "messages": peer.seq,
            "dropped": peer.dropped,
        }
        for peer in frontends.values()
    ]
