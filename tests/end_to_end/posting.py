"""A backend that speaks to the API, on one connection that is kept alive."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.conftest import Program

JSON = {"Content-Type": "application/json"}
LINES = {"Content-Type": "application/x-ndjson"}


class Answer(NamedTuple):
    """What came back; `json` is None where the body is empty."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


class Backend:
    """`is_long`: in a form that the short way for single sends leaves to Tornado (RFC 9112, 3.2.2)."""

    def __init__(self, front: Program, is_long: bool = False, key: str = "") -> None:
        self.address = front.address.removeprefix("http://")
        self.connection = http.client.HTTPConnection(self.address, timeout=20)
        self._prefix = front.address if is_long else ""
        self._key = key

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] = {}) -> Answer:
        """One request and its answer."""
        more = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self.connection.request(method, self._prefix + path, body, {**more, **headers})
        response = self.connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def post(self, path: str, body: Any = b"", **headers: str) -> Answer:
        """POST; header names with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", path, body, named)

    def close(self) -> None:
        self.connection.close()
