"""The configurations in docs/proxies, with the real proxies before a real frontend."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tornado.websocket import websocket_connect

from tests.conftest import Client, Program, eventually, wait_for
from zrouter.client import RouterClient

CONFIGS = Path(__file__).parents[2] / "docs" / "proxies"


def nginx(config: str, folder: Path) -> list[str]:
    (folder / "site.conf").write_text(config)
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log stderr;\nevents {{}}\n"
        f"http {{ access_log off; include {folder}/site.conf; }}\n"
    )
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def haproxy(config: str, folder: Path) -> list[str]:
    (folder / "haproxy.cfg").write_text(config.replace("maxconn 40000", "maxconn 100"))
    return ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")]


def caddy(config: str, folder: Path) -> list[str]:
    (folder / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https off\n\tgrace_period 1s\n}\n" + config)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


PROXIES: dict[str, tuple[Callable[[str, Path], list[str]], str]] = {
    "nginx": (nginx, "nginx.conf"),
    "haproxy": (haproxy, "haproxy.cfg"),
    "caddy": (caddy, "Caddyfile"),
}


@pytest.fixture
def front(start: Callable[..., Program], router: Program) -> Program:
    """A frontend that lets in what a proxy passed on."""
    return start("zfront", "serve", "--listen", "127.0.0.1:0", "--router", router.address, "--insecure")


@pytest.fixture(params=PROXIES)
def proxied(request: pytest.FixtureRequest, front: Program, tmp_path: Path) -> Iterator[str]:
    """The address of a proxy before the frontend."""
    with before(front, request.param, tmp_path) as address:
        yield address


@contextmanager
def before(front: Program, program: str, tmp_path: Path, leave_out: str = "") -> Iterator[str]:
    """A proxy with its configuration, without a line of it."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command, name = PROXIES[program]
    text = (CONFIGS / name).read_text()
    assert leave_out in text
    config = text.replace(leave_out, "").replace("127.0.0.1:8000", front.address.removeprefix("http://"))
    config = re.sub(r"(listen|bind :|^:)( ?)80\b", rf"\g<1>\g<2>{port}", config, flags=re.MULTILINE)
    with (tmp_path / "proxy.log").open("wb") as log:
        process = subprocess.Popen(command(config, tmp_path), stdout=log, stderr=log, cwd=tmp_path)
    address = f"127.0.0.1:{port}"
    try:
        eventually(lambda: process.poll() is not None or _listens(port))
        assert process.poll() is None, (tmp_path / "proxy.log").read_text()
        yield address
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_messages_come_at_once_through_a_proxy_on_every_stream(proxied: str, api: RouterClient) -> None:
    clients = [Client(proxied, f"/{kind}/{kind}") for kind in ("test", "stream", "sse")]
    for kind in ("test", "stream", "sse"):
        wait_for(api, kind, 1)
        assert api.send(kind, f"to {kind}") == 1
    for client, kind in zip(clients, ("test", "stream", "sse"), strict=True):
        client.read_until(f"to {kind}".encode())


def test_a_client_that_hangs_up_is_logged_out_through_a_proxy(proxied: str, api: RouterClient) -> None:
    client = Client(proxied, "/sse/1")
    wait_for(api, "1", 1)
    client.socket.close()
    wait_for(api, "1", 0)


def test_a_client_comes_back_through_a_proxy_and_gets_what_it_missed(proxied: str, api: RouterClient) -> None:
    client = Client(proxied, "/sse/1")
    client.read_until(b"id: ")
    client.read_until(b"\n\n")
    wait_for(api, "1", 1)
    api.send("1", "seen")
    offset = client.read_until(b"seen").rpartition(b"id: ")[2].split(b"\n")[0]
    client.socket.close()
    wait_for(api, "1", 0)
    assert api.send("1", "missed") < 0
    again = Client(proxied, "", read_head=False)
    again.socket.sendall(b"GET /sse/1 HTTP/1.1\r\nHost: 127.0.0.1\r\nLast-Event-ID: " + offset + b"\r\n\r\n")
    again.read_until(b"data: missed")
    assert b"data: seen" not in again.seen


def test_a_poll_goes_through_a_proxy(proxied: str, api: RouterClient) -> None:
    client = Client(proxied, "/poll/1", read_head=False)
    wait_for(api, "1", 1)
    api.send("1", "hello")
    assert b'"message":"hello"' in client.read_until(b"]}\n")


def test_a_websocket_goes_through_a_proxy_both_ways(proxied: str, api: RouterClient) -> None:
    async def talk() -> list[object]:
        connection = await websocket_connect(f"ws://{proxied}/ws/1")
        heard: list[object] = [await connection.read_message()]
        await connection.write_message(json.dumps({"login": ["2"]}))
        heard.append(await connection.read_message())
        await asyncio.to_thread(wait_for, api, "2", 1)
        await asyncio.to_thread(api.send, "2", "hello")
        heard.append(await connection.read_message())
        connection.close()
        return heard

    opened, joined, message = (json.loads(str(one)) for one in asyncio.run(talk()))
    assert (opened["event"], joined["event"]) == ("open", "open")
    assert (message["id"], message["message"]) == ("2", "hello")
    wait_for(api, "1", 0)


def test_nginx_holds_nothing_back_even_if_nobody_told_it_not_to(
    front: Program, api: RouterClient, tmp_path: Path
) -> None:
    """zfront tells it itself, with X-Accel-Buffering."""
    with before(front, "nginx", tmp_path, leave_out="proxy_buffering off;") as address:
        test_messages_come_at_once_through_a_proxy_on_every_stream(address, api)
        client = Client(address, "/sse/1")
        assert b"x-accel-buffering" not in client.seen.lower(), "it was meant for nginx, which keeps it"


@pytest.mark.parametrize(
    ("trusted", "is_believed"), [("127.0.0.1", True), ("127.0.0.0/30, 10.0.0.0/8", True), ("10.0.0.1", False)]
)
def test_a_clients_address_is_what_a_trusted_proxy_says(
    start: Callable[..., Program], router: Program, tmp_path: Path, trusted: str, is_believed: bool
) -> None:
    serve = ("zfront", "serve", "--listen", "127.0.0.1:0", "--router", router.address)
    front = start(*serve, "--insecure", "--trusted-proxies", trusted, "--log-level", "debug")
    ask = b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"
    with before(front, "nginx", tmp_path) as address:
        for where, path in ((address, b"/test/"), (front.address, b"/sse/")):
            host, _, port = where.removeprefix("http://").rpartition(":")
            with socket.create_connection((host, int(port)), 10, ("127.0.0.77", 0)) as client:
                client.sendall(ask % path)
                assert b" 400 " in client.recv(4096)
        by_nginx = "127.0.0.77" if is_believed else "127.0.0.1"
        eventually(lambda: f"{by_nginx} GET '/test/': 400" in front.log())
        # Who is no proxy is not believed, whatever it says.
        eventually(lambda: "127.0.0.77 GET '/sse/': 400" in front.log())
        assert "6.6.6.6" not in front.log()


def test_a_trusted_proxy_that_is_no_address_is_a_usage_error() -> None:
    code = "from zfront.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", "--trusted-proxies", "proxy.example"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "--trusted-proxies proxy.example" in done.stderr
    assert "Traceback" not in done.stderr
