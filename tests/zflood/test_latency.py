"""Stamps and histograms."""

from __future__ import annotations

import time

from zflood.latency import Latencies, stamp


def test_the_age_of_a_stamped_message_is_what_it_is() -> None:
    latencies = Latencies()
    latencies.read(b"Recvd msg #1: '" + stamp(time.time() - 0.5) + b"'<br/>\n")
    latencies.read(b"no stamp here")
    assert len(latencies) == 1
    assert 500 <= latencies.max_ms() < 1500


def test_merged_histograms_have_the_latencies_of_both() -> None:
    old, new = Latencies(), Latencies()
    old.read(stamp(time.time() - 2))
    for _ in range(99):
        new.read(stamp(time.time() - 0.010))
    new.add(old.encode())
    assert len(new) == 100
    assert 10 <= new.percentile_ms(50) < 500
    assert 2000 <= new.max_ms() < 3000
