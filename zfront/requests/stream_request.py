"""What a client asks for with its URL: which transport, which ids, from where on.

Owns: the reading of path and query. Must not know: sockets, Tornado, the parser of the request's head.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import parse_qs, unquote_to_bytes

from zfront.requests import urls
from zfront.requests.credentials import Secret
from zfront.transports import CHUNKED, PATHS, POLL
from zrouter.wire import WireError, check_ids
from zrouter.wire.offset import NEW, Offset, read_offset

if TYPE_CHECKING:
    from zfront.requests.admission import Admitted

MAX_IDS: Final = 64  # ids of one connection
MAX_WATCHED: Final = 64  # ids whose presence one connection is told of
MIN_TICK_S: Final = 0.1
MAX_TICK_S: Final = 3600.0
PATH_IDS_ONLY: Final = "this frontend takes the id of the path alone"
# The usual query where there are tokens.
_TOKEN_ALONE: Final = re.compile(r"token=([A-Za-z0-9_.-]+)").fullmatch
_FIELDS: Final = MAX_IDS + MAX_WATCHED + 8
# What clients without a header say in its place: event-source-polyfill, and those of the Mercure protocol.
_COME_BACK: Final = ("lastEventId", "lastEventID", "Last-Event-ID")


class BadStreamRequestError(ValueError):
    """The URL asks for something that can't be had; answered with 400 and these words."""


class StreamRequest(NamedTuple):
    """What a client asked for."""

    kind: int  # of its transport
    ids: tuple[bytes, ...]
    welcome: bool = False
    tick_s: float = 0.0  # whole tenths of a second; 0 = none
    offset: Offset = NEW  # where it was
    key: str = ""  # of a WebSocket's handshake
    headers: bytes = b""  # more lines for the answer's head
    watched: tuple[bytes, ...] = ()  # ids whose presence it is to be told of
    tokens: tuple[Secret, ...] = ()  # those of the query
    has_subprotocol: bool = False  # a WebSocket's client offers ours
    admitted: Admitted | None = None  # with a token
    address: str = ""  # of whose connections are counted, where they are


def read_stream_request(
    path: str, query: str, said_since: str = "", *, path_ids_only: bool = False
) -> StreamRequest | None:
    """Read `/sse/<id>?id=...&since=...&watch=...`; None if there is no such transport.

    `path_ids_only`: ids beside that of the path are refused, for a proxy that checks no more than the path.

    `said_since` is from a header: Last-Event-ID, or If-None-Match with its quotes.
    All are the bytes of the request read as Latin-1, as parsers of HTTP do; bytes of UTF-8 that were not
    percent-encoded count as they are.

    Raises:
        BadVisitError: a bad id, too many of them, a bad tick, a bad escape, or a poll that wants to watch.
    """
    end = path.find("/", 1) + 1
    kind = PATHS.get(path[:end])
    if kind is None:
        return None
    if fault := urls.fault(path) or urls.fault(query):
        raise BadStreamRequestError(fault)
    first = unquote_to_bytes(path[end:].encode("latin-1"))
    if not query:
        return StreamRequest(kind, _checked((first,)), offset=_offset(said_since) if said_since else NEW)
    if (alone := _TOKEN_ALONE(query)) is not None and not said_since:
        return StreamRequest(kind, _checked((first,)), tokens=(Secret(alone[1]),))
    try:
        query = query.encode("latin-1").decode(errors="surrogateescape")
        values = parse_qs(query, max_num_fields=_FIELDS, errors="surrogateescape")
    except ValueError:
        raise BadStreamRequestError(f"more than {MAX_IDS} ids, or more than {MAX_WATCHED} to watch") from None

    def every(name: str) -> list[bytes]:
        return [an_id.encode(errors="surrogateescape") for an_id in values.get(name, [])]

    def last(name: str, default: str) -> str:
        return values.get(name, [default])[-1]

    if path_ids_only and ("id" in values or "watch" in values):
        raise BadStreamRequestError(PATH_IDS_ONLY)
    ids = _checked((first, *every("id")))
    tokens = tuple(map(Secret, values["token"])) if "token" in values else ()
    if kind == CHUNKED:
        return StreamRequest(kind, ids, last("welcome", "0") == "1", _tick(last("tick", "0")), tokens=tokens)
    watched = _checked(every("watch"), MAX_WATCHED)
    if watched and kind == POLL:
        raise BadStreamRequestError("a poll can't watch: ask /api/who")
    # A browser that comes back by itself asks for the same URL, so what it says in the header is newer. A
    # polyfill of EventSource can't set the header, and adds a field.
    came_back = next((value for name in _COME_BACK if (value := last(name, ""))), "")
    since = _offset(said_since or came_back or last("since", ""))
    return StreamRequest(kind, ids, offset=since, watched=watched, tokens=tokens)


def _offset(said: str) -> Offset:
    return read_offset(said.removeprefix("W/").strip('"'))


def _checked(ids: Iterable[bytes], most: int = MAX_IDS) -> tuple[bytes, ...]:
    """Each of them once."""
    distinct = tuple(dict.fromkeys(ids))
    if len(distinct) > most:
        raise BadStreamRequestError(f"more than {most} ids")
    try:
        check_ids(distinct)
    except WireError as error:
        raise BadStreamRequestError(str(error)) from None
    return distinct


def _tick(text: str) -> float:
    try:
        tick_s = float(text)
    except ValueError:
        raise BadStreamRequestError("tick is a number of seconds") from None
    if tick_s != 0 and not MIN_TICK_S <= tick_s <= MAX_TICK_S:
        raise BadStreamRequestError(f"tick is {MIN_TICK_S} to {MAX_TICK_S:.0f} seconds")
    return round(tick_s, 1)
