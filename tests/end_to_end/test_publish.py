"""Follows and publishes through real programs: store, router, frontends, clients, the command line."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import zmq

from tests.conftest import Client, Program, eventually, wait_for
from zrouter import wire
from zrouter.aio import AsyncRouterClient
from zrouter.client import PublishReceipt, RouterClient
from zrouter.client.connection import Counts
from zrouter.errors import RefusedError


def run(*arguments: str, status: int = 0) -> str:
    """What a command prints, on standard output, or on standard error where it fails."""
    code = "from zrouter.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    return done.stdout if not status else done.stderr


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Where the router's store is."""
    return str(tmp_path / "follows")


def test_the_commands_from_follow_to_publish(router: Program, front: Program, api: RouterClient) -> None:
    to = ("--router", router.address)
    assert run("follow", "ann", "cat", "dog", *to) == "ann follows 2 more\n"
    assert run("follow", "ann", "cat", *to, "--json") == '{"subscriber": "ann", "followed": 0}\n'
    assert run("followers", "cat", *to) == "ann\n"
    assert run("followers", "cat", "--count", *to) == "1\n"
    assert run("following", "ann", *to, "--json") == '{"id": "ann", "following": ["cat", "dog"]}\n'
    client = Client(front.address, "/test/ann")
    wait_for(api, "ann", 1)
    assert run("publish", "cat", "miaow", *to) == "1 follower, 1 online: handed to 1 connection\n"
    client.read_until(b"#1: 'miaow'")
    receipt = json.loads(run("publish", "dog", "woof", "--key", "k", *to, "--json"))
    assert receipt == {"id": "dog", "bytes": 4, "followers": 1, "online": 1, "handed": 1, "kept": 0}
    assert json.loads(run("publish", "dog", "woof", "--key", "k", *to, "--json")) == receipt
    assert run("unfollow", "ann", "dog", *to) == "ann follows 1 less\n"
    assert run("publish", "dog", "woof", *to) == "0 followers, 0 online: handed to 0 connections\n"
    api.send("ann", "end")
    assert b"#3: 'end'" in client.read_until(b"'end'")


def test_followers_on_two_frontends_get_it_once_and_nobody_else(
    start: Callable[..., Program], router: Program, api: RouterClient
) -> None:
    fronts = [
        start("zfront", "serve", "--listen", "127.0.0.1:0", "--router", router.address) for _ in range(2)
    ]
    followers = [f"user:{number}" for number in range(20)]
    api.follow_many([(follower.encode(), b"star") for follower in followers])
    clients = [Client(fronts[n % 2].address, f"/test/{each}") for n, each in enumerate(followers)]
    stranger = Client(fronts[0].address, "/test/stranger")
    for each in (*followers, "stranger"):
        wait_for(api, each, 1)
    assert api.publish("star", "hello") == PublishReceipt(20, 20, 20, 0)
    assert api.publish_many([(b"star", b"%d" % n) for n in range(10)]) == [PublishReceipt(20, 20, 20, 0)] * 10
    api.send_many([(each.encode(), b"end") for each in (*followers, "stranger")])
    for client in clients:
        seen = client.read_until(b"'end'")
        assert [seen.count(b"'%d'" % n) for n in range(10)] == [1] * 10
        assert b"#1: 'hello'" in seen
        assert b"#12: 'end'" in seen
    assert b"#1: 'end'" in stranger.read_until(b"'end'")
    eventually(lambda: [row.get("lost") for row in api.stats()["frontends"]] == [0, 0])


def test_a_program_that_is_logged_in_gets_publishes_and_those_it_missed(
    router: Program, api: RouterClient
) -> None:
    api.follow("ann", "cat")
    with RouterClient(router.address) as ann:
        messages = ann.login("ann", since="")
        assert api.publish("cat", "1").handed == 1
        first = next(messages)
        assert (first.id, first.message) == ("ann", b"1")  # type: ignore[union-attr]
        assert ann.lost_messages == 0
    eventually(lambda: api.publish("cat", "2") == PublishReceipt(1, 0, 0, 1))
    with RouterClient(router.address) as ann:
        assert next(ann.login("ann", since=first.offset))[1] == b"2"


def test_many_pages_and_counts(api: RouterClient) -> None:
    many = wire.MAX_RELATIONS + 10
    assert api.follow_many([(b"user%05d" % n, b"star") for n in range(many)]) == many
    assert api.followers("star") == [f"user{n:05d}" for n in range(many)]
    assert api.counts("star") == Counts(many, 0)
    assert api.unfollow_many([(b"user%05d" % n, b"star") for n in range(10, many)]) == many - 10
    assert api.followers("star") == [f"user{n:05d}" for n in range(10)]


def test_the_client_for_asyncio_has_the_same(router: Program) -> None:
    async def ask() -> None:
        async with AsyncRouterClient(router.address) as client:
            assert await client.follow("ann", "cat", "dog") == 2
            assert await client.unfollow("ann", "dog") == 1
            assert await client.followers("cat") == ["ann"]
            assert await client.following("ann") == ["cat"]
            assert await client.counts("ann") == Counts(0, 1)
            assert await client.publish("cat", "miaow", key="k") == PublishReceipt(1, 0, 0, 0)
            assert await client.publish_many([(b"cat", b"x")]) == [PublishReceipt(1, 0, 0, 0)]

    asyncio.run(ask())


def test_a_follow_that_was_answered_survives_kill_9(
    start: Callable[..., Program], store: str, router: Program
) -> None:
    done: list[int] = []

    def follow() -> None:
        with RouterClient(router.address, timeout_s=1) as client:
            for number in range(100_000):
                try:
                    client.follow(f"user:{number}", "star")
                except Exception:
                    return
                done.append(number)

    thread = threading.Thread(target=follow)
    thread.start()
    eventually(lambda: len(done) > 50)
    router.stop(signal.SIGKILL)
    thread.join()
    again = start("zrouter", "serve", "--bind", router.address, "--store", store)
    with RouterClient(again.address) as api:
        assert {f"user:{number}" for number in done} <= set(api.followers("star"))
        assert api.counts("star").followers - len(done) in (0, 1)
    assert run("follows", "verify", "--store", store).endswith("the same in both directions\n")


def test_what_others_change_in_the_store_counts_for_the_next_publish(
    tmp_path: Path, store: str, router: Program, front: Program, api: RouterClient
) -> None:
    client = Client(front.address, "/test/ann")
    wait_for(api, "ann", 1)
    assert api.publish("cat", "0") == PublishReceipt(0, 0, 0, 0)
    run("follow", "ann", "cat", "--store", store)
    assert api.publish("cat", "1") == PublishReceipt(1, 1, 1, 0)
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("".join(f"aa{n}\tcat\n" for n in range(1000)) + "ann\tzebra\n")
    run("follows", "load", str(pairs), "--replace", "--store", store)
    assert api.publish("cat", "2") == PublishReceipt(1000, 0, 0, 0)
    assert api.publish("zebra", "3") == PublishReceipt(1, 1, 1, 0)
    run("follows", "compact", "--store", store)
    assert api.publish("zebra", "4") == PublishReceipt(1, 1, 1, 0)
    assert b"#3: '4'" in client.read_until(b"'4'")


def test_a_router_that_was_started_again_finds_who_is_online(
    start: Callable[..., Program], store: str, router: Program, front: Program, api: RouterClient
) -> None:
    api.follow("ann", "cat")
    client = Client(front.address, "/test/ann")
    wait_for(api, "ann", 1)
    router.stop(signal.SIGKILL)
    again = start("zrouter", "serve", "--bind", router.address, "--store", store)
    with RouterClient(again.address) as other:
        wait_for(other, "ann", 1)
        assert other.publish("cat", "miaow") == PublishReceipt(1, 1, 1, 0)
    client.read_until(b"'miaow'")


def test_a_frontend_that_hangs_or_dies_holds_up_no_publish(
    start: Callable[..., Program], router: Program, api: RouterClient
) -> None:
    stuck, well = (
        start("zfront", "serve", "--listen", "127.0.0.1:0", "--router", router.address) for _ in range(2)
    )
    api.follow_many([(b"ann", b"cat"), (b"bob", b"cat")])
    ann = Client(stuck.address, "/test/ann")
    bob = Client(well.address, "/test/bob")
    wait_for(api, "ann", 1)
    wait_for(api, "bob", 1)
    stuck.tell(signal.SIGSTOP)
    assert api.publish("cat", "1", timeout_s=2).online == 2
    bob.read_until(b"'1'")
    eventually(lambda: api.publish("cat", "2", timeout_s=2) == PublishReceipt(2, 1, 1, 1))
    bob.read_until(b"'2'")
    stuck.tell(signal.SIGCONT)
    ann.read_until(b"'1'")


def test_nobody_can_take_the_place_of_the_stores_thread(router: Program, api: RouterClient) -> None:
    with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
        stranger.routing_id, stranger.linger = b"store", 0
        stranger.connect(router.address)
        for _ in range(100):
            stranger.send(b"")
        assert api.follow("ann", "cat") == 1
        assert api.followers("cat") == ["ann"]


def test_without_a_store_it_says_so(start: Callable[..., Program]) -> None:
    router = start("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--store", "none")
    with RouterClient(router.address) as api:
        for ask in (
            lambda: api.publish("cat", "x"),
            lambda: api.follow("ann", "cat"),
            lambda: api.unfollow("ann", "cat"),
            lambda: api.followers("cat"),
        ):
            with pytest.raises(RefusedError) as refused:
                ask()
            assert refused.value.code == wire.NO_STORE
    said = run("publish", "cat", "x", "--router", router.address, status=1)
    assert said == "zrouter: the router runs without a store of follows\n"


def test_a_store_of_another_format_is_not_served(tmp_path: Path) -> None:
    (tmp_path / "CURRENT").write_text("something else\n")
    said = run("serve", "--bind", "tcp://127.0.0.1:0", "--store", str(tmp_path), status=1)
    assert said.startswith("zrouter: ")
    assert said.endswith("; --store none runs without\n")
    assert said.count("\n") == 1


def test_a_store_that_is_removed_under_the_router_is_an_error_and_no_end(
    store: str, router: Program, api: RouterClient
) -> None:
    api.follow("ann", "cat")
    (Path(store) / "CURRENT").rename(Path(store) / "away")
    for ask in (lambda: api.publish("cat", "x"), lambda: api.follow("a", "b"), lambda: api.followers("cat")):
        with pytest.raises(RefusedError) as refused:
            ask()
        assert refused.value.code == wire.STORE_FAILED
    (Path(store) / "away").rename(Path(store) / "CURRENT")
    assert api.publish("cat", "x") == PublishReceipt(1, 0, 0, 0)
    assert api.follow("a", "b") == 1
