"""`zflood scenarios`, and finding one of them."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import click

_SHIPPED = resources.files("zflood") / "scenarios"


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def scenarios(name: str | None, as_json: bool) -> None:
    """List the scenarios that come along, or print the file of one, to begin another with.

    \b
    Examples:
      zflood scenarios
      zflood scenarios c10k > mine.toml
    """
    from zflood.run import scenario

    if name:
        print(text_of(name)[1], end="")
        return
    titles = {one: scenario.read(text_of(one)[1]).title for one in shipped()}
    if as_json:
        print(json.dumps(titles))
        return
    for one, title in titles.items():
        print(f"{one:<12}{title}")


def shipped() -> list[str]:
    """The names of the scenarios that come along."""
    return sorted(
        file.name.removesuffix(".toml") for file in _SHIPPED.iterdir() if file.name.endswith(".toml")
    )


def text_of(scenario: str) -> tuple[str, str]:
    """The name and the text of a scenario that comes along, or of a file.

    Raises:
        click.UsageError: there is neither.
    """
    if scenario in shipped():
        return scenario, (_SHIPPED / f"{scenario}.toml").read_text()
    path = Path(scenario)
    if not path.is_file():
        raise click.UsageError(f"{scenario}: no such file, and the scenarios are {', '.join(shipped())}")
    return path.stem, path.read_text()
