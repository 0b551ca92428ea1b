"""Records of a file, in the standard library's words: exact about what is none, and on which line.

Owns: chunks that end where a line ends, the three formats, what a record is. Must not know: what becomes of
records. The fast way of columns.py stands on the same chunks and comes here with whatever it does not
understand, so what is a record is decided in one place.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple, TypeAlias

import msgspec

from zrouter import wire
from zrouter.follows.store import BadRecordError, Format

Record: TypeAlias = tuple[bytes, bytes]

CHUNK_BYTES: Final = 1024 * 1024
# No record is as long: two ids of 255 bytes, each of them six bytes long in JSON at the most.
MAX_LINE_BYTES: Final = 64 * 1024
CSV_HEADER: Final = b"subscriber,subscribee"


class Chunk(NamedTuple):
    """Whole lines of a file; line ends are line feeds."""

    data: bytes
    first_line: int

    def lines(self) -> int:
        """How many there are."""
        return self.data.count(b"\n")


class _JsonRecord(msgspec.Struct):
    subscriber: str
    subscribee: str


decode_json = msgspec.json.Decoder(_JsonRecord).decode
decode_json_lines = msgspec.json.Decoder(_JsonRecord).decode_lines


def read_chunks(file: BinaryIO, form: Format, size: int = CHUNK_BYTES) -> Iterator[Chunk]:
    """The file in parts of about that size.

    Raises:
        BadRecordError: a line has no end.
    """
    rest, line = b"", 1
    while data := file.read(size):
        data = rest + data
        end = _end_of_records(data, form)
        rest = data[end:]
        if end:
            chunk = _chunk(data[:end], form, line)
            yield chunk
            line = chunk.first_line + chunk.lines()
        elif len(rest) > max(size, MAX_LINE_BYTES):
            raise BadRecordError(line, f"more than {MAX_LINE_BYTES:,} bytes without an end")
    if rest:
        yield _chunk(rest + b"\n", form, line)


def _chunk(data: bytes, form: Format, line: int) -> Chunk:
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    if form == "csv" and line == 1 and data.startswith(CSV_HEADER + b"\n"):
        return Chunk(data[len(CSV_HEADER) + 1 :], 2)
    return Chunk(data, line)


def _end_of_records(data: bytes, form: Format) -> int:
    """Behind the last line feed that ends a record: in CSV it is none between quotes."""
    end = data.rfind(b"\n") + 1
    if form == "csv":
        while end and data.count(b'"', 0, end) % 2:
            end = data.rfind(b"\n", 0, end - 1) + 1
    return end


def read_records(file: BinaryIO, form: Format) -> Iterator[list[Record]]:
    """The records of a file, some at a time.

    Raises:
        BadRecordError: something is none.
    """
    for chunk in read_chunks(file, form):
        yield parse(chunk, form)


def parse(chunk: Chunk, form: Format) -> list[Record]:
    """The records of a chunk; empty lines are none.

    Raises:
        BadRecordError: something is none.
    """
    if form == "tsv":
        return _parse_tsv(chunk)
    return _parse_csv(chunk) if form == "csv" else _parse_json(chunk)


def _parse_tsv(chunk: Chunk) -> list[Record]:
    lines = chunk.data.split(b"\n")
    records = [tuple(line.split(b"\t")) for line in lines if line]
    for record in records:
        if len(record) != 2 or not (0 < len(record[0]) < 256 and 0 < len(record[1]) < 256):
            break
    else:
        try:
            chunk.data.decode()
        except UnicodeDecodeError:
            pass
        else:
            return records  # type: ignore[return-value]
    for number, line in enumerate(lines, chunk.first_line):
        if line:
            _check(line.split(b"\t"), number)
    raise AssertionError("a chunk without a bad line is bad")


def _parse_csv(chunk: Chunk) -> list[Record]:
    records = []
    began = 0
    # Undecodable bytes come back as they were, so that the check of the id sees them.
    text = io.StringIO(chunk.data.decode(errors="surrogateescape"), newline="")
    reader = csv.reader(text, strict=True)
    try:
        for row in reader:
            if row:
                columns = [column.encode(errors="surrogateescape") for column in row]
                records.append(_check(columns, chunk.first_line + began))
            began = reader.line_num
    except csv.Error as error:
        raise BadRecordError(chunk.first_line + began, str(error)) from None
    return records


def _parse_json(chunk: Chunk) -> list[Record]:
    records = []
    for number, line in enumerate(chunk.data.split(b"\n"), chunk.first_line):
        if not line.strip():
            continue
        try:
            found = decode_json(line)
            columns = [found.subscriber.encode(), found.subscribee.encode()]
        except (msgspec.DecodeError, UnicodeError) as error:
            raise BadRecordError(number, str(error)) from None
        records.append(_check(columns, number))
    return records


def _check(columns: list[bytes], line: int) -> Record:
    if len(columns) != 2:
        raise BadRecordError(line, f"a record has 2 columns, not {len(columns)}")
    try:
        wire.check_ids(columns)
    except wire.WireError as error:
        raise BadRecordError(line, str(error)) from None
    return columns[0], columns[1]
