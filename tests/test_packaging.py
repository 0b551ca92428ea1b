"""What is imported is installed by what the docs say; no requirement stands there that nobody imports."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Final

import pytest

from tests.test_architecture import ROOT, imports, module_of

PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: Final[dict[str, list[str]]] = PROJECT["optional-dependencies"]
OURS: Final = {"zrouter", "zfront", "zflood"}
# What docs/operations.md ("Install") and the programs' own words say each needs; "" is a plain install.
NEEDS: Final = {
    "zrouter": ("", "bulk", "tokens", "django", "fastapi"),
    "zfront": ("",),
    "zflood": ("", "flood", "plots", "report"),
}
# The client for programs, without what the servers need (docs/python-client.md).
CLIENT: Final = {"pyzmq", "msgspec"}


def asked_for(extra: str) -> set[str]:
    """The distributions that `pip install '.[extra]'` names, our own extras followed; plain for ""."""
    lines = EXTRAS[extra] if extra else PROJECT["dependencies"]
    found: set[str] = set()
    for line in lines:
        name = _name(line)
        if name == PROJECT["name"]:
            for inner in re.findall(r"\[(.*)\]", line)[0].split(","):
                found |= asked_for(inner)
        else:
            found.add(name)
    return found


def _name(requirement: str) -> str:
    return _plain(re.split(r"[\[<>=~! ;(]", requirement, maxsplit=1)[0])


def _plain(name: str) -> str:
    """One spelling of a distribution's name (PyPI: names that differ in case, - and _ are the same)."""
    return name.lower().replace("_", "-")


def imported(package: str) -> dict[str, set[Path]]:
    """The distributions that its files import, anywhere in them, and the files that do."""
    found: dict[str, set[Path]] = {}
    distributions = metadata.packages_distributions()
    for file in sorted((ROOT / package).rglob("*.py")):
        tops = {name.split(".")[0] for name in imports(module_of(file))}
        for top in tops - OURS - set(sys.stdlib_module_names):
            assert top in distributions, f"{file}: nobody knows who ships {top}"
            for name in distributions[top]:
                found.setdefault(_plain(name), set()).add(file)
    return found


@pytest.mark.parametrize("package", sorted(OURS))
def test_each_import_is_in_the_base_or_in_the_extra_that_the_docs_name(package: str) -> None:
    there = set().union(*map(asked_for, NEEDS[package]))
    assert {name: files for name, files in imported(package).items() if name not in there} == {}


def test_each_requirement_is_imported_by_somebody() -> None:
    everything = set().union(*(imported(package) for package in OURS))
    for extra in ("", "bulk", "flood", "plots", "report", "tokens", "django", "fastapi"):
        assert asked_for(extra) - everything == set(), f"[{extra or 'plain'}]"
    servers = set(imported("zrouter")) | set(imported("zfront"))
    assert asked_for("") - servers == set()


# Imports modules while only these distributions can be imported, and says what could not be.
_ONLY: Final = """
import importlib, sys
from importlib import metadata
allowed, modules = set(sys.argv[1].split(",")), sys.argv[2:]
ours = {"zrouter", "zfront", "zflood"}
distributions = metadata.packages_distributions()
def is_there(name):
    top = name.partition(".")[0]
    ships = {one.lower().replace("_", "-") for one in distributions.get(top, ())}
    return not ships or ships & allowed or top in ours
class Only:
    def __init__(self, finder):
        self._finder = finder
    def find_spec(self, name, path=None, target=None):
        return self._finder.find_spec(name, path, target) if is_there(name) else None
sys.meta_path[:] = map(Only, sys.meta_path)
for module in modules:
    try:
        importlib.import_module(module)
    except ImportError as error:
        print(module, error)
"""


def _not_importable(allowed: set[str], modules: list[str]) -> str:
    # Distributions that these need themselves, by their own word.
    todo, there = list(allowed), set(allowed)
    while todo:
        for line in metadata.requires(todo.pop()) or []:
            if "extra ==" not in line and _name(line) not in there:
                there.add(_name(line))
                todo += [_name(line)] if _is_here(_name(line)) else []
    command = [sys.executable, "-c", _ONLY, ",".join(sorted(there)), *modules]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def _is_here(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _modules(*packages: str) -> list[str]:
    files = [file for package in packages for file in sorted((ROOT / package).rglob("*.py"))]
    return [
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files
    ]


def test_a_plain_install_can_import_every_module_of_the_servers() -> None:
    # A bar of the load is imported by one place, which goes without where it is not there.
    bar = ["zrouter.cli.progress"]
    # What is for Django is of use where Django is.
    modules = [
        each
        for each in _modules("zrouter", "zfront")
        if each not in bar and not each.startswith("zrouter.contrib.django")
    ]
    assert _not_importable(asked_for(""), modules) == ""


def test_the_extra_django_can_import_what_is_for_django() -> None:
    # Its models need settings: the tests of a project import them.
    modules = [each for each in _modules("zrouter/contrib/django") if not each.endswith((".apps", ".views"))]
    assert _not_importable(asked_for("") | asked_for("django"), modules) == ""


def test_the_extra_flood_can_import_every_module_of_zflood() -> None:
    assert _not_importable(asked_for("") | asked_for("flood"), _modules("zflood")) == ""


def test_a_client_of_the_router_needs_pyzmq_and_msgspec_alone() -> None:
    assert _not_importable(CLIENT, ["zrouter", "zrouter.client", "zrouter.aio"]) == ""
    said = " ".join((ROOT / "docs" / "python-client.md").read_text().split())
    assert "pip install --no-deps . pyzmq msgspec" in said


def test_what_is_not_there_can_not_be_imported_so() -> None:
    assert "zfront.connections.websocket_input" in _not_importable(
        asked_for("") - {"wsproto"}, ["zfront.connections.websocket_input"]
    )
