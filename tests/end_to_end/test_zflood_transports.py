"""`zflood clients` over each transport, against Tornado and against servers that break the rules."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.flooding import CLIENTS, Flood, flooded, saying
from tests.end_to_end.pushing import PushServer
from zflood.swarm.transports import TRANSPORTS

DOCUMENT = Path(__file__).parents[2] / "docs" / "zflood.md"


@pytest.mark.parametrize(
    ("transport", "scheme"), [("chunked", "http"), ("sse", "http"), ("ws", "ws"), ("ws", "http")]
)
def test_every_message_of_a_tornado_server_is_counted_and_timed(transport: str, scheme: str) -> None:
    with PushServer(messages=3) as server:
        url = f"{scheme}://127.0.0.1:{server.port}/{transport}/%d?x=y"
        status, seen = flooded("--transport", transport, "--url", url, "--ids", "1-200", "--processes", "2")
    assert seen["errors"] == {}
    assert (seen["connected"], seen["ended"], seen["closed"]) == (200, 200, 200)
    assert (seen["chunks"], seen["latencies"]) == (600, 600)
    assert (seen["reconnects"], seen["back_s"]) == (0, None)
    assert status == 0
    if transport == "ws":
        assert server.pongs == 600


@pytest.mark.parametrize("query", ["", "?close=1"])
def test_polls_go_on_over_kept_and_over_new_connections(query: str) -> None:
    with PushServer() as server:
        url = f"http://127.0.0.1:{server.port}/poll/%d{query}"
        with Flood("--transport", "poll", "--url", url, "--ids", "1-20") as flood:
            flood.until(lambda seen: seen["chunks"] >= 200)
        seen = flood.seen
    assert seen["errors"] == {}
    assert (seen["connected"], seen["closed"], seen["reconnects"]) == (20, 0, 0)
    assert seen["chunks"] == seen["latencies"]
    assert server.asked * 2 / 3 - 21 <= seen["chunks"] <= server.asked * 2 / 3 + 1  # 20 may be under way
    assert flood.status == 0


SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("transport", "said", "error"),
    [
        ("sse", SSE + b"9\r\ndata: x\n\n\r\nzz\r\n", "bad framing"),
        ("sse", SSE + b"8\r\ndata: x\n\r\n0\r\n\r\n", "truncated event"),
        ("sse", SSE.replace(b"event-stream", b"html"), "content type text/html"),
        ("sse", SSE + b"1c\r\nid: 2\ndata:\n\nid: 1\ndata: b\n\n\r\n", "event id that goes backwards"),
        ("ws", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "status 404"),
        ("ws", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "bad handshake"),
        ("poll", b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", "status 500"),
        ("poll", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "empty answer"),
    ],
)
def test_a_server_that_breaks_the_rules_is_found_out(transport: str, said: bytes, error: str) -> None:
    with saying(said) as address:
        status, seen = flooded("--transport", transport, "--url", f"http://{address}/%d", "--ids", "1-1")
    assert status == 1
    assert any(kind.startswith(error) for kind in seen["errors"])


def test_json_lines_go_to_a_file_beside_the_words(tmp_path: Path) -> None:
    out = tmp_path / "flood.jsonl"
    with PushServer() as server:
        url = f"http://127.0.0.1:{server.port}/chunked/%d"
        done = subprocess.run(
            [*CLIENTS, "--url", url, "--ids", "1-5", "--json", str(out)],
            capture_output=True, text=True, timeout=30,
        )  # fmt: skip
    assert done.returncode == 0
    assert done.stdout.startswith("Active 0  Closed 5  Chunks 15")
    assert json.loads(out.read_text().splitlines()[-1])["chunks"] == 15


def test_the_figures_are_those_in_the_document() -> None:
    with PushServer() as server:
        _, seen = flooded("--url", f"http://127.0.0.1:{server.port}/chunked/%d", "--ids", "1-1")
    section = DOCUMENT.read_text().split("\n### Figures of clients\n")[1].split("\n#")[0]
    assert list(seen) == re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


def test_every_transport_is_in_the_document() -> None:
    section = DOCUMENT.read_text().split("\n## Clients\n")[1].split("\n#")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(TRANSPORTS)


def test_a_file_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [*CLIENTS, "--ids", "1-1", "--json", str(tmp_path / "no" / "where")],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("zflood: ")
    assert len(done.stderr.splitlines()) == 1
