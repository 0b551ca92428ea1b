"""What messages are sent through, one file each: our router, or any server that takes them by HTTP.

Owns: what both have in common. Must not know: pace, ids, who sends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple, Protocol

from zrouter.wire import Pair


class OutletError(Exception):
    """Nobody is there to send to; the text says who."""


class Outcome(NamedTuple):
    """What became of the messages of one send."""

    answered: int  # so many got a receipt, in the order of sending; the others got `error`
    receipts: Mapping[str, int]  # what the receipts say, added up
    error: str = ""  # its kind, for a count: without what differs from one message to the next
    # The receipt of each that was answered, see `zflood/check/sender_log.py`; empty: the server tells no
    # numbers.
    told: Sequence[int] = ()


class Outlet(Protocol):
    """Sends messages; any number of sends may be under way at a time. Belongs to one event loop."""

    # Whether messages arrive in the order in which they were given to `send`; published: those of one id.
    is_in_order: ClassVar[bool]
    # Whether they are for those who follow the id.
    is_published: ClassVar[bool]

    @property
    def most(self) -> int:
        """Messages that one send may carry."""

    async def open(self) -> None:
        """Get ready.

        Raises:
            OutletError: nobody answers.
        """

    async def send(self, pairs: Sequence[Pair]) -> Outcome:
        """Send `(id, message)`, and wait for the receipts. What goes wrong is in the outcome."""

    async def close(self) -> None:
        """Leave."""
