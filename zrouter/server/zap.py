"""Who may connect to the ROUTER socket: CURVE, and ZeroMQ's authentication protocol (ZAP, its RFC 27).

Owns: the socket's keys, the ZAP socket and its answers. Must not know: roles, messages.

libzmq lets everybody in where nobody answers to ZAP, even with a domain, unless ZMQ_ZAP_ENFORCE_DOMAIN is
set. It is, and it is the router's own loop that answers: if that stands still nobody new gets in.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

import zmq
from zmq.utils import z85

from zrouter.link.curve_keys import CurveKeys
from zrouter.routing.roles import Identity
from zrouter.server.allow_list import AllowList

_ENDPOINT: Final = "inproc://zeromq.zap.01"
_DOMAIN: Final = b"zcomet"
_VERSION: Final = b"1.0"
# Before it, a peer without a key could overrun the stack (CVE-2019-13132).
_LEAST: Final = (4, 3, 3)
_AT_ONCE: Final = 64  # answers, before messages have their turn again


class CurveUnavailableError(RuntimeError):
    """This libzmq has no CURVE, or one that is known to be broken."""


class Gate:
    """Of one ROUTER socket that is not bound yet."""

    def __init__(
        self, context: zmq.Context[Any], router: zmq.Socket[Any], keys: CurveKeys, allowed: AllowList
    ) -> None:
        if not zmq.has("curve") or zmq.zmq_version_info() < _LEAST:
            raise CurveUnavailableError(
                f"libzmq {zmq.zmq_version()} has no CURVE that is sound; {'.'.join(map(str, _LEAST))} has"
            )
        self.allowed = allowed
        self.refused = 0  # connections
        router.set(zmq.CURVE_SERVER, 1)
        router.set(zmq.CURVE_PUBLICKEY, keys.public.encode())
        router.set(zmq.CURVE_SECRETKEY, keys.secret.encode())
        router.set(zmq.ZAP_DOMAIN, _DOMAIN)
        router.set(zmq.ZAP_ENFORCE_DOMAIN, 1)
        self._router = router
        self._socket = context.socket(zmq.ROUTER)
        self._socket.set(zmq.LINGER, 0)
        self._socket.bind(_ENDPOINT)
        self._poller = zmq.Poller()
        self._poller.register(router, zmq.POLLIN)
        self._poller.register(self._socket, zmq.POLLIN)

    def wait(self, milliseconds: int) -> None:
        """Until there is a frame, but no longer; whoever wants in meanwhile is answered."""
        if self._socket in dict(self._poller.poll(milliseconds)):
            self._answer()

    def _answer(self) -> None:
        """Say of those who want in whether they may."""
        with suppress(zmq.Again):
            for _ in range(_AT_ONCE):
                parts = self._socket.recv_multipart(zmq.NOBLOCK)
                self._socket.send_multipart(self._answered(parts), zmq.NOBLOCK)

    def who_is(self, key: str) -> Identity | None:
        """Who has that key now, by its public half in Z85."""
        return self.allowed.by_key.get(key)

    def close(self) -> None:
        """Answer no more: nobody new gets in."""
        self._socket.close(0)

    def _answered(self, parts: list[bytes]) -> list[bytes]:
        """The answer to one request: the envelope, version, request, status, text, user id, metadata."""
        envelope, rest = parts[:2], parts[2:]
        key = ""
        if len(rest) >= 7 and rest[0] == _VERSION and rest[2] == _DOMAIN and rest[5] == b"CURVE":
            key = z85.encode(rest[6]).decode() if len(rest[6]) == 32 else ""
        is_allowed = key in self.allowed.by_key
        self.refused += not is_allowed
        request = rest[1] if len(rest) > 1 else b""
        status = [b"200", b"OK", key.encode()] if is_allowed else [b"400", b"this key is not allowed", b""]
        return [*envelope, _VERSION, request, *status, b""]
