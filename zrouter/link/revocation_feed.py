"""Revoked tokens as a frontend learns of them: all that there are, a page at a time, then what is new.

Owns: how far we know them, and when to ask again. Must not know: sockets, the time, tokens.

The router counts them anew in each of its lives, so they are asked for from the beginning then; what is known
from before stays known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zrouter import wire
from zrouter.errors import RefusedError
from zrouter.link.announcements import Make


class RevocationFeed:
    """`told` is given revocations; some of them more than once."""

    def __init__(self, told: Callable[[list[wire.Revocation]], None]) -> None:
        self.is_complete = False  # all are known that the router had when it was asked
        self._told = told
        self._epoch = 0
        self._last = 0  # number that we know
        self._is_asked = False
        self._is_due = False

    def welcomed(self, epoch: int) -> None:
        """A session begins."""
        if epoch != self._epoch:
            self._epoch, self._last = epoch, 0
        self._is_asked, self._is_due, self.is_complete = False, True, False

    def has_request(self) -> bool:
        """Whether there is something to ask for."""
        return self._is_due and not self._is_asked

    def request(self) -> tuple[Make, Callable[[Any], None]]:
        """What asks for the next page, and takes the answer."""
        self._is_asked, self._is_due = True, False
        after = self._last
        return (lambda request: wire.Revocations(request, after)), self._answered

    def unknown(self) -> None:
        """The router, of an earlier version, knows of no revocations."""
        if self._is_asked:
            self.is_complete = True

    def news(self, message: wire.Revoked) -> None:
        """Some that are new; others between may have been lost on the way."""
        self._told(message.revocations)
        if message.after <= self._last:
            self._last = max(self._last, message.last)
        else:
            self._is_due = True

    def _answered(self, answer: Any) -> None:
        self._is_asked = False
        if isinstance(answer, RefusedError):  # our key is not for that: nor may we log in
            return
        if not isinstance(answer, wire.Revoked):  # the router had to drop it
            self._is_due = True
            return
        self._told(answer.revocations)
        self._last = max(self._last, answer.last)
        self._is_due = self._is_due or answer.more
        if not answer.more:
            self.is_complete = True
