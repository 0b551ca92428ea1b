"""A load that does not fit in memory, or without polars, or with hashes that are the same."""

from __future__ import annotations

import io
import random
import secrets
from pathlib import Path

import numpy as np
import pytest

from tests.zrouter.follows.conftest import pairs
from zrouter.follows.bulk import interning, load, records
from zrouter.follows.bulk import sorted_pairs as sorting
from zrouter.follows.bulk.id_files import merge_names, write_names
from zrouter.follows.lmdb_store.store import LmdbFollows
from zrouter.follows.store import Format, StoreError


def many(count: int) -> list[tuple[bytes, bytes]]:
    draw = random.Random(7)
    return [
        (b"user:%d" % draw.randrange(5000), b"artist:%d" % int(draw.paretovariate(0.7) % 3000))
        for _ in range(count)
    ]


def tsv(found: list[tuple[bytes, bytes]]) -> io.BytesIO:
    return io.BytesIO(b"".join(b"%b\t%b\n" % pair for pair in found))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks, runs, files of ids, and parts of pairs are small, so that there are many of each."""
    monkeypatch.setattr(load, "_CHUNK_BYTES", 20_000)
    monkeypatch.setattr(load, "MAX_LINE_BYTES", 2000)
    monkeypatch.setattr(interning, "_ID_BYTES", 40_000)
    monkeypatch.setattr(interning, "_PLAIN_ID_BYTES", 40_000)
    monkeypatch.setattr(interning, "_NAME_BYTES", 40_000)
    monkeypatch.setattr(sorting, "_ROW_BYTES", 5000)
    monkeypatch.setattr(load, "SEGMENT", 65_536)


@pytest.mark.parametrize("is_plain", [False, True])
def test_what_does_not_fit_is_sorted_in_parts(
    stored: LmdbFollows, small: None, is_plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_plain:
        monkeypatch.setattr(interning, "has_columns", lambda: False)
    stages: list[str] = []

    class Noted:
        def stage(self, what: str, total: int | None) -> None:
            stages.append(what)

        def advance(self, steps: int) -> None:
            pass

    records = many(40_000)
    loaded = stored.load(tsv(records), memory=1, progress=Noted())
    assert loaded.records == 40_000
    assert loaded.pairs == len(set(records))
    assert pairs(stored) == set(records)
    assert stages == ["reading", "ids", "sorting following", "sorting followers", "writing to disk"]
    more = [(b"x%d" % number, b"artist:1") for number in range(1000)] + records[:100]
    stored.load(tsv(more), memory=1)
    assert pairs(stored) == set(records) | set(more)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_chunk_may_end_anywhere(stored: LmdbFollows, form: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {(b"user:%d" % number, b'a "quoted",\n%d' % (number % 7)) for number in range(300)}
    lines = {
        "csv": [b'%b,"%b"' % (a, b.replace(b'"', b'""')) for a, b in wanted],
        "jsonl": [
            b'{"subscriber":"%b","subscribee":"%b"}' % (a, b.replace(b'"', b'\\"').replace(b"\n", b"\\n"))
            for a, b in wanted
        ],
    }[form]
    data = b"\n".join(lines)
    for size in (100, 150, 1000, 1_000_000):
        found = [
            record
            for chunk in records.read_chunks(io.BytesIO(data), form, size)
            for record in records.parse(chunk, form)
        ]
        assert len(found) == 300
        assert set(found) == wanted
    stored.load(io.BytesIO(data), form)
    assert pairs(stored) == wanted


def test_a_line_without_end_is_refused(stored: LmdbFollows) -> None:
    with pytest.raises(StoreError, match=r"^line 2: more than"):
        stored.load(io.BytesIO(b"a\tb\n" + b"x" * 50_000_000), memory=1)


def test_two_ids_with_one_hash_are_not_taken_for_one(
    stored: LmdbFollows, monkeypatch: pytest.MonkeyPatch
) -> None:
    import polars as pl

    honest = pl.Series.hash

    def poor(series: pl.Series, seed: int = 0) -> pl.Series:
        found = honest(series, seed)
        return found & 0xFF if series.len() != 1 else found

    # The first hash has 256 values, the second is what it was.
    seeds = iter([1, 2])
    monkeypatch.setattr(secrets, "randbits", lambda bits: next(seeds))
    monkeypatch.setattr(
        pl.Series, "hash", lambda series, seed=0: poor(series, seed) if seed == 1 else honest(series, seed)
    )
    stored.follow(b"old", b"pair")
    with pytest.raises(StoreError, match="same hash"):
        stored.load(tsv(many(5000)))
    assert pairs(stored) == {(b"old", b"pair")}


@pytest.mark.parametrize("count", [0, 1, 2, 1000, 70_000])
def test_a_table_finds_what_is_in_it_and_nothing_else(count: int) -> None:
    draw = np.random.default_rng(count)
    edges = np.array([0, 1, 2**63, 2**64 - 1], np.uint64)
    hashes = np.unique(np.concatenate([draw.integers(0, 2**64, count, np.uint64), edges[: min(count, 4)]]))
    table = interning.Table()
    half = hashes.size // 2
    order = draw.permutation(hashes.size).astype(np.uint32)
    for some in (slice(0, half), slice(half, None)):
        table.merge(interning.Table(hashes[some], order[some]))
        table.find(hashes)
    numbers, missing = table.find(hashes)
    assert missing.size == 0
    assert (numbers == order).all()
    others = np.setdiff1d(np.concatenate([draw.integers(0, 2**64, 1000, np.uint64), edges]), hashes)
    assert table.find(others)[1].size == others.size


def test_sorted_files_of_ids_are_merged(tmp_path: Path) -> None:
    lists = [sorted(b"%d" % number for number in range(first, 100_000, 3)) for first in (0, 3, 1, 99_999)]
    paths = []
    for number, names in enumerate(lists):
        paths.append(tmp_path / str(number))
        write_names(paths[-1], [names[:1000], [], names[1000:]])
    everything: list[bytes] = []
    places: list[list[int]] = [[] for _ in paths]
    for names, found in merge_names(paths):
        everything += names
        for each, more in zip(places, found, strict=True):
            each.extend(more.tolist())
    assert everything == sorted(set().union(*lists))
    for names, found_places in zip(lists, places, strict=True):
        assert [everything[place] for place in found_places] == names
