"""The series' transport: a response without an end, in which each chunk is a message.

Owns: what a chunk means. Must not know: HTTP's framing.

Bodies of other servers that are not chunked are taken as they come, each piece for one message.
"""

from __future__ import annotations

from zflood.swarm.tally import Progress
from zflood.swarm.transports.responses import Response, Responses


class _Chunks(Response):
    __slots__ = ("_body", "_progress")

    def __init__(self, responses: Responses) -> None:
        super().__init__(responses)
        self._progress: Progress = responses.progress
        self._body = b""

    def on_body(self, body: bytes) -> None:
        if self.is_chunked:
            self._body = self._body + body if self._body else body
        else:
            self.held_bytes = 0
            self._progress.message(self.connection, body)

    def on_chunk_complete(self) -> None:
        self.held_bytes = 0
        self.is_at_rest = True
        body, self._body = self._body, b""
        if body:
            self._progress.message(self.connection, body)


class Chunked(Responses):
    """One message a chunk."""

    response = _Chunks
