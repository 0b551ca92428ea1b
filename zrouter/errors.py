"""What calls raise: one base class, so that `except RouterError` is enough.

Owns: the errors of the clients and of the link, and that each survives pickle and copy, whatever its
arguments are: one that crosses a process boundary and can not be read breaks a whole pool of processes.
Must not know: sockets, messages, who raises them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self


def _again(kind: type[BaseException], args: tuple[object, ...]) -> BaseException:
    """Such an error, without its constructor: that one makes its text of other arguments."""
    error = kind.__new__(kind)
    error.args = args
    return error


class PortableError(Exception):
    """An error that survives pickle and copy with all that it carries."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.args), dict(self.__dict__)

    def __copy__(self) -> Self:
        again = _again(type(self), self.args)
        again.__dict__.update(self.__dict__)
        assert isinstance(again, type(self))
        return again


class RouterError(PortableError):
    """Something could not be done through the router.

    `handed` = the receipts that a `send_many`, or another call for many, had got before it failed.
    """

    handed: Sequence[Any] = ()


class RouterUnavailableError(RouterError):
    """No router answered within the time allowed."""


class LinkLostError(RouterError):
    """The link broke before the answer came: whether the router acted on the request is not known."""


class RefusedError(RouterError):
    """The router refused. `code` is one of wire.ERROR_CODES."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class WireError(RouterError, ValueError):
    """What is no message of the link: bytes that came, or an argument that none can be made of.

    `code` is one of wire.ERROR_CODES. `request` and `messages` say what was refused, as far as could be read:
    its number, the pairs of a Send.
    """

    def __init__(self, code: str, text: str, request: int = 0, messages: int = 0) -> None:
        super().__init__(text)
        self.code = code
        self.request = request
        self.messages = messages
