"""Runs of pings, against wsproto's own reading of them."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameDecoder, FrameProtocol, Opcode

from tests.zfront.websocket_cases import frame
from zfront.connections.ping_runs import take_pings
from zfront.connections.websocket_input import FRAMES_A_TURN, WebSocketInput

PAYLOADS = st.lists(st.binary(max_size=125), max_size=40)


def pong(payload: bytes) -> bytes:
    return bytes(FrameProtocol(client=False, extensions=[]).pong(payload))


@given(PAYLOADS, st.binary(max_size=20))
def test_a_run_of_pings_is_read_as_wsproto_reads_it(payloads: list[bytes], behind: bytes) -> None:
    data = b"".join(frame("ping", payload) for payload in payloads) + behind
    found = take_pings(data)
    decoder = FrameDecoder(client=False)
    decoder.receive_bytes(data[: len(data) - len(found.rest)])
    read = [decoder.process_buffer() for _ in range(found.frames)]
    assert decoder.process_buffer() is None
    assert [one.payload for one in read if one and one.opcode is Opcode.PING][: len(payloads)] == payloads
    assert found.frames >= len(payloads)


@given(PAYLOADS)
def test_each_ping_is_answered_or_the_last_one_is_for_all_that_came_with_it(payloads: list[bytes]) -> None:
    pongs = take_pings(b"".join(frame("ping", payload) for payload in payloads)).pongs
    each, last = payloads[:16], payloads[-1:] if len(payloads) > 16 else []
    assert pongs == b"".join(map(pong, each + last))


@given(PAYLOADS, st.lists(st.integers(1, 40), min_size=1))
def test_cut_anywhere_the_last_ping_is_answered_last(payloads: list[bytes], cuts: list[int]) -> None:
    sockets, pongs, data = WebSocketInput(), b"", b"".join(frame("ping", payload) for payload in payloads)
    frames = 0
    while data:
        size = cuts[frames % len(cuts)]
        said = sockets.receive(3, data[:size])
        data = data[size:]
        while True:
            assert not said.last
            pongs, frames = pongs + said.answer, frames + said.frames
            if not said.has_more:
                break
            said = sockets.receive(3, b"")
    assert not payloads or pongs.endswith(pong(payloads[-1]))
    assert sockets.count() == 0


@given(st.binary(max_size=40))
def test_a_bad_ping_is_left_to_the_decoder(head: bytes) -> None:
    for bad in (b"\x89\x00", b"\x89\xfe" + bytes(8), b"\x09\x80" + bytes(4), b"\xc9\x80" + bytes(4)):
        assert take_pings(bad + head).frames == 0
        assert WebSocketInput().receive(1, bad + head).last or bad[0] == 0x89


def test_a_turn_is_so_many_frames_and_the_rest_comes_in_the_next_turns() -> None:
    sockets = WebSocketInput()
    data = b"".join(frame("text", b"%d" % number) for number in range(100))
    said = sockets.receive(1, data)
    seen: list[str | bytes] = []
    turns = 0
    while True:
        assert len(said.messages) <= FRAMES_A_TURN
        seen += said.messages
        turns += 1
        if not said.has_more:
            break
        assert sockets.count() == 1
        said = sockets.receive(1, b"")
    assert seen == [str(number) for number in range(100)]
    assert turns == -(-100 // FRAMES_A_TURN)
    assert sockets.count() == 0


def test_a_close_behind_more_than_a_turn_comes_after_all_of_it() -> None:
    sockets = WebSocketInput()
    said = sockets.receive(1, frame("text", b"x") * 40 + frame("close", b"\x03\xe8"))
    seen = 0
    while not said.last:
        seen += len(said.messages)
        assert said.has_more
        said = sockets.receive(1, b"")
    assert seen + len(said.messages) == 40
    assert not said.is_fault


def test_random_bytes_end_with_a_close_or_wait_for_more() -> None:
    for _ in range(300):
        said = WebSocketInput().receive(1, os.urandom(50))
        assert said.frames >= 0
