"""The files in docs/wire: what they say is what the code reads, writes and refuses.

`docs/wire/*.hex` are messages, `lenient/` frames that a receiver takes although it would not write them,
`invalid/` frames that a real router refuses. docs/wire-protocol.md says how a file is written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest
import zmq

from tests.conftest import Program, eventually
from tests.link_keys import LinkKeys, use_keys
from zrouter import wire
from zrouter.client import RouterClient

DOCS = Path(__file__).parents[3] / "docs"
WIRE = DOCS / "wire"
KINDS: dict[str, type[wire.Message]] = {
    kind.__name__: kind for kind in (*get_args(wire.ToRouter), *get_args(wire.FromRouter))
}


class Example(NamedTuple):
    """One file: its comment lines, and the frame."""

    comments: list[str]
    frame: bytes

    def notes(self) -> dict[str, str]:
        """The comment lines of the form `name: value`."""
        return dict(line.split(": ", 1) for line in self.comments if re.match(r"\w+: ", line))


def read_example(path: Path) -> Example:
    lines = path.read_text().splitlines()
    comments = [line.removeprefix("# ") for line in lines if line.startswith("#")]
    return Example(comments, bytes.fromhex("".join(line for line in lines if not line.startswith("#"))))


def paths(folder: Path) -> list[Any]:
    return [pytest.param(path, id=path.stem) for path in sorted(folder.glob("*.hex"))]


def decode(way: str, frame: bytes) -> wire.Message:
    assert way in ("peer to router", "router to peer")
    return wire.decode_to_router(frame) if way == "peer to router" else wire.decode_from_router(frame)


@pytest.fixture
def dealer() -> Iterator[Callable[[str], zmq.Socket[bytes]]]:
    """Makes DEALER sockets that are connected to an endpoint."""
    context = zmq.Context()
    made: list[zmq.Socket[bytes]] = []

    def connect(endpoint: str, routing_id: bytes = b"", key_file: str | None = None) -> zmq.Socket[bytes]:
        socket = context.socket(zmq.DEALER)
        socket.linger, socket.rcvtimeo = 0, 5000
        if key_file is not None:
            use_keys(socket, key_file)
        if routing_id:
            socket.routing_id = routing_id
        socket.connect(endpoint)
        made.append(socket)
        return socket

    yield connect
    for socket in made:
        socket.close()
    context.term()


@pytest.fixture(scope="module")
def routers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Program]]:
    """Gives a router with such options; one for all examples that ask for the same."""
    running: dict[str, Program] = {}

    def router_with(options: str) -> Program:
        if options not in running:
            log = tmp_path_factory.mktemp("routers") / "log"
            bind = ("--bind", "tcp://127.0.0.1:0")
            running[options] = Program(log, "zrouter", "serve", *bind, *options.split())
        return running[options]

    yield router_with
    for program in running.values():
        program.stop()


def heard(socket: zmq.Socket[bytes]) -> wire.FromRouter:
    """The next message that is not a Pulse."""
    while isinstance(message := wire.decode_from_router(socket.recv()), wire.Pulse):
        pass
    return message


@pytest.mark.parametrize("path", paths(WIRE))
def test_an_example_is_the_message_that_it_names(path: Path) -> None:
    (way, said), frame = read_example(path)
    message = decode(way, frame)
    assert repr(message) == said
    assert path.stem.split("-")[0] == type(message).__name__.lower()
    assert wire.encode(message) == frame


def test_every_kind_has_an_example() -> None:
    assert {path.stem for path in WIRE.glob("*.hex")} >= {name.lower() for name in KINDS}


@pytest.mark.parametrize("path", paths(WIRE / "lenient"))
def test_a_lenient_example_is_read_as_the_message_that_it_names(path: Path) -> None:
    (way, said), frame = read_example(path)
    message = decode(way, frame)
    assert repr(message) == said
    assert wire.encode(message) != frame


def test_a_router_takes_the_lenient_examples(router: Program, dealer: Callable[..., Any]) -> None:
    peer = dealer(router.address)
    peer.send(read_example(WIRE / "lenient" / "hello.hex").frame)
    assert isinstance(heard(peer), wire.Welcome)
    for name in ("heartbeat", "send"):
        peer.send(read_example(WIRE / "lenient" / f"{name}.hex").frame)
    assert heard(peer) == wire.Receipts([(2, [0])])


@pytest.mark.parametrize("path", paths(WIRE / "invalid"))
def test_an_invalid_example_is_refused_and_counted(
    path: Path, routers: Callable[[str], Program], dealer: Callable[..., Any], tmp_path: Path
) -> None:
    example = read_example(path)
    notes = example.notes()
    if "/proc" in notes.get("router", "") and os.geteuid():
        pytest.skip("only root may hope to write there")
    options, ours, theirs = notes.get("router", ""), None, None
    if "role" in notes:
        keys = LinkKeys(tmp_path)
        ours, theirs = keys.peer("ours", "inspector"), keys.peer("theirs", notes["role"])
        options = " ".join(keys.serve_options())
    router = routers(options)
    with RouterClient(router.address, curve_key_file=ours) as api:
        before = api.stats()
        stranger = dealer(router.address, key_file=theirs)
        for name in notes.get("before", "").split():
            stranger.send(read_example(WIRE / f"{name}.hex").frame)
            assert not isinstance(heard(stranger), wire.Error)
        stranger.send(example.frame)
        error = heard(stranger)
        assert isinstance(error, wire.Error)
        assert error.code == notes["error"]
        assert error.request == int(notes.get("request", 0))
        assert error.refused == int(notes.get("refused", 0))
        assert 0 < len(error.text) <= 200
        after = api.stats()
        assert after["errors"] == before["errors"] + 1
        assert after["refused_messages"] == before["refused_messages"] + error.refused


def test_every_error_code_has_an_example() -> None:
    codes = {read_example(path).notes()["error"] for path in (WIRE / "invalid").glob("*.hex")}
    assert codes == set(wire.ERROR_CODES)


def test_a_message_of_two_frames_is_refused(router: Program, dealer: Callable[..., Any]) -> None:
    stranger = dealer(router.address)
    stranger.send_multipart([b"", read_example(WIRE / "hello.hex").frame])
    error = heard(stranger)
    assert isinstance(error, wire.Error)
    assert error.code == wire.NOT_UNDERSTOOD


def test_a_routing_id_of_its_own_is_refused(router: Program, dealer: Callable[..., Any]) -> None:
    stranger = dealer(router.address, b"f1")
    stranger.send(read_example(WIRE / "hello.hex").frame)
    error = heard(stranger)
    assert isinstance(error, wire.Error)
    assert error.code == wire.NOT_UNDERSTOOD


def test_a_frame_of_more_than_four_times_the_limit_ends_the_connection(
    start: Callable[..., Program], dealer: Callable[..., Any]
) -> None:
    router = start(
        "zrouter", "serve", "--bind", "tcp://127.0.0.1:0", "--max-frame", "1000", "--max-message", "400"
    )
    peer = dealer(router.address)
    peer.send(read_example(WIRE / "hello.hex").frame)
    assert isinstance(heard(peer), wire.Welcome)
    peer.send(b"x" * 4001)

    def is_a_stranger() -> bool:
        peer.send(read_example(WIRE / "stats.hex").frame)
        answer = heard(peer)
        return isinstance(answer, wire.Error) and answer.code == wire.SAY_HELLO

    peer.rcvtimeo = 500
    eventually(lambda: _unless_silent(is_a_stranger))


def _unless_silent(look: Callable[[], bool]) -> bool:
    """What `look` says; False if nothing came: what was said went with the connection."""
    try:
        return look()
    except zmq.Again:
        return False


@pytest.mark.parametrize(
    "frame", [b"\x93\xa2\x01\xc4\x01a", b"\x93\xa1\xff\xa1\xff\xa1\xff", b"\xa3\xff\xff\xff"]
)
def test_text_that_is_no_utf_8_where_a_number_belongs_is_not_understood(frame: bytes) -> None:
    with pytest.raises(wire.UNREADABLE) as error:
        wire.decode_to_router(frame)
    assert wire.explain(frame, error.value).code == wire.NOT_UNDERSTOOD
