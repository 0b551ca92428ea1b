"""`zflood clients`: against zfront, against servers that break the rules, and when it is interrupted."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from tests.conftest import Program, eventually
from tests.end_to_end.flooding import CLIENTS
from tests.end_to_end.flooding import flooded as run
from zfront.transports import chunked
from zrouter.client import RouterClient


def test_several_processes_connect_every_id_once_and_count_every_message(
    router: Program, front: Program, api: RouterClient
) -> None:
    flood = subprocess.Popen(
        [*CLIENTS, "--json", "--url", f"{front.address}/test/%d", "--ids", "1-60", "--processes", "3"],
        stdout=subprocess.PIPE,
        text=True,
    )
    eventually(lambda: api.stats()["connections"] == 60)
    assert api.send_many([(b"%d" % an_id, b"hello") for an_id in range(1, 61)]) == [1] * 60
    eventually(lambda: api.stats()["frontends"][0].get("delivered") == 60)
    api.kick(*(str(an_id) for an_id in range(1, 61)))
    assert flood.wait(20) == 0
    assert flood.stdout is not None
    seen = json.loads(flood.stdout.read().splitlines()[-1])
    assert (seen["connected"], seen["ended"], seen["closed"], seen["chunks"]) == (60, 60, 60, 60)
    assert seen["errors"] == {}


def test_the_rate_is_kept(router: Program, front: Program) -> None:
    status, seen = run(
        "--url", f"{front.address}/test/%d", "--ids", "1-1000", "--rate", "50", "--seconds", "1"
    )
    assert status == 0
    assert 10 <= seen["connected"] <= 51


def test_urls_come_from_a_file(front: Program, api: RouterClient, tmp_path: Path) -> None:
    urls = tmp_path / "urls"
    urls.write_text("".join(f"{front.address}/test/u{number}\n" for number in range(5)))
    status, seen = run("--urls", str(urls), "--seconds", "1")
    assert (status, seen["connected"]) == (0, 5)


def test_refused_connections_are_errors_by_their_kind() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, not listening
        port = nobody.getsockname()[1]
        status, seen = run("--url", f"http://127.0.0.1:{port}/%d", "--ids", "1-7")
    assert status == 1
    assert seen["errors"] == {"Connection refused": 7}


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (chunked.HEAD + b"zz\r\n", "bad framing"),
        (b"\x00\x01\x02 nonsense\r\n\r\n", "bad framing"),
        (chunked.HEAD + chunked.message_chunk(3, b"x"), "missing message"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "status 404"),
    ],
)
def test_a_server_that_breaks_the_rules_is_found_out(said: bytes, error: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(said)

        server = threading.Thread(target=serve)
        server.start()
        status, seen = run("--url", f"http://127.0.0.1:{listener.getsockname()[1]}/%d", "--ids", "1-1")
        server.join()
    assert status == 1
    [kind] = seen["errors"]
    assert kind.startswith(error)


def test_interrupted_it_shows_the_totals(front: Program, api: RouterClient) -> None:
    flood = subprocess.Popen(
        [*CLIENTS, "--json", "--url", f"{front.address}/test/%d", "--ids", "1-20", "--every", "0.2"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert flood.stdout is not None
    while json.loads(flood.stdout.readline())["connected"] < 20:
        pass
    flood.send_signal(signal.SIGINT)
    assert json.loads(flood.stdout.read().splitlines()[-1])["connected"] == 20
    assert flood.wait(10) == 0
    eventually(lambda: api.stats()["connections"] == 0)


@pytest.mark.parametrize(
    "options", [("--ids", "5"), ("--ids", "9-1"), ("--url", "ftp://x/%d"), ("--source", "x")]
)
def test_what_makes_no_sense_is_a_usage_error(options: tuple[str, str]) -> None:
    done = subprocess.run([*CLIENTS, *options], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert "Error" in done.stderr
    assert "Traceback" not in done.stderr
