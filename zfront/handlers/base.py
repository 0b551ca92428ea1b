"""What every answer of Tornado's has: headers that keep browsers careful, and nothing of a request in the
log.

Owns: those headers, what is logged of an error. Must not know: what is answered.
"""

from __future__ import annotations

import logging
from typing import Any

from tornado.web import HTTPError, RequestHandler

from zfront.handlers.methods import EveryMethod
from zfront.transports.security_headers import SAFE

log = logging.getLogger("zfront")


class CarefulHandler(RequestHandler):
    """The application's settings have `origins` and `hosts`."""

    SUPPORTED_METHODS = EveryMethod()

    def set_default_headers(self) -> None:
        """Of every answer, errors too."""
        self.clear_header("Server")
        for name, value in SAFE:
            self.set_header(name, value)
        for name, value in self.settings["origins"].headers(self.request.headers.get("Origin", "")):
            self.set_header(name, value)

    def refuse_foreign_host(self) -> None:
        """Refuse a request that calls us by a name that is not ours.

        Raises:
            HTTPError: with status 403.
        """
        refusal = self.settings["hosts"].refusal(self.request.headers.get("Host", ""))
        if refusal:
            raise HTTPError(403, log_message=f"{refusal}: see --hosts")

    def log_exception(self, kind: Any, value: Any, trace: Any) -> None:
        """Only what is a fault of ours, and nothing of the request: its query may have a secret in it."""
        if isinstance(value, HTTPError):
            log.debug("%s %s: %d", self.request.method, type(self).__name__, value.status_code)
        else:
            log.error("%s failed", type(self).__name__, exc_info=(kind, value, trace))

    def _request_summary(self) -> str:
        """Tornado's own lines have this."""
        return f"{self.request.method} {self.request.path!a}"
