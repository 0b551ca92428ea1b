"""Sends that were seen before: a retried one gets the receipts of the first, and nobody gets it twice.

Owns: which keys senders have given a short while ago, what was sent with each and what came of it. Must not
know: sockets, the time (`now` is an argument, in seconds), how a message is routed.

A key is the sender's own name for a Send, the same when it tries again, whatever connection it comes on.
"""

from __future__ import annotations

from collections import deque
from hashlib import blake2b
from typing import NamedTuple

from zrouter import wire
from zrouter.wire import WireError, encode

_DIGEST_BYTES = 16
# What a key takes beside its bytes and the receipts: its slots, a tuple, digest, list and time. Measured.
_KEY_BYTES = 370
_RECEIPT_BYTES = 9  # a slot; lists have an eighth to spare


class _First(NamedTuple):
    """What was sent first with a key."""

    digest: bytes
    handed: list[int]
    at: float


class Repeats:
    """The keys of the last `window_s` seconds (0 = none), as many as fit `max_bytes` with their receipts."""

    def __init__(self, window_s: float, max_bytes: int) -> None:
        self.bytes = 0
        self.evicted = 0  # keys that had to go before their time
        self._window_s = window_s
        self._max_bytes = max_bytes
        self._now = 0.0
        self._firsts: dict[bytes, _First] = {}
        self._oldest: deque[bytes] = deque()  # the keys, in the order in which they came

    def __len__(self) -> int:
        return len(self._firsts)

    def tick(self, now: float) -> None:
        """What comes from now on comes at that time; forget what is too old."""
        self._now = now
        while self._oldest and now - self._firsts[self._oldest[0]].at > self._window_s:
            self._forget_oldest()

    def find(self, send: wire.Send) -> list[int] | None:
        """The receipts of the same Send when it came first; None if its key is new.

        In the burst in which it came first, the list may yet change.

        Raises:
            WireError: with code KEY_REUSED: the key came with other pairs.
        """
        first = self._firsts.get(send.key)
        if first is None:
            return None
        if first.digest != _digest(send):
            raise WireError(wire.KEY_REUSED, "this key came with other messages a short while ago")
        return first.handed

    def remember(self, send: wire.Send, handed: list[int]) -> None:
        """This Send, whose key is new, is routed now; `handed` will have its receipts."""
        if not self._window_s:
            return
        self._firsts[send.key] = _First(_digest(send), handed, self._now)
        self._oldest.append(send.key)
        self.bytes += _size(send.key, handed)
        while self.bytes > self._max_bytes:
            self.evicted += 1
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        key = self._oldest.popleft()
        self.bytes -= _size(key, self._firsts.pop(key).handed)


def _digest(send: wire.Send) -> bytes:
    return blake2b(encode(send.pairs), digest_size=_DIGEST_BYTES).digest()


def _size(key: bytes, handed: list[int]) -> int:
    return _KEY_BYTES + len(key) + _RECEIPT_BYTES * len(handed)
