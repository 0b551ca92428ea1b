"""What a WebSocket client may ask for: to be further ids, or fewer; and to say how far it has come.

Owns: the reading of its messages. Must not know: sockets.
"""

from __future__ import annotations

import msgspec

from zfront.visit import MAX_IDS, BadVisitError
from zrouter.wire import WireError, check_ids


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """`{"login": [ID...], "logout": [ID...], "ack": OFFSET}`, each of them may be missing."""

    login: list[str] = []
    logout: list[str] = []
    ack: str = ""

    def logins(self) -> list[bytes]:
        """The ids to be."""
        return [an_id.encode() for an_id in self.login]

    def logouts(self) -> list[bytes]:
        """The ids not to be any more."""
        return [an_id.encode() for an_id in self.logout]


_decode = msgspec.json.Decoder(Wish).decode


def read_wish(message: str | bytes) -> Wish:
    """Read a client's message.

    Raises:
        BadVisitError: it is none, or has a bad id.
    """
    try:
        wish = _decode(message)
        check_ids(wish.logins())
    except (msgspec.MsgspecError, WireError, RecursionError) as error:
        raise BadVisitError(str(error)) from None
    if len(wish.login) > MAX_IDS:
        raise BadVisitError(f"more than {MAX_IDS} ids")
    return wish
