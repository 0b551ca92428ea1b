"""Both faces of the client, so that one test can try both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from zrouter.aio import AsyncRouterClient
from zrouter.client import RouterClient


class Blocking:
    """The asyncio face with calls that wait, so that one test can try both."""

    def __init__(self, router: str, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self.client = self._loop.run_until_complete(self._make(router, options))

    async def _make(self, router: str, options: dict[str, Any]) -> AsyncRouterClient:
        return AsyncRouterClient(router, **options)

    def __getattr__(self, name: str) -> Any:
        what = getattr(self.client, name)
        if not callable(what):
            return what

        def call(*args: Any, **options: Any) -> Any:
            answer = self._loop.run_until_complete(what(*args, **options))
            return self._each(answer) if hasattr(answer, "__anext__") else answer

        return call

    def _each(self, messages: Any) -> Iterator[Any]:
        while True:
            try:
                yield self._loop.run_until_complete(anext(messages))
            except StopAsyncIteration:
                return

    def end(self) -> None:
        self._loop.run_until_complete(self.client.close(timeout_s=1))
        self._loop.close()


Connect = Callable[..., Any]


@pytest.fixture(params=["sync", "asyncio"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes clients with one of the faces."""
    made: list[Any] = []

    def make(router: str, **options: Any) -> Any:
        made.append((RouterClient if request.param == "sync" else Blocking)(router, **options))
        return made[-1]

    yield make
    for client in made:
        client.close(timeout_s=1) if isinstance(client, RouterClient) else client.end()
