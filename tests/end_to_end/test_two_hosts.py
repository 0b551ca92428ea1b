"""Two hosts, as network namespaces of our own: the router on one, the frontend on the other."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.conftest import eventually

ROUTER_IP, FRONT_IP = "10.213.57.1", "10.213.57.2"

pytestmark = [
    pytest.mark.root,
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


def test_a_message_goes_from_one_host_to_a_client_on_the_other(hosts: tuple[str, str]) -> None:
    one, two = hosts
    endpoint = f"tcp://{ROUTER_IP}:5570"
    running: list[subprocess.Popen[bytes]] = []
    try:
        running.append(subprocess.Popen(on(one, "zrouter", "serve", "--bind", endpoint, "--insecure")))
        listen = f"{FRONT_IP}:8000"
        front = on(two, "zfront", "serve", "--listen", listen, "--router", endpoint, "--insecure")
        running.append(subprocess.Popen(front))
        curl = subprocess.Popen(
            ["ip", "netns", "exec", two, "curl", "-sN", "--retry", "20", "--retry-connrefused",
             "--retry-delay", "1", f"http://{FRONT_IP}:8000/test/1"],
            stdout=subprocess.PIPE,
            bufsize=0,
        )  # fmt: skip
        running.append(curl)
        send = on(one, "zrouter", "send", "1", "over the wire", "--router", endpoint)
        eventually(lambda: b"handed to 1" in subprocess.run(send, capture_output=True).stdout, within_s=30)
        assert curl.stdout is not None
        assert curl.stdout.readline() == b"Recvd msg #1: 'over the wire'<br/>\n"
        # The cable is cut: neither side hears the other, and the frontend is forgotten.
        ip("-n", two, "link", "set", two, "down")
        eventually(lambda: b"nobody" in subprocess.run(send, capture_output=True).stdout, within_s=6)
        ip("-n", two, "link", "set", two, "up")
        eventually(lambda: b"handed to 1" in subprocess.run(send, capture_output=True).stdout, within_s=30)
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(10)
