"""Keys and tokens are made: for backends, development and tests.

Owns: what goes into a token. Must not know: files.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Any, Final

from zrouter.tokens import base64url
from zrouter.tokens.errors import KeyFileError
from zrouter.tokens.keys import HMAC, Key

TTL_S: Final = 600


def make_secret(kid: str) -> bytes:
    """A file with a new secret for HS256: a JWK set."""
    jwk = {
        "kty": "oct",
        "use": "sig",
        "alg": "HS256",
        "kid": kid,
        "k": base64url.encode(secrets.token_bytes(32)),
    }
    return _set_of(jwk)


def make_key_pair(kid: str) -> tuple[bytes, bytes]:
    """Two files for EdDSA: the private key, which signs, and the public one, which verifies.

    Raises:
        KeyFileError: cryptography is not installed.
    """
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError:
        from zrouter.tokens.key_material import needs_extra

        raise needs_extra() from None
    private = Ed25519PrivateKey.generate()
    public = {
        "kty": "OKP",
        "crv": "Ed25519",
        "use": "sig",
        "alg": "EdDSA",
        "kid": kid,
        "x": base64url.encode(private.public_key().public_bytes_raw()),
    }
    return _set_of({**public, "d": base64url.encode(private.private_bytes_raw())}), _set_of(public)


def _set_of(jwk: dict[str, str]) -> bytes:
    return json.dumps({"keys": [jwk]}, indent=1).encode() + b"\n"


def make_token(
    key: Key,
    sub: str | None,
    now: float,
    ttl_s: float = TTL_S,
    ids: Sequence[str] | None = None,
    watch: Sequence[str] | None = None,
    **more: Any,
) -> str:
    """A token for `sub` that is good for `ttl_s` from `now` (Unix time [s]).

    `ids`, `watch`: as which ids it may be connected, and whose presence it may see; None: its own. `more` are
    further claims, such as aud and iss.

    Raises:
        KeyFileError: the key can't sign.
    """
    import jwt

    if key.signs is None:
        raise KeyFileError("that key only verifies: the private one signs")
    claims: dict[str, Any] = {"iat": int(now), "exp": int(now + ttl_s), **more}
    for name, value in (("sub", sub), ("ids", ids), ("watch", watch)):
        if value is not None:
            claims[name] = value if isinstance(value, str) else list(value)
    algorithm = min(key.algorithms) if key.family == HMAC else next(iter(key.algorithms))
    headers = {"kid": key.kid} if key.kid else None
    return jwt.encode(claims, key.signs, algorithm=algorithm, headers=headers)
