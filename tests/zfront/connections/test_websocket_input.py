"""WebSocket clients' bytes, without a socket: Autobahn's cases, and bounds."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.zfront.websocket_cases import Case, Heard, cases, frame
from zfront.connections.websocket_input import MESSAGE_BYTES, Said, WebSocketInput

WAYS = {"whole": 0, "frame by frame": -1, "byte by byte": 1}


def hear(sockets: WebSocketInput, connection: int, data: bytes) -> Said:
    """All that comes of it, in however many turns."""
    said = sockets.receive(connection, data)
    while said.has_more:
        more = sockets.receive(connection, b"")
        said = more._replace(messages=said.messages + more.messages, answer=said.answer + more.answer)
    return said


def pieces(case: Case, way: int) -> Iterator[bytes | int]:
    """What is written in one go each: all up to a wait, a frame, or a few bytes."""
    together = bytearray()
    for step in case.steps():
        if isinstance(step, int):
            yield bytes(together)
            together.clear()
            yield step
        elif way == 0 and not case.chop:
            together += step
        elif way == -1 and not case.chop:
            yield step
        else:
            size = case.chop or way
            yield from (step[start : start + size] for start in range(0, len(step), size))
    yield bytes(together)


def ways() -> list[pytest.ParameterSet]:
    return [
        pytest.param(case, way, id=f"{case.name} {name}")
        for case in cases()
        for name, way in WAYS.items()
        if not (case.chop and way) and (way != 1 or case.is_small)
    ]


@pytest.mark.parametrize(("case", "way"), ways())
def test_autobahn(case: Case, way: int) -> None:
    sockets, heard = WebSocketInput(), Heard()
    messages: list[bytes] = []
    for piece in pieces(case, way):
        if isinstance(piece, int):
            assert piece >= 0, "it goes on"
            assert len(heard.pongs) + len(messages) == piece
            continue
        said = hear(sockets, 1, piece)
        heard.feed(said.answer + said.last)
        messages += [one.encode() if isinstance(one, str) else one for one in said.messages]
        if said.last:
            break
        assert not heard.closes
    assert (heard.pongs, messages, heard.codes) == (case.pongs, case.messages, [case.code])
    assert not sockets.count()


def test_text_is_str_and_binary_is_bytes() -> None:
    data = frame("text", b"a") + frame("binary", b"a")
    assert hear(WebSocketInput(), 1, data).messages == ["a", b"a"]


def test_fragments_of_several_connections_are_kept_apart() -> None:
    sockets = WebSocketInput()
    for connection in (1, 2):
        assert not hear(sockets, connection, frame("text", b"%d" % connection, fin=False)).messages
    for connection in (1, 2):
        assert hear(sockets, connection, frame("more", b"!")).messages == [f"{connection}!"]


def test_a_connection_between_two_messages_has_nothing_here() -> None:
    sockets = WebSocketInput()
    hear(sockets, 1, frame("text", b"a", fin=False))
    assert sockets.count() == 1
    hear(sockets, 1, frame("more", b"b"))
    assert sockets.count() == 0
    hear(sockets, 1, frame("text", b"a", fin=False))
    sockets.left(1)
    assert sockets.count() == 0


def test_a_client_that_does_not_mask_is_refused() -> None:
    said = hear(WebSocketInput(), 1, b"\x81\x01a")
    assert (said.answer, said.last) == (b"", b"\x88\x02\x03\xea")


@pytest.mark.parametrize("size", [MESSAGE_BYTES + 1, 1 << 40, (1 << 63) - 1])
def test_a_size_that_is_too_much_is_refused_before_the_bytes_come(size: int) -> None:
    said = hear(WebSocketInput(), 1, b"\x82\xff" + size.to_bytes(8))
    assert not said.last  # not before the frame's head is complete
    sockets = WebSocketInput()
    said = hear(sockets, 1, b"\x82\xff" + size.to_bytes(8) + b"mask")
    assert (said.answer, said.last) == (b"", b"\x88\x02\x03\xf1")


def test_a_message_may_be_as_long_as_it_may_be_and_not_a_byte_longer() -> None:
    sockets = WebSocketInput()
    half = MESSAGE_BYTES // 2
    hear(sockets, 1, frame("text", b"*" * half, fin=False))
    assert not hear(sockets, 1, frame("ping", b"in between")).last
    said = hear(sockets, 1, frame("more", b"*" * half, fin=True))
    assert (len(said.messages[0]), said.last) == (MESSAGE_BYTES, b"")
    hear(sockets, 1, frame("text", b"*" * half, fin=False))
    assert hear(sockets, 1, frame("more", b"*" * (half + 1), fin=False)).last


def test_fragments_without_bytes_take_no_memory() -> None:
    sockets = WebSocketInput()
    hear(sockets, 1, frame("text", b"", fin=False))
    many = frame("more", b"", fin=False) * 1000
    for _ in range(20):
        assert not hear(sockets, 1, many).last
    assert sockets.held_bytes() == 0


def test_fragments_of_one_character_take_no_more_memory_than_their_bytes() -> None:
    sockets = WebSocketInput()
    hear(sockets, 1, frame("text", b"", fin=False))
    euro = "€".encode()
    for _ in range(20):
        assert not hear(sockets, 1, frame("more", euro, fin=False) * 1000).last
    assert sockets.held_bytes() == 60_000
    held = sockets._own[1].held
    assert sys.getsizeof(held) < 2 * MESSAGE_BYTES
    assert hear(sockets, 1, frame("more", b"!")).messages == ["€" * 20_000 + "!"]


def registered(code: int) -> bool:
    """IANA's WebSocket Close Code Number Registry, and RFC 6455, 7.4.2."""
    known = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}
    return code in known or 3000 <= code <= 4999


@pytest.mark.parametrize("reason", [b"", b"bye", "€".encode() * 41])
def test_a_close_frame_is_answered_with_its_code_if_that_may_be_said(reason: bytes) -> None:
    for code in [*range(5100), 0x7FFF, 0x8000, 0xFFFF]:
        said = hear(WebSocketInput(), 1, frame("close", code.to_bytes(2, "big") + reason))
        assert said.last == b"\x88\x02" + (code if registered(code) else 1002).to_bytes(2, "big"), code


@pytest.mark.parametrize("code", [1000, 1014, 4999])
def test_a_reason_that_is_not_utf_8_is_a_fault_whatever_the_code(code: int) -> None:
    said = hear(WebSocketInput(), 1, frame("close", code.to_bytes(2, "big") + b"\xff"))
    assert said.last == b"\x88\x02" + (1007).to_bytes(2, "big")
