"""Keys that tokens are verified with: each is of one family of algorithms, and a token finds its key by name.

Owns: which key is for which token. Must not know: files, the contents of tokens.

A key is never tried for another family's algorithms: a public key taken as the secret of an HMAC is how JWT
libraries were broken (RFC 8725, section 2.1). Nor are keys tried one after another: a bad token must not cost
more than a good one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from zrouter.tokens.errors import ALGORITHM, KEY_ID, KeyFileError, TokenError

HMAC: Final = "HMAC"
RSA: Final = "RSA"
EC: Final = "EC"
ED: Final = "Ed25519"
# The shortest secret of each (RFC 7518, section 3.2) [bytes].
HMAC_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
FAMILIES: Final = {**dict.fromkeys(HMAC_BYTES, HMAC), "RS256": RSA, "ES256": EC, "EdDSA": ED}
MOST_KEYS: Final = 64


class Key(NamedTuple):
    """One key. `material` is what PyJWT verifies with; it shows itself to nobody."""

    kid: str  # empty: it has no name
    family: str
    algorithms: frozenset[str]
    material: Any
    signs: Any = None  # the secret, or the private half if the file has it

    @property
    def is_secret(self) -> bool:
        """Whether whoever has it can make tokens."""
        return self.signs is not None

    def __repr__(self) -> str:
        return f"Key({self.kid!r}, {self.family}, <secret>)"


class KeySet:
    """The keys there are.

    Raises:
        KeyFileError: two of one family have the same name, or there are none or too many.
    """

    def __init__(self, keys: Iterable[Key]) -> None:
        self.keys = tuple(keys)
        if not self.keys:
            raise KeyFileError("there is no key in it")
        if len(self.keys) > MOST_KEYS:
            raise KeyFileError(f"more than {MOST_KEYS} keys")
        self._named: dict[tuple[str, str], Key] = {}
        self._of_family: dict[str, list[Key]] = {}
        for key in self.keys:
            self._of_family.setdefault(key.family, []).append(key)
            if key.kid:
                if (key.kid, key.family) in self._named:
                    raise KeyFileError(f"two {key.family} keys have the same kid")
                self._named[key.kid, key.family] = key

    def signing(self) -> Key:
        """The first that signs.

        Raises:
            KeyFileError: none does.
        """
        for key in self.keys:
            if key.is_secret:
                return key
        raise KeyFileError("it has no key that signs: that key only verifies, the private one signs")

    def find(self, algorithm: object, kid: object) -> Key:
        """The key for a token whose header says this; `kid` None: it says no name.

        Raises:
            TokenError: there is none.
        """
        family = FAMILIES.get(algorithm) if isinstance(algorithm, str) else None
        if family is None or family not in self._of_family:
            raise TokenError(ALGORITHM, "its alg is none that a key here is for")
        if kid is None:
            of_family = self._of_family[family]
            if len(of_family) > 1:
                raise TokenError(KEY_ID, f"it has no kid, and there are {len(of_family)} keys of its family")
            key = of_family[0]
        else:
            named = self._named.get((kid, family)) if isinstance(kid, str) else None
            if named is None:
                raise TokenError(KEY_ID, "no key of its family has its kid")
            key = named
        if algorithm not in key.algorithms:
            raise TokenError(ALGORITHM, "its alg is another than that of its key")
        return key
