"""Peers of the link that say as much as they can, for ever.

`python -m tests.bench.flooder KIND ENDPOINT PEERS reads|deaf`; a line on standard input begins it, the next
one ends it. Prints a line of JSON when all are connected, and one at the end. `deaf` peers read nothing.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Final

import zmq

from zrouter import wire
from zrouter.wire import encode

MANY: Final = 10_000
_ROUND: Final = 64  # frames of one peer before the next one has its turn


def _ids(number: int, count: int) -> list[bytes]:
    return [b"%d" % (number * count + one) for one in range(1, count + 1)]


def _hello(number: int = 0) -> bytes:
    return encode(wire.Hello(wire.VERSION, "namesake", b"%016d" % number, 60_000))


def _whole(kind: str) -> Callable[[int], list[bytes]]:
    """What a peer with this number says, again and again."""
    words: dict[str, Callable[[int], list[bytes]]] = {
        "garbage": lambda n: [b"\xc1"],
        "hellos": lambda n: [_hello(n)],
        "heartbeats": lambda n: [encode(wire.Heartbeat(0))],
        "liars": lambda n: [encode(wire.Heartbeat(2**62, None, 2**62)), encode(wire.Stats(1))],
        "reports": lambda n: [encode(wire.Heartbeat(0, {"x": "y" * 4000})), encode(wire.Stats(1))],
        "sends": lambda n: [encode(wire.Send(0, [(b"nobody", b"x")]))],
        "asked": lambda n: [encode(wire.Send(1, [(b"nobody", b"x")]))],
        "keys": lambda n: [encode(wire.Send(1, [(b"nobody", b"x")], b"key"))],
        "whos": lambda n: [encode(wire.Who(1, [b"1"]))],
        "crowds": lambda n: [encode(wire.Who(1, _ids(0, MANY)))],
        "stats": lambda n: [encode(wire.Stats(1))],
        "kicks": lambda n: [encode(wire.Kick(1, [b"1"]))],
        "resumes": lambda n: [encode(wire.Resume(1, _ids(0, MANY), 1, 1))],
        "greetings": lambda n: [encode(wire.Resume(1, [], 0, 0))],
        "logins": lambda n: [
            encode(wire.Login(1, _ids(n + 9, 10), [1] * 10)),
            encode(wire.Logout(1, _ids(n + 9, 10))),
        ],
        "watches": lambda n: [encode(wire.Watch(1, [b"1"])), encode(wire.Unwatch(1, [b"1"]))],
        "namesakes": lambda n: [encode(wire.Heartbeat(0))],
    }
    return words[kind]


def main(kind: str, endpoint: str, peers: str, how: str) -> None:
    """See the module's docstring."""
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 5000)
    sockets = [_peer(context, endpoint, number) for number in range(int(peers))]
    says = [_whole(kind)(number) for number in range(len(sockets))]
    print("{}", flush=True)
    os.read(0, 100)
    os.set_blocking(0, False)
    said, began = 0, time.monotonic()
    rests_at = list(range(len(sockets)))
    while not _line():
        told = 0
        for number in rests_at:
            told += _say(sockets[number], says[number])
            if how == "reads":
                _read(sockets[number])
        said += told
        if not told:
            time.sleep(0.001)
    print(json.dumps({"said": said, "seconds": time.monotonic() - began}), flush=True)
    for socket in sockets:
        socket.close(0)
    context.term()


def _peer(context: zmq.Context[zmq.Socket[bytes]], endpoint: str, number: int) -> zmq.Socket[bytes]:
    socket = context.socket(zmq.DEALER)
    socket.set(zmq.RCVHWM, 1)
    socket.set(zmq.SNDHWM, 1000)
    socket.set(zmq.RCVTIMEO, 20_000)
    socket.connect(endpoint)
    socket.send(_hello(number))
    assert isinstance(wire.decode_from_router(socket.recv()), wire.Welcome | wire.Pulse)
    return socket


def _say(socket: zmq.Socket[bytes], frames: list[bytes]) -> int:
    try:
        for index in range(_ROUND):
            socket.send(frames[index % len(frames)], zmq.NOBLOCK)
    except zmq.Again:
        return index
    return _ROUND


def _read(socket: zmq.Socket[bytes]) -> None:
    try:
        while True:
            socket.recv(zmq.NOBLOCK)
    except zmq.Again:
        pass


def _line() -> bytes | None:
    try:
        return os.read(0, 100)
    except BlockingIOError:
        return None


if __name__ == "__main__":
    main(*sys.argv[1:])
