"""The follows of a run: who follows whom, made up.

Owns: which graph a step asks for. Must not know: how graphs are made (follow_graphs.py), where the lines go.
"""

from __future__ import annotations

from collections.abc import Iterator

from zflood.run.scenario import Follows


def lines(step: Follows) -> Iterator[bytes]:
    """Some lines at a time, as `zflood friends --plain` prints them.

    Raises:
        ValueError: there are too few users for so many pairs.
    """
    from zflood import follow_graphs  # with numpy, only for those who need it

    if step.zipf:
        followed = step.followed or max(1, step.users // 10)
        pairs = follow_graphs.zipf(step.users, round(step.users * step.each), followed, step.seed)
    else:
        pairs = follow_graphs.barabasi_albert(step.users, int(step.each), step.seed)
    return follow_graphs.lines(pairs, follow_graphs.PLAIN, first=1)
