"""A store is its owner's alone; one that can't be written can be read; a full disk is named."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from zrouter.follows.lmdb_store.store import LmdbFollows
from zrouter.follows.store import StoreError

needs_mounts = pytest.mark.skipif(
    subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0
    if shutil.which("unshare")
    else True,
    reason="nothing may be mounted here",
)


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o277], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def _modes(path: Path) -> dict[str, int]:
    everything = [path, *path.rglob("*")]
    return {str(each): each.stat().st_mode & 0o777 for each in everything}


@pytest.mark.usefixtures("umask")
def test_a_store_a_load_and_a_backup_are_for_their_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    with LmdbFollows(tmp_path / "store") as store:
        store.follow(b"a", b"b")
        with open(os.open(tmp_path / "pairs", os.O_RDWR | os.O_CREAT, 0o600), "r+b") as pairs:
            pairs.write(b"c\td\n")
            pairs.seek(0)
            store.load(pairs)
        store.backup(tmp_path / "backup")
        assert store.exposed() is None
    for path in (tmp_path / "store", tmp_path / "backup"):
        for name, mode in _modes(path).items():
            assert mode & 0o700 == mode, name


def test_a_store_that_others_can_read_is_said_to_be(tmp_path: Path) -> None:
    with LmdbFollows(tmp_path / "store") as store:
        assert store.exposed() is None
        subprocess.run(["chmod", "-R", "go=rX", str(tmp_path / "store")], check=True)
        assert "chmod -R go=" in str(store.exposed())
    done = _zrouter("follows", "stats", "--store", str(tmp_path / "store"))
    assert done.returncode == 0
    assert "other users can read" in done.stderr


def _zrouter(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    code = "from zrouter.cli import main; main()"
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=cwd)


@pytest.mark.parametrize("command", [["follows", "stats"], ["follow", "a", "b"], ["follows", "load", "-"]])
def test_an_empty_path_is_refused_and_makes_nothing(tmp_path: Path, command: list[str]) -> None:
    done = _zrouter(*command, "--store", "", cwd=tmp_path)
    assert done.returncode == 2
    assert "'' is no path" in done.stderr
    assert list(tmp_path.iterdir()) == []


def _in_namespace(script: str, place: Path) -> subprocess.CompletedProcess[str]:
    zrouter = f'{sys.executable} -c "from zrouter.cli import main; main()"'
    script = f'set -u; cd {place}; zrouter() {{ {zrouter} "$@"; }}\n{script}'
    return subprocess.run(["unshare", "-m", "bash", "-c", script], capture_output=True, text=True, timeout=60)


@needs_mounts
def test_a_store_on_a_read_only_file_system_is_read(tmp_path: Path) -> None:
    with LmdbFollows(tmp_path / "store") as store:
        store.follow(b"a", b"b")
    read_only = "mount --bind store store && mount -o remount,bind,ro store store\n"
    for command in (
        "following a",
        "follows export",
        "follows verify",
        "follows backup copy",
    ):
        done = _in_namespace(f"{read_only} zrouter {command} --store store", tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), command
    assert _zrouter("following", "a", "--store", str(tmp_path / "copy")).stdout == "b\n"
    done = _in_namespace(f"{read_only} zrouter follow a c --store store", tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "ead-only" in line or "denied" in line


@needs_mounts
def test_a_full_disk_is_named_and_a_backup_that_failed_leaves_nothing(tmp_path: Path) -> None:
    with LmdbFollows(tmp_path / "store") as store, (tmp_path / "pairs").open("w+b") as pairs:
        pairs.writelines(b"user:%d\tartist:%d\n" % (number, number % 7919) for number in range(50_000))
        pairs.seek(0)
        store.load(pairs)
    (tmp_path / "small").mkdir()
    small = "mount -t tmpfs -o size=300k none small\n"
    done = _in_namespace(f"{small} zrouter follows backup small/copy --store store; ls -A small", tmp_path)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "No space left on device" in line or "the disk is full" in line
    done = _in_namespace(f"{small} zrouter follows load pairs --store small/store", tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "No space left on device" in line or "the disk is full" in line


def test_what_is_in_the_way_of_a_backup_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    with LmdbFollows(tmp_path / "store") as store, pytest.raises(StoreError, match="already"):
        store.backup(tmp_path / "copy")
