"""The clients of a router, for programs: RouterClient, whose calls wait, and AsyncRouterClient, for asyncio.

Owns: what both promise. Must not know: routing. The one for asyncio is `zrouter.aio.AsyncRouterClient`.
"""

from zrouter.client.blocking import (
    Counts,
    Gap,
    Page,
    Presence,
    PublishReceipt,
    Received,
    RouterClient,
    default_name,
)

__all__ = ["Counts", "Gap", "Page", "Presence", "PublishReceipt", "Received", "RouterClient", "default_name"]
