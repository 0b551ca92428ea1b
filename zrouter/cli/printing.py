"""Words that several commands say."""

from __future__ import annotations

import sys
from collections.abc import Callable

from zrouter.daemon.output import say


def say_aside(text: str) -> None:
    say(text, sys.stderr)


def link_teller(router: str) -> Callable[[bool], None]:
    """Says on standard error when the router is away, and when it is there again."""
    return lambda is_up: say_aside(
        f"the router at {router} is there" if is_up else f"waiting for the router at {router}"
    )


def connections_text(count: int) -> str:
    return f"{count} connection{'' if count == 1 else 's'}"
