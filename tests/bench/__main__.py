"""`python -m tests.bench`: every figure that is promised, made again on this machine.

The yardsticks run beside ours, in the same run; a run is repeated, and the median of what is judged is shown.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from tests.bench import (
    api,
    clients,
    flood,
    follows,
    hostile,
    leaving,
    link,
    link_keys,
    publish,
    router,
    silent,
    sizes,
    soak,
    tokens,
    transports,
)
from tests.bench.lines import Line, NotHereError, medians

MEASURES = {
    measure.__name__: measure
    for measure in (
        clients.parking,
        clients.saturated,
        clients.broadcast,
        clients.paced,
        clients.paced_awake,
        clients.held,
        router.memory,
        router.throughput,
        router.singles,
        router.mailboxes,
        router.presence,
        router.comeback,
        leaving.leaving,
        transports.transports,
        transports.streams,
        api.api_batch,
        api.api_single,
        flood.swarm,
        flood.messages,
        follows.follows_load,
        follows.follows_load_postgresql,
        follows.follows_lookup,
        follows.follows_changes,
        publish.publish_popular,
        publish.publish_others,
        publish.publish_friends,
        publish.follow_changes_router,
        hostile.hostile_clients,
        link.hostile_peers,
        link_keys.link_keys,
        silent.silent_clients,
        silent.stuck_clients,
        tokens.tokens,
        soak.soak,
    )
}
TOO_LONG = ("soak", "follows_load", "follows_load_postgresql")  # measured when named only


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1, type=click.Choice(list(MEASURES)), metavar="[MEASURE]...")
@click.option("--repeat", type=click.IntRange(1, 50), default=3, show_default=True, help="Runs of each.")
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Where the JSON goes.",
    default=Path(__file__).parent / ".build" / "bench.json",
)  # fmt: skip
@click.option(
    "--quick", is_flag=True, help="Small sizes where a measure has some; bars are for the whole ones."
)
def main(names: tuple[str, ...], repeat: int, json_path: Path, quick: bool) -> None:
    """Measure, side by side with the yardsticks; exits 1 if a bar is not reached.

    \b
    Measures: parking saturated broadcast paced paced_awake held memory throughput singles mailboxes presence
    comeback leaving transports streams api_batch api_single swarm messages follows_lookup follows_changes
    publish_popular publish_others publish_friends follow_changes_router hostile_clients hostile_peers
    link_keys tokens silent_clients stuck_clients;
    paced_awake sets a parameter of the kernel for that time, as root;
    soak takes 10 minutes, follows_load and follows_load_postgresql one to five
    \b
    Examples:
      python -m tests.bench
      python -m tests.bench saturated --repeat 5
      python -m tests.bench publish_popular publish_others --quick --repeat 1
    """
    sizes.be_quick(quick)
    console = Console(width=None if sys.stdout.isatty() else 150)
    table = Table("figure", "ours", "yardstick", "ratio", "bar", "", "every run", title=f"median of {repeat}")
    results: list[dict[str, Any]] = []
    passed = True
    for name in names or [name for name in MEASURES if name not in TOO_LONG]:
        runs: list[list[Line]] = []
        for number in range(repeat):
            with console.status(f"{name}, run {number + 1} of {repeat}"):
                try:
                    runs.append(MEASURES[name]())
                except NotHereError as error:
                    table.add_row(name, f"not measured: {error}", "", "", "", "", "")
                    break
                except (TimeoutError, RuntimeError) as error:
                    passed = False
                    table.add_row(name, f"failed: {error}", "", "", "", "[red]no[/]", "")
        for line, judged in medians(runs):
            passed = passed and line.passes()
            ratio = f"{line.ours / line.yardstick:.2f}" if line.yardstick else ""
            beside = f"{_short(line.yardstick)} {line.unit} {line.against}" if line.yardstick else ""
            verdict = "[green]yes[/]" if line.passes() else "[red]no[/]"
            every = " ".join(_short(value) for value in judged)
            table.add_row(
                line.what, f"{_short(line.ours)} {line.unit}", beside, ratio, line.bar_text(), verdict, every
            )
            results.append({**line._asdict(), "passes": line.passes(), "judged_in_each_run": judged})
    console.print(table)
    json_path.parent.mkdir(exist_ok=True)
    json_path.write_text(
        json.dumps(
            {"at": int(time.time()), "machine": platform.platform(), "python": platform.python_version(),
             "repeat": repeat, "quick": quick, "figures": results},
            indent=1,
        )
    )  # fmt: skip
    sys.exit(0 if passed else 1)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main()
