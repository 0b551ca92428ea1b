"""The OpenAPI document: openapi.json beside this file, with the version of the package."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path


@cache
def openapi() -> bytes:
    """The document, made when somebody asks for it: what that loads takes 3 MB of a worker."""
    from importlib.metadata import version

    document = json.loads(Path(__file__).with_name("openapi.json").read_bytes())
    document["info"]["version"] = version("zcomet")
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"
