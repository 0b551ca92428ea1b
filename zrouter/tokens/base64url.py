"""base64url without padding, as JSON Web Signatures have it (RFC 7515, section 2).

Owns: both directions. Must not know: what the bytes are.
"""

from __future__ import annotations

import base64


def encode(data: bytes) -> str:
    """The text of these bytes."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The bytes of a text; as lenient as Python's reader, so several texts may have the same.

    Raises:
        ValueError: it is none.
    """
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
