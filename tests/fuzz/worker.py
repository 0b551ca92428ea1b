"""One target in a process of its own: `python -m tests.fuzz.worker NAME SECONDS FOLDER SEED`.

Owns: how inputs come: from atheris (libFuzzer, which looks at what they reach) where it is installed, else blindly.
Must not know: what a run of all targets is. It writes libFuzzer's statistics.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

_PACKAGES = ["zrouter", "zfront", "zflood"]


def main() -> None:
    name, seconds, folder, seed = sys.argv[1], float(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    try:
        import atheris
    except ModuleNotFoundError:
        _blindly(name, seconds, folder, seed)
    else:
        _guided(atheris, name, seconds, folder, seed)


def _blindly(name: str, seconds: float, folder: Path, seed: int) -> None:
    from tests.fuzz.findings import Findings
    from tests.fuzz.mutate import mutated
    from tests.fuzz.targets import TARGETS, corpus

    target, seeds, chance = TARGETS[name], corpus(name), random.Random(seed)
    findings = Findings(target.run, folder / name)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(100):
            findings.run(mutated(seeds, target.words, target.most, chance))
    print(f"stat::number_of_executed_units: {findings.executions}", file=sys.stderr)


def _guided(atheris: Any, name: str, seconds: float, folder: Path, seed: int) -> None:
    with atheris.instrument_imports(include=_PACKAGES):
        from tests.fuzz.findings import Findings
        from tests.fuzz.targets import CORPUS, TARGETS
    target = TARGETS[name]
    findings = Findings(target.run, folder / name)
    words = folder / f"{name}.words"
    folder.mkdir(parents=True, exist_ok=True)
    words.write_text("".join(f'"{_quoted(word)}"\n' for word in target.words))
    with tempfile.TemporaryDirectory() as grown:
        atheris.Setup(
            [
                sys.argv[0], grown, str(CORPUS / name), f"-max_total_time={max(1, round(seconds))}", f"-seed={seed}",
                f"-max_len={target.most}", f"-dict={words}", "-timeout=20", "-rss_limit_mb=1500",
                f"-artifact_prefix={folder}/{name}-", "-print_final_stats=1", "-verbosity=1", "-len_control=0",
            ],
            findings.run,
        )  # fmt: skip
        atheris.Fuzz()


def _quoted(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main()
