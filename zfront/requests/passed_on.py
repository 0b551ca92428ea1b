"""What of a request is passed on to a backend that is asked whom it may be: headers and cookies of two lists.

Owns: which, how they are put, and the name under which an answer is kept. Must not know: HTTP clients,
answers.

The name is a keyed hash of each part with its length, so that no two requests with other credentials have the
same, and nothing of them can be read from it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from zfront.requests.credentials import Secret, is_name
from zfront.requests.token_places import NotAdmittedError, refused

# Of one connection (RFC 9110, 7.6.1), of the message itself, or set by us alone.
_NEVER: Final = frozenset(
    ("connection", "content-length", "content-type", "cookie", "expect", "host", "keep-alive", "te",
     "trailer", "transfer-encoding", "upgrade")
)  # fmt: skip
_OURS: Final = ("proxy", "x-zcomet-", "sec-websocket-")
_MOST_BYTES: Final = 8192
# A field's value (RFC 9110, 5.5), as its bytes read as Latin-1.
_VALUE: Final = re.compile(r"[\t \x21-\x7e\x80-\xff]+").fullmatch
_TOKEN: Final = re.compile(r"[\x21-\x7e]+").fullmatch


class PassedOn:
    """`headers` and `cookies` are names, with commas between.

    Raises:
        ValueError: one of them is none, or may not be passed on.
    """

    def __init__(self, headers: str, cookies: str) -> None:
        self.headers = _names(headers)
        self.cookies = _names(cookies)
        for name in self.headers:
            if name.lower() in _NEVER or name.lower().startswith(_OURS):
                raise ValueError(f"{name} can't be passed on")
        if not self.headers and not self.cookies:
            raise ValueError("nothing is passed on, so nobody could be told from another")
        self._secret = os.urandom(32)

    def find(self, said: Mapping[str, list[str]], token: str) -> Found | None:
        """What to pass on of these headers, by their small names; None: nothing of it is there.

        `token` is one that stood elsewhere: it goes on as Authorization.

        Raises:
            NotAdmittedError: a header came twice, or is too long.
        """
        found: dict[str, str] = {}
        if token and not _TOKEN(token):
            raise refused("malformed")
        for name in self.headers:
            values = said.get(name.lower(), [])
            if len(values) > 1:
                raise NotAdmittedError(400, f"{name} can stand once", "several")
            if values and values[0]:
                found[name] = values[0]
        if token and "authorization" in (name.lower() for name in self.headers):
            found.setdefault("Authorization", f"Bearer {token}")
        kept = self._cookies(said.get("cookie", []))
        if kept:
            found["Cookie"] = "; ".join(f"{name}={value}" for name, value in kept)
        if not found:
            return None
        if sum(map(len, found.values())) > _MOST_BYTES:
            raise NotAdmittedError(400, "the credentials are too long", "too_long")
        if not all(map(_VALUE, found.values())):
            raise refused("malformed")
        # A browser sends a cookie whichever page asks. A page of another site can put a token into its URL,
        # but no Authorization into a request, unless we let it.
        needs_page = bool(kept) and not said.get("authorization")
        return Found({name: Secret(value) for name, value in found.items()}, self._key(found), needs_page)

    def _cookies(self, lines: Iterable[str]) -> list[tuple[str, str]]:
        found: dict[str, str] = {}
        for line in lines:
            for pair in line.split(";"):
                name, is_one, value = pair.strip(" \t").partition("=")
                if not is_one or name not in self.cookies:
                    continue
                if found.setdefault(name, value) != value:
                    raise NotAdmittedError(400, f"the cookie {name} came twice", "several")
        return list(found.items())

    def _key(self, found: Mapping[str, str]) -> bytes:
        digest = hashlib.blake2b(key=self._secret, digest_size=32)
        for name in sorted(found):
            for part in (name.encode(), found[name].encode("utf-8", "surrogateescape")):
                digest.update(b"%d " % len(part))
                digest.update(part)
        return digest.digest()


class Found(NamedTuple):
    """Headers to pass on, and the name of their answer; `needs_page`: whose page asks has to be looked at."""

    headers: Mapping[str, str]
    key: bytes
    needs_page: bool


def _names(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, map(str.strip, text.split(","))))
    for name in names:
        if not is_name(name):
            raise ValueError(f"{name!r} is no name of a header or a cookie")
    if len({name.lower() for name in names}) < len(names):
        raise ValueError("one of them stands there twice")
    return names
