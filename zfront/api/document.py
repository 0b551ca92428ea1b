"""The OpenAPI document: openapi.json beside this file, with the version of the package."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Final


def _read() -> bytes:
    document = json.loads(Path(__file__).with_name("openapi.json").read_bytes())
    document["info"]["version"] = version("zcomet")
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


OPENAPI: Final = _read()
