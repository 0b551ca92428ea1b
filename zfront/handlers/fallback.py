"""Whatever has no page: 404 for GET, HEAD and POST, 501 for methods that nothing here knows."""

from __future__ import annotations

from zfront.handlers.base import CarefulHandler
from zfront.handlers.methods import KNOWN


class FallbackHandler(CarefulHandler):
    """Answers every path that no other handler has."""

    def prepare(self) -> None:
        """Answer before any method is looked up."""
        known = self.request.method in KNOWN
        self.set_status(404 if known else 501)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("not found\n" if known else "not implemented\n")

    def write_error(self, status_code: int, **kwargs: object) -> None:
        """One line of text."""
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{self._reason}\n")
