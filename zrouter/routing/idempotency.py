"""Sends that were seen before: a retried one gets the receipts of the first, and nobody gets it twice.

Owns: which keys senders have given a short while ago, what was sent with each and what came of it. Must not
know: sockets, where the time comes from (clock.py), how a message is routed.

A key is the sender's own name for a Send or a Publish, the same when it tries again, whatever connection it
comes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sized
from hashlib import blake2b
from typing import NamedTuple, TypeAlias

from zrouter import wire
from zrouter.routing.clock import Clock
from zrouter.wire import WireError, encode

_DIGEST_BYTES = 16
# What a key takes beside its bytes and the receipts: its slots, a tuple, digest, list and time. Measured.
_KEY_BYTES = 370
_RECEIPT_BYTES = 9  # a slot; lists have an eighth to spare
_REACH_BYTES = 160  # four numbers in an object


# What came of it, one for each pair: the receipts, or something that will have them.
Outcome: TypeAlias = Sized


class _First(NamedTuple):
    """What was sent first with a key."""

    key: bytes
    digest: bytes
    outcome: Outcome
    at: float


class Idempotency:
    """The keys of the last `window_s` seconds (0 = none), as many as fit `max_bytes` with their receipts."""

    def __init__(self, clock: Clock, window_s: float, max_bytes: int) -> None:
        self.bytes = 0
        self.evicted = 0  # keys that had to go before their time
        self._window_s = window_s
        self._max_bytes = max_bytes
        self._clock = clock
        self._firsts: dict[bytes, _First] = {}
        self._oldest: deque[_First] = deque()  # by age; some may be forgotten already

    def __len__(self) -> int:
        return len(self._firsts)

    def expire(self, budget: int) -> bool:
        """Forget what is too old, so many at the most; whether there is more."""
        now = self._clock.now
        while self._oldest and now - self._oldest[0].at > self._window_s:
            if budget <= 0:
                return True
            self._forget_oldest()
            budget -= 1
        return False

    def find(self, send: wire.Send | wire.Publish, whose: bytes = b"") -> Outcome | None:
        """What `remember` was given for the same one when it came first; None if its key is new.

        `whose` is the name space of the key: nobody's key meets another's. In the burst in which a Send came
        first, its list may yet change.

        Raises:
            WireError: with code KEY_REUSED: the key came with other pairs.
        """
        first = self._firsts.get(whose + send.key)
        if first is None:
            return None
        if first.digest != _digest(send):
            raise WireError(wire.KEY_REUSED, "this key came with other messages a short while ago")
        return first.outcome

    def remember(self, send: wire.Send | wire.Publish, outcome: Outcome, whose: bytes = b"") -> None:
        """This one, whose key is new, is routed now; `outcome` will have its receipts."""
        if not self._window_s:
            return
        key = whose + send.key
        first = self._firsts[key] = _First(key, _digest(send), outcome, self._clock.now)
        self._oldest.append(first)
        self.bytes += _size(key, outcome)
        while self.bytes > self._max_bytes:
            self.evicted += 1
            self._forget_oldest()

    def forget(self, key: bytes) -> None:
        """What came with this key, its name space before it, has failed: a retry is new.

        No error if it is forgotten already.
        """
        first = self._firsts.pop(key, None)
        if first is not None:
            self.bytes -= _size(key, first.outcome)

    def _forget_oldest(self) -> None:
        oldest = self._oldest.popleft()
        if self._firsts.get(oldest.key) is oldest:
            self.forget(oldest.key)


def _digest(send: wire.Send | wire.Publish) -> bytes:
    kind = type(send).__name__.encode()
    return blake2b(encode(send.pairs), digest_size=_DIGEST_BYTES, person=kind).digest()


def _size(key: bytes, outcome: Outcome) -> int:
    each = _RECEIPT_BYTES if isinstance(outcome, list) else _REACH_BYTES
    return _KEY_BYTES + len(key) + each * len(outcome)
