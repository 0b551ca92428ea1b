"""How large a measure is: as large as its bar is for, or small, to see whether it works.

Owns: which of both. Must not know: what is measured.
"""

from __future__ import annotations

_quick = False


def be_quick(quick: bool) -> None:
    """Choose, before anything is measured."""
    global _quick
    _quick = quick


def size(whole: int, quick: int) -> int:
    """The one that was chosen."""
    return quick if _quick else whole
