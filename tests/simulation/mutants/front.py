"""Faults of a frontend's room, delivery and lot."""

from __future__ import annotations

from typing import Final

from tests.simulation.mutants.mutant import Mutant

FRONT: Final = [
    Mutant(
        "a client that waits for what it missed is given messages",
        (
            "zfront/delivery.py",
            "                elif kind < WAITS:\n",
            "                elif (kind := kind & ~WAITS) != 0:\n",
        ),
    ),
    Mutant(
        "the rest of a short write begins anew",
        (
            "zfront/lot.py",
            "                self._keep(descriptor, data[sent:])",
            "                self._keep(descriptor, data)",
        ),
    ),
    Mutant(
        "an outbox loses its order",
        (
            "zfront/lot.py",
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
            "zfront/room.py",
            "        for an_id in self.audience.remove(descriptor):\n            self._changed(an_id)\n",
            "        for an_id in self.audience.ids_of(descriptor):\n            self._changed(an_id)\n",
        ),
    ),
    Mutant(
        "a watcher that has gone is still told",
        (
            "zfront/room.py",
            "        self.watchers.remove(descriptor)\n",
            "",
        ),
    ),
    Mutant(
        "the second watcher of an id is not told its state",
        (
            "zfront/watchers.py",
            "                known.append((an_id, self._states[an_id]))",
            "                pass",
        ),
    ),
    Mutant(
        "the last but one connection of an id takes it along",
        (
            "zfront/audience.py",
            "            if len(held) == 1:\n                self._of_id[an_id] = held.pop()",
            "            if len(held) == 1:\n                del self._of_id[an_id]",
        ),
    ),
]
