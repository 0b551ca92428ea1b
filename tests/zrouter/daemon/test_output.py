"""What a command prints: nothing of a peer acts on a terminal, JSON is JSON, no stream makes a traceback."""

from __future__ import annotations

import ast
import io
import json
import logging
import os
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import Program, eventually
from zrouter.client import RouterClient
from zrouter.daemon import logs, output

ROOT = Path(__file__).parents[3]
EVIL = "a\x1b[2J\x9b31m\x85\r\nfrontend  9 connections\u202e\u2066\u2028\x07\x7f"


@given(st.text())
def test_no_control_character_and_no_change_of_direction_is_left(text: str) -> None:
    shown = output.printable(text)
    assert not [each for each in shown if unicodedata.category(each) in ("Cc", "Zl", "Zp", "Cs")]
    assert not [
        each
        for each in shown
        if unicodedata.bidirectional(each) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    ]


@pytest.mark.parametrize("text", ["hello", "Grüße, 世界", "👨\u200d👩", "שלום"])
def test_what_people_write_is_left_alone(text: str) -> None:
    assert output.printable(text) == text


_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
)


@given(_values)
def test_json_is_one_line_that_any_reader_takes(value: Any) -> None:
    out = io.StringIO()
    output.json_line(value, out)

    def refuse(word: str) -> Any:
        raise AssertionError(word)

    assert out.getvalue().count("\n") == 1
    assert output.printable(out.getvalue()[:-1]) == out.getvalue()[:-1]
    json.loads(out.getvalue(), parse_constant=refuse)


def test_a_log_line_is_one_line_and_a_traceback_keeps_its_lines() -> None:
    formatter = logs.Escaped("%(message)s")
    try:
        raise ValueError(EVIL)
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "of %s", (EVIL,), sys.exc_info())
    first, *others = formatter.format(record).split("\n")
    assert first == "of " + output.printable(EVIL)
    assert len(others) > 2
    assert not set("\x1b\x9b\x85\r\u202e") & set("".join(others))


@pytest.mark.parametrize("package", ["zrouter", "zflood"])
def test_nothing_prints_but_by_the_one_way(package: str) -> None:
    for file in sorted((ROOT / package).rglob("*.py")):
        if file.name != "output.py":
            calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
            names = [node.func.id for node in calls if isinstance(node.func, ast.Name)]
            assert "print" not in names, file


def _run(
    program: str, *words: str | bytes, prelude: str = "", env: dict[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[bytes]:
    code = f"{prelude}\nfrom {program}.cli import main; main()"
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run(
        [sys.executable, "-c", code, *words], timeout=30, env={**os.environ, **(env or {})}, **options
    )


def _one_line(done: subprocess.CompletedProcess[bytes]) -> str:
    (said,) = done.stderr.decode().splitlines()
    return said


def test_names_figures_and_messages_of_peers_are_shown_escaped(router: Program) -> None:
    with RouterClient(router.address, name=EVIL) as peer, RouterClient(router.address) as sender:
        peer.login("1")
        for words in (("who", "1"), ("who",), ("stats",)):
            shown = _run("zrouter", *words, "--router", router.address)
            assert shown.returncode == 0, shown.stderr
            assert not set("\x1b\x9b\x85\r\u202e\x7f") & set(shown.stdout.decode())
            assert not [each for each in shown.stdout.decode().splitlines() if each.startswith("frontend  9")]
        code = "from zrouter.cli import main; main()"
        login = subprocess.Popen(
            [sys.executable, "-c", code, "login", "2", "--count", "1", "--router", router.address],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        eventually(lambda: sender.send("2", EVIL) > 0)
        assert login.communicate(timeout=30)[0].decode() == f"2: {output.printable(EVIL)}\n"


ASCII = {"PYTHONIOENCODING": "ascii"}
C_LOCALE = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
COMMANDS: list[tuple[str, ...]] = [
    ("who", "grün"),
    ("stats", "--json"),
    ("send", "grün", "grün"),
    ("followers", "grün", "--count", "--json"),
]


def _close(*descriptors: int) -> Callable[[], None]:
    def close() -> None:
        for each in descriptors:
            os.close(each)

    return close


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_stream_no_encoding_and_no_place_makes_a_traceback(
    router: Program, tmp_path: Path, command: tuple[str, ...]
) -> None:
    words = (*command, "--router", router.address)
    with open("/dev/full", "wb") as full:
        done = _run("zrouter", *words, stdout=full)
    assert (done.returncode, _one_line(done)) == (1, "zrouter: standard output: No space left on device")
    done = _run("zrouter", *words, preexec_fn=_close(1), stdout=None)
    assert (done.returncode, _one_line(done)) == (1, "zrouter: standard output: Bad file descriptor")
    reading, writing = os.pipe()
    os.close(reading)
    done = _run("zrouter", *words, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")
    no_home = {"HOME": "", "XDG_DATA_HOME": ""}
    for env in (ASCII, {**C_LOCALE, **no_home}):
        done = _run("zrouter", *words, env=env, cwd="/proc")
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.isascii()
        assert done.stdout
    assert _run("zrouter", *words, preexec_fn=_close(0, 2), stderr=None).returncode == 0


def test_an_interrupt_is_an_exit_code_and_no_word(router: Program) -> None:
    code = "from zrouter.cli import main; main()"
    waits = subprocess.Popen(
        [sys.executable, "-c", code, "login", "1", "--router", router.address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert waits.stderr is not None
    assert waits.stderr.readline() == b"logged in as 1\n"
    waits.send_signal(signal.SIGINT)
    assert waits.communicate(timeout=15) == (b"", b"")
    assert waits.returncode == 130


@pytest.mark.parametrize("words", [("send", "1", "-"), ("publish", "1", "-"), ("follows", "load", "-")])
def test_standard_input_that_is_closed_is_named(words: tuple[str, ...], tmp_path: Path) -> None:
    store = ("--store", str(tmp_path / "store")) if words[0] == "follows" else ()
    done = _run("zrouter", *words, *store, preexec_fn=_close(0))
    assert (done.returncode, _one_line(done)) == (1, "zrouter: standard input: Bad file descriptor")


@pytest.mark.parametrize(
    ("words", "env"),
    [
        (["who", "--router", b"ipc://\xff"], {}),
        (["who"], {"ZROUTER_ROUTER": "ipc://\udcff"}),
        (["serve", "--bind", b"ipc://\xff"], {}),
        (["serve"], {"ZROUTER_CONFIG": "\udcff"}),
        (["follows", "stats", "--store", b"/nowhere/\xff"], {}),
        (["follows", "stats"], {"ZROUTER_STORE": "/nowhere/\udcff"}),
        (["who", "--timeout", b"\xff"], {}),
        ([b"\xff"], {}),
    ],
)
def test_bytes_that_are_no_text_are_told_in_one_line(words: list[str | bytes], env: dict[str, str]) -> None:
    done = _run("zrouter", *words, env=env)
    assert done.returncode in (1, 2)
    assert "Traceback" not in _one_line(done)


def test_a_server_that_has_no_streams_serves(start: Callable[..., Program], tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/router"
    code = "import os; os.close(0); os.close(1); os.close(2)\nfrom zrouter.cli import main; main()"
    served = subprocess.Popen([sys.executable, "-c", code, "serve", "--bind", address, "--store", "none"])
    try:
        assert _run("zrouter", "who", "--router", address).stdout == b"no frontend is logged in\n"
    finally:
        served.terminate()
        assert served.wait(15) == 0
