"""The messages on the link between a peer and the router: every kind, and its fields.

A frame is one msgpack array: ``[kind, field, field ...]``. Receivers ignore fields behind the ones they know,
so a later minor version may append some. The same in prose, with examples in bytes: docs/wire-protocol.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta

from zrouter.wire.limits import (
    MAX_ID_BYTES,
    MAX_IDS_PER_FRAME,
    MAX_KEY_BYTES,
    MAX_RELATIONS,
    MAX_REVOCATIONS_PER_FRAME,
    MAX_TOKEN_ID_BYTES,
)

Id = Annotated[bytes, Meta(min_length=1, max_length=MAX_ID_BYTES)]
Ids = Annotated[list[Id], Meta(max_length=MAX_IDS_PER_FRAME)]
# 0 asks for no answer; any other number comes back in the answer.
Request = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Handed = Annotated[int, Meta(ge=-1, le=2**63 - 1)]
KEPT: Final = -1
Key = Annotated[bytes, Meta(max_length=MAX_KEY_BYTES)]
Pair: TypeAlias = tuple[Id, bytes]
# A message on its way to a frontend: id, message, and its position among all that the router took.
Delivery: TypeAlias = tuple[Id, bytes, Count]
# One message on its way to many ids of a frontend: the position of the last, the message, and these ids.
Fan: TypeAlias = tuple[Count, bytes, list[Id]]
# Which positions the ids of a Fan have, in order: first, count, first, count ..., each of them one more.
Spans: TypeAlias = list[Count]
# An id that is watched, and on how many connections it is.
State: TypeAlias = tuple[Id, Count]
# A subscriber and a subscribee.
Follow: TypeAlias = tuple[Id, Id]
Report: TypeAlias = dict[str, int | float | str]
# Tokens that are good no longer: `(kind, value, before, until)`. Of REVOKED_SUB those with this `sub` that
# were made (`iat`) before that Unix time [s], or say nothing of it; of REVOKED_ALL all such ones, the value
# is empty; of REVOKED_JTI the one with this `jti`. Remembered until that Unix time [s]; one whose time is
# over ends connections and nothing more.
REVOKED_SUB: Final = 1
REVOKED_JTI: Final = 2
REVOKED_ALL: Final = 3
Revocation: TypeAlias = tuple[
    Annotated[int, Meta(ge=REVOKED_SUB, le=REVOKED_ALL)],
    Annotated[bytes, Meta(max_length=MAX_TOKEN_ID_BYTES)],
    Count,
    Count,
]


class Message(msgspec.Struct, array_like=True, gc=False):
    """What every message is: a record whose first element on the wire is its kind."""


# ---- from a peer to the router --------------------------------------------------------------------


class Hello(Message, tag=1):
    """First on every connection. `instance` is made of random bytes once per process (or client)."""

    version: Count
    name: Annotated[str, Meta(max_length=255)]
    instance: Annotated[bytes, Meta(min_length=8, max_length=32)]
    # How long the router may hear nothing before it forgets the peer. It answers with what it grants:
    # never less than its own lease, so 0 asks for that one.
    lease_ms: Count


class Login(Message, tag=2):
    """`ids[i]` is now on `connections[i]` connections of this peer: a state, not a step, so twice is once."""

    request: Request
    ids: Ids
    connections: list[Annotated[int, Meta(ge=1, le=2**31 - 1)]]


class Logout(Message, tag=3):
    """None of `ids` is on any connection of this peer any more."""

    request: Request
    ids: Ids


class Send(Message, tag=4):
    """A batch of `(id, message)`. With a request number it is answered in Receipts.

    `key` is the sender's name for it: sent again with the same key, it is not routed again.
    """

    request: Request
    pairs: list[Pair]
    key: Key = b""


class Heartbeat(Message, tag=5):
    """I am here. `received` = bytes of Deliver frames taken so far; `report` = figures for `stats`.

    `told` = bytes of Presence frames taken so far.
    """

    received: Count
    report: Report | None = None
    told: Count = 0


class Goodbye(Message, tag=6):
    """Forget me. Answered by Done when all that was sent before has been routed."""

    request: Request


class Who(Message, tag=7):
    """Which peers hold these ids? Answered by Holders."""

    request: Request
    ids: Ids


class Stats(Message, tag=8):
    """Answered by Figures."""

    request: Request


class Kick(Message, tag=9):
    """End every connection of these ids, wherever they are. Answered by Done with how many those are."""

    request: Request
    ids: Ids


class Resume(Message, tag=10):
    """What came for `ids` after `position`, in the life of the router that is called `epoch`?

    Answered by Resumed. Epoch 0 asks for nothing but where the messages of these ids are now.
    """

    request: Request
    ids: Ids
    epoch: Count
    position: Count


class Watch(Message, tag=11):
    """Tell me on how many connections each of these ids is, now and whenever that changes."""

    request: Request
    ids: Ids


class Unwatch(Message, tag=12):
    """Tell me of these ids no more."""

    request: Request
    ids: Ids


class Follows(Message, tag=13):
    """`(subscriber, subscribee)`: from now on these follow those. Answered by Done once it is on disk.

    Done's count = pairs that are new.
    """

    request: Request
    pairs: Annotated[list[Follow], Meta(max_length=MAX_IDS_PER_FRAME)]


class Unfollows(Message, tag=14):
    """The same of pairs that are to be forgotten; Done's count = pairs that there were."""

    request: Request
    pairs: Annotated[list[Follow], Meta(max_length=MAX_IDS_PER_FRAME)]


class Related(Message, tag=15):
    """Who follows this id, or whom does it follow? Answered by Relations, a page at a time.

    `after` = the last id of the page before, empty for the first; `limit` = ids of the page, 0 = only count.
    """

    request: Request
    id: Id
    is_followers: bool
    after: Annotated[bytes, Meta(max_length=MAX_ID_BYTES)]
    limit: Annotated[int, Meta(ge=0, le=MAX_RELATIONS)]


class Publish(Message, tag=16):
    """A batch of `(id, message)`, each for everyone who follows the id. Answered by Published, as Send."""

    request: Request
    pairs: list[Pair]
    key: Key = b""


class Revoke(Message, tag=17):
    """These tokens are good no longer. Answered by Done when that is on disk.

    Done's count = peers that were told.
    """

    request: Request
    revocations: Annotated[list[Revocation], Meta(max_length=MAX_REVOCATIONS_PER_FRAME)]


class Revocations(Message, tag=18):
    """Which tokens are good no longer, of those behind `after`? Answered by Revoked, and told from now on."""

    request: Request
    after: Count


# ---- from the router to a peer --------------------------------------------------------------------


class Welcome(Message, tag=64):
    """The answer to Hello: who the router is, and its terms."""

    version: Count
    epoch: Count  # another number each time a router starts
    lease_ms: Count
    heartbeat_ms: Count  # how often to send a Heartbeat
    max_message: Count
    max_frame: Count
    window: Count  # bytes of Deliver frames that may be under way; report `received` well before


class Deliver(Message, tag=65):
    """Messages for ids of this peer. `seq` = messages addressed to this peer before these, lost ones too.

    `fans` come behind `messages`: each stands for a message to each of its ids; `spans` has their positions.
    """

    seq: Count
    messages: list[Delivery]
    fans: list[Fan] = []
    spans: list[Spans] = []

    def fanned(self) -> Iterator[Delivery]:
        """The messages that `fans` stand for, in order; without `spans` those of a fan share its position."""
        for index, (last, message, ids) in enumerate(self.fans):
            spans = self.spans[index] if index < len(self.spans) else []
            firsts = zip(spans[::2], spans[1::2], strict=False)
            each = chain.from_iterable(range(first, first + count) for first, count in firsts)
            yield from zip(ids, repeat(message), chain(each, repeat(last)), strict=False)


class Receipts(Message, tag=66):
    """`(request, handed)` for each Send: `handed[i]` = connections that its pair i went to; 0 = nobody.

    KEPT = no connection, but it is in the mailbox of an id that left a short while ago.
    """

    receipts: list[tuple[Request, list[Handed]]]


class Pulse(Message, tag=67):
    """I am here. `seq` = messages addressed to this peer so far, those that were lost, too."""

    epoch: Count
    seq: Count = 0


class Done(Message, tag=68):
    """Done as asked.

    `count` = ids (login, logout, watch, unwatch), connections (kick), messages accepted (goodbye), pairs that
    changed (follows, unfollows).
    """

    request: Request
    count: Count


class Holders(Message, tag=69):
    """`holders[i]` = `[frontend, connections]` for each peer that holds id i."""

    request: Request
    holders: list[list[tuple[str, int]]]


class Figures(Message, tag=70):
    """The router's figures, by name; docs/operations.md explains each."""

    request: Request
    figures: dict[str, Any]


class Evict(Message, tag=71):
    """End every connection of these ids."""

    ids: list[Id]


class Resumed(Message, tag=73):
    """What a client of these ids has missed, and where it is now: it has all up to `position`.

    What is delivered later has a higher position, what was delivered before this a lower or the same.
    `gap` = why some of it is missing, one of GAPS; empty if nothing is. `seq` = as in Pulse.
    """

    request: Request
    position: Count
    gap: str
    messages: list[Delivery]
    seq: Count = 0


class Presence(Message, tag=74):
    """`(id, connections)` for ids that the peer watches: on so many connections now, 0 = on none."""

    states: list[State]


class Relations(Message, tag=75):
    """`total` = how many followers or subscribees there are; `ids` = a page of them, none behind the last."""

    request: Request
    total: Count
    ids: list[Id]


class Published(Message, tag=76):
    """`(followers, online, handed, kept)` for each message of a Publish, once all of them are handed over.

    Of its followers so many are logged in, on so many connections that it was handed to; so many have just
    left, and it is in their mailboxes.
    """

    request: Request
    receipts: list[tuple[Count, Count, Count, Count]]


class Revoked(Message, tag=77):
    """Tokens that are good no longer: those that have the numbers behind `after`, up to `last`.

    `more` = there are further ones: ask again. Request 0: it is news, nobody asked; without any it says where
    the numbers are, for those who have missed some.
    """

    request: Request
    after: Count
    last: Count
    more: bool
    revocations: list[Revocation]


class Error(Message, tag=72):
    """Something from you was refused. `request` = its number, if it could be read, else 0.

    `refused` = messages of a Send or Publish that were not routed because of it.
    """

    request: Request
    code: str
    text: str
    refused: Count = 0


ToRouter: TypeAlias = (
    Hello
    | Login
    | Logout
    | Send
    | Heartbeat
    | Goodbye
    | Who
    | Stats
    | Kick
    | Resume
    | Watch
    | Unwatch
    | Follows
    | Unfollows
    | Related
    | Publish
    | Revoke
    | Revocations
)
FromRouter: TypeAlias = (
    Welcome
    | Deliver
    | Receipts
    | Pulse
    | Done
    | Holders
    | Figures
    | Evict
    | Error
    | Resumed
    | Presence
    | Relations
    | Published
    | Revoked
)
