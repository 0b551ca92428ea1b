"""`zflood scenarios`, and finding one of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zrouter.daemon.output import json_line, say

if TYPE_CHECKING:
    from zflood.run.scenario import Scenario

_SHIPPED = resources.files("zflood") / "scenarios"


@click.command(short_help="List the scenarios, or print one.")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def scenarios(name: str | None, as_json: bool) -> None:
    """List the scenarios that come along, or print the file of one, to begin another with.

    \b
    Examples:
      zflood scenarios
      zflood scenarios c10k > mine.toml
    """
    if name:
        sys.stdout.write(text_of(name)[1])
        return
    titles = {one: read(one, text_of(one)[1]).title for one in shipped()}
    if as_json:
        json_line(titles)
        return
    for one, title in titles.items():
        say(f"{one:<12}{title}")


def shipped() -> list[str]:
    """The names of the scenarios that come along."""
    return sorted(
        file.name.removesuffix(".toml") for file in _SHIPPED.iterdir() if file.name.endswith(".toml")
    )


def text_of(scenario: str) -> tuple[str, str]:
    """The name and the text of a scenario that comes along, or of a file.

    Raises:
        click.UsageError: there is neither, or the file can't be read.
    """
    if scenario in shipped():
        return scenario, (_SHIPPED / f"{scenario}.toml").read_text("utf-8")
    path = Path(scenario)
    try:
        return path.stem, path.read_text("utf-8")
    except FileNotFoundError:
        why = f"no such file, and the scenarios are {', '.join(shipped())}"
    except OSError as error:
        why = str(error.strerror)
    except UnicodeDecodeError:
        why = "not UTF-8, as TOML is"
    raise click.UsageError(f"{scenario}: {why}")


def read(name: str, text: str, changed: Mapping[str, str] | None = None) -> Scenario:
    """The scenario that the text says, with these settings changed.

    Raises:
        click.UsageError: it says none, or none that can be played here.
    """
    from zflood.run import scenario
    from zflood.swarm.swarm import processes_needed

    try:
        found = scenario.read(text, changed)
    except scenario.ScenarioError as error:
        raise click.UsageError(f"{name}: {error}") from None
    for step in (step for play in found.plays for step in play.steps):
        if isinstance(step, scenario.Connect):
            processes = step.processes or processes_needed(step.clients)
            if processes > scenario.MOST_PROCESSES:
                raise click.UsageError(
                    f"{name}: {step.clients:,} clients need {processes:,} processes, with as many open files"
                    f" as one may have here; {scenario.MOST_PROCESSES} are the most"
                )
    return found
