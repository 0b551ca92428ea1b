"""Who is where, figures, ending connections; keys, pages, proxies; and a router that is away."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Client, Program, eventually, wait_for
from tests.end_to_end.posting import JSON, Backend
from tests.end_to_end.test_api_send import assert_problem
from zrouter.client import RouterClient

KEY, OLD_KEY = "k" * 20, "o" * 20
LISTED, OTHER = "https://listed.example", "https://other.example"


@pytest.fixture(params=[False, True], ids=["the short way", "through Tornado"])
def is_long(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def backend(front: Program) -> Iterator[Backend]:
    backend = Backend(front)
    yield backend
    backend.close()


@pytest.fixture
def frontend(start: Callable[..., Program], router: Program) -> Callable[..., Program]:
    def begin(*more: str, listen: str = "127.0.0.1:0") -> Program:
        return start("zfront", "serve", "--listen", listen, "--router", router.address, *more)

    return begin


# ---- who, stats, kick ----------------------------------------------------------------------------


def test_who_says_where_an_id_is(backend: Backend, front: Program, api: RouterClient) -> None:
    assert backend.ask("GET", "/api/who/s%C3%A9").json == {"id": "sé", "connections": 0, "frontends": []}
    clients = [Client(front.address, "/stream/s%C3%A9") for _ in range(2)]
    wait_for(api, "sé", 2)
    name = next(iter(api.who("sé")["sé"]))[0]
    assert backend.ask("GET", "/api/who/s%C3%A9").json == {
        "id": "sé",
        "connections": 2,
        "frontends": [{"name": name, "connections": 2}],
    }
    assert clients


def test_who_takes_many_ids_in_order_each_once(backend: Backend, front: Program, api: RouterClient) -> None:
    client = Client(front.address, "/stream/b")
    wait_for(api, "b", 1)
    found = backend.ask("GET", "/api/who?id=a&id=b&id=a&x=1&id=c+d").json["ids"]
    assert [(one["id"], one["connections"]) for one in found] == [("a", 0), ("b", 1), ("c d", 0)]
    assert client


@pytest.mark.parametrize(
    "query", ["", "?id=", "?id=%FF", "?x=1", "?" + "&".join(f"id={n}" for n in range(501))]
)
def test_ids_that_are_none_are_400(backend: Backend, query: str) -> None:
    assert_problem(backend.ask("GET", f"/api/who{query}"), 400)


def test_stats_are_those_of_the_router(backend: Backend, api: RouterClient) -> None:
    found = backend.ask("GET", "/api/stats").json
    assert set(found) == set(api.stats())
    assert found["ids"] == 0


def test_delete_ends_every_connection_of_an_id(backend: Backend, front: Program, api: RouterClient) -> None:
    clients = [Client(front.address, "/stream/a%2Fb") for _ in range(2)]
    wait_for(api, "a/b", 2)
    assert backend.ask("DELETE", "/api/connections/a%2Fb").json == {"ended": 2}
    for client in clients:
        assert client.read_to_end().endswith(b"0\r\n\r\n")
    assert_problem(backend.ask("DELETE", "/api/connections/"), 400)


PATHS = {
    "/api/who/a": "GET, HEAD, OPTIONS",
    "/api/who": "GET, HEAD, OPTIONS",
    "/api/stats": "GET, HEAD, OPTIONS",
    "/api/openapi.json": "GET, HEAD, OPTIONS",
    "/api/connections/a": "DELETE, OPTIONS",
    "/api/revocations": "POST, OPTIONS",
    "/api/send": "POST, OPTIONS",
    "/api/send/a": "POST, OPTIONS",
    "/api/publish/a": "POST, OPTIONS",
    "/api/follows/a": "GET, HEAD, PUT, DELETE, OPTIONS",
    "/api/follows/a/a": "PUT, DELETE, OPTIONS",
    "/api/followers/a": "GET, HEAD, OPTIONS",
    "/api/following/a": "GET, HEAD, OPTIONS",
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "PUT", "OPTIONS", "BREW"])
def test_each_path_says_which_methods_it_has(backend: Backend, path: str, method: str) -> None:
    answer = backend.ask(method, path)
    if method == "OPTIONS":
        assert (answer.status, answer.headers["Allow"]) == (204, PATHS[path])
    elif method not in PATHS[path]:
        assert answer.headers["Allow"] == PATHS[path]
        assert answer.status == 405
        if method != "HEAD":
            assert_problem(answer, 405)
    else:
        assert answer.status != 405


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/nothing", "/api/who/", "/api/stats/", "/api/connections"]
)
def test_other_paths_are_404_and_no_id_is_400(backend: Backend, path: str) -> None:
    assert_problem(backend.ask("GET", path), 400 if path == "/api/who/" else 404)


# ---- who may -------------------------------------------------------------------------------------


def test_with_keys_every_path_wants_one_of_them(
    frontend: Callable[..., Program], tmp_path: Path, is_long: bool
) -> None:
    (tmp_path / "keys").write_text(f"# who has which\n{KEY}\n\n{OLD_KEY}\n")
    front = frontend("--api-key-file", str(tmp_path / "keys"))
    for path, method in (
        ("/api/send/a", "POST"),
        ("/api/send", "POST"),
        ("/api/stats", "GET"),
        ("/api/publish/a", "POST"),
        ("/api/follows/a/b", "PUT"),
        ("/api/follows/a", "DELETE"),
        ("/api/followers/a", "GET"),
        ("/api/x", "GET"),
    ):
        for wrong in (
            "",
            "Bearer",
            f"Bearer {KEY}x",
            f"Bearer {KEY[1:]}",
            f"Basic {KEY}",
            f"Bearer {'ü' * 20}",
        ):
            backend = Backend(front, is_long)
            answer = backend.ask(method, path, headers={"Authorization": wrong} if wrong else {})
            assert_problem(answer, 401)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
            backend.close()
    for key in (KEY, OLD_KEY):
        backend = Backend(front, is_long, key)
        assert backend.post("/api/send/a", b"x").status == 200
        assert backend.ask("GET", "/api/stats").status == 200
        assert backend.post("/api/send/a", b"x", authorization=f"bearer {key}").status in (200, 401)
        backend.close()


def test_a_key_may_come_from_the_environment(
    frontend: Callable[..., Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZFRONT_API_KEY", KEY)
    backend = Backend(frontend("--workers", "2"), key=KEY)
    assert backend.ask("GET", "/api/stats").status == 200
    backend.close()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("short\n", "16 characters"),
        ("with a blank in it..\n", "header"),
        ("# none\n", "no key"),
        (None, "No such"),
    ],
)
def test_keys_that_are_none_are_a_usage_error(tmp_path: Path, content: str | None, says: str) -> None:
    path = tmp_path / "keys"
    if content is not None:
        path.write_text(content)
    code = "from zfront.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", "--listen", "127.0.0.1:0", "--api-key-file", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_beyond_loopback_without_a_key_nobody_may(frontend: Callable[..., Program], is_long: bool) -> None:
    front = frontend("--insecure", listen="0.0.0.0:0")
    front.address = front.address.replace("0.0.0.0", "127.0.0.1")
    backend = Backend(front, is_long)
    for answer in (backend.post("/api/send/a", b"x"), backend.ask("GET", "/api/stats")):
        assert_problem(answer, 403)
        assert "--api-key-file" in answer.json["detail"]


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_what_a_proxy_passes_on_needs_a_key(front: Program, is_long: bool, header: str) -> None:
    backend = Backend(front, is_long)
    answer = backend.ask("POST", "/api/send/a", b"x", {header: "10.0.0.1"})
    assert_problem(answer, 403)
    assert "--api-key-file" in answer.json["detail"]


def test_a_name_that_was_made_to_point_here_is_403(front: Program, is_long: bool) -> None:
    backend = Backend(front, is_long)
    rebound = {"Host": "evil.example:8000", "Origin": "http://evil.example:8000"}
    assert_problem(backend.ask("POST", "/api/send/a", b"x", rebound), 403)
    assert backend.ask("POST", "/api/send/a", b"x", {"Host": "localhost:8000"}).status == 200


def test_pages_of_other_origins_may_not_unless_named(frontend: Callable[..., Program], is_long: bool) -> None:
    backend = Backend(frontend("--cors", LISTED), is_long)
    own = f"http://{backend.address}"
    for origin, status in ((LISTED, 200), (own, 200), (OTHER, 403), ("null", 403)):
        answer = backend.ask("POST", "/api/send/a", b"x", {"Origin": origin})
        assert answer.status == status
        if origin == LISTED:
            assert answer.headers["Access-Control-Allow-Origin"] == LISTED
        else:
            assert "Access-Control-Allow-Origin" not in answer.headers
    assert backend.ask("GET", "/api/stats", headers={"Origin": OTHER}).status == 403


def test_a_browser_that_asks_first_is_told(frontend: Callable[..., Program]) -> None:
    backend = Backend(frontend("--cors", LISTED, "--api-key", KEY))
    for path, methods in (
        ("/api/send", "POST, OPTIONS"),
        ("/api/connections/a", "DELETE, OPTIONS"),
        ("/api/follows/a/b", "PUT, DELETE, OPTIONS"),
    ):
        answer = backend.ask(
            "OPTIONS", path, headers={"Origin": LISTED, "Access-Control-Request-Method": "POST"}
        )
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == LISTED
        assert answer.headers["Access-Control-Allow-Methods"] == methods
        assert "Idempotency-Key" in answer.headers["Access-Control-Allow-Headers"]
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
        other = backend.ask("OPTIONS", path, headers={"Origin": OTHER})
        assert other.status == 204
        assert not [name for name in other.headers if name.startswith("Access-Control")]


# ---- idempotent sends ----------------------------------------------------------------------------


def test_a_send_with_the_same_key_is_sent_once(front: Program, api: RouterClient, is_long: bool) -> None:
    messages = api.login("to")
    backend = Backend(front, is_long)
    for key in ('"8e03 978e"', '"8e03 978e"', "token", '"token"'):
        answer = backend.ask("POST", "/api/send/to", b"x", {"Idempotency-Key": key})
        assert (answer.status, answer.json["connections"]) == (200, 1)
    assert backend.post("/api/send/to", b"end").status == 200
    assert [next(messages).message for _ in range(3)] == [b"x", b"x", b"end"]


def test_another_message_or_id_with_the_same_key_is_422(front: Program, is_long: bool) -> None:
    backend = Backend(front, is_long)
    for path, body, status in (("to", b"x", 200), ("to", b"y", 422), ("other", b"x", 422), ("to", b"x", 200)):
        answer = backend.ask("POST", f"/api/send/{path}", body, {"Idempotency-Key": "key"})
        assert answer.status == status
    assert_problem(
        backend.ask("POST", "/api/send", b'[{"id":"a","message":"x"}]', {"Idempotency-Key": "key", **JSON}),
        422,
    )


@pytest.mark.parametrize("key", ["", '"', '""', '"a" "b"', "a b", "x" * 256, '"\\a"', "(a)"])
def test_a_key_that_is_none_is_400(front: Program, is_long: bool, key: str) -> None:
    backend = Backend(front, is_long)
    assert_problem(backend.ask("POST", "/api/send/a", b"x", {"Idempotency-Key": key}), 400)
    assert_problem(backend.ask("POST", "/api/send", b"[]", {"Idempotency-Key": key, **JSON}), 400)


# ---- a router that is away, or silent ------------------------------------------------------------


def asked(backend: Backend) -> list[Any]:
    """One request of each kind."""
    return [
        backend.post("/api/send/a", b"x"),
        backend.ask("POST", "/api/send", b'[{"id":"a","message":"x"}]', JSON),
        backend.ask("GET", "/api/who/a"),
        backend.ask("GET", "/api/stats"),
        backend.ask("DELETE", "/api/connections/a"),
        backend.post("/api/publish/a", b"x"),
        backend.ask("PUT", "/api/follows/a/b"),
        backend.ask("DELETE", "/api/follows/a", b'["c"]', JSON),
        backend.ask("GET", "/api/follows/a"),
        backend.ask("GET", "/api/followers/a"),
    ]


def test_while_the_router_is_away_all_is_503(front: Program, router: Program, is_long: bool) -> None:
    router.stop(signal.SIGKILL)
    backend = Backend(front, is_long)
    eventually(lambda: backend.post("/api/send/a", b"x").status == 503)
    for answer in asked(backend):
        assert_problem(answer, 503)
        assert answer.headers["Retry-After"] == "1"


def test_a_router_that_is_back_soon_is_waited_for(
    start: Callable[..., Program], front: Program, router: Program, is_long: bool
) -> None:
    backend = Backend(front, is_long)
    assert backend.post("/api/send/a", b"x").status == 200
    router.stop(signal.SIGKILL)
    start("zrouter", "serve", "--bind", router.address)
    eventually(lambda: backend.post("/api/send/a", b"x").status == 200)
    assert {answer.status for answer in asked(backend)} <= {200, 201}


def test_a_router_that_says_nothing_is_504(
    frontend: Callable[..., Program], router: Program, is_long: bool
) -> None:
    backend = Backend(frontend("--api-timeout", "0.3"), is_long)
    assert asked(backend)[0].status == 200
    router.tell(signal.SIGSTOP)
    began = time.monotonic()
    answer = backend.post("/api/send/a", b"x")
    assert_problem(answer, 504)
    assert "not known" in answer.json["detail"]
    assert 0.3 <= time.monotonic() - began < 3
    router.tell(signal.SIGCONT)
    eventually(lambda: backend.post("/api/send/a", b"x").status == 200)


def test_a_router_that_is_killed_while_a_request_waits_is_504(
    front: Program, router: Program, is_long: bool
) -> None:
    backend = Backend(front, is_long)
    assert backend.post("/api/send/a", b"x").status == 200
    router.tell(signal.SIGSTOP)
    found: list[Any] = []
    waiting = threading.Thread(target=lambda: found.append(backend.post("/api/send/a", b"x")))
    waiting.start()
    other = Backend(front)
    eventually(lambda: other.ask("GET", "/api/openapi.json").status == 200)
    time.sleep(0.2)  # nothing tells that the frame is on its way
    router.tell(signal.SIGKILL)
    waiting.join(10)
    assert_problem(found[0], 504)
    assert "not known" in found[0].json["detail"]


def test_a_frontend_that_stops_gives_the_answers_that_come_meanwhile(front: Program, router: Program) -> None:
    backend = Backend(front)
    assert backend.post("/api/send/a", b"x").status == 200
    router.tell(signal.SIGSTOP)
    found: list[Any] = []
    waiting = threading.Thread(target=lambda: found.append(backend.post("/api/send/a", b"x")))
    waiting.start()
    time.sleep(0.2)  # nothing tells that the frame is on its way
    front.tell(signal.SIGTERM)
    eventually(lambda: "stopping" in front.log())
    router.tell(signal.SIGCONT)
    waiting.join(10)
    assert found[0].status == 200
    assert front.process.wait(10) == 0
