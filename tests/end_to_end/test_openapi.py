"""The OpenAPI document says what the running frontend does, and the frontend what the document says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Program
from tests.end_to_end.posting import Backend
from tests.end_to_end.test_api_ask import KEY, PATHS
from tests.test_http_api import DOCUMENT
from zfront.transports import PATHS as STREAMS

ROOT = Path(__file__).parents[2]
CONFIG = Path(__file__).parent / "openapi" / "schemathesis.toml"
EXAMPLES = 25  # of each operation, beside those that try out each bound of the document


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads((ROOT / "zfront" / "api" / "openapi.json").read_text())


def test_it_is_served_with_the_version_of_the_package(front: Program, document: Any) -> None:
    document["info"]["version"] = version("zcomet")
    assert Backend(front).ask("GET", "/api/openapi.json").json == document


def test_it_has_every_path_and_method(document: Any) -> None:
    paths = {
        re.sub("{(id|subscriber|subscribee)}", "a", path): operations
        for path, operations in document["paths"].items()
    }
    for path, allow in PATHS.items():
        assert {method.upper() for method in paths.pop(path)} == set(allow.split(", ")) - {"HEAD", "OPTIONS"}
    assert set(paths) <= {f"{path}{{to}}" for path in STREAMS}


def test_its_statuses_are_those_of_the_document_in_words(document: Any) -> None:
    section = DOCUMENT.split("\n### Errors of the API\n")[1].split("\n#")[0]
    explained = set(re.findall(r"^\| (\d+) \|", section, re.MULTILINE))
    operations = [
        one for path, all_of in document["paths"].items() if "/api" in path for one in all_of.values()
    ]
    found = {status for operation in operations for status in operation["responses"]}
    # 404 and 405 are of no operation, 431 comes before any.
    assert found - {"200", "201"} == explained - {"404", "405"}


def test_a_stranger_with_the_document_finds_nothing_wrong(
    start: Callable[..., Program], router: Program
) -> None:
    listen = ("--listen", "127.0.0.1:0", "--router", router.address)
    front = start("zfront", "serve", *listen, "--api-key", KEY)
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run",
        "zfront/api/openapi.json", "--url", front.address, "--include-path-regex", "^/api/",
        "-n", str(EXAMPLES), "--seed", "1", "--no-color",
        "--header", f"Authorization: Bearer {KEY}",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]
    assert "No issues found" in done.stdout
    assert "Traceback" not in front.log()
