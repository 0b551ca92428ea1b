"""JSON objects as a signature needs them: in one way to read only.

Owns: that reading. Must not know: tokens. Python's reader takes the last of two members of one name, where
others take the first; NaN and Infinity, which are no JSON (RFC 8259, sections 4 and 6).
"""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn


def read_object(data: bytes) -> dict[str, Any]:
    """The members of a JSON object.

    Raises:
        ValueError: it is none; or has two members of one name, NaN, too much nesting, or an endless number.
    """
    try:
        found = _decode(data.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("two members of one name")
    return members


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


_decode: Final = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_constant).decode
