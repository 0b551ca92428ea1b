"""Clients of each transport that can be resumed, made of other people's libraries: one interface over all.

`next()` gives what comes, in the words of /stream: {"id", "offset", "message"} or {"event", ...}. Events that
keep a connection alive and `open` are passed over.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPResponse
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

import websockets.sync.client

from tests.conftest import Program

WITHIN_S = 10.0


class Subscriber(ABC):
    """One client; where it is when it has left is `offset`."""

    path: ClassVar[str]

    def __init__(self, front: Program, *ids: str, since: str = "", watch: tuple[str, ...] = ()) -> None:
        self.offset = since
        self._place = front.address.removeprefix("http://")
        query = [("id", an_id) for an_id in ids[1:]] + [("watch", an_id) for an_id in watch]
        self._target = f"/{self.path}/{quote(ids[0], safe='')}"
        self._query = query
        self.connect()

    def target(self, with_since: bool = True) -> str:
        """The path and query to ask for now."""
        query = self._query + ([("since", self.offset)] if self.offset and with_since else [])
        return f"{self._target}?{urlencode(query)}" if query else self._target

    def next(self) -> dict[str, Any]:
        """What comes next; its offset is remembered."""
        while True:
            one = self.read()
            self.offset = one.get("offset") or self.offset
            if one.get("event") != "open":
                return one

    def texts(self, count: int) -> list[str]:
        """The next so many, which must be messages."""
        return [self.next()["message"] for _ in range(count)]

    @abstractmethod
    def connect(self) -> None:
        """Ask; returns when the head is there, if it comes before the first message."""

    @abstractmethod
    def read(self) -> dict[str, Any]:
        """The next object."""

    @abstractmethod
    def close(self) -> None:
        """Hang up."""


class _Http(Subscriber):
    def connect(self) -> None:
        self._connection = HTTPConnection(self._place, timeout=WITHIN_S)
        self._ask()

    def _ask(self) -> None:
        self._connection.request("GET", self.target())

    def _answer(self) -> HTTPResponse:
        answer = self._connection.getresponse()
        assert answer.status in (200, 204), answer.status
        return answer

    def close(self) -> None:
        self._connection.close()


class Stream(_Http):
    path = "stream"

    def connect(self) -> None:
        super().connect()
        self._lines = self._answer()

    def close(self) -> None:
        self._lines.close()
        super().close()

    def _line(self) -> bytes:
        line = self._lines.readline()
        if not line:
            raise EOFError
        return line.rstrip(b"\n")

    def read(self) -> dict[str, Any]:
        while not (line := self._line()):
            pass
        found: dict[str, Any] = json.loads(line)
        return found


class Events(Stream):
    """Reads as the WHATWG's HTML standard says (section 9.2.6), and knows only the first id."""

    path = "sse"

    def _ask(self) -> None:
        headers = {"Last-Event-ID": self.offset} if self.offset else {}
        self._connection.request("GET", self.target(with_since=False), headers=headers)

    def read(self) -> dict[str, Any]:
        kind, data, offset = "", [], ""
        while line := self._line():
            field, _, value = line.decode().partition(":")
            value = value.removeprefix(" ")
            match field:
                case "event":
                    kind = value
                case "data":
                    data.append(value)
                case "id":
                    offset = value
        if not data:
            return {"event": "open", "offset": offset}
        text = "\n".join(data)
        if kind == "gap":
            return {"event": "gap", "offset": offset, "reason": text}
        if kind == "presence":
            assert not offset
            return dict(json.loads(text))
        return {"message": text, "offset": offset}


class Socket(Subscriber):
    path = "ws"

    def connect(self) -> None:
        self._open = ExitStack()
        url = f"ws://{self._place}{self.target()}"
        self._socket = self._open.enter_context(
            websockets.sync.client.connect(url, compression=None, open_timeout=WITHIN_S)
        )

    def read(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._socket.recv(timeout=WITHIN_S))
        except websockets.exceptions.ConnectionClosed:
            raise EOFError from None
        return found

    def say(self, **command: Any) -> None:
        """Ask for something."""
        self._socket.send(json.dumps(command))

    def close(self) -> None:
        self._open.close()


class Poll(_Http):
    path = "poll"

    def __init__(self, front: Program, *ids: str, since: str = "", watch: tuple[str, ...] = ()) -> None:
        self._waiting: list[dict[str, Any]] = []
        self._is_asked = False
        super().__init__(front, *ids, since=since, watch=watch)

    def _ask(self) -> None:
        self._is_asked = True
        super()._ask()

    def read(self) -> dict[str, Any]:
        while not self._waiting:
            if not self._is_asked:
                self._ask()
            answer = self._answer()
            self._is_asked = False
            body = answer.read()
            if answer.status == 204:
                self.offset = answer.headers.get("ETag", self.offset).strip('"')
            else:
                self._waiting = json.loads(body)["messages"]
        return self._waiting.pop(0)


SUBSCRIBERS: list[type[Subscriber]] = [Stream, Events, Socket, Poll]
