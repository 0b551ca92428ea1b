"""Makes a history that breaks a promise short: steps are left out as long as the same promise breaks.

Owns: which steps are tried without (delta debugging, after Zeller). Must not know: what a step does.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.simulation.plan import Step


def shrink(
    steps: list[Step], still_breaks: Callable[[list[Step]], bool], most_tries: int = 400
) -> list[Step]:
    """The fewest steps that were found within so many tries."""
    parts, tries = 2, 0
    while len(steps) > 1 and tries < most_tries:
        size = max(1, len(steps) // parts)
        for first in range(0, len(steps), size):
            tries += 1
            fewer = steps[:first] + steps[first + size :]
            if fewer and still_breaks(fewer):
                steps, parts = fewer, max(parts - 1, 2)
                break
            if tries >= most_tries:
                break
        else:
            if size == 1:
                break
            parts = min(len(steps), parts * 2)
    return steps
