"""The client for programs on asyncio: `from zrouter.aio import AsyncRouterClient`."""

from zrouter.client.asynchronous import (
    AsyncRouterClient,
    Counts,
    Gap,
    Page,
    Presence,
    PublishReceipt,
    Received,
)

__all__ = ["AsyncRouterClient", "Counts", "Gap", "Page", "Presence", "PublishReceipt", "Received"]
