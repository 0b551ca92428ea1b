"""`zflood friends`."""

from __future__ import annotations

import sys
from typing import Final

import click

from zrouter.daemon.numbers import Count, Number

_MOST_USERS: Final = 1_000_000_000


@click.command(short_help="Make up who follows whom.")
@click.option("--users", type=Count(2, _MOST_USERS), default=1_000_000, show_default=True)
@click.option(
    "--each",
    type=Number(min_open=True),
    default=15,
    show_default=True,
    help="Friends of each; on average with --zipf.",
)
@click.option("--seed", type=Count(0), default=1, show_default=True, help="The same graph again.")
@click.option("--zipf", "is_zipf", is_flag=True, help="Users follow artists after Zipf's law.")
@click.option("--followed", type=Count(1, _MOST_USERS), help="Artists; a tenth of the users if not given.")
@click.option(
    "--plain", is_flag=True, help="Ids are numbers from 1, as those of `zflood clients` and `messages`."
)
def friends(users: int, each: float, seed: int, is_zipf: bool, followed: int | None, plain: bool) -> None:
    """Print who follows whom, made up: lines of subscriber, tab, subscribee, for `zrouter follows load`.

    A Barabasi-Albert graph: each user follows those who are there when he comes, the likelier the more
    friends they have. With --zipf users follow artists, few of whom have very many followers.

    \b
    Examples:
      zflood friends --users 1000000 --each 15 --seed 1 > friends.tsv
      zflood friends --users 2000000 --each 7.5 --zipf > artists.tsv
      zflood friends --users 10000 --plain > friends.tsv
    """
    from zflood.follow_graphs import PLAIN, barabasi_albert, lines, zipf

    if not is_zipf and each != int(each):
        raise click.UsageError(f"--each {each} is no whole number, which only --zipf takes")
    if not is_zipf and followed is not None:
        raise click.UsageError("--followed goes with --zipf")
    try:
        if is_zipf:
            pairs = zipf(users, round(users * each), followed or max(1, users // 10), seed)
            line = b"user:%d\tartist:%d\n"
        else:
            pairs = barabasi_albert(users, int(each), seed)
            line = b"user:%d\tuser:%d\n"
        for some in lines(pairs, PLAIN, first=1) if plain else lines(pairs, line):
            sys.stdout.buffer.write(some)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    sys.stdout.buffer.flush()
