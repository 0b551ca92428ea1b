"""What the commands say and exit with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.zrouter.follows.conftest import zrouter

RECORDS = b"a\tb\nc\tb\na\td\na\tb\n"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A path with three pairs."""
    path = tmp_path / "store"
    done = zrouter("follows", "load", "-", "--store", path, stdin=RECORDS)
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"4 records; the store has 3 pairs of 4 ids\n"
    return path


def told(*words: str | Path) -> object:
    done = zrouter(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_follow_and_unfollow_say_how_many_it_changed(store: Path) -> None:
    assert zrouter("follow", "a", "b", "x", "y", "--store", store).stdout == b"a follows 2 more\n"
    assert told("unfollow", "a", "b", "zz", "--store", store) == {"subscriber": "a", "unfollowed": 1}
    assert told("follow", "a", "b", "--store", store) == {"subscriber": "a", "followed": 1}
    assert sorted(zrouter("following", "a", "--store", store).stdout.split()) == [b"b", b"d", b"x", b"y"]


def test_followers_and_following_print_ids_or_how_many(store: Path) -> None:
    assert zrouter("followers", "b", "--store", store).stdout == b"a\nc\n"
    assert zrouter("followers", "b", "--count", "--store", store).stdout == b"2\n"
    assert zrouter("followers", "nobody", "--store", store).stdout == b""
    assert told("followers", "b", "--store", store) == {"id": "b", "followers": ["a", "c"]}
    assert told("following", "a", "--store", store) == {"id": "a", "following": ["b", "d"]}
    assert told("following", "a", "--count", "--store", store) == {"id": "a", "count": 2}


@pytest.mark.parametrize("form", ["tsv", "csv", "jsonl"])
def test_what_is_exported_can_be_loaded(store: Path, tmp_path: Path, form: str) -> None:
    zrouter("follow", "q\",'", "b ", "--store", store)
    out = zrouter("follows", "export", "--format", form, "--store", store)
    assert out.returncode == 0
    file = tmp_path / f"pairs.{form}"
    file.write_bytes(out.stdout)
    again = zrouter("follows", "load", file, "--store", tmp_path / "again", "--json")
    assert json.loads(again.stdout) == {"records": 4, "pairs": 4, "ids": 6}
    assert zrouter("follows", "export", "--format", form, "--store", tmp_path / "again").stdout == out.stdout


def test_an_id_that_tsv_cannot_write_is_refused(store: Path) -> None:
    zrouter("follow", "a\tb", "c", "--store", store)
    done = zrouter("follows", "export", "--store", store)
    assert done.returncode == 1
    assert b"--format jsonl can write it" in done.stderr
    assert zrouter("follows", "export", "--format", "jsonl", "--store", store).returncode == 0


def test_stats_verify_backup_and_compact(store: Path, tmp_path: Path) -> None:
    stats = told("follows", "stats", "--store", store)
    assert isinstance(stats, dict)
    assert stats["pairs"] == 3
    assert stats["most_followers"] == 2
    done = zrouter("follows", "verify", "--store", store)
    assert done.stdout == b"3 pairs, the same in both directions\n"
    assert told("follows", "verify", "--store", store) == {"pairs": 3, "problems": []}
    copy = tmp_path / "copy"
    assert told("follows", "backup", copy, "--store", store) == {"backup": str(copy)}
    assert zrouter("follows", "export", "--store", copy).stdout == b"a\tb\na\td\nc\tb\n"
    assert zrouter("follows", "backup", copy, "--store", store).returncode == 1
    compacted = told("follows", "compact", "--store", store)
    assert isinstance(compacted, dict)
    assert (compacted["pairs"], compacted["ids"]) == (3, 4)


def test_a_bad_record_names_the_file_and_the_line(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_bytes(b"x,y\n,y\n")
    done = zrouter("follows", "load", file, "--store", store)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1] == (
        f"zrouter: {file}: line 2: an id has 1 to 255 bytes, not 0; nothing was changed"
    )
    assert zrouter("followers", "y", "--store", store).stdout == b""


@pytest.mark.parametrize(
    "words",
    [
        ("followers", "b"),
        ("following", "b"),
        ("unfollow", "a", "b"),
        ("follows", "export"),
        ("follows", "stats"),
        ("follows", "verify"),
        ("follows", "compact"),
        ("follows", "backup", "/nowhere/else"),
    ],
)
def test_without_a_store_there_is_one_line_and_no_store(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = zrouter(*words, "--store", tmp_path / "none")
    assert done.returncode == 1
    assert done.stderr.startswith(b"zrouter: no store of follows is at ")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("follow", "", "b"),
        ("follow", "a"),
        ("unfollow", "a", "x" * 256),
        ("followers",),
        ("follows", "load", "/nowhere/file"),
        ("follows", "load", "-", "--format", "xml"),
        ("follows", "load", "-", "--memory", "much"),
    ],
)
def test_what_is_said_wrongly_is_a_usage_error(store: Path, words: tuple[str, ...]) -> None:
    done = zrouter(*words, "--store", store)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


def test_a_load_without_polars_says_that_it_is_slower(tmp_path: Path) -> None:
    code = "import sys; sys.modules['polars'] = None; from zrouter.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "follows", "load", "-", "--store", str(tmp_path / "store")],
        input=RECORDS, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stdout == b"4 records; the store has 3 pairs of 4 ids\n"
    assert b"this is slower" in done.stderr


def test_an_interrupted_load_leaves_all_as_it_was(store: Path) -> None:
    load = subprocess.Popen(
        [sys.executable, "-c", "from zrouter.cli import main; main()",
         "follows", "load", "-", "--replace", "--store", str(store)],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert load.stdin is not None
    load.stdin.write(b"x\ty\n" * 2_000_000)  # more than a pipe holds: it reads
    load.stdin.flush()
    for _ in range(10):
        # A signal that comes just before it waits for the pipe is seen with the next one only.
        load.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            load.wait(3)
            break
    assert load.returncode == 130
    load.stdin.close()
    assert zrouter("follows", "export", "--store", store).stdout == b"a\tb\na\td\nc\tb\n"
    assert len([name for name in os.listdir(store) if name.startswith("generation-")]) == 1


def test_the_programs_start_without_numpy_and_lmdb() -> None:
    code = (
        "import sys, zrouter.cli.commands; "
        "print(sorted({'numpy', 'lmdb', 'polars', 'rich'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code]) == b"[]\n"


@pytest.mark.parametrize(
    ("stdin", "note"),
    [
        (b"a\tb", b"the last line has no end"),
        (b"\xef\xbb\xbfa\tb\n", b"a byte order mark, which in tsv is part of the first id"),
        (b"subscriber\tsubscribee\na\tb\n", b"looks like a heading"),
    ],
)
def test_a_load_says_what_may_have_been_meant_otherwise(tmp_path: Path, stdin: bytes, note: bytes) -> None:
    done = zrouter("follows", "load", "-", "--store", tmp_path / "store", stdin=stdin)
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert line.startswith(b"zrouter: <stdin>: ")
    assert note in line


def test_a_pipe_that_gave_nothing_replaces_nothing_unless_asked_to(store: Path) -> None:
    done = zrouter("follows", "load", "-", "--replace", "--store", store, stdin=b"")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert b"nothing was changed (--allow-empty does it)" in line
    assert zrouter("follows", "export", "--store", store).stdout == b"a\tb\na\td\nc\tb\n"
    assert (
        zrouter("follows", "load", "-", "--replace", "--allow-empty", "--store", store, stdin=b"").returncode
        == 0
    )
    assert zrouter("follows", "export", "--store", store).stdout == b""
