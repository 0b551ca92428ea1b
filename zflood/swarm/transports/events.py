"""Server-sent events, from the bytes of a stream.

Owns: the format (WHATWG HTML, 9.2.6 "Interpreting an event stream"). Must not know: HTTP, connections.

A decoder of our own, for the well-kept ones do something else: that of httpx-sse imports all of httpx, takes
text, and gives an event for each comment that follows an id; others (sseclient, aiosseclient) own the socket.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_BOM: Final = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event; its bytes are UTF-8. `id` and `retry` are None if the event does not name one.

    `data` is None where an id came alone: to a page that is no event, and the id is remembered.
    """

    data: bytes | None
    name: bytes
    id: bytes | None
    retry: bytes | None


class EventDecoder:
    """One stream's events, however its bytes are cut. `is_at_start`: a byte order mark may come first."""

    __slots__ = ("_data", "_has_fields", "_id", "_is_after_cr", "_is_at_start", "_line", "_name", "_retry")

    def __init__(self, is_at_start: bool = True) -> None:
        self._is_at_start = is_at_start
        self._is_after_cr = False  # a line feed that comes next ends no line of its own
        self._line = b""  # what has come of a line that is not complete
        self._has_fields = False
        self._data: list[bytes] = []
        self._name = b""
        self._id: bytes | None = None
        self._retry: bytes | None = None

    @property
    def is_within_event(self) -> bool:
        """Whether something has come of an event that is not complete."""
        return self._has_fields or (self._line != b"" and not self._line.startswith(b":"))

    @property
    def is_at_rest(self) -> bool:
        """Whether it is in the state of any other between two events, where a line feed means nothing."""
        return not (self._has_fields or self._line or self._is_at_start)

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete."""
        events = []
        for line in self._lines(data):
            if line:
                self._field(line)
                continue
            if self._data:
                events.append(Event(b"\n".join(self._data), self._name, self._id, self._retry))
            elif self._id is not None:
                events.append(Event(None, self._name, self._id, self._retry))
            self._begin_event()
        return events

    def _lines(self, data: bytes) -> list[bytes]:
        """The lines that are complete now, without their ends."""
        if self._is_after_cr and data:
            self._is_after_cr = False
            data = data.removeprefix(b"\n")
        if self._line:
            data = self._line + data
        if self._is_at_start:
            if len(data) < len(_BOM) and _BOM.startswith(data):
                self._line = data
                return []
            self._is_at_start = False
            data = data.removeprefix(_BOM)
        if b"\r" in data:
            self._is_after_cr = data.endswith(b"\r")
            *lines, self._line = _LINE_END.split(data)
        else:
            *lines, self._line = data.split(b"\n")
        return lines

    def _field(self, line: bytes) -> None:
        self._has_fields = self._has_fields or not line.startswith(b":")
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value
        elif field == b"id" and b"\0" not in value:
            self._id = value
        elif field == b"retry" and value.isdigit():
            self._retry = value

    def _begin_event(self) -> None:
        self._has_fields = False
        self._data = []
        self._name = b""
        self._id = self._retry = None
