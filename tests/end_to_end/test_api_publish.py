"""POST /api/publish/<id>: the message comes to whoever follows the id, on whichever frontend, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import Client, Program, wait_for
from tests.end_to_end.posting import JSON, Backend
from tests.end_to_end.test_api_send import assert_problem
from zrouter.client import RouterClient


@pytest.fixture
def backend(front: Program) -> Iterator[Backend]:
    backend = Backend(front)
    yield backend
    backend.close()


def test_followers_on_all_frontends_get_it_and_the_receipt_says_how_many(
    start: Callable[..., Program], router: Program, front: Program, backend: Backend, api: RouterClient
) -> None:
    other = start("zfront", "serve", "--listen", "127.0.0.1:0", "--router", router.address)
    for follower in ("ann", "bob", "gone", "away"):
        assert backend.ask("PUT", f"/api/follows/{follower}/cat").status == 201
    clients = [Client(front.address, "/stream/ann"), Client(other.address, "/stream/ann")]
    clients.append(Client(other.address, "/stream/bob"))
    stranger, gone = Client(front.address, "/stream/stranger"), Client(front.address, "/stream/gone")
    for an_id, connections in (("ann", 2), ("bob", 1), ("stranger", 1), ("gone", 1)):
        wait_for(api, an_id, connections)
    gone.socket.close()
    wait_for(api, "gone", 0)
    answer = backend.post("/api/publish/cat", b"miaow", Content_Type="text/plain")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json == {"id": "cat", "followers": 4, "online": 2, "connections": 3, "kept": 1}
    for client in clients:
        client.read_until(b'"message":"miaow"}\n')
    assert backend.post("/api/send/stranger", b"end").status == 200
    assert b"miaow" not in stranger.read_until(b'"message":"end"}\n')


@pytest.mark.parametrize("message", [b"", b"\x00\xff\n", b"x" * 65536], ids=len)
def test_any_bytes_are_a_message(backend: Backend, api: RouterClient, message: bytes) -> None:
    messages = api.login("ann")
    api.follow("ann", "cat")
    assert backend.post("/api/publish/cat", message).json["connections"] == 1
    assert next(messages).message == message


@pytest.mark.parametrize("quoted", ["a/b", "a%2Fb", "s%C3%A9", "a+b", "a%20b", "%25", "followers"])
def test_the_id_is_all_behind_the_path_percent_decoded(
    backend: Backend, api: RouterClient, quoted: str
) -> None:
    an_id = {"a%2Fb": "a/b", "s%C3%A9": "sé", "a%20b": "a b", "%25": "%"}.get(quoted, quoted)
    api.follow("ann", an_id)
    assert backend.post(f"/api/publish/{quoted}", b"x").json["followers"] == 1


def test_with_the_same_key_it_is_published_once(backend: Backend, api: RouterClient) -> None:
    messages = api.login("ann")
    api.follow("ann", "cat")
    receipt = {"id": "cat", "followers": 1, "online": 1, "connections": 1, "kept": 0}
    for _ in range(3):
        assert backend.post("/api/publish/cat", b"x", Idempotency_Key='"k"').json == receipt
    assert backend.post("/api/publish/cat", b"end").json == receipt
    assert [next(messages).message for _ in range(2)] == [b"x", b"end"]
    assert_problem(backend.post("/api/publish/cat", b"y", Idempotency_Key="k"), 422)
    assert_problem(backend.post("/api/send/cat", b"x", Idempotency_Key="k"), 422)


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("", b"x", {}, 400),
        ("%FF", b"x", {}, 400),
        ("a", b"x", {"Idempotency-Key": "a b"}, 400),
        ("a", b"x" * 65537, {}, 413),
        ("a", b"x", {"Via": "a proxy"}, 403),
        ("a", b"x", {"Origin": "https://elsewhere.example"}, 403),
    ],
)
def test_what_is_refused_is_as_of_a_send(
    backend: Backend, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    found = backend.ask("POST", f"/api/publish/{path}", body, headers)
    assert_problem(found, status)
    assert found.json == backend.ask("POST", f"/api/send/{path}", body, headers).json
    assert backend.post("/api/publish/good", b"x", **JSON).status == 200


def test_a_body_in_chunks_is_a_message_too(front: Program, api: RouterClient) -> None:
    messages = api.login("ann")
    api.follow("ann", "cat")
    client = Client(front.address, "")
    head = b"POST /api/publish/cat HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    client.socket.sendall(head + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    client.read_until(b'"connections":1')
    assert next(messages).message == b"abcde"
