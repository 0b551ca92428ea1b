"""The yardstick of single sends: what one writes first, a Tornado handler with an AsyncRouterClient.

`python -m tests.bench.naive ENDPOINT` prints its port.
"""

from __future__ import annotations

import asyncio
import json
import sys

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from zrouter.aio import AsyncRouterClient


class Send(RequestHandler):
    """POST /api/send/ID."""

    def initialize(self, router: AsyncRouterClient) -> None:
        """Tornado's way of giving a handler what it needs."""
        self.router = router

    async def post(self, an_id: str) -> None:
        """Send the body."""
        self.write({"connections": await self.router.send(an_id, self.request.body)})


async def main(endpoint: str) -> None:
    """Serve until it is ended."""
    async with AsyncRouterClient(endpoint) as router:
        sockets = bind_sockets(0, "127.0.0.1")
        application = Application([("/api/send/(.*)", Send, {"router": router})], log_function=lambda _: None)
        HTTPServer(application).add_sockets(sockets)
        print(json.dumps({"port": sockets[0].getsockname()[1]}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
