"""Grants: which ids a token is good for.

Owns: their grammar, and whether an id is among them. Must not know: tokens, what is done with an id.

An entry is an id, or ends in `:*` or `/*` and so stands for every id that begins with what is before the
star. `{sub}` is the token's subject, put in as its bytes after the entry was read, so that no subject makes a
pattern of one. Ids are bytes: nothing is normalized, and case counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from zrouter.tokens.errors import GRANT, TokenError
from zrouter.wire import WireError, check_ids

MOST_ENTRIES: Final = 256
SUB: Final = "{sub}"
_STARS: Final = (":*", "/*")


class Grant(NamedTuple):
    """Some ids, and prefixes of ids."""

    ids: frozenset[bytes] = frozenset()
    prefixes: tuple[bytes, ...] = ()

    def allows(self, an_id: bytes) -> bool:
        """Whether that id is among them: a prefix alone is not."""
        if an_id in self.ids:
            return True
        return any(len(an_id) > len(prefix) and an_id.startswith(prefix) for prefix in self.prefixes)

    def first_refused(self, ids: Iterable[bytes]) -> bytes | None:
        """The first of these that is not among them."""
        for an_id in ids:
            if not self.allows(an_id):
                return an_id
        return None


NOTHING: Final = Grant()


def only(an_id: bytes | None) -> Grant:
    """That id and no other; nothing without one."""
    return NOTHING if an_id is None else Grant(frozenset((an_id,)))


def read_grant(name: str, entries: Any, sub: str | None) -> Grant:
    """What the claim `name` grants.

    Raises:
        TokenError: it is no list of at most 256 entries, or one is none.
    """
    if not isinstance(entries, list):
        raise TokenError(GRANT, f"{name} is not a list")
    if len(entries) > MOST_ENTRIES:
        raise TokenError(GRANT, f"{name} has more than {MOST_ENTRIES} entries")
    ids: list[bytes] = []
    prefixes: dict[bytes, None] = {}
    for entry in entries:
        if not isinstance(entry, str):
            raise TokenError(GRANT, f"{name} has an entry that is not text")
        pattern, is_prefix = _parsed(name, entry)
        granted = _filled(name, pattern, sub)
        if is_prefix:
            prefixes[granted] = None
        else:
            ids.append(granted)
    return Grant(frozenset(ids), tuple(prefixes))


def _parsed(name: str, entry: str) -> tuple[str, bool]:
    """The entry without its star, and whether it had one."""
    is_prefix = entry.endswith(_STARS) and len(entry) > len(_STARS[0])
    pattern = entry[:-1] if is_prefix else entry
    if "*" in pattern:
        raise TokenError(GRANT, f"{name}: a star can only stand at the end, behind ':' or '/' and more")
    bare = pattern.replace(SUB, "")
    if "{" in bare or "}" in bare:
        raise TokenError(GRANT, f"{name}: braces are for {SUB} alone")
    return pattern, is_prefix


def _filled(name: str, pattern: str, sub: str | None) -> bytes:
    if SUB in pattern:
        pattern = pattern.replace(SUB, _subject(name, pattern, sub))
    try:
        granted = pattern.encode()
        check_ids([granted])
    except (UnicodeEncodeError, WireError):
        raise TokenError(GRANT, f"{name} has an entry that is no id: 1 to 255 bytes of UTF-8") from None
    return granted


def _subject(name: str, pattern: str, sub: str | None) -> str:
    """The subject, if it can stand in that pattern without meaning somebody else there."""
    if sub is None:
        raise TokenError(GRANT, f"{name} has {SUB}, and the token has no sub")
    if "*" in sub or not sub.isprintable():
        raise TokenError(GRANT, f"{name} has {SUB}, and sub has a star or characters that can't be seen")
    if (":" in sub or "/" in sub) and not pattern.endswith(SUB):
        raise TokenError(GRANT, f"{name} has more behind {SUB}, and sub has a ':' or '/'")
    return sub
