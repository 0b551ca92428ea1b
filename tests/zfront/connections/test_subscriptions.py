"""Audience against a list of connections with their ids."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zfront.connections.subscriptions import Subscriptions

IDS = st.lists(st.sampled_from([b"a", b"b", b"c"]), min_size=1, max_size=4)
STEPS = st.lists(st.tuples(st.integers(3, 8), IDS), max_size=40)


@given(STEPS)
def test_both_directions_agree_with_a_plain_dict(steps: list[tuple[int, list[bytes]]]) -> None:
    subscriptions = Subscriptions()
    model: dict[int, set[bytes]] = {}
    for connection, ids in steps:
        if connection in model:
            assert set(subscriptions.remove(connection)) == model.pop(connection)
        else:
            subscriptions.add(connection, ids)
            model[connection] = set(ids)
    assert len(subscriptions) == len(model)
    for an_id in (b"a", b"b", b"c"):
        expected = tuple(sorted(c for c, ids in model.items() if an_id in ids))
        assert subscriptions.listeners(an_id) == expected
        assert subscriptions.count(an_id) == len(expected)
        assert (an_id in subscriptions.ids()) == bool(expected)
