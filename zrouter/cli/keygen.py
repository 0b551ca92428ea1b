"""`zrouter keygen`: keys of the link, for the router and for each peer."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import zmq

from zrouter.daemon import output, program
from zrouter.daemon.new_files import NewFileError, write_new
from zrouter.link.curve_keys import CurveKeyError, CurveKeys, as_file, public_key
from zrouter.replaced_file import replace_whole
from zrouter.routing.roles import ROLES
from zrouter.server.allow_list import check_name, parse_allow_list

_WHOSE = "zrouter keygen"


@click.command()
@click.argument("file", type=click.Path(dir_okay=False))
@click.option(
    "--router",
    "router_file",
    metavar="FILE",
    help="Make a peer's keys, for the router that has this file (or one with its public key alone).",
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(ROLES),
    help="What the peer may do; several times for several.",
)
@click.option("--allow", metavar="FILE", help="Add the peer to this allow list; it is made if need be.")
@click.option("--name", default=None, help="What the key is called there; default: FILE without its suffix.")
def keygen(
    file: str, router_file: str | None, roles: tuple[str, ...], allow: str | None, name: str | None
) -> None:
    """Make keys of the link.

    A pair of CURVE keys is written to FILE, which must not exist (mode 0600). The router needs one, and each
    peer another. What is printed, or added to the file of --allow, goes into the router's allow list: a
    public key, which may be seen, and the roles that it has.

    \b
    Examples:
      zrouter keygen router.key
      zrouter keygen front1.key --router router.key --role frontend --allow allow.toml
      zrouter keygen shop.key --router router.key --role sender --role inspector --allow allow.toml
      zrouter serve --curve-server-key-file router.key --curve-allow-file allow.toml
    """
    if not zmq.has("curve"):
        program.fail(_WHOSE, f"libzmq {zmq.zmq_version()} has no CURVE")
    if router_file is None:
        if roles or allow is not None:
            raise click.UsageError("--role and --allow are for a peer's keys: say --router FILE, too")
        _write(file, _pair(""))
        return
    if not roles:
        raise click.UsageError(f"a peer needs a role: --role {' or '.join(ROLES)}")
    name = name or Path(file).stem
    with _errors():
        keys = _pair(public_key(router_file))
        entry = _entry(name, keys.public, roles)
        if allow is None:
            _write(file, keys)
            output.say_all(entry.splitlines())
            return
        added = _with_entry(allow, entry)
    _write(file, keys)
    try:
        replace_whole(allow, added, 0o644)
    except OSError as error:
        os.unlink(file)  # a key that is in no list would be of no use, and in the way of the next try
        program.fail(_WHOSE, f"{allow}: {error.strerror or error}")
    output.say(f"{allow}: has {name} now, {', '.join(roles)}", sys.stderr)


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (CurveKeyError, NewFileError) as error:
        program.fail(_WHOSE, str(error))


def _pair(router: str) -> CurveKeys:
    public, secret = zmq.curve_keypair()
    return CurveKeys(public.decode(), secret.decode(), router)


def _entry(name: str, public: str, roles: tuple[str, ...]) -> str:
    """A table of the allow list."""
    listed = ", ".join(f'"{role}"' for role in dict.fromkeys(roles))
    check_name(name)
    return f'["{name}"]\npublic = "{public}"\nroles = [{listed}]\n'


def _with_entry(allow: str, entry: str) -> bytes:
    """What the list is to be: it is read as the router does, so that nothing bad is ever written."""
    try:
        before = Path(allow).read_bytes()
    except FileNotFoundError:
        before = b""
    except OSError as error:
        raise CurveKeyError(f"{allow}: {error.strerror or error}") from None
    added = before + (b"\n" if before else b"") + entry.encode()
    try:
        parse_allow_list(added)
    except CurveKeyError as error:
        raise CurveKeyError(f"{allow}: {error}") from None
    return added


def _write(file: str, keys: CurveKeys) -> None:
    with _errors():
        write_new(file, as_file(keys), 0o600)
    owner = "" if os.geteuid() else "owner root (chown it to whom the program runs as), "
    output.say(f"{file}: mode 0600, {owner}public key {keys.public}", sys.stderr)
