"""zrouter: who is where, and every message's way there.

Owns: the names that programs import from here, each loaded when it is first asked for (PEP 562), so that
`import zrouter` loads no ZeroMQ. Must not know: what they are.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from zrouter.aio import AsyncRouterClient
    from zrouter.client import Counts, Gap, Page, Presence, PublishReceipt, Received, RouterClient
    from zrouter.errors import LinkLostError, RefusedError, RouterError, RouterUnavailableError, WireError

_HOMES: Final = {
    "AsyncRouterClient": "zrouter.aio",
    "RouterClient": "zrouter.client",
    **dict.fromkeys(("Counts", "Gap", "Page", "Presence", "PublishReceipt", "Received"), "zrouter.client"),
    **dict.fromkeys(
        ("LinkLostError", "RefusedError", "RouterError", "RouterUnavailableError", "WireError"),
        "zrouter.errors",
    ),
}

__all__ = [
    "AsyncRouterClient",
    "Counts",
    "Gap",
    "LinkLostError",
    "Page",
    "Presence",
    "PublishReceipt",
    "Received",
    "RefusedError",
    "RouterClient",
    "RouterError",
    "RouterUnavailableError",
    "WireError",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            found: Any = version("zcomet")
        except PackageNotFoundError:
            found = "0+unknown"  # run from a checkout that was never installed
    elif name in _HOMES:
        found = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
