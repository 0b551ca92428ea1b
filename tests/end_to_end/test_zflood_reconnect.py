"""`zflood clients --reconnect`: cuts of each kind, and what is counted of them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import pytest

from tests.conftest import Program, eventually
from tests.end_to_end.flooding import Flood, flooded
from tests.end_to_end.pushing import PushServer
from zrouter.client import RouterClient

COUNT = 60
IDS = ("--ids", f"1-{COUNT}")


@pytest.mark.parametrize("transport", ["chunked", "sse", "ws"])
@pytest.mark.parametrize("is_reset", [False, True])
def test_who_is_cut_comes_back_and_no_error_is_counted(transport: str, is_reset: bool) -> None:
    with PushServer(messages=1, ends=False) as server:
        url = f"http://127.0.0.1:{server.port}/{transport}/%d"
        with Flood("--transport", transport, "--url", url, *IDS, "--reconnect", "--processes", "2") as flood:
            flood.until(lambda seen: seen["chunks"] == COUNT)
            assert flood.seen["back_s"] is None
            for cuts in (1, 2):
                server.cut(is_reset)
                flood.until(lambda seen, cuts=cuts: seen["chunks"] == COUNT * (1 + cuts))  # type: ignore[misc]
        seen = flood.seen
    assert seen["errors"] == {}
    assert sum(seen["cuts"].values()) == 2 * COUNT
    if not is_reset:
        assert set(seen["cuts"]) == {
            "closed without a close frame" if transport == "ws" else "truncated response"
        }
    assert (seen["connected"], seen["reconnects"], seen["closed"]) == (3 * COUNT, 2 * COUNT, 2 * COUNT)
    assert 0 < seen["back_s"] < 5
    assert flood.status == 0


def test_an_orderly_end_is_followed_by_another_connection_too() -> None:
    with PushServer(messages=1, ends=True) as server:
        url = f"http://127.0.0.1:{server.port}/sse/%d"
        with Flood("--transport", "sse", "--url", url, "--ids", "1-5", "--reconnect") as flood:
            seen = flood.until(lambda seen: seen["reconnects"] >= 20)
    assert (seen["errors"], seen["cuts"]) == ({}, {})
    assert seen["ended"] >= 20


def test_polls_that_are_cut_are_asked_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(3):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
                    connection.recv(4096)

        server = threading.Thread(target=serve)
        server.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/%d"
        with Flood("--transport", "poll", "--url", url, "--ids", "1-1", "--reconnect") as flood:
            seen = flood.until(lambda seen: seen["chunks"] == 3 and seen["reconnects"] >= 2)
        server.join()
    assert seen["errors"] == {}


def test_without_the_option_a_reset_is_an_error_and_the_end() -> None:
    with PushServer(messages=1, ends=False) as server:
        url = f"http://127.0.0.1:{server.port}/chunked/%d"
        with Flood("--url", url, *IDS) as flood:
            flood.until(lambda seen: seen["chunks"] == COUNT)
            server.cut(is_reset=True)
            with pytest.raises(AssertionError, match="it ended"):
                flood.until(lambda seen: False)
    assert flood.seen["errors"] == {"Connection reset by peer": COUNT}
    assert flood.seen["closed"] == COUNT


def test_clients_of_a_frontend_that_was_killed_are_back_soon_after_it(
    start: Callable[..., Program], router: Program, front: Program, api: RouterClient
) -> None:
    with Flood("--url", f"{front.address}/test/%d", *IDS, "--reconnect", "--processes", "2") as flood:
        flood.until(lambda seen: seen["connected"] == COUNT)
        front.process.kill()
        front.process.wait()
        flood.until(lambda seen: sum(seen["errors"].values()) > COUNT and not seen["active"])
        start(
            "zfront", "serve", "--listen", front.address.removeprefix("http://"), "--router", router.address
        )
        flood.until(lambda seen: seen["active"] == COUNT and seen["reconnects"] == COUNT)
        eventually(lambda: api.stats()["connections"] == COUNT)
        assert api.send_many([(b"%d" % an_id, b"hello") for an_id in range(1, COUNT + 1)]) == [1] * COUNT
        seen = flood.until(lambda seen: seen["chunks"] == COUNT)
    assert set(seen["errors"]) <= {
        "reconnecting: Connection refused",
        "reconnecting: Connection reset by peer",
        "reconnecting: closed without an answer",
    }
    assert seen["closed"] >= COUNT
    assert seen["back_s"] > 0.1
    assert flood.status == 1


def test_a_server_that_ends_what_it_answers_is_not_asked_without_pauses() -> None:
    with PushServer(messages=0, ends=True) as server:
        url = f"http://127.0.0.1:{server.port}/chunked/%d"
        status, _ = flooded("--url", url, "--ids", "1-1", "--reconnect", "--seconds", "1.5")
    assert status == 0
    assert 3 <= server.asked <= 60


def test_who_was_never_answered_tries_again_too() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, not listening
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/%d"
        with Flood("--url", url, "--ids", "1-3", "--reconnect") as flood:
            flood.until(lambda seen: sum(seen["errors"].values()) > 3)
            assert flood.seen["errors"]["Connection refused"] == 3
            nobody.listen()
            flood.until(lambda seen: seen["active"] == 3)
    assert set(flood.seen["errors"]) == {"Connection refused", "reconnecting: Connection refused"}
