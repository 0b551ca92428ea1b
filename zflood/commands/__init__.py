"""zflood's commands in one list; one file for each: its options, its help, and what it prints."""

from __future__ import annotations

import click

from zflood.commands.check import check
from zflood.commands.clients import clients
from zflood.commands.demo import demo
from zflood.commands.friends import friends
from zflood.commands.memory import memory
from zflood.commands.messages import messages
from zflood.commands.plot import plot
from zflood.commands.run import run
from zflood.commands.scenarios import scenarios
from zflood.commands.tune import tune
from zflood.commands.urls import urls


@click.group(context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "ZFLOOD"})
@click.version_option(package_name="zcomet")
def commands() -> None:
    """Play the clients and the senders, and measure.

    \b
    Examples:
      zflood clients --ids 1-1000 --seconds 30
      zflood messages --count 30000 --interval-ms 1 --max-id 1000
      zflood memory --name zfront --port 8000 --every 1 --out mem.tsv
      zflood plot mem.tsv
      zflood tune --connections 100000
      zflood demo
      zflood check records
    """


for _command in (clients, messages, check, memory, plot, run, scenarios, tune, urls, friends, demo):
    commands.add_command(_command)
    for _option in _command.params:
        if isinstance(_option, click.Option):
            _option.show_envvar = True
