"""Who comes back for more than may wait for a client gets all of it, however slowly it reads."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable

import pytest

from tests.conftest import Client, Program, eventually
from zrouter.client import RouterClient

MESSAGES, SIZE = 40, 20_000


@pytest.mark.parametrize("path", ["sse", "stream", "poll"])
def test_a_slow_client_that_missed_much_gets_all_of_it_once(start: Callable[..., Program], path: str) -> None:
    router = start("zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--mailbox-bytes", "2000000")
    api = RouterClient(router.address)
    listen = ("--listen", "127.0.0.1:0", "--router", router.address)
    front = start("zfront", "serve", *listen, "--outbox", "20000", "--unsent", "20000")
    first = Client(front.address, "/stream/a")
    opened = first.read_until(b'"open"')
    offset = re.search(rb'"offset":"([^"]+)"', opened + first.read_until(b"}\n"))
    assert offset
    first.socket.close()
    eventually(lambda: not api.who("a")["a"])
    assert set(api.send_many([("a", b"%d." % number + b"x" * SIZE) for number in range(MESSAGES)])) == {-1}
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, port = front.address.removeprefix("http://").rsplit(":", 1)
    slow.connect((host, int(port)))
    slow.sendall(b"GET /%s/a?since=%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % (path.encode(), offset[1]))
    time.sleep(1)  # it does not read; a poll is answered and over by then
    slow.settimeout(20)
    seen = b""
    while seen.count(b"xxx\n" if path == "sse" else b'xxx"') < MESSAGES:
        piece = slow.recv(65536)
        assert piece, "closed in the middle"
        seen += piece
    numbers = [int(one) for one in re.findall(rb"\b(\d+)\.xx", seen)]
    assert numbers == list(range(MESSAGES))
    assert b"gap" not in seen
    slow.close()
    api.close()
