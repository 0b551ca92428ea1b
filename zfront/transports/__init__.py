"""What clients are given, in bytes: one file each, one row each here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from zfront.transports import chunked, ndjson, poll, sse, ws
from zfront.transports.interface import Transport

# A client's kind is a small number.
CHUNKED: Final = 0
NDJSON: Final = 1
SSE: Final = 2
WS: Final = 3
POLL: Final = 4

STREAMS: Final[dict[int, Transport]] = {NDJSON: ndjson, SSE: sse, WS: ws}
PATHS: Final[dict[str, int]] = {
    chunked.PATH: CHUNKED,
    ndjson.PATH: NDJSON,
    sse.PATH: SSE,
    ws.PATH: WS,
    poll.PATH: POLL,
}
TYPES: Final[dict[int, str]] = {
    CHUNKED: chunked.TYPE,
    NDJSON: ndjson.TYPE,
    SSE: sse.TYPE,
    WS: ws.TYPE,
    POLL: poll.TYPE,
}
HEADS: Final[dict[int, bytes]] = {CHUNKED: chunked.HEAD, NDJSON: ndjson.HEAD, SSE: sse.HEAD}
# What makes a message of its id, its bytes and the client's offset.
MESSAGES: Final[dict[int, Callable[[bytes, bytes, bytes], bytes]]] = {
    NDJSON: ndjson.message,
    SSE: sse.message,
    WS: ws.message,
    POLL: poll.message,
}
