"""zrouter's commands for follows: the store itself, and its bulk load.

Owns: options, what is printed, exit codes. Must not know: how pairs are kept.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

import click

from zrouter.cli.router_options import as_json as json_option
from zrouter.cli.router_options import client_options, connect
from zrouter.daemon import program
from zrouter.daemon.arguments import ID
from zrouter.daemon.numbers import BYTES
from zrouter.daemon.output import json_line, say, say_all
from zrouter.server.settings import default_store

if TYPE_CHECKING:
    from zrouter.follows.lmdb_store.store import LmdbFollows
    from zrouter.follows.store import Format, Loaded

_FORMATS: Final = ("tsv", "csv", "jsonl")
_SUFFIXES: Final[dict[str, Format]] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_MEMORY: Final = "1G"
_LEAST_MEMORY: Final = 128 * 1024**2


class _StorePath(click.Path):
    """A directory; not "", which would be the current one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check it; fails as usage errors do."""
        if value == "":
            self.fail("'' is no path; for the current directory: .", param, ctx)
        return super().convert(value, param, ctx)


def _no_none(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    if path == Path("none"):
        raise click.BadParameter("'none' is for `zrouter serve`; for a directory of that name: ./none")
    return path


def _enough(context: click.Context, option: click.Parameter, memory: int) -> int:
    if memory < _LEAST_MEMORY:
        raise click.BadParameter("128M at the least")
    return memory


def _store(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--store",
        type=_StorePath(file_okay=False, path_type=Path),
        default=default_store,
        envvar="ZROUTER_STORE",
        show_default="zcomet/follows in the user's data directory",
        show_envvar=True,
        callback=_no_none,
        metavar="PATH",
        help="Where the store is.",
    )(command)


def _router_or_store(command: Callable[..., Any]) -> Callable[..., Any]:
    store = click.option(
        "--store",
        type=_StorePath(file_okay=False, path_type=Path),
        metavar="PATH",
        callback=_no_none,
        help="Ask no router, but the store at this path itself.",
    )
    return store(client_options(command))


_memory = click.option(
    "--memory",
    type=BYTES,
    default=_MEMORY,
    show_default=True,
    callback=_enough,
    help="Memory that may be used; 128M at the least.",
)


@contextmanager
def _follows(store: Path | None, router: str, timeout: float, *, create: bool = False) -> Iterator[Any]:
    """Who knows the pairs: the router, or the store if its path was given. Both have the same verbs."""
    if store is None:
        with connect(router, timeout, "follows") as client:
            yield client
    else:
        with _open(store, create=create) as found:
            yield found


@contextmanager
def _open(path: Path, *, create: bool = False) -> Iterator[LmdbFollows]:
    """The store; what it can't do ends the command with one line."""
    from zrouter.follows.lmdb_store.store import LmdbFollows
    from zrouter.follows.store import StoreError

    try:
        with LmdbFollows(path, create=create) as store:
            exposed = store.exposed()
            if exposed:
                say(f"zrouter: {exposed}", sys.stderr)
            yield store
    except StoreError as error:
        program.fail("zrouter", str(error))


def _print(figures: dict[str, Any]) -> None:
    width = max(map(len, figures))
    for name, value in figures.items():
        say(f"{name:<{width}}  {value:,}" if isinstance(value, int) else f"{name:<{width}}  {value}")


@click.command(short_help="Let one id follow others.")
@click.argument("subscriber", type=ID)
@click.argument("subscribees", metavar="SUBSCRIBEE...", nargs=-1, required=True, type=ID)
@_router_or_store
@json_option
def follow(
    subscriber: str,
    subscribees: tuple[str, ...],
    router: str,
    timeout: float,
    store: Path | None,
    as_json: bool,
) -> None:
    """Let SUBSCRIBER follow each SUBSCRIBEE; it is on disk when this returns.

    \b
    Examples:
      zrouter follow user:123 artist:456 artist:789
      zrouter follow user:123 artist:456 --store /var/lib/zcomet/follows
    """
    with _follows(store, router, timeout, create=True) as found:
        count = found.follow(_bytes(subscriber), *map(_bytes, subscribees))
    if as_json:
        json_line({"subscriber": subscriber, "followed": count})
    else:
        say(f"{subscriber} follows {count} more")


@click.command(short_help="Let one id no longer follow others.")
@click.argument("subscriber", type=ID)
@click.argument("subscribees", metavar="SUBSCRIBEE...", nargs=-1, required=True, type=ID)
@_router_or_store
@json_option
def unfollow(
    subscriber: str,
    subscribees: tuple[str, ...],
    router: str,
    timeout: float,
    store: Path | None,
    as_json: bool,
) -> None:
    """Let SUBSCRIBER no longer follow any SUBSCRIBEE; it is on disk when this returns.

    \b
    Example:
      zrouter unfollow user:123 artist:456
    """
    with _follows(store, router, timeout) as found:
        count = found.unfollow(_bytes(subscriber), *map(_bytes, subscribees))
    if as_json:
        json_line({"subscriber": subscriber, "unfollowed": count})
    else:
        say(f"{subscriber} follows {count} less")


@click.command()
@click.argument("id", type=ID)
@click.option("--count", "only_count", is_flag=True, help="Only how many.")
@_router_or_store
@json_option
def followers(
    id: str, only_count: bool, router: str, timeout: float, store: Path | None, as_json: bool
) -> None:
    """Print who follows ID, one a line.

    \b
    Examples:
      zrouter followers artist:456
      zrouter followers artist:456 --count --json
    """
    with _follows(store, router, timeout) as found:
        if only_count:
            _print_count(id, found.counts(_bytes(id)).followers, as_json)
        else:
            _print_ids(id, "followers", found.followers(_bytes(id)), as_json)


@click.command()
@click.argument("id", type=ID)
@click.option("--count", "only_count", is_flag=True, help="Only how many.")
@_router_or_store
@json_option
def following(
    id: str, only_count: bool, router: str, timeout: float, store: Path | None, as_json: bool
) -> None:
    """Print whom ID follows, one a line.

    \b
    Example:
      zrouter following user:123
    """
    with _follows(store, router, timeout) as found:
        if only_count:
            _print_count(id, found.counts(_bytes(id)).following, as_json)
        else:
            _print_ids(id, "following", found.following(_bytes(id)), as_json)


def _print_count(id: str, count: int, as_json: bool) -> None:
    if as_json:
        json_line({"id": id, "count": count})
    else:
        say(count)


def _print_ids(id: str, what: str, found: list[bytes] | list[str], as_json: bool) -> None:
    ids = [each.decode() if isinstance(each, bytes) else each for each in found]
    if as_json:
        json_line({"id": id, what: ids})
    else:
        say_all(ids)


def _bytes(an_id: str) -> bytes:
    return an_id.encode()


@click.group(short_help="Load, export, check and copy who follows whom.")
def follows() -> None:
    """Who follows whom: load, export, check and copy the stored pairs, also while a router serves them."""


@follows.command(short_help="Add, or replace, all pairs at once.")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--format", "form", type=click.Choice(_FORMATS), help="Default: as the name of the file says, else tsv."
)
@click.option("--replace", is_flag=True, help="Forget all pairs that are not in the file.")
@click.option("--allow-empty", is_flag=True, help="With --replace: also if no pair is in the file.")
@_memory
@_store
@json_option
def load(
    file: Any,
    form: Format | None,
    replace: bool,
    allow_empty: bool,
    memory: int,
    store: Path,
    as_json: bool,
) -> None:
    """Add all pairs of FILE at once; '-' is stdin. Readers see the pairs of before until all are there.

    A line is a subscriber and a subscribee: two columns (tsv, csv), or an object with these keys (jsonl).
    Order does not matter, and a pair that comes twice is one. If a line is none of these, or the load is
    interrupted, all stays as it was.

    \b
    Examples:
      zrouter follows load friends.tsv --store /var/lib/zcomet/follows
      zcat friends.csv.gz | zrouter follows load - --format csv --replace --store /var/lib/zcomet/follows
    """
    from zrouter.follows.bulk.file_marks import FileMarks
    from zrouter.follows.bulk.interning import has_columns
    from zrouter.follows.store import BadRecordError, EmptyLoadError

    chosen: Format = form or _SUFFIXES.get(Path(str(file.name)).suffix, "tsv")
    if has_columns():
        # polars' handler lets a read go on that waits for a pipe.
        signal.siginterrupt(signal.SIGINT, True)
    else:
        say("zrouter: polars is not installed, so this is slower: pip install '.[bulk]'", sys.stderr)
    os.read(file.fileno(), 0)  # nothing; if it was closed, that is told before a store is made
    source = FileMarks(file)
    name = str(file.name)  # a number, if standard input was closed
    with _open(store, create=True) as into, _bar() as progress:
        try:
            loaded = into.load(
                cast("BinaryIO", source),
                chosen,
                replace=replace,
                allow_empty=allow_empty,
                memory=memory,
                progress=progress,
            )
        except EmptyLoadError as error:
            program.fail("zrouter", f"{name}: {error}; nothing was changed (--allow-empty does it)")
        except BadRecordError as error:
            program.fail("zrouter", f"{name}: {error}; nothing was changed")
    for note in source.notes(chosen):
        say(f"zrouter: {name}: {note}", sys.stderr)
    _say_loaded(loaded, as_json)


def _say_loaded(loaded: Loaded, as_json: bool) -> None:
    if as_json:
        json_line(loaded._asdict())
    else:
        say(f"{loaded.records:,} records; the store has {loaded.pairs:,} pairs of {loaded.ids:,} ids")


@contextmanager
def _bar() -> Iterator[Any]:
    """A progress bar on standard error, if that is a terminal and rich is installed."""
    try:
        from zrouter.cli.progress import LoadProgress
    except ModuleNotFoundError:
        yield None
        return
    with LoadProgress() as bar:
        yield bar


@follows.command(short_help="Print every pair.")
@click.option("--format", "form", type=click.Choice(_FORMATS), default="tsv", show_default=True)
@_store
def export(form: str, store: Path) -> None:
    """Print every pair, as they are at one moment; `load` takes it.

    \b
    Example:
      zrouter follows export --format csv --store /var/lib/zcomet/follows | gzip > friends.csv.gz
    """
    from zrouter.follows.bulk.export import export_pairs

    with _open(store) as found:
        export_pairs(found, form, sys.stdout.buffer)  # type: ignore[arg-type]
        sys.stdout.buffer.flush()


@follows.command(short_help="Show how much is in the store.")
@_store
@json_option
def stats(store: Path, as_json: bool) -> None:
    """Show how many pairs and ids there are, the longest lists, and the size on disk.

    \b
    Example:
      zrouter follows stats --json --store /var/lib/zcomet/follows
    """
    with _open(store) as found:
        figures = found.figures()
    if as_json:
        json_line(figures)
    else:
        _print(figures)


@follows.command(short_help="Check the store.")
@_memory
@_store
@json_option
def verify(memory: int, store: Path, as_json: bool) -> None:
    """Compare both directions pair by pair, and check order and ids; exits 1 if anything is wrong.

    \b
    Example:
      zrouter follows verify --store /var/lib/zcomet/follows
    """
    problems = []
    with _open(store) as found:
        pairs = _pairs_of(found)
        for problem in found.verify(memory):
            problems.append(problem)
            if not as_json:
                say(problem)
    if as_json:
        json_line({"pairs": pairs, "problems": problems})
    elif not problems:
        say(f"{pairs:,} pairs, the same in both directions")
    if problems:
        sys.exit(program.EXIT_COULD_NOT)


def _pairs_of(found: LmdbFollows) -> int | None:
    """How many are said to be there; None if nobody can say."""
    from zrouter.follows.store import DamagedError

    try:
        return int(found.figures()["pairs"])
    except DamagedError:
        return None


@follows.command(short_help="Copy the store, also while it is in use.")
@click.argument("destination", type=click.Path(path_type=Path))
@_store
@json_option
def backup(destination: Path, store: Path, as_json: bool) -> None:
    """Copy the store to DESTINATION, as it is at one moment, also while it is in use. The copy is a store.

    \b
    Example:
      zrouter follows backup /backup/follows-2024-05-01 --store /var/lib/zcomet/follows
    """
    with _open(store) as found:
        found.backup(destination)
    if as_json:
        json_line({"backup": str(destination)})
    else:
        say(f"copied to {destination}")


@follows.command(short_help="Write the store anew, without holes.")
@_memory
@_store
@json_option
def compact(memory: int, store: Path, as_json: bool) -> None:
    """Write the store anew, in order and without holes, also while it is in use.

    \b
    Example:
      zrouter follows compact --store /var/lib/zcomet/follows
    """
    with _open(store) as found, _bar() as progress:
        loaded = found.compact(memory, progress)
        size = found.figures()["disk_bytes"]
    if as_json:
        json_line({"pairs": loaded.pairs, "ids": loaded.ids, "disk_bytes": size})
    else:
        say(f"{loaded.pairs:,} pairs of {loaded.ids:,} ids in {size:,} bytes")


COMMANDS: Final = (follow, unfollow, followers, following, follows)
