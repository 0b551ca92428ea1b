"""Two hosts, as network namespaces of our own, and the cable between them that can be cut."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import eventually, needs_curl

ROUTER_IP, FRONT_IP = "10.213.57.1", "10.213.57.2"
SAYS_WHO = ("zrouter", "who", "1", "--router", "tcp://127.0.0.1:5570")

pytestmark = [
    pytest.mark.root,
    needs_curl,
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ip") is None, reason="needs root and iproute2"),
]


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def hosts() -> Iterator[tuple[str, str]]:
    """Two namespaces with a cable between them."""
    one, two = f"zc{os.getpid()}a", f"zc{os.getpid()}b"
    try:
        ip("netns", "add", one)
        ip("netns", "add", two)
        ip("link", "add", one, "netns", one, "type", "veth", "peer", "name", two, "netns", two)
        for host, address in ((one, ROUTER_IP), (two, FRONT_IP)):
            ip("-n", host, "addr", "add", f"{address}/24", "dev", host)
            ip("-n", host, "link", "set", host, "up")
            ip("-n", host, "link", "set", "lo", "up")
        yield one, two
    finally:
        for host in (one, two):
            subprocess.run(["ip", "netns", "del", host], capture_output=True)


def on(host: str, *command: str) -> list[str]:
    """The command line that runs a program of ours on a host."""
    code = f"from {command[0]}.cli import main; main()"
    return ["ip", "netns", "exec", host, sys.executable, "-c", code, *command[1:]]


def curl_on(host: str) -> list[str]:
    """The command line that connects as id 1 from a host, as soon as the frontend is there."""
    retry = ["--retry", "20", "--retry-connrefused", "--retry-delay", "1"]
    return ["ip", "netns", "exec", host, "curl", "-sN", *retry, f"http://{FRONT_IP}:8000/test/1"]


@pytest.fixture
def run() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts programs that end with the test."""
    running: list[subprocess.Popen[bytes]] = []

    def start(command: list[str], **options: int) -> subprocess.Popen[bytes]:
        running.append(subprocess.Popen(command, **options))  # type: ignore[call-overload]
        return running[-1]

    yield start
    for process in reversed(running):
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize("is_written_to", [False, True], ids=["silent", "written to"])
def test_a_client_that_vanishes_without_a_word_is_logged_out(
    hosts: tuple[str, str], run: Callable[..., subprocess.Popen[bytes]], is_written_to: bool
) -> None:
    one, two = hosts
    run(on(two, "zrouter", "serve"))
    run(on(two, "zfront", "serve", "--listen", f"{FRONT_IP}:8000", "--insecure", "--keepalive", "2"))
    run(curl_on(one), stdout=subprocess.DEVNULL)

    def who() -> bytes:
        return subprocess.run(on(two, *SAYS_WHO), capture_output=True).stdout

    eventually(lambda: b"1 connection\n" in who(), within_s=30)
    ip("-n", one, "link", "set", one, "down")  # no FIN, no RST
    if is_written_to:
        subprocess.run(on(two, "zrouter", "send", "1", "unheard"), check=True, capture_output=True)
    eventually(lambda: b"nobody" in who(), within_s=15)


def test_a_message_goes_from_one_host_to_a_client_on_the_other(
    hosts: tuple[str, str], run: Callable[..., subprocess.Popen[bytes]]
) -> None:
    one, two = hosts
    endpoint = f"tcp://{ROUTER_IP}:5570"
    run(on(one, "zrouter", "serve", "--bind", endpoint, "--insecure"))
    run(on(two, "zfront", "serve", "--listen", f"{FRONT_IP}:8000", "--router", endpoint, "--insecure"))
    curl = run(curl_on(two), stdout=subprocess.PIPE, bufsize=0)
    send = on(one, "zrouter", "send", "1", "over the wire", "--router", endpoint)
    eventually(lambda: b"handed to 1" in subprocess.run(send, capture_output=True).stdout, within_s=30)
    assert curl.stdout is not None
    assert curl.stdout.readline() == b"Recvd msg #1: 'over the wire'<br/>\n"
    # The cable is cut: neither side hears the other, and the frontend is forgotten.
    ip("-n", two, "link", "set", two, "down")
    eventually(lambda: b"kept" in subprocess.run(send, capture_output=True).stdout, within_s=6)
    ip("-n", two, "link", "set", two, "up")
    eventually(lambda: b"handed to 1" in subprocess.run(send, capture_output=True).stdout, within_s=30)
