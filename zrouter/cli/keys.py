"""`zrouter keys`: API keys of backends; made, listed and revoked in the file that frontends read."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import time
from collections.abc import Iterator
from typing import Any

import click

from zrouter.api_keys.key_files import HASH_KEY_SUFFIX, Record, changing, read_ids, read_records
from zrouter.api_keys.keys import SCOPES, ApiKeyError, digest_of, make_key
from zrouter.cli.router_options import as_json as json_option
from zrouter.cli.router_options import client_options, connect
from zrouter.daemon import output, program

_WHOSE = "zrouter keys"
_OTHERS_READ = 0o044

_file = click.option(
    "--api-key-file",
    "path",
    type=click.Path(dir_okay=False),
    envvar="ZFRONT_API_KEY_FILE",
    show_envvar=True,
    required=True,
    metavar="PATH",
    help="The file with the keys, as `zfront serve` has it.",
)


@click.group(short_help="Make, list and revoke API keys.")
def keys() -> None:
    """Make, list and revoke API keys: which backend may use the HTTP API, and for what.

    A frontend with --api-key-file looks at that file once a second, so nothing has to be started again.

    \b
    Examples:
      zrouter keys make shop --scope send --id 'shop:*' --api-key-file api-keys
      zrouter keys list --api-key-file api-keys
      zrouter keys revoke shop --api-key-file api-keys
    """


@keys.command()
@click.argument("name")
@_file
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    help="What it may do; several times for several.",
)
@click.option("--id", "ids", multiple=True, help="An id that it is for, or PREFIX:*; default: all.")
def make(name: str, path: str, scopes: tuple[str, ...], ids: tuple[str, ...]) -> None:
    """Make a key called NAME, and print it: nobody can show it again.

    What is kept is a hash of it, in the file, which is made if need be. The key of the hashes is beside it,
    in PATH.hash-key; frontends need both.

    \b
    Examples:
      zrouter keys make shop --scope send --scope publish --api-key-file api-keys
      zrouter keys make ops --scope admin --api-key-file api-keys > ops.key
    """
    if not scopes:
        raise click.UsageError(f"a key needs a scope: --scope {' or '.join(SCOPES)}")
    key, an_id = make_key()
    with _errors():
        read_ids(list(ids) or None)
        with changing(path) as (records, hash_key):
            record = Record(
                id=an_id,
                name=name,
                scopes=list(dict.fromkeys(scopes)),
                ids=list(ids) or None,
                hash=digest_of(key, hash_key).hex(),
                made=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            )
            record.key()
            records.append(record)
            output.say(key)  # first: a key that nobody has seen must not be in the file
    output.say(f"{path}: has {an_id} ({name}) now, {', '.join(record.scopes)}", sys.stderr)
    with contextlib.suppress(OSError, ValueError):
        mode = os.fstat(sys.stdout.fileno()).st_mode
        if stat.S_ISREG(mode) and mode & _OTHERS_READ:
            output.say("the file that the key was written to can be read by others: chmod go= it", sys.stderr)


@keys.command("list")
@_file
@click.option("--uses", is_flag=True, help="Ask the router how often each was used since its frontend began.")
@client_options
@json_option
def list_keys(path: str, uses: bool, router: str, timeout: float, as_json: bool) -> None:
    """List the keys, one a line: id, name, scopes, ids, and when it was made.

    \b
    Examples:
      zrouter keys list --api-key-file api-keys
      zrouter keys list --api-key-file api-keys --uses --json
    """
    with _errors():
        if not os.path.exists(path):
            raise ApiKeyError(f"{path}: No such file or directory")
        records = read_records(path)
    counts: dict[str, int] = {}
    if uses:
        with connect(router, timeout, "keys list") as client:
            for row in client.stats()["frontends"]:
                for record in records:
                    told = row.get(f"api_key_{record.id}")  # a peer may tell anything
                    counts[record.id] = counts.get(record.id, 0) + (told if isinstance(told, int) else 0)
    if as_json:
        for record in records:
            output.json_line(_shown(record, counts if uses else None))
        return
    rows = [_row(record, counts if uses else None) for record in records]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    output.say_all("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _shown(record: Record, uses: dict[str, int] | None) -> dict[str, Any]:
    shown = {name: getattr(record, name) for name in ("id", "name", "scopes", "ids", "made")}
    return shown if uses is None else {**shown, "uses": uses.get(record.id, 0)}


def _row(record: Record, uses: dict[str, int] | None) -> list[str]:
    ids = "all ids" if record.ids is None else ",".join(record.ids)
    row = [record.id, record.name, ",".join(record.scopes), ids, record.made]
    return row if uses is None else [*row, f"{uses.get(record.id, 0):,} uses"]


@keys.command()
@click.argument("key")
@_file
def revoke(key: str, path: str) -> None:
    """Take the key with this id, or name, out of the file: frontends refuse it within two seconds.

    \b
    Examples:
      zrouter keys revoke shop --api-key-file api-keys
      zrouter keys revoke k3v7q2nr5xya --api-key-file api-keys
    """
    with _errors():
        if not os.path.exists(path + HASH_KEY_SUFFIX):
            raise ApiKeyError(f"{path}: no API keys are there")
        with changing(path) as (records, _):
            found = [one for one in records if key in (one.id, one.name)]
            if len(found) > 1:
                raise ApiKeyError(f"{len(found)} keys are called {key}: say which, by its id")
            if not found:
                raise ApiKeyError(f"{path}: no key has the id or the name {key}")
            records.remove(found[0])
    output.say(f"revoked {found[0].id} ({found[0].name})")


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except ApiKeyError as error:
        program.fail(_WHOSE, str(error))
