"""zrouter.contrib.fastapi: its lifespan, its dependency, its tokens, with a real router and frontend."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from tests.conftest import Client, Program, wait_for
from zrouter.aio import AsyncRouterClient
from zrouter.client import RouterClient
from zrouter.contrib.fastapi import Zcomet
from zrouter.tokens.errors import KeyFileError
from zrouter.tokens.key_files import KeyFile
from zrouter.tokens.make import make_secret
from zrouter.tokens.verify import Verifier


def application(push: Zcomet) -> FastAPI:
    app = FastAPI(lifespan=push.lifespan)

    ours = Depends(push.client)

    async def send(to: str, client: AsyncRouterClient = ours) -> dict[str, int]:
        return {"handed": await client.send(to, "hello")}

    app.post("/send/{to}")(send)
    return app


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.touch(0o600)
    path.write_bytes(make_secret("k"))
    return path


def test_a_request_sends_and_only_whose_token_it_is_gets_it(
    start: Callable[..., Program], router: Program, api: RouterClient, keys: Path
) -> None:
    listen = ("--listen", "127.0.0.1:0", "--router", router.address)
    front = start("zfront", "serve", *listen, "--token-key-file", str(keys))
    push = Zcomet(router.address, token_key_file=str(keys))
    stream = Client(front.address, f"/sse/user:7?token={push.token_for('user:7')}")
    wait_for(api, "user:7", 1)
    assert (
        Client(front.address, f"/sse/user:7?token={push.token_for('user:8')}").seen[:13] == b"HTTP/1.1 403 "
    )
    with TestClient(application(push)) as browser:
        assert browser.post("/send/user:7").json() == {"handed": 1}
        assert browser.post("/send/user:8").json() == {"handed": 0}
    stream.read_until(b"data: hello\n")


def test_an_application_begins_again_and_two_share_a_process(router: Program) -> None:
    one, two = Zcomet(router.address), Zcomet(router.address)
    for _ in range(2):
        with TestClient(application(one)) as first, TestClient(application(two)) as second:
            assert first.post("/send/a").json() == second.post("/send/a").json() == {"handed": 0}


def test_what_is_missing_is_said_in_a_sentence(router: Program) -> None:
    push = Zcomet(router.address)
    with pytest.raises(RuntimeError, match="lifespan"):
        push.client()
    with pytest.raises(RuntimeError, match="lifespan"):
        TestClient(application(push)).post("/send/a")
    with pytest.raises(KeyFileError, match="token_key_file"):
        push.token_for("ann")

    async def twice() -> None:
        async with push.lifespan(), push.lifespan():
            pass

    with pytest.raises(RuntimeError, match="one for each application"):
        asyncio.run(twice())


def test_a_router_that_is_away_holds_nothing_up_but_the_request_for_its_time() -> None:
    push = Zcomet("tcp://127.0.0.1:1", timeout_s=0.3)
    began = time.monotonic()
    with TestClient(application(push), raise_server_exceptions=False) as browser:
        assert browser.post("/send/a").status_code == 500
    assert time.monotonic() - began < 5


def test_a_token_is_for_the_user_and_for_what_is_said(keys: Path) -> None:
    push = Zcomet(token_key_file=str(keys), token_audience="push", token_issuer="site")
    file = KeyFile(str(keys))
    claims = Verifier(lambda: file.keys, "push", "site").verify(
        push.token_for("ann", ids=["room:*"], watch=["bob"]), time.time()
    )
    assert claims.ids.first_refused([b"ann", b"room:1"]) is None
    assert claims.ids.first_refused([b"bob"]) == b"bob"
    assert claims.watch.first_refused([b"ann", b"bob"]) is None
    for wrong in ("", "x" * 256):
        with pytest.raises(ValueError, match="id"):
            push.token_for(wrong)
    keys.write_bytes(make_secret("fresh"))
    assert file.refresh()
    Verifier(lambda: file.keys, "push", "site").verify(push.token_for("ann"), time.time())
