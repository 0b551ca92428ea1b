"""IPv6 from end to end: each program listens on it, and is found there."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from tests.conftest import Client, Program, wait_for
from tests.zrouter.conftest import Connect, connect  # noqa: F401
from zrouter.client import RouterClient


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


pytestmark = pytest.mark.skipif(not _has_ipv6(), reason="no IPv6 here")


def test_a_message_goes_from_a_client_through_router_and_frontend_over_ipv6(
    start: Callable[..., Program],
    connect: Connect,  # noqa: F811
) -> None:
    router = start("zrouter", "serve", "--bind", "tcp://[::1]:0", "--store", "none")
    assert router.address.startswith("tcp://[::1]:")
    front = start("zfront", "serve", "--listen", "[::1]:0", "--router", router.address)
    assert front.address.startswith("http://[::1]:")
    port = int(front.address.rpartition(":")[2])
    with RouterClient(router.address) as api:
        reader = Client(f"http://::1:{port}", "/test/5")
        wait_for(api, "5", 1)
        client = connect(router.address)
        assert client.send("5", "hello") == 1
        reader.read_until(b"hello")


def test_a_router_on_all_ipv6_addresses_is_found_over_ipv4_too(
    start: Callable[..., Program],
    connect: Connect,  # noqa: F811
) -> None:
    router = start("zrouter", "serve", "--bind", "tcp://[::]:0", "--insecure", "--store", "none")
    port = router.address.rpartition(":")[2]
    for host in ("[::1]", "127.0.0.1", "localhost"):
        assert connect(f"tcp://{host}:{port}").send("a", "x") == 0
