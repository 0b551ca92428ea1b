"""Who follows whom, made up: a Barabasi-Albert graph as in the series' third part, and one after Zipf's law.

Owns: the pairs, the same for a seed, and as lines. Must not know: who reads them. numpy comes with zrouter's
store.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Numbers: TypeAlias = npt.NDArray[np.uint32]

EXPONENT: Final = 0.89  # so that the first of 200,000 has 1/30 of 15 million followers
PLAIN: Final = b"%d\t%d\n"  # a line of two numbers, which are the ids
_AT_ONCE: Final = 1 << 20
_LINES: Final = 1 << 16
_TRIES: Final = 1000


def barabasi_albert(users: int, each: int, seed: int) -> Iterator[tuple[Numbers, Numbers]]:
    """Each user, as he comes, follows `each` who are there, the likelier the more friends they have.

    Barabasi and Albert, Emergence of Scaling in Random Networks, 1999. A user's friends are drawn from the
    ends of all friendships so far, so that who has many gets more. Users come in batches that grow with the
    graph: in a batch nobody is a friend of those who came with him, only of those who came before.

    Args:
        users: how many there are; the first `each` only get followed.
        each: friends of one.
        seed: for the same pairs again.

    Yields:
        some subscribers and their subscribees, users 0 to `users` - 1, each pair once.

    Raises:
        ValueError: there are too few users.
    """
    if not 0 < each < users:
        raise ValueError(f"{users:,} users can't follow {each:,} others each")
    draw = np.random.default_rng(seed)
    ends = np.empty(2 * each * (users - each) + each, np.uint32)
    ends[:each] = np.arange(each)  # the first user that comes follows all who are there
    filled, first = each, each
    while first < users:
        # A hundredth of what is there: the first thousands come one by one, or nearly.
        count = min(max(1, first // 100), users - first, max(1, _AT_ONCE // each))
        friends = _distinct(draw, ends[:filled], count, each)
        subscribers = np.repeat(np.arange(first, first + count, dtype=np.uint32), each)
        subscribees = friends.ravel()
        yield subscribers, subscribees
        more = 2 * subscribers.size
        ends[filled : filled + subscribers.size] = subscribees
        ends[filled + subscribers.size : filled + more] = subscribers
        filled += more
        first += count


def _distinct(draw: np.random.Generator, ends: Numbers, count: int, each: int) -> Numbers:
    """Rows of `each` different users."""
    rows: Numbers = ends[draw.integers(0, ends.size, (count, each))]
    rows.sort(axis=1)
    for _ in range(_TRIES):
        again = np.zeros(rows.shape, np.bool_)
        again[:, 1:] = rows[:, 1:] == rows[:, :-1]
        missing = int(np.count_nonzero(again))
        if not missing:
            return rows
        rows[again] = ends[draw.integers(0, ends.size, missing)]
        rows.sort(axis=1)
    # So few are there that the same come again and again.
    everybody = np.unique(ends)
    return np.array([np.sort(draw.choice(everybody, each, replace=False)) for _ in range(count)], np.uint32)


def zipf(
    users: int, records: int, followed: int, seed: int, exponent: float = EXPONENT
) -> Iterator[tuple[Numbers, Numbers]]:
    """Users follow some few: the k-th of them is followed 1 / k^exponent as often as the first.

    Args:
        users: how many may follow.
        records: how many pairs there are.
        followed: how many are followed.
        seed: for the same pairs again.
        exponent: of Zipf's law.

    Yields:
        some subscribers (0 to `users` - 1) and their subscribees (0 to `followed` - 1), each pair once.

    Raises:
        ValueError: so many pairs would take too long to find at random.
    """
    if not 0 < records <= users * followed // 2:
        raise ValueError(f"{users:,} users and {followed:,} followed make no {records:,} pairs at random")
    draw = np.random.default_rng(seed)
    shares = np.cumsum(np.arange(1, followed + 1, dtype=np.float64) ** -exponent)
    shares /= shares[-1]
    found = np.empty(0, np.uint64)
    while found.size < records:
        count = (records - found.size) * 11 // 10 + 100
        more = draw.integers(0, users, count, np.uint64) << np.uint64(32)
        # Sorted draws find their places in a row, which is several times faster.
        more |= draw.permutation(np.searchsorted(shares, np.sort(draw.random(count)))).astype(np.uint64)
        found = np.concatenate([found, more])
        found.sort()
        is_new = np.ones(found.size, np.bool_)
        np.not_equal(found[1:], found[:-1], out=is_new[1:])
        found = found[is_new]
    draw.shuffle(found)
    for at in range(0, records, _AT_ONCE):
        some = found[at : min(at + _AT_ONCE, records)]
        yield (some >> np.uint64(32)).astype(np.uint32), some.astype(np.uint32)


def lines(pairs: Iterator[tuple[Numbers, Numbers]], line: bytes, first: int = 0) -> Iterator[bytes]:
    """Some pairs at a time as text: `line` has a %d for the subscriber and one for the subscribee.

    The first user is called by the number `first`.
    """
    for subscribers, subscribees in pairs:
        for at in range(0, subscribers.size, _LINES):
            both = zip(
                (subscribers[at : at + _LINES] + first).tolist(),
                (subscribees[at : at + _LINES] + first).tolist(),
                strict=True,
            )
            yield b"".join([line % pair for pair in both])
