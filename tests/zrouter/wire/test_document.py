"""docs/wire-protocol.md says what wire.py says: kinds, fields, types, codes, limits. Its exchange is real."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec
import pytest
import zmq

from tests.conftest import Program
from tests.zrouter.wire.test_examples import DOCS, KINDS, WIRE, read_example
from zrouter import wire
from zrouter.routing import limits
from zrouter.server import socket_loop
from zrouter.server.settings import RouterSettings

DOCUMENT = (DOCS / "wire-protocol.md").read_text()
DEFAULTS = RouterSettings()

# The document's words for the types, as wire.py writes them.
TYPES = {
    "Request": "request",
    "Count": "uint",
    "Annotated[str, Meta(max_length=255)]": "str",
    "Annotated[bytes, Meta(min_length=8, max_length=32)]": "bin",
    "Ids": "ids",
    "list[Id]": "array of id",
    "list[Annotated[int, Meta(ge=1, le=2 ** 31 - 1)]]": "counts",
    "list[Pair]": "pairs",
    "Key": "key",
    "Id": "id",
    "bool": "bool",
    "Annotated[list[Follow], Meta(max_length=MAX_IDS_PER_FRAME)]": "follows",
    "Annotated[bytes, Meta(max_length=MAX_ID_BYTES)]": "bin",
    "Annotated[int, Meta(ge=0, le=MAX_RELATIONS)]": "uint",
    "list[Fan]": "fans",
    "list[Spans]": "spans",
    "list[tuple[Count, Count, Count, Count]]": "array of [uint, uint, uint, uint]",
    "list[State]": "array of [id, uint]",
    "Report | None": "report",
    "Annotated[list[Revocation], Meta(max_length=MAX_REVOCATIONS_PER_FRAME)]": "revocations",
    "list[Revocation]": "array of revocation",
    "list[tuple[Request, list[Handed]]]": "array of [request, handed]",
    "list[Delivery]": "messages",
    "list[list[tuple[str, int]]]": "array of array of [str, uint]",
    "dict[str, Any]": "map",
    "str": "str",
}
LIMITS = {
    "bytes of an id": [1, wire.MAX_ID_BYTES],
    "bytes of a message": [DEFAULTS.max_message],
    "bytes of a frame from a peer": [DEFAULTS.max_frame, DEFAULTS.max_frame * socket_loop.OVERSIZE],
    "bytes of a Deliver frame": [
        DEFAULTS.max_frame + limits.BURST_BYTES,
        limits.BURST_BYTES,
        limits.BURST_IDS_BYTES,
    ],
    "pairs in a Follows or Unfollows": [wire.MAX_IDS_PER_FRAME],
    "pairs that wait to be on disk, of all peers": [limits.MAX_FOLLOWS],
    "publishes that wait, of all peers, and their bytes": [limits.MAX_PUBLISHES, limits.MAX_PUBLISH_BYTES],
    "messages in a Publish": [limits.MAX_PUBLISHES],
    "Related that wait for their answer, of all peers": [limits.MAX_RELATED],
    "ids in Who and Stats that wait, of all peers, each being 5 more; half of it for one peer, less when many"
    " ask": [limits.MAX_QUESTION_IDS],
    "bytes of a Holders frame, or so": [2 * DEFAULTS.max_frame],
    "ids in a Relations frame": [wire.MAX_RELATIONS],
    "ids in a frame": [wire.MAX_IDS_PER_FRAME],
    "connections of an id on one peer": [1, 2**31 - 1],
    "resumes that wait for their answer, of all peers": [limits.MAX_RESUMES],
    "bytes of a key": [0, wire.MAX_KEY_BYTES],
    "ids watched, of all peers together": [DEFAULTS.max_watches],
    "bytes of Presence frames under way to a peer": [wire.PRESENCE_WINDOW],
    "how long, and in how many bytes, keys are remembered": [
        round(DEFAULTS.idempotency_seconds),
        DEFAULTS.idempotency_bytes,
    ],
    "lease": [round(DEFAULTS.lease * 1000), round(DEFAULTS.max_lease * 1000)],
    "ids logged in at the router": [DEFAULTS.max_ids],
    "peers": [DEFAULTS.max_peers],
    "bytes under way to a peer": [DEFAULTS.window],
    "frames that wait from a peer": [DEFAULTS.queue_in],
    "frames that wait to a peer": [DEFAULTS.queue_out],
}
PULSE = bytes([0x93, 67])
WELCOME = bytes([0x98, 64, 1, 0xCF])  # the epoch is the eight bytes behind these


class Step(NamedTuple):
    """One frame of the exchange."""

    sender: str
    receiver: str
    file: str
    frame: bytes


def row(first_cell: str) -> list[str]:
    """The cells of the only table row that begins so."""
    rows = re.findall(rf"^\| {re.escape(first_cell)} \|.*\|$", DOCUMENT, re.MULTILINE)
    assert len(rows) == 1, first_cell
    return [cell.strip() for cell in rows[0].strip("|").split(" | ")]


def exchange() -> list[Step]:
    steps = re.findall(r"^(\w+) -> (\w+)  ([\w-]+)\.hex: .+\n((?:    [0-9a-f ]+\n)+)", DOCUMENT, re.MULTILINE)
    return [Step(sender, to, name, bytes.fromhex(text)) for sender, to, name, text in steps]


@pytest.mark.parametrize("kind", KINDS.values())
def test_a_kind_is_in_the_document_with_its_number_fields_and_types(kind: type[wire.Message]) -> None:
    cells = row(f"{kind.__struct_config__.tag} {kind.__name__}")
    fields = re.findall(r"`(\w+)` ([^`]+?)(?:, (?=`)|$)", cells[1])
    assert fields == [(name, TYPES[kind.__annotations__[name]]) for name in kind.__struct_fields__]
    for field in msgspec.structs.fields(kind):
        assert (f"{field.name}, which may be missing" in cells[2]) == (not field.required)


@pytest.mark.parametrize("code", wire.ERROR_CODES)
def test_an_error_code_is_in_the_document(code: str) -> None:
    assert len(row(f"`{code}`")) == 3


@pytest.mark.parametrize("what", LIMITS)
def test_a_limit_in_the_document_is_the_default(what: str) -> None:
    numbers = re.findall(r"\d[\d,]*", " ".join(row(what)[1:]))
    assert numbers == [f"{number:,}" for number in LIMITS[what]]


def test_the_frames_of_the_exchange_are_those_in_the_files() -> None:
    assert len(exchange()) == DOCUMENT.count(".hex: ") > 0
    for step in exchange():
        assert step.frame == read_example(WIRE / f"{step.file}.hex").frame


def test_a_router_answers_as_in_the_exchange(router: Program) -> None:
    context = zmq.Context()
    sockets = {name: context.socket(zmq.DEALER) for name in ("frontend", "sender")}
    try:
        for socket in sockets.values():
            socket.linger, socket.rcvtimeo = 0, 5000
            socket.connect(router.address)
        for sender, receiver, _, frame in exchange():
            if receiver == "router":
                sockets[sender].send(frame)
                continue
            while (came := sockets[receiver].recv()).startswith(PULSE):
                pass
            assert without_epoch(came) == without_epoch(frame)
    finally:
        for socket in sockets.values():
            socket.close()
        context.term()


def without_epoch(frame: bytes) -> bytes:
    """The frame, but for the eight bytes that differ at each start of a router."""
    return WELCOME + frame[12:] if frame.startswith(WELCOME) else frame
