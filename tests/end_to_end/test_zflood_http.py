"""`zflood messages --http`: to a real HTTP server, which answers as it likes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import signal
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import tornado.httpserver
import tornado.iostream
import tornado.netutil
import tornado.web

from tests.conftest import eventually
from tests.end_to_end.flooding import MESSAGES

Answer = Callable[["Publish"], Awaitable[None]]


class Publish(tornado.web.RequestHandler):
    """Takes messages, as nchan and others do."""

    def initialize(self, server: Server) -> None:
        self.server = server

    async def post(self) -> None:
        assert self.request.connection is not None
        self.server.came.append((self.get_query_argument("id"), self.request.body))
        self.server.connections.add(self.request.connection.context.address)  # type: ignore[attr-defined]
        await self.server.answer(self)


class Server:
    """A server in a thread; `url` has the %d."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.came: list[tuple[str, bytes]] = []
        self.connections: set[Any] = set()
        [self._socket] = tornado.netutil.bind_sockets(0, "127.0.0.1")
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/pub?id=%d"

    @contextmanager
    def running(self) -> Iterator[Server]:
        loops: queue.Queue[asyncio.AbstractEventLoop] = queue.Queue()
        stop = asyncio.Event()

        async def serve() -> None:
            app = tornado.web.Application([("/pub", Publish, {"server": self})], log_function=lambda _: None)
            server = tornado.httpserver.HTTPServer(app)
            server.add_socket(self._socket)
            loops.put(asyncio.get_running_loop())
            await stop.wait()
            server.stop()
            await server.close_all_connections()

        thread = threading.Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        try:
            yield self
        finally:
            loops.get().call_soon_threadsafe(stop.set)
            thread.join()


def run(*options: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run([*MESSAGES, *options, "--json"], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


async def take(handler: Publish) -> None:
    pass


def test_each_message_is_posted_to_the_url_of_its_id() -> None:
    with Server(take).running() as server:
        status, sent = run("--http", server.url, "--count", "101", "--max-id", "3", "--size", "50")
    assert (status, sent["messages"], sent["errors"]) == (0, 101, {})
    assert sent["statuses"] == {"200": 101}
    assert (sent["handed"], sent["nobody"]) == (None, None)
    assert len(server.came) == 101
    assert {an_id for an_id, _ in server.came} == {"1", "2", "3"}
    assert all(message.startswith(b"t=") and len(message) == 50 for _, message in server.came)
    assert 0 < sent["p50_ms"] <= sent["max_ms"]


def test_connections_are_kept_and_each_task_has_one() -> None:
    with Server(take).running() as server:
        _, sent = run(
            "--http", server.url, "--count", "60", "--loop", "closed", "--interval-ms", "0", "--tasks", "3",
            "--senders", "2",
        )  # fmt: skip
    assert sent["messages"] == len(server.came) == 60
    # Each process looked whether somebody is there, too, on a connection without a request.
    assert 2 <= len(server.connections) <= 6


def test_as_many_requests_are_under_way_as_there_are_tasks() -> None:
    waiting: list[asyncio.Event] = []

    async def wait_for_five(handler: Publish) -> None:
        is_full = asyncio.Event()
        waiting.append(is_full)
        if len(waiting) == 5:
            while waiting:
                waiting.pop().set()
        await asyncio.wait_for(is_full.wait(), 10)

    with Server(wait_for_five).running() as server:
        status, sent = run("--http", server.url, "--count", "20", "--interval-ms", "0", "--tasks", "5")
    assert (status, sent["statuses"]) == (0, {"200": 20})
    assert len(server.connections) == 5


def test_what_is_not_2xx_is_an_error_of_its_status() -> None:
    statuses = iter([201, 202, 302, 404, 503] * 4)

    async def answer(handler: Publish) -> None:
        handler.set_status(next(statuses))
        handler.set_header("Location", "/elsewhere")

    with Server(answer).running() as server:
        status, sent = run("--http", server.url, "--count", "20", "--interval-ms", "0")
    assert status == 1
    assert sent["messages"] == len(server.came) == 20
    assert sent["statuses"] == {"201": 4, "202": 4}
    assert sent["errors"] == {"status 302": 4, "status 404": 4, "status 503": 4}


def test_no_answer_within_the_timeout_is_an_error() -> None:
    async def be_silent_for_some(handler: Publish) -> None:
        if len(handler.server.came) <= 3:
            await asyncio.Event().wait()

    with Server(be_silent_for_some).running() as server:
        status, sent = run("--http", server.url, "--count", "10", "--timeout", "1.5")
    assert status == 1
    assert (sent["statuses"], sent["errors"]) == ({"200": 7}, {"no answer in time": 3})


def test_an_answer_without_an_end_is_not_read() -> None:
    async def go_on(handler: Publish) -> None:
        with contextlib.suppress(tornado.iostream.StreamClosedError):
            while True:
                handler.write(b"x" * 10_000)
                await handler.flush()

    with Server(go_on).running() as server:
        status, sent = run("--http", server.url, "--count", "3", "--timeout", "20")
    assert (status, sent["errors"]) == (1, {"an answer of more than 65,536 bytes": 3})
    assert sent["seconds"] < 10


def test_interrupted_it_tells_what_had_no_answer_yet() -> None:
    async def answer_two(handler: Publish) -> None:
        if len(handler.server.came) > 2:
            await asyncio.Event().wait()

    with Server(answer_two).running() as server:
        command = [
            *MESSAGES,
            "--http",
            server.url,
            "--json",
            "--count",
            "100",
            "--interval-ms",
            "0",
            "--tasks",
            "3",
        ]
        flood = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        eventually(lambda: len(server.came) == 5)
        flood.send_signal(signal.SIGINT)
        assert flood.stdout is not None
        sent = json.loads(flood.stdout.read().splitlines()[-1])
        assert flood.wait(10) == 0
    assert (sent["messages"], sent["statuses"], sent["unanswered"]) == (5, {"200": 2}, 3)


def test_a_server_that_hangs_up_or_talks_nonsense_is_found_out() -> None:
    says = iter([b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])

    async def be_rude(handler: Publish) -> None:
        stream = handler.detach()
        await stream.write(next(says))
        stream.close()

    with Server(be_rude).running() as server:
        status, sent = run("--http", server.url, "--count", "3", "--interval-ms", "0")
    assert status == 1
    assert sent["statuses"] == {"200": 1}
    errors = Counter(sent["errors"])
    assert errors.pop("the server closed the connection") == 1
    assert list(errors.values()) == [1]


def test_without_a_server_it_says_so_and_exits_1() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, not listening
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/pub?id=%d"
        done = subprocess.run([*MESSAGES, "--http", url], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"zflood: no server answers at {url}: Connection refused"]
    assert done.stdout == ""


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/%d", "127.0.0.1:8000", "http:///pub", "http://h:99999/"])
def test_what_is_no_http_url_is_a_usage_error(url: str) -> None:
    done = subprocess.run([*MESSAGES, "--http", url], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
