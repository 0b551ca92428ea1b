"""Revoked tokens on disk: what was answered is there, damage is named, nobody else can read it."""

from __future__ import annotations

import stat
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import eventually
from zrouter.routing.revocations import RevocationJob
from zrouter.server.revocation_writer import RevocationFile, RevocationFileError, RevocationWriter
from zrouter.wire import REVOKED_ALL, REVOKED_JTI, REVOKED_SUB

LATER = int(time.time()) + 1000


def results(writer: RevocationWriter, count: int) -> list[tuple[int, str]]:
    """What came of so many jobs."""
    found: list[tuple[int, str]] = []

    def are_all() -> bool:
        found.extend(writer.results())
        return len(found) == count

    eventually(are_all)
    return found


def test_what_was_kept_is_read_the_later_of_each(tmp_path: Path) -> None:
    file = RevocationFile(tmp_path / "new" / "revocations")
    assert file.read() == []
    file.keep(
        [(REVOKED_SUB, b"a\x00\xff", 5, LATER), (REVOKED_JTI, b"x", 0, LATER), (REVOKED_SUB, b"old", 1, 5)]
    )
    file.keep([(REVOKED_SUB, b"a\x00\xff", 3, LATER + 1), (REVOKED_ALL, b"", 7, LATER)])
    assert sorted(RevocationFile(file.path).read()) == [
        (REVOKED_SUB, b"a\x00\xff", 5, LATER + 1), (REVOKED_JTI, b"x", 0, LATER),
        (REVOKED_ALL, b"", 7, LATER),
    ]  # fmt: skip
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("data", [b"rubbish" * 1000, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_file_that_is_none_is_named_and_left_alone(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "revocations"
    path.write_bytes(data)
    with pytest.raises(RevocationFileError, match=str(path)):
        RevocationFile(path).read()
    with pytest.raises(RevocationFileError, match=str(path)):
        RevocationFile(path).keep([(REVOKED_ALL, b"", 1, LATER)])
    assert path.read_bytes() == data


def test_the_thread_answers_each_job_and_wakes_the_loop(tmp_path: Path) -> None:
    woken = threading.Event()
    file = RevocationFile(tmp_path / "revocations")
    writer = RevocationWriter(file, woken.set)
    for number in range(1, 50):
        writer.submit(RevocationJob(number, [(REVOKED_SUB, b"%d" % number, 1, LATER)]))
    assert results(writer, 49) == [(number, "") for number in range(1, 50)]
    assert woken.is_set()
    assert writer.close()
    assert len(file.read()) == 49


def test_a_disk_that_fails_is_told_and_the_next_is_tried(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    writer = RevocationWriter(RevocationFile(blocked / "revocations"), lambda: None)
    writer.submit(RevocationJob(1, [(REVOKED_ALL, b"", 1, LATER)]))
    ((_, why),) = results(writer, 1)
    assert "revocations" in why
    blocked.unlink()
    writer.submit(RevocationJob(2, [(REVOKED_ALL, b"", 1, LATER)]))
    assert results(writer, 1) == [(2, "")]
    assert writer.close()
