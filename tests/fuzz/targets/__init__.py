"""Every target by its name: a function of any bytes, which raises where something is wrong.

Owns: the list, the words that each target's inputs are made of. Must not know: how inputs are made.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from tests.fuzz.targets import batches, http, records, router, scenarios, sockets, wire, words

CORPUS: Final = Path(__file__).parent.parent / "corpus"
_HTTP: Final = (
    b"\r\n", b"\n", b"\r", b" ", b"\t", b"Host: a", b"Content-Length: 1", b"Transfer-Encoding: chunked", b"Expect:",
    b"Connection: close", b"Connection: upgrade", b"Upgrade: websocket", b"Origin: https://a.example",
    b"Authorization: Bearer k", b"Idempotency-Key: k", b"Via: x", b"If-None-Match: W/", b"Last-Event-ID: 1.2",
    b"HTTP/1.1", b"HTTP/1.0", b"%00", b"%2F", b"?id=", b"&", b"#", b"//", b"\xc3\xbc", b"\x80", b":", b",", b";",
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", b"Sec-WebSocket-Version: 13", b"0\r\n\r\n", b"\x0b", b"\xa0", b"\x85",
)  # fmt: skip
_JSON: Final = (
    b"null", b"true", b"NaN", b"1e999", b"\\ud800", b"\\u0000", b'""', b"{}", b"[]", b'"id":', b'"message":', b'"base64":',
    b"\xef\xbb\xbf", b"\xed\xa0\x80", b"-0", b'"login":', b'"logout":', b'"watch":', b'"unwatch":', b'"ack":', b"\x85", b"\x0b",
    b'"subscriber":', b'"subscribee":', b"\r", b"\t",
)  # fmt: skip
_CSV: Final = (
    b'"',
    b'""',
    b'","',
    b"\r\n",
    b"\n",
    b"\r",
    b"\t",
    b"subscriber,subscribee\n",
    b"\xef\xbb\xbf",
    b" ",
    b"\0",
)
_WORDS: Final = (
    b"https://", b"http://[", b"[::1]", b"127.0.0.1", b"localhost", b":80", b":65536", b"/sse/", b"?id=", b"&watch=",
    b"&since=", b"&tick=", b"nan", b"inf", b"%", b"%zz", b"+", b"tcp://", b"ipc://", b"W/", b'"', b".", b"null", b"\n", b"\xa0",
)  # fmt: skip
_TOML: Final = (
    b"[[steps]]\n", b"[settings]\n", b"[[runs]]\n", b"do = ", b"name = ", b"$", b"${", b"nan", b"inf", b"-inf", b"1e400",
    b"_", b" + ", b" * ", b'"', b"'''", b"[", b"{", b" if ", b" >= ", b"expect = [", b"9" * 400,
)  # fmt: skip
_MSGPACK: Final = (b"\x90", b"\x91", b"\xc4\x01a", b"\xa1a", b"\xcf" + b"\xff" * 8, b"\xcb" + b"\xff" * 8, b"\xdd" + b"\xff" * 4,
                   b"\xc0", b"\x80", b"\xd9\xff", b"\xc4\x00", b"\xd3" + b"\x80" + b"\0" * 7)  # fmt: skip


class Target(NamedTuple):
    """`most` bytes an input has; `share` of the time of a run."""

    run: Callable[[bytes], None]
    words: tuple[bytes, ...] = ()
    most: int = 512


TARGETS: Final[dict[str, Target]] = {
    "wire-to-router": Target(wire.to_router, _MSGPACK),
    "wire-from-router": Target(wire.from_router, _MSGPACK),
    "router": Target(router.router, _MSGPACK),
    "http-send": Target(http.http_send, _HTTP),
    "http-visit": Target(http.http_visit, _HTTP),
    "http-head": Target(http.http_head, _HTTP),
    "websocket": Target(sockets.websocket),
    "cursor": Target(words.offset, _WORDS, 64),
    "query": Target(words.query, _WORDS),
    "ids-and-keys": Target(words.ids_and_keys, _WORDS),
    "origins": Target(words.origins, _WORDS, 128),
    "wish": Target(words.command, _JSON),
    "batch": Target(batches.batch, _JSON),
    "tsv": Target(records.tsv, _CSV),
    "csv": Target(records.csv_records, _CSV),
    "jsonl": Target(records.jsonl, _JSON),
    "scenario": Target(scenarios.scenario, _TOML, 1024),
    "expected": Target(scenarios.expected, _TOML, 128),
    "given-to-clients": Target(words.given_to_clients, _WORDS, 300),
}


def corpus(name: str) -> list[bytes]:
    """The inputs of a target that the repository has, in the order of their names."""
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
