"""The examples in the documents are run, each as it stands there, against a router of this test."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Program

ROOT = Path(__file__).parent.parent
FILE = re.compile(r"`((?:zrouter|zfront|zflood)/[\w/]+\.py)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def examples() -> list[pytest.ParameterSet]:
    return [
        pytest.param(example, id=f"{document.name}-{number}")
        for document in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
        for number, example in enumerate(EXAMPLE.findall(document.read_text()), 1)
    ]


@pytest.mark.parametrize(
    "document",
    [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))],
    ids=str,
)
def test_every_link_leads_to_a_file(document: Path) -> None:
    for target in LINK.findall(document.read_text()):
        if "://" not in target:
            assert (document.parent / target.partition("#")[0]).exists(), target


def test_the_architecture_names_every_file_and_each_is_there() -> None:
    named = set(FILE.findall((ROOT / "ARCHITECTURE.md").read_text()))
    assert [name for name in named if not (ROOT / name).exists()] == []
    files = {
        str(path.relative_to(ROOT))
        for program in ("zrouter", "zfront")
        for path in (ROOT / program).rglob("*.py")
        if path.name != "__init__.py"
    }
    assert files - named == set()


@pytest.mark.parametrize("example", examples())
def test_the_example_runs(router: Program, example: str) -> None:
    here = example.replace("tcp://127.0.0.1:5570", router.address)
    done = subprocess.run([sys.executable, "-c", here], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
