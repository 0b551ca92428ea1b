"""Whether the target of a request is one: what RFC 3986 allows in a path and a query, and escapes that are
whole.

Owns: that check, for every way in. Must not know: what a path means.
"""

from __future__ import annotations

import re
from typing import Final

# A percent sign without two hex digits (section 2.1), or a fragment, which no request has (RFC 9112, section
# 3.2). Bytes beyond ASCII are taken as they are: many clients send ids so.
_BAD: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|#").search


def fault(target: str) -> str:
    """What is wrong with a path or a query; empty if nothing is."""
    found = _BAD(target) if "%" in target or "#" in target else None
    if found is None:
        return ""
    return "a # has to be %23" if found[0] == "#" else "a % has to be %25, or stand before two hex digits"
