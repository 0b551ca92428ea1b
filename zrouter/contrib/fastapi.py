"""zcomet in FastAPI, and any other ASGI application: one client for the process, tokens, a dependency.

    push = Zcomet("tcp://127.0.0.1:5570", token_key_file="token-keys.json")
    app = FastAPI(lifespan=push.lifespan)

    @app.post("/orders")
    async def order(client: Annotated[AsyncRouterClient, Depends(push.client)]) -> None:
        await client.send("user:7", "your order has left")

Owns: when the client begins and ends, and what a token is made of. Must not know: what is sent.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from zrouter.aio import AsyncRouterClient
from zrouter.tokens.errors import KeyFileError
from zrouter.tokens.key_files import KeyFile
from zrouter.tokens.make import TTL_S, make_token
from zrouter.wire import DEFAULT_ROUTER, check_ids

if TYPE_CHECKING:
    from fastapi import FastAPI


class Zcomet:
    """What one application says to zcomet.

    `router` is its address, `curve_key_file` our keys where it wants some, `timeout_s` how long a request of
    yours may wait for it. `token_key_file` has a key that signs, as `zrouter token keygen` makes it; it is
    read again when it changes.

    Raises:
        KeyFileError: that file can't be used.
    """

    def __init__(
        self,
        router: str = DEFAULT_ROUTER,
        *,
        curve_key_file: str | None = None,
        timeout_s: float = 0.5,
        token_key_file: str | None = None,
        token_ttl_s: float = TTL_S,
        token_audience: str = "",
        token_issuer: str = "",
    ) -> None:
        self._router = router
        self._curve_key_file = curve_key_file
        self._timeout_s = timeout_s
        self._keys = None if token_key_file is None else KeyFile(token_key_file)
        self._token_ttl_s = token_ttl_s
        self._parties = {name: one for name, one in (("aud", token_audience), ("iss", token_issuer)) if one}
        self._client: AsyncRouterClient | None = None

    @asynccontextmanager
    async def lifespan(self, app: FastAPI | None = None) -> AsyncIterator[None]:
        """Give this to FastAPI, or enter it in a lifespan of your own. A router may be away meanwhile."""
        if self._client is not None:
            raise RuntimeError("this Zcomet has a lifespan already: one for each application")
        async with AsyncRouterClient(
            self._router, timeout_s=self._timeout_s, curve_key_file=self._curve_key_file
        ) as client:
            self._client = client
            try:
                yield
            finally:
                self._client = None

    def client(self) -> AsyncRouterClient:
        """The client of this process; as a dependency: `Depends(push.client)`. Tests override that.

        Raises:
            RuntimeError: the lifespan has not begun.
        """
        if self._client is None:
            raise RuntimeError("no lifespan: FastAPI(lifespan=push.lifespan), and TestClient in a with block")
        return self._client

    def token_for(
        self, sub: str, ids: Iterable[str] = (), watch: Iterable[str] = (), ttl_s: float | None = None
    ) -> str:
        """A token (JWT) for the user `sub`, an id: it may be connected as that, and as these.

        `ids`, `watch`: ids, or `PREFIX:*`. They have to be what you know of the user: what the page asked for
        is what somebody wants, not what they may.

        Raises:
            ValueError: sub is no id.
            TypeError: ids or watch is one text.
            KeyFileError: there is no key that signs.
        """
        if isinstance(ids, str | bytes) or isinstance(watch, str | bytes):
            raise TypeError("ids and watch are lists of ids")
        check_ids([sub.encode()])
        if self._keys is None:
            raise KeyFileError("Zcomet(token_key_file=...): zrouter token keygen makes one")
        self._keys.refresh()
        key = self._keys.keys.signing()
        own, seen = [sub, *ids], [sub, *watch]
        return make_token(key, sub, time.time(), ttl_s or self._token_ttl_s, own, seen, **self._parties)
