"""Ids are drawn as the distribution says: a chi-square test with a fixed seed."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from zflood.sender.ids import MOST_ZIPF_IDS, Ids, uniform, zipf

IDS, DRAWS = 50, 100_000


def chi_square(ids: Ids, exponent: float) -> float:
    """How far the draws are from Zipf's law with that exponent, in standard deviations from what is usual."""
    drawn = Counter(int(an_id) for an_id in ids.draw(DRAWS, random.Random(1)))
    assert set(drawn) <= set(range(1, IDS + 1))
    weights = {number: 1 / math.pow(number, exponent) for number in range(1, IDS + 1)}
    expected = {number: DRAWS * weight / sum(weights.values()) for number, weight in weights.items()}
    distance = sum((drawn[number] - due) ** 2 / due for number, due in expected.items())
    freedom = IDS - 1
    return (distance - freedom) / math.sqrt(2 * freedom)


def test_uniform_ids_are_all_as_frequent() -> None:
    assert chi_square(uniform(IDS), 0) < 4
    assert chi_square(uniform(IDS), 0.1) > 40


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.5])
def test_zipf_ids_are_as_frequent_as_its_law_says(exponent: float) -> None:
    assert chi_square(zipf(IDS, exponent), exponent) < 4
    assert chi_square(zipf(IDS, exponent), exponent + 0.1) > 40


def test_of_very_many_ids_the_first_gets_most_and_the_tail_is_long() -> None:
    drawn = Counter(zipf(1_000_000, 1.0).draw(20_000, random.Random(1)))
    assert drawn.most_common(1)[0][0] == b"1"
    assert sum(len(an_id) >= 5 for an_id in drawn.elements()) > 4000  # 10,000 and up: a third, by its law


def test_ids_whose_table_would_be_too_large_are_refused() -> None:
    with pytest.raises(ValueError, match="10,000,000 are the limit"):
        zipf(MOST_ZIPF_IDS + 1, 1.0)


def test_two_sources_draw_different_ids() -> None:
    ids = uniform(1_000_000)
    assert ids.draw(10, random.Random(1)) != ids.draw(10, random.Random(2))
