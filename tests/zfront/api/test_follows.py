"""Pages and arrays of ids as HTTP says them, and what the router's refusals become."""

from __future__ import annotations

import pytest

from zfront.api import follows
from zfront.api.problem import ProblemError, of_router
from zrouter import wire
from zrouter.errors import RefusedError


@pytest.mark.parametrize(
    ("after", "limit", "total", "ids", "found"),
    [
        (b"", 2, 3, [b"a", b"b/c"], "?after=b%2Fc&limit=2"),
        (b"", 2, 2, [b"a", b"b"], None),  # all of them
        (
            b"x",
            2,
            3,
            [b"a", b"+&"],
            "?after=%2B%26&limit=2",
        ),  # it may be the last: the store is not asked twice
        (b"x", 2, 3, [b"a"], None),
        (b"x", 2, 3, [], None),
        (b"", 0, 3, [], None),
    ],
)
def test_where_the_next_page_is(
    after: bytes, limit: int, total: int, ids: list[bytes], found: str | None
) -> None:
    assert follows.next_page(follows.Page(after, limit), total, ids) == found
    if found is not None:
        assert follows.read_page(found[1:]) == follows.Page(ids[-1], limit)


def test_a_query_has_a_bounded_number_of_parameters() -> None:
    assert follows.read_page("x=1&limit=5&limit=7&after=a") == follows.Page(b"a", 7)
    with pytest.raises(ProblemError, match="parameters"):
        follows.read_page("&".join(["x=1"] * 17))


@pytest.mark.parametrize(
    ("code", "status", "retry_after"),
    [
        (wire.NO_STORE, 501, None),
        (wire.STORE_FAILED, 503, "10"),
        (wire.FULL, 503, "1"),
        (wire.KEY_REUSED, 422, None),
        (wire.TOO_LARGE, 413, None),
        (wire.BAD_ID, 400, None),
    ],
)
def test_what_the_router_refuses_has_a_status(code: str, status: int, retry_after: str | None) -> None:
    problem = of_router(RefusedError(code, "why"))
    assert problem.status == status
    assert dict(problem.headers).get("Retry-After") == retry_after
