"""What each transport costs beside the chunked one, in the same run: a client, a new client, a message."""

from __future__ import annotations

from tests.bench.clients import come, flooded
from tests.bench.lines import Line

PATHS = {"SSE": "/sse/", "WebSocket": "/ws/", "NDJSON": "/stream/", "long poll": "/poll/"}
CHUNKED = "chunked"
# As long as that of senders.py, with the sign that the sink counts; a chunked line has it anyway.
MESSAGE = "#123456789012345678901234"


def transports() -> list[Line]:
    """1,000 clients, then 14,000 more: memory and CPU of each of these."""
    chunked_bytes, chunked_us = come()
    lines = []
    for name, path in PATHS.items():
        each_bytes, us = come(path=path)
        lines.append(
            Line(f"{name}: memory per parked connection", "B", each_bytes, 300, chunked_bytes, CHUNKED)
        )
        lines.append(Line(f"{name}: CPU per new connection", "us", us, 150, chunked_us, CHUNKED))
    return lines


def streams() -> list[Line]:
    """Random ids, as fast as the clients read."""
    chunked_router_us, chunked_us, _ = flooded("/test/")
    lines = []
    for name in ("SSE", "WebSocket", "NDJSON"):
        router_us, us, _ = flooded(PATHS[name], MESSAGE)
        what, of_chunked_us = f"{name}, saturated: ", chunked_router_us + chunked_us
        lines.append(
            Line(
                what + "router + zfront CPU per message",
                "us",
                router_us + us,
                1.2,
                of_chunked_us,
                CHUNKED,
                by_ratio=True,
            )
        )
        lines.append(Line(what + "zfront CPU per message", "us", us, 1.2, chunked_us, CHUNKED, by_ratio=True))
    return lines
