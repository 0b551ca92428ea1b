"""`zflood run`."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zrouter.daemon import program
from zrouter.daemon.numbers import Number
from zrouter.daemon.output import say

if TYPE_CHECKING:
    from zflood.run.runner import Outcome


@click.command(short_help="Play a scenario, and judge it.")
@click.argument("scenario")
@click.option(
    "--report", type=click.Path(file_okay=False, path_type=Path), show_envvar=True,
    help="The folder to write, which is made; default: zflood-SCENARIO-TIME.",
)  # fmt: skip
@click.option(
    "--set", "changes", multiple=True, metavar="NAME=VALUE", envvar="ZFLOOD_RUN_SET", show_envvar=True,
    help="Change a setting of it; any number of times.",
)  # fmt: skip
@click.option("--hours", type=Number(0, min_open=True), show_envvar=True, help="Short for --set hours=H.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    envvar="ZFLOOD_RUN_JSON",
    show_envvar=True,
    help="Print the report as JSON at the end.",
)
def run(
    scenario: str, report: Path | None, changes: tuple[str, ...], hours: float | None, as_json: bool
) -> None:
    """Play a scenario: start the system, let clients and messages come, and say whether what must hold held.

    SCENARIO is the name of one that comes along ("zflood scenarios" lists them), or a TOML file. It leaves a
    folder with report.html, report.md, report.json, the samples and the logs, and exits with 1 if anything
    that must hold did not.

    \b
    Examples:
      zflood run c10k
      zflood run soak --hours 24 --report soak
      zflood run ./mine.toml --set clients=2000 --json
    """
    from zflood.commands.scenarios import read, text_of
    from zflood.run.narrator import Narrator
    from zflood.run.programs import end_in_order
    from zflood.run.report import ReportsMissingError, as_json_text, check_libraries, write
    from zflood.run.runner import play
    from zflood.run.scenario import slug
    from zflood.run.show import show_checks

    name, text = text_of(scenario)
    changed = dict(_pair(change) for change in changes)
    if hours is not None:
        changed["hours"] = str(hours)
    found = read(scenario, text, changed)
    try:
        check_libraries()
    except ReportsMissingError as error:
        program.fail("zflood", str(error))
    began = datetime.now()
    outcomes: list[Outcome] = []
    end_in_order()
    with _taken(report or Path(f"zflood-{name}-{began:%Y%m%d-%H%M%S}")) as folder:
        with Narrator() as narrator:
            for one in found.plays:
                narrator.say(found.title if len(found.plays) == 1 else f"{found.title}: {one.name}")
                outcomes.append(play(one, folder / slug(one.name), narrator))
                if outcomes[-1].exit_code:
                    break
        if not as_json:
            show_checks(outcomes)
        shown = write(folder, name, found, outcomes, began)
        if as_json:
            sys.stdout.write(as_json_text(shown) + "\n")
        else:
            say(folder / "report.html")
    if outcomes[-1].exit_code:
        sys.exit(outcomes[-1].exit_code)
    if not all(outcome.holds() for outcome in outcomes):
        sys.exit(program.EXIT_COULD_NOT)


@contextmanager
def _taken(folder: Path) -> Iterator[Path]:
    """The folder, made, and ours alone meanwhile."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise click.UsageError(f"--report {folder}: {error.strerror}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            program.fail("zflood", f"{folder}: another run writes its report there")
        yield folder
    finally:
        os.close(descriptor)


def _pair(change: str) -> tuple[str, str]:
    name, equals, value = change.partition("=")
    if not equals:
        raise click.UsageError(f"--set {change}: not NAME=VALUE")
    return name, value
