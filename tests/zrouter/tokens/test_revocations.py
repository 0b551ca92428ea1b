"""Which tokens are revoked: by subject, by jti, all; when they were made; for how long."""

from __future__ import annotations

import pytest

from zrouter.tokens.revocations import RevokedTokens
from zrouter.wire import REVOKED_ALL, REVOKED_JTI, REVOKED_SUB
from zrouter.wire.revoking import revocation

NOW = 1_000_000.4


@pytest.mark.parametrize(
    ("made_at", "is_revoked"), [(None, True), (0, True), (999.9, True), (1000, False), (1001.5, False)]
)
@pytest.mark.parametrize("kind", [REVOKED_SUB, REVOKED_ALL])
def test_what_was_made_before_that_time_is_revoked(
    kind: int, made_at: float | None, is_revoked: bool
) -> None:
    known = RevokedTokens(lambda: NOW)
    known.add([(kind, b"ann" if kind == REVOKED_SUB else b"", 1000, 2_000_000)])
    assert known.has(b"ann", b"", made_at) == is_revoked
    assert known.has(b"bob", b"", made_at) == (is_revoked and kind == REVOKED_ALL)
    assert known.has(None, b"", made_at) == (is_revoked and kind == REVOKED_ALL)


def test_a_jti_is_that_token_whenever_it_was_made() -> None:
    known = RevokedTokens(lambda: NOW)
    known.add([(REVOKED_JTI, b"x", 0, 2_000_000)])
    assert known.has(b"ann", b"x", NOW)
    assert known.has(None, b"x", None)
    for other in (b"", b"X", b"xx"):
        assert not known.has(b"x", other, None)


def test_one_that_is_over_counts_no_more_and_is_forgotten() -> None:
    now = [NOW]
    known = RevokedTokens(lambda: now[0])
    known.add([(REVOKED_SUB, b"ann", 2**40, int(NOW) + 10), (REVOKED_JTI, b"x", 0, int(NOW) + 10)])
    known.add([(REVOKED_SUB, b"over", 2**40, 0), (9, b"of a later version", 1, 2**40)])
    assert len(known) == 2
    now[0] += 10
    assert not known.has(b"ann", b"x", None)
    now[0] += 100
    known.add([])
    assert len(known) == 0


def test_the_later_of_two_counts() -> None:
    known = RevokedTokens(lambda: NOW)
    known.add([(REVOKED_SUB, b"ann", 2000, 2_000_000), (REVOKED_SUB, b"ann", 1000, 3_000_000)])
    assert known.has(b"ann", b"", 1999)


def test_what_somebody_means_who_says_little() -> None:
    assert revocation(NOW, sub="ann") == (REVOKED_SUB, b"ann", 1_000_001, 1_086_521)
    assert revocation(NOW, sub=b"ann", before=5.5, keep_s=10) == (REVOKED_SUB, b"ann", 6, 1_000_011)
    assert revocation(NOW, jti="x", keep_s=10) == (REVOKED_JTI, b"x", 0, 1_000_011)
    assert revocation(NOW, everybody=True)[:3] == (REVOKED_ALL, b"", 1_000_001)
    # Who only ends connections means those of all tokens.
    assert revocation(NOW, sub="ann", keep_s=0) == (REVOKED_SUB, b"ann", 2**53, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {}, {"sub": ""},
        {"sub": "a", "jti": "b"}, {"sub": "a", "everybody": True}, {"jti": "a", "before": 1.0},
        {"sub": "x" * 256}, {"sub": b"\xff"}, {"jti": ""}, {"jti": "x" * 256}, {"sub": "a", "keep_s": -1.0},
        {"sub": "a", "keep_s": float("nan")}, {"sub": "a", "keep_s": 1e12}, {"sub": "a", "before": -1.0},
        {"sub": "a", "before": float("inf")}, {"sub": "a", "before": float("nan")}, {"sub": 5}, {"jti": b"x"},
    ],
)  # fmt: skip
def test_what_means_nothing_is_an_error_at_once(wrong: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        revocation(NOW, **wrong)  # type: ignore[arg-type]
