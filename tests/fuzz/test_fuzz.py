"""Every input of the corpus, and some new ones, are taken as the targets say: no finding."""

from __future__ import annotations

import random
import time

import pytest

from tests.fuzz.findings import Findings
from tests.fuzz.mutate import mutated
from tests.fuzz.targets import CORPUS, TARGETS, corpus

_INPUTS = 2000
_SECONDS = 1.0


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_of_the_corpus_or_near_it_is_a_finding(name: str) -> None:
    target, seeds, chance = TARGETS[name], corpus(name), random.Random(name)
    findings = Findings(target.run, None)
    for data in seeds:
        findings.run(data)
    end = time.monotonic() + _SECONDS
    for _ in range(_INPUTS):
        if time.monotonic() > end:
            break
        findings.run(mutated(seeds, target.words, target.most, chance))
    assert not findings.kinds


def test_every_folder_of_the_corpus_is_a_targets() -> None:
    assert sorted(path.name for path in CORPUS.iterdir()) == sorted(TARGETS)


def test_a_finding_is_kept_once_by_its_kind_with_its_shortest_input() -> None:
    def target(data: bytes) -> None:
        assert b"x" not in data

    findings = Findings(target, None)
    for data in (b"a", b"xyz", b"x", b"xx"):
        findings.run(data)
    assert list(findings.kinds.values()) == [b"x"]
    assert findings.executions == 4
