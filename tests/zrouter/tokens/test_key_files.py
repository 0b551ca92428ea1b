"""Which files and keys are taken, and what becomes of a file that changes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519

from tests.zrouter.tokens.forging import SECRET, part
from zrouter.tokens.errors import KeyFileError
from zrouter.tokens.key_files import KeyFile, parse_keys, read_keys
from zrouter.tokens.make import make_key_pair, make_secret

OCT = {"kty": "oct", "k": part(SECRET), "kid": "a"}


def write(path: Path, data: bytes, mode: int = 0o600) -> str:
    path.write_bytes(data)
    path.chmod(mode)
    return str(path)


def public_pem(public: Any) -> bytes:
    found: bytes = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return found


def jwks(*keys: Any) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def test_a_line_a_set_and_pem_blocks_are_taken() -> None:
    (line,) = parse_keys(b"f9e1a8b2c3d4e5f60718293a4b5c6d7e\n")
    assert (line.kid, set(line.algorithms)) == ("", {"HS256"})
    assert parse_keys(b"f9e1a8b2c3d4e5f60718293a4b5c6d7e") == [line]  # the line feed does not count
    (in_set,) = parse_keys(jwks(OCT))
    assert (in_set.kid, in_set.material) == ("a", SECRET)
    two = public_pem(ed25519.Ed25519PrivateKey.generate().public_key()) * 2
    assert [key.algorithms for key in parse_keys(two)] == [{"EdDSA"}] * 2
    assert parse_keys(make_secret("k"))[0].kid == "k"


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n", b"short", b"changeme" * 2, b"x" * 64, b"a line\nand another", b"{}", b'{"keys":[]}',
        b'{"keys":{}}',
        b'{"keys":[{"kty":"oct","k":"AAAA"}]}', b'{"keys":[5]}', b'{"a":1,"a":2}',
        b"-----BEGIN PUBLIC KEY-----\nAAAA",
        jwks(OCT, OCT), jwks({**OCT, "k": "%%"}), jwks({**OCT, "kid": 5}), jwks({**OCT, "alg": "HS512"}),
        jwks(*({**OCT, "kid": str(number)} for number in range(65))),
        public_pem(rsa.generate_private_key(65537, 1024).public_key()),
        public_pem(rsa.generate_private_key(3, 2048).public_key()),
        public_pem(ec.generate_private_key(ec.SECP256K1()).public_key()),
        public_pem(x25519.X25519PrivateKey.generate().public_key()),
    ],
)  # fmt: skip
def test_what_is_not_taken_is_said_in_words(data: bytes, tmp_path: Path) -> None:
    path = write(tmp_path / "keys", data)
    with pytest.raises(KeyFileError) as caught:
        read_keys(path)
    assert str(caught.value).startswith(path)


@pytest.mark.parametrize(
    "jwk",
    [
        {**OCT, "use": "enc"}, {**OCT, "key_ops": ["encrypt"]}, {"kty": "EC", "crv": "secp256k1"},
        {"kty": "AKP"},
        {"kty": "OKP", "crv": "X25519", "x": part(bytes(32))}, {**OCT, "alg": "RS256"}, "no object",
    ],
)  # fmt: skip
def test_keys_for_something_else_are_left_out(jwk: Any) -> None:
    assert [key.kid for key in parse_keys(jwks(jwk, {**OCT, "kid": "good"}))] == ["good"]


@pytest.mark.parametrize("y", [0, 1, 2**255 - 19, 2**255 - 18, 2**255 - 20])
def test_an_ed25519_key_that_verifies_anything_is_refused(y: int) -> None:
    for sign in (0, 1 << 255):
        x = part((y | sign).to_bytes(32, "little"))
        with pytest.raises(KeyFileError):
            parse_keys(jwks({"kty": "OKP", "crv": "Ed25519", "x": x}))


def test_a_secret_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "keys", make_secret("a"), 0o644)
    with pytest.raises(KeyFileError, match="chmod"):
        read_keys(path)
    private, public = make_key_pair("a")
    assert read_keys(write(tmp_path / "public", public, 0o644))
    with pytest.raises(KeyFileError, match="chmod"):
        read_keys(write(tmp_path / "private", private, 0o604))


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, tmp_path / "missing", Path("/dev/zero")):
        with pytest.raises(KeyFileError):
            read_keys(str(path))


def test_a_file_is_read_again_and_a_bad_one_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    write(path, make_secret("one"))
    file = KeyFile(str(path))
    assert file.refresh() == ""
    write(tmp_path / "next", make_secret("two"))
    (tmp_path / "next").rename(path)
    assert "read again" in file.refresh()
    assert [key.kid for key in file.keys.keys] == ["two"]
    for bad in (b"", b'{"keys":['):
        path.write_bytes(bad)
        assert "stay" in file.refresh()
        assert file.refresh() == ""
    path.unlink()
    assert "stay" in file.refresh()
    assert [key.kid for key in file.keys.keys] == ["two"]
    assert file.failures == 3


def test_a_link_to_another_file_is_a_change(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / name, make_secret(name))
    link = tmp_path / "keys"
    link.symlink_to("one")
    file = KeyFile(str(link))
    link.unlink()
    link.symlink_to("two")
    assert "read again" in file.refresh()
    assert file.keys.keys[0].kid == "two"
