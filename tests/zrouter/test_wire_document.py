"""The exchange in docs/wire-protocol.md, byte by byte, and every kind and code that it must name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from zrouter import wire

DOCUMENT = (Path(__file__).parents[2] / "docs" / "wire-protocol.md").read_text()
EXCHANGE = [
    wire.Hello(1, "f1", b"iiiiiiii", 0),
    wire.Login(1, [b"a"], [1]),
    wire.Done(1, 1),
    wire.Send(7, [(b"a", b"hi")]),
    wire.Deliver(0, [(b"a", b"hi")]),
    wire.Receipts([(7, [1])]),
]


def test_the_exchange_is_what_the_code_says() -> None:
    lines = re.findall(r"^(peer|router|sender) +((?:[0-9a-f]{2} )+) ", DOCUMENT, re.MULTILINE)
    frames = [(who, bytes.fromhex(text)) for who, text in lines]
    assert [frame for _, frame in frames] == [wire.encode(message) for message in EXCHANGE]
    for who, frame in frames:
        decode = wire.decode_from_router if who == "router" else wire.decode_to_router
        assert decode(frame) in EXCHANGE


@pytest.mark.parametrize("kind", [*get_args(wire.ToRouter), *get_args(wire.FromRouter)])
def test_every_kind_is_in_the_document_with_its_number(kind: type[wire.Message]) -> None:
    assert f"| {kind.__struct_config__.tag} {kind.__name__} |" in DOCUMENT


@pytest.mark.parametrize("code", wire.ERROR_CODES)
def test_every_error_code_is_in_the_document(code: str) -> None:
    assert f"`{code}`" in DOCUMENT
