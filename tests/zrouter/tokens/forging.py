"""Tokens that no library makes: any header, any payload, any signature."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from zrouter.tokens import base64url

SECRET = bytes(range(32))
NOW = 1_795_663_332.0


def part(value: Any) -> str:
    """One part of a token: bytes as they are, all else as JSON."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64url.encode(data)


def forged(header: Any, payload: Any, secret: bytes = SECRET) -> str:
    """A token with that header and payload, signed with HS256 whatever the header says."""
    signed = f"{part(header)}.{part(payload)}"
    return f"{signed}.{part(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def token(**claims: Any) -> str:
    """A good token, but for these claims; ... takes one out."""
    said = {"sub": "ann", "exp": NOW + 60, **claims}
    return forged({"alg": "HS256"}, {name: value for name, value in said.items() if value is not ...})
