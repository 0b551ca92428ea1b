"""Tokens that were taken back before their end, as a frontend knows them.

Owns: which are, until they would be over anyway. Must not know: where they come from, connections.

Of a subject, or of everybody, those are revoked that were made (`iat`) before a time, so that a fresh one is
good; one that does not say when it was made counts as older than any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from zrouter.wire import REVOKED_ALL, REVOKED_JTI, REVOKED_SUB, Revocation

_SWEEP_S: Final = 60.0


class Batch:
    """Revocations that came together, as they are about tokens that are here: the latest time counts."""

    def __init__(self, revocations: Iterable[Revocation]) -> None:
        self.befores: dict[bytes, int] = {}  # by subject
        self.everybody = -1  # before when; -1: nobody
        self.token_ids: set[bytes] = set()
        for kind, value, before, _ in revocations:
            if kind == REVOKED_SUB:
                self.befores[value] = max(before, self.befores.get(value, -1))
            elif kind == REVOKED_ALL:
                self.everybody = max(before, self.everybody)
            elif kind == REVOKED_JTI:
                self.token_ids.add(value)


class RevokedTokens:
    """`time` gives Unix time [s]."""

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._of: dict[int, dict[bytes, tuple[int, int]]] = {
            REVOKED_SUB: {},
            REVOKED_JTI: {},
            REVOKED_ALL: {},
        }
        self._next_sweep = 0.0

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def add(self, revocations: Iterable[Revocation]) -> None:
        """Those that were told; twice is as once."""
        now = self._time()
        for kind, value, before, until in revocations:
            if until <= now or kind not in self._of:
                continue
            known = self._of[kind].get(value, (0, 0))
            self._of[kind][value] = max(before, known[0]), max(until, known[1])
        if now >= self._next_sweep:
            self._sweep(now)

    def has(self, sub: bytes | None, token_id: bytes, made_at: float | None) -> bool:
        """Whether such a token is revoked."""
        if not any(self._of.values()):
            return False
        now = self._time()
        made = float("-inf") if made_at is None else made_at
        found = (
            self._of[REVOKED_ALL].get(b""),
            None if sub is None else self._of[REVOKED_SUB].get(sub),
        )
        if any(one is not None and made < one[0] and one[1] > now for one in found):
            return True
        by_id = self._of[REVOKED_JTI].get(token_id) if token_id else None
        return by_id is not None and by_id[1] > now

    def _sweep(self, now: float) -> None:
        self._next_sweep = now + _SWEEP_S
        for kind, known in self._of.items():
            self._of[kind] = {value: one for value, one in known.items() if one[1] > now}
