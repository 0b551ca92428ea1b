"""`--check` and `zflood check`, with a real router, frontend, clients and senders, who are cut meanwhile."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Program
from tests.end_to_end.flooding import MESSAGES, ZFLOOD, Flood
from zflood.check import client_log
from zflood.check.log_format import SEEN, Log, files, read
from zrouter.client import RouterClient

DOCUMENT = Path(__file__).parents[2] / "docs" / "zflood.md"
COUNT = 40
PATHS = {"chunked": "test", "sse": "sse", "ndjson": "stream", "ws": "ws", "poll": "poll"}


def check(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ZFLOOD, "check", str(folder), *options], capture_output=True, text=True, timeout=60
    )


def send(router: Program, folder: Path) -> None:
    sent = subprocess.run(
        [*MESSAGES, "--router", router.address, "--count", "400", "--max-id", str(COUNT),
         "--interval-ms", "1", "--check", str(folder)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert sent.returncode == 0, sent.stderr


def recorded(folder: Path, router: Program, front: Program, api: RouterClient, transport: str) -> None:
    """Clients get messages, are logged out, miss some, come back, get more."""
    url = f"{front.address.rstrip('/')}/{PATHS[transport]}/%d"
    options = (
        "--transport",
        transport,
        "--url",
        url,
        "--ids",
        f"1-{COUNT}",
        "--reconnect",
        "--processes",
        "2",
    )
    with Flood(*options, "--processes", "2", "--check", str(folder)) as flood:
        flood.until(lambda client_log: client_log["connected"] == COUNT)
        send(router, folder)
        for _ in range(2):
            before = flood.seen["reconnects"]
            sender = subprocess.Popen(
                [*MESSAGES, "--router", router.address, "--count", "400", "--max-id", str(COUNT),
                 "--interval-ms", "1", "--check", str(folder)],
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
            api.kick(*map(str, range(1, COUNT + 1)))
            assert sender.wait(30) == 0
            flood.until(lambda client_log, before=before: client_log["reconnects"] > before)  # type: ignore[misc]
        flood.until(lambda client_log: client_log["active"] == COUNT)


def verdict(folder: Path, *options: str) -> dict[str, Any]:
    done = check(folder, "--json", "--settle", "0.2", *options)
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (1 if found["offences"] else 0)
    return found


@pytest.mark.parametrize("transport", PATHS)
def test_nothing_is_lost_or_doubled_and_the_check_says_so(
    tmp_path: Path, router: Program, front: Program, api: RouterClient, transport: str
) -> None:
    recorded(tmp_path / "records", router, front, api, transport)
    found = verdict(tmp_path / "records")
    assert found["offences"] == 0, found["first"]
    section = DOCUMENT.read_text().split("\n### Figures of check\n")[1].split("\n#")[0]
    assert list(found) == re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert (found["messages"], found["clients"], found["gaps"]) == (1200, COUNT, 0)
    assert found["connections"] > COUNT
    if transport not in ("chunked", "poll"):  # those may miss what comes before they say where they are
        assert found["sights"] == 1200


@pytest.mark.parametrize("transport", PATHS)
def test_who_comes_while_messages_flow_gets_all_that_a_receipt_counts_it_for(
    tmp_path: Path, router: Program, front: Program, transport: str
) -> None:
    sender = subprocess.Popen(
        [*MESSAGES, "--router", router.address, "--count", "8000", "--max-id", "2000", "--interval-ms", "0.5",
         "--check", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"{front.address.rstrip('/')}/{PATHS[transport]}/%d"
    options = ("--transport", transport, "--url", url, "--ids", "1-2000", "--check", str(tmp_path))
    with Flood(*options) as flood:
        flood.until(lambda client_log: client_log["connected"] == 2000)
        assert sender.wait(30) == 0
        flood.until(lambda client_log, at=flood.seen["seconds"]: client_log["seconds"] > at + 1)  # type: ignore[misc]
    found = verdict(tmp_path)
    assert found["offences"] == 0, found["first"]


def test_a_message_that_is_taken_out_of_a_record_is_missed(
    tmp_path: Path, router: Program, front: Program, api: RouterClient
) -> None:
    folder = tmp_path / "records"
    recorded(folder, router, front, api, "sse")
    path = files(folder, SEEN)[0]
    events = list(read(path))
    path.unlink()
    changed = Log(folder, SEEN)
    out = next(at for at, event in enumerate(events) if event[0] == client_log.MESSAGE)
    for event in events[:out] + events[out + 1 :]:
        changed.add(event)
    changed.close()
    assert verdict(folder)["lost"] == 1
    done = check(folder)
    assert done.returncode == 1
    assert "lost 1" in done.stdout
    assert "did not come to client" in done.stdout.splitlines()[-1]


def test_what_was_published_is_compared_with_who_follows_whom(
    tmp_path: Path, start: Callable[..., Program]
) -> None:
    store = str(tmp_path / "store")
    router = start("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--store", store)
    front = start("zfront", "serve", "--listen", "127.0.0.1:0", "--router", router.address)
    graph = subprocess.run(
        [*ZFLOOD, "friends", "--users", str(COUNT), "--plain"], capture_output=True, text=True, check=True
    ).stdout
    pairs = [line.encode().split(b"\t") for line in graph.splitlines()]
    with RouterClient(router.address) as api:
        api.follow_many([(subscriber, subscribee) for subscriber, subscribee in pairs])
    url = f"{front.address.rstrip('/')}/sse/%d"
    with Flood("--transport", "sse", "--url", url, "--ids", f"1-{COUNT}", "--check", str(tmp_path)) as flood:
        flood.until(lambda client_log: client_log["connected"] == COUNT)
        sent = subprocess.run(
            [*MESSAGES, "--router", router.address, "--publish", "--count", "300", "--max-id", str(COUNT),
             "--interval-ms", "1", "--check", str(tmp_path)],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert sent.returncode == 0, sent.stderr
        flood.until(lambda client_log, at=flood.seen["seconds"]: client_log["seconds"] > at + 1)  # type: ignore[misc]
    done = check(tmp_path)
    assert done.returncode == 1
    assert "follows.tsv: No such file" in done.stderr
    (tmp_path / "follows.tsv").write_text(graph)
    found = verdict(tmp_path)
    assert found["offences"] == 0, found["first"]
    assert found["messages"] == 300 < found["sights"]
    # One who follows all, as nobody was: whatever he did not see counts as lost.
    more = "".join(f"1\t{number}\n" for number in range(1, COUNT + 1))
    (tmp_path / "follows.tsv").write_text(graph + more)
    assert verdict(tmp_path)["lost"] > 0


def test_a_folder_without_records_is_said_in_one_line(tmp_path: Path) -> None:
    done = check(tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"zflood: {tmp_path}: no record of clients"]


def test_a_record_that_cannot_be_written_is_said_in_one_line(tmp_path: Path, router: Program) -> None:
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [*MESSAGES, "--router", router.address, "--count", "1", "--check", str(tmp_path / "file" / "x")],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"zflood: {tmp_path / 'file' / 'x'}: Not a directory"]
