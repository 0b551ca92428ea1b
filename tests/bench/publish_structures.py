"""Who of an id's followers is logged in: the structures that a router can ask, side by side.

`python -m tests.bench.publish_structures`. A publish should cost what those who are there cost, and hardly
depend on those who are away. Two tables: one look-up, for so many followers and so many ids online; what each
structure takes to keep, and what a login and a logout add to it.

    gather          by store number the place of the online id, four bytes each, and a list of the ids
    gather, row     the same, with the ids in an array of objects
    bytes, bits     by store number whether somebody is there, a byte or a bit; a dict from number to id
    bytes + gather  a byte first, the four bytes for those that it lets through only
    drives          the numbers that are online, sorted; the smaller of both lists is looked up in the larger
    sets, arrays    for each subscribee who of his followers is online, built at login from the store
    names           no numbers: all followers as ids from the store, each looked up in the routing table

The store is loaded from a made-up file. The ids themselves are the routing table's, so they don't count.
All draws are seeded, all structures must find the same ids, and garbage is not collected while time is taken.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import click
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from tests.bench.follows import BUILD, load, scratch
from tests.bench.lines import median
from zrouter.follows.lmdb_store.store import LmdbFollows
from zrouter.follows.store import Numbers, View

Objects: TypeAlias = npt.NDArray[np.object_]

SEED: Final = 1
EACH: Final = 7.5  # subscribees of a user
STORED: Final = 2_200_000  # numbers of a store, unless there are more followers
STORED_FOR_MOST: Final = 8_000_000
FOLLOWERS: Final = (15, 1000, 50_000, 500_000, 5_000_000)
ONLINE: Final = (10_000, 100_000, 1_000_000)
CHUNK: Final = 50_000  # followers looked at in one go
LISTS: Final = 1000  # different ids that are published for, and
LISTED: Final = 200_000  # followers of all of them, so that small lists don't stay in the nearest cache
NAMED: Final = 20_000  # followers that are named at the most; the time of more is reckoned from them
MOVES: Final = 2000  # logins and logouts that are timed together
MERGED: Final = 1000  # of these at once with sorted arrays
ROUNDS: Final = 5
ENOUGH_S: Final = 3.0  # no more runs of one kind after it, but at least
FEWEST: Final = 3
INT_BYTES: Final = 32
ASKED: Final = 10_000  # ids whose numbers are looked up


class Online(NamedTuple):
    """Who is logged in."""

    stored: int
    numbers: Numbers
    ids: list[bytes]
    routes: dict[bytes, int]


class Gather:
    """Places by number, and ids by place; whoever left is found by a hand that goes round at each login."""

    name = "gather"
    needs_number_to_leave = False

    def __init__(self, online: Online) -> None:
        self._routes = online.routes
        self._places = np.zeros(online.stored, np.uint32)
        self._places[online.numbers] = np.arange(1, online.numbers.size + 1, dtype=np.uint32)
        self._ids = [b"", *online.ids]
        self._numbers = array("I", [0, *online.numbers.tolist()])
        self._free: list[int] = []
        self._hand = 0

    def found(self, followers: Numbers) -> list[bytes]:
        """The ids of those who are there."""
        ids = self._ids
        found: list[bytes] = []
        for first in range(0, followers.size, CHUNK):
            places = self._places.take(followers[first : first + CHUNK])
            found += [ids[place] for place in places[places != 0].tolist()]
        return found

    def come(self, number: int, an_id: bytes) -> None:
        """An id has logged in."""
        if self._places[number]:
            return
        if self._free:
            place = self._free.pop()
            self._ids[place] = an_id
            self._numbers[place] = number
        else:
            place = len(self._ids)
            self._ids.append(an_id)
            self._numbers.append(number)
        self._places[number] = place
        for _ in range(2):
            self._hand = self._hand + 1 if self._hand + 1 < len(self._ids) else 1
            before = self._ids[self._hand]
            if before and before not in self._routes:
                self._places[self._numbers[self._hand]] = 0
                self._ids[self._hand] = b""
                self._free.append(self._hand)

    def leave(self, number: int, an_id: bytes) -> None:
        """An id has logged out, and is no longer in the routing table."""

    def settle(self) -> None:
        """Do what was put off."""

    def sizes(self) -> tuple[int, int]:
        """Bytes for who is online, and for who is stored."""
        return sys.getsizeof(self._ids) + sys.getsizeof(self._numbers), self._places.nbytes


class GatherRow:
    """As gather, with the ids in an array of objects, which numpy picks from without a loop in Python."""

    name = "gather, row"
    needs_number_to_leave = True

    def __init__(self, online: Online) -> None:
        self._places = np.zeros(online.stored, np.uint32)
        self._places[online.numbers] = np.arange(1, online.numbers.size + 1, dtype=np.uint32)
        self._ids: Objects = np.array([b"", *online.ids], np.object_)
        self._next = self._ids.size  # the first place that nobody has had
        self._free: list[int] = []

    def found(self, followers: Numbers) -> list[bytes]:
        """The ids of those who are there."""
        ids = self._ids
        found: list[bytes] = []
        for first in range(0, followers.size, CHUNK):
            places = self._places.take(followers[first : first + CHUNK])
            found += ids[places[places != 0]].tolist()
        return found

    def come(self, number: int, an_id: bytes) -> None:
        """An id has logged in."""
        if self._free:
            place = self._free.pop()
        else:
            place = self._next
            self._next += 1
            if place == self._ids.size:
                more: Objects = np.full(place // 8 + 1000, b"", np.object_)
                self._ids = np.concatenate((self._ids, more))
        self._ids[place] = an_id
        self._places[number] = place

    def leave(self, number: int, an_id: bytes) -> None:
        """An id has logged out."""
        place = int(self._places[number])
        self._places[number] = 0
        self._ids[place] = b""
        self._free.append(place)

    def settle(self) -> None:
        """Do what was put off."""

    def sizes(self) -> tuple[int, int]:
        """Bytes for who is online, and for who is stored."""
        return self._ids.nbytes, self._places.nbytes


class _Named:
    """A dict from number to id, for those that the first look has found."""

    needs_number_to_leave = True

    def __init__(self, online: Online) -> None:
        self._ids = dict(zip(online.numbers.tolist(), online.ids, strict=True))

    def settle(self) -> None:
        """Do what was put off."""

    def _dict_bytes(self) -> int:
        return sys.getsizeof(self._ids) + INT_BYTES * len(self._ids)


class ByteMap(_Named):
    """A byte by number."""

    name = "bytes"

    def __init__(self, online: Online) -> None:
        super().__init__(online)
        self._is_there = np.zeros(online.stored, np.bool_)
        self._is_there[online.numbers] = True

    def found(self, followers: Numbers) -> list[bytes]:
        """The ids of those who are there."""
        ids = self._ids
        found: list[bytes] = []
        for first in range(0, followers.size, CHUNK):
            some = followers[first : first + CHUNK]
            found += [ids[number] for number in some[self._is_there.take(some)].tolist()]
        return found

    def come(self, number: int, an_id: bytes) -> None:
        """An id has logged in."""
        self._is_there[number] = True
        self._ids[number] = an_id

    def leave(self, number: int, an_id: bytes) -> None:
        """An id has logged out."""
        self._is_there[number] = False
        del self._ids[number]

    def sizes(self) -> tuple[int, int]:
        """Bytes for who is online, and for who is stored."""
        return self._dict_bytes(), self._is_there.nbytes


class BitMap(_Named):
    """A bit by number."""

    name = "bits"

    def __init__(self, online: Online) -> None:
        super().__init__(online)
        is_there = np.zeros(online.stored, np.bool_)
        is_there[online.numbers] = True
        self._bits = np.packbits(is_there, bitorder="little")

    def found(self, followers: Numbers) -> list[bytes]:
        """The ids of those who are there."""
        ids = self._ids
        found: list[bytes] = []
        for first in range(0, followers.size, CHUNK):
            some = followers[first : first + CHUNK]
            is_there = self._bits.take(some >> 3) >> (some & 7).astype(np.uint8) & 1
            found += [ids[number] for number in some[is_there.view(np.bool_)].tolist()]
        return found

    def come(self, number: int, an_id: bytes) -> None:
        """An id has logged in."""
        self._bits[number >> 3] |= 1 << (number & 7)
        self._ids[number] = an_id

    def leave(self, number: int, an_id: bytes) -> None:
        """An id has logged out."""
        self._bits[number >> 3] &= ~(1 << (number & 7)) & 255
        del self._ids[number]

    def sizes(self) -> tuple[int, int]:
        """Bytes for who is online, and for who is stored."""
        return self._dict_bytes(), self._bits.nbytes


class ByteGather:
    """A byte by number, then a place by number; no dict."""

    name = "bytes + gather"
    needs_number_to_leave = True

    def __init__(self, online: Online) -> None:
        self._is_there = np.zeros(online.stored, np.bool_)
        self._is_there[online.numbers] = True
        self._places = np.zeros(online.stored, np.uint32)
        self._places[online.numbers] = np.arange(online.numbers.size, dtype=np.uint32)
        self._ids = list(online.ids)
        self._free: list[int] = []

    def found(self, followers: Numbers) -> list[bytes]:
        """The ids of those who are there."""
        ids = self._ids
        found: list[bytes] = []
        for first in range(0, followers.size, CHUNK):
            some = followers[first : first + CHUNK]
            places = self._places.take(some[self._is_there.take(some)])
            found += [ids[place] for place in places.tolist()]
        return found

    def come(self, number: int, an_id: bytes) -> None:
        """An id has logged in."""
        if self._free:
            place = self._free.pop()
            self._ids[place] = an_id
        else:
            place = len(self._ids)
            self._ids.append(an_id)
        self._places[number] = place
        self._is_there[number] = True

    def leave(self, number: int, an_id: bytes) -> None:
        """An id has logged out."""
        self._is_there[number] = False
        place = int(self._places[number])
        self._ids[place] = b""
        self._free.append(place)

    def settle(self) -> None:
        """Do what was put off."""

    def sizes(self) -> tuple[int, int]:
        """Bytes for who is online, and for who is stored."""
        return sys.getsizeof(self._ids), self._is_there.nbytes + self._places.nbytes


class Drives:
    """Sorted numbers and their ids.

    Logins and logouts are merged a thousand at a time; a look-up in between would have to see those that
    wait, too, which it is spared here.
    """

    name = "drives"
    needs_number_to_leave = True

    def __init__(self, online: Online) -> None:
        order = online.numbers.argsort()
        self._numbers = online.numbers[order]
        self._ids: Objects = np.array(online.ids, np.object_)[order]
        self._came: dict[int, bytes] = {}
        self._left: list[int] = []

    def found(self, followers: Numbers) -> list[bytes]:
        """The ids of those who are there."""
        numbers = self._numbers
        if numbers.size < followers.size:
            at = followers.searchsorted(numbers)
            ids: list[bytes] = self._ids[followers.take(at, mode="clip") == numbers].tolist()
        else:
            at = numbers.searchsorted(followers)
            ids = self._ids[at[numbers.take(at, mode="clip") == followers]].tolist()
        return ids

    def come(self, number: int, an_id: bytes) -> None:
        """An id has logged in."""
        self._came[number] = an_id
        if len(self._came) >= MERGED:
            self.settle()

    def leave(self, number: int, an_id: bytes) -> None:
        """An id has logged out."""
        if self._came.pop(number, None) is None:
            self._left.append(number)
            if len(self._left) >= MERGED:
                self.settle()

    def settle(self) -> None:
        """Merge what waits."""
        if self._left:
            at = self._numbers.searchsorted(np.array(self._left, np.uint32))
            self._numbers, self._ids = np.delete(self._numbers, at), np.delete(self._ids, at)
            self._left = []
        if self._came:
            came = np.fromiter(self._came, np.uint32, len(self._came))
            ids: Objects = np.array(list(self._came.values()), np.object_)
            order = came.argsort()
            at = self._numbers.searchsorted(came[order])
            self._numbers = np.insert(self._numbers, at, came[order])
            self._ids = np.insert(self._ids, at, ids[order])
            self._came = {}

    def sizes(self) -> tuple[int, int]:
        """Bytes for who is online, and for who is stored."""
        return self._numbers.nbytes + self._ids.nbytes, 0


class Sets:
    """For each subscribee a set of the ids of his followers that are online."""

    name = "sets"
    needs_number_to_leave = True

    def __init__(self, view: View) -> None:
        self._view = view
        self._of: dict[int, set[bytes]] = {}

    def come(self, number: int, an_id: bytes) -> None:
        """An id has logged in."""
        for subscribee in self._view.following_of(number).whole().tolist():
            followers = self._of.get(subscribee)
            if followers is None:
                self._of[subscribee] = {an_id}
            else:
                followers.add(an_id)

    def leave(self, number: int, an_id: bytes) -> None:
        """An id has logged out."""
        for subscribee in self._view.following_of(number).whole().tolist():
            followers = self._of[subscribee]
            followers.discard(an_id)
            if not followers:
                del self._of[subscribee]

    def settle(self) -> None:
        """Do what was put off."""

    def sizes(self) -> tuple[int, int]:
        """Bytes for who is online, and for who is stored."""
        inner = sum(map(sys.getsizeof, self._of.values()))
        return inner + sys.getsizeof(self._of) + INT_BYTES * len(self._of), 0


class Arrays:
    """For each subscribee an array with the places of his followers that are online."""

    name = "arrays"
    needs_number_to_leave = True

    def __init__(self, view: View) -> None:
        self._view = view
        self._of: dict[int, array[int]] = {}
        self._ids: list[bytes] = []
        self._places: dict[bytes, int] = {}
        self._free: list[int] = []

    def come(self, number: int, an_id: bytes) -> None:
        """An id has logged in."""
        if self._free:
            place = self._free.pop()
            self._ids[place] = an_id
        else:
            place = len(self._ids)
            self._ids.append(an_id)
        self._places[an_id] = place
        for subscribee in self._view.following_of(number).whole().tolist():
            followers = self._of.get(subscribee)
            if followers is None:
                self._of[subscribee] = array("I", (place,))
            else:
                followers.append(place)

    def leave(self, number: int, an_id: bytes) -> None:
        """An id has logged out."""
        place = self._places.pop(an_id)
        for subscribee in self._view.following_of(number).whole().tolist():
            followers = self._of[subscribee]
            last = followers.pop()
            if last != place:
                followers[followers.index(place)] = last
            if not followers:
                del self._of[subscribee]
        self._free.append(place)

    def settle(self) -> None:
        """Do what was put off."""

    def sizes(self) -> tuple[int, int]:
        """Bytes for who is online, and for who is stored."""
        inner = sum(map(sys.getsizeof, self._of.values()))
        outer = sys.getsizeof(self._of) + sys.getsizeof(self._places) + sys.getsizeof(self._ids)
        return inner + outer + INT_BYTES * (len(self._of) + len(self._places)), 0


BY_NUMBER: Final = (Gather, GatherRow, ByteMap, BitMap, ByteGather, Drives)
ByNumber: TypeAlias = Gather | GatherRow | ByteMap | BitMap | ByteGather | Drives
Structure: TypeAlias = ByNumber | Sets | Arrays


@contextmanager
def made_up(users: int) -> Iterator[LmdbFollows]:
    """A store in which so many users follow artists after Zipf's law."""
    with scratch() as folder:
        path = folder / "pairs.tsv"
        with path.open("wb") as file:
            subprocess.run(
                [sys.executable, "-c", "from zflood.cli import main; main()", "friends", "--zipf",
                 "--users", str(users), "--each", str(EACH), "--seed", str(SEED)],
                stdout=file, check=True,
            )  # fmt: skip
        load(folder / "store", file=path)
        with LmdbFollows(folder / "store") as store:
            yield store


def us(work: Callable[[], object]) -> float:
    """CPU time that it takes, in microseconds: what else runs on the machine doesn't count."""
    gc.disable()
    began = time.process_time()
    work()
    taken = time.process_time() - began
    gc.enable()
    return taken * 1e6


def medians(works: dict[str, Callable[[], object]], repeat: int) -> dict[str, float]:
    """The median of each, in microseconds; they take turns, so that what else runs falls on all of them."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    began = time.monotonic()
    for done in range(repeat + 1):
        if done > FEWEST and time.monotonic() - began > ENOUGH_S:
            break
        for name, work in works.items():
            taken[name].append(us(work))
    return {name: median(some[1:]) for name, some in taken.items()}


def logged_in(draw: np.random.Generator, stored: int, online: int) -> Online:
    """So many of the stored."""
    numbers = draw.choice(stored, online, replace=False).astype(np.uint32)
    ids = [b"user:%d" % number for number in numbers.tolist()]
    return Online(stored, numbers, ids, dict.fromkeys(ids, 1))


def lists_of(draw: np.random.Generator, online: Online, followers: int, there: int | None) -> list[Numbers]:
    """Followers of some ids: as many are online as of all, or as many as are asked for."""
    if there is not None:
        away = np.setdiff1d(np.arange(online.stored, dtype=np.uint32), online.numbers)
        both = (draw.choice(online.numbers, there, False), draw.choice(away, followers - there, False))
        return [np.sort(np.concatenate(both))]
    count = min(LISTS, max(1, LISTED // followers))
    drawn = [draw.choice(online.stored, followers, replace=False, shuffle=False) for _ in range(count)]
    return [np.sort(some.astype(np.uint32)) for some in drawn]


def look_ups(
    structures: Sequence[ByNumber], online: Online, lists: Sequence[Numbers], view: View, repeat: int
) -> dict[str, float]:
    """Microseconds of one publish's look-up, with each structure."""
    every = [structures[0].found(followers) for followers in lists]
    for structure in structures[1:]:
        for followers, ids in zip(lists, every, strict=True):
            if sorted(structure.found(followers)) != sorted(ids):
                raise RuntimeError(f"{structure.name} finds others than {structures[0].name}")
    place_of = {an_id: place for place, an_id in enumerate(online.ids)}
    sets = [set(ids) for ids in every]
    arrays = [array("I", map(place_of.__getitem__, ids)) for ids in every]
    size = view.size
    # Stand-ins for the followers: numbers that the store on disk has.
    named = [np.sort(followers[:NAMED] % size) for followers in lists[: max(1, NAMED // lists[0].size)]]
    share = len(lists) * lists[0].size / sum(some.size for some in named)

    def through(structure: ByNumber) -> Callable[[], object]:
        return lambda: [structure.found(followers) for followers in lists]

    def by_names() -> object:
        routes = online.routes
        return [[an_id for an_id in view.names(some) if an_id in routes] for some in named]

    ids = online.ids
    works: dict[str, Callable[[], object]] = {one.name: through(one) for one in structures}
    works["sets"] = lambda: [list(some) for some in sets]
    works["arrays"] = lambda: [[ids[place] for place in some] for some in arrays]
    taken = medians(works, repeat)
    taken["names"] = medians({"names": by_names}, min(repeat, 5))["names"] * share
    return {name: whole / len(lists) for name, whole in taken.items()}


def upkeep(
    structure: Structure,
    online: int,
    stored: int,
    routes: dict[bytes, int],
    who: Sequence[tuple[int, bytes]],
    rounds: int,
    number_us: float,
) -> dict[str, Any]:
    """What a structure takes, and what it adds to a login and a logout; in each round others come and go."""
    by_online, by_stored = structure.sizes()
    came, left = [], []

    def come(some: Sequence[tuple[int, bytes]]) -> None:
        for number, an_id in some:
            structure.come(number, an_id)
        structure.settle()

    def leave(some: Sequence[tuple[int, bytes]]) -> None:
        for number, an_id in some:
            structure.leave(number, an_id)
        structure.settle()

    for first in range(rounds):
        some = who[first::rounds]
        routes.update(dict.fromkeys((an_id for _, an_id in some), 1))
        came.append(us(partial(come, some)) / len(some))
        for _, an_id in some:
            del routes[an_id]
        left.append(us(partial(leave, some)) / len(some))
    login, logout = median(came), median(left)
    return {
        "structure": structure.name,
        "online": online,
        "bytes_per_online": by_online / online,
        "bytes_per_stored": by_stored / stored,
        "login_us": login,
        "logout_us": logout,
        "login_with_number_us": login + number_us,
        "logout_with_number_us": logout + number_us * structure.needs_number_to_leave,
    }


def number_of_an_id(view: View, users: int, repeat: int) -> float:
    """Microseconds of looking up one of many random ids."""
    ids = [b"user:%d" % number for number in np.random.default_rng(SEED).integers(0, users, ASKED).tolist()]
    taken = medians({"number": lambda: [view.number(an_id) for an_id in ids]}, repeat)
    return taken["number"] / len(ids)


def cases(quick: bool) -> Iterator[tuple[int, int, tuple[tuple[int, int | None], ...]]]:
    """Numbers in the store, ids online, and for these: followers, and how many of them are there."""
    for online in ONLINE[:2] if quick else ONLINE:
        asked: list[tuple[int, int | None]] = [(followers, None) for followers in FOLLOWERS[:4]]
        if online == ONLINE[1]:
            asked.append((500_000, 10_000))
        yield STORED, online, tuple(asked)
        if not quick:
            yield STORED_FOR_MOST, online, ((FOLLOWERS[4], None),)


def measure(repeat: int, *, quick: bool, say: Callable[[str], object]) -> dict[str, Any]:
    """All of it."""
    users = 270_000 if quick else 1_000_000
    say("a store is made")
    with made_up(users) as store, store.read() as view:
        # One core for all that is timed: the structures then have the same caches.
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        say("numbers of ids")
        number_us = number_of_an_id(view, users, repeat)
        looks: list[dict[str, Any]] = []
        kept: list[dict[str, Any]] = []
        for stored, count, asked in cases(quick):
            say(f"{count:,} online of {stored:,}")
            draw = np.random.default_rng(SEED)
            online = logged_in(draw, stored, count)
            structures = [kind(online) for kind in BY_NUMBER]
            for followers, there in asked:
                lists = lists_of(draw, online, followers, there)
                present = sum(len(structures[0].found(some)) for some in lists) / len(lists)
                taken = look_ups(structures, online, lists, view, repeat)
                looks.append({"followers": followers, "online": count, "there": present, "us": taken})
            if stored == STORED:
                away = np.setdiff1d(np.arange(stored, dtype=np.uint32), online.numbers)
                coming = draw.choice(away, ROUNDS * MOVES, False).tolist()
                who = [(number, b"user:%d" % number) for number in coming]
                for structure in structures:
                    kept.append(upkeep(structure, count, stored, online.routes, who, ROUNDS, number_us))
        kept += _kept_at_login(view, users, ONLINE[:1] if quick else ONLINE, number_us, say)
    return {"stored_on_disk": users, "look_ups": looks, "upkeep": kept, "number_us": number_us}


def _kept_at_login(
    view: View, users: int, counts: Sequence[int], number_us: float, say: Callable[[str], object]
) -> list[dict[str, Any]]:
    """What the structures that read the store at each login take; all but some users at the most."""
    kept = []
    for count in counts:
        say(f"{count:,} log in one by one")
        everybody = np.random.default_rng(SEED).permutation(users)
        moving = ROUNDS * MOVES // 10
        there = min(count, users - moving)
        who = []
        for user in everybody[: there + moving].tolist():
            an_id = b"user:%d" % user
            number = view.number(an_id)
            if number is not None:
                who.append((number, an_id))
        for kind in (Sets, Arrays):
            structure: Sets | Arrays = kind(view)
            for number, an_id in who[:-moving]:
                structure.come(number, an_id)
            kept.append(upkeep(structure, there, view.size, {}, who[-moving:], ROUNDS, number_us))
    return kept


def tables(result: dict[str, Any]) -> Iterator[Table]:
    """The result, to read."""
    names = list(result["look_ups"][0]["us"])
    table = Table("followers", "online", "of them there", *names, title="one publish's look-up, CPU us")
    for row in sorted(result["look_ups"], key=lambda row: (row["followers"], row["online"])):
        figures = [_short(row["us"][name]) for name in names]
        table.add_row(f"{row['followers']:,}", f"{row['online']:,}", _short(row["there"]), *figures)
    yield table
    table = Table(
        "structure", "online", "B / online id", "B / stored id", "login", "logout", "login + number",
        "logout + number", title="memory, and CPU us of a login and a logout",
    )  # fmt: skip
    for row in result["upkeep"]:
        figures = [_short(value) for value in list(row.values())[2:]]
        table.add_row(row["structure"], f"{row['online']:,}", *figures)
    yield table


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--repeat", type=click.IntRange(1, 1000), help="Runs of each, at the most; 15, or 5 with --quick."
)
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Where the JSON goes.",
    default=BUILD / "publish_structures.json",
)  # fmt: skip
@click.option("--quick", is_flag=True, help="Fewer sizes, in a quarter of a minute.")
def main(repeat: int | None, json_path: Path, quick: bool) -> None:
    """Compare the structures that say who of an id's followers is logged in.

    \b
    Examples:
      python -m tests.bench.publish_structures --quick
      python -m tests.bench.publish_structures --repeat 50 --json structures.json
    """
    runs = repeat or (5 if quick else 15)
    console = Console(width=None if sys.stdout.isatty() else 150)
    began = time.monotonic()
    with console.status("") as status:
        result = measure(runs, quick=quick, say=status.update)
    for table in tables(result):
        console.print(table)
    console.print(f"the number of an id: {result['number_us']:.1f} us")
    console.print(
        f"median of {runs} runs, or of fewer where they are long; {time.monotonic() - began:.0f} s in all"
    )
    json_path.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "at": int(time.time()), "machine": platform.platform(), "python": platform.python_version(),
        "numpy": np.__version__, "repeat": runs, "quick": quick, "seed": SEED,
    }  # fmt: skip
    json_path.write_text(json.dumps({**about, **result}, indent=1))


if __name__ == "__main__":
    main()
