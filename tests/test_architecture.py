"""Which way the arrows run between packages, and which files do no I/O: every file that is not a shell."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent.parent
PROGRAMS: Final = ("zrouter", "zfront", "zflood")

# A package, or a file beside the packages, and what of its own program it may import. Bottom up.
FLOORS: Final[dict[str, tuple[str, ...]]] = {
    "zrouter.errors": (),
    "zrouter.given_file": (),
    "zrouter.replaced_file": (),
    "zrouter.wire": ("errors",),
    "zrouter.link": ("errors", "given_file", "wire"),
    "zrouter.client": ("errors", "wire", "link"),
    "zrouter.aio": ("client",),
    "zrouter.tokens": ("errors", "given_file", "wire"),
    "zrouter.api_keys": ("errors", "given_file", "replaced_file", "tokens"),
    "zrouter.contrib": ("errors", "wire", "link", "client", "aio", "tokens"),
    "zrouter.daemon": ("errors", "replaced_file", "wire", "link"),
    "zrouter.follows": ("errors", "wire"),
    "zrouter.routing": ("errors", "wire", "follows"),
    "zrouter.server": ("errors", "given_file", "wire", "link", "follows", "routing", "daemon"),
    "zrouter.cli": (
        "errors", "replaced_file", "wire", "link", "client", "tokens", "api_keys", "daemon", "follows",
        "routing", "server",
    ),
    "zfront.periodic": (),
    "zfront.faults": (),
    "zfront.date_header": (),
    "zfront.transports": (),
    "zfront.requests": ("transports",),
    "zfront.settings": ("requests",),
    "zfront.router_link": ("periodic",),
    "zfront.connections": ("faults", "date_header", "transports", "requests", "settings"),
    "zfront.api": ("periodic", "requests", "settings", "router_link"),
    "zfront.http": (
        "periodic", "faults", "date_header", "transports", "requests", "connections", "api",
    ),
    "zfront.handlers": ("transports", "requests", "connections", "api", "http"),
    "zfront.workers": (
        "periodic", "date_header", "requests", "settings", "router_link", "connections", "api", "http",
        "handlers",
    ),
    "zfront.cli": ("settings", "http", "workers"),
}  # fmt: skip
# What zfront and zflood stand on; zrouter on neither, and they never on each other.
GROUND: Final = {"errors", "wire", "link", "client", "aio", "daemon", "tokens", "api_keys"}

# Files, or all of a folder, that talk to the world or ask for the time. All others are rules.
SHELLS: Final = {
    "zrouter/__init__.py",
    "zrouter/aio.py",
    "zrouter/cli/",
    "zrouter/client/__init__.py",
    "zrouter/client/async_driver.py",
    "zrouter/client/asynchronous.py",
    "zrouter/client/blocking.py",
    "zrouter/client/blocking_driver.py",
    "zrouter/client/call_locks.py",
    "zrouter/client/connection.py",
    "zrouter/contrib/",
    "zrouter/daemon/",
    "zrouter/follows/bulk/load.py",
    "zrouter/follows/lmdb_store/directory.py",
    "zrouter/follows/lmdb_store/generation.py",
    "zrouter/follows/lmdb_store/store.py",
    "zrouter/follows/lmdb_store/verify.py",
    "zrouter/link/dealer.py",
    "zrouter/server/connection_monitor.py",
    "zrouter/server/job_thread.py",
    "zrouter/server/revocation_writer.py",
    "zrouter/server/socket_loop.py",
    "zrouter/server/store_writer.py",
    "zrouter/server/zap.py",
    "zfront/api/context.py",
    "zfront/api/pending_requests.py",
    "zfront/cli.py",
    "zfront/connections/fan_out.py",
    "zfront/connections/hub.py",
    "zfront/connections/no_park.py",
    "zfront/connections/parked_sockets.py",
    "zfront/date_header.py",
    "zfront/handlers/",
    "zfront/http/acceptor.py",
    "zfront/http/lingering_close.py",
    "zfront/http/send_fast_path.py",
    "zfront/http/tornado_stream.py",
    "zfront/http/unparked.py",
    "zfront/periodic.py",
    "zfront/router_link.py",
    "zfront/workers/",
    "zflood/check/client_log.py",
    "zflood/check/folder.py",
    "zflood/check/log_format.py",
    "zflood/check/sender_log.py",
    "zflood/cli.py",
    "zflood/commands/",
    "zflood/demo.py",
    "zflood/latency.py",
    "zflood/memory.py",
    "zflood/plot.py",
    "zflood/processes.py",
    "zflood/run/environment.py",
    "zflood/run/narrator.py",
    "zflood/run/programs.py",
    "zflood/run/report.py",
    "zflood/run/runner.py",
    "zflood/run/show.py",
    "zflood/run/steps.py",
    "zflood/sender/messages.py",
    "zflood/sender/outlets/http.py",
    "zflood/sender/outlets/router.py",
    "zflood/sender/punctual.py",
    "zflood/sender/sending.py",
    "zflood/swarm/clients.py",
    "zflood/swarm/show.py",
    "zflood/swarm/swarm.py",
    "zflood/tuning/host.py",
}
WORLD: Final = {
    "aiohttp", "asyncio", "datetime", "lmdb", "multiprocessing", "psutil", "redis", "select", "selectors",
    "signal",
    "socket", "subprocess", "threading", "time", "tornado", "zmq",
}  # fmt: skip
# Shells of which rules use values alone, such as a constant or a class that is only named.
VALUES: Final = {
    "zrouter.daemon.exposure",
    "zrouter.daemon.numbers",
    "zrouter.daemon.options",
    "zrouter.daemon.arguments",
    "zrouter.daemon.logs",
    "zrouter.daemon.output",
    "zflood.check.client_log",
    "zflood.check.sender_log",
    "zflood.latency",
}


def module_of(path: Path) -> str:
    """The name by which a file is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES: Final = {module_of(path): path for one in PROGRAMS for path in (ROOT / one).rglob("*.py")}


@cache
def imports(module: str) -> frozenset[str]:
    """Every module that a file imports, wherever in the file, but for what only the type checker sees."""
    tree = ast.parse(MODULES[module].read_text())
    unseen = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in unseen:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in MODULES else node.module)
    return frozenset(found)


def is_shell(module: str) -> bool:
    path = str(MODULES[module].relative_to(ROOT))
    return path in SHELLS or any(path.startswith(one) for one in SHELLS if one.endswith("/"))


RULES: Final = sorted(module for module in MODULES if not is_shell(module))


def test_each_shell_is_there() -> None:
    assert [one for one in SHELLS if not (ROOT / one).exists()] == []


@pytest.mark.parametrize("module", RULES)
def test_rules_have_no_io_and_no_clock(module: str) -> None:
    seen: set[str] = set()
    ahead = [module]
    while ahead:
        one = ahead.pop()
        assert {name.split(".")[0] for name in imports(one)} & WORLD == set(), one
        for name in imports(one) - seen - VALUES:
            if name in MODULES:
                assert not is_shell(name), f"{one} imports the shell {name}"
                seen.add(name)
                ahead.append(name)


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"zrouter"}))
def test_arrows_run_down(module: str) -> None:
    program = module.split(".")[0]
    package = ".".join(module.split(".")[:2])
    for name in imports(module):
        other, _, rest = name.partition(".")
        if other not in PROGRAMS or name == package or name.startswith(package + "."):
            continue
        if other != program:
            assert other == "zrouter", f"{module} imports {name}"
            assert program != "zrouter", f"{module} imports {name}"
            assert rest.split(".")[0] in GROUND, f"{module} imports {name}"
        elif program in ("zrouter", "zfront"):
            assert rest.split(".")[0] in FLOORS[package], f"{module} imports {name}"


def test_each_package_stands_on_what_is_below_it() -> None:
    order = list(FLOORS)
    for package, below in FLOORS.items():
        program = package.split(".")[0]
        for one in below:
            assert order.index(f"{program}.{one}") < order.index(package)


def test_each_package_says_what_it_owns() -> None:
    for module, path in MODULES.items():
        if path.name == "__init__.py":
            assert ast.get_docstring(ast.parse(path.read_text())), module
