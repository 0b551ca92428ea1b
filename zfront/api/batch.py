"""A batch of messages: JSON or lines of JSON become pairs, pairs become frames, each with a key of its own.

Owns: the form of an element, the bounds of a batch, where it is cut. Must not know: sockets, Tornado, the
router's answers. Cuts depend on nothing but the elements: a batch that is sent again is cut as before, so its
keys match.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from zfront.api.problem import Problem, ProblemError
from zrouter.link.session import SEND_MESSAGES
from zrouter.wire import MAX_ID_BYTES, MAX_KEY_BYTES, PAIR_BYTES, SEND_BYTES, Pair

MAX_MESSAGES: Final = 10_000
ARRAY_TYPE: Final = "application/json"
LINE_TYPES: Final = ("application/x-ndjson", "application/jsonl")


class _Element(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One message for one id, as text or in base64."""

    id: str
    message: str | None = None
    base64: str | None = None


_decode_array = msgspec.json.Decoder(list[_Element]).decode
_decode_line = msgspec.json.Decoder(_Element).decode
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class BadElementError(ValueError):
    """An element that is none, or one too long."""

    def __init__(self, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.status = status


def _pair(element: _Element, max_message: int) -> Pair:
    an_id = element.id.encode()
    if not 1 <= len(an_id) <= MAX_ID_BYTES:
        raise BadElementError(f"an id has 1 to {MAX_ID_BYTES} bytes, not {len(an_id)}")
    if (element.message is None) == (element.base64 is None):
        raise BadElementError("an element has either message or base64")
    if element.message is not None:
        message = element.message.encode()
    else:
        try:
            message = base64.b64decode(element.base64 or "", validate=True)
        except ValueError:
            raise BadElementError("base64 is not base64") from None
    if len(message) > max_message:
        raise BadElementError(
            f"a message of {len(message)} bytes is too long: {max_message} are the limit", 413
        )
    return an_id, message


def read_array(body: bytes, max_message: int) -> list[Pair]:
    """The messages of a JSON array; all or none.

    Raises:
        ProblemError: it is none, is too long, or an element is not one; `element` counts from 0.
    """
    try:
        elements = _decode_array(body)
    except _UNREADABLE as error:
        raise ProblemError(Problem(400, f"not an array of messages: {str(error)[:200]}")) from None
    if len(elements) > MAX_MESSAGES:
        raise ProblemError(Problem(413, f"{len(elements):,} messages: {MAX_MESSAGES:,} are the limit"))
    pairs = []
    try:
        for element in elements:
            pairs.append(_pair(element, max_message))
    except BadElementError as error:
        where = {"element": len(pairs)}
        raise ProblemError(Problem(error.status, f"element {len(pairs)}: {error}", where)) from None
    return pairs


class Lines:
    """Lines of JSON as they come: `feed` gives the pairs of those that are whole.

    What stood before a line that is none is good: it is in `pairs` when `feed` or `end` raises ProblemError,
    whose `line` counts from 1. `check` raises BadElementError for an id that may not be.
    """

    def __init__(self, max_message: int, check: Callable[[bytes], None]) -> None:
        self.pairs: list[Pair] = []
        self._check = check
        self._max_message = max_message
        # In base64 or in escapes a message is longer than it is.
        self._max_line = 6 * max_message + 4096
        self._rest = b""
        self._line = 0
        self._count = 0

    def feed(self, data: bytes) -> None:
        """More of the body."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._read(line)
        if len(self._rest) > self._max_line:
            self._line += 1
            self._fail(f"is longer than {self._max_line:,} bytes", 413)

    def end(self) -> None:
        """The last line may end with the body."""
        rest, self._rest = self._rest, b""
        self._read(rest)

    def take(self) -> list[Pair]:
        """What has been read since."""
        pairs, self.pairs = self.pairs, []
        return pairs

    def _read(self, line: bytes) -> None:
        self._line += 1
        if not line or line.isspace():
            return
        if self._count == MAX_MESSAGES:
            self._fail(f"is beyond the limit of {MAX_MESSAGES:,} messages", 413)
        try:
            pair = _pair(_decode_line(line), self._max_message)
            self._check(pair[0])
            self.pairs.append(pair)
        except BadElementError as error:
            self._fail(str(error), error.status)
        except _UNREADABLE as error:
            self._fail(str(error)[:200])
        self._count += 1

    def _fail(self, why: str, status: int = 400) -> None:
        raise ProblemError(Problem(status, f"line {self._line}: {why}", {"line": self._line})) from None


class Cutter:
    """Cuts pairs, however they come, into frames; the same pairs always in the same way.

    The first frame has the key of the batch, the others have keys made from it.
    """

    def __init__(self, max_frame: int, key: bytes) -> None:
        self._max_bytes = max_frame - SEND_BYTES - MAX_KEY_BYTES
        self._key = key
        self._frames = 0
        self._pairs: list[Pair] = []
        self._bytes = 0

    def cut(self, pairs: list[Pair]) -> Iterator[tuple[list[Pair], bytes]]:
        """The frames that are full now, each with its key."""
        for pair in pairs:
            size = len(pair[0]) + len(pair[1]) + PAIR_BYTES
            if self._pairs and (len(self._pairs) == SEND_MESSAGES or self._bytes + size > self._max_bytes):
                yield self._frame()
            self._pairs.append(pair)
            self._bytes += size

    def end(self) -> Iterator[tuple[list[Pair], bytes]]:
        """The last one."""
        if self._pairs:
            yield self._frame()

    def _frame(self) -> tuple[list[Pair], bytes]:
        pairs, self._pairs, self._bytes = self._pairs, [], 0
        key = self._key
        if key and self._frames:
            key = hashlib.sha256(b"%d " % self._frames + key).digest()
        self._frames += 1
        return pairs, key
