"""API keys with scopes and ids: every path by every scope, ids in every place, revoking, idempotency."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Program, eventually
from tests.end_to_end.posting import JSON, LINES, Backend
from tests.end_to_end.test_api_send import assert_problem
from zfront.handlers import app
from zrouter.api_keys.key_files import Record, changing
from zrouter.api_keys.keys import SCOPES, digest_of, make_key
from zrouter.client import RouterClient

# What a key needs for each path and method; empty: any key.
NEEDED = {
    "/api/send": {"POST": "send"},
    "/api/send/a": {"POST": "send"},
    "/api/publish/a": {"POST": "publish"},
    "/api/follows/a": {"GET": "follow", "HEAD": "follow", "PUT": "follow", "DELETE": "follow"},
    "/api/follows/a/b": {"PUT": "follow", "DELETE": "follow"},
    "/api/follows/a/b/c": {"GET": ""},
    "/api/followers/a": {"GET": "follow", "HEAD": "follow"},
    "/api/following/a": {"GET": "follow", "HEAD": "follow"},
    "/api/who": {"GET": "who", "HEAD": "who"},
    "/api/who/a": {"GET": "who", "HEAD": "who"},
    "/api/stats": {"GET": "stats", "HEAD": "stats"},
    "/api/connections/a": {"DELETE": "kick"},
    "/api/revocations": {"POST": "admin"},
    "/api/openapi.json": {"GET": "", "HEAD": ""},
    "/api/nothing": {"GET": ""},
}


class Keys:
    """A file of keys that a frontend reads."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self, *scopes: str, ids: list[str] | None = None) -> str:
        text, an_id = make_key()
        with changing(str(self.path)) as (records, hash_key):
            digest = digest_of(text, hash_key).hex()
            records.append(Record(id=an_id, name="", scopes=list(scopes), ids=ids, hash=digest))
        return text

    def revoke(self, text: str) -> None:
        with changing(str(self.path)) as (records, _):
            records[:] = [one for one in records if one.id != text[3:15]]


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "api-keys")


@pytest.fixture
def frontend(start: Callable[..., Program], router: Program, keys: Keys) -> Callable[..., Program]:
    def begin(*more: str) -> Program:
        listen = ("--listen", "127.0.0.1:0", "--router", router.address)
        return start("zfront", "serve", *listen, "--api-key-file", str(keys.path), *more)

    return begin


@pytest.fixture(params=[False, True], ids=["the short way", "through Tornado"])
def is_long(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def backends() -> Iterator[Callable[..., Backend]]:
    made: list[Backend] = []

    def begin(front: Program, key: str = "", is_long: bool = False) -> Backend:
        made.append(Backend(front, is_long, key))
        return made[-1]

    yield begin
    for one in made:
        one.close()


def figure(api: RouterClient, name: str, value: int) -> None:
    """Wait until the frontend tells this."""
    eventually(lambda: any(row.get(name) == value for row in api.stats()["frontends"]))


def test_every_path_is_in_the_table() -> None:
    for pattern, *_ in app._api(object()):  # type: ignore[arg-type]
        assert any(re.fullmatch(pattern, path) for path in NEEDED), pattern


@pytest.mark.parametrize("scope", [*SCOPES, "all but"])
def test_each_scope_opens_what_it_is_for_and_nothing_else(
    frontend: Callable[..., Program], keys: Keys, backends: Callable[..., Backend], scope: str, is_long: bool
) -> None:
    if scope == "all but":
        made = {tuple(set(SCOPES) - {"admin", one}): one for one in SCOPES if one != "admin"}
    else:
        made = {(scope,): ""}
    texts = {scopes: keys.make(*scopes) for scopes in made}
    front = frontend()
    for scopes, text in texts.items():
        for path, methods in NEEDED.items():
            for method, needed in methods.items():
                answer = backends(front, text, is_long).ask(method, path)
                may = not needed or needed in scopes or "admin" in scopes
                if may:
                    assert answer.status not in (401, 403), (path, method)
                    continue
                assert answer.status == 403, (path, method)
                challenge = f'Bearer realm="zcomet", error="insufficient_scope", scope="{needed}"'
                assert answer.headers["WWW-Authenticate"] == challenge
                if method != "HEAD":
                    assert_problem(answer, 403)
                    assert answer.json["scope"] == needed
            assert backends(front, text).ask("OPTIONS", path).status == 204


def test_a_key_for_some_ids_reaches_no_other(
    frontend: Callable[..., Program],
    keys: Keys,
    backends: Callable[..., Backend],
    api: RouterClient,
    is_long: bool,
) -> None:
    text = keys.make("admin", ids=["shop:*", "one"])
    api.follow("shop:a", "shop:b")
    api.follow("shop:a", "foreign")
    backend = backends(frontend(), text, is_long)
    paths = {
        "/api/who?id=one&id=%s": "GET", "/api/send/%s": "POST", "/api/publish/%s": "POST",
        "/api/who/%s": "GET",
        "/api/connections/%s": "DELETE", "/api/follows/%s": "GET", "/api/follows/one/%s": "PUT",
        "/api/follows/%s/one": "DELETE", "/api/followers/%s": "GET", "/api/following/%s": "GET",
    }  # fmt: skip
    for path, method in paths.items():
        for an_id in ("one", "shop:1", "shop%3A1", "shop:%2F", "shop:%C3%A9"):
            assert backend.ask(method, path % an_id).status in (200, 201), (path, an_id)
        for an_id in (
            "two",
            "shop:",
            "shop",
            "Shop:1",
            "one%00",
            "%6Fne1",
            "%20shop:1",
            "shop%253A1",
            "..%2Fone",
        ):
            answer = backend.ask(method, path % an_id)
            assert answer.status == 403, (path, an_id)
            assert "not for this id" in answer.json["detail"]
    # A list that has ids of others is refused, and not shown in part.
    assert backend.ask("GET", "/api/following/shop:a").status == 403
    assert backend.ask("GET", "/api/following/shop:a?limit=1").json["ids"] == ["shop:b"]


def test_a_list_with_one_foreign_id_changes_nothing(
    frontend: Callable[..., Program], keys: Keys, backends: Callable[..., Backend], api: RouterClient
) -> None:
    text = keys.make("send", "follow", ids=["shop:*"])
    backend = backends(frontend(), text)
    before = api.stats()["messages_in"]
    array = [{"id": "shop:1", "message": "x"}] * 599 + [{"id": "other", "message": "x"}]
    answer = backend.ask("POST", "/api/send", json.dumps(array), JSON)
    assert (answer.status, answer.json["element"]) == (403, 599)
    assert api.stats()["messages_in"] == before
    many = [f"shop:{number}" for number in range(9_999)] + ["other"]
    for method in ("PUT", "DELETE"):
        answer = backend.ask(method, "/api/follows/shop:1", json.dumps(many), JSON)
        assert (answer.status, answer.json["element"]) == (403, 9_999)
    assert api.following("shop:1") == []


def test_lines_go_out_before_the_first_foreign_id(
    frontend: Callable[..., Program], keys: Keys, backends: Callable[..., Backend], api: RouterClient
) -> None:
    text = keys.make("send", ids=["shop:*"])
    front = frontend()
    lines = (
        ['{"id":"shop:1","message":"x"}'] * 599
        + ['{"id":"other","message":"x"}']
        + ['{"id":"shop:1","message":"x"}'] * 100
    )
    answer = backends(front, text).ask("POST", "/api/send", "\n".join(lines), LINES)
    assert (answer.status, answer.json["line"], answer.json["sent"]) == (403, 600, 599)
    assert api.stats()["messages_in"] == 599


def test_an_idempotency_key_is_of_one_api_key(
    frontend: Callable[..., Program],
    keys: Keys,
    backends: Callable[..., Backend],
    is_long: bool,
    api: RouterClient,
) -> None:
    first, second = keys.make("send", "publish"), keys.make("send", "publish")
    front = frontend()
    one, two = backends(front, first, is_long), backends(front, second, is_long)
    for path in ("/api/send/a", "/api/publish/a"):
        key = f'"order-{path[5:9]}"'
        assert one.post(path, b"one", idempotency_key=key).status == 200
        assert two.post(path, b"two", idempotency_key=key).status == 200
        assert one.post(path, b"two", idempotency_key=key).status == 422
        assert two.post(path, b"two", idempotency_key=key).status == 200
    array = json.dumps([{"id": "a", "message": "x"}] * 1500)
    for backend in (one, two, one, two):
        assert backend.ask("POST", "/api/send", array, {**JSON, "Idempotency-Key": '"b"'}).status == 200
    # Each batch once for each key.
    assert api.stats()["messages_in"] == 2 + 2 * 1500
    longest = '"' + "x" * 255 + '"'
    assert one.post("/api/send/a", b"x", idempotency_key=longest).status == 200


def test_a_key_anywhere_but_in_authorization_is_401(
    frontend: Callable[..., Program],
    keys: Keys,
    backends: Callable[..., Backend],
    is_long: bool,
    api: RouterClient,
) -> None:
    text = keys.make("admin")
    front = frontend()
    for path, headers in (
        (f"/api/send/a?key={text}", {}),
        (f"/api/send/a?access_token={text}", {}),
        ("/api/send/a", {"X-API-Key": text}),
        ("/api/send/a", {"Cookie": f"key={text}"}),
        ("/api/send/a", {"Authorization": f"Basic {text}"}),
        ("/api/send/a", {"Authorization": text}),
        ("/api/send/a", {"Proxy-Authorization": f"Bearer {text}"}),
    ):
        answer = backends(front, "", is_long).ask("POST", path, text, headers)
        assert_problem(answer, 401)
        assert ("revoke it" in answer.json["detail"]) == ("?" in path)
    figure(api, "api_refused_key_in_url", 2)
    assert text not in front.log()


def test_a_key_that_is_revoked_is_refused_on_kept_connections_too(
    frontend: Callable[..., Program], keys: Keys, backends: Callable[..., Backend], is_long: bool
) -> None:
    first, second = keys.make("send"), keys.make("send")
    front = frontend("--workers", "2")
    kept = [backends(front, first, is_long) for _ in range(6)]
    assert [one.post("/api/send/a", b"x").status for one in kept] == [200] * 6
    keys.revoke(first)
    eventually(lambda: all(one.post("/api/send/a", b"x").status == 401 for one in kept), 3)
    assert backends(front, second, is_long).post("/api/send/a", b"x").status == 200
    third = keys.make("send")
    eventually(lambda: backends(front, third, is_long).post("/api/send/a", b"x").status == 200, 3)
    keys.path.write_bytes(keys.path.read_bytes() + b"rubbish\n")
    eventually(lambda: "of before stay" in front.log(), 3)
    assert "rubbish" not in front.log()
    assert backends(front, third, is_long).post("/api/send/a", b"x").status == 200


def test_a_key_that_is_revoked_amid_an_upload_sends_no_more(
    frontend: Callable[..., Program], keys: Keys, api: RouterClient
) -> None:
    text = keys.make("send")
    other = keys.make("send")
    front = frontend()
    connection = http.client.HTTPConnection(front.address.removeprefix("http://"), timeout=20)
    connection.putrequest("POST", "/api/send")
    for name, value in (
        *LINES.items(),
        ("Authorization", f"Bearer {text}"),
        ("Transfer-Encoding", "chunked"),
    ):
        connection.putheader(name, value)
    connection.endheaders()
    line = b'{"id":"a","message":"x"}\n' * 600

    def chunk() -> None:
        connection.send(b"%x\r\n%b\r\n" % (len(line), line))

    chunk()
    eventually(lambda: api.stats()["messages_in"] >= 512)
    keys.revoke(text)
    watch = Backend(front, key=other)
    eventually(lambda: "1 API key(s)" in front.log(), 5)
    chunk()
    answer = connection.getresponse()
    found: Any = json.loads(answer.read())
    assert (answer.status, found["detail"]) == (401, "the API key is good no longer")
    assert found["sent"] == len(found["receipts"]) == 512 == api.stats()["messages_in"]
    watch.close()
    connection.close()


def test_uses_are_told_for_each_key(
    frontend: Callable[..., Program],
    keys: Keys,
    backends: Callable[..., Backend],
    is_long: bool,
    api: RouterClient,
) -> None:
    text, idle = keys.make("send"), keys.make("send")
    backend = backends(frontend(), text, is_long)
    for _ in range(5):
        backend.post("/api/send/a", b"x")
    backend.ask("GET", "/api/stats")
    figure(api, f"api_key_{text[3:15]}", 5)
    assert f"api_key_{idle[3:15]}" not in api.stats()["frontends"][0]
    assert api.stats()["frontends"][0]["api_refused_scope"] == 1


def test_a_file_without_keys_opens_nothing(
    frontend: Callable[..., Program], keys: Keys, backends: Callable[..., Backend], is_long: bool
) -> None:
    keys.revoke(keys.make("send"))
    front = frontend()
    assert "nobody may use the API" in front.log()
    assert backends(front, "", is_long).post("/api/send/a", b"x").status == 401
