"""Frames of the link, both ways: any bytes are a message, or are refused in words that go into an Error."""

from __future__ import annotations

from itertools import islice

from zrouter import wire

_CODES = frozenset(wire.ERROR_CODES)


def to_router(data: bytes) -> None:
    """What a peer sends."""
    try:
        message = wire.decode_to_router(data)
    except wire.UNREADABLE as error:
        _is_said(wire.explain(data, error))
        return
    packed = wire.encode(message)
    assert wire.encode(wire.decode_to_router(packed)) == packed


def from_router(data: bytes) -> None:
    """What a router sends."""
    try:
        message = wire.decode_from_router(data)
    except wire.WireError as error:
        _is_said(error)
        return
    packed = wire.encode(message)
    assert wire.encode(wire.decode_from_router(packed)) == packed
    if isinstance(message, wire.Deliver):
        found = list(islice(message.fanned(), 100_000))
        assert len(found) <= sum(len(ids) for _, _, ids in message.fans)


def _is_said(error: wire.WireError) -> None:
    assert error.code in _CODES
    request, refused = error.request, error.messages
    packed = wire.encode(wire.Error(request, error.code, str(error), refused))
    assert wire.decode_from_router(packed) == wire.Error(request, error.code, str(error), refused)
    assert len(packed) < 1000
