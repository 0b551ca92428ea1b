"""Whom a message is for: the clients that have its id, or, if it is published, an id that follows it.

Owns: ids, who has them, who follows whom, which messages were published by whom. Must not know: what clients
saw, what is an offence.

Its memory grows with the clients, with what they follow, and by four bytes with each published message.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any, Final

# Senders have numbers of 14 bits: see MOST_FILES of log_format.py.
_SENDER_BITS: Final = 14

Event = tuple[Any, ...]


class Audience:
    """Clients and ids are small numbers; ids get theirs here."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._holders: list[list[int]] = []  # by id
        self._published: dict[int, array[int]] = {}  # by sender: the id of each message, by its count
        self._publishers: set[int] = set()
        self._followers: dict[int, list[int]] = {}
        self._following: dict[int, list[int]] = {}  # clients, by an id: made when it is asked for

    def names(self) -> list[str]:
        """The ids, by their numbers."""
        return list(self._ids)

    def number(self, an_id: str) -> int:
        """The number of an id."""
        found = self._ids.setdefault(an_id, len(self._ids))
        if found == len(self._holders):
            self._holders.append([])
        return found

    def holds(self, client: int, an_id: str) -> None:
        """A client has this id."""
        self._holders[self.number(an_id)].append(client)

    def published(self, sender: int, batches: Iterable[Event]) -> None:
        """All of this sender's messages went to followers."""
        publishers = self._published[sender] = array("I")
        for _, _, first, ids, _ in batches:
            numbers = array("I", map(self.number, ids))
            self._publishers.update(numbers)
            missing = first + len(ids) - len(publishers)
            if missing > 0:
                publishers.extend([0] * missing)
            publishers[first : first + len(ids)] = numbers

    def follows(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Who follows whom, once all clients and publishes are known; of others nothing is kept."""
        get = self._ids.get
        for subscriber, subscribee in pairs:
            follower, followed = get(subscriber), get(subscribee)
            if followed in self._publishers and follower is not None:
                self._followers.setdefault(followed, []).append(follower)

    def has_published(self) -> bool:
        """Whether any sender has."""
        return bool(self._published)

    def is_published(self, sender: int) -> bool:
        """Whether this one's messages went to followers."""
        return sender in self._published

    def order(self, sender: int, count: int) -> int:
        """Messages with the same of these come in order: those of one sender; published, to one id."""
        publishers = self._published.get(sender)
        if publishers is None:
            return sender
        publisher = publishers[count] + 1 if count < len(publishers) else 0
        return publisher << _SENDER_BITS | sender

    def of(self, sender: int, id_number: int) -> list[int]:
        """The clients that a message of this sender to that id is for."""
        if sender not in self._published:
            return self._holders[id_number]
        found = self._following.get(id_number)
        if found is None:
            followers = self._followers.get(id_number, ())
            found = list(dict.fromkeys(one for follower in followers for one in self._holders[follower]))
            self._following[id_number] = found
        return found
