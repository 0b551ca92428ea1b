"""The command line of `zrouter`, a file for each family of commands.

Owns: options, arguments and what is printed. Must not know: frames, or how a request is carried out.
"""

from typing import NoReturn


def main() -> NoReturn:
    """The program `zrouter`."""
    from zrouter.cli.commands import commands
    from zrouter.daemon import program

    program.run(commands, "zrouter")
