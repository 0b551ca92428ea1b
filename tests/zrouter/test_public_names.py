"""What `from zrouter import ...` gives, and what it costs those who do not ask for it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

import zrouter


def test_the_package_has_every_name_that_it_lists_and_its_version() -> None:
    assert set(zrouter._HOMES) == set(zrouter.__all__) <= set(dir(zrouter))
    for name in zrouter.__all__:
        assert getattr(zrouter, name).__name__ == name
    assert zrouter.__version__ == version("zcomet")
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        zrouter.nonsense  # noqa: B018


@pytest.mark.parametrize(
    ("statement", "not_loaded"),
    [
        ("import zrouter, zrouter.errors; zrouter.RouterError", {"zmq", "asyncio", "msgspec"}),
        ("from zrouter import RouterClient", {"numpy", "lmdb", "tornado", "click"}),
        ("from zrouter import AsyncRouterClient", {"numpy", "lmdb", "tornado", "click"}),
    ],
)
def test_an_import_loads_only_what_it_needs(statement: str, not_loaded: set[str]) -> None:
    code = f"import sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not_loaded.isdisjoint(loaded.split())
