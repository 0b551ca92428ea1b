#!/usr/bin/env python3
"""A plain wheel in a fresh environment: the servers, and a client of each transport; `make wheel`.

Needs nothing but Python: it is what somebody has who types the two lines of docs/operations.md. It also tries
the client for programs with the two libraries that docs/python-client.md names, and no other.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
SAID: Final = b"from a plain wheel"
PATIENCE_S: Final = 30.0

# What each client asks for, and what has to be in its answer once the message was sent.
CLIENTS: Final = {
    "/test/plain": b"Recvd msg #1: '" + SAID,
    "/stream/plain": b'"message":"' + SAID + b'"',
    "/sse/plain": b"data: " + SAID,
    "/poll/plain": SAID,
    "/ws/plain": SAID,
}
UPGRADE: Final = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n"
)


def main() -> None:
    """Build, install, start, connect, send, and say what came."""
    began = time.monotonic()
    # Nothing of this checkout and of the user's settings is seen by what runs.
    clean = {name: value for name, value in os.environ.items() if not re.match("PYTHON|ZROUTER|ZFRONT", name)}
    os.environ.clear()
    os.environ.update(clean)
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        here = Path(place)
        wheel = build(here)
        servers = environment(here / "servers", str(wheel))
        serve_router = (servers / "zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--store", "follows")
        serve_front = (servers / "zfront", "serve", "--listen", "127.0.0.1:0", "--router")
        with program(*serve_router) as router, program(*serve_front, router) as front:
            try_servers(servers, router, front.removeprefix("http://"))
            alone = environment(here / "client", "--no-deps", str(wheel), "pyzmq", "msgspec")
            try_client(alone, router)
        try_tools(servers)
    print(f"wheel: all of it works from a plain install ({time.monotonic() - began:.0f} s)")


def try_servers(bin: Path, router: str, front: str) -> None:
    """A client of each transport, a message from the command line, follows on disk, the pages."""
    with asking(front, *CLIENTS) as connections:
        until_all_are_there(bin, router)
        said = run(bin / "zrouter", "send", "plain", SAID.decode(), "--router", router)
        assert said == f"handed to {len(CLIENTS)} connections\n", said
        for connection, wanted in zip(connections, CLIENTS.values(), strict=True):
            read_until(connection, wanted)
    for page in ("/", "/demo", "/api/openapi.json"):
        with asking(front, page) as (connection,):
            assert read_until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 200"), page
    said = run(bin / "zrouter", "follow", "plain", "news", "--router", router)
    assert said == "plain follows 1 more\n", said


def until_all_are_there(bin: Path, router: str) -> None:
    """The router knows of each client."""
    deadline = time.monotonic() + PATIENCE_S
    while f"  {len(CLIENTS)} connections\n" not in (
        said := run(bin / "zrouter", "who", "plain", "--router", router)
    ):
        assert time.monotonic() < deadline, said


def try_client(bin: Path, router: str) -> None:
    """The client for programs, with pyzmq and msgspec alone."""
    code = (
        "import sys, zrouter\n"
        "with zrouter.RouterClient(sys.argv[1]) as router: print(router.send('nobody', 'hello'))"
    )
    assert run(bin / "python", "-c", code, router) == "0\n"


def try_tools(bin: Path) -> None:
    """What is not in a plain install says which extra has it."""
    done = subprocess.run([bin / "zflood", "clients"], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 1, done
    assert "pip install '.[flood]'" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr, done.stderr


def build(here: Path) -> Path:
    """The wheel, of a copy: what a build before left in the checkout would be in it."""
    (here / "source").mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, here / "source")
    for name in ("zrouter", "zfront", "zflood"):
        shutil.copytree(ROOT / name, here / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", "dist", "./source")
    (wheel,) = (here / "dist").glob("zcomet-*.whl")
    return wheel


def environment(place: Path, *what: str) -> Path:
    """A fresh one with that; the folder of its programs."""
    run(sys.executable, "-m", "venv", str(place))
    run(place / "bin" / "pip", "install", "-q", "--disable-pip-version-check", *what)
    return place / "bin"


def run(*command: str | Path) -> str:
    """What it printed.

    Raises:
        SystemExit: it failed; its words are shown.
    """
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def program(*command: str | Path) -> Iterator[str]:
    """It runs meanwhile; gives the address where it listens."""
    with tempfile.TemporaryFile("w+") as log:
        running = subprocess.Popen(command, stderr=log)
        try:
            yield address(running, log.fileno())
        finally:
            running.terminate()
            running.wait(PATIENCE_S)
        log.seek(0)
        said = log.read()
    assert "Traceback" not in said, said


def address(running: subprocess.Popen[bytes], log: int) -> str:
    """Where it says that it listens."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        said = os.pread(log, 65_536, 0).decode()
        found = re.search(r"listening on (\S+)", said)
        if found:
            return found[1]
        if running.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{running.args!r}: did not start\n{said}")
        time.sleep(0.02)


@contextmanager
def asking(front: str, *targets: str) -> Iterator[list[socket.socket]]:
    """A connection that has asked for each of these."""
    host, _, port = front.rpartition(":")
    with contextlib.ExitStack() as stack:
        connections = []
        for target in targets:
            one = stack.enter_context(socket.create_connection((host, int(port)), PATIENCE_S))
            head = UPGRADE if target.startswith("/ws/") else ""
            one.sendall(f"GET {target} HTTP/1.1\r\nHost: {front}\r\n{head}\r\n".encode())
            connections.append(one)
        yield connections


def read_until(connection: socket.socket, wanted: bytes) -> bytes:
    """All that came, once that is in it.

    Raises:
        SystemExit: the connection ended, or nothing came for long.
    """
    seen = b""
    while wanted not in seen:
        came = connection.recv(65_536)
        if not came:
            raise SystemExit(f"{wanted!r} is not in {seen!r}")
        seen += came
    return seen


if __name__ == "__main__":
    main()
