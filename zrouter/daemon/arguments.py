"""Kinds of values on command lines: addresses and ids, refused as usage errors before anything is done.

Owns: how they are checked. Must not know: who uses them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from zrouter.link.curve_keys import CurveKeyError
from zrouter.wire import MAX_KEY_BYTES, WireError, check_ids


def _is_text(value: str) -> bool:
    """Whether no byte in it was none of UTF-8 (Python then has half a surrogate there)."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


class Endpoint(click.ParamType[str]):
    """A ZeroMQ endpoint: tcp://HOST:PORT or ipc://PATH."""

    name = "endpoint"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check it; fails as usage errors do."""
        tcp = re.fullmatch(r"tcp://(?:[^\s:/\[\]]+|\[[^\s\[\]]+\]):(\d{1,5})", str(value))
        is_one = (tcp is not None and int(tcp[1]) < 65536) or re.fullmatch(r"ipc://\S+", str(value))
        if is_one and _is_text(str(value)):
            return str(value)
        return self.fail(f"{value!r} is not an endpoint such as tcp://127.0.0.1:5570", param, ctx)


class Id(click.ParamType[str]):
    """An id: 1 to 255 bytes of UTF-8."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check it; fails as usage errors do."""
        encoded = os.fsencode(value)
        try:
            check_ids([encoded])
        except WireError as error:
            self.fail(str(error), param, ctx)
        # In a C locale Python has each byte of it as half a surrogate.
        return encoded.decode()


class Key(click.ParamType[bytes]):
    """A sender's name for a send: 1 to 255 bytes."""

    name = "key"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        """Check it; fails as usage errors do."""
        key = os.fsencode(value)
        if not 1 <= len(key) <= MAX_KEY_BYTES:
            self.fail(f"a key has 1 to {MAX_KEY_BYTES} bytes, not {len(key)}", param, ctx)
        return key


ENDPOINT = Endpoint()
ID = Id()
KEY = Key()


@contextmanager
def key_file_of(option: str) -> Iterator[None]:
    """What is wrong with the option's file of keys is a usage error."""
    try:
        yield
    except CurveKeyError as error:
        raise click.UsageError(f"{option} {error}") from None
