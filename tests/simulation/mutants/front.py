"""Faults of a frontend's room, delivery and lot."""

from __future__ import annotations

from typing import Final

from tests.simulation.mutants.mutant import Mutant

FRONT: Final = [
    Mutant(
        "a client that waits for what it missed is given messages",
        (
            "zfront/connections/fan_out.py",
            "                elif kind < AWAITS_RESUME:\n",
            "                elif (kind := kind & ~AWAITS_RESUME) != 0:\n",
        ),
    ),
    Mutant(
        "the rest of a short write begins anew",
        (
            "zfront/connections/parked_sockets.py",
            "                self._keep(descriptor, data[sent:])",
            "                self._keep(descriptor, data)",
        ),
    ),
    Mutant(
        "an outbox loses its order",
        (
            "zfront/connections/parked_sockets.py",
            "            if descriptor in outboxes:\n"
            "                self._keep(descriptor, data)\n"
            "                continue\n"
            "            try:",
            "            try:",
        ),
    ),
    Mutant(
        "a connection that has gone is still its ids",
        (
            "zfront/connections/hub.py",
            "        for an_id in self.subscriptions.remove(descriptor):\n            self._changed(an_id)\n",
            "        for an_id in self.subscriptions.ids_of(descriptor):\n            self._changed(an_id)\n",
        ),
    ),
    Mutant(
        "a watcher that has gone is still told",
        (
            "zfront/connections/hub.py",
            "        self.watchers.remove(descriptor)\n",
            "",
        ),
    ),
    Mutant(
        "the second watcher of an id is not told its state",
        (
            "zfront/connections/presence_subscriptions.py",
            "                known.append((an_id, self._states[an_id]))",
            "                pass",
        ),
    ),
    Mutant(
        "the last but one connection of an id takes it along",
        (
            "zfront/connections/subscriptions.py",
            "            if len(held) == 1:\n                self._of_id[an_id] = held.pop()",
            "            if len(held) == 1:\n                del self._of_id[an_id]",
        ),
    ),
]
