"""Faults of the router's rules."""

from __future__ import annotations

from typing import Final

from tests.simulation.mutants.mutant import Mutant

ROUTER: Final = [
    Mutant(
        "a mailbox gives what the client has already",
        (
            "zrouter/routing/mailboxes.py",
            "if at <= position:\n                    return found, True",
            "if at < position:\n                    return found, True",
        ),
    ),
    Mutant(
        "a mailbox gives the ids one after the other",
        (
            "zrouter/routing/mailboxes.py",
            "        messages.sort(key=itemgetter(2))\n",
            "",
        ),
    ),
    Mutant(
        "what a mailbox has forgotten leaves no gap",
        (
            "zrouter/routing/mailboxes.py",
            "        self._floor = self._segments[0].since if self._segments else self.position\n",
            "",
        ),
    ),
    Mutant(
        "messages for nobody move no position in a segment",
        (
            "zrouter/routing/mailboxes.py",
            "            frames.append(count)",
            "            frames.append(0)",
        ),
    ),
    Mutant(
        "a message that is dropped still counts in its receipt",
        (
            "zrouter/routing/burst.py",
            "                        handed[index] = left if left > 0 else nobody",
            "                        left = left",
        ),
    ),
    Mutant(
        "a dropped burst is not counted in seq",
        (
            "zrouter/routing/burst.py",
            "            peer.seq += count\n",
            "            if peer.under_way_bytes() + len(frame) <= self._limits.window:\n"
            "                peer.seq += count\n",
        ),
    ),
    Mutant(
        "a key is forgotten at once",
        (
            "zrouter/routing/idempotency.py",
            "        if not self._window_s:\n            return\n",
            "        return\n",
        ),
    ),
    Mutant(
        "a frontend that comes back on a new connection is counted beside itself",
        (
            "zrouter/routing/router.py",
            "            self._forget(earlier)  # the same process on a new connection\n",
            "            pass\n",
        ),
    ),
    Mutant(
        "who comes back within the linger is said to have left",
        (
            "zrouter/routing/presence.py",
            "            del self._slots[watched.slot][an_id]\n            watched.slot = 0\n",
            "            pass\n",
        ),
    ),
    Mutant(
        "a state that a peer could not be told is not told again",
        (
            "zrouter/routing/presence.py",
            "            if an_id in watcher.ids:\n                watcher.untold[an_id] = None\n",
            "            pass\n",
        ),
    ),
    Mutant(
        "a resume of a peer's former session is answered in the new one",
        (
            "zrouter/routing/resume_requests.py",
            "            if self._find_peer(peer.address) is not peer:\n                continue\n",
            "",
        ),
    ),
    Mutant(
        "a restart leaves no gap",
        (
            "zrouter/routing/resume_requests.py",
            "            if resume.epoch not in (0, self._epoch):\n                gap = wire.RESTARTED\n",
            "",
        ),
    ),
    Mutant(
        "a publish that failed leaves its key, so its retry is not routed",
        (
            "zrouter/routing/publishes.py",
            "        if asked.key:\n            self._idempotency.forget(asked.key)\n",
            "",
        ),
    ),
    Mutant(
        "the second publish of an id does not wait for the first",
        (
            "zrouter/routing/publishes.py",
            "                waiting.append(one)\n",
            "                waiting.append(one)\n                self._queue(one)\n",
        ),
    ),
]
