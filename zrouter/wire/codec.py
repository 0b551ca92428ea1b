"""The bytes of a message, both ways, and in words what is wrong with bytes that are none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from zrouter.errors import WireError
from zrouter.wire.error_codes import BAD_ID, NOT_UNDERSTOOD, WRONG_VERSION
from zrouter.wire.limits import MAX_ID_BYTES, VERSION
from zrouter.wire.messages import FromRouter, Hello, ToRouter

encode = msgspec.msgpack.Encoder().encode
# For the router's hot path, bare: it raises one of UNREADABLE for what is not a message; then ask `explain`.
decode_to_router: Final[Callable[[bytes], ToRouter]] = msgspec.msgpack.Decoder(ToRouter).decode
UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_decode_from_router = msgspec.msgpack.Decoder(FromRouter).decode
# Kinds whose first field is a request number.
_ASKING: Final = (2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
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
