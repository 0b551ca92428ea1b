"""Which pages may read what we say: the origins of the setting `--cors`, and our own.

Owns: the rules of Origin (RFC 6454) and CORS (WHATWG's Fetch standard, section 3.2). Must not know: requests.
"""

from __future__ import annotations

from urllib.parse import urlsplit


class Origins:
    """`allowed` is a list with commas, such as `https://a.example,https://b.example`, or `*` for all.

    Raises:
        ValueError: one of them is no origin.
    """

    def __init__(self, allowed: str) -> None:
        self._is_any = allowed.strip() == "*"
        named = [one.strip().rstrip("/") for one in allowed.split(",") if one.strip()]
        for one in [] if self._is_any else named:
            parts = urlsplit(one)
            if one != "null" and (not parts.scheme or not parts.netloc or parts.path):
                raise ValueError(f"{one!r} is no origin, such as https://example.org")
        self._allowed = set(named)

    def answer(self, origin: str) -> str:
        """What Access-Control-Allow-Origin is to say to a page of that origin; empty: nothing."""
        if self._is_any:
            return "*"
        return origin if origin in self._allowed else ""

    def may_open(self, origin: str, host: str) -> bool:
        """Whether such a page may open a WebSocket here: browsers ask nobody else.

        Programs say no origin, and may.
        """
        return not origin or bool(self.answer(origin)) or urlsplit(origin).netloc.lower() == host.lower()


def headers(answer: str) -> bytes:
    """The header lines for an answer of `Origins.answer`; none if it is empty."""
    if not answer:
        return b""
    vary = "" if answer == "*" else "Vary: Origin\r\n"
    lines = f"Access-Control-Allow-Origin: {answer}\r\nAccess-Control-Expose-Headers: ETag\r\n{vary}"
    return lines.encode("latin-1")
