"""One small fault: pieces of text that stand once each in one file, and what stands there in their place.

Owns: putting it into a copy of the packages. Must not know: which faults there are; catalogue.py does.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent.parent
_COPIED = ("zrouter", "zfront", "tests/simulation")


class Edit(NamedTuple):
    """One piece of it."""

    file: str
    old: str
    new: str


class Mutant:
    """`name` says what is wrong, in words for the table."""

    def __init__(self, name: str, *edits: tuple[str, str, str]) -> None:
        self.name = name
        self.edits = [Edit(*edit) for edit in edits]

    def files(self) -> dict[str, str]:
        """The files that it changes, and what is in them then.

        Raises:
            ValueError: the code has moved: a piece is not there, or more than once.
        """
        found: dict[str, str] = {}
        for file, old, new in self.edits:
            text = found.get(file) or (ROOT / file).read_text()
            if text.count(old) != 1:
                raise ValueError(f"{text.count(old)} such pieces in {file}:\n{old}")
            found[file] = text.replace(old, new)
        return found

    def put_into(self, folder: Path) -> None:
        """Make a copy of the packages there, with the fault.

        Raises:
            ValueError: the code has moved.
        """
        for name in _COPIED:
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "tests" / "__init__.py").write_text("")
        for file, text in self.files().items():
            (folder / file).write_text(text)
