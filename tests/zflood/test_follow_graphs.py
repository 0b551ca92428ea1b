"""Graphs of who follows whom: as many as asked for, each once, the same for a seed, and with their shape."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterable

import pytest

from zflood.follow_graphs import Numbers, barabasi_albert, zipf


def pairs(found: Iterable[tuple[Numbers, Numbers]]) -> list[tuple[int, int]]:
    return [pair for some in found for pair in zip(some[0].tolist(), some[1].tolist(), strict=True)]


def friends(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", "from zflood.cli import main; main()", "friends", *words],
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(("users", "each"), [(2, 1), (3, 2), (20, 15), (5000, 15)])
def test_each_user_follows_as_many_who_were_there_before(users: int, each: int) -> None:
    found = pairs(barabasi_albert(users, each, 1))
    assert len(set(found)) == len(found) == (users - each) * each
    assert Counter(subscriber for subscriber, _ in found) == dict.fromkeys(range(each, users), each)
    assert all(subscribee < subscriber for subscriber, subscribee in found)


def test_who_has_many_friends_gets_more() -> None:
    followers = sorted(Counter(b for _, b in pairs(barabasi_albert(20_000, 5, 1))).values(), reverse=True)
    # By chance the most followed of 20,000 with 5 each would have some 20.
    assert followers[0] > 200
    # The number of those with k falls as k^-3: doubling k leaves a quarter of those who have more.
    assert 2.5 < sum(k >= 20 for k in followers) / sum(k >= 40 for k in followers) < 6


def test_the_first_is_followed_as_zipfs_law_says() -> None:
    found = pairs(zipf(20_000, 100_000, 2000, 1, exponent=1.0))
    assert len(set(found)) == len(found) == 100_000
    assert max(a for a, _ in found) < 20_000
    followers = Counter(b for _, b in found)
    assert 8 < followers[9] / followers[99] < 12


@pytest.mark.parametrize("words", [(), ("--zipf",)])
def test_plain_ids_are_the_numbers_of_the_users_from_1(words: tuple[str, ...]) -> None:
    named = friends("--users", "100", *words).stdout.splitlines()
    plain = friends("--users", "100", *words, "--plain").stdout.splitlines()
    numbers = [[int(an_id.partition(b":")[2]) + 1 for an_id in line.split(b"\t")] for line in named]
    assert numbers == [[int(an_id) for an_id in line.split(b"\t")] for line in plain]


@pytest.mark.parametrize("words", [(), ("--zipf",), ("--zipf", "--each", "2.5")])
def test_a_seed_makes_the_same_graph_again(words: tuple[str, ...]) -> None:
    some = friends("--users", "1000", *words, "--seed", "7")
    assert some.returncode == 0
    assert some.stdout == friends("--users", "1000", *words, "--seed", "7").stdout
    assert some.stdout != friends("--users", "1000", *words, "--seed", "8").stdout
    assert all(len(line.split(b"\t")) == 2 for line in some.stdout.splitlines())


@pytest.mark.parametrize(
    "words",
    [
        ("--users", "10", "--each", "15"),
        ("--each", "2.5"),
        ("--each", "0"),
        ("--followed", "5"),
        ("--zipf", "--users", "10", "--followed", "1"),
        ("--users", "x"),
    ],
)
def test_what_makes_no_graph_is_a_usage_error(words: tuple[str, ...]) -> None:
    done = friends(*words)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""
