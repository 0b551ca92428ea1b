"""Who is alive, against the simplest model: when each was heard last."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zrouter.routing.peers import Peer, Peers

LEASES = {b"a": 1.0, b"b": 2.0, b"c": 5.0}
WHAT = st.sampled_from(["hello", "heard", "leaves", "away"])
STEPS = st.lists(st.tuples(WHAT, st.sampled_from(sorted(LEASES)), st.integers(0, 3)), max_size=40)


@given(STEPS, st.integers(1, 3))
def test_who_was_silent_for_longer_than_its_lease_has_lapsed(
    steps: list[tuple[str, bytes, int]], most: int
) -> None:
    peers, now = Peers(most), 0.0
    heard: dict[bytes, float] = {}
    for what, address, passes_s in steps:
        now += passes_s
        peer = peers.find(address)
        assert (peer is not None) == (address in heard)
        if what == "away":  # the router itself
            peers.excuse_all(now)
            heard = dict.fromkeys(heard, now)
        elif what == "hello" and peer is None and not peers.is_full():
            peers.add(Peer(address, "name", address * 8, LEASES[address], now))
            heard[address] = now
        elif what == "heard" and peer is not None:
            peer.heard = heard[address] = now
        elif what == "leaves" and peer is not None:
            peers.remove(peer)
            peers.remove(peer)
            del heard[address]
        assert {one.address for one in peers} == set(heard)
        assert (len(peers), peers.is_full()) == (len(heard), len(heard) == most)
        silent = {one for one, when in heard.items() if now - when > LEASES[one]}
        assert {one.address for one in peers.lapsed(now)} == silent


def test_namesakes_are_asked_whether_they_live_once_a_second() -> None:
    peers = Peers(10)
    old, other, new = (Peer(name * 4, name.decode(), b"i" * 8, 1.0, 0.0) for name in (b"x", b"y", b"x"))
    old.address, new.instance = b"old", b"j" * 8
    for peer in (old, other, new):
        peers.add(peer)
    assert peers.to_be_asked(new, 5.0) == [old]
    assert peers.to_be_asked(old, 5.9) == []
    assert peers.to_be_asked(old, 6.0) == [new]
    assert peers.to_be_asked(other, 6.0) == []
    peers.remove(new)
    assert peers.to_be_asked(old, 9.0) == []
    assert (peers.one_of("x"), peers.one_of("z")) == (old, None)


def test_an_earlier_life_is_the_same_process_on_another_connection() -> None:
    peers = Peers(10)
    old, new = (Peer(address, "x", b"i" * 8, 1.0, 0.0) for address in (b"old", b"new"))
    peers.add(old)
    assert peers.earlier_life("x", b"i" * 8) is old
    assert peers.earlier_life("x", b"j" * 8) is None
    peers.remove(old)
    peers.add(new)
    peers.remove(old)
    assert peers.earlier_life("x", b"i" * 8) is new
