"""All pairs of a store, in the formats that a load takes.

Owns: how they are written. Must not know: where to.
"""

from __future__ import annotations

import csv
import io
from itertools import islice
from typing import BinaryIO, Final

import msgspec

from zrouter.follows.bulk.records import CSV_HEADER
from zrouter.follows.store import Follows, Format, StoreError

_AT_A_TIME: Final = 10_000
_encode = msgspec.json.Encoder().encode


def export_pairs(follows: Follows, form: Format, file: BinaryIO) -> None:
    """Write every pair.

    Raises:
        StoreError: an id can't be written in this format.
    """
    if form == "csv":
        file.write(CSV_HEADER + b"\r\n")
    pairs = follows.pairs()
    while some := list(islice(pairs, _AT_A_TIME)):
        if form == "tsv":
            file.write(_tsv(some))
        elif form == "csv":
            text = io.StringIO(newline="")
            csv.writer(text).writerows((a.decode(), b.decode()) for a, b in some)
            file.write(text.getvalue().encode())
        else:
            lines = ({"subscriber": a.decode(), "subscribee": b.decode()} for a, b in some)
            file.write(b"".join(_encode(line) + b"\n" for line in lines))


def _tsv(pairs: list[tuple[bytes, bytes]]) -> bytes:
    text = b"".join([b"%b\t%b\n" % pair for pair in pairs])
    if text.count(b"\t") != len(pairs) or text.count(b"\n") != len(pairs) or b"\r" in text:
        raise StoreError("an id has a tab or a line end in it: --format jsonl can write it")
    return text
