"""Which files of API keys are taken, what becomes of one that changes, and how it is changed."""

from __future__ import annotations

import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from zrouter.api_keys import key_files
from zrouter.api_keys.key_files import (
    HEADER,
    ApiKeyFile,
    Record,
    changing,
    read_plain,
    read_records,
)
from zrouter.api_keys.keys import ApiKeyError, digest_of, make_key

PLAIN = "0123456789abcdef"


def add(path: Path, name: str = "shop", *scopes: str) -> str:
    text, an_id = make_key()
    with changing(str(path)) as (records, hash_key):
        digest = digest_of(text, hash_key).hex()
        records.append(Record(id=an_id, name=name, scopes=list(scopes or ("send",)), hash=digest))
    return text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "api-keys"


def test_what_was_added_is_found_and_nothing_in_the_files_is_the_key(path: Path) -> None:
    first, second = add(path), add(path, "ops", "admin")
    file = ApiKeyFile(str(path))
    assert [key.name for key in map(file.keys.find, (first, second)) if key] == ["shop", "ops"]
    for one in path.parent.iterdir():
        assert stat.S_IMODE(one.stat().st_mode) == 0o600
        for secret in (first, second):
            assert secret[16:] not in one.read_text()
    assert {one.name for one in path.parent.iterdir()} == {"api-keys", "api-keys.hash-key"}


def test_a_change_counts_and_one_that_is_bad_changes_nothing(path: Path) -> None:
    key = add(path)
    file = ApiKeyFile(str(path))
    assert file.refresh() == ""
    other = add(path, "other")
    assert "2 API key(s)" in file.refresh()
    assert file.refresh() == ""
    good = path.read_bytes()
    lines = good.split(b"\n")
    told = ""  # what is wrong is told once
    for bad, says in (
        (b"", "no key"),
        (b"\n\n", "no key"),
        (good[:-30], "line 3"),
        (good + lines[1], "twice"),
        (good + b"{}\n", "line 4"),
        (good + b"a plain key of before\n", "line 4"),
        (good.replace(b'"send"', b'"everything"'), "line 2"),
        (good + b"[" * 100_000, "line 4"),
        (good + b"\xff\n", "line 4"),
        (lines[0] + b"\n" + lines[1].replace(b"}", b',"more":1}'), "line 2"),
        (b"short", "16 characters"),
    ):
        path.write_bytes(bad)
        said = file.refresh()
        assert (says in said and "of before stay" in said) or says == told, bad
        told = says
        assert file.keys.find(key)
        assert file.keys.find(other)
    path.unlink()
    assert "No such file" in file.refresh()
    assert file.keys.find(key)
    assert file.failures == 9


def test_the_last_key_can_be_revoked(path: Path) -> None:
    key = add(path)
    file = ApiKeyFile(str(path))
    with changing(str(path)) as (records, _):
        records.clear()
    assert "0 API key(s)" in file.refresh()
    assert file.keys.find(key) is None
    assert not ApiKeyFile(str(path)).keys


@pytest.mark.parametrize("how", ["BOM", "CRLF", "blank", "comments", "no header"])
def test_a_file_that_an_editor_saved_means_the_same(path: Path, how: str) -> None:
    key = add(path)
    data = path.read_bytes()
    path.write_bytes(
        {
            "BOM": b"\xef\xbb\xbf" + data,
            "CRLF": data.replace(b"\n", b"\r\n"),
            "blank": data.replace(b"\n", b"\n\n \n"),
            "comments": data.replace(b"\n", b"\n# the shop's\n"),
            "no header": data.partition(b"\n")[2],
        }[how]
    )
    assert ApiKeyFile(str(path)).keys.find(key)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o777])
def test_a_file_that_others_can_write_is_refused(path: Path, mode: int) -> None:
    add(path)
    path.chmod(mode)
    with pytest.raises(ApiKeyError, match="others can write"):
        ApiKeyFile(str(path))
    path.write_text(f"{PLAIN}\n")
    with pytest.raises(ApiKeyError, match="others can write"):
        ApiKeyFile(str(path))


def test_hashes_may_be_read_by_others_and_their_key_not(path: Path) -> None:
    key = add(path)
    path.chmod(0o644)
    assert ApiKeyFile(str(path)).keys.find(key)
    hash_key = path.with_name("api-keys.hash-key")
    hash_key.chmod(0o604)
    with pytest.raises(ApiKeyError, match="every user"):
        ApiKeyFile(str(path))
    hash_key.chmod(0o600)
    for bad in ("", "00", "x" * 64, "00" * 33):
        hash_key.write_text(bad)
        with pytest.raises(ApiKeyError, match="no key of hashes"):
            ApiKeyFile(str(path))
    hash_key.unlink()
    with pytest.raises(ApiKeyError, match="No such file"):
        ApiKeyFile(str(path))


def test_another_key_of_hashes_makes_all_keys_worthless_as_soon_as_it_is_there(path: Path) -> None:
    key = add(path)
    file = ApiKeyFile(str(path))
    path.with_name("api-keys.hash-key").write_text("11" * 32)
    assert file.refresh()
    assert file.keys.find(key) is None


def test_what_is_no_ordinary_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name in ("fifo", "", "nothing"):
        with pytest.raises(ApiKeyError):
            ApiKeyFile(str(tmp_path / name))


def test_plain_files_of_before_are_taken(path: Path) -> None:
    path.write_text(f"# who\n{PLAIN}\n\n  {PLAIN[::-1]}  \n")
    path.chmod(0o600)
    file = ApiKeyFile(str(path), ["x" * 16])
    assert len(file.keys) == 3
    assert file.has_plain_file
    assert file.keys.find(PLAIN[::-1])
    assert file.keys.find("x" * 16)
    path.write_text(f"{PLAIN}\n")
    assert file.refresh()
    assert file.keys.find(PLAIN[::-1]) is None
    with pytest.raises(ApiKeyError, match="plain keys"):
        add(path)
    path.write_text("# none\n")
    with pytest.raises(ApiKeyError, match="no key"):
        ApiKeyFile(str(path), ["x" * 16])


def test_read_plain_names_a_key_by_its_number_alone() -> None:
    for bad in ("short", "with a blank in it..", "ü" * 16, f"{PLAIN}\nshort"):
        with pytest.raises(ApiKeyError) as raised:
            read_plain(bad)
        assert "short" not in str(raised.value).replace("shorter", "")


def test_an_error_amid_a_change_changes_nothing(path: Path) -> None:
    add(path)
    before = path.read_bytes()

    def fail() -> None:
        with changing(str(path)) as (records, _):
            records.clear()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_bytes() == before
    path.write_bytes(before + b"rubbish\n")
    with pytest.raises(ApiKeyError, match="line 3"):
        add(path)
    assert path.read_bytes() == before + b"rubbish\n"
    assert {one.name for one in path.parent.iterdir()} == {"api-keys", "api-keys.hash-key"}


def test_the_mode_and_the_owner_of_the_file_stay(path: Path) -> None:
    add(path)
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 12345, 54321)
    before = path.stat()
    add(path)
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def _add_some(path: str) -> None:
    for number in range(20):
        add(Path(path), str(number))


def test_those_who_change_it_at_once_lose_nothing(path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        pool.map(_add_some, [str(path)] * 4)
    assert len(read_records(str(path))) == 80
    assert len(ApiKeyFile(str(path)).keys) == 80


def test_a_hundred_thousand_keys_are_taken_and_not_one_more(path: Path) -> None:
    with changing(str(path)) as (records, _):
        for number in range(100_000):
            digits = "".join("abcdefghij"[int(digit)] for digit in f"{number:012d}")
            records.append(Record(id=digits, name="", scopes=["send"], hash="00" * 32))
    assert len(ApiKeyFile(str(path)).keys) == 100_000
    with path.open("ab") as file:
        file.write(b'{"id":"zzzzzzzzzzzz","name":"","scopes":["send"],"hash":"' + b"00" * 32 + b'"}\n')
    with pytest.raises(ApiKeyError, match="more than 100000"):
        ApiKeyFile(str(path))


def test_the_header_alone_is_a_file_without_keys(path: Path) -> None:
    add(path)
    path.write_text(HEADER + "\n")
    assert read_records(str(path)) == []
    assert read_records(str(path.with_name("nothing"))) == []


def test_a_file_that_could_not_be_read_for_a_moment_is_read_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = add(path)
    file = ApiKeyFile(str(path))
    with changing(str(path)) as (records, _):
        records.clear()

    def fail(*_: object) -> tuple[bytes, int]:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(key_files, "read_ordinary", fail)
        assert "Too many" in file.refresh()
        assert file.refresh() == ""  # told once
    assert "0 API key(s)" in file.refresh()
    assert file.keys.find(key) is None


def test_what_a_kill_left_behind_is_in_nobodys_way(path: Path) -> None:
    add(path)
    for name in (f"api-keys.{os.getpid()}", f"api-keys.hash-key.{os.getpid()}"):
        path.with_name(name).write_text("")
    add(path)
    assert len(read_records(str(path))) == 2
