"""The router's rules: what it does with each message, and what it answers.

Owns: the peers, the table, the burst that is being worked on, the counters. Must not know: sockets or the
time. A shell (service.py) feeds it and carries out what it says:

    receive(address, frame, now)    any number of times: one burst
    deliveries()                    one packed frame for each frontend that something is for
    undeliverable(address, gone)    for each of those that could not be sent
    replies()                       receipts and answers; ends the burst
    unanswered(address, gone)       for each of those that could not be sent
    tick(now)                       now and then, then deliveries() and replies()

Receipts are written last, so that they say what became of the burst's deliveries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from zrouter import wire
from zrouter.peers import Peer, Peers
from zrouter.table import Holder, Route, RoutingTable
from zrouter.wire import Pair, WireError, encode

# How much longer than a tick's usual distance the router may have been away before it excuses its peers.
_AWAY_S = 1.0
_PULSE_S = 1.0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The router's bounds; zrouter/settings.py says what each means, and what happens when it is reached."""

    max_message: int = wire.DEFAULT_MAX_MESSAGE_BYTES
    max_frame: int = wire.DEFAULT_MAX_FRAME_BYTES
    window: int = 64 * 1024 * 1024
    lease_s: float = 2.5
    max_lease_s: float = 60.0
    max_ids: int = 5_000_000
    max_peers: int = 10_000


class Counters(msgspec.Struct):
    """Plain integers, since the router's start. Nothing is dropped without one of them growing."""

    messages_in: int = 0  # (id, message) pairs accepted from senders
    messages_out: int = 0  # pairs handed to frontends
    bytes_out: int = 0  # bytes of Deliver frames
    nobody: int = 0  # pairs whose id nobody held
    dropped_backlog: int = 0  # pairs for a frontend with too much under way
    dropped_unreachable: int = 0  # pairs for a frontend that had gone
    replies_dropped: int = 0  # answers that a peer did not take
    refused_messages: int = 0  # pairs in refused frames
    errors: int = 0  # frames refused, of all kinds
    hellos: int = 0
    goodbyes: int = 0
    lapsed: int = 0  # peers forgotten for silence
    unreachable: int = 0  # peers forgotten because their connection had gone
    kicks: int = 0  # connections asked to end


class Router:
    """The rules. `epoch` differs at each start of a router; `process_figures` joins the Stats."""

    def __init__(
        self,
        epoch: int,
        limits: Limits | None = None,
        process_figures: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        self.limits = limits or Limits()
        self.epoch = epoch
        self.peers = Peers(self.limits.max_peers)
        self.table = RoutingTable()
        self.counters = Counters()
        self.rates = {"messages_in_per_s": 0.0, "messages_out_per_s": 0.0}
        self._process_figures = process_figures
        self._find_route = self.table.routes.get
        self._find_peer = self.peers.by_address.get
        self._frontends: dict[bytes, Peer] = {}
        self._pulse = encode(wire.Pulse(epoch))
        # The burst: pairs for nobody, receipts to write, answers to give.
        self._unheld: list[Pair] = []
        self._nobody: Route = (self._unheld.append, 0, ())
        self._receipts: list[tuple[Peer, int, list[Pair], list[int]]] = []
        self._answers: list[tuple[bytes, bytes]] = []
        self._last_tick: float | None = None
        self._next_pulse = 0.0
        self._rated: tuple[float, int, int] | None = None
        self._handlers: dict[type, Callable[[Peer, Any], None]] = {
            wire.Login: self._login,
            wire.Logout: self._logout,
            wire.Heartbeat: self._heartbeat,
            wire.Goodbye: self._goodbye,
            wire.Who: self._who,
            wire.Stats: self._stats,
            wire.Kick: self._kick,
        }

    # ---- in ----------------------------------------------------------------------------------------

    def receive(self, address: bytes, frame: bytes, now: float) -> None:
        """Take one frame from the peer at `address`. The hot path."""
        try:
            message = wire.decode_to_router(frame)
        except WireError as error:
            self._refuse(address, 0, error)
            return
        peer = self._find_peer(address)
        if type(message) is wire.Send:
            if peer is None or len(frame) > self.limits.max_message:
                refusal = self._objection(peer, frame, message)
                if refusal is not None:
                    self._refuse(address, message.request, refusal, len(message.pairs))
                    return
                assert peer is not None
            peer.heard = now
            pairs = message.pairs
            peer.accepted += len(pairs)
            self.counters.messages_in += len(pairs)
            find, nobody = self._find_route, self._nobody
            if message.request:
                handed: list[int] = []
                note = handed.append
                for pair in pairs:
                    hand, connections, _ = find(pair[0], nobody)
                    hand(pair)
                    note(connections)
                self._receipts.append((peer, message.request, pairs, handed))
            else:
                for pair in pairs:
                    find(pair[0], nobody)[0](pair)
            return
        if type(message) is wire.Hello:
            self._hello(address, message, now)
            return
        request = getattr(message, "request", 0)
        if peer is None:
            self._refuse(address, request, WireError(wire.SAY_HELLO, wire.ERROR_CODES[wire.SAY_HELLO]))
            return
        peer.heard = now
        if len(frame) > self.limits.max_frame:
            self._refuse(address, request, self._too_long("a frame", len(frame), self.limits.max_frame))
            return
        try:
            self._handlers[type(message)](peer, message)
        except WireError as error:
            self._refuse(address, request, error)

    def tick(self, now: float) -> None:
        """Forget the silent, pulse to everybody, take the rates."""
        away = self._last_tick is not None and now - self._last_tick > _AWAY_S
        self._last_tick = now
        if away:
            self.peers.excuse_all(now)
        for peer in self.peers.lapsed(now):
            self.counters.lapsed += 1
            self._forget(peer)
        if now >= self._next_pulse:
            self._next_pulse = now + min(self.limits.lease_s / 3, _PULSE_S)
            self._answers.extend((peer.address, self._pulse) for peer in self.peers)
        self._take_rates(now)

    # ---- out ---------------------------------------------------------------------------------------

    def deliveries(self) -> list[tuple[bytes, bytes]]:
        """`(address, frame)` for each frontend that this burst has something for."""
        out: list[tuple[bytes, bytes]] = []
        counters = self.counters
        counters.nobody += len(self._unheld)
        for peer in self._frontends.values():
            inbox = peer.inbox
            if not inbox:
                continue
            frame = encode(wire.Deliver(peer.seq, inbox))
            peer.seq += len(inbox)
            if peer.under_way_bytes() + len(frame) > self.limits.window:
                self._drop_inbox(peer)
                counters.dropped_backlog += len(inbox)
                inbox.clear()
                continue
            peer.handed_bytes += len(frame)
            counters.messages_out += len(inbox)
            counters.bytes_out += len(frame)
            out.append((peer.address, frame))
        return out

    def undeliverable(self, address: bytes, frame: bytes, gone: bool) -> None:
        """A delivery of this burst could not be sent: the peer has gone, or its queue was full."""
        peer = self._find_peer(address)
        if peer is None:
            return
        peer.handed_bytes -= len(frame)
        self.counters.messages_out -= len(peer.inbox)
        self.counters.bytes_out -= len(frame)
        if gone:
            self.counters.unreachable += 1
            self._forget(peer)
        else:
            self.counters.dropped_backlog += len(peer.inbox)
            self._drop_inbox(peer)
            peer.inbox.clear()

    def replies(self) -> list[tuple[bytes, bytes]]:
        """`(address, frame)` for all that is to be answered; the burst ends here."""
        out: list[tuple[bytes, bytes]] = []
        if self._receipts:
            by_peer: dict[bytes, list[tuple[int, list[int]]]] = {}
            for peer, request, _, handed in self._receipts:
                by_peer.setdefault(peer.address, []).append((request, handed))
            out = [(address, encode(wire.Receipts(receipts))) for address, receipts in by_peer.items()]
            self._receipts.clear()
        if self._answers:
            out.extend(self._answers)
            self._answers.clear()
        for peer in list(self._frontends.values()):
            peer.inbox.clear()
            if not peer.held:
                del self._frontends[peer.address]
        self._unheld.clear()
        return out

    def unanswered(self, address: bytes, gone: bool) -> None:
        """A reply could not be sent: the peer has gone, or does not take its answers."""
        self.counters.replies_dropped += 1
        peer = self._find_peer(address)
        if gone and peer is not None:
            self.counters.unreachable += 1
            self._forget(peer)

    def figures(self) -> dict[str, Any]:
        """What `stats` shows: totals, rates, and a row for each frontend."""
        return {
            "ids": len(self.table),
            "connections": self.table.connections,
            "peers": len(self.peers),
            "frontends": [
                {
                    "name": peer.name,
                    "ids": len(peer.held),
                    "connections": peer.connections,
                    "under_way_bytes": peer.under_way_bytes(),
                    "messages": peer.seq,
                    "dropped": peer.dropped,
                    **peer.report,
                }
                for peer in self._frontends.values()
            ],
            **msgspec.structs.asdict(self.counters),
            **self.rates,
            **self._process_figures(),
        }

    # ---- one method for each message ----------------------------------------------------------------

    def _hello(self, address: bytes, hello: wire.Hello, now: float) -> None:
        lease_s = max(self.limits.lease_s, min(hello.lease_ms / 1000, self.limits.max_lease_s))
        known = self._find_peer(address)
        if known is not None:
            self._forget(known)
        elif self.peers.is_full():
            self._refuse(address, 0, WireError(wire.FULL, f"{len(self.peers)} peers are on the link already"))
            return
        peer = Peer(address, hello.name, hello.instance, lease_s, now)
        self.peers.add(peer)
        self.counters.hellos += 1
        for earlier in self.peers.earlier_lives(peer):
            if earlier.instance == peer.instance:
                self._forget(earlier)  # the same process on a new connection
            else:
                # A namesake, or what was here before a restart: if it has gone, this pulse finds that out.
                self._answers.append((earlier.address, self._pulse))
        welcome = wire.Welcome(
            version=wire.VERSION,
            epoch=self.epoch,
            lease_ms=round(lease_s * 1000),
            heartbeat_ms=round(lease_s * 1000 / 3),
            max_message=self.limits.max_message,
            max_frame=self.limits.max_frame,
            window=self.limits.window,
        )
        self._answers.append((address, encode(welcome)))

    def _login(self, peer: Peer, login: wire.Login) -> None:
        if len(login.ids) != len(login.connections):
            raise WireError(wire.BAD_ID, "as many connections as ids, please")
        wire.check_ids(login.ids)
        room = self.limits.max_ids - len(self.table)
        if len(login.ids) > room and sum(an_id not in self.table.routes for an_id in login.ids) > room:
            raise WireError(wire.FULL, f"the router holds {len(self.table)} ids, its limit")
        table_set = self.table.set
        for an_id, connections in zip(login.ids, login.connections, strict=True):
            table_set(peer, an_id, connections)
        if peer.held:
            self._frontends[peer.address] = peer
        self._done(peer, login.request, len(login.ids))

    def _logout(self, peer: Peer, logout: wire.Logout) -> None:
        for an_id in logout.ids:
            self.table.set(peer, an_id, 0)
        # It stays among the frontends until the burst's deliveries are out; see replies().
        self._done(peer, logout.request, len(logout.ids))

    def _heartbeat(self, peer: Peer, heartbeat: wire.Heartbeat) -> None:
        peer.received_bytes = min(max(peer.received_bytes, heartbeat.received), peer.handed_bytes)
        if heartbeat.report is not None:
            peer.report = heartbeat.report

    def _goodbye(self, peer: Peer, goodbye: wire.Goodbye) -> None:
        self.counters.goodbyes += 1
        self._forget(peer)
        self._done(peer, goodbye.request, peer.accepted)

    def _who(self, peer: Peer, who: wire.Who) -> None:
        holders = [
            [(holder.name, connections) for holder, connections in self.table.holders(an_id)]
            for an_id in who.ids
        ]
        self._answers.append((peer.address, encode(wire.Holders(who.request, holders))))

    def _stats(self, peer: Peer, stats: wire.Stats) -> None:
        self._answers.append((peer.address, encode(wire.Figures(stats.request, self.figures()))))

    def _kick(self, peer: Peer, kick: wire.Kick) -> None:
        ended = 0
        evictions: dict[Holder, list[bytes]] = {}
        for an_id in set(kick.ids):
            for holder, connections in self.table.holders(an_id):
                evictions.setdefault(holder, []).append(an_id)
                ended += connections
        for holder, ids in evictions.items():
            self._answers.append((holder.address, encode(wire.Evict(ids))))
        self.counters.kicks += ended
        self._done(peer, kick.request, ended)

    # ---- what they share ----------------------------------------------------------------------------

    def _done(self, peer: Peer, request: int, count: int) -> None:
        if request:
            self._answers.append((peer.address, encode(wire.Done(request, count))))

    def _refuse(self, address: bytes, request: int, error: WireError, messages: int = 0) -> None:
        self.counters.errors += 1
        self.counters.refused_messages += messages
        self._answers.append((address, encode(wire.Error(request, error.code, str(error), messages))))

    def _objection(self, peer: Peer | None, frame: bytes, send: wire.Send) -> WireError | None:
        """Why this Send is not routed, if it is not."""
        if peer is None:
            return WireError(wire.SAY_HELLO, wire.ERROR_CODES[wire.SAY_HELLO])
        if len(frame) > self.limits.max_frame:
            return self._too_long("a frame", len(frame), self.limits.max_frame)
        longest = max((len(message) for _, message in send.pairs), default=0)
        if longest > self.limits.max_message:
            return self._too_long("a message", longest, self.limits.max_message)
        return None

    @staticmethod
    def _too_long(what: str, has: int, may: int) -> WireError:
        return WireError(wire.TOO_LARGE, f"{what} of {has} bytes is too long: {may} are the limit")

    def _forget(self, peer: Peer) -> None:
        """Log out all its ids; what this burst had for it is lost and taken from the receipts."""
        if peer.inbox:
            self.counters.dropped_unreachable += len(peer.inbox)
            self._drop_inbox(peer)
            peer.inbox.clear()
        self.table.forget(peer)
        self.peers.remove(peer)
        self._frontends.pop(peer.address, None)

    def _drop_inbox(self, peer: Peer) -> None:
        """Count the pairs in its inbox as dropped, and correct the receipts that counted them as handed."""
        peer.dropped += len(peer.inbox)
        lost = {id(pair) for pair in peer.inbox}
        for _, _, pairs, handed in self._receipts:
            for index, pair in enumerate(pairs):
                if id(pair) in lost:
                    handed[index] = max(0, handed[index] - peer.held.get(pair[0], 0))

    def _take_rates(self, now: float) -> None:
        messages_in, messages_out = self.counters.messages_in, self.counters.messages_out
        if self._rated is None:
            self._rated = (now, messages_in, messages_out)
            return
        then, had_in, had_out = self._rated
        if now - then >= 1.0:
            self.rates["messages_in_per_s"] = round((messages_in - had_in) / (now - then), 1)
            self.rates["messages_out_per_s"] = round((messages_out - had_out) / (now - then), 1)
            self._rated = (now, messages_in, messages_out)
