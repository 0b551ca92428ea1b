"""`python -m tests.bench.against REVISION [MEASURE]...`: this tree beside another commit, in turns.

Owns: a checkout of the other commit, the turns, the ratio of each figure. Must not know: what is measured;
each tree brings its own measures. A machine's speed drifts, so the trees take turns, and a ratio is of one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import randrange
from typing import Any, Final, TypeAlias

import click
from rich.console import Console
from rich.table import Table

from tests.bench.lines import median
from tests.bench.programs import HERE, ROOT

HOT: Final = ("saturated", "throughput", "singles", "parking", "memory")
_MOST: Final = 1.02
Figures: TypeAlias = dict[str, dict[str, Any]]


@contextmanager
def checkout(revision: str) -> Iterator[Path]:
    """A work tree of that commit, for as long as it is needed."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), revision], check=True)
        # A program that compiles itself first has memory to spare: 20 bytes of each connection.
        subprocess.run([sys.executable, "-m", "compileall", "-q", str(tree), str(ROOT)], check=False)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def measure(tree: Path, name: str) -> Figures:
    """The figures of one measure of that tree, by what they are; none if it could not be made."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        subprocess.run(
            [sys.executable, "-m", "tests.bench", name, "--repeat", "1", "--json", file.name],
            cwd=tree,
            # Where the heap begins to grow is chance, worth 20 bytes a connection: another place each time.
            env={**os.environ, "PYTHONPATH": str(tree), "PADDING": "x" * randrange(100_000)},
            stdout=subprocess.DEVNULL,
            check=False,  # 1 = a bar is not reached, which is not asked here
        )
        told = Path(file.name).read_text()
    return {figure["what"]: figure for figure in json.loads(told)["figures"]} if told else {}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("revision")
@click.argument("names", nargs=-1, metavar="[MEASURE]...")
@click.option("--turns", type=click.IntRange(1, 50), default=5, show_default=True, help="Runs of each tree.")
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Where the JSON goes.",
    default=HERE / ".build" / "against.json",
)  # fmt: skip
def main(revision: str, names: tuple[str, ...], turns: int, json_path: Path) -> None:
    """Measure this tree and the commit REVISION in turns; exits 1 if a figure is more than 2 % worse.

    A ratio above 1 is worse: more time, more bytes, fewer messages. Its median over the turns is judged.

    \b
    Examples:
      python -m tests.bench.against HEAD~1
      python -m tests.bench.against v0.1.0 singles --turns 9
    """
    console = Console(width=None if sys.stdout.isatty() else 150)
    table = Table("figure", "this tree", revision, "unit", "worse by", "", "each turn")
    results: list[dict[str, Any]] = []
    passed = True
    with checkout(revision) as other:
        for name in names or HOT:
            pairs = []
            for turn in range(turns):
                with console.status(f"{name}, turn {turn + 1} of {turns}"):
                    pairs.append(_turn(other, name, turn))
            for what in dict.fromkeys(what for ours, theirs in pairs for what in ours if what in theirs):
                result = _compared(what, [pair for pair in pairs if what in pair[0] and what in pair[1]])
                passed = passed and result["worse"] <= _MOST
                results.append(result)
                table.add_row(
                    what, f"{result['ours']:,.4g}", f"{result['theirs']:,.4g}", result["unit"],
                    f"{100 * (result['worse'] - 1):+.1f} %",
                    "[green]yes[/]" if result["worse"] <= _MOST else "[red]no[/]",
                    " ".join(f"{100 * (one - 1):+.1f}" for one in result["worse_each_turn"]),
                )  # fmt: skip
    console.print(table)
    json_path.parent.mkdir(exist_ok=True)
    json_path.write_text(json.dumps({"against": revision, "turns": turns, "figures": results}, indent=1))
    sys.exit(0 if passed else 1)


def _turn(other: Path, name: str, turn: int) -> tuple[Figures, Figures]:
    """Ours and theirs, each first every other turn."""
    if turn % 2:
        theirs = measure(other, name)
        return measure(ROOT, name), theirs
    return measure(ROOT, name), measure(other, name)


def _compared(what: str, pairs: list[tuple[Figures, Figures]]) -> dict[str, Any]:
    """One figure of both trees, and how many times worse ours is."""
    ours, theirs = [one[what]["ours"] for one, _ in pairs], [other[what]["ours"] for _, other in pairs]
    first = pairs[0][0][what]
    worse = [b / a if first["at_least"] else a / b for a, b in zip(ours, theirs, strict=True)]
    return {
        "what": what,
        "unit": first["unit"],
        "ours": median(ours),
        "theirs": median(theirs),
        "worse": median(worse),
        "worse_each_turn": worse,
    }


if __name__ == "__main__":
    main()
