"""What a WebSocket client may ask for: to be further ids or fewer, to watch, to say how far it is.

Owns: the reading of its messages. Must not know: sockets.
"""

from __future__ import annotations

import msgspec

from zfront.visit import MAX_IDS, MAX_WATCHED, BadVisitError
from zrouter.wire import WireError, check_ids


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """`{"login": [ID...], "logout": [ID...], "watch": [ID...], "unwatch": [ID...], "ack": OFFSET}`.

    Each of them may be missing.
    """

    login: list[str] = []
    logout: list[str] = []
    watch: list[str] = []
    unwatch: list[str] = []
    ack: str = ""


_decode = msgspec.json.Decoder(Wish).decode


def read_wish(message: str | bytes) -> Wish:
    """Read a client's message.

    Raises:
        BadVisitError: it is none, or has a bad id.
    """
    try:
        wish = _decode(message)
        if max(map(len, (wish.login, wish.logout))) > MAX_IDS:
            raise BadVisitError(f"more than {MAX_IDS} ids")
        if max(map(len, (wish.watch, wish.unwatch))) > MAX_WATCHED:
            raise BadVisitError(f"more than {MAX_WATCHED} ids to watch")
        check_ids(as_ids(wish.login + wish.watch))
    except (msgspec.MsgspecError, UnicodeDecodeError, WireError, RecursionError) as error:
        raise BadVisitError(str(error)) from None
    return wish


def as_ids(names: list[str]) -> list[bytes]:
    """The bytes of ids."""
    return [name.encode() for name in names]
