"""Why a token, or a file of keys, is not taken.

Owns: the reasons, which are the names of counters too. Must not know: who asks.
"""

from __future__ import annotations

from typing import Final

from zrouter.errors import PortableError

MALFORMED: Final = "malformed"  # no JWT at all, or of a form that could be read in two ways
TOO_LONG: Final = "too_long"
ALGORITHM: Final = "alg"  # none, or one that no key here is for
KEY_ID: Final = "kid"  # no such key, or it does not say which of several
HEADER: Final = "header"  # it wants something that is not understood (`crit`, `zip`)
SIGNATURE: Final = "signature"
CLAIMS: Final = "claims"  # one of them is not of its type, or missing
GRANT: Final = "grant"  # `ids`, `watch` or `publish` can't be understood
EXPIRED: Final = "expired"
EARLY: Final = "not_yet"  # `nbf` or `iat` is ahead
TOO_FAR: Final = "max_age"  # `exp` is further away than is allowed
AUDIENCE: Final = "aud"
ISSUER: Final = "iss"
REVOKED: Final = "revoked"
REASONS: Final = (
    MALFORMED, TOO_LONG, ALGORITHM, KEY_ID, HEADER, SIGNATURE, CLAIMS, GRANT, EXPIRED, EARLY, TOO_FAR,
    AUDIENCE, ISSUER, REVOKED,
)  # fmt: skip


class TokenError(PortableError, ValueError):
    """A token is not taken. `reason` is one of REASONS; the text never quotes the token.

    The text is for whoever looks after the server: a client is told no more than that its token is not good.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class KeyFileError(PortableError, ValueError):
    """A file of keys, or a key in it, can't be used; the text never quotes a key."""
