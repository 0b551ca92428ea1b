"""Connections of one address and of one id are bounded, and forgotten as they leave."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zfront.connections.crowding import ADDRESS, ID, Crowding
from zfront.requests.client_address import client_network


def test_each_bound_is_for_itself_and_0_is_none() -> None:
    counts: Counter[bytes] = Counter()
    both = Crowding(2, 3, counts.__getitem__)
    for connection in range(2):
        assert both.reason("a", [b"x"]) == ""
        both.came(connection, "a")
        counts[b"x"] += 1
    assert both.reason("a", [b"x"]) == ADDRESS
    assert both.reason("b", [b"x"]) == ""
    counts[b"x"] += 1
    assert both.reason("b", [b"y", b"x"]) == ID
    assert both.reached == {ADDRESS: 1, ID: 1}
    none = Crowding(0, 0, counts.__getitem__)
    assert not none.is_bounded
    assert none.reason("a", [b"x"]) == ""


@given(st.lists(st.tuples(st.integers(0, 3000), st.sampled_from(["a", "b", ""]), st.booleans())))
def test_the_counts_are_those_of_who_is_there(steps: list[tuple[int, str, bool]]) -> None:
    crowding = Crowding(10**9, 0, lambda _: 0)
    here: dict[int, str] = {}
    for connection, address, comes in steps:
        if comes and connection not in here:
            crowding.came(connection, address)
            here[connection] = address
        elif not comes:
            crowding.left(connection)
            here.pop(connection, None)
    assert sorted(crowding._of_address.values()) == sorted(Counter(here.values()).values())


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        ("1.2.3.4", "1.2.3.4", True), ("1.2.3.4", "1.2.3.5", False), ("::ffff:1.2.3.4", "1.2.3.4", True),
        ("2001:db8::1", "2001:db8::ffff:1", True), ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::1", True), ("::1", "1.2.3.4", False), ("unix", "unix", True),
        ("", "1.2.3.4", False),
    ],
)  # fmt: skip
def test_which_addresses_are_one_client(one: str, other: str, are_one: bool) -> None:
    assert (client_network(one) == client_network(other)) == are_one
