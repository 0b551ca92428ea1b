"""Where a program may listen without keys: by what a name stands for, not by how it reads."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from zrouter.daemon.exposure import ExposedError, check_listener, check_zmq

OPEN = ["127.0.0.1", "127.8.9.10", "[::1]", "localhost", "LOCALHOST."]
EXPOSED = ["0.0.0.0", "[::]", "*", "eth0", "10.0.0.1", "example.org", "127.0.0.1.example.org"]


@pytest.mark.parametrize("host", OPEN)
def test_loopback_needs_no_keys(host: str) -> None:
    check_zmq(f"tcp://{host}:5570", has_keys=False, insecure=False)
    check_listener(host.strip("[]"), has_tokens=False, insecure=False)


@pytest.mark.parametrize("host", EXPOSED)
def test_beyond_it_one_of_three_ways_is_taken(host: str) -> None:
    with pytest.raises(ExposedError, match=r"--curve-server-key-file.*--insecure"):
        check_zmq(f"tcp://{host}:5570", has_keys=False, insecure=False)
    check_zmq(f"tcp://{host}:5570", has_keys=True, insecure=False)
    check_zmq(f"tcp://{host}:5570", has_keys=False, insecure=True)
    with pytest.raises(ExposedError, match=r"--token-key-file.*--insecure"):
        check_listener(host.strip("[]"), has_tokens=False, insecure=False)
    check_listener(host.strip("[]"), has_tokens=True, insecure=False)


@pytest.mark.parametrize("found", [["10.1.2.3"], ["127.0.0.1", "10.1.2.3"], ["fe80::1%eth0"]])
def test_a_localhost_that_stands_for_another_address_is_not_loopback(
    found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(ExposedError):
        check_zmq("tcp://localhost:5570", has_keys=False, insecure=False)
    with pytest.raises(ExposedError):
        check_listener("localhost", has_tokens=False, insecure=False)


def test_an_abstract_socket_has_no_mode_a_path_has() -> None:
    with pytest.raises(ExposedError, match="no mode"):
        check_zmq("ipc://@zcomet", has_keys=False, insecure=False)
    check_zmq("ipc://@zcomet", has_keys=True, insecure=False)
    check_zmq("ipc:///run/zcomet/link", has_keys=False, insecure=False)
