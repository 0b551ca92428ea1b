"""Tells schemathesis what the document can not: how lines are written, that an id's length is in bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import schemathesis

IDS = ("id", "subscriber", "subscribee", "after")


@schemathesis.serializer("application/x-ndjson", "application/jsonl")
def lines(context: Any, value: Any) -> bytes:
    """One element a line; what is no list is one line."""
    elements = value if isinstance(value, list) else [value]
    return b"".join(json.dumps(element).encode() + b"\n" for element in elements)


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Ids that are too long in bytes, and not in characters, have tests of their own."""
    return all(len(an_id) > 255 or len(an_id.encode(errors="replace")) <= 255 for an_id in _ids(case))


def _ids(case: Any) -> Iterator[str]:
    for value in _values(case.path_parameters):
        yield unquote(value)  # as it stands in the path
    yield from _values(case.query)
    for element in case.body if isinstance(case.body, list) else ():
        yield from _values(element)


def _values(place: Any) -> Iterator[str]:
    """Whatever has the name of an id; an element may be one itself."""
    for found in [place.get(name) for name in IDS] if isinstance(place, dict) else [place]:
        yield from (one for one in (found if isinstance(found, list) else [found]) if isinstance(one, str))
