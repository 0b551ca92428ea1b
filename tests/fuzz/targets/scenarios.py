"""Scenario files and what is written in them: read, or refused in words, never anything else."""

from __future__ import annotations

import math

from zflood.run.amount import amount, is_formula
from zflood.run.expectation import expectation
from zflood.run.scenario import ScenarioError, read, slug


def scenario(data: bytes) -> None:
    """Behind a line feed and a zero byte may be a setting given by hand, `name=value`."""
    text = data.decode(errors="replace")
    text, _, by_hand = text.partition("\n\0")
    name, _, value = by_hand.partition("=")
    try:
        found = read(text, {name: value} if by_hand else None)
    except ScenarioError as error:
        assert str(error)
        return
    assert len({slug(play.name) for play in found.plays}) == len(found.plays) > 0
    for play in found.plays:
        names = [step.name for step in play.steps]
        assert len(set(names)) == len(names)
        assert 0 < play.sample_s < math.inf
        for one in play.expect:
            assert expectation(str(one).replace(",", "")).must.sign == one.must.sign


def expected(data: bytes) -> None:
    """Sums, products and comparisons."""
    text = data.decode(errors="replace")
    try:
        found = expectation(text)
    except ValueError:
        pass
    else:
        str(found)
        found.holds({})
        found.holds({found.must.figure: 1.0})
    if is_formula(text):
        try:
            amount(text)
        except ValueError:
            pass  # documented, for digits beyond measure and for 1_
