"""Safe by default: who may listen beyond this machine (design, promise 6)."""

from __future__ import annotations

import ipaddress
import socket


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


def check_zmq(endpoint: str, has_keys: bool, insecure: bool) -> None:
    """Refuse an endpoint that strangers can reach, unless peers need keys or `insecure` was given.

    Such are tcp://0.0.0.0:5570, and Unix's abstract sockets (ipc://@name): those have no mode.

    Raises:
        ExposedError: with the ways there are.
    """
    if has_keys or insecure:
        return
    scheme, _, rest = endpoint.partition("://")
    if scheme == "ipc" and rest.startswith("@"):
        raise ExposedError(
            f"{endpoint} has no mode, so everybody on this machine may do everything; give a path, or "
            "--curve-server-key-file"
        )
    host = rest.rpartition(":")[0]
    if scheme == "tcp" and not _is_bound_to_loopback(host):
        raise ExposedError(
            f"{host} can be reached from other machines, and whoever reaches it may do everything. Give "
            "--curve-server-key-file and --curve-allow-file, so that peers need keys and all is encrypted "
            "(`zrouter keygen` makes them); or --insecure if the network keeps strangers out"
        )


def check_listener(host: str, has_tokens: bool, insecure: bool) -> None:
    """Refuse a host beyond loopback where clients need no token, unless `insecure` was given.

    Raises:
        ExposedError: with the ways there are.
    """
    if not has_tokens and not insecure and not _is_bound_to_loopback(host):
        raise ExposedError(
            f"{host} can be reached from other machines, and whoever reaches it may connect as any id. "
            "Give --token-key-file, so that clients need a token, or --auth-url, so that your backend is "
            "asked; or listen on 127.0.0.1, for this machine alone; or give --insecure if a proxy in front "
            "or the network keeps strangers out"
        )


def _is_bound_to_loopback(host: str) -> bool:
    """What a name stands for counts, not how it reads: /etc/hosts may say anything of localhost."""
    if not is_loopback(host):
        return False
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except OSError:
        return True  # nothing can be bound to it either
    return all(is_loopback(str(address[0]).partition("%")[0]) for *_, address in found)
