"""Files that must not have been there: their mode, and what is left when they can't be written."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from zrouter.daemon.new_files import AlreadyThereError, NewFileError, write_new


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_it_has_its_mode_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "key"
    write_new(str(path), b"secret", 0o600)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == b"secret"


@pytest.mark.parametrize("kind", ["file", "directory", "link to nothing", "link"])
def test_what_is_there_is_left_alone(tmp_path: Path, kind: str) -> None:
    path, other = tmp_path / "key", tmp_path / "other"
    match kind:
        case "file":
            path.write_bytes(b"old")
        case "directory":
            path.mkdir()
        case "link to nothing":
            path.symlink_to(other)
        case "link":
            other.write_bytes(b"old")
            path.symlink_to(other)
    with pytest.raises(AlreadyThereError, match="is there already"):
        write_new(str(path), b"new", 0o600)
    assert kind == "directory" or not path.exists() or path.read_bytes() == b"old"
    assert other.exists() == (kind == "link")


def test_a_directory_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(NewFileError, match="No such file or directory"):
        write_new(str(tmp_path / "missing" / "key"), b"", 0o600)


def test_nothing_is_left_where_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NewFileError, match="No space left on device"):
        write_new(str(tmp_path / "key"), b"secret", 0o600)
    assert list(tmp_path.iterdir()) == []
