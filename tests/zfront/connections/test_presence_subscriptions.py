"""Watchers against the simplest model: who watches what, and what each was told last."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zfront.connections.presence_subscriptions import PresenceSubscriptions
from zrouter.wire import State

IDS = st.lists(st.sampled_from([b"a", b"b", b"c"]), max_size=4)
CONNECTIONS = st.integers(3, 6)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("watch"), CONNECTIONS, IDS),
        st.tuples(st.just("unwatch"), CONNECTIONS, IDS),
        st.tuples(st.just("leave"), CONNECTIONS, st.just([])),
        st.tuples(st.just("told"), st.integers(0, 3), IDS),
    ),
    max_size=40,
)


@given(STEPS)
def test_each_watcher_is_told_each_state_that_is_news_to_it(
    steps: list[tuple[str, int, list[bytes]]],
) -> None:
    router: dict[bytes, int] = {}  # what it would say
    changed: list[bytes] = []
    watchers = PresenceSubscriptions(changed.append)
    watched: dict[int, dict[bytes, int | None]] = {}  # connection -> id -> what it was told last

    def tell(states: list[State]) -> None:
        for (an_id, connections), listeners in watchers.told(states):
            for listener in listeners:
                assert watched[listener][an_id] != connections
                watched[listener][an_id] = connections

    for step, number, ids in steps:
        changed.clear()
        before = set(watchers.ids())
        mine = watched.setdefault(number, {})
        match step:
            case "watch":
                for an_id in ids:
                    mine.setdefault(an_id, None)
                mine |= dict(watchers.watch(number, ids))
            case "unwatch":
                watchers.unwatch(number, ids)
                for an_id in ids:
                    mine.pop(an_id, None)
            case "leave":
                watchers.remove(number)
                mine.clear()
            case "told":
                router |= dict.fromkeys(ids, number)
                tell([(an_id, number) for an_id in ids])
        expected = {an_id for one in watched.values() for an_id in one}
        assert set(watchers.ids()) == expected
        assert set(changed) >= expected ^ before
        # The router answers those that are new to it.
        tell([(an_id, router.get(an_id, 0)) for an_id in changed if watchers.is_watched(an_id)])
        for connection, one in watched.items():
            assert set(watchers.of(connection)) == set(one)
            assert all(state == router.get(an_id, 0) for an_id, state in one.items())


def test_a_state_that_is_none_is_told_to_nobody() -> None:
    watchers = PresenceSubscriptions(lambda _: None)
    watchers.watch(3, [b"a"])
    assert watchers.told([(b"a", 1)]) == [((b"a", 1), (3,))]
    assert watchers.told([(b"a", 1), (b"nobody watches it", 1)]) == []
