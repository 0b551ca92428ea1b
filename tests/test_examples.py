"""docs/examples, each run as it stands there: real web frameworks, programs, a shell and a browser."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.conftest import Client, Program, eventually, needs_curl, wait_for
from zrouter.client import RouterClient

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
WSGI = """
from wsgiref.simple_server import make_server
from {module} import application
server = make_server("127.0.0.1", 0, application)
print(server.server_port, flush=True)
server.serve_forever()
"""
ASGI = """
import socket, uvicorn
from {module} import application
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(application, log_level="warning")).run(sockets=[listener])
"""
ID = "user: 1/2?"


class Example:
    """One that runs; `lines` are what it printed so far."""

    def __init__(self, command: list[str], front: Program, router: Program) -> None:
        addresses = {"ZFRONT": front.address, "ZROUTER_ROUTER": router.address}
        self.process = subprocess.Popen(
            command, cwd=EXAMPLES, env=os.environ | addresses, stdout=subprocess.PIPE, start_new_session=True
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.decode().rstrip("\n"))

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)  # the shell's curl, too
        self.process.wait(10)
        self._reader.join(10)


@pytest.fixture
def example(front: Program, router: Program) -> Iterator[Callable[..., Example]]:
    """Starts one: example("sh", "subscribe.sh", "ID")."""
    running: list[Example] = []

    def start(*command: str) -> Example:
        running.append(Example(list(command), front, router))
        return running[-1]

    yield start
    for one in running:
        one.end()


def post(url: str, message: bytes) -> dict[str, object]:
    with urllib.request.urlopen(urllib.request.Request(url, message, method="POST"), timeout=10) as answer:
        return dict(json.load(answer))


@pytest.mark.parametrize(
    ("module", "library", "server"),
    [("django_app", "django", WSGI), ("flask_app", "flask", WSGI), ("fastapi_app", "fastapi", ASGI)],
)
def test_a_web_framework_publishes_by_http_and_over_zeromq(
    example: Callable[..., Example], front: Program, api: RouterClient, module: str, library: str, server: str
) -> None:
    pytest.importorskip(library)
    client = Client(front.address, f"/sse/{quote(ID, safe='')}")
    wait_for(api, ID, 1)
    app = example(sys.executable, "-c", server.format(module=module))
    port = eventually(lambda: app.lines)[0]
    path = quote(ID)
    assert post(f"http://127.0.0.1:{port}/by-http/{path}", b"by http") == {"connections": 1, "kept": False}
    assert post(f"http://127.0.0.1:{port}/by-router/{path}", b"over zeromq") == {"handed": 1}
    client.read_until(b"data: by http")
    client.read_until(b"data: over zeromq")
    assert post(f"http://127.0.0.1:{port}/by-http/nobody", b"?") == {"connections": 0, "kept": False}


@needs_curl
def test_a_shell_publishes(example: Callable[..., Example], front: Program, api: RouterClient) -> None:
    client = Client(front.address, "/sse/alice")
    wait_for(api, "alice", 1)
    script = example("sh", "publish.sh", "alice", "it's & a @message")
    assert json.loads(eventually(lambda: script.lines)[0]) == {"connections": 1, "kept": False}
    assert script.process.wait(10) == 0
    client.read_until(b"data: it's & a @message")


@needs_curl
def test_a_shell_follows_and_publishes(
    example: Callable[..., Example], front: Program, api: RouterClient
) -> None:
    client = Client(front.address, "/sse/alice")
    wait_for(api, "alice", 1)
    script = example("sh", "follow.sh", "alice", "an%2Fartist", "it's & a @message")
    assert script.process.wait(10) == 0
    eventually(lambda: len(script.lines) == 2)
    assert json.loads(script.lines[0]) == {"changed": 1}
    found = {"id": "an/artist", "followers": 1, "online": 1, "connections": 1, "kept": 0}
    assert json.loads(script.lines[1]) == found
    client.read_until(b"data: it's & a @message")


@pytest.mark.parametrize("subscriber", ["subscriber.py", "subscribe.sh"])
def test_a_subscriber_misses_nothing_when_it_is_cut_off(
    example: Callable[..., Example], api: RouterClient, subscriber: str
) -> None:
    if subscriber.endswith(".py"):
        pytest.importorskip("httpx_sse")
    one = example(*([sys.executable] if subscriber.endswith(".py") else ["sh"]), subscriber, "alice")

    def heard() -> list[str]:
        if subscriber.endswith(".py"):
            return one.lines
        return [json.loads(line)["message"] for line in one.lines if "message" in line]

    wait_for(api, "alice", 1)
    eventually(lambda: api.send("alice", "seen"))
    eventually(lambda: heard() == ["seen"])
    api.kick("alice")
    wait_for(api, "alice", 0)
    assert api.send("alice", "missed") < 0
    wait_for(api, "alice", 1)
    eventually(lambda: heard() == ["seen", "missed"])
    api.send("alice", "new")
    eventually(lambda: heard() == ["seen", "missed", "new"])


def test_every_example_is_in_the_list() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    for path in EXAMPLES.iterdir():
        assert path.name == "README.md" or path.suffix == "" or f"]({path.name})" in listed, path.name
