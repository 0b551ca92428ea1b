"""Every URL in one list."""

from __future__ import annotations

import re
from typing import Any, Final

from tornado.httputil import HTTPServerRequest
from tornado.web import Application

from zfront.handlers.fallback import FallbackHandler
from zfront.handlers.pages import PageHandler
from zfront.handlers.stream import StreamHandler
from zfront.room import Room
from zfront.transports import PATHS

_ABSOLUTE: Final = re.compile(r"https?://[^/?#]+", re.IGNORECASE)


class _App(Application):
    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """Take a whole URL as a request's target, as RFC 9112, section 3.2.2, demands."""
        assert request.uri is not None
        host = _ABSOLUTE.match(request.uri)
        if host is not None:
            path, _, request.query = request.uri[host.end() :].partition("?")
            request.path = path or "/"
        return super().find_handler(request, **kwargs)


def make_app(room: Room) -> Application:
    """The Tornado application; the door takes the ordinary `GET /test/<id>` past it."""
    return _App(
        [
            *((path + ".*", StreamHandler, {"room": room}) for path in PATHS),
            ("/", PageHandler, {"page": "index.html"}),
            ("/demo", PageHandler, {"page": "demo.html"}),
            ("/pages/([a-z.]+)", PageHandler),
        ],
        default_handler_class=FallbackHandler,
        log_function=lambda _: None,
    )
