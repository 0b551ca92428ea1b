"""What was sent and not kept: so that nobody who comes back takes it for nothing.

Owns: for which ids a message may have come, and up to which position, that nobody held or kept a place for.
Must not know: the messages, the time, who holds an id.

Every message has a position, also one for an id that nobody is or just was. A client of that id that comes
back with an older position misses it, whatever else is kept. Ids are not remembered one by one, for they
may be as many as there are messages: each has two places in one table, by its hash, and a place has the
highest position of all ids whose it is. So what is said is never too little: an id may be taken for another
(once 100,000 others were sent to since, 1 in 30; once 10,000 were, 1 in 1,400), then its client is told
of a gap that it does not have.

A publish goes past its followers who are away without a look at them. Who comes, and was not here before,
has missed all publishes up to then that it follows, and may follow any.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Final

from zrouter.wire import Delivery

_FEW_PLACES: Final = 1 << 15  # 256 KiB, for so many ids; for more than that all places
_FEW_IDS: Final = 128
_PLACES: Final = 1 << 20  # 8 MiB
_SHIFT: Final = 32  # the second place is in the upper half of a hash


class SkippedMessages:
    """Of one router's life."""

    def __init__(self) -> None:
        self._published = 0  # the position of the last publish that went past somebody
        self._places = array("q", bytes(8 * _FEW_PLACES))
        self._mask = _FEW_PLACES - 1
        self._room = _FEW_IDS  # ids until there are too few places

    def sent(self, messages: Iterable[Delivery]) -> None:
        """These were for nobody, and are not kept; positions rise."""
        places, mask = self._places, self._mask
        news = 0
        for an_id, _, position in messages:
            at = hash(an_id)
            first, second = at & mask, at >> _SHIFT & mask
            news += not places[first]
            places[first] = places[second] = position
        self._take_room(news)

    def published(self, position: int) -> None:
        """A publish at that position, or up to it, has gone past some who are away."""
        self._published = position

    def came(self, ids: Iterable[bytes]) -> None:
        """These come, and were not here or kept a place for."""
        published, places, mask = self._published, self._places, self._mask
        if not published:
            return
        news = 0
        for an_id in ids:
            at = hash(an_id)
            for place in (at & mask, at >> _SHIFT & mask):
                if places[place] < published:
                    news += not places[place]
                    places[place] = published
        self._take_room(news)

    def may_have(self, an_id: bytes, position: int, is_here: bool) -> bool:
        """Whether something may have come for an id after that position.

        `is_here` = somebody holds it, or a place is kept for it.
        """
        if not is_here and self._published > position:
            return True
        places, at = self._places, hash(an_id)
        return places[at & self._mask] > position and places[at >> _SHIFT & self._mask] > position

    def _take_room(self, news: int) -> None:
        """So many ids more: when there are too many for the places, each place becomes several."""
        self._room -= news
        if self._room < 0 and len(self._places) < _PLACES:
            self._places *= _PLACES // _FEW_PLACES
            self._mask = len(self._places) - 1
