"""The JSON objects that programs get, whatever carries them: lines, WebSocket messages, answers to polls."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Final

import msgspec


class _Opened(msgspec.Struct, tag_field="event", tag="open", gc=False):
    offset: str


class _Gap(msgspec.Struct, tag_field="event", tag="gap", gc=False):
    offset: str
    reason: str


class _Presence(msgspec.Struct, tag_field="event", tag="presence", gc=False):
    id: str
    connections: int


class _Expiring(msgspec.Struct, tag_field="event", tag="expiring", gc=False):
    ends_in: int


class _Renewed(msgspec.Struct, tag_field="event", tag="renewed", gc=False):
    ends_in: int
    logged_out: list[str]
    unwatched: list[str]


class _Error(msgspec.Struct, tag_field="event", tag="error", gc=False):
    text: str


class _Text(msgspec.Struct, gc=False):
    id: str
    offset: str
    message: str


class _Binary(msgspec.Struct, gc=False):
    id: str
    offset: str
    base64: str


EXPIRED: Final = b'{"event":"expired"}'

_encoder = msgspec.json.Encoder()
# Line ends for who splits text by the Unicode Standard (5.8), as Python's splitlines does. JSON leaves these
# as they are; those below a space are always escaped (RFC 8259, 7). These bytes are in no other character.
_LINE_ENDS: Final = ((b"\xc2\x85", b"\\u0085"), (b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"))


def _encode(of: msgspec.Struct) -> bytes:
    """An object that is one line, however its reader finds the end of a line."""
    data = _encoder.encode(of)
    if not data.isascii():
        for end, escaped in _LINE_ENDS:
            data = data.replace(end, escaped)
    return data


def opened(offset: bytes) -> bytes:
    """The client is logged in, and misses nothing from here on."""
    return _encode(_Opened(offset.decode()))


def expiring(ends_in_s: int) -> bytes:
    """The client's token is good for so many seconds more."""
    return _encode(_Expiring(ends_in_s))


def renewed(ends_in_s: int, logged_out: Iterable[bytes], unwatched: Iterable[bytes]) -> bytes:
    """The client's new token is good for so many seconds, and not for these ids."""
    gone, unseen = ([an_id.decode() for an_id in ids] for ids in (logged_out, unwatched))
    return _encode(_Renewed(ends_in_s, gone, unseen))


def error(text: str) -> bytes:
    """What the client said can't be done, and why."""
    return _encode(_Error(text))


def message(an_id: bytes, message: bytes, offset: bytes) -> bytes:
    """A message: its text, or its bytes in base64 if they are not UTF-8."""
    try:
        return _encode(_Text(an_id.decode(), offset.decode(), message.decode()))
    except UnicodeDecodeError:
        return _encode(_Binary(an_id.decode(), offset.decode(), base64.b64encode(message).decode()))


def gap(why: str, offset: bytes) -> bytes:
    """Some messages before this are gone."""
    return _encode(_Gap(offset.decode(), why))


def presence(an_id: bytes, connections: int) -> bytes:
    """A watched id is on so many connections now."""
    return _encode(_Presence(an_id.decode(), connections))
