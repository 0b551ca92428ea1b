"""`zrouter token`: keys and tokens on the command line."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path


def run(*words: str, said: str = "") -> subprocess.CompletedProcess[str]:
    code = "from zrouter.cli import main; main()"
    command = [sys.executable, "-c", code, "token", *words]
    return subprocess.run(command, input=said, capture_output=True, text=True, timeout=60, check=False)


def test_a_key_is_made_once_and_signs_tokens_that_it_verifies(tmp_path: Path) -> None:
    file = str(tmp_path / "keys.json")
    assert run("keygen", file).returncode == 0
    assert stat.S_IMODE(Path(file).stat().st_mode) == 0o600
    again = run("keygen", file)
    assert again.returncode == 1
    assert "is there already" in again.stderr
    made = run("make", "--key-file", file, "--id", "ann", "--id", "room:*", "ann")
    assert made.returncode == 0
    explained = run("explain", "--key-file", file, said=made.stdout)
    assert explained.returncode == 0
    assert "good: may connect as ann, room:*; may watch ann" in explained.stdout


def test_a_pair_parts_who_signs_from_who_verifies(tmp_path: Path) -> None:
    file = str(tmp_path / "keys.json")
    assert run("keygen", "--kind", "EdDSA", file).returncode == 0
    public = Path(file + ".pub")
    assert '"d"' not in public.read_text()
    made = run("make", "--key-file", file, "ann").stdout
    assert run("explain", "--key-file", str(public), said=made).returncode == 0
    refused = run("make", "--key-file", str(public), "ann")
    assert (refused.returncode, refused.stdout) == (1, "")


def test_a_refusal_is_explained(tmp_path: Path) -> None:
    file, other = str(tmp_path / "keys.json"), str(tmp_path / "other.json")
    run("keygen", "--kid", "one", file)
    run("keygen", "--kid", "one", other)
    made = run("make", "--key-file", other, "--audience", "z", "ann").stdout
    for words, reason in (
        (("--key-file", file), "signature"),
        (("--key-file", other), "aud"),
        ((), "not verified"),
    ):
        found = run("explain", "--json", *words, said=made)
        assert found.returncode == 1
        said = json.loads(found.stdout)
        assert (said["reason"], said["is_good"], said["claims"]["sub"]) == (reason, False, "ann")


def test_what_is_no_token_is_explained_too(tmp_path: Path) -> None:
    file = str(tmp_path / "keys.json")
    run("keygen", file)
    for said in ("", "x", "\x1b[2J.a.b", "a" * 10_000, "[" * 5000):
        found = run("explain", "--key-file", file, said=said)
        assert found.returncode == 1
        assert "refused (" in found.stdout
        assert "\x1b" not in found.stdout
        assert "Traceback" not in found.stderr
