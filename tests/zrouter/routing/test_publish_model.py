"""Publishes against the plainest model, two dictionaries; logins, follows, loads come in any order."""

from __future__ import annotations

import random
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zrouter.routing.test_publishes import FRONT, OTHER, House
from zrouter.follows.memory import MemoryFollows
from zrouter.routing.limits import Limits

IDS = [b"id%d" % number for number in range(8)]
PUBLISHERS = [b"p", b"q", b"id0"]


class Renumbered(MemoryFollows):
    """A store whose numbers a load changes."""

    def __init__(self) -> None:
        super().__init__()
        self.generation = "0"

    def renumber(self, seed: int) -> None:
        pairs = list(self.pairs())
        random.Random(seed).shuffle(pairs)
        generation = str(int(self.generation) + 1)
        self.__init__()  # type: ignore[misc]
        self.generation = generation
        for subscriber, subscribee in pairs:
            self.follow(subscriber, subscribee)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("login"), st.sampled_from([FRONT, OTHER]), st.sampled_from(IDS), st.integers(0, 2)),
        st.tuples(st.just("follow"), st.sampled_from(IDS), st.sampled_from(PUBLISHERS)),
        st.tuples(st.just("unfollow"), st.sampled_from(IDS), st.sampled_from(PUBLISHERS)),
        st.tuples(st.just("load"), st.integers(0, 9)),
        st.tuples(st.just("publish"), st.sampled_from(PUBLISHERS)),
        st.tuples(st.just("turn")),
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 5))
@settings(max_examples=100)
def test_exactly_the_followers_that_are_logged_in_get_it(steps: list[Any], look_ups: int) -> None:
    with patch("zrouter.routing.publishes.PUBLISH_LOOK_UPS", look_ups):
        play(steps)


def play(steps: list[Any]) -> None:
    store = Renumbered()
    house = House(Limits(mailbox_s=0), store)
    online: dict[tuple[bytes, bytes], int] = {}
    follows: set[tuple[bytes, bytes]] = set()
    for step, *what in steps:
        match step:
            case "login":
                front, an_id, connections = what
                if connections:
                    house.login(front, an_id, connections=connections)
                    online[front, an_id] = connections
                elif online.pop((front, an_id), 0):
                    house.logout(front, an_id)
            case "follow":
                store.follow(*what)
                follows.add(tuple(what))
            case "unfollow":
                store.unfollow(*what)
                follows.discard(tuple(what))
            case "load":
                store.renumber(*what)
            case "publish":
                [publisher] = what
                house.delivered.clear()
                [receipt] = house.publish((publisher, b"x")).receipts
                followers = {subscriber for subscriber, to in follows if to == publisher}
                reached = {(front, an_id): n for (front, an_id), n in online.items() if an_id in followers}
                for front in (FRONT, OTHER):
                    wanted = sorted(an_id for at, an_id in reached if at == front)
                    assert sorted(an_id for an_id, _ in house.got(front)) == wanted
                ids = {an_id for _, an_id in reached}
                assert receipt == (len(followers), len(ids), sum(reached.values()), 0)
            case "turn":
                house.router.tick(house.now)
                house.flush()
