"""Shelves: all that is put on them comes back, what belongs together on one shelf."""

from __future__ import annotations

from pathlib import Path

import pytest

from zflood.check import partitions
from zflood.check.partitions import DiskPartitions, Sending, Sight


def test_all_comes_back_and_each_number_from_one_shelf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "PARTITION_ROWS", 1000)
    sendings = [
        Sending(7 << 48 | count, count % 10, count % 4 - 3, count, count + 1) for count in range(5000)
    ]
    sights = [Sight(row.number, client, row.number % 99, 1, True) for row in sendings for client in (1, 0)]
    with DiskPartitions(5000, tmp_path) as disk:
        for row in sendings:
            disk.sending(row)
        for sight in sights:
            disk.sight(sight)
        found = [(list(one), list(other)) for one, other in disk.each()]
    assert len(found) == 6
    assert sorted(row for one, _ in found for row in one) == sendings
    assert sorted(row for _, other in found for row in other) == sorted(sights)
    for one, other in found:
        assert {row.number for row in one} == {row.number for row in other}
        assert [row.client for row in other] == [1, 0] * len(one)
    assert not list(tmp_path.iterdir())
