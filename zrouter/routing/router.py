"""The router's rules: what it does with each message, and what it answers.

Owns: who is on the link and who holds which id (peers.py, routing_table.py), the burst that is being worked
on (burst.py), who watches whom (presence.py), publishes and follows (publishes.py, follow_requests.py), the
counters. Must not know: sockets or the time. A shell (socket_loop.py) feeds it and carries out what it says:

    receive(arrivals, now)          what has come: one burst
    tick(now)                       now and then
    deliveries()                    one packed frame for each frontend that something is for
    undeliverable(address, ...)     for each of those that could not be sent
    replies()                       receipts and answers; ends the burst
    unanswered(address, ...)        for each of those that could not be sent
    losses()                        who was forgotten meanwhile
    changes()                       follows to be put on disk; `stored(number, outcome)` when they are
    revocations.take()              the same of revoked tokens; `revocations.stored(number, error)`
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from zrouter import wire
from zrouter.routing import statistics
from zrouter.routing.burst import Burst, too_large
from zrouter.routing.clock import Clock
from zrouter.routing.counters import Counters, Rates
from zrouter.routing.idempotency import Idempotency
from zrouter.routing.limits import LOGGED_OUT, Limits
from zrouter.routing.mailboxes import Mailboxes
from zrouter.routing.peers import Peer, Peers
from zrouter.routing.presence import Watches
from zrouter.routing.queries import Queries
from zrouter.routing.resume_requests import ResumeRequests
from zrouter.routing.revocations import Revocations
from zrouter.routing.roles import Identity, may_say, needed
from zrouter.routing.routing_table import Holder, RoutingTable
from zrouter.wire import WireError, encode

if TYPE_CHECKING:
    from zrouter.follows.store import StoreError
    from zrouter.routing.follow_requests import Job, OpenStore
    from zrouter.routing.publishes import Publishes

# How much longer than a tick's usual distance the router may have been away before it excuses its peers.
_AWAY_S = 1.0
_PULSE_S = 1.0
# Hellos that one connection may say at once; one a second is made up for.
_MOST_HELLOS = 10
_NOT_ALLOWED = "this key is not in the allow list any more"


class Loss(NamedTuple):
    """A peer that was forgotten though it had not said Goodbye, how many ids it held, and why."""

    name: str
    ids: int
    why: str


class Router:
    """The rules. `epoch` differs at each start of a router; `process_figures` joins the Stats.

    `store` opens the store of follows, None if nothing is in it yet; without it there are no follows.
    `identify` says whose key the connection has that a Hello came on, None: nobody's; without it there are no
    keys, and everybody may say everything. `unix_time` is for revocations [s]; `keeps_revocations`: the shell
    puts them on disk.
    """

    def __init__(
        self,
        epoch: int,
        limits: Limits | None = None,
        process_figures: Callable[[], dict[str, Any]] = dict,
        store: OpenStore | None = None,
        identify: Callable[[bytes], Identity | None] | None = None,
        unix_time: Callable[[], float] = lambda: 0.0,
        keeps_revocations: bool = False,
    ) -> None:
        self.limits = limits or Limits()
        self.epoch = epoch
        self.peers = Peers(self.limits.max_peers)
        self._clock = clock = Clock()
        self.table = RoutingTable(clock, self.limits.mailbox_s, self.limits.mailbox_ids)
        self.mailboxes = Mailboxes(clock, self.limits)
        self.counters = Counters()
        self._rates = Rates()
        self._process_figures = process_figures
        self._identify = identify
        self.idempotency = Idempotency(clock, self.limits.idempotency_s, self.limits.idempotency_bytes)
        self.watches = Watches(
            clock,
            self.table.count,
            self.table.left_at,
            self.limits.presence_linger_s,
            self.limits.max_watches,
        )
        self._burst = Burst(self.table, self.mailboxes, self.idempotency, self.limits, self.counters)
        self.publishing: Publishes | None = None
        self._is_idle = True
        self._frontends: dict[bytes, Peer] = {}  # who ever held an id or sent a report
        self._answers: list[tuple[bytes, bytes]] = []
        self._losses: list[Loss] = []
        self._departed: dict[bytes, Identity] = {}  # who was forgotten in this burst, by address
        self._log_outs = LOGGED_OUT  # that may yet be done in this burst
        self._has_more = False  # of what is done some at a time
        self._last_tick: float | None = None
        self._next_pulse = 0.0
        self._resume_requests = ResumeRequests(
            epoch, self.mailboxes, self.counters, self.peers.find, self.table.routes
        )
        self.revocations = Revocations(
            self.limits.max_revocations, unix_time, self.peers.find, keeps_revocations
        )
        self._questions = Queries(
            self.table.holders, self.figures, self.peers.find, 2 * self.limits.max_frame
        )
        self._handlers: dict[type, Callable[[Peer, Any], None]] = {
            wire.Login: self._login,
            wire.Logout: self._logout,
            wire.Heartbeat: self._heartbeat,
            wire.Goodbye: self._goodbye,
            wire.Who: self._questions.add,
            wire.Stats: self._questions.add,
            wire.Kick: self._kick,
            wire.Resume: self._resume_requests.add,
            wire.Watch: self._watch,
            wire.Unwatch: self._unwatch,
            wire.Follows: self._no_store,
            wire.Unfollows: self._no_store,
            wire.Related: self._no_store,
            wire.Publish: self._no_store,
            wire.Revoke: self.revocations.revoke,
            wire.Revocations: self.revocations.ask,
        }
        if store is not None:
            self._use(store)

    @property
    def known(self) -> Mapping[bytes, Peer]:
        """The addresses of all peers that said Hello."""
        return self.peers.by_address

    def has_work(self) -> bool:
        """Whether something is to be done although nothing came: call `replies` again soon."""
        if self._has_more or self.table.is_unsettled:
            return True
        if self.publishing is not None and (self.publishing.has_work() or self.table.arrived):
            return True
        return bool(self._resume_requests or self._questions)

    def is_pacing(self) -> bool:
        """Whether something is to be done in a moment, although nothing came."""
        return self.publishing is not None and self.publishing.waits

    # ---- in ----------------------------------------------------------------------------------------

    def receive(self, arrivals: Iterable[tuple[bytes, bytes]], now: float) -> None:
        """Take what has come, `(address, frame)` in order. The hot path."""
        self._is_idle = False
        self._clock.set(now)
        decode, find_peer, send = wire.decode_to_router, self.peers.by_address.get, self._send()
        a_send, max_frame = wire.Send, self.limits.max_frame
        for address, frame in arrivals:
            if len(frame) > max_frame:
                self._refuse_unread(address, frame, now)
                continue
            try:
                message = decode(frame)
            except wire.UNREADABLE as error:
                reason = wire.explain(frame, error)
                self._refuse(address, reason.request, reason, reason.messages)
                continue
            peer = find_peer(address)
            if peer is None:
                self._greet(address, message, now)
                send = self._send()
                continue
            peer.heard = now
            try:
                if peer.may is not None and type(message) not in peer.may:
                    raise self._forbidden(peer, message)
                if type(message) is a_send:
                    send(peer, frame, message)
                elif type(message) is wire.Hello:
                    self._greet(address, message, now)
                    send = self._send()
                elif type(message) is wire.Heartbeat and len(frame) > wire.MAX_HEARTBEAT_BYTES:
                    raise too_large("a heartbeat", len(frame), wire.MAX_HEARTBEAT_BYTES)
                else:
                    self._handlers[type(message)](peer, message)
                    send = self._send()
            except WireError as error:
                self._refuse(address, getattr(message, "request", 0), error, _messages(message))

    def tick(self, now: float) -> None:
        """Forget the silent, pulse to everybody, take the rates."""
        away = self._last_tick is not None and now - self._last_tick > _AWAY_S
        self._last_tick = now
        self._clock.set(now)
        if away:
            self.peers.excuse_all(now)
            self.watches.excuse_all()
        for peer in self.peers.lapsed(now):
            self.counters.lapsed += 1
            self._losses.append(Loss(peer.name, len(peer.held), f"silent for {now - peer.heard:.1f} s"))
            self._forget(peer)
        if now >= self._next_pulse:
            self._next_pulse = now + min(self.limits.lease_s / 3, _PULSE_S)
            self._answers.extend(map(self._pulse, self.peers))
            self.revocations.remind()
        self._has_more = True  # perhaps
        self.mailboxes.tick()
        self.watches.tick()
        if self.publishing is not None:
            self.publishing.catch_up()
        self._rates.take(self.counters, now)

    # ---- out ---------------------------------------------------------------------------------------

    def deliveries(self, now: float | None = None) -> list[tuple[bytes, bytes]]:
        """`(address, frame)` for each frontend that this burst has something for."""
        if now is not None:
            self._clock.set(now)
        if self.publishing is not None:
            self.publishing.work(self._clock.now, is_idle=self._is_idle)
        return self._burst.deliveries(self._frontends.values())

    def undeliverable(self, address: bytes, frame: bytes, gone: bool) -> None:
        """A delivery of this burst could not be sent: the peer has gone, or its queue was full."""
        peer = self.peers.find(address)
        if peer is None:
            return
        self._burst.take_back(peer, frame)
        if gone:
            self._lose(peer)
        else:
            self._burst.overflow(peer)

    def replies(self) -> list[tuple[bytes, bytes]]:
        """`(address, frame)` for all that is to be answered; the burst ends here."""
        out = self._burst.receipts()
        self._burst.end()
        self._departed.clear()
        self._do_some()
        self._is_idle = True
        if self.publishing is not None:
            out.extend(self.publishing.answers())
        self._answers.extend(self._questions.answers())
        self._answers.extend(self._resume_requests.answers())
        if self.revocations.has_answers():
            self._answers.extend(self.revocations.answers())
        if self._answers:
            out += self._answers
            self._answers = []
        out.extend(self.watches.outgoing())
        return out

    def unanswered(self, address: bytes, frame: bytes, gone: bool) -> None:
        """A reply could not be sent: the peer has gone, or does not take its answers."""
        self.counters.replies_dropped += 1
        peer = self.peers.find(address)
        if gone and peer is not None:
            self._lose(peer)
        else:
            self.watches.untaken(address, frame)

    def losses(self) -> list[Loss]:
        """Those since the last call."""
        losses, self._losses = self._losses, []
        return losses

    def changes(self) -> list[Job]:
        """Follows and unfollows since the last call, in order: to be put on disk; then call `stored`."""
        return [] if self.publishing is None else self.publishing.following.take()

    def stored(self, number: int, outcome: list[bool] | StoreError) -> None:
        """This job is on disk, and what each of its changes did; or why it is not."""
        assert self.publishing is not None
        self.publishing.following.stored(number, outcome)

    def figures(self) -> dict[str, Any]:
        """What `stats` shows: totals, rates, and a row for each frontend."""
        parts = statistics.of_the_parts(
            self.table, self.peers, self.mailboxes, self.watches, self.idempotency, self.counters
        )
        return {
            **parts,
            **({} if self.publishing is None else self.publishing.figures()),
            **self.revocations.figures(),
            "frontends": statistics.of_frontends(self._frontends),
            **self._rates.per_s,
            **self._process_figures(),
        }

    # ---- one method for each message ----------------------------------------------------------------

    def _greet(self, address: bytes, hello: wire.ToRouter, now: float) -> None:
        """The first words of a connection, or of a session that begins anew on it."""
        try:
            if type(hello) is not wire.Hello:
                raise WireError(wire.SAY_HELLO, wire.ERROR_CODES[wire.SAY_HELLO])
            wire.check_hello(hello, address)
            known = self.peers.find(address)
            identity = known.identity if known is not None else self._identified(address)
            self._check_name(hello.name, identity)
            hellos = 0.0 if known is None else _hellos(known, now)
            if hellos > _MOST_HELLOS:
                raise WireError(wire.FULL, "one Hello a second is enough")
            if known is not None:
                self._forget(known)
            elif self.peers.is_full():
                raise WireError(wire.FULL, f"{len(self.peers)} peers are on the link already")
        except WireError as error:
            self._refuse(address, getattr(hello, "request", 0), error, _messages(hello))
            return
        peer = Peer(address, hello.name, hello.instance, self._lease_s(hello), now, identity)
        peer.hellos = (hellos, now)
        self._welcome(peer, now)

    def _identified(self, address: bytes) -> Identity | None:
        if self._identify is None:
            return None
        identity = self._departed.get(address) or self._identify(address)
        if identity is None:
            raise WireError(wire.FORBIDDEN, _NOT_ALLOWED)
        return identity

    def _check_name(self, name: str, identity: Identity | None) -> None:
        """A name is the key's that came with it first, as long as it is there."""
        namesake = None if identity is None else self.peers.one_of(name)
        owner = None if namesake is None else namesake.identity
        if owner is not None and identity is not None and owner.public != identity.public:
            raise WireError(wire.FORBIDDEN, f"a peer with another key, {owner.key}, has the name {name}")

    def _forbidden(self, peer: Peer, message: wire.ToRouter) -> WireError:
        assert peer.identity is not None
        self.counters.forbidden += 1
        kind = type(message)
        return WireError(
            wire.FORBIDDEN,
            f"{kind.__name__} needs the role {needed(kind)}; key {peer.identity.key} has "
            f"{', '.join(sorted(peer.identity.roles))}",
        )

    def reidentify(self, identify: Callable[[Identity], Identity | None]) -> None:
        """Whose keys there are has changed: roles change at once, and who has no key any more is ended."""
        for peer in list(self.peers):
            before = peer.identity
            after = None if before is None else identify(before)
            if before is None or after == before:
                continue
            if after is not None and before.roles <= after.roles:
                peer.identity, peer.may = after, may_say(after.roles)
                continue
            if after is None:
                why, error = "was taken out", WireError(wire.FORBIDDEN, _NOT_ALLOWED)
            else:
                # What it holds by a role that it had is told again, and refused then.
                why, error = "has fewer roles", WireError(wire.SAY_HELLO, wire.ERROR_CODES[wire.SAY_HELLO])
            self._losses.append(Loss(peer.name, len(peer.held), f"its key {before.key} {why}"))
            self._refuse(peer.address, 0, error)
            self._forget(peer)
        self._departed.clear()  # they are nobody's any more

    def _lease_s(self, hello: wire.Hello) -> float:
        return max(self.limits.lease_s, min(hello.lease_ms / 1000, self.limits.max_lease_s))

    def _welcome(self, peer: Peer, now: float) -> None:
        earlier = self.peers.earlier_life(peer.name, peer.instance)
        if earlier is not None:
            self._forget(earlier)  # the same process on a new connection
        self.peers.add(peer)
        self.counters.hellos += 1
        # Namesakes, or what was here before a restart: if one has gone, this pulse finds that out.
        self._answers.extend(map(self._pulse, self.peers.to_be_asked(peer, now)))
        welcome = wire.Welcome(
            version=wire.VERSION,
            epoch=self.epoch,
            lease_ms=round(peer.lease_s * 1000),
            heartbeat_ms=round(peer.lease_s * 1000 / 3),
            max_message=self.limits.max_message,
            max_frame=self.limits.max_frame,
            window=self.limits.window,
        )
        self._answers.append((peer.address, encode(welcome)))

    def _login(self, peer: Peer, login: wire.Login) -> None:
        if len(login.ids) != len(login.connections):
            raise WireError(wire.BAD_ID, "as many connections as ids, please")
        wire.check_ids(login.ids)
        limit = self.limits.max_ids
        if len(self.table) + len(login.ids) > limit:
            new = {an_id for an_id in login.ids if not self.table.count(an_id)}
            if len(self.table) + len(new) > limit:
                raise WireError(wire.FULL, f"the router holds {len(self.table)} ids, its limit")
        self.mailboxes.skipped.came(an_id for an_id in login.ids if an_id not in self.table.routes)
        table_set = self.table.set
        for an_id, connections in zip(login.ids, login.connections, strict=True):
            table_set(peer, an_id, connections)
        self.watches.changed(login.ids)
        self._log_outs += len(login.ids)  # as many as come: what is yet to be done grows no further
        self._frontends[peer.address] = peer
        self._done(peer, login.request, len(login.ids))

    def _logout(self, peer: Peer, logout: wire.Logout) -> None:
        for an_id in logout.ids:
            self.table.set(peer, an_id, 0)
        self.watches.changed(logout.ids)
        self._done(peer, logout.request, len(logout.ids))

    def _heartbeat(self, peer: Peer, heartbeat: wire.Heartbeat) -> None:
        peer.received_bytes = min(max(peer.received_bytes, heartbeat.received), peer.handed_bytes)
        if heartbeat.report is not None:
            peer.report = heartbeat.report
            self._frontends[peer.address] = peer
        if heartbeat.told:
            self.watches.reported(peer.address, heartbeat.told)

    def _goodbye(self, peer: Peer, goodbye: wire.Goodbye) -> None:
        self.counters.goodbyes += 1
        self._forget(peer)
        self._done(peer, goodbye.request, peer.accepted)

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

    def _watch(self, peer: Peer, watch: wire.Watch) -> None:
        wire.check_ids(watch.ids)
        self.watches.watch(peer.address, watch.ids)
        self._done(peer, watch.request, len(watch.ids))

    def _unwatch(self, peer: Peer, unwatch: wire.Unwatch) -> None:
        self.watches.unwatch(peer.address, unwatch.ids)
        self._done(peer, unwatch.request, len(unwatch.ids))

    def _use(self, store: OpenStore) -> None:
        """Have follows; what that needs is loaded only now."""
        from zrouter.routing.follow_requests import FollowRequests
        from zrouter.routing.online_followers import OnlineFollowers
        from zrouter.routing.publishes import Publishes

        following = FollowRequests(store, self.counters)
        self.publishing = Publishes(
            following, OnlineFollowers(self.table), self._burst, self.idempotency, self.limits, self.counters,
            self.peers.find,
        )  # fmt: skip
        self._handlers[wire.Follows] = self._handlers[wire.Unfollows] = following.change
        self._handlers[wire.Related] = following.related
        self._handlers[wire.Publish] = self.publishing.add

    def _no_store(self, peer: Peer, message: wire.ToRouter) -> None:
        raise WireError(wire.NO_STORE, wire.ERROR_CODES[wire.NO_STORE])

    # ---- what they share ----------------------------------------------------------------------------

    def _send(self) -> Callable[[Peer, bytes, wire.Send], None]:
        """How a Send is routed now."""
        return self._burst.send_settled if self.table.is_unsettled else self._burst.send

    def _do_some(self) -> None:
        """What a million ids can need at once is done some at a time, so that nobody else waits."""
        if self._log_outs != LOGGED_OUT or self.table.is_unsettled:
            self.table.log_out(self._log_outs)
            self._log_outs = LOGGED_OUT
            self.watches.changed(self.table.logged_out())
        if self._has_more:
            parts = (self.table.expire, self.idempotency.expire, self.watches.work, self.revocations.expire)
            more = [do_some(LOGGED_OUT) for do_some in parts]  # each of them
            self._has_more = any(more)

    def _pulse(self, peer: Peer) -> tuple[bytes, bytes]:
        return peer.address, encode(wire.Pulse(self.epoch, peer.seq))

    def _done(self, peer: Peer, request: int, count: int) -> None:
        if request:
            self._answers.append((peer.address, encode(wire.Done(request, count))))

    def _refuse(self, address: bytes, request: int, error: WireError, messages: int = 0) -> None:
        self.counters.errors += 1
        self.counters.refused_messages += messages
        self._answers.append((address, encode(wire.Error(request, error.code, str(error), messages))))

    def _refuse_unread(self, address: bytes, frame: bytes, now: float) -> None:
        """It is too long to be read."""
        error = too_large("a frame", len(frame), self.limits.max_frame)
        peer = self.peers.find(address)
        if peer is None:
            error = WireError(wire.SAY_HELLO, wire.ERROR_CODES[wire.SAY_HELLO])
        else:
            peer.heard = now
        error = wire.refused_unread(frame, error)
        self._refuse(address, error.request, error, error.messages)

    def _lose(self, peer: Peer) -> None:
        """Its connection has gone."""
        self.counters.unreachable += 1
        self._losses.append(Loss(peer.name, len(peer.held), "unreachable, its connection has gone"))
        self._forget(peer)

    def _forget(self, peer: Peer) -> None:
        """Log out all its ids; what this burst had for it is lost and taken from the receipts."""
        if peer.identity is not None:
            self._departed[peer.address] = peer.identity
        self._burst.abandon(peer)
        if self.publishing is not None:
            self.publishing.forget(peer)
        self.table.leave(peer)
        if self.watches.watches <= LOGGED_OUT:
            # Those who watch them wait for nothing.
            self.table.settle(list(self.watches.among(peer.held.keys())))
        self._log_outs -= self.table.log_out(self._log_outs)
        self.watches.changed(self.table.logged_out())
        self.watches.forget(peer.address)
        self.revocations.forget(peer)
        self._has_more = True  # perhaps, of what it watched
        self.peers.remove(peer)
        self._frontends.pop(peer.address, None)


def _hellos(peer: Peer, now: float) -> float:
    """How many it has said by now, with this one."""
    before, at = peer.hellos
    return max(0.0, before - (now - at)) + 1


def _messages(message: wire.ToRouter) -> int:
    """How many messages are refused with it."""
    return len(message.pairs) if isinstance(message, wire.Send | wire.Publish) else 0
