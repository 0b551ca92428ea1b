"""Keys in the forms that they come in: JWK (RFC 7517), PEM, a line of text.

Owns: which of them are good enough. Must not know: files. Raises KeyFileError for a key that is not.
"""

from __future__ import annotations

from typing import Any, Final

from zrouter.tokens import base64url
from zrouter.tokens.errors import KeyFileError
from zrouter.tokens.json_objects import read_object
from zrouter.tokens.keys import EC, ED, FAMILIES, HMAC, HMAC_BYTES, RSA, Key

RSA_BITS: Final = 2048
MOST_KID_BYTES: Final = 255
# Points of Ed25519 whose order is small: a signature of zeros is good for all of them (RFC 8032, 5.1.7; the
# list is that of libsodium). The sign bit does not count.
_SMALL_ORDER: Final = frozenset(
    bytes.fromhex(point)
    for point in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)


def needs_extra() -> KeyFileError:
    """What to say where the libraries are not installed."""
    return KeyFileError("tokens need PyJWT and cryptography: pip install 'zcomet[tokens]'")


def of_jwk(text: bytes) -> list[Key]:
    """The keys of a JWK, or of a set of them.

    Those that are not for signatures, or of kinds not known here, are left out (RFC 7517, section 5).
    """
    try:
        found = read_object(text)
    except ValueError as error:
        raise KeyFileError(f"JSON, but no JWK: {error}") from None
    keys = found.get("keys", [found])
    if not isinstance(keys, list):
        raise KeyFileError("keys is not a list")
    return [key for one in keys if isinstance(one, dict) and (key := _of_one(one)) is not None]


def _of_one(jwk: dict[str, Any]) -> Key | None:
    if jwk.get("use", "sig") != "sig" or not {"verify", "sign"} & set(_texts(jwk.get("key_ops", ["verify"]))):
        return None
    kid = jwk.get("kid", "")
    if not isinstance(kid, str) or len(kid.encode(errors="replace")) > MOST_KID_BYTES:
        raise KeyFileError("a kid is text of up to 255 bytes")
    family = {"oct": HMAC, "RSA": RSA, "EC": EC, "OKP": ED}.get(str(jwk.get("kty")))
    if family is None or str(jwk.get("crv", "")) not in {"", "P-256", "Ed25519"}:
        return None
    algorithm = jwk.get("alg")
    if algorithm is not None and FAMILIES.get(str(algorithm)) != family:
        return None
    key = secret(_bytes_of(jwk.get("k")), kid) if family == HMAC else _public(_loaded(jwk, family), kid)
    if algorithm is None:
        return key
    if algorithm not in key.algorithms:
        raise KeyFileError(f"a secret for {algorithm} has at least {HMAC_BYTES[str(algorithm)]} bytes")
    return key._replace(algorithms=frozenset((str(algorithm),)))


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _bytes_of(value: Any) -> bytes:
    try:
        return base64url.decode(str(value or ""))
    except ValueError:
        raise KeyFileError("a secret of a JWK is base64url") from None


def _loaded(jwk: dict[str, Any], family: str) -> Any:
    try:
        from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
    except ImportError:
        raise needs_extra() from None
    reader = {RSA: RSAAlgorithm, EC: ECAlgorithm, ED: OKPAlgorithm}[family]
    try:
        return reader.from_jwk(jwk)  # type: ignore[attr-defined]
    except Exception:
        raise KeyFileError(f"a JWK of an {family} key is damaged") from None


def of_pem(text: bytes) -> list[Key]:
    """The keys of some PEM blocks; a private one is taken for its public half, and can sign."""
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization
    except ImportError:
        raise needs_extra() from None
    keys = []
    for block in text.split(b"-----BEGIN ")[1:]:
        pem = b"-----BEGIN " + block
        try:
            if b"PRIVATE KEY" in pem.split(b"\n", 1)[0]:
                loaded: Any = serialization.load_pem_private_key(pem, None)
            else:
                loaded = serialization.load_pem_public_key(pem)
        except (ValueError, TypeError):
            raise KeyFileError("a PEM block is no key, or not whole, or has a passphrase") from None
        except UnsupportedAlgorithm:
            raise KeyFileError("a PEM block has a key of a kind that is not known here") from None
        keys.append(_public(loaded, ""))
    return keys


def secret(value: bytes, kid: str = "") -> Key:
    """A secret for HMAC."""
    algorithms = frozenset(name for name, size in HMAC_BYTES.items() if len(value) >= size)
    if not algorithms:
        raise KeyFileError("a secret has at least 32 bytes; `zrouter token keygen` makes one")
    if len(set(value)) < 8:
        raise KeyFileError("a secret of so few different bytes can be guessed")
    return Key(kid, HMAC, algorithms, value, signs=value)


def _public(loaded: Any, kid: str) -> Key:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    signs = None
    if isinstance(loaded, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        signs, loaded = loaded, loaded.public_key()
    if isinstance(loaded, rsa.RSAPublicKey):
        if loaded.key_size < RSA_BITS or loaded.public_numbers().e < 65537:
            raise KeyFileError(f"an RSA key has at least {RSA_BITS} bits, and an exponent of 65537 or more")
        return Key(kid, RSA, frozenset(("RS256",)), loaded, signs)
    if isinstance(loaded, ec.EllipticCurvePublicKey):
        if not isinstance(loaded.curve, ec.SECP256R1):
            raise KeyFileError("of elliptic curves only P-256 is known here")
        return Key(kid, EC, frozenset(("ES256",)), loaded, signs)
    if isinstance(loaded, ed25519.Ed25519PublicKey):
        raw = loaded.public_bytes_raw()
        if raw[:31] + bytes((raw[31] & 0x7F,)) in _SMALL_ORDER:
            raise KeyFileError("an Ed25519 key of small order verifies anything")
        return Key(kid, ED, frozenset(("EdDSA",)), loaded, signs)
    raise KeyFileError("only RSA, P-256 and Ed25519 keys are known here")
