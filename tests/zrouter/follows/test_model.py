"""A store on disk against a set of pairs: whatever happens in whatever order, merges and restarts between."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from zrouter.follows.lmdb_store import generation, packed_lists
from zrouter.follows.lmdb_store.store import LmdbFollows
from zrouter.follows.store import Change

IDS = strategies.sampled_from([f"{prefix}{number}".encode() for prefix in "ac" for number in range(8)])
PAIRS = strategies.lists(strategies.tuples(IDS, IDS), max_size=12)


class AgainstASet(RuleBasedStateMachine):
    """Rules are what one can do with a store."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "store"
        self.store = LmdbFollows(self.path)
        self.model: set[tuple[bytes, bytes]] = set()

    @rule(changes=strategies.lists(strategies.tuples(strategies.booleans(), IDS, IDS), max_size=20))
    def change(self, changes: list[tuple[bool, bytes, bytes]]) -> None:
        expected = []
        for is_follow, *names in changes:
            pair = (names[0], names[1])
            expected.append((pair in self.model) != is_follow)
            (self.model.add if is_follow else self.model.discard)(pair)
        assert self.store.change(Change(*change) for change in changes) == expected

    @rule(pairs=PAIRS, replace=strategies.booleans())
    def load(self, pairs: list[tuple[bytes, bytes]], replace: bool) -> None:
        self.model = set(pairs) | (set() if replace else self.model)
        data = b"".join(b"%b\t%b\n" % pair for pair in pairs)
        assert self.store.load(io.BytesIO(data), replace=replace, allow_empty=True).pairs == len(self.model)

    @rule()
    def compact(self) -> None:
        assert self.store.compact().pairs == len(self.model)

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = LmdbFollows(self.path, create=False)

    @invariant()
    def is_the_same(self) -> None:
        assert set(self.store.pairs()) == self.model
        assert list(self.store.verify()) == []
        for number in range(8):
            name = b"a%d" % number
            assert set(self.store.followers(name)) == {a for a, b in self.model if b == name}
            assert set(self.store.following(name)) == {b for a, b in self.model if a == name}

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()


@pytest.mark.parametrize(("most", "of_one"), [(200_000, 4096), (8, 3), (0, 0)])
def test_a_store_is_a_set_of_pairs(most: int, of_one: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With bounds for recent changes at which merges are rare, common, and always."""
    monkeypatch.setattr(generation, "MAX_RECENT", most)
    monkeypatch.setattr(generation, "MAX_RECENT_OF_ONE", of_one)
    run = settings(max_examples=20, stateful_step_count=15)
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(AgainstASet, settings=run)


def test_blocks_of_the_two_directions_may_be_merged_at_different_times(
    stored: LmdbFollows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "MAX_RECENT_OF_ONE", 3)
    # The list of whom `a` follows is merged, those of their followers are not.
    stored.follow(b"a", b"a", b"b", b"c", b"d")
    assert stored.figures()["recent"] == 4
    assert stored.unfollow(b"a", b"a", b"b") == 2
    assert stored.follow(b"a", b"b") == 1
    assert list(stored.verify()) == []
    assert set(stored.pairs()) == {(b"a", b"b"), (b"a", b"c"), (b"a", b"d")}
    assert stored.followers(b"a") == []


def test_recent_changes_are_bounded_and_lists_stay_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "MAX_RECENT", 500)
    with LmdbFollows(tmp_path / "store") as store:
        for first in range(0, 3000, 100):
            store.change(
                Change(True, b"u%d" % (number * 7 % 1009), b"s%d" % (number % 31))
                for number in range(first, first + 100)
            )
            assert store.figures()["recent"] <= 500 + 200
        model = {(b"u%d" % (number * 7 % 1009), b"s%d" % (number % 31)) for number in range(3000)}
        assert store.figures()["merged_blocks"] > 0
        assert set(store.pairs()) == model
        assert list(store.verify()) == []


def test_a_list_without_changes_is_the_map_itself(stored: LmdbFollows) -> None:
    stored.load(io.BytesIO(b"".join(b"u%d\tstar\n" % number for number in range(3000))))
    with stored.read() as view:
        star = view.number(b"star")
        assert star is not None
        found = view.followers_of(star)
        assert found.whole() is found.base
        assert not found.base.flags.owndata
        assert not found.base.flags.writeable
        assert found.base.flags.aligned


def test_a_block_with_changes_is_the_block_of_the_changed_lists() -> None:
    block = packed_lists.merge(
        None, {3: packed_lists.pack_recent({5, 1}, set()), 255: packed_lists.pack_recent({9}, set())}
    )
    assert packed_lists.list_in(block, 3).tolist() == [1, 5]
    block = packed_lists.merge(
        block, {3: packed_lists.pack_recent({2}, {5}), 4: packed_lists.pack_recent({7}, set())}
    )
    assert [packed_lists.list_in(block, slot).tolist() for slot in (2, 3, 4, 255)] == [[], [1, 2], [7], [9]]
