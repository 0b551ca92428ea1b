"""Which tokens are taken; the cases are those that JWT libraries, and who uses them, got wrong."""

from __future__ import annotations

import base64
import contextlib
import copy
import json
import pickle
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from tests.zrouter.tokens.forging import NOW, SECRET, forged, part, token
from zrouter.tokens import errors
from zrouter.tokens.errors import TokenError
from zrouter.tokens.key_material import of_jwk, of_pem, secret
from zrouter.tokens.keys import Key, KeySet
from zrouter.tokens.make import make_key_pair, make_token
from zrouter.tokens.verify import Claims, Verifier

HS = {"alg": "HS256"}
GOOD = {"sub": "ann", "exp": NOW + 60}
RSA_KEY = rsa.generate_private_key(65537, 2048)
RSA_PEM = RSA_KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


def verifier(*keys: Key, **settings: Any) -> Verifier:
    found = KeySet(keys or (secret(SECRET),))
    return Verifier(lambda: found, **settings)


def verify(text: str, *keys: Key, now: float = NOW, **settings: Any) -> Claims:
    return verifier(*keys, **settings).verify(text, now)


def reason(text: str, *keys: Key, now: float = NOW, **settings: Any) -> str:
    with pytest.raises(TokenError) as caught:
        verify(text, *keys, now=now, **settings)
    assert caught.value.reason in errors.REASONS
    assert len(text) < 20 or text not in str(caught.value)
    return caught.value.reason


def test_a_good_token_grants_its_own_subject_alone() -> None:
    claims = verify(token())
    assert (claims.sub, claims.ends_at) == (b"ann", NOW + 90)
    assert claims.ids.allows(b"ann")
    assert claims.watch.allows(b"ann")
    assert not claims.ids.allows(b"bob")
    assert not claims.publish.allows(b"ann")


@pytest.mark.parametrize("algorithm", ["none", "None", "NoNe", ["HS256"], "hs256", None, 5, {}, "HS384"])
def test_an_algorithm_that_no_key_is_for(algorithm: Any) -> None:
    assert reason(forged({"alg": algorithm}, GOOD)) == errors.ALGORITHM


def test_a_header_without_an_algorithm() -> None:
    assert reason(forged({"typ": "JWT"}, GOOD)) == errors.ALGORITHM


@pytest.mark.parametrize("form", ["pem", "stripped", "der", "modulus", "jwk", "ssh"])
def test_a_public_key_is_no_secret(form: str) -> None:
    public = RSA_KEY.public_key()
    as_secret = {
        "pem": RSA_PEM,
        "stripped": RSA_PEM.strip(),
        "der": public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        "modulus": base64.urlsafe_b64encode(public.public_numbers().n.to_bytes(256, "big")).rstrip(b"="),
        "jwk": json.dumps(jwt.algorithms.RSAAlgorithm.to_jwk(public, as_dict=True)).encode(),
        "ssh": public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH),
    }[form]
    forgery = forged(HS, GOOD, as_secret)
    assert reason(forgery, *of_pem(RSA_PEM)) == errors.ALGORITHM
    assert reason(forgery, *of_pem(RSA_PEM), secret(SECRET)) == errors.SIGNATURE


@pytest.mark.parametrize("kid", ["", None, 5, ["a"], "x" * 1000, "../../etc/passwd", "\0", "http://x/", "A"])
def test_a_name_that_no_key_has(kid: Any) -> None:
    keys = secret(SECRET, "a"), secret(SECRET[::-1], "b")
    assert reason(forged({**HS, "kid": kid}, GOOD), *keys) == errors.KEY_ID
    assert verify(forged({**HS, "kid": "a"}, GOOD), *keys).sub == b"ann"
    assert reason(forged({**HS, "kid": "b"}, GOOD), *keys) == errors.SIGNATURE


def test_a_token_without_a_name_needs_a_lone_key() -> None:
    assert verify(token(), secret(SECRET, "a"), *of_pem(RSA_PEM)).sub == b"ann"
    assert reason(token(), secret(SECRET, "a"), secret(SECRET[::-1], "b")) == errors.KEY_ID


@pytest.mark.parametrize(
    "more",
    [
        {"crit": ["b64"], "b64": True},
        {"crit": []},
        {"crit": None},
        {"crit": ["exp"]},
        {"b64": False},
        {"zip": "DEF"},
    ],
)
def test_a_header_that_wants_what_is_not_understood(more: dict[str, Any]) -> None:
    assert reason(forged({**HS, **more}, GOOD)) == errors.HEADER


@pytest.mark.parametrize(
    "more", [{"jku": "http://127.0.0.1:1/"}, {"x5u": "http://127.0.0.1:1/"}, {"jwk": {}}]
)
def test_keys_that_a_header_brings_are_not_looked_at(more: dict[str, Any]) -> None:
    assert verify(forged({**HS, **more}, GOOD)).sub == b"ann"
    assert reason(forged({**HS, **more}, GOOD, b"x" * 32)) == errors.SIGNATURE


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "..", "...", "a.b", "a.b.c.d.e", "a", token() + "=", token() + ".", " " + token(),
        token() + "\n",
        token().replace(".", "\uff0e"), "a+b.c.d", token()[:-1] + "%", "é.é.é",
    ],
)  # fmt: skip
def test_what_is_no_token(text: str) -> None:
    assert reason(text) == errors.MALFORMED


def test_each_token_has_one_spelling() -> None:
    good = token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(good[-1])
    same_bytes = [good[:-1] + alphabet[last ^ bits] for bits in range(1, 4)]  # 43 characters for 32 bytes
    assert {reason(one) for one in same_bytes} == {errors.MALFORMED}


@pytest.mark.parametrize(
    "payload",
    [
        b"[]", b'"x"', b"5", b"null", b"", b"\xff", b"\xef\xbb\xbf{}", b"[" * 100_000,
        b'{"exp":' + b"9" * 5000 + b"}", b'{"sub":"a","sub":"b","exp":9}', b'{"exp":NaN}',
        b'{"exp":Infinity}',
        token().encode(), b'{"a":{"b":1,"b":2}}',
    ],
)  # fmt: skip
def test_a_payload_that_is_not_one_json_object(payload: bytes) -> None:
    assert reason(forged(HS, payload)) in (errors.MALFORMED, errors.TOO_LONG)
    assert reason(forged(b'{"alg":"none","alg":"HS256"}', GOOD)) == errors.MALFORMED


TIMES: list[Any] = [
    "9999999999", True, False, None, [1], {}, -5, -0.5, 10**50, 10**400, 2**53 + 2, "\u0669\u0669", 1e400,
]  # fmt: skip


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", TIMES)
def test_what_is_no_time(name: str, value: Any) -> None:
    text = json.dumps({**GOOD, name: value}).replace("Infinity", "1e400").encode()
    assert reason(forged(HS, text)) == errors.CLAIMS


@pytest.mark.parametrize("value", [0, NOW - 31, NOW - 30])
def test_a_token_that_is_over(value: float) -> None:
    assert reason(token(exp=value)) == errors.EXPIRED


@pytest.mark.parametrize("value", [NOW - 29.9, NOW, NOW + 0.9, NOW + 86400])
def test_the_end_has_a_leeway_and_may_have_a_fraction(value: float) -> None:
    assert verify(token(exp=value)).ends_at == value + 30


def test_a_token_has_an_end_that_is_not_too_far_away() -> None:
    assert reason(token(exp=...)) == errors.CLAIMS
    assert reason(token(exp=NOW + 86401)) == errors.TOO_FAR
    assert verify(token(exp=NOW + 86401), max_age_s=90000)


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_token_that_is_not_good_yet(name: str) -> None:
    assert verify(token(**{name: NOW + 30}))
    assert verify(token(**{name: NOW + 0.5}))
    assert reason(token(**{name: NOW + 31})) == errors.EARLY
    assert reason(token(nbf=NOW + 20, exp=NOW + 10)) == errors.CLAIMS


@pytest.mark.parametrize("value", ["other", "Z", "zc", ["other"], [], {}, [1, "z"], None, ..., 5])
def test_a_token_for_another_audience(value: Any) -> None:
    assert reason(token(aud=value), audience="z") == errors.AUDIENCE


def test_a_token_for_this_audience() -> None:
    assert verify(token(aud="z"), audience="z")
    assert verify(token(aud=["a", "z"]), audience="z")
    assert reason(token(aud="z")) == errors.AUDIENCE  # who is meant is not known here


@pytest.mark.parametrize("value", ["https://a", "https://a/.evil", "h", ["https://a/"], None, ...])
def test_a_token_of_another_issuer(value: Any) -> None:
    assert reason(token(iss=value), issuer="https://a/") == errors.ISSUER
    assert verify(token(iss="https://a/"), issuer="https://a/")


@pytest.mark.parametrize("value", ["", "x" * 256, "\xe9" * 128, 5, None, True, ["ann"], "\ud800"])
def test_a_subject_that_is_no_id(value: Any) -> None:
    assert reason(token(sub=value)) == errors.CLAIMS
    assert reason(token(sub=value, ids=["a"])) == errors.CLAIMS


def test_a_token_needs_a_subject_or_ids() -> None:
    assert reason(token(sub=...)) == errors.CLAIMS
    claims = verify(token(sub=..., ids=["a"]))
    assert claims.ids.allows(b"a")
    assert not claims.watch.allows(b"a")
    assert reason(token(sub=..., ids=["{sub}"])) == errors.GRANT


def test_length_alone_refuses_a_token() -> None:
    long = "x" * 4096
    assert reason(long) == errors.MALFORMED
    assert reason(long + "x") == errors.TOO_LONG
    assert reason("x" * 1_000_000) == errors.TOO_LONG


@pytest.mark.parametrize("signature", [bytes(64), b"", bytes(32) + b"\1" * 32])
def test_signatures_of_zeros(signature: bytes) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    keys = of_pem(_pem(private.public_key())) + of_pem(
        _pem(ed25519.Ed25519PrivateKey.generate().public_key())
    )
    for algorithm in ("ES256", "EdDSA"):
        text = f"{part({'alg': algorithm})}.{part(GOOD)}.{part(signature)}"
        assert reason(text, *keys) in (errors.SIGNATURE, errors.MALFORMED)


def _pem(public: Any) -> bytes:
    found: bytes = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return found


@pytest.mark.parametrize("kind", ["RS256", "ES256", "EdDSA"])
def test_each_kind_of_key_verifies_what_it_signed(kind: str) -> None:
    private: Any = {
        "RS256": lambda: RSA_KEY,
        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate,
    }[kind]()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (signing,) = of_pem(pem)
    (public,) = of_pem(_pem(private.public_key()))
    made = make_token(signing, "ann", NOW, ids=["{sub}", "room:*"])
    assert verify(made, public).ids.allows(b"room:1")
    changed = made[:-8] + ("AAAAAAAA" if made[-8:] != "AAAAAAAA" else "BBBBBBBA")
    assert reason(changed, public) in (errors.SIGNATURE, errors.MALFORMED)


def test_a_pair_that_we_made() -> None:
    private, public = make_key_pair("k1")
    made = make_token(of_jwk(private)[0], "ann", NOW)
    assert verify(made, *of_jwk(public)).sub == b"ann"
    with pytest.raises(errors.KeyFileError):
        make_token(of_jwk(public)[0], "ann", NOW)


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda data: data.decode("latin-1")))
def test_any_text_is_refused_in_words(text: str) -> None:
    assert reason(text)


@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.text() | st.integers(), st.lists, max_leaves=5)
)
def test_any_value_of_any_claim_is_taken_or_refused_in_words(value: Any) -> None:
    for name in ("sub", "exp", "nbf", "iat", "aud", "iss", "jti", "ids", "watch", "publish"):
        with contextlib.suppress(TokenError):
            verify(forged(HS, {**GOOD, name: value}), issuer="i" if name == "iss" else "")


def test_an_error_survives_pickle_and_copy() -> None:
    error = TokenError(errors.EXPIRED, "over")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (again.reason, str(again)) == (errors.EXPIRED, "over")


def test_a_key_shows_itself_to_nobody() -> None:
    assert SECRET.hex() not in repr(secret(SECRET))
    assert "\\x01" not in repr(secret(SECRET))
