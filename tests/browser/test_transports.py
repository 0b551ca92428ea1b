"""What a page needs of our transports, with nothing but what browsers have: EventSource and WebSocket."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from tests.browser.conftest import Window
from tests.conftest import Client, Program, eventually, wait_for
from zrouter.client import RouterClient

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
LISTEN = """
    window.seen = []; window.gaps = []; window.opened = 0;
    window.source = new EventSource(arguments[0]);
    source.onopen = () => opened++;
    source.onmessage = (event) => seen.push(event.data);
    source.addEventListener("gap", (event) => gaps.push(event.data));
"""
MESSAGES, A_SECOND = 400, 100


class Sender:
    """Sends numbers from 0 on, in a thread of its own."""

    def __init__(self, api: RouterClient, an_id: str) -> None:
        self.told: list[int] = []
        self._api, self._id = api, an_id
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def _send(self) -> None:
        start = time.monotonic()
        for number in range(MESSAGES):
            time.sleep(max(0, start + number / A_SECOND - time.monotonic()))
            self.told.append(self._api.send(self._id, str(number)))

    def wait(self) -> list[int]:
        """The receipts."""
        self._thread.join(30)
        return self.told


@pytest.fixture
def keeping(start: Callable[..., Program]) -> Program:
    """A router that keeps all messages of a test."""
    more = ("--mailbox-messages", "1000")
    return start("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", *more)


def worker_of(front: Program, api: RouterClient, an_id: str) -> int:
    """The pid of the worker that has that id's connection."""
    [(name, _)] = api.who(an_id)[an_id]
    workers = sorted(psutil.Process(front.process.pid).children(), key=lambda one: one.create_time())
    return int(workers[int(name.rpartition("/")[2])].pid)


@pytest.mark.parametrize("killed", ["frontend", "worker"])
def test_eventsource_misses_nothing_when_a_frontend_is_killed_while_messages_flow(
    window: Window, start: Callable[..., Program], keeping: Program, killed: str
) -> None:
    workers = ("--workers", "2") if killed == "worker" else ()
    router = ("--router", keeping.address)
    front = start("zfront", "serve", "--listen", "127.0.0.1:0", *router, *workers)
    address = front.address.removeprefix("http://")
    with RouterClient(keeping.address) as api:
        window.open(f"{front.address}/")
        window.run(LISTEN, "/sse/me")
        wait_for(api, "me", 1)
        worker = worker_of(front, api, "me") if killed == "worker" else 0
        sender = Sender(api, "me")
        eventually(lambda: window.run("return seen.length") > 50)
        if worker:
            os.kill(worker, signal.SIGKILL)
        else:
            front.stop(signal.SIGKILL)
            start("zfront", "serve", "--listen", address, *router)
        told = sender.wait()
        eventually(lambda: window.run("return seen.length") >= MESSAGES, 20)
    assert window.run("return seen") == [str(number) for number in range(MESSAGES)]
    assert window.run("return opened") == 2
    assert window.run("return gaps") == []
    assert len(told) == MESSAGES


def test_eventsource_reads_a_gap_when_the_router_was_started_again(
    window: Window, start: Callable[..., Program], router: Program, front: Program
) -> None:
    window.open(f"{front.address}/")
    window.run(LISTEN, "/sse/me")
    with RouterClient(router.address) as api:
        wait_for(api, "me", 1)
        api.send("me", "before")
    eventually(lambda: window.run("return seen") == ["before"])
    router.stop()
    start("zrouter", "serve", "--bind", router.address)
    eventually(lambda: window.run("return gaps") == ["restarted"])
    with RouterClient(router.address) as api:
        wait_for(api, "me", 1)
        api.send("me", "after")
    eventually(lambda: window.run("return seen") == ["before", "after"])
    assert window.run("return opened") == 1


def test_a_websocket_logs_in_as_more_ids_and_is_told_why_it_ends(
    window: Window, front: Program, api: RouterClient
) -> None:
    window.open(f"{front.address}/")
    window.run(
        """
        window.seen = []; window.code = 0;
        window.socket = new WebSocket(location.origin.replace("http", "ws") + "/ws/me");
        socket.onmessage = (event) => seen.push(JSON.parse(event.data));
        socket.onclose = (event) => (code = event.code);
        """
    )
    eventually(lambda: window.run("return seen.length") == 1)
    window.run("""socket.send('{"login": ["me too"]}')""")
    wait_for(api, "me too", 1)
    api.send("me too", "two\nlines")
    eventually(lambda: "two\nlines" in window.run("return seen.map((one) => one.message)"))
    window.run("socket.send('?')")
    eventually(lambda: "error" in window.run("return seen.map((one) => one.event)"))
    api.kick("me")
    assert eventually(lambda: window.run("return code")) == 1000


def test_our_own_client_comes_back_by_itself_by_each_other_transport(
    window: Window, start: Callable[..., Program], router: Program, api: RouterClient
) -> None:
    """What zfront/pages/transports.js does where browsers do nothing."""
    serve = ("zfront", "serve", "--router", router.address, "--listen")
    front = start(*serve, "127.0.0.1:0")
    window.open(f"{front.address}/")
    window.focus().execute_async_script(
        """
        const done = arguments[arguments.length - 1];
        window.seen = {}; window.lost = {};
        import("/pages/transports.js").then(({ connect }) => {
          for (const by of ["ws", "stream", "poll"]) {
            seen[by] = []; lost[by] = 0;
            connect(by, { id: `${by} 1/2?` }, {
              open: () => {}, presence: () => {}, gap: (why) => seen[by].push(why),
              message: (one) => seen[by].push(one.message), lost: () => lost[by]++,
            });
          }
          done();
        });
        """
    )
    ids = {by: f"{by} 1/2?" for by in ("ws", "stream", "poll")}

    def hears(by: str, messages: list[str]) -> None:
        eventually(lambda: window.run("return seen[arguments[0]].length", by) >= len(messages))
        assert window.run("return seen[arguments[0]]", by) == messages

    for by, an_id in ids.items():
        wait_for(api, an_id, 1)
        api.send(an_id, "seen")
        hears(by, ["seen"])
        wait_for(api, an_id, 1)
    front.stop(signal.SIGKILL)
    eventually(lambda: min(window.run("return lost").values()) > 0)
    for an_id in ids.values():
        api.send(an_id, "missed")
        api.send(an_id, b"\xff\x00")
    start(*serve, front.address.removeprefix("http://"))
    for by in ids:
        hears(by, ["seen", "missed", "\ufffd\x00"])


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The origin of another site, which has docs/examples."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(EXAMPLES))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_page_of_another_site_receives_if_the_frontend_knows_it(
    window: Window, start: Callable[..., Program], router: Program, api: RouterClient, elsewhere: str
) -> None:
    serve = ("zfront", "serve", "--listen", "127.0.0.1:0", "--router", router.address)
    front = start(*serve, "--cors", elsewhere)
    window.open(f"{elsewhere}/page.html?zfront={front.address}&id=alice")
    window.shows("#state", "connected")
    wait_for(api, "alice", 1)
    api.send("alice", "hello")
    window.shows("#messages", "hello")
    other = start(*serve)
    window.open(f"{elsewhere}/page.html?zfront={other.address}&id=alice")
    window.shows("#state", "lost")
    assert any("CORS" in one for one in window.complaints())


def test_an_event_source_that_found_no_place_comes_in_as_soon_as_there_is_one(
    start: Callable[..., Program], keeping: Program, window: Window
) -> None:
    listen = ("--listen", "127.0.0.1:0", "--router", keeping.address)
    front = start("zfront", "serve", *listen, "--max-connections", "1")
    with RouterClient(keeping.address) as api:
        only = Client(front.address, "/stream/a")
        wait_for(api, "a", 1)
        window.open(front.address + "/")
        window.run(LISTEN, "/sse/b")
        eventually(lambda: window.run("return opened") == 1)
        assert window.run("return source.readyState") != 2, "closed for good"
        only.socket.close()
        wait_for(api, "b", 1)
        api.send("b", "there you are")
        eventually(lambda: window.run("return seen") == ["there you are"])
