"""What a program that watches is given: the states of its ids, each change once, the last if it is slow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zrouter.client.presence_feed import Presence, PresenceFeed

IDS = [b"a", b"b", b"c"]


@given(st.lists(st.one_of(st.tuples(st.sampled_from(IDS), st.integers(0, 2)), st.none()), max_size=50))
def test_each_take_is_a_change_and_the_last_of_each_id_is_what_was_told_last(
    steps: list[tuple[bytes, int] | None],
) -> None:
    watching = PresenceFeed()
    watching.watch([b"a", b"b"])
    told: dict[str, int] = {}
    given: dict[str, int] = {}

    def take() -> None:
        an_id, connections = watching.take()
        assert given.get(an_id) != connections
        given[an_id] = connections

    for step in steps:
        if step is not None:
            watching.tell([step])
            if step[0] != b"c":
                told[step[0].decode()] = step[1]
        elif watching:
            take()
        assert len(watching) <= 2
    while watching:
        take()
    assert given == told


def test_what_is_not_watched_any_more_is_not_given_and_is_new_when_it_is_watched_again() -> None:
    watching = PresenceFeed()
    watching.watch([b"a"])
    watching.tell([(b"a", 1)])
    assert watching.unwatch([b"a", b"a", b"b"]) == [b"a"]
    assert len(watching) == 0
    watching.watch([b"a"])
    watching.tell([(b"a", 1)])
    assert watching.take() == Presence("a", 1)
