"""What a WebSocket client may ask for: to be further ids or fewer, to watch, to say how far it is.

Owns: the reading of its messages. Must not know: sockets.
"""

from __future__ import annotations

import msgspec

from zfront.requests.stream_request import MAX_IDS, MAX_WATCHED, BadStreamRequestError
from zrouter.wire import WireError, check_ids


class ClientCommand(msgspec.Struct, forbid_unknown_fields=True):
    """`{"login": [ID...], "logout": [ID...], "watch": [ID...], "unwatch": [ID...], "ack": OFFSET,
    "token": TOKEN}`.

    Each of them may be missing.
    """

    login: list[str] = []
    logout: list[str] = []
    watch: list[str] = []
    unwatch: list[str] = []
    ack: str = ""
    token: str = ""


_decode = msgspec.json.Decoder(ClientCommand).decode


def read_command(message: str | bytes) -> ClientCommand:
    """Read a client's message.

    Raises:
        BadVisitError: it is none, or has a bad id.
    """
    try:
        command = _decode(message)
        if max(map(len, (command.login, command.logout))) > MAX_IDS:
            raise BadStreamRequestError(f"more than {MAX_IDS} ids")
        if max(map(len, (command.watch, command.unwatch))) > MAX_WATCHED:
            raise BadStreamRequestError(f"more than {MAX_WATCHED} ids to watch")
        check_ids(as_ids(command.login + command.watch))
    except (msgspec.MsgspecError, UnicodeDecodeError, WireError, RecursionError) as error:
        raise BadStreamRequestError(str(error)) from None
    return command


def as_ids(names: list[str]) -> list[bytes]:
    """The bytes of ids."""
    return [name.encode() for name in names]
