"""The rules: what each kernel setting must be for so many connections, and why.

Owns: a rule for each sysctl. Must not know: how a setting is read, how a finding is shown.

The rules are from the kernel's documents: "ip-sysctl" is Documentation/networking/ip-sysctl.rst, "fs.rst" is
Documentation/admin-guide/sysctl/fs.rst, "nf_conntrack" is Documentation/networking/nf_conntrack-sysctl.rst.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from zflood.tuning.demand import FRONT_RESERVE, PER_SOURCE, Demand

Values = tuple[int, ...]

# What zfront@.service asks for as LimitNOFILE, and zfront as the backlog of each listening socket.
UNIT_FILES: Final = 1_048_576
LISTEN_BACKLOG: Final = 4096
# One message of the greatest size (64 KiB), counted twice: the kernel counts the packets' own bytes, too.
_MESSAGE_BUFFER: Final = 131_072
_NETDEV_BACKLOG: Final = 1000  # the kernel's own default
_PORTS: Final = re.compile(r"\b([0-9]{1,5})(?:-([0-9]{1,5}))?\b")
_WIDE_PORTS: Final = (10_000, 65_535)
_CONNTRACK_MAX: Final = "net.netfilter.nf_conntrack_max"


class Host(NamedTuple):
    """What was read from a host; a setting that could not be read is not in `sysctls`."""

    sysctls: Mapping[str, Values]
    open_files: int  # of all processes now: the first number of fs.file-nr
    files_soft: int  # RLIMIT_NOFILE of this process
    files_hard: int
    may_raise_files: bool  # whether root here may raise the hard limit
    reserved_ports: str  # ip_local_reserved_ports, such as "8080,9000-9010"
    addresses: int  # IPv4 addresses to connect from, without loopback
    tracked: int | None  # nf_conntrack_count while a connection was open; None: not loaded
    memory_bytes: int | None  # what may still be taken, within the control groups' bounds


class Need(NamedTuple):
    """What a rule says of a setting: `better` is what it should be, and what it is where that is enough."""

    is_enough: bool
    needed: str
    better: Values
    why: str


Rule = Callable[[Demand, Host, Values], Need | None]


def _at_least(now: Values, floor: Values, why: str) -> Need:
    better = tuple(max(pair) for pair in zip(now or floor, floor, strict=False))
    return Need(better == now, " ".join(map(str, floor)), better, why)


def _nr_open(demand: Demand, host: Host, now: Values) -> Need:
    # fs.rst: the most file handles that a process may allocate; RLIMIT_NOFILE can't be raised beyond it.
    floor = min(demand.connections + FRONT_RESERVE, UNIT_FILES)
    return _at_least(now, (floor,), "the most open files that a process may be allowed")


def _file_max(demand: Demand, host: Host, now: Values) -> Need:
    # fs.rst: the most file handles that the kernel allocates; file-nr says how many are. proc(5): a process
    # with CAP_SYS_ADMIN may go beyond, which programs that run as a user of their own may not.
    floor = host.open_files + demand.open_files
    why = f"open files of the host: an end of a connection is one; {host.open_files:,} are open"
    return _at_least(now, (floor,), why)


def _epoll_watches(demand: Demand, host: Host, now: Values) -> Need:
    # fs.rst: the most watches of one user; zfront and zflood may be the same user's.
    why = "what one user has in epolls: each end of a connection"
    return _at_least(now, (demand.open_files,), why)


def _port_range(demand: Demand, host: Host, now: Values) -> Need | None:
    # ip-sysctl: first and last of the ports that connect() chooses from, less ip_local_reserved_ports. A port
    # can be used once for each source address, destination and destination port.
    if not demand.floods:
        return None
    ports = usable_ports(now, host.reserved_ports)
    wide = (min(now[0], _WIDE_PORTS[0]), max(now[1], _WIDE_PORTS[1])) if now else _WIDE_PORTS
    if demand.serves:
        needed = min(demand.connections, PER_SOURCE)
        sources = demand.sources(needed)
        is_enough = ports >= needed
        why = f"ports of one source address; zflood takes {needed:,} of each, and {sources:,} of 127.0.0.0/8"
        return Need(is_enough, f"{needed:,} ports", now if is_enough else wide, why)
    sources, wide_sources = demand.sources(ports), demand.sources(usable_ports(wide, host.reserved_ports))
    why = f"{ports:,} ports of one source address; addresses needed: {sources:,}, here: {host.addresses:,}"
    if wide_sources > host.addresses:
        why += f"; with the widest range {wide_sources:,} are needed, see `zflood clients --source`"
    is_enough = sources <= host.addresses
    needed = -(-demand.connections // max(1, host.addresses))
    return Need(is_enough, f"{needed:,} ports", now if is_enough else wide, why)


def usable_ports(port_range: Values, reserved: str) -> int:
    """How many ports of the range, first and last, are not reserved (ip_local_reserved_ports)."""
    if not port_range:
        return 0
    ports = set(range(port_range[0], port_range[1] + 1))
    for first, last in _PORTS.findall(reserved):
        ports.difference_update(range(int(first), int(last or first) + 1))
    return len(ports)


def _tw_reuse(demand: Demand, host: Host, now: Values) -> Need | None:
    # ip-sysctl: 1 = ports in TIME-WAIT are used again after tcp_tw_reuse_delay (1 s), 2 = over loopback only.
    if not demand.floods:
        return None
    good = (1, 2) if demand.serves else (1,)
    ports = usable_ports(host.sysctls.get("net.ipv4.ip_local_port_range", ()), host.reserved_ports)
    sources = demand.sources(PER_SOURCE) if demand.serves else host.addresses
    if ports * sources >= 2 * demand.connections:
        return Need(True, "-", now, "there are ports enough even when all come back at once")
    why = "a closed connection's port is free again after a second, not after a minute"
    is_enough = bool(now) and now[0] in good
    return Need(is_enough, " or ".join(map(str, good)), now if is_enough else (1,), why)


def _somaxconn(demand: Demand, host: Host, now: Values) -> Need | None:
    # listen(2): a greater backlog is cut down to this without an error.
    if not demand.serves:
        return None
    why = "connections that wait to be accepted; the others try again a second later"
    return _at_least(now, (min(demand.connections, LISTEN_BACKLOG),), why)


def _syn_backlog(demand: Demand, host: Host, now: Values) -> Need | None:
    # ip-sysctl: handshakes under way, for each listening socket. The kernel asks for it only while
    # tcp_syncookies is 0, and then keeps a quarter for peers that it knows (tcp_conn_request, tcp_input.c).
    if not demand.serves:
        return None
    if host.sysctls.get("net.ipv4.tcp_syncookies", (0,))[0]:
        return Need(True, "-", now, "handshakes under way: no bound while net.ipv4.tcp_syncookies is on")
    floor = -(-min(demand.connections, LISTEN_BACKLOG) * 4 // 3)
    why = "handshakes under way, for each worker; a quarter is kept for peers that are known"
    return _at_least(now, (floor,), why)


def _netdev_backlog(demand: Demand, host: Host, now: Values) -> Need:
    # sysctl/net.rst: packets of a CPU that wait to be worked on; all of loopback's go through there, and more
    # are dropped. Keepalive probes come in bursts: the kernel's timers of a minute and more fire together for
    # 2 to 4 s (kernel/time/timer.c), and zfront spreads a host's probes over half of --keepalive, 30 s. A
    # connection whose three probes are all dropped is gone at this end.
    floor = max(_NETDEV_BACKLOG, demand.connections // 4)
    why = "packets that wait for a CPU: keepalive probes of many connections are due at the same moment"
    return _at_least(now, (floor,), why)


def _tcp_mem(demand: Demand, host: Host, now: Values) -> Need:
    # ip-sysctl: pages of all TCP buffers. Below the first TCP is not bothered, beyond the second it moderates
    # itself, the third is the bound. A message to everybody at once waits in one buffer of each connection, a
    # page each, however small. The proportions are the kernel's own (tcp_init_mem, net/ipv4/tcp.c).
    pressure = demand.connections
    floor = (pressure * 3 // 4, pressure, pressure * 3 // 2)
    why = "pages of all TCP buffers: a message to all at once takes one for each"
    return _at_least(now, floor, why)


def _buffers(demand: Demand, host: Host, now: Values) -> Need:
    # ip-sysctl: minimum, default and maximum of one socket's buffer, none below 4096; a bound, not a reserve.
    why = "a socket's buffer: a message of 64 KiB must fit; an idle connection takes nothing"
    return _at_least(now, (4096, 16_384, _MESSAGE_BUFFER), why)


def _conntrack(demand: Demand, host: Host, now: Values) -> Need:
    # nf_conntrack: the most entries, one for each connection, even with both ends here. Loaded is not yet at
    # work: entries are made only where a firewall rule asks for them.
    if host.tracked is None:
        return Need(True, "-", (), "connection tracking is not loaded")
    if not host.tracked:
        return Need(True, "-", now, "connection tracking is loaded, but no firewall rule uses it")
    why = f"tracked connections; beyond, packets of new ones are dropped; {host.tracked:,} are tracked now"
    return _at_least(now, (demand.connections + host.tracked,), why)


RULES: Final[Mapping[str, Rule]] = {
    "fs.nr_open": _nr_open,
    "fs.file-max": _file_max,
    "fs.epoll.max_user_watches": _epoll_watches,
    "net.ipv4.ip_local_port_range": _port_range,
    "net.ipv4.tcp_tw_reuse": _tw_reuse,
    "net.core.somaxconn": _somaxconn,
    "net.ipv4.tcp_max_syn_backlog": _syn_backlog,
    "net.core.netdev_max_backlog": _netdev_backlog,
    "net.ipv4.tcp_mem": _tcp_mem,
    "net.ipv4.tcp_rmem": _buffers,
    "net.ipv4.tcp_wmem": _buffers,
    _CONNTRACK_MAX: _conntrack,
}
# How many numbers a setting has, if not one.
NUMBERS: Final[Mapping[str, int]] = {
    "net.ipv4.ip_local_port_range": 2,
    "net.ipv4.tcp_mem": 3,
    "net.ipv4.tcp_rmem": 3,
    "net.ipv4.tcp_wmem": 3,
}
# What the rules look at besides.
ALSO_READ: Final = ("net.ipv4.tcp_syncookies",)
