"""When connections end because their token does: 4 bytes for each, and who is due.

Owns: a number for each descriptor, and of each 256 of them the least. So nothing has to be taken out when a
client leaves or comes back with another token, and looking who is due costs little. Must not know: the time
(`now` is an argument, in seconds of any clock that never goes back), tokens.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from typing import Final, NamedTuple

_BLOCK: Final = 256
_NEVER: Final = 2**32 - 1
_TENTHS: Final = 10


class Due(NamedTuple):
    """A connection whose time has come: to be warned, or to end."""

    connection: int
    is_warning: bool


class EndTimes:
    """`warning_s`: how long before its end a connection is due for the first time; 0 = it is not."""

    def __init__(self, warning_s: float, now: float) -> None:
        self._warning_s = warning_s
        self._start = now  # so that 32 bits are enough: 6 years of tenths
        self._at = array("I")  # tenths since the start, and a bit for a warning
        self._least = array("I")  # of each block; may be less than what is in it

    def __len__(self) -> int:
        return sum(at != _NEVER for at in self._at)

    def begin(self, connection: int, ends_in_s: float, now: float) -> None:
        """This connection is to end then; it is warned before, if there is time for that."""
        if ends_in_s > self._warning_s > 0:
            self._set(connection, now - self._start + ends_in_s - self._warning_s, is_warning=True)
        else:
            self._set(connection, now - self._start + ends_in_s, is_warning=False)

    def _set(self, connection: int, at_s: float, is_warning: bool) -> None:
        while connection >= len(self._at):
            self._at.extend([_NEVER] * _BLOCK)
            self._least.append(_NEVER)
        at = min(math.ceil(max(0.0, at_s) * _TENTHS) * 2 + is_warning, _NEVER - 1)
        self._at[connection] = at
        block = connection // _BLOCK
        self._least[block] = min(self._least[block], at)

    def end_now(self, connection: int) -> None:
        """This connection, which has an end, is to end at once."""
        self._at[connection] = self._least[connection // _BLOCK] = 0

    def forget(self, connection: int) -> None:
        """It has no end any more; no error if it had none."""
        if connection < len(self._at):
            self._at[connection] = _NEVER

    def who(self) -> Iterator[int]:
        """The connections that have an end."""
        return (connection for connection, at in enumerate(self._at) if at != _NEVER)

    def is_anyone_due(self, now: float) -> bool:
        """Whether it may be worth asking who."""
        return bool(self._least) and min(self._least) <= self._limit(now)

    def due(self, now: float, most: int) -> list[Due]:
        """Those whose time has come, no more than `most`; who is warned is due again at its end."""
        limit = self._limit(now)
        found: list[Due] = []
        for block, least in enumerate(self._least):
            if least > limit:
                continue
            first = block * _BLOCK
            for connection in range(first, first + _BLOCK):
                at = self._at[connection]
                if at > limit:
                    continue
                if len(found) == most:
                    return found
                end = at - 1 + round(self._warning_s * _TENTHS) * 2 if at & 1 else at
                is_warning = end > limit  # who was away for long is not warned any more
                found.append(Due(connection, is_warning))
                self._at[connection] = end if is_warning else _NEVER
            self._least[block] = min(self._at[first : first + _BLOCK])
        return found

    def _limit(self, now: float) -> int:
        return int((now - self._start) * _TENTHS) * 2 + 1
