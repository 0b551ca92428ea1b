"""A fault of ours in the middle of a request ends that connection, is counted, and harms nobody else.

The faults are put in: each program here is the real one, with one function that raises for a marked request.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Client, Program, eventually
from zrouter.client import RouterClient

MARK = "SECRET-MARK"
BREAK = """
import {module} as module
whole = {name}
def broken(*words, **more):
    if any({mark!r} in repr(one) for one in (*words, *more.values())):
        raise {error}
    return whole(*words, **more)
{name} = broken
from zfront.cli import main
main()
"""
WS = (
    "GET /ws/1 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
POST = f"POST /api/send/{MARK} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n\r\nx"
GET = f"GET /sse/1?id={MARK} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
# Where the fault is, and what brings about that the function is called.
FAULTS = {
    "a stream is read": ("zfront.http.acceptor", "module._plain_stream_request", GET),
    "a send is read": ("zfront.requests.plain_request", "module.read", POST),
    "its id is read": ("zfront.api.parameters", "module.read_id", POST),
    "a connection is led on": (
        "zfront.http.acceptor",
        "module.Acceptor._lead_on",
        GET.replace("GET", "HEAD"),
    ),
    "a URL is read": ("zfront.requests.stream_request", "module.urls.fault", GET),
}


@pytest.fixture(params=list(FAULTS))
def broken(request: pytest.FixtureRequest, router: Program, tmp_path: Path) -> Iterator[tuple[Program, str]]:
    module, name, data = FAULTS[request.param]
    code = BREAK.format(module=module, name=name, mark=MARK, error=f"ValueError({MARK!r})")
    words = ["serve", "--listen", "127.0.0.1:0", "--router", router.address]
    log = tmp_path / "broken.log"
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-c", code, *words], stderr=file)
    found = eventually(lambda: re.search(r"listening on (\S+)", log.read_text()))
    front = Program.__new__(Program)
    front.address, front.process, front._log, front.command = found[1], process, log, tuple(words)
    yield front, data
    assert front.stop() == 0


def test_a_fault_ends_its_connection_and_no_other(broken: tuple[Program, str], api: RouterClient) -> None:
    front, data = broken
    other = Client(front.address, "/sse/other")
    seats = []
    for _ in range(5):
        client = Client(front.address, "")
        client.socket.sendall(data.encode())
        answer = client.read_to_end()  # no answer, or an error; and never a connection that hangs
        assert b" 200 " not in answer
        seats.append(client)
    api.send("other", "still here")
    other.read_until(b"still here")
    assert Client(front.address, "/sse/another").seen.startswith(b"HTTP/1.1 200 ")
    row = eventually(lambda: (api.stats()["frontends"] or [None])[0])
    assert row is not None
    if "Tornado" not in front.log() and "Handler failed" not in front.log():
        eventually(lambda: api.stats()["frontends"][0].get("faults", 0) >= 5)
    lines = [line for line in front.log().splitlines() if MARK in line]
    assert not lines, "what was asked for is not logged"
