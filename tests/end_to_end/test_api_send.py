"""POST /api/send/<id>: each test for both ways that a request may take, past Tornado and through it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Client, Program, eventually, wait_for
from tests.end_to_end.posting import Answer, Backend
from zrouter.client import RouterClient

HEADERS = (
    *(
        b"Host: localhost",
        b"Host: 0.0.0.0:1",
        b"Content-Length: 3",
        b"Content-Length: 4",
        b"Content-Length: -1",
    ),
    *(b"Content-Length: 99999999999999999999", b"Transfer-Encoding: chunked", b"Connection: close"),
    *(b"Expect: 100-continue", b'Idempotency-Key: "', b"Upgrade: websocket", b"Origin: null"),
    *(b"no colon", b": x", b"X: \xff"),
)
TARGETS = (b"/api/send/a", b"/api/send/%", b"/api/send/\xc3", b"/api/send", b"*", b"/api/send/a b")


@pytest.fixture(params=[False, True], ids=["the short way", "through Tornado"])
def backend(request: pytest.FixtureRequest, front: Program) -> Iterator[Backend]:
    backend = Backend(front, request.param)
    yield backend
    backend.close()


def request_to(backend: Backend, an_id: str, body: bytes, *lines: str) -> bytes:
    """The bytes of a request on the backend's way."""
    target = f"{backend._prefix}/api/send/{an_id}"
    head = [f"POST {target} HTTP/1.1", f"Host: {backend.address}", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def spoken(front: Program, data: bytes, answers: int = 1) -> bytes:
    """What comes back for these bytes, until there are so many answers."""
    client = Client(front.address, "")
    client.socket.sendall(data)
    while client.seen.count(b"}\n") < answers:
        client.seen += client.socket.recv(65536) or pytest.fail(f"closed after {client.seen!r}")
    client.socket.close()
    return client.seen


def test_a_message_reaches_whoever_is_logged_in(backend: Backend, front: Program, api: RouterClient) -> None:
    clients = [Client(front.address, "/stream/user:1") for _ in range(3)]
    wait_for(api, "user:1", 3)
    answer = backend.post("/api/send/user:1", b"hello", Content_Type="text/plain")
    assert (answer.status, answer.json) == (200, {"connections": 3, "kept": False})
    assert answer.headers["Content-Type"] == "application/json"
    for client in clients:
        client.read_until(b'"message":"hello"}\n')


def test_the_receipt_says_that_nobody_is_there_or_that_it_is_kept(
    backend: Backend, front: Program, api: RouterClient
) -> None:
    assert backend.post("/api/send/nobody", b"x").json == {"connections": 0, "kept": False}
    client = Client(front.address, "/stream/gone")
    wait_for(api, "gone", 1)
    client.socket.close()
    wait_for(api, "gone", 0)
    assert backend.post("/api/send/gone", b"x").json == {"connections": 0, "kept": True}


@pytest.mark.parametrize("message", [b"", b"\x00\xff\n", b"x" * 65536, "snö".encode()], ids=len)
def test_any_bytes_are_a_message(backend: Backend, api: RouterClient, message: bytes) -> None:
    messages = api.login("to")
    answer = backend.post("/api/send/to", message, Content_Type="application/octet-stream")
    assert answer.json["connections"] == 1
    assert next(messages).message == message


@pytest.mark.parametrize("quoted", ["a/b", "a%2Fb", "s%C3%A9", "a+b", "a%20b", "%25", "a?b"])
def test_the_id_is_all_behind_the_path_percent_decoded(
    backend: Backend, api: RouterClient, quoted: str
) -> None:
    an_id = {"a%2Fb": "a/b", "s%C3%A9": "sé", "a%20b": "a b", "%25": "%", "a?b": "a"}.get(quoted, quoted)
    api.login(an_id)
    assert backend.post(f"/api/send/{quoted}", b"x").json["connections"] == 1


@pytest.mark.parametrize("an_id", ["", "%FF", "x" * 256, "%C3"])
def test_a_bad_id_is_400_and_the_connection_goes_on(backend: Backend, an_id: str) -> None:
    answer = backend.post(f"/api/send/{an_id}", b"x")
    assert_problem(answer, 400)
    assert "id" in answer.json["detail"]
    assert backend.post("/api/send/good", b"x").status == 200


def test_a_message_that_is_too_long_is_413_and_says_what_the_limit_is(backend: Backend) -> None:
    answer = backend.post("/api/send/a", b"x" * 65537)
    assert_problem(answer, 413)
    assert "65536" in answer.json["detail"]


def test_a_body_without_an_end_is_413_and_closed(front: Program) -> None:
    client = Client(front.address, "")
    head = b"POST /api/send/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    client.socket.sendall(head + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 4)
    assert b" 413 " in client.read_until(b"}\n")
    assert b"Connection: close" in client.seen
    client.read_to_end()


def test_a_chunked_body_is_a_message_too(front: Program, api: RouterClient) -> None:
    messages = api.login("to")
    head = b"POST /api/send/to HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b'"connections":1' in spoken(front, head + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert next(messages).message == b"abcde"


def test_a_body_may_come_slowly_and_in_pieces(backend: Backend, front: Program, api: RouterClient) -> None:
    messages = api.login("to")
    client = Client(front.address, "")
    for byte in request_to(backend, "to", b"hello"):
        client.socket.sendall(bytes([byte]))
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.read_until(b'"connections":1')
    assert next(messages).message == b"hello"


def test_a_client_that_wants_100_continue_gets_it(backend: Backend, front: Program) -> None:
    client = Client(front.address, "")
    head, body = request_to(backend, "to", b"hello", "Expect: 100-continue").split(b"\r\n\r\n")
    client.socket.sendall(head + b"\r\n\r\n")
    client.read_until(b"100 (Continue)\r\n\r\n")
    client.socket.sendall(body)
    client.read_until(b'"connections":0')


def test_requests_that_follow_at_once_are_answered_in_order(
    backend: Backend, front: Program, api: RouterClient
) -> None:
    """More than may be under way on one connection, with bad ones between."""
    messages = api.login("to")
    data = b"".join(
        request_to(backend, "to" if number % 3 else "%FF", b"%d" % number) for number in range(500)
    )
    seen = spoken(front, data, 500)
    statuses = [line.split()[1] for line in seen.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    statuses += [part.split()[0] for part in seen.split(b"}\nHTTP/1.1 ")[1:]]
    assert sorted(statuses) == [b"200"] * 333 + [b"400"] * 167
    in_order = [b'"connections":1' in part for part in seen.split(b"}\n")[:-1]]
    assert in_order == [number % 3 > 0 for number in range(500)]
    came = [int(next(messages).message) for _ in range(333)]
    assert came == [number for number in range(500) if number % 3]


def test_what_is_no_send_may_follow_on_the_same_connection(backend: Backend) -> None:
    assert backend.post("/api/send/a", b"x").status == 200
    assert backend.ask("GET", "/api/who/a").status == 200
    assert backend.post("/api/send/a", b"x").status == 200


def test_a_request_that_is_none_of_ours_waits_for_the_answers_before_it(front: Program) -> None:
    send = b"POST /api/send/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx"
    seen = spoken(front, send * 2 + b"GET /api/who/a HTTP/1.1\r\nHost: localhost\r\n\r\n", 3)
    assert seen.count(b" 200 OK") == 3
    assert seen.endswith(b'"frontends":[]}\n')


def test_connection_close_closes_after_the_answer(backend: Backend, front: Program) -> None:
    client = Client(front.address, "")
    client.socket.sendall(request_to(backend, "a", b"x", "Connection: close"))
    seen = client.read_to_end()
    assert b" 200 OK\r\n" in seen
    assert b"Connection: close\r\n" in seen
    assert seen.endswith(b'{"connections":0,"kept":false}\n')


def test_http_1_0_is_answered(front: Program) -> None:
    client = Client(front.address, "")
    client.socket.sendall(b"POST /api/send/a HTTP/1.0\r\nContent-Length: 1\r\n\r\nx")
    assert b'{"connections":0,"kept":false}\n' in client.read_to_end()


def test_a_client_that_closes_its_half_gets_its_answers(front: Program) -> None:
    client = Client(front.address, "")
    client.socket.sendall(request_to(Backend(front), "a", b"x") * 200)
    client.socket.shutdown(socket.SHUT_WR)
    assert client.read_to_end().count(b'{"connections":0,"kept":false}\n') == 200


def test_a_client_that_leaves_in_the_middle_harms_nobody(backend: Backend, front: Program) -> None:
    for _ in range(20):
        client = Client(front.address, "")
        client.socket.sendall(request_to(backend, "a", b"hello")[:-3])
        client.socket.close()
    assert backend.post("/api/send/a", b"x").status == 200


def test_two_hosts_are_400(front: Program) -> None:
    client = Client(front.address, "")
    client.socket.sendall(b"POST /api/send/a HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 1\r\n\r\nx")
    assert b" 400 " in client.read_to_end()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "BREW"])
def test_other_methods_are_405_and_say_which_there_are(backend: Backend, method: str) -> None:
    answer = backend.ask(method, "/api/send/a")
    assert_problem(answer, 405)
    assert answer.headers["Allow"] == "POST, OPTIONS"


def test_more_connections_than_the_desk_has_seats_are_served(
    start: Callable[..., Program], router: Program
) -> None:
    listen = ("--listen", "127.0.0.1:0", "--router", router.address, "--api-connections", "2")
    front = start("zfront", "serve", *listen)
    backends = [Backend(front) for _ in range(5)]
    for _ in range(2):
        for backend in backends:
            assert answered(backend) == 200
    for backend in backends:
        backend.close()


def answered(backend: Backend) -> int:
    """The status of a send, again on a new connection if this one was closed for being idle."""
    try:
        return backend.post("/api/send/a", b"x").status
    except (ConnectionError, BrokenPipeError):
        backend.close()
        return backend.post("/api/send/a", b"x").status


def test_sends_count(backend: Backend, router: Program, api: RouterClient) -> None:
    def figures() -> dict[str, int]:
        return dict(api.stats()["frontends"][0]) if api.stats()["frontends"] else {}

    before = eventually(figures)
    backend.post("/api/send/a", b"x")
    backend.post("/api/send/", b"x")
    eventually(lambda: figures()["api_requests"] == before["api_requests"] + 2)
    assert figures()["api_sent"] == before["api_sent"] + 1
    assert figures()["api_refused"] == before["api_refused"] + 1


@pytest.fixture(scope="module")
def garbage_front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("garbage")
    router = Program(folder / "router", "zrouter", "serve", "--bind", "tcp://127.0.0.1:0")
    listen = ("--listen", "127.0.0.1:0", "--router", router.address)
    front = Program(folder / "front", "zfront", "serve", *listen)
    yield front
    front.stop()
    router.stop()
    assert "Traceback" not in (folder / "front").read_text()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    head=st.lists(st.sampled_from(HEADERS)),
    target=st.sampled_from(TARGETS),
    body=st.binary(max_size=40),
)
def test_garbage_is_answered_or_closed_and_harms_nobody(
    garbage_front: Program, head: list[bytes], target: bytes, body: bytes
) -> None:
    client = Client(garbage_front.address, "")
    client.socket.sendall(b"\r\n".join([b"POST %s HTTP/1.1" % target, *head]) + b"\r\n\r\n" + body)
    client.socket.shutdown(socket.SHUT_WR)
    seen = client.read_to_end()
    client.socket.close()
    assert seen == b"" or seen.startswith(b"HTTP/1.1 ")
    assert b" 500 " not in seen
    backend = Backend(garbage_front)
    assert backend.post("/api/send/a", b"x").status == 200
    backend.close()


def assert_problem(answer: Answer, status: int) -> None:
    """It is a problem of RFC 9457."""
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["status"] == status
    assert answer.json["type"] == "about:blank"
    assert answer.json["title"]
    assert answer.json["detail"]
