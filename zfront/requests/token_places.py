"""Where in a request a token may stand: header, query, cookie, and a WebSocket's subprotocols.

Owns: the finding of it, and that there is one. Must not know: what is in a token.

A token that stands twice, or two that differ, are refused (RFC 6750, section 2): none outvotes another.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from zfront.requests.credentials import Secret

SUBPROTOCOL: Final = "zcomet"
_BEARER: Final = "bearer."
_SCHEME: Final = re.compile(r"bearer +([^ ]+)", re.IGNORECASE).fullmatch
_NO_TOKEN: Final = "a token is needed, and it has to be good"


class NotAdmittedError(Exception):
    """A request is refused: with this status, these words for the client, and a counter's name."""

    def __init__(self, status: int, text: str, reason: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.reason = reason


class TokenHeaders(NamedTuple):
    """The lines of a request in which a token may stand, or that say whose page asks; each as often as it
    came, read as Latin-1.
    """

    authorizations: Sequence[str] = ()
    cookies: Sequence[str] = ()
    protocols: Sequence[str] = ()
    fetch_site: str = ""
    origin: str = ""
    host: str = ""

    def __repr__(self) -> str:
        return f"TokenHeaders(<secret>, {self.fetch_site!r}, {self.origin!r}, {self.host!r})"


class Found(NamedTuple):
    """A token, and whether only a cookie had it: a browser sends that whoever's page asks."""

    token: Secret
    is_from_cookie: bool


def refused(reason: str) -> NotAdmittedError:
    """One answer for all that is wrong with a token: the reason is for the counter alone."""
    return NotAdmittedError(401, _NO_TOKEN, reason)


def offers_subprotocol(protocols: Sequence[str]) -> bool:
    """Whether a WebSocket's client offers ours (RFC 6455, 4.1): browsers want one of theirs chosen."""
    return SUBPROTOCOL in _offered(protocols)


def find_token(
    said: TokenHeaders, in_query: Sequence[str], is_websocket: bool, cookie_name: str = ""
) -> Found:
    """The token of a request. `in_query` are the values of `token`; `cookie_name` empty: cookies don't count.

    Raises:
        NotAdmittedError: it has none, or more than one.
    """
    elsewhere = {*_in_header(said.authorizations), *_beside_headers(said, in_query, is_websocket)}
    in_cookie = _in_cookies(said.cookies, cookie_name) if cookie_name else set()
    if len(elsewhere | in_cookie) > 1:
        raise NotAdmittedError(400, "there is more than one token", "several")
    for token in elsewhere or in_cookie:
        return Found(Secret(token), not elsewhere)
    raise refused("missing")


def find_elsewhere(said: TokenHeaders, in_query: Sequence[str], is_websocket: bool) -> str:
    """The token that stands where no header is: in the query or a subprotocol; empty if there is none.

    Raises:
        NotAdmittedError: there are two, or Authorization has other credentials.
    """
    found = _beside_headers(said, in_query, is_websocket)
    if len(found) > 1 or (found and said.authorizations):
        raise NotAdmittedError(400, "there is more than one token", "several")
    return next(iter(found), "")


def _beside_headers(said: TokenHeaders, in_query: Sequence[str], is_websocket: bool) -> set[str]:
    return {*_in_query(in_query), *(_in_protocols(said.protocols) if is_websocket else ())}


def _in_header(lines: Sequence[str]) -> set[str]:
    if len(lines) > 1:
        raise NotAdmittedError(400, "Authorization can stand once", "several")
    if not lines:
        return set()
    found = _SCHEME(lines[0].strip(" \t"))
    if found is None:  # other credentials are not none: nobody may take them for the cookie's
        raise refused("scheme")
    return {found[1]}


def _in_query(values: Sequence[str]) -> set[str]:
    if len(values) > 1:
        raise NotAdmittedError(400, "token can stand once", "several")
    return set(values)


def _in_protocols(lines: Sequence[str]) -> set[str]:
    offered = _offered(lines)
    tokens = [one.removeprefix(_BEARER) for one in offered if one.startswith(_BEARER)]
    if not tokens:
        return set()
    if len(tokens) > 1 or not tokens[0] or SUBPROTOCOL not in offered:
        raise NotAdmittedError(
            400, f"Sec-WebSocket-Protocol has to be {SUBPROTOCOL}, {_BEARER}TOKEN", "several"
        )
    return set(tokens)


def _offered(lines: Sequence[str]) -> list[str]:
    return [one.strip(" \t") for line in lines for one in line.split(",")] if lines else []


def _in_cookies(lines: Sequence[str], name: str) -> set[str]:
    """The values of that cookie; an empty one is none. Names are bytes: nothing but blanks is trimmed."""
    prefix = name + "="
    found = set()
    for line in lines:
        for pair in line.split(";"):
            pair = pair.strip(" \t")
            if pair.startswith(prefix) and (value := pair[len(prefix) :].strip('"')):
                found.add(value)
    return found
