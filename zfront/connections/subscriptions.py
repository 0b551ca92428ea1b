"""Who listens: id -> parked connections and connection -> ids.

Owns: both directions, and that they agree. Must not know: descriptors' meaning, sockets, the router. A
connection is a small number (its descriptor); a lone connection of an id is stored as that number alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping


class Subscriptions:
    """The ids of each connection and the connections of each id."""

    def __init__(self) -> None:
        self._of_id: dict[bytes, int | set[int]] = {}
        self._of_connection: dict[int, bytes | tuple[bytes, ...]] = {}

    def __len__(self) -> int:
        return len(self._of_connection)

    @property
    def by_id(self) -> Mapping[bytes, int | set[int]]:
        """The connection of each id, or the set of them if there are several; to read only, and at once."""
        return self._of_id

    def ids(self) -> Collection[bytes]:
        """Every id that somebody here is connected as."""
        return self._of_id.keys()

    def add(self, connection: int, ids: Iterable[bytes]) -> tuple[bytes, ...]:
        """A connection comes, as these ids; the ids without repeats."""
        distinct = tuple(dict.fromkeys(ids))
        for an_id in distinct:
            held = self._of_id.get(an_id)
            if held is None:
                self._of_id[an_id] = connection
            elif isinstance(held, int):
                self._of_id[an_id] = {held, connection}
            else:
                held.add(connection)
        self._keep_ids(connection, distinct)
        return distinct

    def join(self, connection: int, ids: Iterable[bytes]) -> tuple[bytes, ...]:
        """A connection that is here is these ids, too; those of them that are new to it."""
        before = self.ids_of(connection)
        new = tuple(an_id for an_id in dict.fromkeys(ids) if an_id not in before)
        self.add(connection, new)
        self._keep_ids(connection, before + new)
        return new

    def part(self, connection: int, ids: Iterable[bytes]) -> tuple[bytes, ...]:
        """A connection that is here is not these ids any more; those of them that it was."""
        before = self.ids_of(connection)
        gone = tuple(an_id for an_id in dict.fromkeys(ids) if an_id in before)
        self._drop(connection, gone)
        self._keep_ids(connection, tuple(an_id for an_id in before if an_id not in gone))
        return gone

    def remove(self, connection: int) -> tuple[bytes, ...]:
        """A connection leaves; the ids that it had, none if it was not here."""
        ids = self.ids_of(connection)
        self._of_connection.pop(connection, None)
        self._drop(connection, ids)
        return ids

    def _drop(self, connection: int, ids: Iterable[bytes]) -> None:
        for an_id in ids:
            held = self._of_id[an_id]
            if isinstance(held, int):
                del self._of_id[an_id]
                continue
            held.discard(connection)
            if len(held) == 1:
                self._of_id[an_id] = held.pop()

    def _keep_ids(self, connection: int, ids: tuple[bytes, ...]) -> None:
        self._of_connection[connection] = ids[0] if len(ids) == 1 else ids

    def ids_of(self, connection: int) -> tuple[bytes, ...]:
        """The ids of a connection."""
        ids = self._of_connection.get(connection, ())
        return (ids,) if isinstance(ids, bytes) else ids

    def listeners(self, an_id: bytes) -> tuple[int, ...]:
        """The connections of an id, lowest first."""
        held = self._of_id.get(an_id)
        if held is None:
            return ()
        return (held,) if isinstance(held, int) else tuple(sorted(held))

    def count(self, an_id: bytes) -> int:
        """How many connections an id has."""
        held = self._of_id.get(an_id)
        return 0 if held is None else 1 if isinstance(held, int) else len(held)
