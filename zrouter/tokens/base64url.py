"""base64url without padding, as JSON Web Signatures have it (RFC 7515, section 2).

Owns: both directions, and that bytes have one spelling. Must not know: what the bytes are.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

_TEXT: Final = re.compile(r"[A-Za-z0-9_-]*").fullmatch
_PADDING: Final = ("", None, "==", "=")
# Of a last character of two or three some bits say nothing: they have to be 0 (RFC 4648, 3.5).
_LAST_OF_TWO: Final = frozenset("AQgw")
_LAST_OF_THREE: Final = frozenset("AEIMQUYcgkosw048")


def encode(data: bytes) -> str:
    """The text of these bytes."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The bytes of a text, which is the one that `encode` makes of them.

    Raises:
        ValueError: it is none.
    """
    rest = len(text) % 4
    padding = _PADDING[rest]
    is_one = (
        padding is not None
        and _TEXT(text) is not None
        and (rest != 2 or text[-1] in _LAST_OF_TWO)
        and (rest != 3 or text[-1] in _LAST_OF_THREE)
    )
    if not is_one:
        raise ValueError("not base64url, or not as it is spelled")
    return binascii.a2b_base64(text.replace("-", "+").replace("_", "/") + (padding or ""))
