"""Publishes: each goes to everyone who follows an id and is logged in, some of them at a time.

Owns: the publishes that wait or are under way, whose turn it is, what they reached. Must not know: sockets,
the time, how a store works, how a message gets to a frontend (burst.py).

A burst gives so much of its time to publishes, and those of different publishers take turns in it, a slice of
followers each. The next burst waits until the frontends have given these to their clients, so others'
messages never come behind more than that: nobody waits for the fan-out of a popular id. Publishes of one id
are done one after another, so each follower gets them in order. One that comes behind a follow of the same
peer waits until that is on disk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from heapq import heappop, heappush

from zrouter import wire
from zrouter.follows.store import Follows, StoreError
from zrouter.routing.burst import Burst, Reach, too_large
from zrouter.routing.counters import Counters
from zrouter.routing.flow_control import FlowControl
from zrouter.routing.follow_requests import FollowRequests, failed, reading
from zrouter.routing.idempotency import Idempotency
from zrouter.routing.limits import (
    MAX_PUBLISH_BYTES,
    MAX_PUBLISHES,
    PUBLISH_BYTES,
    PUBLISH_LOOK_UPS,
    PUBLISH_LOOKED,
    PUBLISH_REPEATS,
    PUBLISH_SLICE,
    PUBLISH_START,
    PUBLISHES_UNDER_WAY,
    Limits,
)
from zrouter.routing.online_followers import OnlineFollowers
from zrouter.routing.peers import Peer
from zrouter.wire import WireError, encode


class PublishRequest:
    """One Publish, and who is to be told what it reached: who repeats it is told, too."""

    __slots__ = ("error", "failed", "key", "left", "reaches", "waiting")

    def __init__(self, peer: Peer, publish: wire.Publish) -> None:
        self.key = publish.key and peer.whose + publish.key
        self.left = len(publish.pairs)
        self.reaches = [Reach() for _ in publish.pairs]
        self.waiting = [(peer, publish.request)]
        self.error: WireError | None = None  # why so many of its messages did not reach everyone
        self.failed = 0

    def __len__(self) -> int:
        return len(self.reaches)


class _Message:
    """One message of it. `after` = the job of changes that must be on disk before."""

    __slots__ = ("after", "asked", "followers", "message", "publisher", "reach", "view")

    def __init__(
        self, publisher: bytes, message: bytes, asked: PublishRequest, reach: Reach, after: int
    ) -> None:
        self.publisher = publisher
        self.message = message
        self.asked = asked
        self.reach = reach
        self.after = after
        self.followers: Iterator[tuple[int, list[bytes]]] = iter(())  # looked at, and found
        self.view = ExitStack()


class Publishes:
    """Of one router's life."""

    def __init__(
        self,
        following: FollowRequests,
        online: OnlineFollowers,
        burst: Burst,
        idempotency: Idempotency,
        limits: Limits,
        counters: Counters,
        find_peer: Callable[[bytes], Peer | None],
    ) -> None:
        self.following = following
        self._online = online
        self._burst = burst
        self._idempotency = idempotency
        self._max_message = limits.max_message
        self._counters = counters
        self._find_peer = find_peer
        self._by_publisher: dict[bytes, deque[_Message]] = {}
        # Publishers, none of whose messages is under way; and those whose next waits for a job of follows.
        self._ready: deque[bytes] = deque()
        self._blocked: list[tuple[int, bytes]] = []  # a heap, by job
        self._under_way: deque[_Message] = deque()
        self._done: list[PublishRequest] = []
        self._pace = FlowControl(burst.fanned)
        self.waits = False  # for frontends to take what they were handed
        self._errors: list[tuple[Peer, bytes]] = []
        self.waiting = 0  # messages
        self._bytes = 0

    def has_work(self) -> bool:
        """Whether there is something to do although nothing comes."""
        if self.following.has_questions():
            return True
        if self.waits:
            return False
        return bool(self._under_way or self._ready) or self._can_unblock()

    def add(self, peer: Peer, publish: wire.Publish) -> None:
        """Do it in its turn.

        Raises:
            WireError: the store can't be opened, too much waits, a message is too long, an id is none, or the
                key is another's.
        """
        if publish.key:
            before = self._idempotency.find(publish, peer.whose)
            if isinstance(before, PublishRequest):
                self._repeat(before, peer, publish)
                return
        self.following.store()
        if len(publish.pairs) > MAX_PUBLISHES:
            raise too_large("a Publish", len(publish.pairs), MAX_PUBLISHES, "messages")
        sizes = [len(message) for _, message in publish.pairs]
        size, longest = sum(sizes), max(sizes, default=0)
        if longest > self._max_message:
            raise too_large("a message", longest, self._max_message)
        if self.waiting + len(publish.pairs) > MAX_PUBLISHES or self._bytes + size > MAX_PUBLISH_BYTES:
            raise WireError(wire.FULL, f"{self.waiting} publishes wait already")
        wire.check_ids([publisher for publisher, _ in publish.pairs])
        peer.accepted += len(publish.pairs)
        self._counters.published += len(publish.pairs)
        asked = PublishRequest(peer, publish)
        if publish.key:
            self._idempotency.remember(publish, asked, peer.whose)
        for (publisher, message), reach in zip(publish.pairs, asked.reaches, strict=True):
            one = _Message(publisher, message, asked, reach, peer.last_change)
            waiting = self._by_publisher.get(publisher)
            if waiting is None:
                self._by_publisher[publisher] = deque((one,))
                self._queue(one)
            else:
                waiting.append(one)
        self.waiting += len(publish.pairs)
        self._bytes += size
        if not asked.left:
            self._done.append(asked)

    def work(self, now: float, *, is_idle: bool) -> None:
        """Hand over as much as a burst's time allows; in an idle one, look up who came."""
        while self._can_unblock():
            self._ready.append(heappop(self._blocked)[1])
        if not self.waiting:
            self.waits = False
            if is_idle and self._online.has_to_catch_up():
                self.catch_up()
            return
        self.waits = self._pace.has_to_wait(now)
        if self.waits:
            return
        try:
            store = self.following.store()
            if store is None:
                self._to_nobody()
            elif self._catch_up(store):
                self._hand_over(store, self._pace.followers(now, self._counters.messages_in))
        except StoreError as error:
            self._fail(failed(error))
        except WireError as error:
            self._fail(error)

    def catch_up(self) -> None:
        """Look up some of those who came, when nobody waits for anything."""
        try:
            store = self.following.store()
            if store is not None:
                self._catch_up(store)
        except (StoreError, WireError):
            self._online.give_up()  # the next publish is told

    def answers(self) -> list[tuple[bytes, bytes]]:
        """`(address, frame)` of those that are done or failed, and of changes that are on disk."""
        told = self.following.answers()
        done, self._done = self._done, []
        for asked in done:
            if asked.error is not None:
                self._refuse(asked, asked.error, asked.failed)
                continue
            receipts = [reach.receipt() for reach in asked.reaches]
            told += [
                (peer, encode(wire.Published(request, receipts)))
                for peer, request in asked.waiting
                if request
            ]
            asked.waiting.clear()
        told += self._errors
        self._errors = []
        # One that has gone, or said Hello again, is not told.
        return [(peer.address, frame) for peer, frame in told if self._find_peer(peer.address) is peer]

    def forget(self, peer: Peer) -> None:
        """This frontend has gone."""
        self._pace.forget(peer)

    def figures(self) -> dict[str, int]:
        """What waits, and how much memory it is."""
        return {
            "publishes_waiting": self.waiting,
            "follows_waiting": self.following.waiting,
            "followers_online": len(self._online),
        }

    # ---- inside ------------------------------------------------------------------------------------

    def _repeat(self, before: PublishRequest, peer: Peer, publish: wire.Publish) -> None:
        if len(before.waiting) > PUBLISH_REPEATS:
            raise WireError(wire.FULL, "it was repeated too often while it was under way")
        peer.accepted += len(before)
        self._counters.repeated += len(before)
        before.waiting.append((peer, publish.request))
        if not before.left:
            self._done.append(before)

    def _catch_up(self, store: Follows) -> bool:
        with reading(), store.read() as view:
            return self._online.catch_up(view, PUBLISH_LOOK_UPS)

    def _hand_over(self, store: Follows, budget: int) -> None:
        room, is_whole = PUBLISH_BYTES, True
        while budget > 0 and room > 0:
            while len(self._under_way) < PUBLISHES_UNDER_WAY and self._begin_next(store):
                budget -= PUBLISH_START
            if not self._under_way:
                break
            one = self._under_way.popleft()
            try:
                with reading():
                    found = next(one.followers, None)
            except StoreError as error:
                self._end(one, failed(error))
                continue
            if found is None:
                self._end(one)
                continue
            looked, ids = found
            budget -= looked // PUBLISH_LOOKED
            is_whole = is_whole and looked <= len(ids)
            if ids:
                is_whole = self._burst.fan_out(one.message, ids, one.reach) and is_whole
                budget -= len(ids)
                room -= len(one.message)
            self._under_way.append(one)
        if not is_whole:
            self._burst.pass_by()

    def _queue(self, one: _Message) -> None:
        """It is the next of its publisher."""
        if one.after <= self.following.done:
            self._ready.append(one.publisher)
        else:
            heappush(self._blocked, (one.after, one.publisher))

    def _can_unblock(self) -> bool:
        return bool(self._blocked) and self._blocked[0][0] <= self.following.done

    def _begin_next(self, store: Follows) -> bool:
        if not self._ready:
            return False
        return self._begin(self._by_publisher[self._ready.popleft()][0], store)

    def _begin(self, one: _Message, store: Follows) -> bool:
        with reading():
            view = one.view.enter_context(store.read())
            is_known = self._online.is_of(view)
        if not is_known:
            # Another generation, or new numbers, since the burst began: catch up first.
            one.view.close()
            self._ready.appendleft(one.publisher)
            return False
        try:
            with reading():
                number = view.number(one.publisher)
                if number is not None:
                    followers = view.followers_of(number)
                    one.reach.followers = len(followers)
                    one.followers = self._online.among(followers, PUBLISH_SLICE)
        except StoreError as error:
            self._end(one, failed(error))
            return True
        self._under_way.append(one)
        return True

    def _end(self, one: _Message, error: WireError | None = None) -> None:
        """It has reached everyone; or can't, for what is stored of its publisher is damaged."""
        if error is not None:
            one.asked.error = error
            one.asked.failed += 1
        one.followers = iter(())
        one.view.close()
        self.waiting -= 1
        self._bytes -= len(one.message)
        one.asked.left -= 1
        if not one.asked.left:
            self._done.append(one.asked)
        waiting = self._by_publisher[one.publisher]
        waiting.popleft()
        if waiting:
            self._queue(waiting[0])
        else:
            del self._by_publisher[one.publisher]

    def _to_nobody(self) -> None:
        """Nothing was ever followed."""
        while self._ready:
            self._end(self._by_publisher[self._ready.popleft()][0])

    def _fail(self, error: WireError) -> None:
        """The store can't be read: nothing of what waits can be done."""
        self._online.give_up()
        failed_ones = {id(one.asked): one.asked for some in self._by_publisher.values() for one in some}
        for one in self._under_way:
            one.view.close()
        self._by_publisher.clear()
        self._ready.clear()
        self._blocked.clear()
        self._under_way.clear()
        self.waiting = self._bytes = 0
        for asked in failed_ones.values():
            self._refuse(asked, error, asked.failed + asked.left)

    def _refuse(self, asked: PublishRequest, error: WireError, messages: int) -> None:
        self._counters.errors += 1
        self._counters.refused_messages += messages
        if asked.key:
            self._idempotency.forget(asked.key)
        for peer, request in asked.waiting:
            refusal = wire.Error(request, error.code, str(error), messages)
            self._errors.append((peer, encode(refusal)))
        asked.waiting.clear()
