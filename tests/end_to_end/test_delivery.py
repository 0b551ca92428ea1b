"""Messages from send to the client's socket, through real programs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from tests.conftest import Client, Program, eventually, needs_curl, wait_for
from zrouter.client import RouterClient
from zrouter.wire import KEPT


@pytest.fixture(params=[(), ("--no-park",)], ids=["parked", "held"])
def front(request: pytest.FixtureRequest, start: Callable[..., Program], router: Program) -> Program:
    """A frontend, whether it parks its clients or not."""
    return start("zfront", "serve", "--listen", "127.0.0.1:0", "--router", router.address, *request.param)


def test_a_message_is_one_chunk_counted_from_one_and_escaped(front: Program, api: RouterClient) -> None:
    client = Client(front.address, "/test/1?welcome=1")
    wait_for(api, "1", 1)
    assert api.send("1", "it's <b>") == 1
    assert api.send("1", "two") == 1
    seen = client.read_until(b"#2: 'two'<br/>\n\r\n")
    line = b"Recvd msg #1: 'it&#x27;s &lt;b&gt;'<br/>\n"
    assert b"zfront welcomes you! Your Id: 1" in seen
    assert b"%x\r\n%b\r\n" % (len(line), line) in seen


@needs_curl
def test_curl_reads_the_stream(front: Program, api: RouterClient) -> None:
    with subprocess.Popen(
        ["curl", "-sN", f"{front.address}/test/user:1"], stdout=subprocess.PIPE, bufsize=0
    ) as curl:
        wait_for(api, "user:1", 1)
        api.send("user:1", "hello")
        assert curl.stdout is not None
        assert curl.stdout.readline() == b"Recvd msg #1: 'hello'<br/>\n"
        curl.terminate()


def test_nobody_is_a_receipt_of_zero(front: Program, api: RouterClient) -> None:
    assert api.send("nobody", "x") == 0


def test_several_ids_on_one_connection_and_several_connections_of_one_id(
    front: Program, api: RouterClient
) -> None:
    clients = [Client(front.address, "/test/a?id=b&id=c") for _ in range(3)]
    wait_for(api, "c", 3)
    assert [api.send(an_id, an_id) for an_id in "abc"] == [3, 3, 3]
    for client in clients:
        client.read_until(b"#3: 'c'")


def test_order_is_kept_for_an_id(front: Program, api: RouterClient) -> None:
    client = Client(front.address, "/test/1")
    wait_for(api, "1", 1)
    count, portion = 20_000, 2_000
    for first in range(0, count, portion):  # no more at a time than may wait for a client
        numbers = range(first, first + portion)
        assert api.send_many((b"1", b"%d" % number) for number in numbers) == [1] * portion
        client.read_until(b"#%d: " % numbers.stop)
    seen = client.read_until(b"'%d'<br/>" % (count - 1))
    places = [seen.index(b"#%d: '%d'" % (number + 1, number)) for number in range(0, count, 100)]
    assert places == sorted(places)


def test_a_client_that_left_gets_nothing(front: Program, api: RouterClient) -> None:
    client = Client(front.address, "/test/1")
    wait_for(api, "1", 1)
    client.socket.close()
    wait_for(api, "1", 0)
    assert api.send("1", "x") == KEPT


def test_a_kicked_client_is_closed(front: Program, api: RouterClient) -> None:
    client = Client(front.address, "/test/1")
    wait_for(api, "1", 1)
    assert api.kick("1") == 1
    assert client.read_to_end().endswith(b"0\r\n\r\n")
    wait_for(api, "1", 0)


def test_ticks_come_by_themselves(front: Program) -> None:
    client = Client(front.address, "/test/7?tick=0.1")
    client.read_until(b"Chunk 3 for id 7")


def test_a_frontend_with_two_workers_serves_and_ends_cleanly(
    start: Callable[..., Program], router: Program, api: RouterClient
) -> None:
    front = start("zfront", "serve", "--listen", "127.0.0.1:0", "--workers", "2", "--router", router.address)
    clients = [Client(front.address, "/test/1") for _ in range(20)]
    wait_for(api, "1", 20)
    assert api.send("1", "all") == 20
    for client in clients:
        client.read_until(b"'all'")
    assert front.stop() == 0
    for client in clients:
        client.read_to_end()


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /nope", 404),
        ("POST /test/1", 404),
        ("POST /nope", 404),
        ("PUT /test/1", 501),
        ("DELETE /nope", 501),
        ("POST /", 404),
        ("PATCH /", 501),
        ("PUT /demo", 501),
        ("DELETE /pages/demo.js", 501),
        ("GET /pages/nope.js", 404),
        ("GET /test/", 400),
        ("GET /test/%FF", 400),
        ("GET /test/" + "x" * 256, 400),
        ("GET /test/1?tick=nan", 400),
        ("HEAD /test/1", 200),
    ],
)
def test_what_can_not_be_had_is_said(front: Program, request_line: str, status: int) -> None:
    client = Client(front.address, "")
    client.socket.sendall(f"{request_line} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n".encode())
    assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 %d " % status)
    assert status == 200 or b"\r\nContent-Type: text/plain; charset=utf-8\r\n" in client.seen


def test_a_request_that_goes_through_tornado_is_parked_too(front: Program, api: RouterClient) -> None:
    client = Client(front.address, "")
    client.socket.sendall(b"GET /test/1 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
    client.read_until(b"\r\n\r\n")
    wait_for(api, "1", 1)
    api.send("1", "hello")
    client.read_until(b"#1: 'hello'")
    client.socket.close()
    wait_for(api, "1", 0)


def test_a_request_in_pieces_is_parked_too(front: Program, api: RouterClient) -> None:
    client = Client(front.address, "")
    client.socket.sendall(b"GET /test/1 HT")
    client.socket.sendall(b"TP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    client.read_until(b"\r\n\r\n")
    wait_for(api, "1", 1)
    api.send("1", "hello")
    client.read_until(b"'hello'")


def raw(front: Program, request: bytes) -> Client:
    """A client that has sent exactly this and read the head of the answer."""
    client = Client(front.address, "")
    client.socket.sendall(request)
    client.read_until(b"\r\n\r\n")
    return client


def test_of_two_requests_in_one_packet_the_first_is_served(front: Program, api: RouterClient) -> None:
    client = raw(
        front, b"".join(b"GET /test/%d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % number for number in (1, 2))
    )
    wait_for(api, "1", 1)
    assert api.stats()["ids"] == 1
    api.send("1", "first")
    client.read_until(b"Recvd msg #1: 'first'")


def test_head_answers_with_the_head_of_get_and_no_length(front: Program) -> None:
    head = raw(front, b"HEAD /test/1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").seen
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"text/html; charset=utf-8" in head
    assert b"Content-Length" not in head


def test_a_request_without_a_host_is_refused(front: Program) -> None:
    assert raw(front, b"GET /test/1 HTTP/1.1\r\nX: y\r\n\r\n").seen.startswith(b"HTTP/1.1 400 ")


def test_a_request_that_comes_late_into_a_full_house_is_turned_away_too(
    start: Callable[..., Program], router: Program, api: RouterClient
) -> None:
    front = start(
        "zfront", "serve", "--listen", "127.0.0.1:0", "--router", router.address, "--max-connections", "1"
    )
    late = Client(front.address, "")
    late.socket.sendall(b"GET /test/2 HTTP/1.1\r\n")  # half a head: Tornado waits for the rest
    first = Client(front.address, "/test/1")
    wait_for(api, "1", 1)
    late.socket.sendall(b"Host: 127.0.0.1\r\n\r\n")
    assert b"503" in late.read_until(b"\r\n\r\n")
    assert b"Retry-After: 5" in late.seen
    eventually(lambda: api.stats()["frontends"][0].get("turned_away") == 1)
    first.socket.close()


def test_a_client_that_never_reads_is_closed_and_counted(front: Program, api: RouterClient) -> None:
    slow = Client(front.address, "/test/slow")
    quick = Client(front.address, "/test/quick")
    wait_for(api, "slow", 1)
    wait_for(api, "quick", 1)
    body = b"x" * 60_000
    eventually(lambda: api.send_many([(b"slow", body)] * 16)[0] == KEPT)
    eventually(lambda: api.stats()["frontends"][0].get("closed_slow") == 1)
    assert api.send("quick", "still here") == 1
    quick.read_until(b"'still here'")
    slow.socket.close()
