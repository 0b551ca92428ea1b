"""What the kernel may hold for a client: much for one of few, little for one of many."""

from __future__ import annotations

import pytest

from zfront.http.acceptor import LEAST_UNSENT_BYTES, UNSENT_BYTES, unsent_share

MOST = 4 << 20


@pytest.mark.parametrize(
    ("clients", "share"),
    [(0, MOST), (32, MOST), (33, MOST // 2), (1_000, MOST // 32), (5_000, MOST // 64), (20_000, MOST // 64)],
)
def test_the_more_clients_the_less_is_held_for_the_next(clients: int, share: int) -> None:
    assert unsent_share(MOST, clients) == share


def test_what_was_set_is_the_most_and_zero_is_the_kernels_own() -> None:
    assert unsent_share(0, 20_000) == 0
    assert unsent_share(1000, 20_000) == 1000


def test_all_together_are_bounded_however_many_come() -> None:
    together = sum(unsent_share(MOST, clients) for clients in range(20_000))
    assert together < 20_000 * LEAST_UNSENT_BYTES + 4 * UNSENT_BYTES
