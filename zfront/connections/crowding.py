"""How many connections an address, or an id, may have at this worker.

Owns: the count of each address, both bounds, how often they were reached. Must not know: sockets, what an
address is: it is text, the same for the same client.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from typing import Final

_STEP: Final = 1024
ADDRESS: Final = "address"
ID: Final = "id"


class Crowding:
    """`count` says how many connections an id has; a bound of 0 is none."""

    def __init__(self, max_per_address: int, max_per_id: int, count: Callable[[bytes], int]) -> None:
        self.reached = {ADDRESS: 0, ID: 0}  # times
        self.counts_addresses = max_per_address > 0
        self.is_bounded = max_per_address > 0 or max_per_id > 0
        self._max_per_address = max_per_address
        self._max_per_id = max_per_id
        self._count = count
        self._of_address: dict[int, int] = {}  # by a hash that only this process knows
        self._addresses: array[int] = array("q")  # of each connection; 0: it is not counted

    def reason(self, address: str, ids: Iterable[bytes]) -> str:
        """Which bound one more of these would be over: ADDRESS or ID, and counts it; empty if none."""
        found = ""
        if self._max_per_address and self._of_address.get(_hash(address), 0) >= self._max_per_address:
            found = ADDRESS
        elif not self.may_have(ids):
            found = ID
        if found:
            self.reached[found] += 1
        return found

    def reason_of_ids(self, ids: Iterable[bytes]) -> str:
        """The same for a connection that is here already, and asks anew."""
        if self.may_have(ids):
            return ""
        self.reached[ID] += 1
        return ID

    def may_have(self, ids: Iterable[bytes]) -> bool:
        """Whether each of these ids may have one more connection."""
        return not self._max_per_id or all(self._count(an_id) < self._max_per_id for an_id in ids)

    def came(self, connection: int, address: str) -> None:
        """This connection is of that address."""
        if connection >= len(self._addresses):
            self._addresses.extend([0] * (connection + _STEP - len(self._addresses)))
        key = self._addresses[connection] = _hash(address)
        self._of_address[key] = self._of_address.get(key, 0) + 1

    def left(self, connection: int) -> None:
        """It has left; no error if it was not counted."""
        if connection >= len(self._addresses) or not (key := self._addresses[connection]):
            return
        self._addresses[connection] = 0
        rest = self._of_address[key] - 1
        if rest:
            self._of_address[key] = rest
        else:
            del self._of_address[key]


def _hash(address: str) -> int:
    return hash(address) or 1
