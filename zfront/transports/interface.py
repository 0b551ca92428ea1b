"""What a transport is: a module that says all that its clients are given, in bytes.

`docs/http-api.md` describes each. The series' own, chunked.py, is another kind: it counts its messages for
each connection and can't be resumed.
"""

from __future__ import annotations

from typing import Final, Protocol

# Ends of a client whose token is good no longer: it is over, or was taken back.
NO_TOKEN: Final = ("expired", "revoked")


class Transport(Protocol):
    """A stream of messages that can be resumed: `offset` is what a client gives back to go on there."""

    @property
    def PATH(self) -> str:  # noqa: N802 - a module's constant
        """What its URLs begin with."""

    @property
    def TYPE(self) -> str:  # noqa: N802
        """Its media type."""

    @property
    def ALIVE(self) -> bytes:  # noqa: N802
        """What a client ignores, to keep what lies between it and us from giving the connection up."""

    def opened(self, offset: bytes) -> bytes:
        """The client is logged in, and misses nothing from here on."""

    def message(self, an_id: bytes, message: bytes, offset: bytes) -> bytes:
        """One message."""

    def gap(self, why: str, offset: bytes) -> bytes:
        """Some messages before this are gone; `why` is one of wire.GAPS."""

    def presence(self, an_id: bytes, connections: int) -> bytes:
        """A watched id is on so many connections now, on all frontends together; 0 = nobody is there."""

    def expiring(self, ends_in_s: int) -> bytes:
        """The client's token is good for so many seconds more."""

    def last(self, why: str) -> bytes:
        """The end: "evicted", "shutdown", "aged", or one of NO_TOKEN."""
