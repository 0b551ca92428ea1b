"""Files of follows in three formats: the exact way, the fast way and an independent reader agree byte for byte,
wherever chunks end.
"""

from __future__ import annotations

import csv
import io
import json
from typing import Literal

from tests.fuzz.given import Given
from zrouter.follows.bulk import interning
from zrouter.follows.bulk.file_marks import BOM
from zrouter.follows.bulk.records import Record, parse, read_chunks
from zrouter.follows.store import BadRecordError, Format

Found = tuple[list[Record], tuple[int, str] | None]


def tsv(data: bytes) -> None:
    """Columns with a tab between."""
    _agree(data, "tsv", _tsv)


def csv_records(data: bytes) -> None:
    """RFC 4180."""
    _agree(data, "csv", _csv)


def jsonl(data: bytes) -> None:
    """An object a line."""
    _agree(data, "jsonl", _jsonl)


def _agree(data: bytes, form: Format, independent: object) -> None:
    given = Given(data)
    size = 1 + given.number() % 64
    data = given.rest()
    records, fault = _exact(data, form, 1 << 20)
    in_pieces, same_fault = _exact(data, form, size)
    assert (same_fault is None) == (fault is None), (fault, same_fault)
    if fault is None:
        assert in_pieces == records
        for ids in records:
            for an_id in ids:
                assert 1 <= len(an_id) <= 255
                an_id.decode()
        assert records == READERS[form](data)
    else:
        assert same_fault is not None
        assert fault[0] == same_fault[0], "the same line is bad"
    if interning.has_columns():
        _fast(data, form, records, fault)


def _exact(data: bytes, form: Format, size: int) -> Found:
    records: list[Record] = []
    try:
        for chunk in read_chunks(io.BytesIO(data), form, size):
            records += parse(chunk, form)
    except BadRecordError as error:
        assert 1 <= error.line <= data.count(b"\n") + 1
        str(error).encode()
        return records, (error.line, error.why)
    return records, None


def _fast(data: bytes, form: Format, records: list[Record], fault: object) -> None:
    """What the columns are, where they are taken at all; ids of a wrong size are looked at elsewhere."""
    found: list[Record] = []
    try:
        for chunk in read_chunks(io.BytesIO(data), form, 1 << 20):
            frame = interning._columns(chunk, form)
            if frame is None:
                return
            ids = [[an_id.encode() for an_id in frame[column].to_list()] for column in ("a", "b")]
            found += zip(*ids, strict=True)
    except BadRecordError:
        assert fault is not None
        return
    if all(1 <= len(an_id) <= 255 for record in found for an_id in record):
        assert fault is None
        assert found == records
    else:
        assert fault is not None


def _ended(data: bytes) -> bytes:
    """The last line may have no end."""
    return data if data.endswith(b"\n") else data + b"\n"


def _tsv(data: bytes) -> list[Record]:
    lines = _ended(data).replace(b"\r\n", b"\n").split(b"\n")
    return [(a, b) for a, b in (line.split(b"\t") for line in lines if line)]


def _jsonl(data: bytes) -> list[Record]:
    data = data.removeprefix(BOM)
    found = [json.loads(line.decode(errors="replace")) for line in _ended(data).split(b"\n") if line.strip()]
    return [(one["subscriber"].encode(), one["subscribee"].encode()) for one in found]


def _csv(data: bytes) -> list[Record]:
    text = _ended(data.removeprefix(BOM)).decode()
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    said = [row for row in rows if row[0].strip(" \t") or len(row) > 1]
    heading = [column.strip(' "').lower() for column in said[0]] if said else []
    rows = said[1:] if heading == ["subscriber", "subscribee"] else rows
    return [(a.encode(), b.encode()) for a, b in rows]


READERS = {"tsv": _tsv, "csv": _csv, "jsonl": _jsonl}
Kind = Literal["tsv", "csv", "jsonl"]
