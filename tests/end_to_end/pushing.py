"""A Tornado server that pushes over each of zflood's transports, in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import tornado.httpserver
import tornado.netutil
import tornado.web
import tornado.websocket

from zflood.latency import stamp


class PushServer:
    """Each connection gets `messages` stamped messages, and ends after them if `ends`."""

    def __init__(self, messages: int = 3, ends: bool = True, port: int = 0) -> None:
        self.messages = messages
        self.ends = ends
        self.pongs = 0
        self.asked = 0  # requests
        self.streams: set[Any] = set()  # of the connections that are open
        self._loop = asyncio.new_event_loop()
        self._listeners = tornado.netutil.bind_sockets(port, "127.0.0.1", reuse_port=False)
        self.port: int = self._listeners[0].getsockname()[1]
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def __enter__(self) -> PushServer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.tell(self._stopping.set)
        self._thread.join()

    def tell(self, what: Callable[[], object]) -> None:
        """Do it in the server's thread."""
        self._loop.call_soon_threadsafe(what)

    def cut(self, is_reset: bool = False) -> None:
        """End every connection, with a reset if so wanted."""

        def cut_all() -> None:
            for stream in list(self.streams):
                if is_reset:
                    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                stream.close()

        self.tell(cut_all)

    async def _serve(self) -> None:
        rows = [("/chunked/.*", _Chunks), ("/sse/.*", _Events), ("/ws/.*", _Socket), ("/poll/.*", _Poll)]
        app = tornado.web.Application([(path, handler, {"server": self}) for path, handler in rows])
        server = tornado.httpserver.HTTPServer(app)
        server.add_sockets(self._listeners)
        await self._stopping.wait()
        server.stop()
        await server.close_all_connections()
        for stream in list(self.streams):
            stream.close()


class _Stream(tornado.web.RequestHandler):
    content_type = "text/html"

    def initialize(self, server: PushServer) -> None:
        self.server = server
        self.done = asyncio.Event()

    def encoded(self, number: int) -> bytes:
        raise NotImplementedError

    async def get(self) -> None:
        self.server.asked += 1
        assert self.request.connection is not None
        stream = self.request.connection.stream  # type: ignore[attr-defined]
        self.server.streams.add(stream)
        self.set_header("Content-Type", self.content_type)
        try:
            await self.flush()
            for number in range(1, self.server.messages + 1):
                self.write(self.encoded(number))
                await self.flush()
            if not self.server.ends:
                await self.done.wait()
        finally:
            self.server.streams.discard(stream)

    def on_connection_close(self) -> None:
        self.done.set()


class _Chunks(_Stream):
    def encoded(self, number: int) -> bytes:
        return b"Recvd msg #%d: '%s'<br/>\n" % (number, stamp_now())


class _Events(_Stream):
    content_type = "text/event-stream"

    def encoded(self, number: int) -> bytes:
        return b": ping\n\nid: %d\nevent: x\ndata: %s\ndata: two\n\n" % (number, stamp_now())


class _Poll(tornado.web.RequestHandler):
    """Every third answer is that there is nothing."""

    def initialize(self, server: PushServer) -> None:
        self.server = server

    async def get(self) -> None:
        self.server.asked += 1
        is_nothing = self.server.asked % 3 == 0
        await asyncio.sleep(0.01)
        if self.get_query_argument("close", ""):
            self.set_header("Connection", "close")
        if is_nothing:
            self.set_status(204)
        else:
            self.write(stamp_now())


class _Socket(tornado.websocket.WebSocketHandler):
    def initialize(self, server: PushServer) -> None:
        self.server = server

    async def open(self, *args: str, **kwargs: str) -> None:
        self.server.asked += 1
        assert self.ws_connection is not None
        self.server.streams.add(self.ws_connection.stream)
        for number in range(1, self.server.messages + 1):
            self.ping(b"are you there?")
            await self.write_message(stamp_now(), binary=number % 2 == 0)
        if self.server.ends:
            self.close(1000, "that is all")

    def on_pong(self, data: bytes) -> None:
        assert data == b"are you there?"
        self.server.pongs += 1

    def on_close(self) -> None:
        self.server.streams = {stream for stream in self.server.streams if not stream.closed()}


def stamp_now() -> bytes:
    return stamp(time.time())
