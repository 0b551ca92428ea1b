"""Every URL in one list."""

from __future__ import annotations

from tornado.web import Application

from zfront.handlers.chunked import ChunkedHandler
from zfront.handlers.fallback import FallbackHandler
from zfront.room import Room


def make_app(room: Room) -> Application:
    """The Tornado application; the door takes the ordinary `GET /test/<id>` past it."""
    return Application(
        [(r"/test/.*", ChunkedHandler, {"room": room})],
        default_handler_class=FallbackHandler,
        log_function=lambda _: None,
    )
