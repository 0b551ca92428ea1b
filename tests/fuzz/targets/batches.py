"""Batches of messages: a JSON array and lines of JSON, read alike, however they come, and cut within bounds."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.fuzz.given import cuts
from zfront.api.batch import Cutter, Lines, read_array
from zfront.api.problem import ProblemError
from zrouter.link.session import SEND_MESSAGES
from zrouter.wire import Pair, Send, encode

_MOST = 100
_FRAME = 600


def batch(data: bytes) -> None:
    """The first byte says how many sizes of pieces follow; behind these is the body."""
    sizes = data[1 : 1 + (data[0] % 8 if data else 0)]
    body = data[1 + len(sizes) :]
    whole = _lines(body, b"")
    assert _lines(body, sizes) == whole
    pairs, line = whole
    assert pairs == [_pair(json.loads(one)) for one in _first(body.split(b"\n"), len(pairs))]
    if line is None:
        as_array = b"[" + b",".join(one for one in body.split(b"\n") if one.strip()) + b"]"
        assert read_array(as_array, _MOST) == pairs
    try:
        found = read_array(body, _MOST)
    except ProblemError as error:
        assert error.problem.status in (400, 413)
        json.dumps(error.problem.detail).encode()
    else:
        assert found == [_pair(one) for one in json.loads(body)]
    _cut(pairs, b"key")


def _lines(body: bytes, sizes: bytes) -> tuple[list[Pair], int | None]:
    """The pairs before the first line that is none, and the number of that."""
    lines = Lines(_MOST, lambda _: None)
    try:
        for piece in cuts(body, sizes):
            lines.feed(piece)
        lines.end()
    except ProblemError as error:
        json.dumps(error.problem.detail).encode()
        return lines.take(), error.problem.more["line"]
    return lines.take(), None


def _first(lines: list[bytes], count: int) -> list[bytes]:
    return [line for line in lines if line and not line.isspace()][:count]


def _pair(element: dict[str, Any]) -> Pair:
    assert set(element) <= {"id", "message", "base64"}
    if element.get("message") is not None:
        return element["id"].encode(), element["message"].encode()
    return element["id"].encode(), base64.b64decode(element["base64"], validate=True)


def _cut(pairs: list[Pair], key: bytes) -> None:
    """In one go, or pair by pair."""
    at_once, one_by_one = Cutter(_FRAME, key), Cutter(_FRAME, key)
    frames = [*at_once.cut(pairs), *at_once.end()]
    assert frames == [*(frame for pair in pairs for frame in one_by_one.cut([pair])), *one_by_one.end()]
    assert [pair for frame, _ in frames for pair in frame] == pairs
    assert len({key for _, key in frames}) == len(frames)
    for frame, key in frames:
        assert len(frame) <= SEND_MESSAGES
        assert len(frame) == 1 or len(encode(Send(2**63 - 1, frame, key))) <= _FRAME
