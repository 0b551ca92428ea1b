"""Follows as HTTP says them: subscribees in a body, a page of a list, the way to the next one.

Owns: reading and writing these, their bounds. Must not know: sockets, Tornado, the router's answers.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote

import msgspec

from zfront.api import parameters
from zfront.api.problem import Problem, ProblemError
from zrouter.wire import MAX_ID_BYTES, MAX_RELATIONS, Follow

MAX_SUBSCRIBEES: Final = 10_000
# What a pair takes in memory beside the bytes of its ids.
PAIR_OBJECT_BYTES: Final = 256
# Before an array is read, which takes many times its bytes: ids have commas, but not so many.
_MOST_COMMAS: Final = 8 * MAX_SUBSCRIBEES
TYPE: Final = "application/json"

_decode = msgspec.json.Decoder(list[str]).decode
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_LIMIT: Final = re.compile(r"[0-9]{1,4}").fullmatch


class Page(NamedTuple):
    """Which part of a list: `limit` ids behind `after`, empty for its beginning."""

    after: bytes
    limit: int


def check_type(header: str) -> None:
    """Refuse a body of another type.

    Raises:
        ProblemError: with status 415.
    """
    if header.partition(";")[0].strip().lower() != TYPE:
        raise ProblemError(Problem(415, f"Content-Type is {TYPE}", headers=(("Accept", TYPE),)))


def read_subscribees(body: bytes) -> list[bytes]:
    """The ids of a JSON array, each once, in order.

    Raises:
        ProblemError: it is none, is too long, or an element is no id; `element` counts from 0.
    """
    if body.count(b",") > _MOST_COMMAS:
        raise ProblemError(Problem(413, f"too many ids: {MAX_SUBSCRIBEES:,} are the limit"))
    try:
        texts = _decode(body)
    except _UNREADABLE as error:
        raise ProblemError(Problem(400, f"not an array of ids: {str(error)[:200]}")) from None
    if len(texts) > MAX_SUBSCRIBEES:
        raise ProblemError(Problem(413, f"{len(texts):,} ids: {MAX_SUBSCRIBEES:,} are the limit"))
    ids = [text.encode() for text in texts]
    for number, an_id in enumerate(ids):
        if not 1 <= len(an_id) <= MAX_ID_BYTES:
            detail = f"element {number}: an id has 1 to {MAX_ID_BYTES} bytes, not {len(an_id)}"
            raise ProblemError(Problem(400, detail, {"element": number}))
    return list(dict.fromkeys(ids))


def memory_of(pairs: list[Follow]) -> int:
    """The bytes that these pairs hold."""
    return sum(len(subscriber) + len(subscribee) + PAIR_OBJECT_BYTES for subscriber, subscribee in pairs)


def read_page(query: str) -> Page:
    """What `?after=ID&limit=N` asks for; of one that comes twice the last counts.

    Raises:
        ProblemError: one of them is none.
    """
    raw = query.encode("latin-1").decode(errors="surrogateescape")
    try:
        fields = dict(parse_qsl(raw, keep_blank_values=True, max_num_fields=16, errors="surrogateescape"))
    except ValueError:
        raise ProblemError(Problem(400, "too many parameters")) from None
    after = fields.get("after", "").encode(errors="surrogateescape")
    if after:
        parameters.check([after])
    limit = fields.get("limit", str(MAX_RELATIONS))
    if _LIMIT(limit) is None or int(limit) > MAX_RELATIONS:
        raise ProblemError(Problem(400, f"limit is 0 to {MAX_RELATIONS:,}"))
    return Page(after, int(limit))


def next_page(page: Page, total: int, ids: list[bytes]) -> str | None:
    """The page behind this one, as a reference relative to its URL; None if this is surely the last."""
    if not ids or len(ids) < page.limit or (not page.after and len(ids) == total):
        return None
    return f"?after={quote(ids[-1], safe='')}&limit={page.limit}"
