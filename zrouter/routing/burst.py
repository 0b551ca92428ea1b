"""One burst of messages: from the senders' frames to one frame for each frontend, and to the receipts.

Owns: the hot path, what is under way to each frontend, that a receipt says what became of its message.
Must not know: sockets, the time, who logs in or leaves.

Each pair goes straight into the inbox of every frontend that holds its id (routing_table.py); `deliveries`
packs the inboxes, and `receipts` comes last, so that it tells of what could not be sent, too. A message for
many ids (`fan_out`) goes to each frontend once, with those of the ids that it holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from zrouter import wire
from zrouter.routing.counters import Counters
from zrouter.routing.idempotency import Idempotency
from zrouter.routing.limits import Limits
from zrouter.routing.mailboxes import Mailboxed, Mailboxes
from zrouter.routing.peers import Peer
from zrouter.routing.routing_table import Holder, Route, RoutingTable
from zrouter.wire import KEPT, Delivery, Pair, WireError, encode

# What a message for many takes in the journal, and each of its ids, whose bytes are the table's.
_KEPT_BYTES: Final = 120
_ID_BYTES: Final = 8


class Reach:
    """Whom a publish has reached so far; `followers` are all, logged in or not."""

    __slots__ = ("followers", "handed", "kept", "online")

    def __init__(self) -> None:
        self.followers = self.online = self.handed = self.kept = 0

    def receipt(self) -> tuple[int, int, int, int]:
        """As it is told."""
        return self.followers, self.online, self.handed, self.kept


# In place of the request number of a Send with a key that wants no receipts, until they were made.
_UNASKED: Final = 2**63


class Burst:
    """Routes Sends; begun anew by `end`."""

    def __init__(
        self,
        table: RoutingTable,
        mailboxes: Mailboxes,
        idempotency: Idempotency,
        limits: Limits,
        counters: Counters,
    ) -> None:
        self._idempotency = idempotency
        self._limits = limits
        self._max_message = limits.max_message
        self._counters = counters
        self._mailboxes = mailboxes
        self._table = table
        self._find = table.routes.get
        self._kept = table.kept
        self._unheld: list[Delivery] = []
        self._position = mailboxes.position  # of the last message
        self._frames: list[bytes | int | Mailboxed] = []  # to be kept: see Mailboxes.keep
        self._frame_bytes = 0
        self._fanned = 0  # positions of publishes: of a message for each id that it was fanned out to
        self._skipped = 0  # messages for nobody who is or just was here
        self._nobody: Route = (self._unheld.append, 0, ())
        self._asking: list[Peer] = []  # who gets receipts
        self._sent_to: list[Peer] = []
        self._reaches: dict[int, Reach] = {}  # by position, of what was fanned out
        # Frontends that were handed many of a fan-out, and up to which byte they have to take for that.
        self.fanned: dict[Peer, int] = {}

    def send(self, peer: Peer, frame: bytes, send: wire.Send) -> None:
        """Route the pairs of one Send that came in that frame.

        Raises:
            WireError: too long, or the key of another one; nothing of it was routed.
        """
        pairs = send.pairs
        if len(frame) > self._max_message:
            check_sizes(len(frame), pairs, self._limits)
        if send.key:
            self._send_with_key(peer, frame, send)
            return
        count = len(pairs)
        peer.accepted += count
        find, nobody = self._find, self._nobody
        position = first = self._position
        unheld = len(self._unheld)
        if send.request:
            handed: list[int] = []
            for an_id, message in pairs:
                position += 1
                hand, connections, _ = find(an_id, nobody)
                hand((an_id, message, position))
                handed.append(connections)
            if not peer.receipted:
                self._asking.append(peer)
            peer.receipts.append((send.request, handed))
            peer.receipted.append((first, pairs, handed))
        else:
            for an_id, message in pairs:
                position += 1
                find(an_id, nobody)[0]((an_id, message, position))
        self._position = position
        if len(self._unheld) == unheld:
            self._frames.append(frame)
            self._frame_bytes += len(frame)
        elif len(self._unheld) - unheld < count:
            # Kept as a whole, what is in it for nobody, too.
            self._frames.append(frame)
            self._frame_bytes += len(frame)
            self._counters.nobody += len(self._unheld) - unheld
            del self._unheld[unheld:]
        else:
            self._skipped += count
            last = self._frames[-1] if self._frames else b""
            if isinstance(last, int):
                self._frames[-1] = last + count
            else:
                self._frames.append(count)

    def send_settled(self, peer: Peer, frame: bytes, send: wire.Send) -> None:
        """The same while ids are yet to be taken from a holder that left: of these they are first.

        Raises:
            WireError: as `send`.
        """
        self._table.settle([an_id for an_id, _ in send.pairs])
        self.send(peer, frame, send)

    def fan_out(self, message: bytes, ids: Iterable[bytes], reach: Reach) -> bool:
        """One message to all of these ids, each at most once, with a position each; whether all are there.

        One connection may be several of them: it has to be told where it is between two of its messages.
        """
        find, is_whole = self._find, True
        if self._table.is_unsettled:
            ids = list(ids)
            self._table.settle(ids)
        routes: dict[int, Route] = {}
        groups: dict[int, list[bytes]] = {}  # ids with the same route, by its identity
        for an_id in ids:
            route = find(an_id)
            if route is None:
                is_whole = False
                continue
            group = groups.get(id(route))
            if group is None:
                routes[id(route)] = route
                groups[id(route)] = [an_id]
            else:
                group.append(an_id)
        position = before = self._position
        shares: dict[Holder, tuple[list[bytes], list[int]]] = {}
        for key, group in groups.items():
            _, connections, holders = routes[key]
            first = position + 1
            position += len(group)
            if connections == KEPT:
                reach.kept += len(group)
                self._counters.kept += len(group)
                continue
            reach.online += len(group)
            reach.handed += connections * len(group)
            for holder in holders:
                if holder not in shares:
                    shares[holder] = ([*group], [first, len(group)])
                    continue
                share, spans = shares[holder]
                share += group
                if spans[-2] + spans[-1] == first:
                    spans[-1] += len(group)
                else:
                    spans += (first, len(group))
        if position == before:
            return is_whole
        self._position = position
        self._fanned += position - before
        for holder, (share, spans) in shares.items():
            last = spans[-2] + spans[-1] - 1
            holder.fans.append((last, message, share))
            holder.spans.append(spans)
            self._reaches[last] = reach
        if self._mailboxes.is_on:
            kept = [an_id for group in groups.values() for an_id in group]
            self._frames.append(Mailboxed(message, kept))
            self._frame_bytes += _KEPT_BYTES + len(message) + _ID_BYTES * len(kept)
        else:
            self._frames.append(position - before)
        return is_whole

    def pass_by(self) -> None:
        """Publishes have gone past followers who are away: whoever comes back from before has missed that."""
        self._position += 1
        self._fanned += 1
        self._skipped += 1
        self._frames.append(1)
        self._mailboxes.skipped.published(self._position)

    def deliveries(self, frontends: Iterable[Peer]) -> list[tuple[bytes, bytes]]:
        """`(address, frame)` for each frontend that something is for."""
        out: list[tuple[bytes, bytes]] = []
        counters = self._counters
        for peer in frontends:
            inbox = peer.inbox
            count = peer.waiting() if peer.fans else len(inbox)
            if not count:
                continue
            fanned = count - len(inbox)
            frame = encode(wire.Deliver(peer.seq, inbox, peer.fans, peer.spans))
            peer.seq += count
            if peer.under_way_bytes() + len(frame) > self._limits.window:
                self.overflow(peer)
                continue
            peer.handed_bytes += len(frame)
            if fanned >= wire.FAN_IDS:
                self.fanned[peer] = peer.handed_bytes
            counters.messages_out += count
            counters.bytes_out += len(frame)
            self._sent_to.append(peer)
            out.append((peer.address, frame))
        return out

    def take_back(self, peer: Peer, frame: bytes) -> None:
        """The delivery could not be sent; what is to become of it, `abandon` or `overflow` says."""
        peer.handed_bytes -= len(frame)
        self.fanned.pop(peer, None)
        self._counters.messages_out -= peer.waiting()
        self._counters.bytes_out -= len(frame)

    def overflow(self, peer: Peer) -> None:
        """There was no room for what this burst has for that peer."""
        self._counters.dropped_backlog += self._drop(peer)

    def abandon(self, peer: Peer) -> None:
        """That peer has gone, and what this burst has for it is lost."""
        self._counters.dropped_unreachable += self._drop(peer)

    def receipts(self) -> list[tuple[bytes, bytes]]:
        """`(address, frame)` for each sender that asked."""
        if not self._asking:
            return []
        out: list[tuple[bytes, bytes]] = []
        for peer in self._asking:
            if peer.receipts:
                out.append((peer.address, encode(wire.Receipts(peer.receipts))))
            peer.receipts.clear()
            peer.receipted.clear()
        self._asking.clear()
        return out

    def end(self) -> None:
        """All is out, or dropped and counted."""
        if self._frames:
            count = self._position - self._mailboxes.position
            self._counters.messages_in += count - self._fanned
            self._mailboxes.keep(self._frames, count, self._frame_bytes, self._skipped)
            self._frames.clear()
            self._frame_bytes = self._skipped = self._fanned = 0
            self._reaches.clear()
        for peer in self._sent_to:
            peer.empty()
        self._sent_to.clear()
        if self._unheld:
            self._counters.nobody += len(self._unheld)
            if self._mailboxes.is_on:
                self._mailboxes.skipped.sent(self._unheld)
            self._unheld.clear()
        if self._kept:
            self._counters.kept += len(self._kept)
            self._kept.clear()

    def _send_with_key(self, peer: Peer, frame: bytes, send: wire.Send) -> None:
        """Route it and remember what comes of it; if it came before, tell what came of it then, or will."""
        handed = self._idempotency.find(send, peer.whose)
        if not isinstance(handed, list):
            self.send(peer, frame, wire.Send(send.request or _UNASKED, send.pairs))
            self._idempotency.remember(send, peer.receipted[-1][2], peer.whose)
            if not send.request:
                peer.receipts.pop()
            return
        peer.accepted += len(send.pairs)
        self._counters.repeated += len(send.pairs)
        if send.request:
            if not peer.receipted:
                self._asking.append(peer)
            peer.receipts.append((send.request, handed))
            peer.receipted.append((0, [], handed))  # the first one corrects the list

    def _drop(self, peer: Peer) -> int:
        """Empty its inbox, take that from the receipts that counted it as handed over, and say how many."""
        dropped = peer.waiting()
        peer.dropped += dropped
        lost = peer.counted() if peer.inbox else {}
        nobody = KEPT if self._mailboxes.is_on else 0
        for sender in self._asking if lost else ():
            for before, pairs, handed in sender.receipted:
                for index in range(len(pairs)):
                    if before + index + 1 in lost:
                        left = handed[index] - lost[before + index + 1]
                        handed[index] = left if left > 0 else nobody
        for position, _, ids in peer.fans:
            self._reaches[position].handed -= sum(peer.held.get(an_id, 0) for an_id in ids)
        peer.empty()
        return dropped


def check_sizes(frame_bytes: int, pairs: list[Pair], limits: Limits) -> None:
    """Refuse what is longer than the limits.

    Raises:
        WireError: with code TOO_LARGE.
    """
    if frame_bytes > limits.max_frame:
        raise too_large("a frame", frame_bytes, limits.max_frame)
    longest = max((len(message) for _, message in pairs), default=0)
    if longest > limits.max_message:
        raise too_large("a message", longest, limits.max_message)


def too_large(what: str, has: int, may: int, of: str = "bytes") -> WireError:
    """The refusal of something that has so many bytes, or so much of something else."""
    return WireError(wire.TOO_LARGE, f"{what} of {has} {of} is too long: {may} are the limit")
