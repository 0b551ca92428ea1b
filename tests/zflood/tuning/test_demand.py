"""What connections ask for is counted as the programs count it."""

from __future__ import annotations

import resource
import socket
import struct
from pathlib import Path

import click
import pytest

import zflood.commands
import zfront.cli
from zflood.swarm import clients, swarm
from zflood.tuning import demand, sysctls
from zflood.tuning.demand import Demand, Side
from zfront import settings
from zfront.http.acceptor import listen

UNIT = Path(__file__).parents[3] / "systemd" / "zfront@.service"
_TCPI_SACKED = 8 + 5 * 4  # linux/tcp.h, struct tcp_info; of a listening socket it is the backlog


def test_reserves_and_sources_are_those_of_the_programs() -> None:
    assert settings.RESERVED_DESCRIPTORS + 2 * settings.FrontSettings.api_connections == demand.FRONT_RESERVE
    assert demand.PER_SOURCE == clients.PER_SOURCE


@pytest.mark.parametrize("connections", [1, 100, 19_900, 19_901, 1_000_000])
def test_there_are_as_many_flood_processes_as_zflood_clients_takes(connections: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert Demand(connections, Side.BOTH, hard).processes == swarm.processes_needed(connections)


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (zfront.cli.commands.commands["serve"], "workers"),
        (zflood.commands.commands.commands["clients"], "processes"),
    ],
)
def test_there_may_be_as_many_processes_as_the_options_allow(command: click.Command, option: str) -> None:
    found = next(each.type for each in command.params if each.name == option)
    assert isinstance(found, click.IntRange)
    assert found.max == demand.MOST_PROCESSES


def test_the_unit_asks_for_as_many_files_as_the_rules_think() -> None:
    assert f"LimitNOFILE={sysctls.UNIT_FILES}\n" in UNIT.read_text()


def test_the_frontend_asks_for_the_backlog_that_the_rules_think() -> None:
    most = int(Path("/proc/sys/net/core/somaxconn").read_text())
    with listen("127.0.0.1", 0, 60) as listener:
        info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64)
    assert struct.unpack_from("I", info, _TCPI_SACKED)[0] == min(sysctls.LISTEN_BACKLOG, most)


def test_a_million_in_processes_of_20000_files() -> None:
    both = Demand(1_000_000, Side.BOTH, 20_000)
    assert (both.workers, both.processes, both.ends) == (51, 51, 2_000_000)
    server = Demand(1_000_000, Side.SERVER, 20_000)
    assert (server.workers, server.processes, server.ends) == (51, 0, 1_000_000)


def test_each_side_pays_for_its_own_end() -> None:
    server, flood, both = (
        Demand(100_000, side, 1_000_000).memory() for side in (Side.SERVER, Side.CLIENTS, Side.BOTH)
    )
    assert server.zflood == flood.zfront == flood.zrouter == 0
    assert both.total == server.total + flood.total
