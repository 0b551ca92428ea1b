"""The store on disk: several programs at it, cut off at any moment, damaged, full, of another version."""

from __future__ import annotations

import io
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import lmdb
import numpy as np
import pytest

from tests.conftest import eventually
from tests.zrouter.follows.conftest import pairs, zrouter
from zrouter.follows.lmdb_store import packed_lists
from zrouter.follows.lmdb_store import store as lmdb_store
from zrouter.follows.lmdb_store.directory import FormatError, NoStoreError
from zrouter.follows.lmdb_store.generation import KEY
from zrouter.follows.lmdb_store.store import LmdbFollows
from zrouter.follows.store import Change, StoreError

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")


def beside(code: str, *words: str | Path, stdin: int | None = None) -> subprocess.Popen[bytes]:
    """Another program."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)], stdin=stdin, stdout=subprocess.PIPE
    )


LOADS = """
import sys
from zrouter.follows.lmdb_store.store import LmdbFollows
class Told:
    def stage(self, what, total): print(what, flush=True)
    def advance(self, steps): pass
with LmdbFollows(sys.argv[1]) as store:
    store.load(sys.stdin.buffer, replace=True, progress=Told())
"""
FOLLOWS = """
import sys
from zrouter.follows.lmdb_store.store import LmdbFollows
from zrouter.follows.store import Change
with LmdbFollows(sys.argv[1]) as store:
    number = 0
    while True:
        some = range(number, number + 10)
        store.change([Change(True, b"u%d" % number, b"s%d" % (number % 7)) for number in some])
        number = some.stop
        print(number, flush=True)
"""
READS = """
import sys
from zrouter.follows.lmdb_store.store import LmdbFollows
with LmdbFollows(sys.argv[1]) as store:
    print("ready", flush=True)
    seen = []
    while len(seen) < 2:
        with store.read() as view:
            star = view.number(b"star")
            found = view.names(view.followers_of(star).whole())
        kinds = sorted({name[:1] for name in found}), len(found)
        if kinds not in seen:
            seen.append(kinds)
    print(seen, flush=True)
"""


def test_what_is_stored_is_there_after_a_restart(tmp_path: Path) -> None:
    with LmdbFollows(tmp_path / "store") as store:
        store.load(io.BytesIO(b"a\tb\n"))
        store.follow(b"c", b"b")
    with LmdbFollows(tmp_path / "store", create=False) as store:
        assert sorted(store.followers(b"b")) == [b"a", b"c"]


def test_a_change_of_one_program_is_seen_by_another(tmp_path: Path) -> None:
    with LmdbFollows(tmp_path / "store") as store:
        store.follow(b"a", b"b")
        assert zrouter("follow", "c", "b", "--store", tmp_path / "store").returncode == 0
        assert sorted(store.followers(b"b")) == [b"a", b"c"]
        assert zrouter("unfollow", "a", "b", "--store", tmp_path / "store").returncode == 0
        assert store.followers(b"b") == [b"c"]


def test_a_view_stays_as_it_was(stored: LmdbFollows) -> None:
    stored.follow(b"a", b"b")
    with stored.read() as view:
        number = view.number(b"b")
        assert number is not None

        def change() -> None:
            stored.follow(b"c", b"b")
            stored.load(io.BytesIO(b"d\tb\n"))

        thread = threading.Thread(target=change)  # a thread has one transaction at a time
        thread.start()
        thread.join()
        assert view.names(view.followers_of(number).whole()) == [b"a"]
    assert sorted(stored.followers(b"b")) == [b"a", b"c", b"d"]


def test_readers_see_the_old_or_the_new_set_while_a_load_is_under_way(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with LmdbFollows(path) as store:
        store.load(io.BytesIO(b"".join(b"o%d\tstar\n" % number for number in range(1000))))
    reader = beside(READS, path)
    assert reader.stdout is not None
    assert reader.stdout.readline() == b"ready\n"
    data = b"".join(b"n%d\tstar\n" % number for number in range(2000))
    assert zrouter("follows", "load", "-", "--replace", "--store", path, stdin=data).returncode == 0
    out, _ = reader.communicate(timeout=30)
    assert out == b"[([b'o'], 1000), ([b'n'], 2000)]\n"


def test_what_changes_while_a_load_is_under_way_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with LmdbFollows(path) as store:
        store.follow(b"a", b"b")
        load = beside(LOADS, path, stdin=subprocess.PIPE)
        assert load.stdin is not None
        assert load.stdout is not None
        assert load.stdout.readline() == b"reading\n"
        store.follow(b"late", b"b")
        store.follow(b"gone", b"b")
        store.unfollow(b"gone", b"b")
        store.unfollow(b"x", b"y")
        load.communicate(b"x\ty\nz\ty\n", timeout=30)
        assert load.returncode == 0
        assert pairs(store) == {(b"late", b"b"), (b"x", b"y"), (b"z", b"y")}


def test_a_second_load_at_the_same_time_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with LmdbFollows(path) as store:
        load = beside(LOADS, path, stdin=subprocess.PIPE)
        assert load.stdout is not None
        assert load.stdout.readline() == b"reading\n"
        with pytest.raises(StoreError, match="another load is under way"):
            store.load(io.BytesIO(b"a\tb\n"))
        load.communicate(b"", timeout=30)


@pytest.mark.parametrize("stage", ["reading", "ids", "sorting followers", "writing to disk"])
def test_a_load_that_is_killed_leaves_all_as_it_was_and_can_begin_again(tmp_path: Path, stage: str) -> None:
    path = tmp_path / "store"
    with LmdbFollows(path) as store:
        store.follow(b"a", b"b")
    # It kills itself, so that it can't be further than it says.
    deadly = LOADS.replace(
        "print(what, flush=True)",
        f"__import__('os').kill(__import__('os').getpid(), 9) if what == {stage!r} else None",
    )
    load = beside(deadly, path, stdin=subprocess.PIPE)
    load.communicate(b"".join(b"u%d\ts%d\n" % (number, number % 9) for number in range(20_000)), timeout=30)
    assert load.returncode == -signal.SIGKILL
    with LmdbFollows(path, create=False) as store:
        assert pairs(store) == {(b"a", b"b")}
        store.follow(b"c", b"b")  # and a journal that nobody will read is no more
        with store.read() as view:
            assert not view.state.is_loading
        store.load(io.BytesIO(b"x\ty\n"))
        assert pairs(store) == {(b"a", b"b"), (b"c", b"b"), (b"x", b"y")}
    assert len(list(path.glob("generation-*"))) == 1


def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "store"
    for _ in range(3):
        program = beside(FOLLOWS, path)
        assert program.stdout is not None
        acknowledged = 0
        while acknowledged < 200:
            acknowledged = int(program.stdout.readline())
        program.kill()
        acknowledged = max([acknowledged, *map(int, program.stdout.read().split()[:-1])])
        program.wait()
        with LmdbFollows(path, create=False) as store:
            found = pairs(store)
            assert {(b"u%d" % number, b"s%d" % (number % 7)) for number in range(acknowledged)} <= found


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """8 MB."""
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(path)], check=True)
    yield path
    subprocess.run(["umount", str(path)], check=True)


def fill(path: Path) -> None:
    """Take all that is left of a disk."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


@needs_root
def test_a_full_disk_leaves_all_as_it_was(small_disk: Path) -> None:
    path = small_disk / "store"
    with LmdbFollows(path) as store:
        store.load(io.BytesIO(b"".join(b"u%d\ts\n" % number for number in range(1000))))
        before = pairs(store)
        much = b"".join(b"subscriber-%d\tsubscribee-%d\n" % (number, number) for number in range(400_000))
        with pytest.raises(StoreError, match="No space left"):
            store.load(io.BytesIO(much))
        assert pairs(store) == before
        fill(small_disk / "filler")
        with pytest.raises(StoreError, match="No space left"):  # noqa: PT012  # at which one is not ours to say
            for number in range(1000):
                store.change([Change(True, b"v%d" % number, b"w%d" % each) for each in range(1000)])
                before |= {(b"v%d" % number, b"w%d" % each) for each in range(1000)}
        assert pairs(store) == before
        (small_disk / "filler").unlink()
        store.follow(b"at", b"last")
        store.load(io.BytesIO(b"x\ty\n"))
        assert pairs(store) == before | {(b"at", b"last"), (b"x", b"y")}


def block_of(store: LmdbFollows, direction: str) -> tuple[lmdb.Environment, bytes]:
    with store._using() as generation, generation.env.begin() as txn:
        block = txn.get(KEY.pack(0), db=generation.db[direction])
        assert block is not None
        return generation.env, bytes(block)


@pytest.mark.parametrize("direction", ["followers", "following"])
def test_verify_finds_a_pair_that_is_missing_in_one_direction(stored: LmdbFollows, direction: str) -> None:
    stored.load(io.BytesIO(b"".join(b"u%d\ts%d\n" % (number, number % 5) for number in range(100))))
    env, block = block_of(stored, direction)
    lengths = np.diff(packed_lists.offsets_of(block))
    victim = int(np.flatnonzero(lengths)[0])
    lengths[victim] -= 1
    members = np.delete(packed_lists.members_of(block), packed_lists.offsets_of(block)[victim])
    with stored._using() as generation, env.begin(write=True) as txn:
        txn.put(KEY.pack(0), packed_lists.pack_block(lengths, members), db=generation.db[direction])
    assert any(f"is not in {direction}" in problem for problem in stored.verify())
    done = zrouter("follows", "verify", "--store", stored.path)
    assert done.returncode == 1
    assert f"is not in {direction}" in done.stdout.decode()


def test_verify_finds_lists_that_are_not_in_order(stored: LmdbFollows) -> None:
    stored.load(io.BytesIO(b"".join(b"u%d\ts\n" % number for number in range(100))))
    env, block = block_of(stored, "followers")
    members = packed_lists.members_of(block)[::-1]
    with stored._using() as generation, env.begin(write=True) as txn:
        lengths = np.diff(packed_lists.offsets_of(block))
        txn.put(KEY.pack(0), packed_lists.pack_block(lengths, members), db=generation.db["followers"])
    assert any("is not in order" in problem for problem in stored.verify())


def test_a_backup_is_a_store_as_it_was(stored: LmdbFollows, tmp_path: Path) -> None:
    stored.load(io.BytesIO(b"a\tb\nc\tb\n"))
    stored.follow(b"d", b"b")
    stored.backup(tmp_path / "copies" / "copy")
    stored.unfollow(b"a", b"b")
    with LmdbFollows(tmp_path / "copies" / "copy", create=False) as copy:
        assert pairs(copy) == {(b"a", b"b"), (b"c", b"b"), (b"d", b"b")}
    with pytest.raises(StoreError, match="something is there"):
        stored.backup(tmp_path / "copies" / "copy")


def test_a_compact_store_has_the_same_pairs_and_no_recent_ones(stored: LmdbFollows) -> None:
    stored.change(Change(True, b"u%d" % number, b"s%d" % (number % 3)) for number in range(1000))
    before = pairs(stored)
    loaded = stored.compact()
    assert loaded.pairs == len(before)
    assert pairs(stored) == before
    assert stored.figures()["recent"] == 0


def test_a_store_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store"
    LmdbFollows(path).close()
    current = path / "CURRENT"
    current.write_text(current.read_text().replace("follows 1", "follows 2"))
    with pytest.raises(FormatError, match="reads 'zcomet follows 1', and there is 'zcomet follows 2'"):
        LmdbFollows(path)
    current.write_bytes(b"\xff\xfe")
    with pytest.raises(FormatError):
        LmdbFollows(path)


def test_no_store_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(NoStoreError, match="no store of follows is at"):
        LmdbFollows(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()


def test_a_path_is_opened_once_in_a_process(stored: LmdbFollows) -> None:
    with pytest.raises(StoreError, match="already open"):
        LmdbFollows(stored.path)


def test_old_generations_go_away(stored: LmdbFollows) -> None:
    for number in range(3):
        stored.load(io.BytesIO(b"a\tb%d\n" % number))
    assert eventually(lambda: len(list(stored.path.glob("generation-*"))) == 1)


@needs_root
def test_the_first_change_on_a_full_disk_is_refused_and_leaves_nothing(small_disk: Path) -> None:
    fill(small_disk / "filler")
    path = small_disk / "store"
    with pytest.raises(StoreError):
        LmdbFollows(path)
    assert not list(path.glob("generation-*"))
    (small_disk / "filler").unlink()
    with LmdbFollows(path) as store:
        assert store.follow(b"a", b"b") == 1


def test_a_store_that_is_cut_off_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with LmdbFollows(path) as store:
        store.load(io.BytesIO(b"".join(b"u%d\ts%d\n" % (number, number % 50) for number in range(20_000))))
    [data] = path.glob("generation-*/data.mdb")
    os.truncate(data, data.stat().st_size // 2)
    with pytest.raises(StoreError, match="cut off"):
        LmdbFollows(path, create=False)


def test_a_copy_that_is_put_back_under_the_same_name_is_another_generation(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with LmdbFollows(path) as store:
        store.follow(b"ann", b"cat")
        with store.read() as view:
            before = view.generation
        shutil.copytree(path, tmp_path / "copy")
        store.follow(b"bob", b"cat")
        shutil.rmtree(path)
        shutil.copytree(tmp_path / "copy", path)
        assert store.followers(b"cat") == [b"ann"]
        with store.read() as view:
            assert view.generation != before


@pytest.mark.parametrize("seed", range(6))
def test_a_damaged_store_is_told_as_such(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "store"
    with LmdbFollows(path) as store:
        store.load(io.BytesIO(b"".join(b"u%d\ts%d\n" % (number, number % 50) for number in range(20_000))))
    [data] = path.glob("generation-*/data.mdb")
    draw = random.Random(seed)
    with data.open("r+b") as file:
        for _ in range(300):
            file.seek(draw.randrange(8192, data.stat().st_size))
            file.write(bytes([draw.randrange(256)]))
    try:
        with LmdbFollows(path, create=False) as store:
            for number in range(50):
                store.followers(b"s%d" % number)
    except StoreError:
        pass  # or it was bytes that nobody asked for


def test_a_reader_that_was_killed_does_not_make_the_store_grow_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store"
    monkeypatch.setattr(lmdb_store, "_CLEAR_S", 0.1)
    with LmdbFollows(path) as store:
        store.follow(b"a", b"b")
        code = (
            "import sys; from zrouter.follows.lmdb_store.store import LmdbFollows\n"
            "with LmdbFollows(sys.argv[1]).read() as view: print(view.size, flush=True); sys.stdin.read()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, stdin=subprocess.PIPE
        ) as reader:
            assert reader.stdout is not None
            assert reader.stdout.readline() == b"2\n"
            reader.kill()
        [data] = path.glob("generation-*/data.mdb")
        time.sleep(0.2)
        sizes = []
        for _ in range(2):
            for _ in range(200):
                store.follow(b"x", b"y")
                store.unfollow(b"x", b"y")
            sizes.append(data.stat().st_size)
        assert sizes[0] == sizes[1]
