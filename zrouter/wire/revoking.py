"""What somebody means who revokes tokens: the arguments of clients, commands and the HTTP API.

Owns: which of them go together, defaults. Must not know: who asks; the time is an argument.
"""

from __future__ import annotations

import math
from typing import Final

from zrouter.wire.arguments import as_id
from zrouter.wire.messages import REVOKED_ALL, REVOKED_JTI, REVOKED_SUB, Revocation

DEFAULT_KEEP_S: Final = 86400.0 + 120  # as long as zfront lets a token be good by default, and clocks differ
LONGEST_KEEP_S: Final = 2 * 365 * 86400.0
_LONGEST_JTI: Final = 255
_LATEST: Final = 10**12
_FOREVER: Final = 2**53


def revocation(
    now: float,
    sub: str | bytes | None = None,
    jti: str | None = None,
    everybody: bool = False,
    before: float | None = None,
    keep_s: float = DEFAULT_KEEP_S,
) -> Revocation:
    """Of `sub`, or of everybody, the tokens made before that Unix time [s], by default now; or that `jti`.

    It is remembered for `keep_s`; with 0 connections end, and may come back.

    Raises:
        TypeError, ValueError: an argument is none, or they do not go together.
    """
    if (sub is not None) + (jti is not None) + everybody != 1:
        raise ValueError("revoke one of sub, jti and everybody")
    if not 0 <= keep_s <= LONGEST_KEEP_S:
        raise ValueError("keep_s is 0 to two years")
    if before is not None and not 0 <= before <= _LATEST:
        raise ValueError("before is a Unix time in seconds")
    if jti is not None:
        if before is not None:
            raise ValueError("before is for sub and everybody")
        if not isinstance(jti, str):
            raise TypeError("jti is text")
        if not 1 <= len(jti) <= _LONGEST_JTI:
            raise ValueError(f"jti is text of 1 to {_LONGEST_JTI} characters")
        return REVOKED_JTI, jti.encode(), 0, _until(now, keep_s)
    # Who only ends connections means all of them.
    made_before = (_FOREVER if not keep_s else now) if before is None else before
    value = b"" if sub is None else as_id(sub)
    kind = REVOKED_ALL if sub is None else REVOKED_SUB
    return kind, value, math.ceil(made_before), _until(now, keep_s)


def _until(now: float, keep_s: float) -> int:
    return math.ceil(now + keep_s) if keep_s else 0
