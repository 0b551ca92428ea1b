"""Whatever has no page: 404 for GET, HEAD and POST, 501 for methods that nothing here knows."""

from __future__ import annotations

from tornado.web import RequestHandler

from zfront.handlers.methods import KNOWN, EveryMethod


class FallbackHandler(RequestHandler):
    """Answers every path that no other handler has."""

    SUPPORTED_METHODS = EveryMethod()

    def prepare(self) -> None:
        """Answer before any method is looked up."""
        known = self.request.method in KNOWN
        self.set_status(404 if known else 501)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("not found\n" if known else "not implemented\n")
