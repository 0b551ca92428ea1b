"""A token is verified: what it says, if it is good.

Owns: every rule of it (RFC 7515, 7519 and 8725). Must not know: where it stood, what it is for; the time is
an argument. PyJWT verifies the signature; the types of all claims, times among them, are checked here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from zrouter.tokens import base64url, errors
from zrouter.tokens.errors import TokenError
from zrouter.tokens.grants import NOTHING, Grant, only, read_grant
from zrouter.tokens.json_objects import read_object
from zrouter.tokens.keys import Key, KeySet
from zrouter.wire import WireError, check_ids

if TYPE_CHECKING:
    from jwt.algorithms import Algorithm

MOST_BYTES: Final = 4096
LEEWAY_S: Final = 30
MAX_AGE_S: Final = 86400
_LATEST: Final = 2.0**53
_THREE_PARTS: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)").fullmatch
_REFUSED_HEADERS: Final = frozenset(("crit", "b64", "zip", "enc"))


class Claims(NamedTuple):
    """What a good token says. `ends_at` is Unix time [s], leeway included."""

    sub: bytes | None
    ends_at: float
    ids: Grant
    watch: Grant
    publish: Grant = NOTHING
    made_at: float | None = None  # `iat`, Unix time [s]
    token_id: bytes = b""  # `jti`


class Verifier:
    """Verifies tokens with the keys that `keys()` gives, each time anew.

    `audience`, `issuer`: what they have to be; a token for somebody is refused where no audience is set.
    `leeway_s` is for clocks that differ; `max_age_s` how far away the end of a token may be.
    """

    def __init__(
        self,
        keys: Callable[[], KeySet],
        audience: str = "",
        issuer: str = "",
        leeway_s: float = LEEWAY_S,
        max_age_s: float = MAX_AGE_S,
    ) -> None:
        self._keys = keys
        self._audience = audience
        self._issuer = issuer
        self._leeway_s = leeway_s
        self._max_age_s = max_age_s

    def verify(self, token: str, now: float) -> Claims:
        """What the token says; `now` is Unix time [s].

        Raises:
            TokenError: it is not good.
        """
        header, payload, signature = _parts(token)
        algorithm, kid = _header(header)
        key = self._keys().find(algorithm, kid)
        _check_signature(token, _decoded(signature), key, algorithm)
        return self._claims(_object(_decoded(payload), "payload"), now)

    def _claims(self, said: dict[str, Any], now: float) -> Claims:
        ends_at, made_at = self._times(said, now)
        self._check_parties(said)
        sub = said.get("sub")
        own = _subject(sub) if "sub" in said else None
        if own is None and "ids" not in said:
            raise TokenError(errors.CLAIMS, "it has neither sub nor ids")
        token_id = said.get("jti", "")
        if not isinstance(token_id, str) or len(token_id) > 255:
            raise TokenError(errors.CLAIMS, "jti is text of up to 255 characters")
        return Claims(
            own,
            ends_at,
            ids=read_grant("ids", said["ids"], sub) if "ids" in said else only(own),
            watch=read_grant("watch", said["watch"], sub) if "watch" in said else only(own),
            publish=read_grant("publish", said["publish"], sub) if "publish" in said else NOTHING,
            made_at=made_at,
            token_id=token_id.encode("utf-8", "surrogatepass"),
        )

    def _times(self, said: dict[str, Any], now: float) -> tuple[float, float | None]:
        """Check all of them; when the token is over, and when it was made if it says so."""
        end = _time(said, "exp")
        if end is None:
            raise TokenError(errors.CLAIMS, "it has no exp")
        begin, made = _time(said, "nbf"), _time(said, "iat")
        if now >= end + self._leeway_s:
            raise TokenError(errors.EXPIRED, f"its exp was {now - end:.0f} s ago")
        for name, at in (("nbf", begin), ("iat", made)):
            if at is not None and at > now + self._leeway_s:
                raise TokenError(errors.EARLY, f"its {name} is in {at - now:.0f} s: are the clocks right?")
        if begin is not None and begin > end:
            raise TokenError(errors.CLAIMS, "its nbf is behind its exp")
        if end - now > self._max_age_s:
            raise TokenError(
                errors.TOO_FAR, f"its exp is in {end - now:.0f} s; the most is {self._max_age_s:g}"
            )
        # Else one that is too long for now would come to be good when its revocation is over.
        if made is not None and end - made > self._max_age_s + self._leeway_s:
            raise TokenError(
                errors.TOO_FAR, f"it is good for {end - made:.0f} s; the most is {self._max_age_s:g}"
            )
        return end + self._leeway_s, made

    def _check_parties(self, said: dict[str, Any]) -> None:
        audience = said.get("aud", [])
        named = [audience] if isinstance(audience, str) else audience
        if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
            raise TokenError(errors.AUDIENCE, "its aud is neither text nor a list of texts")
        if self._audience and self._audience not in named:
            raise TokenError(errors.AUDIENCE, "its aud is another than that of --token-audience")
        if not self._audience and "aud" in said:
            raise TokenError(errors.AUDIENCE, "it has an aud: say ours with --token-audience")
        if self._issuer and said.get("iss") != self._issuer:
            raise TokenError(errors.ISSUER, "its iss is another than that of --token-issuer")


def _parts(token: str) -> tuple[str, str, str]:
    """Header, payload and signature of a token, as they are spelled."""
    if len(token) > MOST_BYTES:
        raise TokenError(errors.TOO_LONG, f"it is longer than {MOST_BYTES} bytes")
    found = _THREE_PARTS(token)
    if found is None:
        raise TokenError(errors.MALFORMED, "it is not three parts of base64url with dots between")
    return found[1], found[2], found[3]


def _decoded(part: str) -> bytes:
    try:
        return base64url.decode(part)
    except ValueError:
        raise TokenError(errors.MALFORMED, "a part of it is not base64url as it has to be spelled") from None


@lru_cache(64)
def _header(part: str) -> tuple[Any, Any]:
    """`alg` and `kid` of a header; those of a key's tokens are all alike."""
    said = _object(_decoded(part), "header")
    if refused := _REFUSED_HEADERS & said.keys():
        raise TokenError(errors.HEADER, f"its header has {', '.join(sorted(refused))}")
    if said.get("kid", "") is None:
        raise TokenError(errors.KEY_ID, "its kid is null")
    return said.get("alg"), said.get("kid")


def _object(data: bytes, part: str) -> dict[str, Any]:
    try:
        return read_object(data)
    except ValueError:
        raise TokenError(errors.MALFORMED, f"its {part} is not one JSON object") from None


@cache
def _algorithm(name: str) -> Algorithm:
    from jwt import get_algorithm_by_name  # loaded with the first key

    return get_algorithm_by_name(name)


def _check_signature(token: str, signature: bytes, key: Key, algorithm: str) -> None:
    """PyJWT's algorithm alone: its reader of whole tokens costs as much again as all that is done here."""
    signed = token.rpartition(".")[0].encode()
    try:
        is_good = _algorithm(algorithm).verify(signed, key.material, signature)
    except Exception:  # whatever a library makes of a signature, it is not good
        is_good = False
    if not is_good:
        raise TokenError(errors.SIGNATURE, "its signature is not that of the key")


def _time(said: dict[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519, section 2), or None if it has none. Libraries take texts for it, or true."""
    if name not in said:
        return None
    value = said[name]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= _LATEST:  # NaN is not between them either
        raise TokenError(errors.CLAIMS, f"its {name} is no time in seconds")
    return float(value)


def _subject(sub: Any) -> bytes:
    try:
        if not isinstance(sub, str):
            raise TokenError(errors.CLAIMS, "its sub is not text")
        own = sub.encode()
        check_ids([own])
    except (UnicodeEncodeError, WireError):
        raise TokenError(errors.CLAIMS, "its sub is no id: 1 to 255 bytes of UTF-8") from None
    return own
