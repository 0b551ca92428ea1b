"""What programs give a client: ids, messages, keys, addresses, time-outs, checked before anything is sent.

Owns: what is taken, and the words for what is not. Must not know: sockets, what a call asks.

A TypeError says that it is of the wrong kind, a ValueError (WireError where it is an id, a message or a key)
that it is of the right kind and out of bounds.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Iterable
from numbers import Real
from typing import Any, Final

from zrouter import wire
from zrouter.wire import Pair, WireError

# Neither white space nor control characters nor halves of surrogate pairs are in a host or a path.
_NOT: Final = r"\s\x00-\x1f\x7f\ud800-\udfff"
_TCP: Final = re.compile(
    rf"tcp://(?:[^{_NOT}:/\[\]]+|\[(?P<ipv6>[^{_NOT}\[\]]+)\]):(?P<port>\d{{1,5}})"
).fullmatch
_IPC: Final = re.compile(rf"ipc://[^{_NOT}]+").fullmatch


def as_bytes(given: Any, what: str) -> bytes:
    """The bytes of text or bytes; `what` names it in an error.

    Text is also what says that it is: texts that are translated when they are shown, as Django and Babel have
    them, are no `str` but have its methods.

    Raises:
        TypeError: it is neither.
        WireError: it is text that UTF-8 does not have.
    """
    if isinstance(given, bytes):
        return given
    if isinstance(given, bytearray | memoryview):
        return bytes(given)
    if isinstance(given, str) or (hasattr(given, "encode") and hasattr(given, "casefold")):
        try:
            return str(given).encode()
        except UnicodeEncodeError as error:
            code = wire.BAD_ID if what == "an id" else wire.NOT_UNDERSTOOD
            raise WireError(code, f"{what} is text that UTF-8 does not have: {error.reason}") from None
    raise TypeError(f"{what} is str or bytes, not {type(given).__name__}")


def as_id(an_id: Any) -> bytes:
    """The id's bytes.

    Raises:
        TypeError: it is no text.
        WireError: it is not 1 to 255 bytes of UTF-8.
    """
    found = as_bytes(an_id, "an id")
    wire.check_ids([found])
    return found


def as_ids(ids: Iterable[Any]) -> list[bytes]:
    """The bytes of each. Errors as `as_id`."""
    found = [as_bytes(an_id, "an id") for an_id in ids]
    wire.check_ids(found)
    return found


def as_pair(an_id: Any, message: Any) -> Pair:
    """What one send carries. Errors as `as_id`."""
    return (as_id(an_id), as_bytes(message, "a message"))


def as_key(key: Any, most: int = wire.MAX_KEY_BYTES) -> bytes:
    """The key's bytes; none for None.

    Raises:
        TypeError: it is no text.
        WireError: it has no or too many bytes.
    """
    if key is None:
        return b""
    found = as_bytes(key, "a key")
    if not 1 <= len(found) <= most:
        raise WireError(wire.NOT_UNDERSTOOD, f"a key has 1 to {most} bytes, not {len(found)}")
    return found


def check_pairs(batch: Iterable[Any]) -> None:
    """Say what is wrong with the first of these pairs that is none of bytes; nothing if all are.

    Raises:
        TypeError: it is no pair, or not of bytes.
    """
    for pair in batch:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"a pair is (id, message), or (id, id), not {type(pair).__name__} {pair!r:.50}")
        for part, what in zip(pair, ("an id", "a message"), strict=True):
            if isinstance(part, str):
                raise TypeError(f"{what} is str in a pair, and those of the first pair are bytes")
            if not isinstance(part, bytes | bytearray | memoryview):
                raise TypeError(f"{what} is str or bytes, not {type(part).__name__}")


def check_timeout(timeout_s: Any) -> float | None:
    """The seconds, or None, which is for ever.

    Raises:
        TypeError: it is no number.
        ValueError: it is below 0, infinite, or not a number.
    """
    if timeout_s is None:
        return None
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, Real):
        raise TypeError(f"timeout_s is a number of seconds or None, not {type(timeout_s).__name__}")
    found = float(timeout_s)
    if not (math.isfinite(found) and found >= 0):
        raise ValueError(f"timeout_s is 0 or more seconds, or None for no limit, not {found}")
    return found


def check_count(count: Any, what: str) -> int:
    """A number of things, at least 1.

    Raises:
        TypeError, ValueError: it is none.
    """
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"{what} is a whole number, not {type(count).__name__}")
    if count < 1:
        raise ValueError(f"{what} is at least 1, not {count}")
    return count


def check_endpoint(endpoint: Any) -> str:
    """The address of a router.

    Raises:
        TypeError: it is no str.
        ValueError: it is neither tcp://HOST:PORT nor ipc://PATH.
    """
    if not isinstance(endpoint, str):
        raise TypeError(f"a router's address is str, not {type(endpoint).__name__}")
    tcp = _TCP(endpoint)
    if tcp is None:
        is_one = _IPC(endpoint) is not None
    else:
        is_one = 0 < int(tcp["port"]) < 65536 and (tcp["ipv6"] is None or _is_ipv6_address(tcp["ipv6"]))
    if is_one:
        return endpoint
    raise ValueError(f"{endpoint!r} is not an endpoint such as tcp://127.0.0.1:5570")


def is_ipv6(endpoint: str) -> bool:
    """Whether it is an IPv6 address, in brackets (RFC 3986, 3.2.2).

    ZeroMQ has to be told. It is not told of names: those may be both, and it would try the first one only.
    """
    return endpoint.startswith("tcp://[")


def _is_ipv6_address(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
