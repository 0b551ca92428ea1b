"""What zflood's clients ask of a transport.

Owns: the interface, and how a transport says that a connection is over. Must not know: any transport.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final, Protocol

from zflood.swarm.tally import Tally

# A message, a head or whatever else a server may send without an end: 64 times a zfront's largest message.
HELD_MAX_BYTES: Final = 4 << 20

# Is told the connection, once, when it is answered: from then on messages may come.
Answered = Callable[[int], None]


class Ended(Exception):  # noqa: N818  most endings are no errors
    """The connection is of no use any more.

    Its text is the kind of error to count it under; empty: nothing was wrong. `last_words` are to be sent
    before the connection is closed.
    """

    def __init__(self, error: str = "", last_words: bytes = b"") -> None:
        super().__init__(error)
        self.last_words = last_words


class Cut(Ended):
    """The server went before it had brought to an end what it owed; the text says how far it got."""


class AskAgain(Ended):
    """The answer is complete; the next one is to be asked for on another connection."""


class Transport(Protocol):
    """Follows all connections of a process, each by its descriptor: bytes in, bytes out."""

    # Whether each connection is answered before there is a message for it. Its state until then is large
    # in that case, and few connections may be in it at a time.
    is_answered_at_once: ClassVar[bool]

    def __init__(self, tally: Tally, answered: Answered) -> None: ...

    def opened(self, connection: int, host: str, path: str, since: str = "") -> bytes:
        """It is connected now; returns what to say first. `host` is the value of a Host header.

        `since` is the offset up to which its client has had all; empty: it comes for the first time.
        """

    def offset(self, connection: int) -> str:
        """Up to where its client has had all by now; empty: the server has never said."""

    def feed(self, connection: int, data: bytes) -> bytes:
        """This was read on it, and nothing (b"") at the server's end; returns what to say to that.

        Raises:
            Ended: it is over, which is always so after b"". `left` still has to be called.
        """

    def left(self, connection: int) -> None:
        """It is closed now; its number may stand for another connection soon."""
