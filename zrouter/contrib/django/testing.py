"""For tests of your project: what would have been sent, without a router.

    with captured() as sent:
        shop.views.order(request)
    assert sent.messages == [("user:7", '{"order": 1}')]

It refuses what a router refuses: ids and messages that are none or too long.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from zrouter.client.connection import PublishReceipt
from zrouter.contrib.django import push
from zrouter.errors import RefusedError, RouterUnavailableError
from zrouter.wire import DEFAULT_MAX_MESSAGE_BYTES, TOO_LARGE, check_ids
from zrouter.wire.arguments import as_key


class Sent:
    """What was sent: `messages` and `published` are pairs of id and message, `revoked` subjects.

    `is_away = True`: from now on nothing is taken, as of a router that is away.
    """

    def __init__(self) -> None:
        self.messages: list[tuple[str, str | bytes]] = []
        self.published: list[tuple[str, str | bytes]] = []
        self.revoked: list[str] = []
        self.is_away = False

    def send(self, to: str, message: str | bytes, *, key: str | None = None) -> int:
        """As a router would."""
        self._check(to, message, key)
        self.messages.append((to, message))
        return 0

    def publish(self, an_id: str, message: str | bytes, *, key: str | None = None) -> PublishReceipt:
        """As a router would."""
        self._check(an_id, message, key)
        self.published.append((an_id, message))
        return PublishReceipt(0, 0, 0, 0)

    def revoke(self, *, sub: str) -> int:
        """As a router would."""
        self._check(sub, "", None)
        self.revoked.append(sub)
        return 0

    def _check(self, an_id: str, message: str | bytes, key: str | None) -> None:
        check_ids([an_id.encode()])
        if key is not None:
            as_key(key)
        if self.is_away:
            raise RouterUnavailableError("no router answers")
        size = len(message.encode() if isinstance(message, str) else message)
        if size > DEFAULT_MAX_MESSAGE_BYTES:
            raise RefusedError(TOO_LARGE, f"a message of {size} bytes is too long")


class _Nowhere(Sent):
    """Checks what is sent, and keeps nothing of it."""

    def send(self, to: str, message: str | bytes, *, key: str | None = None) -> int:
        """Nobody is there."""
        self._check(to, message, key)
        return 0

    def publish(self, an_id: str, message: str | bytes, *, key: str | None = None) -> PublishReceipt:
        """Nobody follows."""
        self._check(an_id, message, key)
        return PublishReceipt(0, 0, 0, 0)

    def revoke(self, *, sub: str) -> int:
        """Nobody is told."""
        self._check(sub, "", None)
        return 0


NOWHERE: Final = _Nowhere()  # what all is sent to with ZCOMET["ENABLED"] = False


@contextmanager
def captured() -> Iterator[Sent]:
    """Nothing is sent to a router in this block; in all threads."""
    sent = Sent()
    push._instead.append(sent)
    try:
        yield sent
    finally:
        push._instead.remove(sent)
