"""The link's judge: what the router says, beside what docs/wire-protocol.md lets it say to what it has read.

Owns: a model of one router's life: who is there, who holds and watches what, what is due to whom. Must not
know: how the router does it. It sees each frame that the router reads and sends, and after each burst which
peers it still knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tests.simulation.judge.ledger import KEPT, Entry, Ledger
from tests.simulation.judge.presence import PresenceModel
from tests.simulation.world import Broken, World
from zrouter import wire
from zrouter.routing.limits import Limits


class Pending:
    """One message in this burst, for one id."""

    __slots__ = ("body", "entry", "handed", "holders", "id", "may_be_kept", "must_be_kept")

    def __init__(self, id: bytes, body: bytes, entry: Entry | None, holders: dict[bytes, int]) -> None:
        self.id = id
        self.body = body
        self.entry = entry
        self.holders = holders  # address -> connections, when it was taken
        self.handed = 0
        self.may_be_kept = self.must_be_kept = False


class PeerModel:
    """What a peer has told."""

    def __init__(self, address: bytes, name: str, instance: bytes) -> None:
        self.address = address
        self.name = name
        self.instance = instance
        self.held: dict[bytes, int] = {}
        self.seq = 0
        self.position = 0
        self.asked: dict[int, wire.ToRouter] = {}
        self.due: list[Pending] = []  # of this burst
        self.sends: dict[int, list[Pending]] = {}  # by request
        self.refusals: dict[int, str] = {}  # requests that have to be refused, and the code
        self.before: set[int] = set()  # requests of its last session, which may be answered until the Welcome


class LinkJudge:
    """Of one life of the router; `clock` is its own."""

    def __init__(
        self, world: World, ledger: Ledger, limits: Limits, epoch: int, clock: Callable[[], float]
    ) -> None:
        self.peers: dict[bytes, PeerModel] = {}
        self.totals: dict[bytes, int] = {}
        self._world = world
        self._ledger = ledger
        self._limits = limits
        self._epoch = f"{epoch:x}"
        self._clock = clock
        self._left: dict[
            bytes, float
        ] = {}  # ids that have no connection any more: since when, by the router's clock
        self._had_too_many = False
        self._has_published = False
        self._turned_at = clock()
        self._keys: dict[bytes, tuple[list[wire.Pair], list[Pending]]] = {}
        self._published: set[bytes] = set()  # keys
        self._fans: set[tuple[bytes, tuple[int, int], bytes]] = set()
        self._burst: list[Pending] = []
        self.presence = PresenceModel(clock, limits.presence_linger_s, limits.mailbox_s)

    # ---- what the router reads ---------------------------------------------------------------------------

    def taken(self, address: bytes, frame: bytes) -> None:
        """The router has this frame."""
        self._world.trace("taken", address.hex(), len(frame), frame[:24].hex())
        try:
            message = wire.decode_to_router(frame)
        except wire.UNREADABLE:
            return
        if isinstance(message, wire.Hello):
            self._greeted(address, message)
            return
        peer = self.peers.get(address)
        if peer is None:
            return
        request = getattr(message, "request", 0)
        if request:
            peer.asked[request] = message
        if len(frame) > self._limits.max_frame:
            peer.refusals[request] = wire.TOO_LARGE
            self._refused(message)
            return
        match message:
            case wire.Login():
                self._login(peer, message)
            case wire.Logout():
                for an_id in message.ids:
                    self._hold(peer, an_id, 0)
            case wire.Send():
                self._send(peer, message)
            case wire.Publish():
                self._publish(message)
            case wire.Watch():
                if not self.presence.watch(address, message.ids, self._limits.max_watches):
                    peer.refusals[message.request] = wire.FULL
            case wire.Unwatch():
                self.presence.unwatch(address, message.ids)
            case wire.Goodbye():
                self._forget(peer)
            case _:
                pass

    def _greeted(self, address: bytes, hello: wire.Hello) -> None:
        before = self.peers.get(address)
        for one in list(self.peers.values()):
            if one.address == address or (one.name, one.instance) == (hello.name, hello.instance):
                self._forget(one)
        peer = self.peers[address] = PeerModel(address, hello.name, hello.instance)
        if before is not None:
            peer.before = before.before | before.asked.keys()

    def _login(self, peer: PeerModel, login: wire.Login) -> None:
        new = {an_id for an_id in login.ids if not self.totals.get(an_id)}
        held = sum(1 for total in self.totals.values() if total)
        if new and held + len(new) > self._limits.max_ids:
            peer.refusals[login.request] = wire.FULL
            return
        for an_id, connections in zip(login.ids, login.connections, strict=True):
            self._hold(peer, an_id, connections)
        for pair, an_id in self._ledger.logins.pop((peer.name, login.request), ()):
            self._ledger.on_login(pair, an_id)

    def _hold(self, peer: PeerModel, an_id: bytes, connections: int) -> None:
        before = peer.held.pop(an_id, 0)
        if connections:
            peer.held[an_id] = connections
        total = self.totals[an_id] = self.totals.get(an_id, 0) + connections - before
        if total:
            self._left.pop(an_id, None)
        elif before:
            self._left[an_id] = self._clock()
            self._had_too_many |= len(self._left) >= self._limits.mailbox_ids
            self.presence.knows_who_left &= not self._had_too_many
        self.presence.changed(an_id, total)

    def _send(self, peer: PeerModel, send: wire.Send) -> None:
        if any(len(body) > self._limits.max_message for _, body in send.pairs):
            peer.refusals[send.request] = wire.TOO_LARGE
            self._refused(send)
            return
        if send.key and self._limits.idempotency_s and send.key in self._keys:
            pairs, first = self._keys[send.key]
            if [tuple(pair) for pair in pairs] != [tuple(pair) for pair in send.pairs]:
                peer.refusals[send.request] = wire.KEY_REUSED
            elif send.request:
                peer.sends[send.request] = first
            return
        some = [self._route(an_id, body) for an_id, body in send.pairs]
        if send.key and self._limits.idempotency_s:
            self._keys[send.key] = (send.pairs, some)
        if send.request:
            peer.sends[send.request] = some

    def _route(self, an_id: bytes, body: bytes) -> Pending:
        entry = self._ledger.find(body.decode(errors="replace"))
        if entry is not None:
            entry.taken.append(self._world.now)
        holders = [peer for peer in self.peers.values() if an_id in peer.held]
        if entry is not None:
            entry.fronts |= {peer.name for peer in holders}
        one = Pending(an_id, body, entry, {peer.address: peer.held[an_id] for peer in holders})
        for peer in holders:
            peer.due.append(one)
        is_on = self._limits.mailbox_s > 0
        left = self._left.get(an_id)
        if holders:
            one.may_be_kept = one.must_be_kept = is_on
        elif left is not None and is_on and self._limits.mailbox_ids:
            for_s = self._clock() - left
            one.may_be_kept = min(for_s, self._turned_at - left) < self._limits.mailbox_s + 0.6
            one.must_be_kept = for_s < self._limits.mailbox_s - 0.3 and not self._had_too_many
        self._burst.append(one)
        return one

    def _publish(self, publish: wire.Publish) -> None:
        self._has_published = True
        if publish.key and self._limits.idempotency_s:
            if publish.key in self._published:
                return
            self._published.add(publish.key)
        for _, body in publish.pairs:
            entry = self._ledger.find(body.decode(errors="replace"))
            if entry is not None:
                entry.taken.append(self._world.now)
                entry.is_refused = False

    def _refused(self, message: wire.ToRouter) -> None:
        for _, body in getattr(message, "pairs", ()):
            entry = (
                self._ledger.find(body.decode(errors="replace")) if isinstance(message, wire.Send) else None
            )
            if entry is not None:
                entry.is_refused = True

    # ---- what it says ------------------------------------------------------------------------------------

    def sent(self, address: bytes, frame: bytes, is_sent: bool) -> None:
        """The router has said this, or could not."""
        if not is_sent:
            self._world.trace("unsent", address.hex())
            self.presence.unsent(address)
            if address in self.peers:
                self._ledger.dropped_at[self.peers[address].name] = self._world.now
            return
        self._world.trace("sent", address.hex(), len(frame), frame[:24].hex())
        message = wire.decode_from_router(frame)
        peer = self.peers.get(address)
        if isinstance(message, wire.Error) and message.code == wire.SAY_HELLO:
            return
        if peer is None:
            if isinstance(message, wire.Deliver):
                raise Broken("wrong peer", "a Deliver for a peer that has not said Hello")
            return
        if not isinstance(message, wire.Deliver):
            self._drop_due(peer)
        match message:
            case wire.Deliver():
                self._delivered(peer, message)
            case wire.Receipts():
                for request, handed in message.receipts:
                    self._receipts(peer, request, handed)
            case wire.Error():
                self._error(peer, message)
            case wire.Presence():
                self.presence.said(address, message.states)
            case wire.Pulse():
                # It may have been made before this burst's messages were counted: less harms nobody.
                self._check_seq(peer, max(peer.seq, message.seq))
            case wire.Resumed():
                self._check_seq(peer, message.seq)
                self._answered(peer, message.request)
            case wire.Welcome():
                peer.before.clear()
            case wire.Evict():
                pass
            case _:
                self._answered(peer, getattr(message, "request", 0))

    def _answered(self, peer: PeerModel, request: int) -> None:
        if request in peer.before:
            peer.before.discard(request)
        elif request and peer.asked.pop(request, None) is None:
            raise Broken("answered twice", f"{peer.name}: request {request}")
        if request in peer.refusals:
            raise Broken(
                "not refused", f"{peer.name}: request {request} ought to be {peer.refusals[request]}"
            )

    def _error(self, peer: PeerModel, error: wire.Error) -> None:
        if not error.request or error.request not in peer.asked:
            return
        asked = peer.asked.pop(error.request)
        code = peer.refusals.pop(error.request, "")
        if isinstance(asked, wire.Login | wire.Send | wire.Watch) and code != error.code:
            raise Broken(
                "refused", f"{peer.name}: a {type(asked).__name__} was refused: {error.code}: {error.text}"
            )
        if isinstance(asked, wire.Publish):
            self._published.discard(asked.key)
            for _, body in asked.pairs:  # it did not reach all
                entry = self._ledger.find(body.decode(errors="replace"))
                if entry is not None:
                    entry.is_refused = True

    def _drop_due(self, peer: PeerModel) -> None:
        """What was due in this burst, and did not come before its answers, is lost, and counted."""
        peer.seq += len(peer.due)
        peer.due.clear()

    def _check_seq(self, peer: PeerModel, seq: int) -> None:
        # What is fanned out and lost is seen by nobody else.
        if seq < peer.seq or (seq > peer.seq and not self._has_published):
            raise Broken("wrong seq", f"{peer.name}: {seq} in place of {peer.seq}")
        peer.seq = max(seq, peer.seq)

    def _delivered(self, peer: PeerModel, deliver: wire.Deliver) -> None:
        self._check_seq(peer, deliver.seq)
        due, peer.due = peer.due, []
        if [(one.id, one.body) for one in due] != [(an_id, body) for an_id, body, _ in deliver.messages]:
            ids = [an_id[:12] for an_id, _, _ in deliver.messages]
            raise Broken("wrong delivery", f"{peer.name}: {ids} in place of {[one.id[:12] for one in due]}")
        for one, (_, _, position) in zip(due, deliver.messages, strict=True):
            one.handed += one.holders[peer.address]
            self._place(peer, one.entry, position, "")
        peer.seq = deliver.seq + len(due)
        for an_id, body, position in deliver.fanned():
            entry = self._ledger.find(body.decode(errors="replace"))
            self._fanned(peer, entry, an_id)
            self._place(peer, entry, position, an_id.decode(), is_fan=True)
            peer.seq += 1

    def _fanned(self, peer: PeerModel, entry: Entry | None, an_id: bytes) -> None:
        if entry is None or not entry.is_published:
            raise Broken("never sent", f"{peer.name}: what was fanned out to {an_id[:20]!r}")
        if not self._ledger.follows.may(an_id.decode(), entry.id, entry.at):
            raise Broken("wrong client", f"{entry} to {an_id[:20]!r}, which does not follow")
        # A Publish with a key may come again after a restart; within one life each follower gets it once.
        mark = (peer.address, entry.number, an_id)
        if mark in self._fans and len(entry.taken) < 2:
            raise Broken("twice", f"{entry} to {an_id[:20]!r}")
        self._fans.add(mark)

    def _place(
        self, peer: PeerModel, entry: Entry | None, position: int, an_id: str, *, is_fan: bool = False
    ) -> None:
        if position <= peer.position:
            raise Broken("out of order", f"{peer.name}: position {position} behind {peer.position}")
        peer.position = position
        if entry is None:
            return
        if not is_fan and len(entry.taken) == 1:
            place = entry.places.setdefault(self._epoch, position)
            if place != position:
                raise Broken("two places", f"{entry}: {position} and {place}")
        self._ledger.placed(self._epoch, position, entry.taken[-1])

    def _receipts(self, peer: PeerModel, request: int, handed: list[int]) -> None:
        is_before = request in peer.before
        self._answered(peer, request)
        if is_before:
            return
        sends = peer.sends.pop(request, None)
        if sends is None or len(sends) != len(handed):
            raise Broken("wrong receipt", f"{peer.name}: request {request} has no or other messages")
        for one, told in zip(sends, handed, strict=True):
            if told != one.handed and not (one.handed == 0 and told == KEPT and one.may_be_kept):
                raise Broken("wrong receipt", f"{one.entry}: {told} in place of {one.handed}")
            if told == 0 and one.must_be_kept:
                raise Broken("wrong receipt", f"{one.entry}: nobody, in place of kept")

    # ---- after a burst -----------------------------------------------------------------------------------

    def turned(self, known: Iterable[bytes]) -> None:
        """The burst is over; these peers are known now."""
        still = set(known)
        for peer in list(self.peers.values()):
            self._drop_due(peer)
            if peer.address not in still:
                self._forget(peer)
        self._burst.clear()
        self.presence.turned()
        self._turned_at = self._clock()

    def _forget(self, peer: PeerModel) -> None:
        for an_id in list(peer.held):
            self._hold(peer, an_id, 0)
        self.presence.forget(peer.address)
        self.peers.pop(peer.address, None)
