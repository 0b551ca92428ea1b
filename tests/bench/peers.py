"""Peers of the router that do as little as possible, so that what is measured is the router.

`python -m tests.bench.peers frontend ENDPOINT FIRST LAST [PREFIX [KEYS]]`  holds ids, throws away what comes
`python -m tests.bench.peers sender ENDPOINT MESSAGES BATCH IDS RECEIPTS [KEYS]`  sends frames made beforehand
`python -m tests.bench.peers subscriber PORT FIRST LAST`  the frontend's twin for Redis
"""

from __future__ import annotations

import json
import os
import random
import select
import socket
import sys
import time

import msgspec
import zmq

from tests.link_keys import use_keys
from zrouter import wire

MESSAGE = b"0123456789012345678901234"
UNDER_WAY = 64  # frames that wait for their receipts


class _DeliverHead(msgspec.Struct, array_like=True, tag=65):
    seq: int
    pairs: msgspec.Raw


_read_deliver = msgspec.msgpack.Decoder(_DeliverHead).decode
_DELIVER = wire.encode(wire.Deliver(0, []))[:2]  # the length of the array, and Deliver's kind


def say(**figures: object) -> None:
    print(json.dumps(figures), flush=True)


def link(endpoint: str, name: str, keys: str = "") -> tuple[zmq.Socket[bytes], wire.Welcome]:
    """A DEALER that has said Hello; `keys` is its file of keys of the link."""
    dealer: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    dealer.set(zmq.LINGER, 0)
    if keys:
        use_keys(dealer, keys)
    dealer.connect(endpoint)
    dealer.send(wire.encode(wire.Hello(wire.VERSION, name, os.urandom(8), 60_000)))
    welcome = wire.decode_from_router(dealer.recv())
    assert isinstance(welcome, wire.Welcome)
    return dealer, welcome


def frontend(endpoint: str, first: int, last: int, prefix: str = "", keys: str = "") -> None:
    """Hold ids first..last, each behind the prefix, until told to stop; says what came."""
    dealer, welcome = link(endpoint, f"lean{first}", keys)
    ids = [b"%b%d" % (prefix.encode(), number) for number in range(first, last + 1)]
    for at in range(0, len(ids), 2000):
        some = ids[at : at + 2000]
        dealer.send(wire.encode(wire.Login(0, some, [1] * len(some))))
    say(ready=True)
    received = reported = 0
    seq = 0
    poller = zmq.Poller()
    poller.register(dealer, zmq.POLLIN)
    poller.register(sys.stdin.fileno(), zmq.POLLIN)
    asked = False
    while not asked:
        ready = dict(poller.poll(5000))
        asked = sys.stdin.fileno() in ready
        try:
            while True:
                frame = dealer.recv(zmq.NOBLOCK)
                if frame.startswith(_DELIVER):
                    received += len(frame)
                    last_frame = frame
        except zmq.Again:
            pass
        if received - reported > welcome.window // 16 or not ready:
            reported = received
            dealer.send(wire.encode(wire.Heartbeat(received)))
    if received:
        head = _read_deliver(last_frame)
        seq = head.seq + len(msgspec.msgpack.decode(head.pairs))
    say(bytes=received, messages=seq)


def sender(endpoint: str, messages: int, batch: int, ids: int, receipts: bool, keys: str = "") -> None:
    """Send so many messages in frames of `batch`, from a line on standard input on; says how long it took."""
    dealer, _ = link(endpoint, "sender", keys)
    rng = random.Random(os.getpid())
    pools = [
        [(b"%d" % rng.randint(1, ids), MESSAGE) for _ in range(batch)]
        for _ in range(max(64, 100_000 // batch))
    ]
    request = 1 if receipts else 0
    frames = [wire.encode(wire.Send(request, pool)) for pool in pools]
    say(ready=True)
    sys.stdin.readline()
    began = time.monotonic()
    send, recv = dealer.send, dealer.recv
    under_way = handed = 0
    for number in range(messages // batch):
        send(frames[number % len(frames)])
        if receipts:
            under_way += batch
            while under_way >= UNDER_WAY * batch or (batch == 1 and under_way >= 2000):
                answer = wire.decode_from_router(recv())
                if isinstance(answer, wire.Receipts):
                    under_way -= sum(len(counts) for _, counts in answer.receipts)
                    handed += sum(sum(counts) for _, counts in answer.receipts)
    send(wire.encode(wire.Goodbye(7)))
    while True:
        answer = wire.decode_from_router(recv())
        if isinstance(answer, wire.Receipts):
            handed += sum(sum(counts) for _, counts in answer.receipts)
        elif isinstance(answer, wire.Done):
            break
    say(seconds=time.monotonic() - began, accepted=answer.count, handed=handed)


def subscriber(port: int, first: int, last: int) -> None:
    """Subscribe to channels of Redis and throw away what comes; a line on standard input ends it."""
    link = socket.create_connection(("127.0.0.1", port))
    for number in range(first, last + 1):
        link.sendall(b"SUBSCRIBE %012d\r\n" % number)
    confirmed = b""
    while confirmed.count(b"subscribe\r\n") < last - first + 1:
        confirmed += link.recv(65536)
    say(ready=True)
    received = 0
    buffer = bytearray(1 << 20)
    while True:
        ready, _, _ = select.select([link, sys.stdin], [], [])
        if link in ready:
            received += link.recv_into(buffer)
        elif sys.stdin in ready:
            break
    say(bytes=received)


if __name__ == "__main__":
    _, what, *rest = sys.argv
    if what == "frontend":
        frontend(rest[0], int(rest[1]), int(rest[2]), *rest[3:])
    elif what == "sender":
        sender(rest[0], int(rest[1]), int(rest[2]), int(rest[3]), rest[4] == "True", *rest[5:])
    else:
        subscriber(int(rest[0]), int(rest[1]), int(rest[2]))
