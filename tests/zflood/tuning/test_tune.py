"""The verdicts: what stops N connections on a host, and that the lines mend it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zflood.tuning.demand import Side
from zflood.tuning.sysctls import RULES, Host, Values, usable_ports
from zflood.tuning.tune import Finding, demand_on, file_text, judge, lines_for

MILLION = 1_000_000
SYSCTL_FILE = Path(__file__).parents[3] / "systemd" / "sysctl.d" / "60-zcomet.conf"
# A current kernel's own values, on 24 GiB.
DEFAULTS: dict[str, Values] = {
    "fs.nr_open": (1_048_576,),
    "fs.file-max": (2_466_170,),
    "fs.epoll.max_user_watches": (5_491_511,),
    "net.ipv4.ip_local_port_range": (32_768, 60_999),
    "net.ipv4.tcp_tw_reuse": (2,),
    "net.core.somaxconn": (4096,),
    "net.ipv4.tcp_max_syn_backlog": (2048,),
    "net.ipv4.tcp_syncookies": (1,),
    "net.ipv4.tcp_mem": (287_898, 383_867, 575_796),
    "net.ipv4.tcp_rmem": (4096, 131_072, 33_554_432),
    "net.ipv4.tcp_wmem": (4096, 16_384, 4_194_304),
    "net.netfilter.nf_conntrack_max": (262_144,),
}
HOST = Host(
    sysctls=DEFAULTS, open_files=1000, files_soft=1_048_576, files_hard=1_048_576, may_raise_files=True,
    reserved_ports="", addresses=1, tracked=0, memory_bytes=24 * 1024**3,
)  # fmt: skip


def judged(host: Host, connections: int, side: Side = Side.BOTH) -> dict[str, Finding]:
    return {finding.name: finding for finding in judge(host, demand_on(host, connections, side))}


def but(**values: Values) -> Host:
    """The host with other sysctls; a double underscore is a dot, and no value is not to be read."""
    changed = {name.replace("__", "."): value for name, value in values.items()}
    return HOST._replace(sysctls={key: value for key, value in {**DEFAULTS, **changed}.items() if value})


def mended(host: Host, findings: list[Finding]) -> Host:
    """The host once the lines for sysctl.d are set."""
    lines = (line.split(" = ") for line in lines_for(findings, "sysctl.d"))
    return host._replace(
        sysctls={**host.sysctls, **{key: tuple(map(int, value.split())) for key, value in lines}}
    )


def small(findings: list[Finding]) -> set[str]:
    return {finding.name for finding in findings if finding.verdict == "too small"}


numbers = st.integers(1, 2**31 - 1)
ports = st.integers(1024, 65_535)
triples = st.lists(st.integers(4096, 2**31 - 1), min_size=3, max_size=3).map(lambda each: tuple(sorted(each)))
hosts = st.builds(
    Host,
    sysctls=st.fixed_dictionaries(
        {},
        optional={
            key: triples if now[2:] else numbers.map(lambda each: (each,)) for key, now in DEFAULTS.items()
        }
        | {"net.ipv4.ip_local_port_range": st.tuples(ports, ports).map(lambda each: tuple(sorted(each)))}
        | {"net.ipv4.tcp_tw_reuse": st.sampled_from([(0,), (1,), (2,)])},
    ),
    open_files=st.integers(0, 10**6),
    files_soft=st.integers(1, 2**21),
    files_hard=st.integers(1, 2**21),
    may_raise_files=st.booleans(),
    reserved_ports=st.sampled_from(["", "8080", "8080,20000-20999"]),
    addresses=st.integers(0, 300),
    tracked=st.none() | st.integers(0, 10**6),
    memory_bytes=st.none() | st.integers(0, 2**40),
)
sides = st.sampled_from(Side)
counts = st.integers(1, 5_000_000)


@given(hosts, counts, sides)
def test_a_host_with_all_lines_set_has_no_sysctl_that_is_too_small(
    host: Host, connections: int, side: Side
) -> None:
    demand = demand_on(host, connections, side)
    after = judge(mended(host, judge(host, demand)), demand)
    # Ports of one's own addresses may not suffice, however wide the range; that is said.
    beyond = {"net.ipv4.ip_local_port_range"} if side is Side.CLIENTS else set()
    assert small(after) & set(RULES) <= beyond


@given(hosts, counts, sides)
def test_no_line_lowers_what_is_there(host: Host, connections: int, side: Side) -> None:
    after = mended(host, judge(host, demand_on(host, connections, side))).sysctls
    for key, now in host.sysctls.items():
        if key == "net.ipv4.ip_local_port_range":
            assert usable_ports(after[key], "") >= usable_ports(now, "")
        elif key != "net.ipv4.tcp_tw_reuse":
            assert all(new >= old for new, old in zip(after[key], now, strict=True))


@given(hosts, counts, counts)
def test_what_stops_some_stops_more(host: Host, some: int, more: int) -> None:
    some, more = sorted((some, more))
    fewer, all_ = (set(small(judge(host, demand_on(host, each, Side.BOTH)))) for each in (some, more))
    # More connections may take one more worker, with fewer for each.
    assert fewer - {"open files, soft limit"} <= all_


def test_a_default_host_holds_a_hundred_thousand() -> None:
    assert small([*judged(HOST, 100_000).values()]) == set()


def test_a_million_of_both_ends_on_a_default_host_lack_buffers_only() -> None:
    assert small([*judged(HOST, MILLION).values()]) == {"net.ipv4.tcp_mem"}


def shipped() -> dict[str, Values]:
    found = re.findall(r"^([\w.-]+) = (.+)$", SYSCTL_FILE.read_text(), re.MULTILINE)
    return {key: tuple(map(int, value.split())) for key, value in found}


def test_the_shipped_file_has_no_setting_that_tune_does_not_know() -> None:
    assert shipped()
    assert set(shipped()) <= set(RULES)


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("syncookies", [0, 1])
def test_the_shipped_file_is_enough_for_a_million(side: Side, syncookies: int) -> None:
    host = but(**shipped(), net__ipv4__tcp_syncookies=(syncookies,))._replace(addresses=50)
    findings = judged(host, MILLION, side)
    assert small([*findings.values()]) & set(shipped()) == set()


def test_workers_make_up_for_a_limit_that_cannot_be_raised() -> None:
    host = HOST._replace(files_soft=20_000, files_hard=20_000, may_raise_files=False)
    found = judged(host, MILLION)["open files, hard limit"]
    assert found.verdict == "fine"
    assert "51 zfront workers and 51 zflood processes; it cannot be raised here" in found.why
    assert [line.text for line in found.lines] == ["Environment=ZFRONT_WORKERS=51"]


def test_more_workers_than_there_may_be_are_too_many() -> None:
    host = HOST._replace(files_soft=1024, files_hard=1024, may_raise_files=False)
    found = judged(host, MILLION)["open files, hard limit"]
    assert (found.verdict, found.lines) == ("too small", ())
    assert found.needed == "2338"  # a 512th of them, and the reserve
    assert "1,563 zfront workers" in found.why
    raisable = [*judged(host._replace(may_raise_files=True), MILLION).values()]
    assert lines_for(raisable, "limits.d")[:2] == ["* - nofile 1000384", "root - nofile 1000384"]
    assert "LimitNOFILE=1000384" in lines_for(raisable, "unit")


def test_the_soft_limit_counts_where_a_frontend_is() -> None:
    host = HOST._replace(files_soft=1024)
    name = "open files, soft limit"
    assert judged(host, 10_000, Side.SERVER)[name].verdict == "too small"
    assert lines_for([judged(host, 10_000)[name]], "limits.d") == ["* - nofile 10384", "root - nofile 10384"]
    assert judged(host, 500)[name].verdict == "fine"
    assert name not in judged(host, 10_000, Side.CLIENTS)


@pytest.mark.parametrize(
    ("key", "now", "line"),
    [
        ("fs.nr_open", (65_536,), "fs.nr_open = 1000384"),
        # The ends, what is open already, and the reserves of one worker and one flood process.
        ("fs.file-max", (1_000_000,), "fs.file-max = 2001484"),
        ("fs.epoll.max_user_watches", (1_000_000,), "fs.epoll.max_user_watches = 2000484"),
        ("net.ipv4.ip_local_port_range", (58_000, 60_999), "net.ipv4.ip_local_port_range = 10000 65535"),
        ("net.core.somaxconn", (128,), "net.core.somaxconn = 4096"),
        ("net.ipv4.tcp_mem", (1, 2, 3), "net.ipv4.tcp_mem = 750000 1000000 1500000"),
        ("net.ipv4.tcp_rmem", (4096, 4096, 4096), "net.ipv4.tcp_rmem = 4096 16384 131072"),
        ("net.ipv4.tcp_wmem", (4096, 65_536, 65_536), "net.ipv4.tcp_wmem = 4096 65536 131072"),
    ],
)
def test_what_is_too_small_for_a_million_and_the_line_that_mends_it(key: str, now: Values, line: str) -> None:
    found = judged(but(**{key: now}), MILLION)[key]
    assert found.verdict == "too small"
    assert [each.text for each in found.lines] == [line]


def test_ports_in_time_wait_are_needed_again_where_source_addresses_are_few() -> None:
    host = but(**{"net.ipv4.tcp_tw_reuse": (0,)})
    found = judged(host._replace(addresses=1), 20_000, Side.CLIENTS)["net.ipv4.tcp_tw_reuse"]
    assert found.verdict == "too small"
    assert [each.text for each in found.lines] == ["net.ipv4.tcp_tw_reuse = 1"]
    assert judged(host, MILLION)["net.ipv4.tcp_tw_reuse"].verdict == "fine"


def test_the_syn_backlog_counts_without_syncookies_only() -> None:
    key = "net.ipv4.tcp_max_syn_backlog"
    assert judged(HOST, MILLION)[key].verdict == "fine"
    found = judged(but(net__ipv4__tcp_syncookies=(0,)), MILLION)[key]
    # Three quarters of it are for peers that the kernel does not know: as many as the backlog of 4,096.
    assert [line.text for line in found.lines] == [f"{key} = 5462"]


def test_connection_tracking_counts_where_it_is_at_work_only() -> None:
    key = "net.netfilter.nf_conntrack_max"
    assert judged(HOST._replace(tracked=None), MILLION)[key].verdict == "fine"
    assert judged(HOST._replace(tracked=0), MILLION)[key].verdict == "fine"
    found = judged(HOST._replace(tracked=5), MILLION)[key]
    assert [line.text for line in found.lines] == [f"{key} = 1000005"]


def test_clients_of_another_host_need_ports_or_addresses() -> None:
    key = "net.ipv4.ip_local_port_range"
    assert judged(HOST, 28_232, Side.CLIENTS)[key].verdict == "fine"
    assert judged(HOST, 28_233, Side.CLIENTS)[key].verdict == "too small"
    assert judged(HOST._replace(addresses=2), 28_233, Side.CLIENTS)[key].verdict == "fine"
    wide = but(net__ipv4__ip_local_port_range=(10_000, 65_535))
    found = judged(wide, MILLION, Side.CLIENTS)[key]
    assert "addresses needed: 19, here: 1" in found.why
    assert found.lines == ()  # no range helps


@pytest.mark.parametrize(
    ("reserved", "count"), [("", 101), ("8000", 100), ("1-7999,8050-8059,8100", 90), ("9000", 101)]
)
def test_reserved_ports_are_not_counted(reserved: str, count: int) -> None:
    assert usable_ports((8000, 8100), reserved) == count


def test_what_cannot_be_read_is_unknown_and_has_no_line() -> None:
    found = judged(but(net__ipv4__tcp_mem=()), MILLION)["net.ipv4.tcp_mem"]
    assert (found.verdict, found.lines) == ("unknown", ())
    assert "750000 1000000 1500000" in found.needed


def test_memory_is_judged_against_what_may_still_be_taken() -> None:
    memory = demand_on(HOST, MILLION, Side.BOTH).memory()
    assert judged(HOST._replace(memory_bytes=memory.total), MILLION)["memory"].verdict == "fine"
    assert judged(HOST._replace(memory_bytes=memory.total - 1), MILLION)["memory"].verdict == "too small"
    assert judged(HOST._replace(memory_bytes=None), MILLION)["memory"].verdict == "unknown"


def test_the_file_is_whole_and_what_is_not_for_the_kernel_is_a_comment() -> None:
    host = HOST._replace(files_soft=20_000, files_hard=20_000, may_raise_files=False)
    demand = demand_on(host, MILLION, Side.BOTH)
    text = file_text(judge(host, demand), demand)
    settings = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert "fs.file-max = 2466170" in settings  # fine, and stays so
    assert "net.ipv4.tcp_mem = 750000 1000000 1500000" in settings
    assert all(re.fullmatch(r"[a-z_.0-9-]+ = \d+( \d+)*", line) for line in settings)
    assert "#   Environment=ZFRONT_WORKERS=51" in text
