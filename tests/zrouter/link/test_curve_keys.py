"""Files of keys: which are taken, and what is said of the others."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import zmq
from zmq.utils import z85

from zrouter.link.curve_keys import CurveKeyError, CurveKeys, as_file, is_key, public_key, read_curve_keys

# The same in each run: they are in the names of tests.
SECRET = z85.encode(bytes(range(32))).decode()
PUBLIC = zmq.curve_public(SECRET.encode()).decode()
ROUTER = zmq.curve_public(z85.encode(b"r" * 32)).decode()
PEER = CurveKeys(PUBLIC, SECRET, ROUTER)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "front.key"
    path.write_bytes(as_file(PEER))
    path.chmod(0o600)
    return path


def test_what_is_written_is_read(path: Path) -> None:
    assert read_curve_keys(str(path), is_peer=True) == PEER
    assert public_key(str(path)) == PUBLIC


def test_the_router_needs_no_key_but_its_own(path: Path) -> None:
    path.write_bytes(as_file(CurveKeys(PUBLIC, SECRET)))
    assert read_curve_keys(str(path), is_peer=False) == CurveKeys(PUBLIC, SECRET)
    with pytest.raises(CurveKeyError, match="the public key of the router"):
        read_curve_keys(str(path), is_peer=True)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o610, 0o601, 0o777])
def test_a_file_that_others_can_reach_is_refused_with_what_to_do(path: Path, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(CurveKeyError, match=f"chmod 600 {path}"):
        read_curve_keys(str(path), is_peer=True)
    assert public_key(str(path)) == PUBLIC  # that one may be seen


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_one_that_is_ours_alone_is_taken(path: Path, mode: int) -> None:
    path.chmod(mode)
    assert read_curve_keys(str(path), is_peer=True) == PEER


def test_a_link_to_it_counts_as_what_it_leads_to(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.key"
    link.symlink_to(path)
    assert read_curve_keys(str(link), is_peer=True) == PEER
    path.chmod(0o644)
    with pytest.raises(CurveKeyError, match="others can read it"):
        read_curve_keys(str(link), is_peer=True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (PUBLIC, PUBLIC[:39]),
        (PUBLIC, PUBLIC + "a"),
        (PUBLIC, PUBLIC[:39] + "~"),
        (PUBLIC, PUBLIC[:39] + "é"),
        (SECRET, SECRET[:39]),
        (SECRET, ""),
        (ROUTER, ROUTER[:39]),
        (ROUTER, ROUTER + "a"),
        ("public", "pubic"),
        (f'"{SECRET}"', "7"),
        (f'"{SECRET}"', "[]"),
        ("=", "is"),
    ],
)
def test_a_file_that_is_none_is_refused_and_its_secret_not_shown(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(CurveKeyError) as caught:
        read_curve_keys(str(path), is_peer=True)
    assert str(caught.value).startswith(f"{path}: ")
    assert SECRET[:20] not in str(caught.value)


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"\xff\xfe", b"x" * 100_000, b"[[[", b'public = "' + b"0" * 40]
)
def test_rubbish_is_refused(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(CurveKeyError):
        read_curve_keys(str(path), is_peer=True)
    with pytest.raises(CurveKeyError):
        public_key(str(path))


def test_what_is_no_ordinary_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    for one in (tmp_path / "fifo", tmp_path, tmp_path / "missing"):
        with pytest.raises(CurveKeyError):
            read_curve_keys(str(one), is_peer=True)


def test_keys_do_not_show_their_secret() -> None:
    assert SECRET not in repr(PEER)
    assert SECRET not in f"{PEER} {PEER!r} {[PEER]}"


def test_the_error_survives_a_process_boundary() -> None:
    error = CurveKeyError("a: b")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_what_has_the_form_of_a_key() -> None:
    assert is_key(PUBLIC)
    assert not any(map(is_key, (None, b"x" * 40, "", PUBLIC + "\n", PUBLIC[:-1] + " ", "'" * 40)))
