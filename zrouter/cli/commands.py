"""All commands of `zrouter`, in one group."""

from __future__ import annotations

import click

from zrouter.cli import follows, inspection, keygen, keys, login, send, serve, token


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="zcomet")
def commands() -> None:
    """Send messages to whoever is logged in, and run the router that carries them.

    \b
    Examples:
      zrouter serve
      zrouter send user:123 'hello'
      zrouter login user:123
      zrouter who user:123 --json
      zrouter follow user:123 artist:456
      zrouter publish artist:456 'a new album'
    """


for _command in (
    serve.serve,
    send.send,
    send.publish,
    login.login,
    login.watch,
    login.logout,
    inspection.who,
    inspection.stats,
    token.token,
    keygen.keygen,
    keys.keys,
):
    commands.add_command(_command)
for _command in follows.COMMANDS:
    commands.add_command(_command)
