"""What clients are given, in bytes: one file each, one row each in STREAMS."""

from __future__ import annotations

from typing import Final

from zfront.transports import chunked, ndjson, sse
from zfront.transports.interface import Transport

# A client's kind is a small number: the series' page, or a place in STREAMS.
CHUNKED: Final = 0
STREAMS: Final[dict[int, Transport]] = {1: ndjson, 2: sse}
TYPES: Final = {CHUNKED: chunked.TYPE, **{kind: one.TYPE for kind, one in STREAMS.items()}}
PATHS: Final[dict[str, int]] = {chunked.PATH: CHUNKED, **{one.PATH: kind for kind, one in STREAMS.items()}}
