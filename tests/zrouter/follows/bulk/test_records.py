"""What is in a file is in the store, byte for byte, whichever way it is read and wherever a chunk ends."""

from __future__ import annotations

import csv
import io
import itertools
import time
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zrouter.follows.bulk import interning
from zrouter.follows.bulk.export import export_pairs
from zrouter.follows.bulk.file_marks import BOM
from zrouter.follows.bulk.records import MAX_LINE_BYTES, Record, read_chunks
from zrouter.follows.memory import MemoryFollows
from zrouter.follows.store import BadRecordError, Follows, Format, Numbers, StoreError

# What other programs look for at the beginning of a file or of a column, and what stands between columns.
MARKS = [
    "x^", "x\x01", "\x1f", "(", "BZh91AY&SY", "PK\x03\x04", "\ufeff", "\ufeff\"", "#", "\\N", "NA", "null",
    "NaN", "1e9", "0x1", "true", "\"", "\"\"", "'", ",", ";", "\t", "\n", "\r", "\r\n", "\r\r\n", "\0", " ",
    "\u2028", "\u0085", "\x1a", "subscriber", "=1+1",
]  # fmt: skip
IDS = (
    st.lists(st.sampled_from(MARKS) | st.text(max_size=8), min_size=1, max_size=12)
    .map(lambda parts: "".join(parts).encode("utf-8", "ignore"))
    .filter(lambda an_id: 1 <= len(an_id) <= 255)
) | st.integers(1, 255).map(lambda size: b"x^" + b"y" * (size - 2) if size > 1 else b"x")
PAIRS = st.lists(st.tuples(IDS, IDS), min_size=1, max_size=20)
EVERY_WAY = [(form, size) for form in ("tsv", "csv", "jsonl") for size in (1, 7, 64, 1 << 20)]


def columns(tmp: Path, data: bytes, form: Format, size: int) -> list[Record]:
    """What the fast way reads."""
    tmp.mkdir()
    ids = interning.Columns(form, tmp, 1 << 28)
    found = [ids.encode(chunk) for chunk in read_chunks(io.BytesIO(data), form, size)]
    return by_number(ids, found)


def plain(tmp: Path, data: bytes, form: Format, size: int) -> list[Record]:
    """What the standard library's way reads."""
    tmp.mkdir()
    ids = interning.Plain(form, tmp, 1 << 28)
    found = [ids.encode(chunk) for chunk in read_chunks(io.BytesIO(data), form, size)]
    return by_number(ids, found)


def by_number(ids: interning.Interner, found: list[tuple[Numbers, Numbers]]) -> list[Record]:
    import numpy as np

    names: list[bytes] = []
    for some in ids.finish():
        ordered = some.sorted.read_bytes().split(b"\xff")[:-1]
        names += [ordered[place] for place in np.load(some.places).tolist()]
    return [
        (names[a], names[b])
        for first, second in found
        for a, b in zip(first.tolist(), second.tolist(), strict=True)
    ]


def outcome(read: object, *words: object) -> list[Record] | str:
    try:
        return read(*words)  # type: ignore[no-any-return,operator]
    except BadRecordError as error:
        return str(error)


COUNT = itertools.count()


@settings(max_examples=30)
@given(PAIRS)
@example([("\ufeffx".encode(), b"x^"), (b"x^\x01", "\ufeff".encode()), (b"a\r", b"b\r\nc")])
def test_what_is_exported_is_read_again_by_both_ways(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[Record]
) -> None:
    tmp = tmp_path_factory.mktemp("ids")
    store = MemoryFollows()
    for pair in pairs:
        store.follow(*pair)
    for form, size in EVERY_WAY:
        out = io.BytesIO()
        try:
            export_pairs(store, form, out)  # type: ignore[arg-type]
        except StoreError:
            # What tsv can't write; all else it has to.
            assert form == "tsv"
            assert any(byte in part for pair in pairs for part in pair for byte in (b"\t", b"\n", b"\r"))
            continue
        for read in (plain, columns):
            found = read(tmp / str(next(COUNT)), out.getvalue(), form, size)  # type: ignore[arg-type]
            assert sorted(found) == sorted(set(pairs)), (form, size, read)


@settings(max_examples=30)
@given(PAIRS, st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]), st.sampled_from(["\n", "\r\n"]))
def test_what_pythons_csv_writes_is_read_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[Record], quoting: Literal[0, 1], end: str
) -> None:
    tmp = tmp_path_factory.mktemp("ids")
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=quoting, lineterminator=end)
    writer.writerow(("subscriber", "subscribee"))
    # Python 3.11 does not quote a carriage return where lines end with a line feed.
    pairs = [pair for pair in pairs if end != "\n" or not any(b"\r" in part for part in pair)]
    writer.writerows((a.decode(), b.decode()) for a, b in pairs)
    for read, size in itertools.product((plain, columns), (1, 64, 1 << 20)):
        assert read(tmp / str(next(COUNT)), text.getvalue().encode(), "csv", size) == pairs


RUBBISH = st.lists(
    st.sampled_from(
        [b"a", b"b", b"\t", b",", b"\n", b"\n", b"\r", b'"', BOM, b"x^", b"\0", b" ", b"\xff",
         b"\x1f\x8b\x08",
         b'{"subscriber":"a","subscribee":"b"}', "é".encode(), b"\xc3", b"a,b\n",
         b"a\tb\n", b'"a"', b"y" * 256]
    ), max_size=16
).map(b"".join)  # fmt: skip


@settings(max_examples=150)
@given(RUBBISH, st.sampled_from(EVERY_WAY))
def test_both_ways_take_and_refuse_the_same_wherever_chunks_end(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, way: tuple[Format, int]
) -> None:
    tmp = tmp_path_factory.mktemp("ids")
    form, size = way
    wanted = outcome(plain, tmp / "a", data, form, 1 << 20)
    for read in (plain, columns):
        assert outcome(read, tmp / str(next(COUNT)), data, form, size) == wanted


@pytest.mark.parametrize("size", [10_000, 5_000_000])
@pytest.mark.parametrize("rest", [b"a,b\n", b'"a","b"\n', b'"a\nx","b"\n'])
def test_a_stray_quote_is_told_at_once_whatever_the_size(rest: bytes, size: int) -> None:
    for stray in (b'a",b\n', b'"a,b\n', b'a,"b\n', b'a,b"\n', b'"a"x,b\n'):
        data = stray + rest * (size // len(rest))
        began = time.process_time()
        with pytest.raises(BadRecordError, match=r"^line 1: ") as refused:
            MemoryFollows().load(io.BytesIO(data), "csv")
        assert time.process_time() - began < 2
        assert "quot" in str(refused.value)


@pytest.mark.parametrize("lead", [b"", b"\n", b"\r\n \n", BOM, BOM + b"\n"])
@pytest.mark.parametrize(
    "heading",
    [b"subscriber,subscribee", b'"subscriber","subscribee"', b"subscriber, subscribee",
     b"Subscriber ,SUBSCRIBEE",
     b'"subscriber" , " subscribee "', b"subscriber,subscribee\r"],
)  # fmt: skip
def test_a_heading_is_no_pair_however_it_is_written(follows: Follows, lead: bytes, heading: bytes) -> None:
    assert follows.load(io.BytesIO(lead + heading + b"\na,b\n"), "csv").pairs == 1
    assert follows.followers(b"b") == [b"a"]
    with pytest.raises(BadRecordError, match=rf"^line {3 + lead.count(10)}: "):
        follows.load(io.BytesIO(lead + heading + b"\na,b\nc\n"), "csv")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"subscribee,subscriber\na,b\n", "line 1: the heading has the columns the other way round"),
        (BOM + b"a,b\n", "line 1: a byte order mark without a heading"),
        (b"subscriber;subscribee\na;b\n", "line 1: a record has 2 columns, not 1"),
        (b"subscriber,subscribee,since\na,b,1\n", "line 1: a record has 2 columns, not 3"),
    ],
)
def test_a_heading_that_nobody_can_read_is_refused(follows: Follows, data: bytes, why: str) -> None:
    with pytest.raises(BadRecordError, match=why):
        follows.load(io.BytesIO(data), "csv")


@pytest.mark.parametrize("form", ["tsv", "csv", "jsonl"])
@pytest.mark.parametrize("program", ["gzip", "zlib", "bz2", "lzma", "utf-16", "zstd"])
def test_a_compressed_file_is_named_as_such(follows: Follows, form: Format, program: str) -> None:
    import bz2
    import gzip
    import lzma
    import zlib

    text = b"".join(b"a%d\tb%d\n" % (number, number) for number in range(30_000))
    packed = {
        "gzip": lambda: gzip.compress(text), "zlib": lambda: zlib.compress(text),
        "bz2": lambda: bz2.compress(text), "lzma": lambda: lzma.compress(text),
        "utf-16": lambda: text.decode().encode("utf-16"),
        "zstd": lambda: b"\x28\xb5\x2f\xfd" + bytes(range(128, 256)) * 10,
    }[program]()  # fmt: skip
    with pytest.raises(BadRecordError, match=r"the file looks (compressed with|like)"):
        follows.load(io.BytesIO(packed), form)


def test_a_line_is_a_record_or_not_whatever_the_size_of_the_file(follows: Follows) -> None:
    long = b'{"subscriber":"a","subscribee":"b","x":"%b"}\n' % (b"y" * MAX_LINE_BYTES)
    for data in (long, b"\n" * 100_000 + long, long * 40):
        with pytest.raises(BadRecordError, match="more than 65,536 bytes"):
            follows.load(io.BytesIO(data), "jsonl")


@pytest.mark.parametrize("data", [b"", b"\n\n", b"subscriber,subscribee\n"])
def test_nothing_takes_the_place_of_all_pairs_only_if_asked_for(follows: Follows, data: bytes) -> None:
    follows.follow(b"a", b"b")
    with pytest.raises(StoreError, match="no record"):
        follows.load(io.BytesIO(data), "csv", replace=True)
    assert follows.followers(b"b") == [b"a"]
    follows.load(io.BytesIO(data), "csv")
    assert follows.followers(b"b") == [b"a"]
    assert follows.load(io.BytesIO(data), "csv", replace=True, allow_empty=True).pairs == 0
    assert follows.followers(b"b") == []
