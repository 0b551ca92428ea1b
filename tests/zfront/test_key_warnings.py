"""Keys that every user of the host can read are told in the log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Program


@pytest.mark.parametrize(("mode", "is_told"), [(0o644, True), (0o600, False), (0o640, False)])
def test_a_key_file_that_every_user_can_read_is_told(
    start: Callable[..., Program], tmp_path: Path, mode: int, is_told: bool
) -> None:
    file = tmp_path / "keys"
    file.write_text("0123456789abcdef\n")
    file.chmod(mode)
    front = start("zfront", "serve", "--listen", "127.0.0.1:0", "--api-key-file", str(file))
    assert ("every user of this host can read it" in front.log()) == is_told
    assert "0123456789abcdef" not in front.log()


def test_a_key_on_the_command_line_is_told_and_one_in_the_environment_is_not(
    start: Callable[..., Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve = ("zfront", "serve", "--listen", "127.0.0.1:0")
    assert "every user of this host can see it" in start(*serve, "--api-key", "0123456789abcdef").log()
    monkeypatch.setenv("ZFRONT_API_KEY", "0123456789abcdef")
    assert "every user" not in start(*serve).log()
