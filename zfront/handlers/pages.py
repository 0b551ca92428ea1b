"""The pages for people: a start page, a demo, and what they are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from zfront.handlers.fallback import FallbackHandler

_FOLDER: Final = Path(__file__).parents[1] / "pages"
_TYPES: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# Nothing from elsewhere, nothing inline, in nobody's frame (Content Security Policy, level 3).
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Read at the start: few, small, and workers share them.
_PAGES: Final = {path.name: path.read_bytes() for path in _FOLDER.iterdir() if path.suffix in _TYPES}


class PageHandler(FallbackHandler):
    """Answers with one file of zfront/pages; `name` is fixed by the path's row, or comes from the path."""

    def initialize(self, page: str = "") -> None:
        """Tornado's way of giving a handler what it needs."""
        self._page = page

    def prepare(self) -> None:
        """A page can only be had; all else is answered as it is where there is none."""
        if self.request.method not in ("GET", "HEAD"):
            super().prepare()
            return
        self.refuse_foreign_host()

    def get(self, name: str = "") -> None:
        """The file."""
        name = self._page or name
        body = _PAGES.get(name)
        if body is None:
            super().prepare()
            return
        self.set_header("Content-Type", f"{_TYPES[Path(name).suffix]}; charset=utf-8")
        self.set_header("Content-Security-Policy", _POLICY)
        self.set_header("Cache-Control", "no-cache")  # asked for again with its tag
        self.finish(body)

    head = get
