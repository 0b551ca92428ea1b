"""What the first and the last bytes of a file of pairs say that no record does.

Owns: the marks of compression and of other encodings, byte order marks, headings, a last line without an
end. Must not know: what a record is, what becomes of it. Only the first bytes of the file count: what stands
at the beginning of a chunk is a record's, whatever it looks like.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final

from zrouter.follows.store import BadRecordError, Format

BOM: Final = b"\xef\xbb\xbf"
_HEAD_BYTES: Final = 128
# A heading ends within so many bytes of the file, empty lines before it included.
HEADING_BYTES: Final = 64 * 1024
# What a file begins with, and the program that makes text of it. Some of these are text as well, so they
# are looked at only where the file turned out to hold no records.
_OTHERS: Final = (
    (b"\x1f\x8b", "compressed with gzip: zcat"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd: zstdcat"),
    (b"\xfd7zXZ\x00", "compressed with xz: xzcat"),
    (b"BZh", "compressed with bzip2: bzcat"),
    (b"\x04\x22\x4d\x18", "compressed with lz4: lz4cat"),
    (b"PK\x03\x04", "a zip archive: unzip -p"),
    (b"\x78\x01", "compressed with zlib: zlib-flate -uncompress"),
    (b"\x78\x5e", "compressed with zlib: zlib-flate -uncompress"),
    (b"\x78\x9c", "compressed with zlib: zlib-flate -uncompress"),
    (b"\x78\xda", "compressed with zlib: zlib-flate -uncompress"),
    (b"\xff\xfe", "UTF-16: iconv -f utf-16"),
    (b"\xfe\xff", "UTF-16: iconv -f utf-16"),
    (b"PAR1", "a Parquet file: export it as csv"),
    (b"\x89HDF", "an HDF5 file: export it as csv"),
)


class FileMarks:
    """A file that is read on, and its first and last bytes so far."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.name = getattr(file, "name", "")
        self.first = b""
        self.last = b""

    def read(self, size: int = -1) -> bytes:
        """As the file's."""
        data = self._file.read(size)
        if data:
            if len(self.first) < _HEAD_BYTES:
                self.first = (self.first + data[:_HEAD_BYTES])[:_HEAD_BYTES]
            self.last = data[-1:]
        return data

    def tell(self) -> int:
        """As the file's."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        """As the file's."""
        return self._file.seek(offset, whence)

    def notes(self, form: Format) -> Iterator[str]:
        """What was taken as it stands, and may have been meant in another way."""
        if form == "tsv" and self.first.startswith(BOM):
            yield "the file begins with a byte order mark, which in tsv is part of the first id"
        if form == "tsv" and _HEADING_TSV.match(self.first):
            yield "the first line looks like a heading, and was taken for a pair: tsv has no heading"
        if self.last not in (b"", b"\n"):
            yield "the last line has no end: was the file cut off?"


@contextmanager
def explained(file: BinaryIO) -> Iterator[BinaryIO]:
    """The file; where something in it is no record, because the whole is of another kind, that is said."""
    ends = FileMarks(file)
    try:
        yield ends  # type: ignore[misc]
    except BadRecordError as error:
        for mark, what in _OTHERS:
            if ends.first.startswith(mark):
                raise BadRecordError(error.line, f"{error.why}; the file looks {_as(what)}") from None
        raise


def _as(what: str) -> str:
    kind, _, command = what.partition(": ")
    return f"like {kind} ({command})" if not kind.startswith("compressed") else f"{kind} ({command})"


# Quoted, spaced, in capitals, behind empty lines: a heading all the same.
def _heading(separator: bytes, *columns: bytes) -> re.Pattern[bytes]:
    column = rb' *+(?:" *+%b *+"|%b) *+'
    return re.compile(
        rb"(?:[ \t]*+\r?\n)*+" + separator.join(column % (name, name) for name in columns) + rb"(?:\r?\n|\Z)",
        re.IGNORECASE,
    )


_HEADING: Final = _heading(b",", b"subscriber", b"subscribee")
_SWAPPED: Final = _heading(b",", b"subscribee", b"subscriber")
_HEADING_TSV: Final = _heading(b"\t", b"subscriber", b"subscribee")


_has_begun: Final = re.compile(rb"(?:%b)?+(?:[ \t]*+\r?\n)*+[^\r\n]" % re.escape(BOM)).match


def has_begun(data: bytes) -> bool:
    """Whether it can be said of these whole lines, the first of a file, where records begin."""
    return len(data) > HEADING_BYTES or _has_begun(data) is not None


def behind_heading(data: bytes, form: Format) -> int:
    """Where records begin in the first lines of a file: behind a byte order mark and a heading.

    Raises:
        BadRecordError: there is a mark or a heading, and nobody can say what is meant.
    """
    if form == "tsv":
        return 0
    begin = len(BOM) if data.startswith(BOM) else 0
    if form == "jsonl":
        return begin
    found = _HEADING.match(data, begin)
    if found is not None and found.end() <= HEADING_BYTES:
        return found.end()
    swapped = _SWAPPED.match(data, begin)
    if swapped is not None and swapped.end() <= HEADING_BYTES:
        line = data.count(b"\n", 0, swapped.end())
        raise BadRecordError(max(1, line), "the heading has the columns the other way round")
    if begin and data[begin : begin + 1] != b'"':
        raise BadRecordError(
            1, "a byte order mark without a heading behind it: take it away, or put the id in quotes"
        )
    return begin
