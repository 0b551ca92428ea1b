"""WebSocket: handshakes, frames of each kind, faults, closing."""

from __future__ import annotations

import pytest
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from tests.zflood.swarm.transports import Fed, WsServer
from zflood.swarm.transports import ws
from zflood.swarm.transports.interface import HELD_MAX_BYTES


@pytest.fixture
def fed() -> Fed:
    return Fed("ws", 1)


@pytest.fixture
def server(fed: Fed) -> WsServer:
    """Has accepted connection 1 of `fed`."""
    server = WsServer(fed.said[1])
    fed.feed(1, server.accept())
    return server


def test_text_and_binary_messages_are_counted_whole(fed: Fed, server: WsServer) -> None:
    fed.feed(
        1,
        server.says(
            TextMessage("a", message_finished=False),
            Ping(b"in between"),
            TextMessage("b"),
            BytesMessage(b"\xff" * 70_000),
            TextMessage(""),
            Pong(),
        ),
    )
    assert fed.tally.chunks == 3
    assert not fed.tally.errors


def test_a_ping_gets_a_pong_with_its_words(fed: Fed, server: WsServer) -> None:
    said = fed.feed(1, server.says(Ping(b"one"), TextMessage("x"), Ping(b"two")))
    assert server.heard(said) == [Pong(b"one"), Pong(b"two")]


def test_numbers_are_looked_at(fed: Fed, server: WsServer) -> None:
    fed.feed(1, server.says(*(TextMessage(f"Recvd msg #{number}: 'x'") for number in (1, 2, 2, 4))))
    assert fed.tally.errors == {"repeated message": 1, "missing message": 1}


@pytest.mark.parametrize(
    ("head", "error"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "status 403"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "status 200"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "bad handshake: Missing header, 'Connection: Upgrade'"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: c3VyZWx5IG5vdA==\r\n\r\n",
            "bad handshake: Bad accept token",
        ),
        (b"\x00\x01 nonsense\r\n\r\n", "bad handshake: Bad HTTP message"),
        (b"HTTP/1.1 101 Swi", "truncated head"),
        (b"x" * 70_000, "bad handshake: no end of the head"),
        (b"", "closed without an answer"),
    ],
)
def test_a_handshake_that_fails_is_an_error_of_its_kind(fed: Fed, head: bytes, error: str) -> None:
    fed.feed(1, head)
    if 1 not in fed.endings:
        fed.feed(1, b"")
    assert fed.error(1) == error
    assert fed.answered == []


@pytest.mark.parametrize(
    ("frame", "error", "code"),
    [
        (b"\x81\x82aaaaxx", "bad frame: client received unexpected masked frame", 1002),
        (b"\x83\x00", "bad frame: Invalid opcode 0x3", 1002),
        (b"\xc1\x01x", "bad frame: Reserved bit set unexpectedly", 1002),
        (b"\x80\x01x", "bad frame: unexpected CONTINUATION", 1002),
        (b"\x81\x01\xff", "bad frame: text that is not UTF-8", 1007),
        (b"\x88\x01x", "bad frame: CLOSE with 1 byte payload", 1002),
        (b"\x88\x02\x03\xed", "bad frame: remote CLOSE with local-only reason", 1002),
    ],
)
def test_a_frame_that_breaks_the_rules_ends_its_connection_only(
    fed: Fed, server: WsServer, frame: bytes, error: str, code: int
) -> None:
    fed.open(2)
    other = WsServer(fed.said[2])
    fed.feed(2, other.accept())
    fed.feed(1, frame)
    assert fed.error(1) == error
    [close] = server.heard(fed.endings[1].last_words)
    assert isinstance(close, CloseConnection)
    assert close.code == code
    fed.feed(2, other.says(TextMessage("x")))  # the decoders that they shared are others now
    assert fed.tally.chunks == 1
    assert 2 not in fed.endings


@pytest.mark.parametrize("code", [1000, 1001, 1012, None])
def test_an_orderly_close_is_answered_and_the_server_ends_it(
    fed: Fed, server: WsServer, code: int | None
) -> None:
    close = CloseConnection(code, "bye") if code else None
    said = fed.feed(1, server.says(close) if close else b"\x88\x00")
    assert [type(event) for event in server.heard(said)] == [CloseConnection]
    assert 1 not in fed.endings
    assert fed.tally.ended == 1
    fed.feed(1, b"")
    assert fed.error(1) == ""


def test_a_close_code_that_tells_of_a_fault_is_an_error(fed: Fed, server: WsServer) -> None:
    fed.feed(1, server.says(TextMessage("x"), CloseConnection(1011, "oh")))
    assert fed.error(1) == "close code 1011"
    assert fed.endings[1].last_words
    assert (fed.tally.chunks, fed.tally.ended) == (1, 0)


@pytest.mark.parametrize("is_at_once", [True, False])
def test_bytes_after_the_close_frame_are_an_error(fed: Fed, server: WsServer, is_at_once: bool) -> None:
    late = b"\x81\x01x"
    close = server.says(CloseConnection(1000))
    fed.feed(1, close + late if is_at_once else close)
    if not is_at_once:
        fed.feed(1, late)
    assert fed.error(1) == "bytes after the close frame"
    assert fed.tally.chunks == 0


def test_a_message_without_an_end_is_not_kept(fed: Fed, server: WsServer) -> None:
    fed_bytes = 0
    fed.feed(1, b"\x82\x7f" + (1 << 40).to_bytes(8, "big"))
    while 1 not in fed.endings:
        assert fed_bytes < HELD_MAX_BYTES + 200_000
        fed_bytes += 100_000
        fed.feed(1, b"x" * 100_000)
    [close] = server.heard(fed.endings[1].last_words)
    assert isinstance(close, CloseConnection)
    assert close.code == 1009


def test_endless_fragments_without_a_byte_are_not_kept(
    fed: Fed, server: WsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ws, "HELD_MAX_BYTES", 10_000)
    fed.feed(1, b"\x01\x00")
    for _ in range(10):
        assert not fed.endings
        fed.feed(1, b"\x00\x00" * 500)
    assert fed.error(1) == "more than 10,000 bytes without an end"


def test_many_messages_whose_reads_end_anywhere_are_no_message_without_an_end(
    fed: Fed, server: WsServer
) -> None:
    frames = server.says(*(BytesMessage(b"x" * 1000) for _ in range(2 * HELD_MAX_BYTES // 1000)))
    for start in range(0, len(frames), 16_383):
        fed.feed(1, frames[start : start + 16_383])
    assert not fed.endings
    assert fed.tally.chunks == 2 * HELD_MAX_BYTES // 1000
