"""GET of a stream that did not come the short way past Tornado, and HEAD of it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final

from tornado.web import Finish, HTTPError

from zfront.connections.hub import Hub
from zfront.connections.no_park import NoParkSockets
from zfront.handlers.base import CarefulHandler
from zfront.handlers.methods import KNOWN
from zfront.http import over_capacity
from zfront.http.tornado_stream import TornadoStream, take_over
from zfront.requests.client_address import client_network
from zfront.requests.credentials import FORWARDED
from zfront.requests.forwarded import Proxies
from zfront.requests.open_mode import OpenMode, Surroundings
from zfront.requests.stream_request import BadStreamRequestError, StreamRequest, read_stream_request
from zfront.requests.token_places import NotAdmittedError, TokenHeaders, offers_subprotocol
from zfront.transports import POLL, TYPES, WS, ws
from zfront.transports.chunks import CLOSE, asks_to_close
from zfront.transports.security_headers import CHALLENGE

if TYPE_CHECKING:
    from zfront.handlers.backend_admission import BackendAdmission

# What clients of streams say beside what every page may: fetch-event-source sends the first two.
_ASKED: Final = "Authorization, Cache-Control, Last-Event-ID, If-None-Match"


class StreamHandler(CarefulHandler):
    """Takes the socket away from Tornado and parks it."""

    def prepare(self) -> None:
        """Refuse what the series does not know, and who calls us by another's name."""
        if self.request.method not in (*KNOWN, "OPTIONS"):
            raise HTTPError(501)
        if self.request.method != "OPTIONS":
            self.refuse_foreign_host()
            self._refuse_others()

    def _refuse_others(self) -> None:
        """In open mode: refuse what somebody beyond this machine may be behind."""
        open_mode: OpenMode | None = self.settings["open_mode"]
        if open_mode is None:
            return
        headers = self.request.headers
        refusal = open_mode.refusal(
            Surroundings(
                headers.get("Host", ""),
                headers.get("Origin", ""),
                headers.get("Referer", ""),
                headers.get("Sec-Fetch-Site", ""),
                any(name.lower() in FORWARDED for name in headers),
            )
        )
        if refusal:
            raise HTTPError(403, log_message=refusal)

    def initialize(self, hub: Hub) -> None:
        """Tornado's way of giving a handler what it needs."""
        self.hub = hub

    def get(self) -> Awaitable[None] | None:
        """Park the connection, or hold it if nothing is to be parked."""
        backend: BackendAdmission | None = self.settings["backend"]
        if backend is not None:
            return self._get_admitted(backend)
        return self._begin(self._stream_request())

    async def _get_admitted(self, backend: BackendAdmission) -> None:
        """The same once a backend has said whom it may be; nothing if the client has left meanwhile."""
        stream_request = await self._asked(backend)
        if not self.request.connection.stream.closed():  # type: ignore[union-attr]
            waiting = self._begin(stream_request)
            if waiting is not None:
                await waiting

    async def _asked(self, backend: BackendAdmission) -> StreamRequest:
        stream_request = self._stream_request()
        headers = self.request.headers
        said = {name.lower(): headers.get_list(name) for name in headers}
        try:
            admitted = await backend.admit(
                stream_request, self._token_headers(), said, stream_request.kind == WS
            )
        except NotAdmittedError as error:
            if error.status == 503 and over_capacity.is_event_source(
                stream_request, headers.get("Accept", "")
            ):
                self._say_when_to_come_back(stream_request)
                raise Finish from None
            raise HTTPError(error.status, log_message=error.text) from None
        return stream_request._replace(admitted=admitted)

    def _begin(self, stream_request: StreamRequest) -> Awaitable[None] | None:
        origin = self.request.headers.get("Origin", "")
        lines = self.hub.origins.lines(origin)
        if asks_to_close(",".join(self.request.headers.get_list("Connection"))):
            lines += CLOSE
        stream_request = self._admitted(stream_request._replace(headers=lines))
        if self.hub.is_full():
            self._turn_away(stream_request)
            return None
        if self.hub.crowding.counts_addresses:
            stream_request = stream_request._replace(address=self._client())
        if crowded := self.hub.crowding.reason(stream_request.address, stream_request.ids):
            self._turn_away(stream_request, crowded)
            return None
        if self.request.version == "HTTP/1.0":
            raise HTTPError(505, reason="chunked needs HTTP/1.1")
        if stream_request.kind == WS:
            if not self.hub.origins.may_open(origin, self.request.host):
                raise HTTPError(403, log_message=f"pages of {origin} may not: see --cors")
            has_subprotocol = offers_subprotocol(self.request.headers.get_list("Sec-WebSocket-Protocol"))
            stream_request = stream_request._replace(
                key=self._websocket_key(), has_subprotocol=has_subprotocol
            )
        if isinstance(self.hub.parked, NoParkSockets):
            if stream_request.kind in (WS, POLL):
                raise HTTPError(501)  # who talks is parked, or not here
            return self._hold(self.hub.parked, stream_request)
        descriptor = take_over(self.detach())
        # Handler and `ui` refer to each other. finish() would break that, but it is never called here.
        self.ui = None  # type: ignore[assignment]
        self.hub.enter(descriptor, stream_request)
        return None

    def _admitted(self, stream_request: StreamRequest) -> StreamRequest:
        """The same, with what its token grants, where there are tokens.

        Raises:
            HTTPError: it is not admitted.
        """
        admission = self.settings["admission"]
        if admission is None:
            return stream_request
        try:
            admitted = admission.admit(stream_request, self._token_headers(), stream_request.kind == WS)
        except NotAdmittedError as error:
            raise HTTPError(error.status, log_message=error.text) from None
        return stream_request._replace(admitted=admitted)

    def _token_headers(self) -> TokenHeaders:
        headers = self.request.headers
        return TokenHeaders(
            headers.get_list("Authorization"),
            headers.get_list("Cookie"),
            headers.get_list("Sec-WebSocket-Protocol"),
            headers.get("Sec-Fetch-Site", ""),
            headers.get("Origin", ""),
            self.request.host,
        )

    def _client(self) -> str:
        """Whose connection it is, for bounds by address."""
        proxies: Proxies = self.settings["proxies"]
        lines = ",".join(self.request.headers.get_list("X-Forwarded-For"))
        return client_network(proxies.client(self.request.remote_ip or "", lines))

    def _turn_away(self, stream_request: StreamRequest, crowded: str = "") -> None:
        self.hub.turned_away += 1
        if not over_capacity.is_event_source(stream_request, self.request.headers.get("Accept", "")):
            if crowded:
                raise HTTPError(429, log_message=over_capacity.words(crowded))
            raise HTTPError(503)
        self._say_when_to_come_back(stream_request)

    def _say_when_to_come_back(self, stream_request: StreamRequest) -> None:
        """To an EventSource, which would never do so after an error."""
        self.set_header("Content-Type", TYPES[stream_request.kind])
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Connection", "close")
        self.finish(over_capacity.retry(self.hub.random))
        self.request.connection.stream.close()  # type: ignore[union-attr]

    def _websocket_key(self) -> str:
        """What a handshake is answered with; RFC 6455, sections 4.2.1 and 4.2.2, on those that are none."""
        headers = self.request.headers
        version = headers.get("Sec-WebSocket-Version", "")
        if not ws.asks_for_upgrade(headers.get("Connection", ""), headers.get("Upgrade", ""), version):
            raise HTTPError(426, reason="Upgrade Required")
        key = headers.get("Sec-WebSocket-Key", "")
        if not ws.is_key(key):
            raise HTTPError(400, log_message="Sec-WebSocket-Key has to be 16 bytes in base64, once")
        return key

    async def _hold(self, parked: NoParkSockets, stream_request: StreamRequest) -> None:
        """Stay, with everything, until the client has gone."""
        self._auto_finish = False
        stream = self.request.connection.stream  # type: ignore[union-attr]
        if isinstance(stream, TornadoStream):
            stream.stay()
        await parked.hold(stream, lambda descriptor: self.hub.enter(descriptor, stream_request))

    async def head(self) -> None:
        """The head that GET would answer with."""
        backend: BackendAdmission | None = self.settings["backend"]
        asked = self._admitted(self._stream_request()) if backend is None else await self._asked(backend)
        self.set_header("Content-Type", TYPES[asked.kind])
        self.set_header("Cache-Control", "no-cache")
        self.flush()  # before Tornado adds a length and a tag, which the stream does not have

    def options(self) -> None:
        """What a page of another origin may ask, for browsers that ask first (Fetch standard, 3.2.2)."""
        self.set_status(204)
        self.set_header("Allow", "GET, HEAD, OPTIONS")
        if "Access-Control-Allow-Origin" in self._headers:
            self.set_header("Access-Control-Allow-Methods", "GET, HEAD")
            self.set_header("Access-Control-Allow-Headers", _ASKED)
            self.set_header("Access-Control-Max-Age", "3600")

    def post(self) -> None:
        """The series answers POST with 404, and other methods with 501."""
        raise HTTPError(404)

    def _stream_request(self) -> StreamRequest:
        try:
            headers = self.request.headers
            since = headers.get("Last-Event-ID") or headers.get("If-None-Match", "")
            only = self.settings["path_ids_only"]
            stream_request = read_stream_request(
                self.request.path, self.request.query, since, path_ids_only=only
            )
        except BadStreamRequestError as error:
            raise HTTPError(400, reason="Bad Request", log_message=str(error)) from None
        assert stream_request is not None  # app.py leads only such paths here
        return stream_request

    def write_error(self, status_code: int, **kwargs: object) -> None:
        """One line of text."""
        error = kwargs.get("exc_info", (None, None, None))[1]  # type: ignore[index]
        why = error.log_message if isinstance(error, HTTPError) and error.log_message else self._reason
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        if status_code == 401:
            self.set_header("WWW-Authenticate", CHALLENGE)
            self.set_header("Cache-Control", "no-store")
        if status_code == 426:
            self.set_header("Upgrade", "websocket")
            self.set_header("Sec-WebSocket-Version", ws.VERSION)
        if status_code in (429, 503):
            self.set_header("Retry-After", over_capacity.RETRY_AFTER_S)
        self.finish(f"{why}\n")
