"""Faults of the router's rules."""

from __future__ import annotations

from typing import Final

from tests.simulation.mutants.mutant import Mutant

ROUTER: Final = [
    Mutant(
        "a mailbox gives what the client has already",
        (
            "zrouter/mailbox.py",
            "if at <= position:\n                    return found, True",
            "if at < position:\n                    return found, True",
        ),
    ),
    Mutant(
        "a mailbox gives the ids one after the other",
        (
            "zrouter/mailbox.py",
            "        messages.sort(key=itemgetter(2))\n",
            "",
        ),
    ),
    Mutant(
        "what a mailbox has forgotten leaves no gap",
        (
            "zrouter/mailbox.py",
            "        self._floor = self._segments[0].since if self._segments else self.position\n",
            "",
        ),
    ),
    Mutant(
        "messages for nobody move no position in a segment",
        (
            "zrouter/mailbox.py",
            "            frames.append(count)",
            "            frames.append(0)",
        ),
    ),
    Mutant(
        "a message that is dropped still counts in its receipt",
        (
            "zrouter/burst.py",
            "                        handed[index] = left if left > 0 else nobody",
            "                        left = left",
        ),
    ),
    Mutant(
        "a dropped burst is not counted in seq",
        (
            "zrouter/burst.py",
            "            peer.seq += count\n",
            "            if peer.under_way_bytes() + len(frame) <= self._limits.window:\n"
            "                peer.seq += count\n",
        ),
    ),
    Mutant(
        "a key is forgotten at once",
        (
            "zrouter/repeats.py",
            "        if not self._window_s:\n            return\n",
            "        return\n",
        ),
    ),
    Mutant(
        "a frontend that comes back on a new connection is counted beside itself",
        (
            "zrouter/router.py",
            "                self._forget(earlier)  # the same process on a new connection\n",
            "                pass\n",
        ),
    ),
    Mutant(
        "who comes back within the linger is said to have left",
        (
            "zrouter/presence.py",
            "            del self._slots[watched.slot][an_id]\n            watched.slot = 0\n",
            "            pass\n",
        ),
    ),
    Mutant(
        "a state that a peer could not be told is not told again",
        (
            "zrouter/presence.py",
            "            if an_id in watcher.ids:\n                watcher.untold[an_id] = None\n",
            "            pass\n",
        ),
    ),
    Mutant(
        "a resume of a peer's former session is answered in the new one",
        (
            "zrouter/comebacks.py",
            "            if self._find_peer(peer.address) is not peer:\n                continue\n",
            "",
        ),
    ),
    Mutant(
        "a restart leaves no gap",
        (
            "zrouter/comebacks.py",
            "            if resume.epoch not in (0, self._epoch):\n                gap = wire.RESTARTED\n",
            "",
        ),
    ),
    Mutant(
        "a publish that failed leaves its key, so its retry is not routed",
        (
            "zrouter/publishing.py",
            "        if asked.key:\n            self._repeats.forget(asked.key)\n",
            "",
        ),
    ),
    Mutant(
        "the second publish of an id does not wait for the first",
        (
            "zrouter/publishing.py",
            "                waiting.append(one)\n",
            "                waiting.append(one)\n                self._queue(one)\n",
        ),
    ),
]
