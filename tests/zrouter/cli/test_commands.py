"""What a command says and exits with when it is used wrongly, interrupted, or the router is away."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Program, eventually, wait_for
from zrouter.client import RouterClient

CLIENTS = [("send", "1", "x"), ("login", "1"), ("logout", "1"), ("who",), ("watch", "1"), ("stats",)]


def run(program: str, *words: str | bytes) -> subprocess.CompletedProcess[str]:
    code = f"from {program}.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize(
    ("program", "words", "option"),
    [
        *(("zrouter", words, "--router") for words in CLIENTS),
        ("zfront", ("serve",), "--router"),
        ("zrouter", ("serve",), "--bind"),
    ],
)
@pytest.mark.parametrize("address", ["foo", "tcp://host", "tcp://127.0.0.1:99999"])
def test_a_bad_address_is_a_usage_error_that_names_the_option(
    program: str, words: tuple[str, ...], option: str, address: str
) -> None:
    done = run(program, *words, option, address)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert option in line
    assert address in line


@pytest.mark.parametrize("bad", ["", "x" * 256, b"\xff"])
@pytest.mark.parametrize("command", ["send", "login", "logout", "who", "watch"])
def test_what_is_no_id_is_a_usage_error(command: str, bad: str | bytes) -> None:
    done = run("zrouter", command, bad, *(["x"] if command == "send" else []))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "ID" in line.upper()


@pytest.mark.parametrize(
    ("program", "words", "line"),
    [
        ("zrouter", ("nothing",), "zrouter: No such command 'nothing' (see zrouter --help)"),
        ("zrouter", ("send",), "zrouter send: Missing argument 'ID' (see zrouter send --help)"),
        (
            "zfront",
            ("serve", "--listen", "x"),
            "zfront serve: --listen x: not HOST:PORT (see zfront serve --help)",
        ),
        ("zflood", ("plot", "/nowhere"), "zflood plot: Invalid value for 'FILES...': File '/nowhere'"),
    ],
)
def test_a_usage_error_is_one_line_that_says_where_help_is(
    program: str, words: tuple[str, ...], line: str
) -> None:
    done = run(program, *words)
    assert (done.returncode, done.stdout) == (2, "")
    (said,) = done.stderr.splitlines()
    assert said.startswith(line)


@pytest.mark.parametrize("program", ["zrouter", "zfront", "zflood"])
def test_without_a_command_there_is_the_help(program: str) -> None:
    done = run(program)
    assert done.returncode == 2
    assert "Examples:" in done.stderr


@pytest.mark.parametrize("words", [("zrouter",), ("zrouter", "follows"), ("zfront",), ("zflood",)])
def test_no_line_of_the_list_of_commands_is_cut_short(words: tuple[str, ...]) -> None:
    shown = run(*words, "--help").stdout
    assert "Commands:" in shown
    assert "..." not in shown.partition("Commands:")[2]


def test_a_message_of_any_bytes_is_sent_as_it_is(router: Program, api: RouterClient) -> None:
    messages = api.login("1")
    assert run("zrouter", "send", "1", b"\xff", "--router", router.address).returncode == 0
    assert next(messages).message == b"\xff"


def test_a_send_with_a_key_arrives_once(router: Program, api: RouterClient) -> None:
    messages = api.login("1")
    words = ("zrouter", "send", "1", "once", "--key", "k", "--router", router.address)
    assert [run(*words).stdout for _ in range(2)] == ["handed to 1 connection\n"] * 2
    assert api.send("1", "end") == 1
    assert [next(messages).message for _ in range(2)] == [b"once", b"end"]
    other = run("zrouter", "send", "1", "other", "--key", "k", "--router", router.address)
    assert other.returncode == 1
    assert other.stderr == "zrouter: this key came with other messages a short while ago\n"


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_what_is_no_key_is_a_usage_error(key: str) -> None:
    done = run("zrouter", "send", "1", "x", "--key", key)
    assert done.returncode == 2
    assert "--key" in done.stderr.splitlines()[-1]


def test_who_of_several_ids_says_of_each_where_it_is(router: Program) -> None:
    with RouterClient(router.address, name="f") as front:
        front.login("a", "b")
        shown = run("zrouter", "who", "a", "z", "--router", router.address).stdout
        assert shown == "a  f  1 connection\nnobody is logged in as z\n"
        rows = run("zrouter", "who", "a", "z", "--router", router.address, "--json").stdout.splitlines()
        assert [json.loads(row) for row in rows] == [
            {"id": "a", "frontends": [{"frontend": "f", "connections": 1}]},
            {"id": "z", "frontends": []},
        ]


def test_watch_shows_each_change(router: Program, api: RouterClient) -> None:
    api.login("a")
    words = ("zrouter", "watch", "a", "--count", "1", "--router", router.address)
    assert run(*words).stdout == "a is online, 1 connection\n"
    assert json.loads(run(*words, "--json").stdout) == {"id": "a", "connections": 1}


def test_login_goes_on_behind_an_offset(router: Program, api: RouterClient) -> None:
    messages = api.login("a")
    api.send_many([(b"a", b"0"), (b"a", b"1")])
    words = ("zrouter", "login", "a", "--router", router.address, "--count", "1")
    since = ("--since", next(messages).offset)
    assert run(*words, *since).stdout == "a: 1\n"
    found = json.loads(run(*words, *since, "--json").stdout)
    assert found == {"id": "a", "message": "1", "offset": next(messages).offset}


def test_what_is_no_offset_is_a_usage_error(router: Program) -> None:
    done = run("zrouter", "login", "a", "--since", "yesterday", "--router", router.address)
    assert done.returncode == 2
    assert "--since" in done.stderr.splitlines()[-1]


class Beside:
    """A command that runs beside the test; all that it says is in one file."""

    def __init__(self, folder: Path, *words: str) -> None:
        self._said = folder / "said"
        with self._said.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-c", f"from {words[0]}.cli import main; main()", *words[1:]],
                stdout=file,
                stderr=file,
            )

    def said(self) -> str:
        return self._said.read_text()


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Callable[..., Beside]]:
    running: list[Beside] = []

    def start(*words: str) -> Beside:
        running.append(Beside(tmp_path, *words))
        return running[-1]

    yield start
    for one in running:
        one.process.kill()
        one.process.wait()


def test_a_login_says_when_the_router_is_away_and_when_it_is_back(
    start: Callable[..., Program], router: Program, api: RouterClient, beside: Callable[..., Beside]
) -> None:
    address = router.address
    login = beside("zrouter", "login", "1", "--router", address)
    wait_for(api, "1", 1)
    router.stop(signal.SIGKILL)
    eventually(lambda: f"waiting for the router at {address}\n" in login.said())
    start("zrouter", "serve", "--bind", address)
    eventually(lambda: f"the router at {address} is there\n" in login.said())
    with RouterClient(address) as again:
        wait_for(again, "1", 1)
    login.process.send_signal(signal.SIGINT)
    assert login.process.wait(10) == 130
    assert [re.sub(r"tcp://\S+", "R", line) for line in login.said().splitlines()] == [
        "logged in as 1", "waiting for the router at R", "the router at R is there"
    ]  # fmt: skip


def test_a_login_without_a_router_says_that_it_waits_and_then_gives_up(router: Program) -> None:
    router.stop()
    done = run("zrouter", "login", "1", "--router", router.address, "--timeout", "2")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"waiting for the router at {router.address}",
        f"zrouter: no router answers at {router.address}",
    ]


@pytest.mark.parametrize(
    ("options", "said"), [((), "messages are missing here: restarted\n"), (("--json",), '"gap": "restarted"')]
)
def test_login_tells_of_a_gap(
    router: Program, beside: Callable[..., Beside], options: tuple[str, ...], said: str
) -> None:
    command = beside("zrouter", "login", "a", "--router", router.address, "--since", "5.0", *options)
    eventually(lambda: said in command.said())
    command.process.send_signal(signal.SIGINT)
    assert command.process.wait(10) == 130


@pytest.mark.parametrize("words", CLIENTS)
def test_an_interrupted_command_says_nothing(
    router: Program, beside: Callable[..., Beside], words: tuple[str, ...]
) -> None:
    router.stop()
    command = beside("zrouter", *words, "--router", router.address, "--timeout", "60")
    # It is at work, and not still being imported, when ZeroMQ's threads are there.
    eventually(lambda: len(os.listdir(f"/proc/{command.process.pid}/task")) > 1)
    command.process.send_signal(signal.SIGINT)
    assert command.process.wait(10) == 130
    assert command.said() in ("", f"waiting for the router at {router.address}\n")


def test_the_shells_completion_works() -> None:
    asks = {"_ZROUTER_COMPLETE": "bash_complete", "COMP_WORDS": "zrouter lo", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", "from zrouter.cli import main; main()"],
        capture_output=True, text=True, timeout=30, env=os.environ | asks, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["plain,login", "plain,logout"]
