"""Clients of the frontends: they come, read as fast as they like, break off, come back from where they were.

Owns: what a client does on its connections. Must not know: what it ought to be told; its witness does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote

from tests.simulation.frontends import Frontend
from tests.simulation.judge.clients import Witness
from tests.simulation.judge.ledger import Ledger
from tests.simulation.kernel import Pair
from tests.simulation.reading import READERS, frame
from tests.simulation.world import World

_READ_S = 0.0005


class Client:
    """One person's program."""

    def __init__(
        self, world: World, ledger: Ledger, number: int, transport: str, ids: list[str], watched: list[str]
    ) -> None:
        self.number = number
        self.transport = transport
        self.ids = ids
        self.watched = watched
        self.pair: Pair | None = None
        self.frontend: Frontend | None = None
        self.is_retired = False  # it does not come back
        self.comes_back_s = 0.3
        self.reads_s = _READ_S  # between a byte's coming and its reading
        self.reads_bytes = 1 << 16
        self.hub = 1 << 16  # in the kernels
        self.forgets = False  # it comes back as if for the first time
        self.heard_at = -1.0  # when it was answered on this connection
        self.witness = Witness(f"client {number} ({transport})", transport, ledger, lambda: world.now)
        self._world = world
        self._ledger = ledger
        self._read_is_due = False
        self._pairs = 0
        self._parts: list[
            tuple[int, Callable[[bool], None]]
        ] = []  # what it said: where that ends, what follows
        self._said = 0
        self._read = 0
        self._reader = READERS[transport]()

    def connect(self, frontend: Frontend) -> None:
        """On a new connection."""
        if self.pair is not None or self.is_retired:
            return
        is_new = self.forgets or not self.witness.offset or self.transport == "test"
        if is_new and (self.witness.seen or self.witness.offset):
            name = f"client {self.number} ({self.transport}) anew"
            self.witness = Witness(name, self.transport, self._ledger, lambda: self._world.now)
        self.forgets = False
        self.frontend = frontend
        self._pairs += 1
        self.heard_at = -1.0
        pair = self.pair = Pair(self.number, self.hub, self._came)
        self._reader = READERS[self.transport]()
        self._parts.clear()
        self._said = self._read = 0
        self.witness.asks(frontend.name, self.ids, is_new=is_new)
        pair.say(self._request(""))
        self._said = 0  # the request is read by the acceptor
        self._world.trace("connect", self.witness.name, frontend.process.name, self.witness.offset)
        frontend.knock(pair)

    def _request(self, since: str) -> bytes:
        path = f"/{self.transport}/{quote(self.ids[0], safe='')}"
        query = [f"id={quote(an_id, safe='')}" for an_id in self.ids[1:]]
        if self.transport not in ("test", "poll"):
            query += [f"watch={quote(an_id, safe='')}" for an_id in self.watched]
        line = f"GET {path}{'?' if query else ''}{'&'.join(query)} HTTP/1.1\r\nHost: a\r\n"
        since = since or self.witness.offset
        return f"{line}{f'Last-Event-ID: {since}' if since else 'Accept: */*'}\r\n\r\n".encode()

    # ---- what comes --------------------------------------------------------------------------------------

    def _came(self) -> None:
        if not self._read_is_due:
            self._read_is_due = True
            pair = self.pair
            self._world.after(self.reads_s * (0.5 + self._world.chance.random()), lambda: self._reads(pair))

    def _reads(self, pair: Pair | None) -> None:
        self._read_is_due = False
        if pair is None or pair is not self.pair:
            if self.pair is not None and self.pair.has_news():
                self._came()
            return
        data = pair.take(self.reads_bytes)
        if data:
            for word, at in self._reader.feed(data):
                self._world.trace(self.witness.name, *word[:3], word.offset)
                if self.heard_at < 0:
                    self.heard_at = self._world.now
                self.witness.hears(word, at)
                if word.kind == "answer" and self.frontend is not None:
                    self.witness.asks(self.frontend.name, self.ids, is_new=not self.witness.offset)
                    pair.say(self._request(""))
        if pair.to_client:
            self._came()
        elif pair.server_closed or pair.is_reset:
            self._ended()

    def _ended(self) -> None:
        self.pair = None
        self._world.trace("ended", self.witness.name)

    # ---- what it does ------------------------------------------------------------------------------------

    def hang_up(self) -> None:
        """It closes its connection, and reads no more."""
        if self.pair is not None:
            pair, self.pair = self.pair, None
            pair.on_bytes = lambda: None
            pair.end()
            pair.hub = 1 << 30
            self._world.trace("hangs up", self.witness.name)

    def reset(self) -> None:
        """Its kernel says RST; of what has come it reads some."""
        if self.pair is not None:
            pair, self.pair = self.pair, None
            data = pair.take(self._world.chance.randrange(200))
            pair.on_bytes = lambda: None
            for word, at in self._reader.feed(data):
                self._world.trace(self.witness.name, *word[:3], word.offset)
                self.witness.hears(word, at)
            pair.reset()
            self._world.trace("resets", self.witness.name)

    def half_close(self) -> None:
        """It shuts down its sending half, and reads on."""
        if self.pair is not None:
            self.pair.end()

    def command(self, **commands: list[str]) -> None:
        """By WebSocket: login, logout, watch, unwatch."""
        if self.transport != "ws" or self.pair is None or self.heard_at < 0 or self.pair.client_ended:
            return
        for an_id in commands.get("logout", []):
            if an_id in self.ids:
                self.ids.remove(an_id)
        for an_id in commands.get("login", []):
            if an_id not in self.ids:
                self.ids.append(an_id)
            self.witness.joins(an_id)
        self.watched = [one for one in self.watched if one not in commands.get("unwatch", [])]
        self.watched += [one for one in commands.get("watch", []) if one not in self.watched]
        self._says(frame(json.dumps(commands)), lambda is_clear: self._was_read(commands, is_clear))

    def says(self, data: bytes) -> None:
        """Anything."""
        if self.pair is not None and self.heard_at >= 0:
            self._says(data, lambda is_clear: None)

    def _says(self, data: bytes, then: Callable[[bool], None]) -> None:
        assert self.pair is not None
        self._said += len(data)
        self._parts.append((self._said, then))
        self.pair.say(data)

    def was_read(self, pair: Pair, data: bytes) -> None:
        """A frontend has read this, of whatever was said."""
        if pair is not self.pair or data.startswith(b"GET "):
            return
        self._read += len(data)
        while self._parts and self._parts[0][0] <= self._read:
            self._parts.pop(0)[1](not pair.is_blocked)

    def _was_read(self, commands: dict[str, list[str]], is_clear: bool) -> None:
        assert self.pair is not None
        for an_id in commands.get("logout", []):
            self.witness.was_left(an_id, self.pair.written, is_clear=is_clear)
        for an_id in commands.get("login", []):
            self.witness.was_joined(an_id, self.pair.written, is_clear=is_clear)
        for an_id in commands.get("unwatch", []):
            self.witness.presence.pop(an_id, None)

    @property
    def is_there(self) -> bool:
        """Whether its connection stands, as far as it knows."""
        return self.pair is not None and self.heard_at >= 0
