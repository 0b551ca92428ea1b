"""Server-sent events: a response without an end, in which each event that has data is a message.

Owns: what a head must say, the order of event ids. Must not know: the format of events, HTTP's framing.

An event of the type "gap" is no message: its server says that messages are gone (docs/http-api.md).

Chunks are of no meaning here: an event may be cut over several, and several may be in one. A server's `retry`
is read and not obeyed, for a flood comes back at its own pace.
"""

from __future__ import annotations

from array import array
from typing import Final

from zflood.swarm.tally import Tally
from zflood.swarm.transports.events import Event, EventDecoder
from zflood.swarm.transports.interface import Answered
from zflood.swarm.transports.responses import Response, Responses

_TYPE: Final = b"text/event-stream"
# More digits don't fit into the array; such an id is no counter.
_COUNTER_DIGITS: Final = 18
_NO_ID: Final = -1
_NO_BODY: Final = -2
_GAP: Final = b"gap"


class _Events(Response):
    __slots__ = ("_decoder", "_sse")

    def __init__(self, responses: Responses) -> None:
        super().__init__(responses)
        assert isinstance(responses, Sse)
        self._sse = responses
        self._decoder = EventDecoder(is_at_start=False)

    def on_body(self, body: bytes) -> None:
        if self._sse.begins(self.connection):
            self._decoder = EventDecoder()
        decoder = self._decoder
        events = decoder.feed(body)
        for event in events:
            self._sse.came(self.connection, event)
        is_at_rest = decoder.is_at_rest
        if events or is_at_rest:
            self.held_bytes = 0
        if self.is_unframed:
            self.is_at_rest = is_at_rest

    def on_chunk_complete(self) -> None:
        self.is_at_rest = self._decoder.is_at_rest

    def on_end(self) -> None:
        if self._decoder.is_within_event:
            self.fault = "truncated event"


class Sse(Responses):
    """One message an event."""

    headers = ("Accept: text/event-stream", "Cache-Control: no-store")
    response = _Events

    def __init__(self, tally: Tally, answered: Answered) -> None:
        # By connection: the last event's id where ids are plain numbers, or why there is none.
        self._ids = array("q")
        super().__init__(tally, answered)

    def opened(self, connection: int, host: str, path: str, since: str = "") -> bytes:
        while connection >= len(self._ids):
            self._ids.extend([_NO_BODY] * 1024)
        self._ids[connection] = _NO_BODY
        return super().opened(connection, host, path, since)

    def begins(self, connection: int) -> bool:
        """Whether nothing of its body has come so far; some has now."""
        if self._ids[connection] != _NO_BODY:
            return False
        self._ids[connection] = _NO_ID
        return True

    def came(self, connection: int, event: Event) -> None:
        """One event came. The hot path."""
        an_id = event.id
        offset = "" if an_id is None else an_id.decode("utf-8", "replace")
        if event.data is None:
            self.progress.opened(connection, offset)
            return
        if event.name == _GAP:
            self.progress.gap(connection, event.data.decode("utf-8", "replace"), offset)
            return
        if an_id is not None and an_id.isdigit() and len(an_id) <= _COUNTER_DIGITS:
            number, before = int(an_id), self._ids[connection]
            if number <= before:
                self.tally.error("repeated event id" if number == before else "event id that goes backwards")
            self._ids[connection] = number
        self.progress.message(connection, event.data, offset)

    def refusal(self, response: Response) -> str:
        said = response.content_type.partition(b";")[0].strip().lower()
        return "" if said == _TYPE else f"content type {said.decode('latin-1')[:80] or 'missing'}"
