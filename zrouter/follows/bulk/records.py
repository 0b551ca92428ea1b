"""Records of a file, byte for byte: exact about what is none, and on which line.

Owns: chunks that end where a line ends, the three formats, what a record is. Must not know: what becomes of
records. The fast way of interning.py stands on the same chunks and comes here with whatever is not plain, so
what is a record is decided in one place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple, TypeAlias

import msgspec

from zrouter import wire
from zrouter.follows.bulk.file_marks import behind_heading, has_begun
from zrouter.follows.store import BadRecordError, Format

Record: TypeAlias = tuple[bytes, bytes]

CHUNK_BYTES: Final = 1024 * 1024
# No record is as long: two ids of 255 bytes, each of them six bytes long in JSON at the most.
MAX_LINE_BYTES: Final = 64 * 1024
CSV_HEADER: Final = b"subscriber,subscribee"
# RFC 4180, section 2, with LF as a line end besides. Possessive, so that no input is looked at twice.
_QUOTED: Final = rb'"([^"]*+(?:""[^"]*+)*+)"'
_PLAIN: Final = rb'([^",\r\n]*+)'
_CSV_FIELD: Final = rb"(?:%b|%b)" % (_QUOTED, _PLAIN)
_match_csv: Final = re.compile(rb"(?:%b,%b)?\r?\n" % (_CSV_FIELD, _CSV_FIELD)).match
_match_quoted: Final = re.compile(_QUOTED).match
_match_plain: Final = re.compile(_PLAIN).match


class Chunk(NamedTuple):
    """Whole lines of a file. Line ends are line feeds, but as they were in CSV: ids may hold some."""

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
        if not end and len(data) > MAX_LINE_BYTES:
            if form != "csv":
                raise BadRecordError(line, f"more than {MAX_LINE_BYTES:,} bytes without an end")
            end = len(data)  # a quote that nobody closes, and the first of these lines is no record
        if form == "csv" and line == 1 and end and not has_begun(data[:end]):
            end = 0  # a heading may come behind empty lines
        rest = data[end:]
        if end:
            chunk = _chunk(data[:end], form, line)
            yield chunk
            line = chunk.first_line + chunk.lines()
    if rest:
        yield _chunk(rest + b"\n", form, line)


def _chunk(data: bytes, form: Format, line: int) -> Chunk:
    if line == 1:
        begin = behind_heading(data, form)
        line += data.count(b"\n", 0, begin)
        data = data[begin:]
    if form != "csv" and b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    return Chunk(data, line)


def _end_of_records(data: bytes, form: Format) -> int:
    """Behind the last line feed that ends a record: in CSV it is none between quotes. In one pass."""
    if form != "csv":
        return data.rfind(b"\n") + 1
    is_outside = data.count(b'"') % 2 == 0
    end = len(data)
    while end >= 0:
        quote = data.rfind(b'"', 0, end)
        if is_outside and (found := data.rfind(b"\n", quote + 1, end)) >= 0:
            return found + 1
        is_outside = not is_outside
        end = quote
    return 0


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
        if _is_text(chunk.data):
            return records  # type: ignore[return-value]
    for number, line in enumerate(lines, chunk.first_line):
        if line:
            _check(line.split(b"\t"), number)
    raise AssertionError("a chunk without a bad line is bad")


def _parse_csv(chunk: Chunk) -> list[Record]:
    data, at = chunk.data, 0
    records: list[Record] = []
    starts: list[int] = []
    while found := _match_csv(data, at):
        quoted_a, plain_a, quoted_b, plain_b = found.groups()
        first = plain_a if quoted_a is None else quoted_a.replace(b'""', b'"')
        second = plain_b if quoted_b is None else quoted_b.replace(b'""', b'"')
        if first is not None:  # else the line is empty
            records.append((first, second))
            starts.append(at)
        at = found.end()
    is_bad = at != len(data)
    for record in records:
        if not (0 < len(record[0]) < 256 and 0 < len(record[1]) < 256):
            break
    else:
        if not is_bad and _is_text(data):
            return records
    for record, start in zip(records, starts, strict=True):
        _check(list(record), chunk.first_line + data.count(b"\n", 0, start))
    raise BadRecordError(chunk.first_line + data.count(b"\n", 0, at), _why_no_csv(data, at))


def _why_no_csv(data: bytes, at: int) -> str:
    """What is wrong with the record that begins there."""
    end, columns = min(len(data), at + MAX_LINE_BYTES), 0
    while True:
        columns += 1
        is_quoted = data.startswith(b'"', at)
        found = _match_quoted(data, at, end) if is_quoted else _match_plain(data, at, end)
        if found is None:
            return "a quote is not closed"
        at = found.end()
        behind = data[at : at + 1]
        if behind == b",":
            at += 1
            continue
        if behind in (b"", b"\n") or data.startswith(b"\r\n", at):
            return f"a record has 2 columns, not {columns}"
        if is_quoted:
            return "something stands behind a closing quote"
        return (
            "a quote inside a column that does not begin with one"
            if behind == b'"'
            else ("a carriage return outside quotes")
        )


def _parse_json(chunk: Chunk) -> list[Record]:
    records = []
    for number, line in enumerate(chunk.data.split(b"\n"), chunk.first_line):
        if not line.strip():
            continue
        if len(line) > MAX_LINE_BYTES:  # the same wherever a chunk ends
            raise BadRecordError(number, f"more than {MAX_LINE_BYTES:,} bytes")
        try:
            found = decode_json(line)
            columns = [found.subscriber.encode(), found.subscribee.encode()]
        except (msgspec.DecodeError, UnicodeError) as error:
            raise BadRecordError(number, str(error)) from None
        records.append(_check(columns, number))
    return records


def _is_text(data: bytes) -> bool:
    """Whether all is UTF-8: what stands between ASCII bytes is so, if and only if the whole is."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _check(columns: list[bytes], line: int) -> Record:
    if len(columns) != 2:
        raise BadRecordError(line, f"a record has 2 columns, not {len(columns)}")
    try:
        wire.check_ids(columns)
    except wire.WireError as error:
        raise BadRecordError(line, str(error)) from None
    return columns[0], columns[1]
