"""The messages on the link between a peer and the router, and their bytes both ways.

Owns: every message kind, its fields, its limits and its msgpack form. Must not know: sockets, who is
logged in, what anybody does with a message. The same in prose, with examples in bytes: docs/wire-protocol.md.

A frame is one msgpack array: ``[kind, field, field ...]``. Receivers ignore fields behind the ones they
know, so a later minor version may append some.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, repeat
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta

from zrouter.errors import WireError as WireError

VERSION: Final = 1
DEFAULT_ROUTER: Final = "tcp://127.0.0.1:5570"
MAX_ID_BYTES: Final = 255
DEFAULT_MAX_MESSAGE_BYTES: Final = 64 * 1024
# A sender splits its batches so that no frame is longer. One message of the default size fits 16 times.
DEFAULT_MAX_FRAME_BYTES: Final = 1024 * 1024
# What a Send frame adds to its pairs and key, at the most, to each pair, and so to a message alone in it.
SEND_BYTES: Final = 64
PAIR_BYTES: Final = 8
MAX_KEY_BYTES: Final = 255
LONE_MESSAGE_BYTES: Final = SEND_BYTES + MAX_KEY_BYTES + PAIR_BYTES + MAX_ID_BYTES
# A Deliver whose fans have so many ids is acknowledged at once, by a Heartbeat: the router waits for that.
FAN_IDS: Final = 100
# Ids in one login, logout, who or kick frame: 2,000 ids of 10 bytes are a frame of about 25 KB.
MAX_IDS_PER_FRAME: Final = 10_000
# Ids in a page of followers: a millisecond of the router's.
MAX_RELATIONS: Final = 2000

# Bytes of Presence frames that may be under way to a peer: beyond it, states wait, and the last one is told.
PRESENCE_WINDOW: Final = 1024 * 1024
# A report is some dozens of figures; the router keeps the last one of each peer.
MAX_HEARTBEAT_BYTES: Final = 4096

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


class Error(Message, tag=72):
    """Something from you was refused. `request` = its number, if it could be read, else 0.

    `refused` = messages of a Send or Publish that were not routed because of it.
    """

    request: Request
    code: str
    text: str
    refused: Count = 0


# The codes of Error, each with what it means. A peer acts on the code and shows the text.
NOT_UNDERSTOOD: Final = "not-understood"
WRONG_VERSION: Final = "wrong-version"
SAY_HELLO: Final = "say-hello"
TOO_LARGE: Final = "too-large"
BAD_ID: Final = "bad-id"
FULL: Final = "full"
KEY_REUSED: Final = "key-reused"
NO_STORE: Final = "no-store"
STORE_FAILED: Final = "store-failed"

ERROR_CODES: Final[dict[str, str]] = {
    NOT_UNDERSTOOD: "the frame is not a message of this protocol",
    WRONG_VERSION: "the peer speaks a version that the router does not",
    SAY_HELLO: "the router does not know this connection: it wants a Hello first",
    TOO_LARGE: "a message is longer than max_message, a frame than max_frame, a heartbeat than 4,096 bytes",
    BAD_ID: "an id is not 1 to 255 bytes of UTF-8, or the numbers of ids and connections differ",
    FULL: "a table has reached its limit",
    KEY_REUSED: "a Send or Publish has the key of another one with other messages",
    NO_STORE: "the router runs without a store of follows",
    STORE_FAILED: "the store of follows could not do it; what it held is untouched",
}

# Why a client can't have all that it missed.
EVICTED: Final = "evicted"
RESTARTED: Final = "restarted"

GAPS: Final[dict[str, str]] = {
    EVICTED: "some of it is too old, or was too much to be kept",
    RESTARTED: "the router was started again since, and what it had kept is gone",
}

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
)


encode = msgspec.msgpack.Encoder().encode
# For the router's hot path, bare: it raises one of UNREADABLE for what is not a message; then ask `explain`.
decode_to_router: Final[Callable[[bytes], ToRouter]] = msgspec.msgpack.Decoder(ToRouter).decode
UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_decode_from_router = msgspec.msgpack.Decoder(FromRouter).decode
# Kinds whose first field is a request number.
_ASKING: Final = (2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
_CARRYING: Final = (4, 16)  # kinds that have messages
_decode_any = msgspec.msgpack.Decoder().decode


def decode_from_router(frame: bytes) -> FromRouter:
    """Read a frame that the router sent.

    Raises:
        WireError: it is not a message.
    """
    try:
        message: FromRouter = _decode_from_router(frame)
    except UNREADABLE as error:
        raise explain(frame, error) from None
    return message


def check_ids(ids: Sequence[bytes]) -> None:
    """Refuse ids that are not 1 to 255 bytes of UTF-8 each.

    Raises:
        WireError: with code BAD_ID.
    """
    for an_id in ids:
        if not 1 <= len(an_id) <= MAX_ID_BYTES:
            raise WireError(BAD_ID, f"an id has 1 to {MAX_ID_BYTES} bytes, not {len(an_id)}")
    try:
        # A line feed can't be part of a longer UTF-8 sequence, so the joined bytes are valid if all ids are.
        b"\n".join(ids).decode()
    except UnicodeDecodeError:
        raise WireError(BAD_ID, "an id is not UTF-8") from None


def check_hello(hello: Hello, address: bytes) -> None:
    """Refuse a peer that speaks another version, or that chose its own routing id.

    ROUTER makes up routing ids that begin with a zero byte; another peer can guess one that was chosen.

    Raises:
        WireError: with code WRONG_VERSION or NOT_UNDERSTOOD.
    """
    if hello.version != VERSION:
        raise _wrong_version(hello.version)
    if address[:1] != b"\0":
        raise WireError(NOT_UNDERSTOOD, "leave the routing id (ZMQ_ROUTING_ID) to the router")


def _wrong_version(version: object) -> WireError:
    return WireError(WRONG_VERSION, f"this router speaks version {VERSION}, not {version!r:.20}")


class _Head(msgspec.Struct, array_like=True, gc=False):
    """The first fields of a frame that may be anything; no more of it than that is made into objects."""

    kind: msgspec.Raw = msgspec.Raw()
    second: msgspec.Raw = msgspec.Raw()
    third: msgspec.Raw = msgspec.Raw()


_decode_head = msgspec.msgpack.Decoder(_Head).decode
_ONE_NUMBER: Final = 9  # bytes of the longest
# First bytes of numbers and arrays, with how many bytes they and what belongs to them are; others: 1.
_HEADS: Final = {0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9, 0xDC: 3, 0xDD: 5}


def explain(frame: bytes, error: Exception) -> WireError:
    """Say what is wrong; a Hello of another version may differ in all but its first two fields."""
    try:
        head = _decode_head(frame)
    except UNREADABLE:
        return WireError(NOT_UNDERSTOOD, "not a msgpack array")
    if _number(head.kind) == 1 and head.second and _number(head.second) != VERSION:
        return _wrong_version(_number(head.second))
    # Bounded bytes are ids everywhere but in Hello's `instance`.
    an_id = "Expected `bytes` of length" in str(error) and not str(error).endswith("`$[3]`")
    return WireError(BAD_ID if an_id else NOT_UNDERSTOOD, str(error)[:200], *_carried(head))


def refused_unread(frame: bytes, error: WireError) -> WireError:
    """The same error, with the request and the number of messages of a frame that is too long to be read."""
    begin = frame[:32]
    kind_at = _HEADS.get(begin[0], 1) if begin else 0
    request_at = kind_at + 1
    third_at = request_at + _HEADS.get(begin[request_at], 1) if request_at < len(begin) else 0
    parts = begin[kind_at:request_at], begin[request_at:third_at], begin[third_at:]
    try:
        return WireError(error.code, str(error), *_carried(_Head(*map(msgspec.Raw, parts))))
    except UNREADABLE:
        return error


def _carried(head: _Head) -> tuple[int, int]:
    """Its request, and how many messages it has."""
    kind, request = _number(head.kind), _number(head.second)
    if kind not in _ASKING:
        return 0, 0
    is_request = type(request) is int and 0 <= request < 2**63
    return request if is_request else 0, _length(head.third) if kind in _CARRYING else 0


def _number(raw: msgspec.Raw) -> Any:
    """What it is, if it is no longer than a number and can be read; else None."""
    try:
        return _decode_any(raw) if 0 < len(raw) <= _ONE_NUMBER else None
    except UNREADABLE:  # text that is no UTF-8
        return None


def _length(raw: msgspec.Raw) -> int:
    """Of an array, by its first bytes; 0 if it is none."""
    begin = bytes(memoryview(raw)[:5])
    if begin and begin[0] & 0xF0 == 0x90:
        return begin[0] & 0x0F
    if begin[:1] in (b"\xdc", b"\xdd"):
        return int.from_bytes(begin[1 : 3 if begin[0] == 0xDC else 5])
    return 0
