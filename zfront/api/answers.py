"""What the API says when all went well, as JSON bytes.

Owns: the objects of docs/http-api.md. Must not know: sockets, Tornado.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from zrouter.wire import KEPT

_encode: Final = msgspec.json.Encoder().encode
JSON: Final = "application/json"


@lru_cache(1024)
def receipt(handed: int) -> bytes:
    """Of one send: the connections that it was handed to, or that it was kept for those who come back."""
    connections = 0 if handed == KEPT else handed
    return b'{"connections":%d,"kept":%s}' % (connections, b"true" if handed == KEPT else b"false")


def receipts(handed: Iterable[int]) -> bytes:
    """Of a batch, in its order."""
    return b'{"receipts":[%s]}\n' % b",".join(map(receipt, handed))


def receipt_objects(handed: Iterable[int]) -> list[Any]:
    """The same as members of a problem."""
    return [{"connections": max(0, one), "kept": one == KEPT} for one in handed]


def presence(an_id: bytes, holders: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """Where an id is connected."""
    frontends = [{"name": name, "connections": count} for name, count in holders]
    return {"id": an_id.decode(), "connections": sum(count for _, count in holders), "frontends": frontends}


def published(an_id: bytes, receipt: tuple[int, int, int, int]) -> dict[str, Any]:
    """What became of a publish: `connections` and `kept` are those of all followers."""
    followers, online, connections, kept = receipt
    return {
        "id": an_id.decode(),
        "followers": followers,
        "online": online,
        "connections": connections,
        "kept": kept,
    }


def counts(an_id: bytes, followers: int, following: int) -> dict[str, Any]:
    """How many follow an id, and how many it follows."""
    return {"id": an_id.decode(), "followers": followers, "following": following}


def page(total: int, ids: Sequence[bytes], next_page: str | None) -> dict[str, Any]:
    """Some of so many ids; `next_page` = where the page behind it is."""
    return {"total": total, "ids": [an_id.decode() for an_id in ids], "next": next_page}


def json(value: Any) -> bytes:
    """Any of the other answers."""
    return _encode(value) + b"\n"
