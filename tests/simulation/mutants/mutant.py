"""One small fault: a piece of text that stands once in one file, and what stands there in its place.

Owns: putting it into a copy of the packages. Must not know: which faults there are (link.py, router.py,
front.py).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent.parent
_COPIED = ("zrouter", "zfront", "tests/simulation")


class Mutant(NamedTuple):
    """`name` says what is wrong, in words for the table."""

    name: str
    file: str
    old: str
    new: str

    def text(self) -> str:
        """The file with the fault.

        Raises:
            ValueError: the code has moved: the piece is not there, or more than once.
        """
        text = (ROOT / self.file).read_text()
        if text.count(self.old) != 1:
            raise ValueError(f"{self.name}: {text.count(self.old)} such pieces in {self.file}:\n{self.old}")
        return text.replace(self.old, self.new)

    def put_into(self, folder: Path) -> None:
        """Make a copy of the packages there, with the fault."""
        copy(folder)
        (folder / self.file).write_text(self.text())


def copy(folder: Path) -> None:
    """Make a copy of the packages there."""
    for name in _COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "tests" / "__init__.py").write_text("")
