"""Each kind of damage: verify says its name, and whoever reads gets a StoreError, never anything else."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import lmdb
import numpy as np
import pytest

from tests.zrouter.follows.conftest import zrouter
from zrouter.follows.lmdb_store import packed_lists as packed
from zrouter.follows.lmdb_store.generation import KEY, NUMBER, Generation
from zrouter.follows.lmdb_store.store import LmdbFollows
from zrouter.follows.store import BadRecordError, DamagedError, StoreError

Put = Callable[[str, bytes, "bytes | None"], None]
Get = Callable[[str, bytes], bytes]

ZERO = KEY.pack(0)
STAR = KEY.pack(200)  # "s0", sorted behind a hundred "a..." and "b..."


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with sorted ids, added ids, and recent changes of both kinds."""
    found = tmp_path / "store"
    with LmdbFollows(found) as store:
        store.load(io.BytesIO(b"".join(b"%c%03d\ts%d\n" % (97 + n % 2, n, n % 3) for n in range(200))))
        store.follow(b"late", b"s0", b"later")
        store.unfollow(b"a000", b"s0")
    return found


def numbers(value: bytes) -> np.ndarray:
    return np.frombuffer(value, packed.NUMBER).copy()


def with_one(value: bytes, at: int, number: int) -> bytes:
    found = numbers(value)
    found[at] = number
    return found.tobytes()


KINDS: dict[str, tuple[str, Callable[[Get, Put], None]]] = {
    "a block cut short": (
        "are cut wrongly", lambda get, put: put("followers", ZERO, get("followers", ZERO)[:-4])),
    "a block of an odd length": (
        "are cut wrongly", lambda get, put: put("following", ZERO, get("following", ZERO)[:-3])),
    "a block without members": (
        "are cut wrongly", lambda get, put: put("followers", ZERO, get("followers", ZERO)[:400])),
    "an empty block": ("are cut wrongly", lambda get, put: put("followers", ZERO, b"")),
    "offsets that fall": (
        "are cut wrongly", lambda get, put: put("followers", ZERO, with_one(get("followers", ZERO), 202, 7))),
    "an offset beyond all": (
        "are cut wrongly",
        lambda get, put: put("followers", ZERO, with_one(get("followers", ZERO), 201, 2**32 - 1))),
    "a member that nobody is": (
        "has one that is not known",
        lambda get, put: put("followers", ZERO, with_one(get("followers", ZERO), 257, 10**6))),
    "members out of order": (
        "is not in order",
        lambda get, put: put("followers", ZERO, with_one(get("followers", ZERO), 258, 150))),
    "a block that is gone": ("is not in followers", lambda get, put: put("followers", ZERO, None)),
    "a block beyond all ids": (
        "there are lists of ids", lambda get, put: put("followers", KEY.pack(99), get("followers", ZERO))),
    "recent changes cut short": (
        "the recent changes of id 200 can't be read",
        lambda get, put: put("recent_followers", STAR, b"\xff\0\0\0")),
    "recent changes of an odd length": (
        "the recent changes of id 200 can't be read", lambda get, put: put("recent_followers", STAR, b"\1")),
    "empty recent changes": (
        "the recent changes of id 200 can't be read", lambda get, put: put("recent_followers", STAR, b"")),
    "more removed than there": (
        "more was removed from a list than was in it",
        lambda get, put: put("recent_followers", KEY.pack(5), packed.pack_recent(set(), {1, 2, 3}))),
    "one removed that was never in": (
        "was never in it",
        lambda get, put: put("recent_followers", STAR, packed.pack_recent(set(), {201, 202}))),
    "one added that was in": (
        "has one twice", lambda get, put: put("recent_followers", STAR, packed.pack_recent({3}, set()))),
    "one added that nobody is": (
        "a recent change with one that is not known",
        lambda get, put: put("recent_followers", STAR, packed.pack_recent({10**6}, set()))),
    "recent changes out of order": (
        "are not in order",
        lambda get, put: put("recent_followers", STAR, np.array([2, 203, 202], packed.NUMBER).tobytes())),
    "a wrong recent count": (
        "recent changes, and 77 are said to be there",
        lambda get, put: put("meta", b"state", get("meta", b"state").replace(b'"recent":6', b'"recent":77'))),
    "a wrong count of pairs": (
        "pairs, and 9 are said to be there",
        lambda get, put: put("meta", b"state", get("meta", b"state").replace(b'"pairs":201', b'"pairs":9'))),
    "no counts": ("how much there is can't be read", lambda get, put: put("meta", b"state", b"\xff")),
    "counts of another kind": (
        "how much there is can't be read", lambda get, put: put("meta", b"state", b'{"pairs":"x"}')),
    "an id that has another's number": (
        "which is another's", lambda get, put: put("added_numbers", b"later", NUMBER.pack(203))),
    "an id that has a sorted one's number": (
        "which is another's", lambda get, put: put("added_numbers", b"later", NUMBER.pack(3))),
    "an id more, with another's number": (
        "which is another's", lambda get, put: put("added_numbers", b"else", NUMBER.pack(203))),
    "an id that is not found": (
        "is not found as that", lambda get, put: put("added_numbers", b"later", None)),
    "a number of an odd length": (
        "can't be read", lambda get, put: put("added_numbers", b"later", b"\1\2\3")),
    "a number without an id": ("has no id", lambda get, put: put("added_names", KEY.pack(204), None)),
    "an empty id": ("in place of an id", lambda get, put: put("added_names", KEY.pack(204), b"")),
    "an id that is not UTF-8": (
        "in place of an id", lambda get, put: put("added_names", KEY.pack(204), b"\xff")),
    "a number beyond all": ("is of none of the", lambda get, put: put("added_names", KEY.pack(999), b"x")),
    "no segment": ("is damaged|sorted ids", lambda get, put: put("segments", ZERO, None)),
    "a segment too far": (
        "a segment of ids is missing", lambda get, put: put("segments", KEY.pack(2), get("segments", ZERO))),
    "a segment cut short": (
        "a segment of ids is cut", lambda get, put: put("segments", ZERO, get("segments", ZERO)[:-1])),
    "a segment of nothing": ("a segment of ids is cut", lambda get, put: put("segments", ZERO, b"")),
    "a segment that counts too many": (
        "a segment of ids is cut",
        lambda get, put: put("segments", ZERO, with_one(get("segments", ZERO)[:800], 0, 9**9))),
    "a segment with an id too long": (
        "too short or too long", lambda get, put: put("segments", ZERO, packed.pack_segment([b"x" * 256]))),
    "a segment with an empty id": (
        "too short or too long", lambda get, put: put("segments", ZERO, packed.pack_segment([b"", b"x"]))),
    "a segment with an id that is not UTF-8": (
        "not UTF-8", lambda get, put: put("segments", ZERO, packed.pack_segment([b"\xff"]))),
    "a segment that cuts a character in two": (
        "not UTF-8", lambda get, put: put("segments", ZERO, packed.pack_segment([b"\xc3", b"\xa9"]))),
    "ids out of order": (
        "ids are not in order",
        lambda get, put: put("segments", ZERO, get("segments", ZERO).replace(b"a000", b"z000"))),
    "a journal of rubbish": ("journal", lambda get, put: put("journal", bytes(8), b"\xff")),
}  # fmt: skip


def damage(path: Path, how: Callable[[Get, Put], None]) -> None:
    [directory] = path.glob("generation-*")
    generation = Generation(directory)
    with generation.env.begin(write=True) as txn:

        def get(database: str, key: bytes) -> bytes:
            found = txn.get(key, db=generation.db[database])
            assert found is not None
            return bytes(found)

        def put(database: str, key: bytes, value: bytes | None) -> None:
            if value is None:
                assert txn.delete(key, db=generation.db[database])
            else:
                before = txn.get(key, db=generation.db[database])
                assert before is None or bytes(before) != value, "it would be no damage"
                txn.put(key, value, db=generation.db[database])

        how(get, put)
    generation.close()


def every_read(store: LmdbFollows) -> None:
    """Whatever can be asked of a store: each may fail, as a StoreError."""
    some = [b"s0", b"a000", b"late", b"later", b"else", b"nobody"]
    asks: list[Callable[[], object]] = [
        *(lambda an_id=an_id: store.followers(an_id) for an_id in some),
        *(lambda an_id=an_id: store.following(an_id) for an_id in some),
        *(lambda an_id=an_id: store.counts(an_id) for an_id in some),
        lambda: list(store.pairs()),
        store.figures,
        lambda: list(store.verify()),
        *(lambda an_id=an_id: store.follow(an_id, b"s1", b"new") for an_id in some),
        *(lambda an_id=an_id: store.unfollow(b"a002", an_id) for an_id in some),
        lambda: store.load(io.BytesIO(b"x\ty\n")),
        store.compact,
    ]
    for ask in asks:
        with suppress(StoreError):
            ask()


@pytest.mark.parametrize("kind", KINDS)
def test_verify_names_the_damage_and_whoever_reads_gets_a_store_error(path: Path, kind: str) -> None:
    says, how = KINDS[kind]
    damage(path, how)
    try:
        store = LmdbFollows(path, create=False)
    except DamagedError as error:
        found = [str(error)]
    else:
        with store:
            found = list(store.verify())
            every_read(store)
    assert any(word in problem for problem in found for word in says.split("|")), found


@pytest.mark.parametrize("kind", ["a block cut short", "no counts", "a segment cut short"])
def test_the_command_names_it_too(path: Path, kind: str) -> None:
    says, how = KINDS[kind]
    damage(path, how)
    done = zrouter("follows", "verify", "--store", path)
    assert done.returncode == 1
    assert says in (done.stdout + done.stderr).decode()
    assert b"Traceback" not in done.stderr


def test_a_whole_store_has_nothing_to_say(path: Path) -> None:
    with LmdbFollows(path, create=False) as store:
        assert list(store.verify()) == []
        every_read(store)
        assert list(store.verify()) == []


def test_errors_of_a_store_survive_pickling() -> None:
    for error in (DamagedError("why", "/path"), BadRecordError(7, "why"), StoreError("why")):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (type(error), str(error))


def test_lmdbs_own_word_for_damage_is_ours(path: Path) -> None:
    with LmdbFollows(path, create=False) as store:
        told = pytest.raises(DamagedError, match="is damaged")
        with told, store.read():
            raise lmdb.CorruptedError("page")
