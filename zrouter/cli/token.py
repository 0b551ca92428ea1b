"""`zrouter token`: keys and tokens for development and for support."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from zrouter.cli.router_options import as_json as json_option
from zrouter.cli.router_options import client_options, connect
from zrouter.daemon import output, program
from zrouter.daemon.new_files import NewFileError, write_new
from zrouter.daemon.numbers import Count, Number
from zrouter.wire.revoking import DEFAULT_KEEP_S, LONGEST_KEEP_S

if TYPE_CHECKING:
    from zrouter.tokens.grants import Grant

_WHOSE = "zrouter token"


@click.group()
def token() -> None:
    """Make keys and tokens, and say why a token is refused.

    A frontend with --token-key-file lets in who has a token that one of its keys signed.

    \b
    Examples:
      zrouter token keygen keys.json
      zrouter token make --key-file keys.json user:123
      zrouter token explain --key-file keys.json < token.txt
    """


@token.command()
@click.argument("file", type=click.Path(dir_okay=False))
@click.option(
    "--kind",
    type=click.Choice(("HS256", "EdDSA")),
    default="HS256",
    show_default=True,
    help="HS256: one secret that signs and verifies. EdDSA: FILE signs, FILE.pub verifies and may be seen.",
)
@click.option("--kid", default=None, help="The key's name; default: the date.")
def keygen(file: str, kind: str, kid: str | None) -> None:
    """Make a key, and write it to FILE, which must not exist (mode 0600).

    \b
    Examples:
      zrouter token keygen keys.json
      zrouter token keygen --kind EdDSA keys.json
    """
    from zrouter.tokens import make

    kid = kid or time.strftime("%Y-%m-%d", time.gmtime())
    if kind == "HS256":
        _write(file, make.make_secret(kid), 0o600)
        return
    with _errors():
        private, public = make.make_key_pair(kid)
    _write(file, private, 0o600)
    _write(file + ".pub", public, 0o644)


def _write(file: str, data: bytes, mode: int) -> None:
    try:
        write_new(file, data, mode)
    except NewFileError as error:
        program.fail(_WHOSE, str(error))
    output.say(f"{file}: mode {mode:04o}", sys.stderr)


@contextlib.contextmanager
def _errors() -> Any:
    from zrouter.tokens.errors import KeyFileError

    try:
        yield
    except KeyFileError as error:
        program.fail(_WHOSE, str(error))


_key_file = click.option("--key-file", type=click.Path(), help="The file that signs, or verifies.")
_audience = click.option("--audience", default="", help="The claim aud.")
_issuer = click.option("--issuer", default="", help="The claim iss.")


@token.command()
@click.argument("sub")
@_key_file
@click.option(
    "--ttl", type=Count(1, 366 * 86400), default=600, show_default=True, help="Good for so long [s]."
)
@click.option("--id", "ids", multiple=True, help="An id it may be connected as, or PREFIX:*; default: SUB.")
@click.option("--watch", multiple=True, help="An id whose presence it may see, or PREFIX:*; default: SUB.")
@_audience
@_issuer
def make(
    sub: str,
    key_file: str | None,
    ttl: int,
    ids: tuple[str, ...],
    watch: tuple[str, ...],
    audience: str,
    issuer: str,
) -> None:
    """Print a token for the subject SUB, made with the first key of the file that signs.

    \b
    Examples:
      zrouter token make --key-file keys.json user:123
      zrouter token make --key-file keys.json --ttl 86400 --id user:123 --id 'room:*' user:123
    """
    if key_file is None:
        raise click.UsageError("--key-file is needed")
    from zrouter.tokens.key_files import read_keys
    from zrouter.tokens.make import make_token

    with _errors():
        key = read_keys(key_file).signing()
        more = {name: said for name, said in (("aud", audience), ("iss", issuer)) if said}
        made = make_token(key, sub, time.time(), ttl, ids or None, watch or None, **more)
    output.say(made)


@token.command()
@_key_file
@_audience
@_issuer
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def explain(key_file: str | None, audience: str, issuer: str, as_json: bool) -> int:
    """Read a token from standard input: what it says, and whether a frontend takes it (exit 0) or not (1).

    Without --key-file nobody can say that it is good.

    \b
    Examples:
      zrouter token explain --key-file keys.json < token.txt
      pbpaste | zrouter token explain
    """
    text = sys.stdin.read(1 << 20).strip().removeprefix("Bearer ")
    header, claims = (_part(text, number) for number in (0, 1))
    verdict, reason = _verdict(text, key_file, audience, issuer)
    if as_json:
        output.say(
            json.dumps(
                {"header": header, "claims": claims, "is_good": reason == "", "reason": reason or None}
            )
        )
    else:
        for name, part in (("header", header), ("claims", claims)):
            output.say(f"{name}: {json.dumps(part) if part is not None else 'not JSON'}")
        for name in ("iat", "nbf", "exp"):
            if (line := _moment(claims, name)) is not None:
                output.say(line)
        output.say(verdict)
    return 0 if reason == "" else program.EXIT_COULD_NOT


def _part(text: str, number: int) -> Any:
    from zrouter.tokens import base64url

    try:
        return json.loads(base64url.decode(text.split(".")[number]))
    except (IndexError, ValueError, RecursionError):
        return None


def _moment(claims: Any, name: str) -> str | None:
    try:
        at = float(claims[name])
        day = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))
    except (TypeError, KeyError, ValueError, OverflowError, OSError):
        return None
    away = at - time.time()
    return f"{name}: {day} UTC, {f'in {away:.0f} s' if away >= 0 else f'{-away:.0f} s ago'}"


def _verdict(text: str, key_file: str | None, audience: str, issuer: str) -> tuple[str, str]:
    """A sentence, and the reason of a refusal; empty: there is none."""
    if key_file is None:
        return "not verified: give --key-file", "not verified"
    from zrouter.tokens.errors import TokenError
    from zrouter.tokens.key_files import read_keys
    from zrouter.tokens.verify import Verifier

    with _errors():
        keys = read_keys(key_file)
    try:
        claims = Verifier(lambda: keys, audience, issuer).verify(text, time.time())
    except TokenError as error:
        return f"refused ({error.reason}): {error}", error.reason
    return f"good: may connect as {_names(claims.ids)}; may watch {_names(claims.watch)}", ""


def _names(grant: Grant) -> str:
    named = [*sorted(grant.ids), *(prefix + b"*" for prefix in grant.prefixes)]
    return ", ".join(one.decode() for one in named) or "nobody"


@token.command()
@click.option("--sub", default=None, help="Those of this subject.")
@click.option("--jti", default=None, help="The one with this jti.")
@click.option("--everybody", is_flag=True, help="Those of all.")
@click.option(
    "--before",
    type=click.DateTime(("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d")),
    default=None,
    help="Of a subject or all, those made (iat) before this time (UTC); default: now.",
)
@click.option(
    "--keep",
    "keep_s",
    type=Number(0, LONGEST_KEEP_S),
    default=DEFAULT_KEEP_S,
    show_default=True,
    help="Refuse them for so long [s]: as long as tokens are good. 0: end connections, which may come back.",
)
@client_options
@json_option
def revoke(
    sub: str | None,
    jti: str | None,
    everybody: bool,
    before: datetime | None,
    keep_s: float,
    router: str,
    timeout: float,
    as_json: bool,
) -> None:
    """Take tokens back before their end: connections with them end within a second, everywhere.

    Afterwards they are refused. A fresh token of the same subject is good.

    \b
    Examples:
      zrouter token revoke --sub user:7
      zrouter token revoke --jti 8e03978e
      zrouter token revoke --everybody --before 2026-07-01T09:30:00Z
      zrouter token revoke --sub user:7 --keep 0
    """
    if (sub is not None) + (jti is not None) + everybody != 1:
        raise click.UsageError("which tokens? One of --sub, --jti and --everybody")
    made_before = None if before is None else before.replace(tzinfo=UTC).timestamp()
    with connect(router, timeout, "token revoke") as client:
        try:
            told = client.revoke(sub=sub, jti=jti, everybody=everybody, before=made_before, keep_s=keep_s)
        except (ValueError, TypeError) as error:
            raise click.UsageError(str(error)) from None
    if as_json:
        output.json_line({"told": told})
    else:
        output.say(f"told {told} frontend{'' if told == 1 else 's'}")
    if not told:
        output.say("no frontend here looks at tokens", sys.stderr)
