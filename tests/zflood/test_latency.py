"""Stamps and histograms."""

from __future__ import annotations

import time

from zflood.latency import STAMP_BYTES, Latencies, stamp
from zflood.swarm.tally import Progress, Tally


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


def test_a_padded_stamp_is_as_long_as_wanted_and_still_read() -> None:
    message = stamp(time.time() - 0.5, 1000)
    assert len(message) == 1000
    assert len(stamp(time.time())) == STAMP_BYTES
    latencies = Latencies()
    latencies.read(message)
    assert 500 <= latencies.max_ms() < 1500


def test_many_that_took_as_long_are_noted_together() -> None:
    latencies = Latencies()
    latencies.note(1000, 99)
    latencies.note(-5, 1)  # a clock that was set back
    assert len(latencies) == 100
    assert (latencies.percentile_ms(1), latencies.percentile_ms(50)) == (0.001, 1.0)


def test_what_came_since_is_told_apart_from_what_came_before() -> None:
    latencies = Latencies()
    latencies.note(50_000, 10)
    before = latencies.counts()
    assert latencies.since(before).figures() == {}
    latencies.note(1000, 100)
    assert latencies.since(before).figures() == {"p50_ms": 1.0, "p99_ms": 1.0, "max_ms": 1.0}


def test_a_stamp_from_the_future_is_no_latency() -> None:
    latencies = Latencies()
    assert not latencies.read(stamp(time.time() + 5))
    assert len(latencies) == 0
    assert latencies.read(stamp(time.time()))
    assert len(latencies) == 1


def test_a_stamp_from_the_future_is_an_error_of_its_own_kind() -> None:
    tally = Tally()
    progress = Progress(tally)
    progress.begin(3)
    for at_s in (time.time() + 60, time.time()):
        progress.message(3, stamp(at_s))
    assert tally.errors == {"stamp from the future": 1}
    assert len(tally.latencies) == 1
