"""What a client asks for with its URL: which transport, which ids, from where on.

Owns: the reading of path and query. Must not know: sockets, Tornado, the parser of the request's head.
"""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import parse_qs, unquote_to_bytes

from zfront.transports import CHUNKED, PATHS
from zrouter.cursor import NEW, Cursor, read_cursor
from zrouter.wire import WireError, check_ids

MAX_IDS: Final = 64  # ids of one connection
MIN_TICK_S: Final = 0.1
MAX_TICK_S: Final = 3600.0
_FIELDS: Final = MAX_IDS + 8


class BadVisitError(ValueError):
    """The URL asks for something that can't be had; answered with 400 and these words."""


class Visit(NamedTuple):
    """What a client asked for."""

    kind: int  # of its transport
    ids: tuple[bytes, ...]
    welcome: bool = False
    tick_s: float = 0.0  # whole tenths of a second; 0 = none
    cursor: Cursor = NEW  # where it was
    key: str = ""  # of a WebSocket's handshake
    headers: bytes = b""  # more lines for the answer's head


def read_visit(path: str, query: str, said_since: str = "") -> Visit | None:
    """Read `/sse/<id>?id=...&since=...`; None if there is no such transport.

    `said_since` is from a header: Last-Event-ID, or If-None-Match with its quotes.
    All are the bytes of the request read as Latin-1, as parsers of HTTP do; bytes of UTF-8 that were not
    percent-encoded count as they are.

    Raises:
        BadVisitError: a bad id, too many of them, or a bad tick.
    """
    end = path.find("/", 1) + 1
    kind = PATHS.get(path[:end])
    if kind is None:
        return None
    first = unquote_to_bytes(path[end:].encode("latin-1"))
    if not query:
        return Visit(kind, _checked((first,)), cursor=_cursor(said_since))
    try:
        query = query.encode("latin-1").decode(errors="surrogateescape")
        values = parse_qs(query, max_num_fields=_FIELDS, errors="surrogateescape")
    except ValueError:
        raise BadVisitError(f"more than {MAX_IDS} ids") from None
    more = [an_id.encode(errors="surrogateescape") for an_id in values.get("id", [])]
    ids = tuple(dict.fromkeys([first, *more]))
    if len(ids) > MAX_IDS:
        raise BadVisitError(f"more than {MAX_IDS} ids")

    def last(name: str, default: str) -> str:
        return values.get(name, [default])[-1]

    # A browser that comes back by itself asks for the same URL, so what it says in the header is newer.
    since = _cursor(said_since or last("since", ""))
    if kind != CHUNKED:
        return Visit(kind, _checked(ids), cursor=since)
    return Visit(kind, _checked(ids), last("welcome", "0") == "1", _tick(last("tick", "0")))


def _cursor(said: str) -> Cursor:
    return read_cursor(said.removeprefix("W/").strip('"'))


def _checked(ids: tuple[bytes, ...]) -> tuple[bytes, ...]:
    try:
        check_ids(ids)
    except WireError as error:
        raise BadVisitError(str(error)) from None
    return ids


def _tick(text: str) -> float:
    try:
        tick_s = float(text)
    except ValueError:
        raise BadVisitError("tick is a number of seconds") from None
    if tick_s != 0 and not MIN_TICK_S <= tick_s <= MAX_TICK_S:
        raise BadVisitError(f"tick is {MIN_TICK_S} to {MAX_TICK_S:.0f} seconds")
    return round(tick_s, 1)
