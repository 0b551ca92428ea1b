"""zcomet.js in a real browser: tokens that end and are taken back, restarts, words for what is refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.conftest import Window
from tests.conftest import Program, eventually, wait_for
from zrouter.client import RouterClient
from zrouter.tokens.key_files import parse_keys
from zrouter.tokens.keys import Key
from zrouter.tokens.make import make_secret, make_token

SUBSCRIBE = """
    const [id, tokens, options] = arguments;
    window.seen = []; window.states = []; window.gaps = []; window.presence = [];
    window.asked = 0;
    return new Promise((done) => {
        const script = document.createElement("script");
        script.src = "/pages/zcomet.js";
        script.onload = () => {
            const token = async () => tokens[Math.min(asked++, tokens.length - 1)];
            window.stream = zcomet.subscribe(id, {
                ...options,
                ...(tokens.length ? { token } : {}),
                onMessage: ({ message }) => seen.push(typeof message === "string" ? message : [...message]),
                onState: (state, why) => states.push([state, why]),
                onGap: (reason) => gaps.push(reason),
                onPresence: (one) => presence.push([one.id, one.connections]),
            });
            done(true);
        };
        document.head.append(script);
    });
"""


@pytest.fixture
def guarded(start: Callable[..., Program], router: Program, tmp_path: Path) -> tuple[Program, Key]:
    data = make_secret("k")
    (key,) = parse_keys(data)
    file = tmp_path / "keys.json"
    file.touch(0o600)
    file.write_bytes(data)
    listen = ("--listen", "127.0.0.1:0", "--router", router.address, "--token-key-file", str(file))
    return start("zfront", "serve", *listen, "--token-leeway", "0", "--token-warning", "1"), key


def states(window: Window) -> list[str]:
    return [state for state, _ in window.run("return states")]


def test_messages_come_without_tokens_as_text_and_bytes(
    window: Window, front: Program, api: RouterClient
) -> None:
    window.open(f"{front.address}/")
    window.run(SUBSCRIBE, "ann é/1", [], {"watch": ["bob"], "ids": ["more"]})
    wait_for(api, "ann é/1", 1)
    api.send("ann é/1", "hello ☃")
    api.send("ann é/1", b"\xff\x00")
    api.send("more", "of another id")
    eventually(lambda: window.run("return seen") == ["hello ☃", [255, 0], "of another id"])
    eventually(lambda: window.run("return presence") == [["bob", 0]])
    window.run("stream.close()")
    wait_for(api, "ann é/1", 0)
    eventually(lambda: states(window) == ["open", "closed"])


def test_it_goes_on_over_the_ends_of_tokens_and_misses_nothing(
    window: Window, guarded: tuple[Program, Key], api: RouterClient
) -> None:
    front, key = guarded
    window.open(f"{front.address}/")
    tokens = [make_token(key, "ann", time.time(), 2 + 2 * number) for number in range(3)]
    window.run(SUBSCRIBE, "ann", [*tokens, make_token(key, "ann", time.time(), 600)], {})
    wait_for(api, "ann", 1)
    sent: list[str] = []
    ends = time.monotonic() + 6.5
    while time.monotonic() < ends:
        api.send("ann", str(len(sent)))
        sent.append(str(len(sent)))
        time.sleep(0.02)
    eventually(lambda: len(window.run("return seen")) >= len(sent))
    assert window.run("return seen") == sent
    assert window.run("return gaps") == []
    assert window.run("return asked") >= 4


def test_a_token_that_was_taken_back_is_asked_for_anew_and_a_bad_one_again_later(
    window: Window, guarded: tuple[Program, Key], api: RouterClient
) -> None:
    front, key = guarded
    window.open(f"{front.address}/")
    old = make_token(key, "ann", time.time() - 10, 600)
    window.run(SUBSCRIBE, "ann", [old, old, make_token(key, "ann", time.time() + 3, 600)], {})
    wait_for(api, "ann", 1)
    eventually(lambda: api.stats()["revocations_told"] == 1)
    api.send("ann", "before")
    eventually(lambda: window.run("return seen") == ["before"])
    api.revoke(sub="ann")
    api.send("ann", "meanwhile")
    eventually(lambda: window.run("return seen") == ["before", "meanwhile"])
    assert window.run("return asked") >= 3
    assert "401" in "".join(why for _, why in window.run("return states"))


def test_what_is_refused_for_good_is_said_and_not_tried_again(
    window: Window, guarded: tuple[Program, Key], api: RouterClient
) -> None:
    front, key = guarded
    window.open(f"{front.address}/")
    window.run(SUBSCRIBE, "bob", [make_token(key, "ann", time.time(), 600)], {})
    eventually(lambda: states(window) == ["refused"])
    assert "403" in window.run("return states")[0][1]
    time.sleep(2)
    assert window.run("return asked") == 1


def test_it_comes_back_to_a_frontend_that_was_started_again(
    window: Window, start: Callable[..., Program], router: Program, api: RouterClient
) -> None:
    front = start("zfront", "serve", "--listen", "127.0.0.1:0", "--router", router.address)
    window.open(f"{front.address}/")
    window.run(SUBSCRIBE, "ann", [], {})
    wait_for(api, "ann", 1)
    api.send("ann", "before")
    eventually(lambda: window.run("return seen") == ["before"])
    address = front.address.removeprefix("http://")
    front.stop()
    eventually(lambda: "waiting" in states(window))
    api.send("ann", "meanwhile")
    again = start("zfront", "serve", "--listen", address, "--router", router.address)
    eventually(lambda: window.run("return seen") == ["before", "meanwhile"])
    assert again.process.poll() is None
