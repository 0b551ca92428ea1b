"""Records: what is written is read, a torn end is left out, rubbish is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zflood.check import log_format
from zflood.check.client_log import ids_of
from zflood.check.log_format import SEEN, SENT, Log, LogError, files, number_of, read
from zflood.check.numbers import find, mark, number, parts
from zflood.latency import stamp


def written(folder: Path, count: int) -> Path:
    one = Log(folder, SEEN)
    for at in range(count):
        one.add((at, "word", [b"bytes"]))
    one.close()
    return files(folder, SEEN)[-1]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "made", 2500)
    assert list(read(path)) == [(at, "word", [b"bytes"]) for at in range(2500)]


def test_each_process_has_a_number_of_its_own(tmp_path: Path) -> None:
    records = [Log(tmp_path, SENT) for _ in range(3)]
    assert [one.number for one in records] == [1, 2, 3] == [number_of(path) for path in files(tmp_path, SENT)]
    for one in records:
        one.close()


def test_no_more_than_a_block_is_held_in_memory(tmp_path: Path) -> None:
    one = Log(tmp_path, SEEN)
    for at in range(999):
        one.add((at,))
    [path] = files(tmp_path, SEEN)
    assert list(read(path)) == []
    one.add((999,))
    assert len(list(read(path))) == 1000
    one.close()


@pytest.mark.parametrize(("left", "events"), [(0.99, 2000), (0.7, 1000), (0.3, 0)])
def test_of_a_torn_record_all_whole_blocks_are_read(tmp_path: Path, left: float, events: int) -> None:
    path = written(tmp_path, 2500)
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * left))
    assert len(list(read(path))) == events


@pytest.mark.parametrize("data", [b"", b"x", b"\xff" * 100, b"\0\0\0\2\x91\x90", b"\0\0\0\1\xc1"])
def test_rubbish_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "seen-0001.rec"
    path.write_bytes(data)
    with pytest.raises(LogError):
        list(read(path))


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LogError, match="File exists"):
        Log(tmp_path / "file", SEEN)
    monkeypatch.setattr(log_format, "MOST_FILES", 1)
    written(tmp_path, 0)
    with pytest.raises(LogError, match="1 records are the most"):
        Log(tmp_path, SEEN)


@given(st.integers(1, 9_999), st.integers(1, 10**14 - 1))
def test_the_number_of_a_message_is_found_in_it(sender: int, count: int) -> None:
    one = number(sender, count)
    assert parts(one) == (sender, count)
    assert find(b"Recvd msg #7: '" + stamp(1.7e9) + mark(one) + b".....'<br/>") == one
    assert find(stamp(1.7e9)) is None


@pytest.mark.parametrize(
    ("path", "ids"),
    [
        ("/test/1", ["1"]),
        ("/sse/user:1?id=all&id=&id=user:1&since=x", ["user:1", "all"]),
        ("/stream/a%2Fb?id=c+d", ["a/b", "c d"]),
        ("/test/a/b", ["a/b"]),
    ],
)
def test_the_ids_of_a_client_are_those_of_its_url(path: str, ids: list[str]) -> None:
    assert ids_of(path) == ids
