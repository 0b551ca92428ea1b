"""Messages through our router, many in one send.

Owns: what a receipt of the router counts as. Must not know: the link; that is AsyncRouterClient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from zflood.sender.outlets import Outcome, OutletError
from zrouter.aio import AsyncRouterClient
from zrouter.client import PublishReceipt, default_name
from zrouter.errors import RouterError
from zrouter.wire import KEPT, Pair

_MOST: Final = 1000


class RouterOutlet:
    """One link to the router, for all senders of this process.

    Receipts: `handed`, connections that messages were handed to; `nobody`, messages whose id nobody held;
    `kept`, if there are any, messages for those who left a short while ago.
    """

    most = _MOST
    is_in_order: ClassVar[bool] = True
    is_published: ClassVar[bool] = False

    def __init__(self, router: str, timeout_s: float, curve_key_file: str | None = None) -> None:
        self._router = router
        self._curve_key_file = curve_key_file
        self._timeout_s = timeout_s

    async def open(self) -> None:
        self._client = AsyncRouterClient(
            self._router,
            name=default_name("messages"),
            timeout_s=self._timeout_s,
            curve_key_file=self._curve_key_file,
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


class PublishOutlet(RouterOutlet):
    """The same, for messages that go to everyone who follows the id.

    Receipts: `handed`, connections of followers; `nobody`, messages that no follower gets; `followers` of
    their ids, and of these those who are `online`; `kept`, followers who left a short while ago, each time.
    """

    is_published: ClassVar[bool] = True

    async def send(self, pairs: Sequence[Pair]) -> Outcome:
        kind = ""
        try:
            receipts: Sequence[PublishReceipt] = await self._client.publish_many(pairs)
        except RouterError as error:
            receipts, kind = error.handed, str(error)
        told = [one.handed or (KEPT if one.kept else 0) for one in receipts]
        sums = {
            "handed": sum(one.handed for one in receipts),
            "nobody": told.count(0),
            "followers": sum(one.followers for one in receipts),
            "online": sum(one.online for one in receipts),
            "kept": sum(one.kept for one in receipts),
        }
        return Outcome(len(receipts), sums, kind, told)
