"""Every URL in one list."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, Final

from tornado.httputil import HTTPServerRequest
from tornado.web import Application, RequestHandler

from zfront.api.context import ApiContext
from zfront.connections.hub import Hub
from zfront.handlers.api import (
    ApiHandler,
    ConnectionsHandler,
    DocumentHandler,
    NothingHandler,
    StatsHandler,
    WhoHandler,
    WhoManyHandler,
)
from zfront.handlers.fallback import FallbackHandler
from zfront.handlers.following import (
    CountsHandler,
    FollowersHandler,
    FollowingHandler,
    PairHandler,
    TooManyIdsHandler,
)
from zfront.handlers.pages import PageHandler
from zfront.handlers.revoking import RevocationsHandler
from zfront.handlers.sending import BatchHandler, PublishHandler, SendHandler
from zfront.handlers.stream import StreamHandler
from zfront.requests.forwarded import NOBODY, Proxies
from zfront.requests.hosts import ANY, Hosts
from zfront.requests.open_mode import OpenMode
from zfront.transports import PATHS

if TYPE_CHECKING:
    from zfront.handlers.backend_admission import BackendAdmission
    from zfront.requests.admission import Admission

log = logging.getLogger("zfront")

_ABSOLUTE: Final = re.compile(r"https?://([^/?#]+)", re.IGNORECASE)


class _App(Application):
    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """Take a whole URL as a request's target; its host stands for Host (RFC 9112, section 3.2.2)."""
        assert request.uri is not None
        host = _ABSOLUTE.match(request.uri)
        if host is not None:
            path, _, request.query = request.uri[host.end() :].partition("?")
            request.path = path or "/"
            request.host = request.headers["Host"] = host[1]
        return super().find_handler(request, **kwargs)


def make_app(
    hub: Hub,
    context: ApiContext | None = None,
    proxies: Proxies = NOBODY,
    hosts: Hosts = ANY,
    path_ids_only: bool = False,
    admission: Admission | None = None,
    open_mode: OpenMode | None = None,
    backend: BackendAdmission | None = None,
) -> Application:
    """The Tornado application; the acceptor takes the ordinary `GET /test/<id>` and single sends past it.

    What it answers itself is logged (debug). Without a context there is no API.
    """

    def tell(handler: RequestHandler) -> None:
        if not log.isEnabledFor(logging.DEBUG):
            return
        request = handler.request
        client = proxies.client(request.remote_ip or "", request.headers.get("X-Forwarded-For", ""))
        log.debug("%s %s %a: %d", client, request.method, request.path, handler.get_status())

    return _App(
        [
            *((path + ".*", StreamHandler, {"hub": hub}) for path in PATHS),
            ("/", PageHandler, {"page": "index.html"}),
            ("/demo", PageHandler, {"page": "demo.html"}),
            ("/pages/([a-z.]+)", PageHandler),
            *([] if context is None else _api(context)),
        ],
        default_handler_class=FallbackHandler,
        log_function=tell,
        origins=hub.origins,
        hosts=hosts,
        path_ids_only=path_ids_only,
        admission=admission,
        open_mode=open_mode,
        proxies=proxies,
        backend=backend,
    )


def _api(context: ApiContext) -> list[tuple[str, type[ApiHandler], dict[str, ApiContext]]]:
    rows: list[tuple[str, type[ApiHandler]]] = [
        ("/api/send", BatchHandler),
        ("/api/send/.*", SendHandler),
        ("/api/publish/.*", PublishHandler),
        ("/api/follows/[^/]*", CountsHandler),
        ("/api/follows/[^/]*/[^/]*", PairHandler),
        ("/api/follows/.*", TooManyIdsHandler),
        ("/api/followers/.*", FollowersHandler),
        ("/api/following/.*", FollowingHandler),
        ("/api/who", WhoManyHandler),
        ("/api/who/.*", WhoHandler),
        ("/api/stats", StatsHandler),
        ("/api/revocations", RevocationsHandler),
        ("/api/connections/.*", ConnectionsHandler),
        ("/api/openapi.json", DocumentHandler),
        ("/api(?:/.*)?", NothingHandler),
    ]
    return [(path, handler, {"context": context}) for path, handler in rows]
