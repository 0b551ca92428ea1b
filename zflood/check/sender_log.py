"""What a sender was told of each of its messages, on record.

Owns: the events of a sender. Must not know: what messages are sent through, who compares.

| event | when |
|---|---|
| [is_in_order, is_published] | first of all: see `zflood/sender/outlets/__init__.py` |
| [began_ns, ended_ns, first count, [id, ...], [receipt, ...]] | what came of a batch |

A receipt is the number of connections, or one of the words below. Times are nanoseconds of the realtime
clock.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from zflood.check.log_format import SENT, Log
from zflood.check.numbers import mark, number
from zrouter.wire import KEPT

__all__ = ["KEPT", "NOBODY", "TAKEN", "UNKNOWN", "SenderLog"]

NOBODY: Final = 0
UNKNOWN: Final = -2  # an error came instead, or nothing
TAKEN: Final = -3  # by a server that does not say how many have it


class SenderLog:
    """Of one process."""

    def __init__(self, folder: Path, is_in_order: bool = True, is_published: bool = False) -> None:
        """Raises RecordError: as Record."""
        self._record = Log(folder, SENT)
        self._record.add((is_in_order, is_published))
        self._count = 0

    def marks(self, messages: int) -> tuple[int, list[bytes]]:
        """The first count of the next messages, and what is to be put into each."""
        first = self._count + 1
        self._count += messages
        sender = self._record.number
        return first, [mark(number(sender, count)) for count in range(first, self._count + 1)]

    def told(self, began_ns: int, first: int, ids: Sequence[bytes], receipts: Sequence[int]) -> None:
        """What is known of a batch that `marks` has counted; of those that are missing here it is UNKNOWN."""
        receipts = [*receipts, *[UNKNOWN] * (len(ids) - len(receipts))]
        self._record.add((began_ns, time.time_ns(), first, [an_id.decode() for an_id in ids], receipts))
        self._record.flush_now_and_then()

    def close(self) -> None:
        """Write the rest."""
        self._record.close()
