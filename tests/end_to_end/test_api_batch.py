"""POST /api/send: many messages in one request, as a JSON array or as lines of JSON."""

from __future__ import annotations

import base64
import json
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import Client, Program, eventually
from tests.end_to_end.posting import JSON, LINES, Backend
from tests.end_to_end.test_api_send import assert_problem
from zrouter.client import RouterClient

NOBODY = {"connections": 0, "kept": False}
ONE = {"connections": 1, "kept": False}


@pytest.fixture
def backend(front: Program) -> Iterator[Backend]:
    backend = Backend(front)
    yield backend
    backend.close()


def elements(count: int, an_id: str = "to", message: str = "{}") -> list[dict[str, str]]:
    return [{"id": an_id, "message": message.format(number)} for number in range(count)]


def lines(found: list[Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in found)


def post(backend: Backend, form: str, found: list[Any], **more: str) -> Any:
    """As an array or as lines."""
    is_lines = form == "lines"
    body = lines(found) if is_lines else json.dumps(found).encode()
    return backend.ask("POST", "/api/send", body, {**(LINES if is_lines else JSON), **more})


@pytest.mark.parametrize("form", ["array", "lines"])
def test_messages_come_in_order_with_a_receipt_each(backend: Backend, api: RouterClient, form: str) -> None:
    messages = api.login("to")
    found = elements(2000)
    found[7] = {"id": "nobody", "message": "x"}
    answer = post(backend, form, found)
    assert answer.status == 200
    assert answer.json["receipts"] == [NOBODY if number == 7 else ONE for number in range(2000)]
    assert [int(next(messages).message) for _ in range(1999)] == [n for n in range(2000) if n != 7]


@pytest.mark.parametrize("form", ["array", "lines"])
def test_a_message_may_be_in_base64(backend: Backend, api: RouterClient, form: str) -> None:
    messages = api.login("to")
    found = [{"id": "to", "base64": base64.b64encode(b"\x00\xff").decode()}, {"id": "to", "base64": ""}]
    assert post(backend, form, found).json["receipts"] == [ONE, ONE]
    assert [next(messages).message for _ in range(2)] == [b"\x00\xff", b""]


@pytest.mark.parametrize("form", ["array", "lines"])
def test_none_are_none(backend: Backend, form: str) -> None:
    assert post(backend, form, []).json == {"receipts": []}


def test_the_last_line_needs_no_end_and_empty_lines_do_not_count(backend: Backend) -> None:
    body = b'\r\n\n{"id":"a","message":"x"}\r\n\n{"id":"a","message":"y"}'
    assert backend.ask("POST", "/api/send", body, LINES).json == {"receipts": [NOBODY] * 2}


def test_ten_thousand_are_taken_and_one_more_is_not(backend: Backend, api: RouterClient) -> None:
    before = api.stats()["messages_in"]
    for form in ("array", "lines"):
        assert len(post(backend, form, elements(10_000)).json["receipts"]) == 10_000
    answer = post(backend, "array", elements(10_001))
    assert_problem(answer, 413)
    assert "sent" not in answer.json
    answer = post(backend, "lines", elements(10_001))
    assert_problem(answer, 413)
    assert (answer.json["line"], answer.json["sent"]) == (10_001, 10_000)
    assert api.stats()["messages_in"] - before == 30_000


BAD = [
    ({"id": "", "message": "x"}, 400),
    ({"id": "x" * 256, "message": "x"}, 400),
    ({"id": "a"}, 400),
    ({"id": "a", "message": "x", "base64": ""}, 400),
    ({"id": "a", "base64": "*"}, 400),
    ({"id": "a", "message": 1}, 400),
    ({"id": "a", "mesage": "x"}, 400),
    ({"message": "x"}, 400),
    ([], 400),
    (None, 400),
    ({"id": "a", "message": "x" * 65537}, 413),
]


@pytest.mark.parametrize(("bad", "status"), BAD, ids=range(len(BAD)))
def test_of_an_array_with_a_bad_element_nothing_is_sent(
    backend: Backend, api: RouterClient, bad: Any, status: int
) -> None:
    before = api.stats()["messages_in"]
    answer = post(backend, "array", [*elements(3), bad, *elements(2)])
    assert_problem(answer, status)
    assert "3" in answer.json["detail"]
    assert api.stats()["messages_in"] == before
    assert post(backend, "array", elements(1)).status == 200  # the connection goes on


@pytest.mark.parametrize(("bad", "status"), BAD, ids=range(len(BAD)))
def test_a_bad_line_is_named_and_what_was_sent_before_it(
    backend: Backend, api: RouterClient, bad: Any, status: int
) -> None:
    before = api.stats()["messages_in"]
    answer = post(backend, "lines", [*elements(600), bad, *elements(2)])
    assert_problem(answer, status)
    assert answer.json["line"] == 601
    assert answer.json["detail"].startswith("line 601: ")
    assert answer.json["sent"] == 600
    assert answer.json["receipts"] == [NOBODY] * 600
    assert api.stats()["messages_in"] == before + 600


@pytest.mark.parametrize("body", [b"", b"{", b"[", b"\xff", b'"x"', b"[" * 100_000, b'[{"id":"a"}', b"nul"])
@pytest.mark.parametrize("kind", [JSON, LINES], ids=["array", "lines"])
def test_what_is_no_json_is_400(backend: Backend, kind: dict[str, str], body: bytes) -> None:
    answer = backend.ask("POST", "/api/send", body, kind)
    if body or kind == JSON:
        assert_problem(answer, 400)
    else:
        assert answer.json == {"receipts": []}


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_type_is_415_and_says_which_there_are(backend: Backend, kind: str) -> None:
    answer = backend.ask("POST", "/api/send", b"[]", {"Content-Type": kind})
    assert_problem(answer, 415)
    assert answer.headers["Accept-Post"] == "application/json, application/x-ndjson, application/jsonl"
    assert (
        backend.ask("POST", "/api/send", b"[]", {"Content-Type": "Application/JSON; charset=utf-8"}).status
        == 200
    )


def test_a_line_without_an_end_is_413(backend: Backend, front: Program) -> None:
    client = Client(front.address, "")
    head = "POST /api/send HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/jsonl\r\n"
    client.socket.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
    client.socket.sendall((b"10000\r\n" + b" " * 65535 + b"{\r\n") * 10)
    seen = client.read_to_end()
    assert b" 413 " in seen
    assert b'"line":1,' in seen


def test_a_body_beyond_the_bound_is_413_before_it_is_read(
    start: Callable[..., Program], router: Program
) -> None:
    listen = ("--listen", "127.0.0.1:0", "--router", router.address, "--max-body", "100K")
    front = start("zfront", "serve", *listen)
    backend = Backend(front)
    assert_problem(post(backend, "array", elements(1, message="x" * 60_000) * 2), 413)
    backend.close()
    client = Client(front.address, "")
    head = "POST /api/send HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    client.socket.sendall(f"{head}Content-Length: 999999999\r\n\r\n".encode())
    assert b" 413 " in client.read_to_end()
    client = Client(front.address, "")
    client.socket.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
    client.socket.sendall((b"10000\r\n" + b" " * 65536 + b"\r\n") * 3)
    assert b" 413 " in client.read_to_end()


def test_lines_are_sent_as_they_come(front: Program, api: RouterClient) -> None:
    messages = api.login("to")
    client = Client(front.address, "")
    head = "POST /api/send HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/jsonl\r\n"
    client.socket.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
    data = lines(elements(1500))
    client.socket.sendall(b"%x\r\n%s\r\n" % (len(data), data))
    assert [int(next(messages).message) for _ in range(1024)] == list(range(1024))  # the frames that are full
    client.socket.sendall(b"0\r\n\r\n")
    assert client.read_until(b"]}\n").count(b'{"connections":1,"kept":false}') == 1500


def test_a_body_that_is_too_slow_is_408_and_says_what_was_sent(
    start: Callable[..., Program], router: Program
) -> None:
    listen = ("--listen", "127.0.0.1:0", "--router", router.address, "--body-timeout", "0.5")
    front = start("zfront", "serve", *listen)
    for kind, said in (("jsonl", b'"sent":512,'), ("json", b'"status":408,')):
        client = Client(front.address, "")
        head = f"POST /api/send HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/{kind}\r\n"
        client.socket.sendall(f"{head}Content-Length: 1000000\r\n\r\n".encode() + lines(elements(600)))
        seen = client.read_to_end()
        assert seen.startswith(b"HTTP/1.1 408 ")
        assert said in seen


def test_requests_that_would_hold_too_much_are_503_and_counted(
    start: Callable[..., Program], router: Program, api: RouterClient
) -> None:
    listen = ("--listen", "127.0.0.1:0", "--router", router.address, "--api-memory", "100K")
    backend = Backend(start("zfront", "serve", *listen))
    answer = post(backend, "array", elements(2, message="x" * 60_000))
    assert_problem(answer, 503)
    assert answer.headers["Retry-After"] == "1"
    assert post(backend, "array", elements(2)).status == 200
    eventually(lambda: [row for row in api.stats()["frontends"] if row.get("api_busy") == 1])


@pytest.mark.parametrize("form", ["array", "lines"])
def test_a_batch_that_is_sent_again_with_its_key_is_sent_once(
    backend: Backend, api: RouterClient, form: str
) -> None:
    """More than one frame, and again in other pieces and in the other form."""
    messages = api.login("to")
    first = post(backend, form, elements(1500), **{"Idempotency-Key": '"batch-1"'})
    for again in ("array", "lines"):
        assert post(backend, again, elements(1500), **{"Idempotency-Key": '"batch-1"'}).json == first.json
    assert backend.post("/api/send/to", b"end").status == 200
    assert [next(messages).message for _ in range(1500)] == [b"%d" % number for number in range(1500)]
    assert next(messages).message == b"end"


def test_other_content_with_the_same_key_is_422(backend: Backend) -> None:
    key = {"Idempotency-Key": "batch-2"}
    assert post(backend, "array", elements(1500), **key).status == 200
    assert_problem(post(backend, "array", elements(1499), **key), 422)
    assert_problem(post(backend, "array", elements(1500, "other"), **key), 422)


def test_a_router_that_is_killed_during_a_batch_says_what_came_through(
    start: Callable[..., Program], front: Program, router: Program
) -> None:
    client = Client(front.address, "")
    head = "POST /api/send HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/jsonl\r\n"
    client.socket.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
    data = lines(elements(512))

    def stream() -> None:
        client.socket.sendall(b"%x\r\n%s\r\n" % (len(data), data))

    stream()
    with RouterClient(router.address) as api:
        stream()  # the first frame is full
        eventually(lambda: api.stats()["messages_in"] >= 512)
    router.tell(signal.SIGKILL)
    router.process.wait()
    sender = threading.Thread(target=stream)
    sender.start()
    seen = client.read_until(b"}\n")
    sender.join()
    assert seen.startswith((b"HTTP/1.1 503 ", b"HTTP/1.1 504 "))
    problem = json.loads(seen.partition(b"\r\n\r\n")[2])
    assert problem["sent"] == len(problem["receipts"]) >= 512
