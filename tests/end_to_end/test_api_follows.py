"""Follows by HTTP: changes of one pair and of many, counts, pages of both lists; a router without a store."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import pytest

from tests.conftest import Program, eventually
from tests.end_to_end.posting import JSON, Answer, Backend
from tests.end_to_end.test_api_send import assert_problem
from zrouter.client import RouterClient

ODD = ["a/b", "sé ö", "%2F", "a+b", "?x=1#y", "followers", "following", "日本", "x" * 255, "\x01\n"]


@pytest.fixture
def backend(front: Program) -> Iterator[Backend]:
    backend = Backend(front)
    yield backend
    backend.close()


def part(an_id: str) -> str:
    """The id as a part of a path."""
    return quote(an_id, safe="")


def many(backend: Backend, method: str, subscriber: str, subscribees: list[Any]) -> Answer:
    return backend.ask(method, f"/api/follows/{part(subscriber)}", json.dumps(subscribees).encode(), JSON)


# ---- one pair ------------------------------------------------------------------------------------


@pytest.mark.parametrize("an_id", ODD)
def test_a_pair_is_followed_and_unfollowed_and_once_is_as_twice(
    backend: Backend, api: RouterClient, an_id: str
) -> None:
    for path, pair in (
        (f"/api/follows/{part(an_id)}/cat", (an_id, "cat")),
        (f"/api/follows/ann/{part(an_id)}", ("ann", an_id)),
    ):
        for method, status, changed in (
            ("PUT", 201, 1),
            ("PUT", 200, 0),
            ("DELETE", 200, 1),
            ("DELETE", 200, 0),
            ("PUT", 201, 1),
        ):
            answer = backend.ask(method, path)
            assert (answer.status, answer.json) == (status, {"changed": changed})
        assert api.following(pair[0]) == [pair[1]]


def test_what_was_answered_is_on_disk(
    start: Callable[..., Program], backend: Backend, router: Program, tmp_path: Path
) -> None:
    assert backend.ask("PUT", "/api/follows/ann/cat").status == 201
    assert many(backend, "PUT", "ann", ["dog", "cow"]).json == {"changed": 2}
    assert backend.ask("DELETE", "/api/follows/ann/cow").json == {"changed": 1}
    router.stop(signal.SIGKILL)
    start("zrouter", "serve", "--bind", router.address, "--store", str(tmp_path / "follows"))
    eventually(lambda: backend.ask("GET", "/api/follows/ann").status == 200)
    assert sorted(backend.ask("GET", "/api/following/ann").json["ids"]) == ["cat", "dog"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("a/", 400),
        ("/a", 400),
        ("/", 400),
        ("a/%FF", 400),
        ("x" * 256 + "/a", 400),
        ("a/b/c", 404),
        ("", 400),
    ],
)
def test_a_path_without_two_ids_is_refused_and_the_connection_goes_on(
    backend: Backend, path: str, status: int
) -> None:
    for method in ("PUT", "DELETE"):
        assert_problem(backend.ask(method, f"/api/follows/{path}"), status)
    assert backend.ask("PUT", "/api/follows/a/b").status == 201


# ---- many ----------------------------------------------------------------------------------------


def test_many_are_added_and_taken_away_and_the_others_stay(backend: Backend, api: RouterClient) -> None:
    assert backend.ask("PUT", "/api/follows/an%2Fn/cat").status == 201
    assert many(backend, "PUT", "an/n", ["cat", *ODD, *ODD]).json == {"changed": len(ODD)}
    assert set(api.following("an/n")) == {"cat", *ODD}
    assert many(backend, "DELETE", "an/n", [*ODD[1:], "nobody"]).json == {"changed": len(ODD) - 1}
    assert set(api.following("an/n")) == {"cat", ODD[0]}
    for method in ("PUT", "DELETE"):
        assert many(backend, method, "an/n", []).json == {"changed": 0}


def test_ten_thousand_are_taken_and_one_more_is_not(backend: Backend) -> None:
    ids = [f"{number:0255}" for number in range(10_001)]
    assert_problem(many(backend, "PUT", "ann", ids), 413)
    assert many(backend, "PUT", "ann", ids[1:]).json == {"changed": 10_000}
    assert backend.ask("GET", "/api/follows/ann").json == {"id": "ann", "followers": 0, "following": 10_000}
    assert many(backend, "DELETE", "ann", ids[1:]).json == {"changed": 10_000}


@pytest.mark.parametrize("bad", ["", "x" * 256, 1, None, ["cat"], {"id": "cat"}])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_of_an_array_with_a_bad_element_nothing_is_done(backend: Backend, method: str, bad: Any) -> None:
    assert many(backend, "PUT", "ann", ["dog"]).status == 200
    answer = many(backend, method, "ann", ["cat", "dog", bad])
    assert_problem(answer, 400)
    assert "2" in answer.json["detail"]
    if isinstance(bad, str):
        assert answer.json["element"] == 2
    assert backend.ask("GET", "/api/following/ann").json["ids"] == ["dog"]


@pytest.mark.parametrize("body", [b"", b"[", b"null", b'"cat"', b'["\\ud800"]', b'["\xff"]', b"[" * 5000])
def test_what_is_no_array_is_400(backend: Backend, body: bytes) -> None:
    assert backend.ask("PUT", "/api/follows/ann/cat").status == 201
    for method in ("PUT", "DELETE"):
        assert_problem(backend.ask(method, "/api/follows/ann", body, JSON), 400)
    assert backend.ask("GET", "/api/follows/ann").json["following"] == 1


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_another_type_is_415_and_says_which_it_has_to_be(backend: Backend, kind: str) -> None:
    for method in ("PUT", "DELETE"):
        headers = {"Content-Type": kind} if kind else {}
        answer = backend.ask(method, "/api/follows/ann", b'["cat"]', headers)
        assert_problem(answer, 415)
        assert answer.headers["Accept"] == "application/json"
        assert_problem(backend.ask(method, "/api/follows/ann"), 415)


# ---- counts and pages ----------------------------------------------------------------------------


def test_both_counts(backend: Backend, api: RouterClient) -> None:
    api.follow_many([(b"ann", b"c/t"), (b"bob", b"c/t"), (b"c/t", b"ann")])
    answer = backend.ask("GET", "/api/follows/c%2Ft")
    assert (answer.status, answer.json) == (200, {"id": "c/t", "followers": 2, "following": 1})
    assert backend.ask("GET", "/api/follows/nobody").json == {"id": "nobody", "followers": 0, "following": 0}
    head = backend.ask("HEAD", "/api/follows/c%2Ft")
    assert (head.status, head.body) == (200, b"")
    assert backend.ask("GET", "/api/follows/c%2Ft", b"a body").status == 200


@pytest.mark.parametrize("limit", [1, 3, 4, 12, 2000])
@pytest.mark.parametrize("side", ["followers", "following"])
def test_the_pages_together_are_the_list(backend: Backend, api: RouterClient, side: str, limit: int) -> None:
    ids = [*ODD, "ann", "bob"]
    for an_id in ids:
        pair = (an_id, "c/t") if side == "followers" else ("c/t", an_id)
        assert api.follow(*pair) == 1
    url, found = f"/api/{side}/c/t?limit={limit}", []
    pages = 0
    while url:
        answer = backend.ask("GET", url)
        assert answer.json["total"] == len(ids)
        assert len(answer.json["ids"]) <= limit
        found += answer.json["ids"]
        pages += 1
        following = answer.json["next"]
        assert answer.headers["Link"] == (f'<{following}>; rel="next"' if following else None)
        url = urljoin(url, following) if following else ""
    assert sorted(found) == sorted(ids)
    assert pages <= len(ids) // limit + 1
    assert found == (api.followers("c/t") if side == "followers" else api.following("c/t"))


def test_a_page_has_two_thousand_at_the_most(backend: Backend, api: RouterClient) -> None:
    api.follow_many((f"user{number}".encode(), b"cat") for number in range(2001))
    first = backend.ask("GET", "/api/followers/cat").json
    assert (first["total"], len(first["ids"])) == (2001, 2000)
    second = backend.ask("GET", "/api/followers/cat" + first["next"]).json
    assert (len(second["ids"]), second["next"]) == (1, None)
    assert len({*first["ids"], *second["ids"]}) == 2001
    count = {"total": 2001, "ids": [], "next": None}
    assert backend.ask("GET", "/api/followers/cat?limit=0").json == count
    head = backend.ask("HEAD", "/api/followers/cat")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Link"] == f'<{first["next"]}>; rel="next"'


@pytest.mark.parametrize(
    "query",
    [
        "limit=2001",
        "limit=-1",
        "limit=",
        "limit=x",
        "limit=1.0",
        "after=%FF",
        "after=nobody",
        "after=" + "x" * 256,
    ],
)
def test_what_is_no_page_is_400_and_the_connection_goes_on(
    backend: Backend, api: RouterClient, query: str
) -> None:
    api.follow("ann", "cat")
    assert_problem(backend.ask("GET", f"/api/followers/cat?{query}"), 400)
    assert backend.ask("GET", "/api/followers/cat?after=&x=1").json["ids"] == ["ann"]


@pytest.mark.parametrize("path", ["/api/follows", "/api/followers", "/api/following", "/api/publish"])
def test_a_path_without_an_id_is_404(backend: Backend, path: str) -> None:
    assert_problem(backend.ask("GET", path), 404)
    assert_problem(backend.ask("GET", path.replace("publish", "followers") + "/"), 400)


# ---- a store that is none ------------------------------------------------------------------------


def asked(backend: Backend) -> list[Answer]:
    """One request of each kind."""
    return [
        backend.post("/api/publish/a", b"x"),
        backend.ask("PUT", "/api/follows/a/b"),
        backend.ask("DELETE", "/api/follows/a/b"),
        many(backend, "PUT", "a", ["b"]),
        many(backend, "DELETE", "a", ["b"]),
        backend.ask("GET", "/api/follows/a"),
        backend.ask("GET", "/api/followers/a"),
        backend.ask("GET", "/api/following/a"),
    ]


def test_without_a_store_each_is_501(start: Callable[..., Program]) -> None:
    router = start("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--store", "none")
    backend = Backend(start("zfront", "serve", "--listen", "127.0.0.1:0", "--router", router.address))
    for answer in asked(backend):
        assert_problem(answer, 501)
        assert "store" in answer.json["detail"]
        assert "Retry-After" not in answer.headers
    assert backend.post("/api/send/a", b"x").status == 200
    backend.close()


def test_with_a_store_that_fails_each_is_503(backend: Backend, router: Program, tmp_path: Path) -> None:
    assert backend.ask("GET", "/api/follows/a").status == 200  # there is none yet
    (tmp_path / "follows").mkdir()
    (tmp_path / "follows" / "CURRENT").write_text("of another format\n")
    for answer in asked(backend):
        assert_problem(answer, 503)
        assert "store" in answer.json["detail"]
        assert answer.headers["Retry-After"] == "10"
    assert backend.post("/api/send/a", b"x").status == 200
