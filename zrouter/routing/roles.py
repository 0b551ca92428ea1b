"""Roles: what a peer may say, by its key.

Owns: the roles, and which kinds of messages each is for. Must not know: keys, where roles come from.

Without keys there are no roles, and all may say everything. A key has one role or several.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from zrouter import wire

FRONTEND: Final = "frontend"
SENDER: Final = "sender"
INSPECTOR: Final = "inspector"
ADMIN: Final = "admin"

# What everybody says to be there.
_ALL: Final = (wire.Hello, wire.Heartbeat, wire.Goodbye)
KINDS: Final[dict[str, tuple[type, ...]]] = {
    FRONTEND: (wire.Login, wire.Logout, wire.Resume, wire.Watch, wire.Unwatch, wire.Revocations),
    SENDER: (wire.Send, wire.Publish),
    INSPECTOR: (wire.Who, wire.Stats, wire.Related),
    ADMIN: (wire.Kick, wire.Follows, wire.Unfollows, wire.Related, wire.Revoke),
}
ROLES: Final = tuple(KINDS)


class Identity(NamedTuple):
    """Whose key a connection has: its name in the allow list, its roles, and its public half."""

    key: str
    roles: frozenset[str]
    public: str


def may_say(roles: Iterable[str]) -> frozenset[type]:
    """The kinds of messages that these roles are for."""
    return frozenset(_ALL).union(*(KINDS[role] for role in roles))


def needed(kind: type) -> str:
    """The roles that such a message is for, in words."""
    return " or ".join(role for role, kinds in KINDS.items() if kind in kinds)
