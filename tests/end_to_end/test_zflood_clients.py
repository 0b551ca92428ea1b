"""`zflood clients`: against zfront, against servers that break the rules, and when it is interrupted."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Program, eventually
from tests.end_to_end.flooding import CLIENTS, Flood, mute, saying
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


@pytest.mark.parametrize(
    ("source", "addresses"),
    [
        ("127.0.9.0/29", {"127.0.9.1", "127.0.9.2", "127.0.9.3"}),
        ("127.0.9.0/30", {"127.0.9.1", "127.0.9.2"}),
        ("127.0.9.77/32", {"127.0.9.77"}),
    ],
)
def test_clients_connect_from_the_network_that_is_named(source: str, addresses: set[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/%d"
        with Flood("--url", url, "--ids", "1-3", "--processes", "3", "--source", source):
            accepted = [server.accept() for _ in range(3)]
        for connection, _ in accepted:
            connection.close()
    assert {peer[0] for _, peer in accepted} == addresses


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
    with saying(said) as address:
        status, seen = run("--url", f"http://{address}/%d", "--ids", "1-1")
    assert status == 1
    assert any(kind.startswith(error) for kind in seen["errors"])


@pytest.mark.parametrize(
    ("transport", "said", "error"),
    [
        ("chunked", b"", "closed without an answer"),
        ("chunked", b"HTTP/1.1 200", "truncated head"),
        ("chunked", b"HTTP/1.1 100 Continue\r\n\r\n", "truncated head"),
        ("chunked", chunked.HEAD, "truncated response"),
        ("chunked", chunked.HEAD + chunked.message_chunk(1, b"x"), "truncated response"),
        ("chunked", chunked.HEAD + chunked.message_chunk(1, b"x")[:-5], "truncated response"),
        ("chunked", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nx", "truncated response"),
        ("sse", b"", "closed without an answer"),
        ("ws", b"", "closed without an answer"),
        ("poll", b"", "closed without an answer"),
        ("poll", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nx", "truncated answer"),
    ],
)
def test_a_server_that_goes_too_early_is_an_error(transport: str, said: bytes, error: str) -> None:
    with saying(said) as address:
        status, seen = run("--transport", transport, "--url", f"http://{address}/%d", "--ids", "1-1")
    assert (status, seen["errors"], seen["cuts"]) == (1, {error: 1}, {})


@pytest.mark.parametrize("transport", ["chunked", "sse", "ws"])
def test_a_server_that_never_answers_is_an_error_after_the_timeout(transport: str) -> None:
    with mute(backlog=10) as address:
        status, seen = run(
            "--transport", transport, "--url", f"http://{address}/%d", "--ids", "1-5", "--timeout", "0.3"
        )
    assert (status, seen["errors"]) == (1, {"no answer in time": 5})


def test_a_server_that_lets_nobody_in_is_an_error_after_the_timeout() -> None:
    with mute(backlog=0) as address:
        status, seen = run("--url", f"http://{address}/%d", "--ids", "1-5", "--timeout", "0.5")
    assert status == 1
    assert seen["errors"] == {"no answer in time": 1, "Connection timed out": 4}


def test_clients_that_connect_again_time_out_too() -> None:
    with mute(backlog=10) as address:
        again = ("--reconnect", "--seconds", "1")
        status, seen = run("--url", f"http://{address}/%d", "--ids", "1-1", "--timeout", "0.2", *again)
    assert status == 1
    assert set(seen["errors"]) == {"no answer in time", "reconnecting: no answer in time"}


@pytest.mark.parametrize("options", [(), ("--reconnect", "--seconds", "2")])
def test_a_frontend_that_is_killed_is_seen(front: Program, options: tuple[str, ...]) -> None:
    with Flood("--url", f"{front.address}/test/%d", "--ids", "1-30", *options) as flood:
        flood.until(lambda seen: seen["active"] == 30)
        front.process.kill()
        for _ in flood.lines():
            pass
    assert flood.status == 1
    seen = flood.seen["cuts" if options else "errors"]
    assert sum(seen.values()) == 30
    assert set(seen) <= {"truncated response", "Connection reset by peer"}


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
    "options",
    [
        ("--ids", "5"),
        ("--ids", "9-1"),
        ("--ids", "1-\u00b2"),
        ("--ids", "1-" + "9" * 5000),
        ("--ids", "1-999999999999999"),
        ("--url", "ftp://x/%d"),
        ("--url", "http://127.0.0.1:1/test/1"),
        ("--url", "http://x/a b"),
        ("--source", "x"),
        ("--seconds", "inf"),
        ("--rate", "nan"),
        ("--timeout", "0"),
        ("--processes", "513"),
        ("--urls", sys.executable),
        ("--urls", "/dev/null"),
        ("--urls", "/dev/zero"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(options: tuple[str, str]) -> None:
    done = subprocess.run([*CLIENTS, *options], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
