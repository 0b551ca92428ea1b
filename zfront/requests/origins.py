"""Which pages may read what we say: the origins of the setting `--cors`, and our own.

Owns: the rules of Origin (RFC 6454) and CORS (WHATWG's Fetch standard, section 3.2). Must not know: requests.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final, NamedTuple

_NAME: Final = r"(\[[0-9A-Fa-f:.]+\]|[^\s/:@?#\[\]\\]+)"
_ORIGIN: Final = re.compile(rf"([A-Za-z][A-Za-z0-9+.-]*)://{_NAME}(?::([0-9]{{1,5}}))?").fullmatch
_HOST: Final = re.compile(rf"{_NAME}(?::([0-9]{{0,5}}))?").fullmatch
_PORTS: Final = {"http": 80, "https": 443}
_READABLE: Final = "Allow, ETag, Link, Retry-After, WWW-Authenticate"


class Origin(NamedTuple):
    """Two are the same if these are (RFC 6454, sections 4 and 5)."""

    scheme: str
    host: str
    port: int


def read_origin(text: str) -> Origin | None:
    """The origin that a header names; None if it is "null", or none."""
    found = _ORIGIN(text)
    name = found and _name(found[2])
    if not found or not name:
        return None
    scheme = found[1].lower()
    return Origin(scheme, name, int(found[3]) if found[3] else _PORTS.get(scheme, 0))


def read_host(text: str) -> tuple[str, int] | None:
    """The name and the port of a Host header; port 0 if it has none; None if it is no host."""
    found = _HOST(text.strip(" \t"))
    name = found and _name(found[1])
    return (name, int(found[2] or 0)) if found and name else None


def _name(text: str) -> str | None:
    """In one spelling: small letters, no dot at the end, IPv6 as short as it can be."""
    if text.startswith("["):
        try:
            return f"[{IPv6Address(text[1:-1])}]"
        except ValueError:
            return None
    return text.lower().removesuffix(".") or None


class Origins:
    """`allowed` is a list with commas, such as `https://a.example,https://b.example`, or `*` for all.

    `credentials`: pages of the origins that are named may send cookies along, and read the answer.

    Raises:
        ValueError: one of them is no origin; or all may, with credentials.
    """

    def __init__(self, allowed: str, credentials: bool = False) -> None:
        self._is_any = allowed.strip() == "*"
        self._credentials = credentials
        named = [one.strip().removesuffix("/") for one in allowed.split(",") if one.strip()]
        self._allowed: set[Origin] = set()
        self._is_null_allowed = "null" in named and not self._is_any
        for one in [] if self._is_any else named:
            if one == "null":
                continue
            origin = read_origin(one)
            if origin is None:
                raise ValueError(f"{one!r} is no origin, such as https://example.org")
            self._allowed.add(origin)
        if credentials and (self._is_any or not self._allowed or self._is_null_allowed):
            raise ValueError("credentials are for origins that are named")
        self.lines = lru_cache(256)(self._lines)

    def answer(self, origin: str) -> str:
        """What Access-Control-Allow-Origin is to say to a page of that origin; empty: nothing."""
        if self._is_any:
            return "*"
        if origin == "null":
            return "null" if self._is_null_allowed else ""
        return origin if self._allowed and read_origin(origin) in self._allowed else ""

    def may_open(self, origin: str, host: str) -> bool:
        """Whether such a page may open a WebSocket here: browsers ask nobody else.

        Programs say no origin, and may.
        """
        return not origin or bool(self.answer(origin)) or _is_own(origin, host)

    def headers(self, origin: str) -> list[tuple[str, str]]:
        """What every answer says to a page of that origin (empty: none is named), errors and HEAD as well."""
        if not self._is_any and not self._allowed and not self._is_null_allowed:
            return []
        # Whether it says more depends on the origin, also where it says nothing: caches have to know.
        found = [] if self._is_any else [("Vary", "Origin")]
        if answer := self.answer(origin) if origin else "":
            found += [("Access-Control-Allow-Origin", answer), ("Access-Control-Expose-Headers", _READABLE)]
            if self._credentials and answer not in ("*", "null"):
                found.append(("Access-Control-Allow-Credentials", "true"))
        return found

    def _lines(self, origin: str) -> bytes:
        """The same as lines of a head."""
        return "".join(f"{name}: {value}\r\n" for name, value in self.headers(origin)).encode("latin-1")


def _is_own(origin: str, host: str) -> bool:
    """Whether it is ours: where Host has no port, it is the one of the origin's scheme (RFC 9110, 4.2)."""
    page, here = read_origin(origin), read_host(host)
    if page is None or here is None or page.scheme not in _PORTS:
        return False
    return page.host == here[0] and page.port == (here[1] or _PORTS[page.scheme])
