"""The simulator itself: a seed is a history, and a fault in the code breaks a promise, told with its seed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.simulation.mutants.catalogue import MUTANTS
from tests.simulation.mutants.mutant import ROOT, Mutant
from tests.simulation.plan import Step
from tests.simulation.shrink import shrink


def simulate(*options: str, folder: Path = ROOT, hash_seed: str = "") -> subprocess.CompletedProcess[str]:
    """Run it as `make simulate` does."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    environment.pop("PYTHONHASHSEED", None)
    if hash_seed:
        environment["PYTHONHASHSEED"] = hash_seed
    command = [sys.executable, "-m", "tests.simulation", *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=110)


def test_a_seed_is_the_same_history_each_time_byte_for_byte() -> None:
    first = simulate("--seed", "3", "--trace", "--no-shrink", hash_seed="1")
    again = simulate("--seed", "3", "--trace", "--no-shrink", hash_seed="2")
    assert len(first.stdout.splitlines()) > 100
    assert first.stdout == again.stdout


def test_other_seeds_are_other_histories() -> None:
    assert simulate("--seed", "3", "--no-shrink").stdout != simulate("--seed", "4", "--no-shrink").stdout


@pytest.mark.parametrize("seed", ["253", "1313", "2404", "2435", "2699"])
def test_a_history_that_once_broke_a_promise_breaks_none(seed: str) -> None:
    done = simulate("--seed", seed, "--no-shrink")
    assert done.returncode == 0, done.stdout


def test_a_minute_of_histories_that_nobody_has_seen_breaks_no_promise() -> None:
    # CI tries the same histories each time and so judges the change; those who work on it try others.
    same = ("--first", "1") if "CI" in os.environ else ()
    done = simulate("--seconds", "60", "--jobs", "1", "--json", *same)
    assert done.returncode == 0, done.stderr + done.stdout  # with the seed: `make simulate SEED=` shows it
    figures = json.loads(done.stdout)
    assert figures["histories"] > 10
    assert figures["faults"] == sum(figures["faults_by_kind"].values()) > 1000
    assert figures["simulated_s"] > figures["wall_s"]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_still_has_its_place_in_the_code(mutant: Mutant) -> None:
    for file, text in mutant.files().items():
        assert text != (ROOT / file).read_text()
        compile(text, file, "exec")


def test_a_small_fault_in_a_copy_is_found_and_its_seed_told(tmp_path: Path) -> None:
    next(one for one in MUTANTS if one.name == "a key is forgotten at once").put_into(tmp_path)
    done = simulate("--first", "1", "--seconds", "60", "--json", folder=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    broken = json.loads(done.stdout)["broken"]
    assert broken
    assert f"seed {broken[0][0]}: {broken[0][1]}" in done.stderr


def test_of_many_steps_only_those_that_matter_are_left() -> None:
    steps = [Step(number / 10, "send", number, 0, 0) for number in range(300)]
    guilty = set(Random(1).sample(steps, 3))
    assert set(shrink(steps, lambda some: guilty <= set(some), 2000)) == guilty
