"""Messages through any server that takes them as POST requests: the body is the message, the URL has the id.

Owns: requests, what an answer counts as. Must not know: which server it is.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from typing import ClassVar, Final
from urllib.parse import urlsplit

import aiohttp

from zflood.sender.outlets import Outcome, OutletError
from zrouter.wire import Pair

_ANSWER_MAX_BYTES: Final = 65_536  # a receipt has a few
_PORTS: Final = {"http": 80, "https": 443}


def check_url(url: str) -> None:
    """Look whether messages can be posted to it.

    Raises:
        ValueError: it is not http[s]://HOST[:PORT]/...
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or parts.port == 0:
        raise ValueError(f"not an http URL: {url}")


class HttpOutlet:
    """So many connections at most, kept alive; each has one request under way at a time.

    `url` may have %d, the id. Receipts: `status 200` and the like, for every 2xx; any other is an error.
    """

    most = 1
    is_in_order: ClassVar[bool] = False
    is_published: ClassVar[bool] = False

    def __init__(self, url: str, connections: int, timeout_s: float) -> None:
        self._url = url
        self._connections = connections
        self._timeout_s = timeout_s

    async def open(self) -> None:
        await self._reach()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def send(self, pairs: Sequence[Pair]) -> Outcome:
        [(an_id, message)] = pairs
        url = self._url.replace("%d", an_id.decode())
        try:
            async with self._session.post(url, data=message, allow_redirects=False) as answer:
                read = 0
                async for piece in answer.content.iter_any():
                    read += len(piece)
                    if read > _ANSWER_MAX_BYTES:
                        return Outcome(0, {}, f"an answer of more than {_ANSWER_MAX_BYTES:,} bytes")
        except (aiohttp.ClientError, OSError) as error:
            return Outcome(0, {}, _kind(error))
        status = f"status {answer.status}"
        return Outcome(1, {status: 1}) if 200 <= answer.status < 300 else Outcome(0, {}, status)

    async def close(self) -> None:
        await self._session.close()

    async def _reach(self) -> None:
        """Connect once, without a message that would get lost."""
        parts = urlsplit(self._url)
        try:
            async with asyncio.timeout(self._timeout_s):
                _, stream = await asyncio.open_connection(parts.hostname, parts.port or _PORTS[parts.scheme])
        except OSError as error:
            raise OutletError(f"no server answers at {self._url}: {_kind(error)}") from None
        stream.close()
        await stream.wait_closed()


def _kind(error: Exception) -> str:
    """A few words that are the same for every error of its kind: no ports, no addresses."""
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed the connection"
    if isinstance(error, socket.gaierror):
        return str(error.strerror)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return type(error).__name__
