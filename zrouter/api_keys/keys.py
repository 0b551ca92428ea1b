"""One API key: its form, what it may do, and whether a text is it.

Owns: scopes, hashing, comparison. Must not know: files, HTTP.

A key is `zk_ID_SECRET`: 12 characters that name it and may be seen, and 256 random bits that nobody keeps but
the backend. What is kept is BLAKE2b of the whole key, keyed with a secret of its own. A fast hash is right
here: slow ones (bcrypt, Argon2) make it dear to guess what people thought of, and nobody guesses 256 random
bits; each request would pay for it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from zrouter.errors import PortableError
from zrouter.tokens.grants import Grant

SEND: Final = "send"
PUBLISH: Final = "publish"
FOLLOW: Final = "follow"
WHO: Final = "who"
STATS: Final = "stats"
KICK: Final = "kick"
ADMIN: Final = "admin"  # all of these, and those that will be
SCOPES: Final = (SEND, PUBLISH, FOLLOW, WHO, STATS, KICK, ADMIN)

PREFIX: Final = "zk_"
HASH_KEY_BYTES: Final = 32
_ID_CHARACTERS: Final = "abcdefghijklmnopqrstuvwxyz234567"
_ID_LENGTH: Final = 12
_SECRET_BYTES: Final = 32
_FORM: Final = re.compile(r"zk_([a-z2-7]{12})_[A-Za-z0-9_-]{43}").fullmatch
is_id: Final = re.compile(r"[a-z2-7]{12}").fullmatch
_PERSON: Final = b"zcomet api key"


class ApiKeyError(PortableError, ValueError):
    """A file of API keys, or a line of it, can't be used; the text never quotes a secret."""


class ApiKey(NamedTuple):
    """One key, as far as it is kept. `ids` None: it is for all ids."""

    id: str
    name: str
    scopes: frozenset[str]
    ids: Grant | None
    digest: bytes

    def may(self, scope: str) -> bool:
        """Whether it has that scope; every key has the empty one."""
        return not scope or scope in self.scopes or ADMIN in self.scopes

    def first_refused(self, ids: Iterable[bytes]) -> int | None:
        """The place of the first of these ids that it is not for."""
        if self.ids is None:
            return None
        return next((at for at, an_id in enumerate(ids) if not self.ids.allows(an_id)), None)

    def own(self, idempotency_key: bytes) -> bytes:
        """The same for this key alone: another key's senders can neither meet it nor use it up."""
        if not self.id or not idempotency_key:
            return idempotency_key
        return hashlib.sha256(self.id.encode() + idempotency_key).digest()

    def __repr__(self) -> str:
        return f"ApiKey({self.id!r}, {self.name!r}, {sorted(self.scopes)})"


# Who asks where no key is needed, and who has a key without a name: it may do all.
ANYBODY: Final = ApiKey("", "", frozenset(SCOPES), None, b"")
# What a key is compared with that there is not, so that this takes as long.
_NOBODY: Final = ApiKey("", "", frozenset(), None, bytes(32))


class ApiKeys:
    """The keys there are: `named` by their ids, and `plain` ones, which are whole texts."""

    def __init__(self, named: Mapping[str, ApiKey], plain: Iterable[str], hash_key: bytes) -> None:
        self.named = named
        self.plain = tuple(key.encode() for key in plain)
        self._hash_key = hash_key

    def __len__(self) -> int:
        return len(self.named) + len(self.plain)

    def find(self, said: str) -> ApiKey | None:
        """The key that this text is. How long it takes says nothing of how much of it is right."""
        form = _FORM(said)
        if form is not None:
            known = self.named.get(form[1], _NOBODY)
            is_it = hmac.compare_digest(digest_of(said, self._hash_key), known.digest)
            return known if is_it and known is not _NOBODY else None
        data = said.encode("latin-1", "replace")
        # All are compared, and each in constant time.
        is_one = sum(hmac.compare_digest(data, key) for key in self.plain) > 0
        return ANYBODY._replace(digest=hashlib.sha256(data).digest()) if is_one else None

    def has(self, key: ApiKey) -> bool:
        """Whether a key that was found earlier is still there, and may what it might."""
        if key.id:
            return self.named.get(key.id) == key
        return not key.digest or any(hashlib.sha256(plain).digest() == key.digest for plain in self.plain)


def digest_of(key: str, hash_key: bytes) -> bytes:
    """What is kept of a key."""
    return hashlib.blake2b(key.encode(), key=hash_key, digest_size=32, person=_PERSON).digest()


def make_key() -> tuple[str, str]:
    """A new key, and its id."""
    an_id = "".join(secrets.choice(_ID_CHARACTERS) for _ in range(_ID_LENGTH))
    return f"{PREFIX}{an_id}_{secrets.token_urlsafe(_SECRET_BYTES)}", an_id
