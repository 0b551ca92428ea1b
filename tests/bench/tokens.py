"""What a token costs a connection, and how long it takes to take one back."""

from __future__ import annotations

import socket
import tempfile
import time
from pathlib import Path

from tests.bench.clients import come, logged_in
from tests.bench.lines import Line
from tests.bench.programs import Stage
from tests.bench.sizes import size
from zrouter.client import RouterClient
from zrouter.tokens.key_files import parse_keys
from zrouter.tokens.make import make_key_pair, make_secret, make_token

WITHOUT = "without tokens"
WORKERS = 4
# Of one process of clients; a worker takes as many, less its reserve: a process may have 20,000 files here.
OF_A_SINK = 18_000
GRANT = ["user:*"]


def tokens() -> list[Line]:
    """CPU and memory of a connection with a token, and a revocation among many."""
    plain_memory, plain_us = come(path="/sse/user:")
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for algorithm, bar_us in (("HS256", 40), ("EdDSA", 150)):
            options, token = _key(Path(folder), algorithm)
            memory, us = come(*options, path="/sse/user:", query=f"?token={token}")
            lines += [
                Line(
                    f"{algorithm}: CPU more for a new connection", "us", us - plain_us, bar_us, plain_us,
                    WITHOUT,
                ),
                Line(
                    f"{algorithm}: memory more of a connection", "B", memory - plain_memory, 16, plain_memory,
                    WITHOUT,
                ),
            ]  # fmt: skip
    return [*lines, *revocation()]


def revocation() -> list[Line]:
    """One subject among as many connections as four workers take."""
    many = size(WORKERS * OF_A_SINK, WORKERS * 1000)
    with tempfile.TemporaryDirectory() as folder, Stage() as stage:
        options, token = _key(Path(folder), "HS256")
        (key,) = parse_keys((Path(folder) / "HS256").read_bytes())
        _, endpoint = stage.router("--revocations", f"{folder}/revocations")
        _, port = stage.front(endpoint, "--workers", str(WORKERS), *options)
        for number in range(WORKERS):
            stage.sink(port, many // WORKERS, f"/sse/user:{number}-%d?token={token}")
        logged_in(endpoint, many)
        one = make_token(key, "one", time.time(), 600)
        with (
            RouterClient(endpoint, timeout_s=30) as client,
            socket.create_connection(("127.0.0.1", port)) as link,
        ):
            link.sendall(f"GET /sse/one?token={one} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            logged_in(endpoint, many + 1)
            began = time.monotonic()
            client.revoke(sub="one")
            answered = time.monotonic() - began
            while link.recv(65536):
                pass
            took = time.monotonic() - began
            time.sleep(2)
            left = client.stats()["connections"]
    return [
        Line(f"one of {many:,} connections on {WORKERS} workers is revoked: until it ends", "s", took, 1.0),
        Line("until that is answered, and on disk", "s", answered, 1.0),
        Line("others that ended", "", many - left, 0),
    ]


def _key(folder: Path, algorithm: str) -> tuple[tuple[str, ...], str]:
    """Options of a frontend, and a token for each id."""
    data = make_secret("k") if algorithm == "HS256" else make_key_pair("k")[0]
    file = folder / algorithm
    file.touch(0o600)
    file.write_bytes(data)
    (key,) = parse_keys(data)
    return ("--token-key-file", str(file)), make_token(key, "user:1", time.time(), 3600, ids=GRANT)
