"""Whether a host can hold N connections, line by line, and the lines that mend it.

Owns: the verdicts, the text of the files. Must not know: how a host is read or changed (host.py), how a
finding is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple

from zflood.tuning.demand import FLOOD_RESERVE, FRONT_RESERVE, MOST_PROCESSES, PAGE_BYTES, Demand, Side
from zflood.tuning.sysctls import RULES, UNIT_FILES, Host

Verdict = Literal["fine", "too small", "unknown"]
Where = Literal["sysctl.d", "limits.d", "unit"]
# Where lines go, in words.
PLACES: Final[dict[Where, str]] = {
    "sysctl.d": "/etc/sysctl.d/61-zcomet.conf",
    "limits.d": "/etc/security/limits.d/61-zcomet.conf (sessions; systemd does not read it)",
    "unit": "[Service], by `systemctl edit zfront@`",
}
_NOT_READ: Final = "cannot be read here (in a container it is the host's)"


class Line(NamedTuple):
    """A line of a file: one that makes it fine, or that says what is fine already."""

    where: Where
    text: str


class Finding(NamedTuple):
    """One thing that might stop the connections."""

    name: str
    now: str
    needed: str
    verdict: Verdict
    why: str  # one sentence
    lines: tuple[Line, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {**self._asdict(), "lines": [line._asdict() for line in self.lines]}


def demand_on(host: Host, connections: int, side: Side) -> Demand:
    """So many connections, in as many processes as this host's limits ask for."""
    return Demand(connections, side, host.files_hard)


def judge(host: Host, demand: Demand) -> list[Finding]:
    """Each thing that might stop these connections on this host."""
    findings = [_hard_files(host, demand)]
    if demand.serves:
        findings.append(_soft_files(host, demand))
    return [*findings, *_sysctls(host, demand), _memory(host, demand)]


def _sysctls(host: Host, demand: Demand) -> Iterable[Finding]:
    for key, rule in RULES.items():
        now = host.sysctls.get(key, ())
        need = rule(demand, host, now)
        if need is None:
            continue
        text = " ".join(map(str, now))
        if not now and not need.is_enough:
            yield Finding(key, "-", need.needed, "unknown", f"{_NOT_READ}: {need.why}")
            continue
        is_of_use = now and need.needed != "-" and (need.is_enough or need.better != now)
        lines = (Line("sysctl.d", f"{key} = {' '.join(map(str, need.better))}"),) if is_of_use else ()
        yield Finding(
            key, text or "-", need.needed, "fine" if need.is_enough else "too small", need.why, lines
        )


def _hard_files(host: Host, demand: Demand) -> Finding:
    """Of one process; more processes make up for it, as far as the programs can have them."""
    name, now = "open files, hard limit", host.files_hard
    most = max(demand.workers, demand.processes)
    raised = min(demand.connections + FRONT_RESERVE, UNIT_FILES) if host.may_raise_files else now
    is_enough = most <= MOST_PROCESSES and now > FRONT_RESERVE
    why = f"of a process: so many connections take {_crew(demand)}"
    if not is_enough:
        why += f", and {MOST_PROCESSES} are the most"
    if raised <= now and most > 1:
        why += "; it cannot be raised here"
    if is_enough:
        workers = _workers_line(demand) if demand.workers > 1 else ()
        return Finding(name, str(now), str(_least(demand)), "fine", why, workers)
    needed = -(-demand.connections // MOST_PROCESSES) + FRONT_RESERVE
    then = demand._replace(files=raised)
    lines = (*_files_lines(raised, then), *_workers_line(then)) if raised > now else ()
    return Finding(name, str(now), str(needed), "too small", why, lines)


def _soft_files(host: Host, demand: Demand) -> Finding:
    """The frontend takes as many clients as the soft limit allows; whoever starts it may raise that."""
    name, now = "open files, soft limit", host.files_soft
    needed = min(_least(demand), host.files_hard)
    why = f"zfront goes by it; set by LimitNOFILE, or in a shell by `ulimit -n {needed}`"
    if now >= needed:
        return Finding(name, str(now), str(needed), "fine", why)
    lines = tuple(line for line in _files_lines(needed, demand) if line.where == "limits.d")
    return Finding(name, str(now), str(needed), "too small", why, lines)


def _crew(demand: Demand) -> str:
    counts = ((demand.workers, "zfront worker", "s"), (demand.processes, "zflood process", "es"))
    return " and ".join(f"{count:,} {what}{many * (count > 1)}" for count, what, many in counts if count)


def _workers_line(demand: Demand) -> tuple[Line, ...]:
    return (Line("unit", f"Environment=ZFRONT_WORKERS={demand.workers}"),) if demand.serves else ()


def _least(demand: Demand) -> int:
    """Open files of the process that has most of them."""
    shares = [(demand.workers, FRONT_RESERVE), (demand.processes, FLOOD_RESERVE)]
    return max(-(-demand.connections // count) + reserve for count, reserve in shares if count)


def _files_lines(files: int, demand: Demand) -> tuple[Line, ...]:
    # limits.conf(5): `-` is both limits; a wildcard does not mean root.
    lines = [Line("limits.d", f"{who} - nofile {files}") for who in ("*", "root")]
    if demand.serves:
        lines.append(Line("unit", f"LimitNOFILE={files}"))
    return tuple(lines)


def _memory(host: Host, demand: Demand) -> Finding:
    """Idle connections against what may still be taken."""
    memory = demand.memory()
    parts = [f"{name} {_size(size)}" for name, size in memory._asdict().items() if size]
    burst = demand.connections * PAGE_BYTES
    why = f"{', '.join(parts)}; a message to all at once takes up to {_size(burst)} more for a moment"
    needed, name = _size(memory.total), "memory"
    if host.memory_bytes is None:
        return Finding(name, "-", needed, "unknown", f"{_NOT_READ}: {why}")
    verdict: Verdict = "fine" if host.memory_bytes >= memory.total else "too small"
    return Finding(name, _size(host.memory_bytes), needed, verdict, why)


def _size(count: int) -> str:
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "KB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} B"


def lines_for(findings: Iterable[Finding], where: Where) -> list[str]:
    """The lines for one place, without those that say only what is so already."""
    return [
        line.text
        for finding in findings
        for line in finding.lines
        if line.where == where and (finding.verdict == "too small" or where != "sysctl.d")
    ]


def file_text(findings: Sequence[Finding], demand: Demand) -> str:
    """A sysctl.d file with all settings that were judged; lines for elsewhere are comments."""
    parts = [f"# For {demand.connections:,} connections (side: {demand.side}). Made by zflood tune."]
    for finding in findings:
        for line in finding.lines:
            if line.where == "sysctl.d":
                parts.append(f"\n# {finding.why}\n{line.text}")
    for where, title in PLACES.items():
        if where != "sysctl.d" and (lines := lines_for(findings, where)):
            parts.append("\n".join(["", f"# For {title}:", *(f"#   {line}" for line in lines)]))
    return "\n".join(parts) + "\n"
