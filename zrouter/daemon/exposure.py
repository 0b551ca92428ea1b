"""Safe by default: who may listen beyond this machine (design, promise 6)."""

from __future__ import annotations

import ipaddress


class ExposedError(ValueError):
    """An address that others can reach, without leave."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a socket bound to that host."""
    host = host.lower().removesuffix(".")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_zmq(endpoint: str, insecure: bool) -> None:
    """Refuse an endpoint such as tcp://0.0.0.0:5570 unless `insecure` was given.

    Raises:
        ExposedError: with what to do about it.
    """
    scheme, _, rest = endpoint.partition("://")
    if scheme == "tcp":
        check_host(rest.rpartition(":")[0], insecure)


def check_listener(host: str, has_tokens: bool, insecure: bool) -> None:
    """Refuse a host beyond loopback where clients need no token, unless `insecure` was given.

    Raises:
        ExposedError: with the ways there are.
    """
    if not has_tokens and not insecure and not is_loopback(host):
        raise ExposedError(
            f"{host} can be reached from other machines, and whoever reaches it may connect as any id. "
            "Give --token-key-file, so that clients need a token; or listen on 127.0.0.1 behind a proxy that "
            "knows its users; or give --insecure if the network keeps strangers out"
        )


def check_host(host: str, insecure: bool) -> None:
    """Refuse a host beyond loopback unless `insecure` was given.

    Raises:
        ExposedError: with what to do about it.
    """
    if not insecure and not is_loopback(host):
        raise ExposedError(
            f"{host} can be reached from other machines, and neither authentication nor encryption is "
            "configured; give --insecure if the network keeps strangers out"
        )
