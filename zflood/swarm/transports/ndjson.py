"""Lines of JSON: a response without an end, in which each line that is not empty is a message or a notice.

Owns: what a line is. Must not know: what an object says (objects.py), HTTP's framing.

Chunks are of no meaning here: a line may be cut over several, and several may be in one.
"""

from __future__ import annotations

from zflood.swarm.tally import Progress
from zflood.swarm.transports import objects
from zflood.swarm.transports.responses import Response, Responses


class _Lines(Response):
    __slots__ = ("_line", "_progress")

    def __init__(self, responses: Responses) -> None:
        super().__init__(responses)
        self._progress: Progress = responses.progress
        self._line = b""  # what has come of a line that is not complete

    def on_body(self, body: bytes) -> None:
        *lines, self._line = (self._line + body).split(b"\n")
        for line in lines:
            if line and not line.isspace():
                objects.take(self._progress, self.connection, line)
        if lines or not self._line:
            self.held_bytes = 0
        if self.is_unframed:
            self.is_at_rest = not self._line

    def on_chunk_complete(self) -> None:
        self.is_at_rest = not self._line

    def on_end(self) -> None:
        if self._line:
            self.fault = "truncated line"


class Ndjson(Responses):
    """One message a line."""

    headers = ("Accept: application/x-ndjson",)
    response = _Lines
