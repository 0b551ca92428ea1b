"""Kinds of values on command lines: addresses and ids, refused as usage errors before anything is done.

Owns: how they are checked. Must not know: who uses them.
"""

from __future__ import annotations

import os
import re
from typing import Any

import click

from zrouter.wire import WireError, check_ids


class Endpoint(click.ParamType[str]):
    """A ZeroMQ endpoint: tcp://HOST:PORT or ipc://PATH."""

    name = "endpoint"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check it; fails as usage errors do."""
        tcp = re.fullmatch(r"tcp://(?:[^\s:/\[\]]+|\[[^\s\[\]]+\]):(\d{1,5})", str(value))
        if (tcp is not None and int(tcp[1]) < 65536) or re.fullmatch(r"ipc://\S+", str(value)):
            return str(value)
        return self.fail(f"{value!r} is not an endpoint such as tcp://127.0.0.1:5570", param, ctx)


class Id(click.ParamType[str]):
    """An id: 1 to 255 bytes of UTF-8."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check it; fails as usage errors do."""
        try:
            check_ids([os.fsencode(value)])
        except WireError as error:
            self.fail(str(error), param, ctx)
        return str(value)


ENDPOINT = Endpoint()
ID = Id()
