"""Messages through our router, many in one send.

Owns: what a receipt of the router counts as. Must not know: the link; that is AsyncRouterClient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from zflood.sender.outlets import Outcome, OutletError
from zrouter.aio import AsyncRouterClient
from zrouter.client import default_name
from zrouter.session import RouterError
from zrouter.wire import KEPT, Pair


class RouterOutlet:
    """One link to the router, for all senders of this process.

    Receipts: `handed`, connections that messages were handed to; `nobody`, messages whose id nobody held;
    `kept`, if there are any, messages for those who left a short while ago.
    """

    most = 1000
    is_in_order: ClassVar[bool] = True

    def __init__(self, router: str, timeout_s: float) -> None:
        self._router = router
        self._timeout_s = timeout_s

    async def open(self) -> None:
        self._client = AsyncRouterClient(
            self._router, name=default_name("messages"), timeout_s=self._timeout_s
        )
        try:
            await self._client.send_many(())
        except RouterError as error:
            await self._client.close()
            raise OutletError(str(error)) from None

    async def send(self, pairs: Sequence[Pair]) -> Outcome:
        kind = ""
        try:
            handed: Sequence[int] = await self._client.send_many(pairs)
        except RouterError as error:
            handed, kind = error.handed, str(error)
        kept = handed.count(KEPT)
        receipts = {"handed": sum(handed) - kept * KEPT, "nobody": handed.count(0)}
        return Outcome(len(handed), {**receipts, "kept": kept} if kept else receipts, kind, handed)

    async def close(self) -> None:
        await self._client.close()
