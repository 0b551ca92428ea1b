"""zflood's command line."""

from __future__ import annotations

import sys
from typing import NoReturn

from zrouter.daemon import program


def main() -> NoReturn:
    """The program `zflood`."""
    try:
        from zflood.commands import commands

        program.run(commands, "zflood")
    except KeyboardInterrupt:
        sys.exit(program.EXIT_INTERRUPTED)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        program.fail("zflood", f"{package} is not installed; from a checkout: pip install '.[flood]'")
