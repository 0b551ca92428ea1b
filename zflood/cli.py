"""zflood's command line."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from zrouter.daemon import program


def main() -> NoReturn:
    """The program `zflood`."""
    # Pictures go to files; a backend of windows, or one that is none, would only end the program.
    os.environ.pop("MPLBACKEND", None)
    try:
        from zflood.commands import commands

        program.run(commands, "zflood")
    except KeyboardInterrupt:
        sys.exit(program.EXIT_INTERRUPTED)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        program.fail("zflood", f"{package} is not installed; from a checkout: pip install '.[flood]'")
