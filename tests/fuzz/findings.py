"""What a target finds: each kind once, with the bytes, and it goes on.

Owns: when two findings are one kind, where they are put. Must not know: any target, how inputs are made.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable
from pathlib import Path

MOST_KINDS = 50


class Findings:
    """Of one target. `folder` gets `<name>` with the bytes and `<name>.txt` with the trace."""

    def __init__(self, target: Callable[[bytes], None], folder: Path | None) -> None:
        self._target = target
        self._folder = folder
        self.executions = 0
        self.kinds: dict[str, bytes] = {}

    def run(self, data: bytes) -> None:
        """Try these bytes."""
        self.executions += 1
        try:
            self._target(data)
        except Exception as error:
            self._found(data, error)

    def _found(self, data: bytes, error: Exception) -> None:
        last = traceback.extract_tb(error.__traceback__)[-1]
        kind = f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}"
        known = self.kinds.get(kind)
        if known is not None and len(known) <= len(data):
            return
        if known is None and len(self.kinds) == MOST_KINDS:
            return
        self.kinds[kind] = data
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            name = hashlib.sha256(kind.encode()).hexdigest()[:12]
            (self._folder / name).write_bytes(data)
            (self._folder / f"{name}.txt").write_text(
                f"{kind}\n{data!r}\n" + "".join(traceback.format_exception(error))
            )
