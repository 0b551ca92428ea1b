"""The whole router, to which peers say anything in any order: it never raises, and what it says can be read.

Of the messages of every Send that asks for an answer each is told of, in Receipts or in an Error, unless its
sender began anew, or left, or could not be told.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz.given import Given
from zrouter import wire
from zrouter.follows.memory import MemoryFollows
from zrouter.routing.limits import Limits
from zrouter.routing.router import Router

_PEERS = (b"\0f1", b"\0f2", b"\0s1", b"chosen")
_IDS = [b"a", b"b", b"c", "ü".encode(), b"x" * 255, b"\xff", b"nobody"]
_LIMITS = Limits(
    max_message=300,
    max_frame=2000,
    window=3000,
    max_lease_s=3.0,
    max_ids=6,
    max_peers=3,
    mailbox_messages=2,
    mailbox_bytes=200,
    mailbox_total=500,
    mailbox_ids=3,
    idempotency_bytes=2000,
    max_watches=4,
)
_KINDS = (
    "hello", "login", "logout", "send", "heartbeat", "goodbye", "who", "stats", "kick", "resume", "watch",
    "unwatch", "follows", "unfollows", "related", "publish", "raw", "raw", "end", "tick",
)  # fmt: skip


class _World:
    """A router with its shell, which may fail to send."""

    def __init__(self, has_store: bool) -> None:
        store = MemoryFollows()
        self.router = Router(7, _LIMITS, store=(lambda: store) if has_store else None)
        self.store = store
        self.now = 0.0
        self.open: dict[bytes, list[int]] = {}  # requests of Sends, by peer, that are to be answered
        self.last_request = 0

    def request(self, given: Given) -> int:
        if given.number() % 4 == 0:
            return 0
        self.last_request += 1
        return self.last_request

    def say(self, address: bytes, frame: bytes) -> None:
        before = self.router.known.get(address)
        try:
            message: wire.ToRouter | None = wire.decode_to_router(frame)
        except wire.UNREADABLE:
            message = None
        self.router.receive([(address, frame)], self.now)
        if self.router.known.get(address) is not before:
            self.open.pop(address, None)
        elif type(message) is wire.Send and message.request:
            self.open.setdefault(address, []).append(message.request)

    def end(self, fails: int) -> None:
        """What the shell does at the end of a burst; bits of `fails` say what can't be sent."""
        for address, frame in self.router.deliveries(self.now):
            assert isinstance(wire.decode_from_router(frame), wire.Deliver)
            if fails & 1:
                self.router.undeliverable(address, frame, gone=bool(fails & 2))
            fails >>= 2
        for address, frame in self.router.replies():
            said = wire.decode_from_router(frame)
            if isinstance(said, wire.Receipts):
                for request, _ in said.receipts:
                    self.answered(address, request)
            elif isinstance(said, wire.Error):
                self.answered(address, said.request)
        for address in list(self.open):
            if address not in self.router.known:
                del self.open[address]
        for job in self.router.changes():
            self.router.stored(job.number, self.store.change(job.changes))
        self.router.losses()
        assert not any(self.open.values()), self.open

    def answered(self, address: bytes, request: int) -> None:
        waiting = self.open.get(address, [])
        if request in waiting:
            waiting.remove(request)


def router(data: bytes) -> None:
    """Some bytes choose who says what."""
    given = Given(data)
    world = _World(has_store=bool(given.number() % 2))
    for _ in range(60):
        if not given.is_left:
            break
        kind = given.one_of(_KINDS)
        if kind == "end":
            world.end(given.number())
        elif kind == "tick":
            world.now += given.number() / 50
            world.router.tick(world.now)
        else:
            world.say(given.one_of(_PEERS), given.sized() if kind == "raw" else _frame(kind, given, world))
    world.end(given.number())
    wire.encode(world.router.figures())
    for _ in range(8):
        world.now += 0.9  # more, and the router would excuse its peers: it was away itself
        world.router.tick(world.now)
        world.end(0)
    assert not world.router.known, "whoever is silent is forgotten"


def _frame(kind: str, given: Given, world: _World) -> bytes:
    return wire.encode(_message(kind, given, world))


def _message(kind: str, given: Given, world: _World) -> wire.ToRouter:
    if kind == "hello":
        version = 1 if given.number() % 16 else 2
        return wire.Hello(
            version, given.one_of(("f", "g")), given.one_of((b"i" * 8, b"j" * 8)), given.number(2)
        )
    if kind == "heartbeat":
        report: wire.Report = {"n": given.number(), "s": "x" * (given.number() * 20)}
        return wire.Heartbeat(given.number(2), given.one_of((None, report)), given.number(2))
    request = world.request(given)
    if kind == "goodbye":
        return wire.Goodbye(request)
    if kind == "stats":
        return wire.Stats(request)
    if kind == "related":
        return wire.Related(
            request, given.one_of(_IDS), bool(given.number() % 2), given.sized(), given.number()
        )
    if kind in ("send", "publish"):
        pairs = [
            (given.one_of(_IDS), b"m" * given.number(2) if _is_rare(given) else b"m") for _ in _few(given)
        ]
        key = given.one_of((b"", b"", b"k", b"l"))
        return wire.Send(request, pairs, key) if kind == "send" else wire.Publish(request, pairs, key)
    if kind in ("follows", "unfollows"):
        both = [(given.one_of(_IDS), given.one_of(_IDS)) for _ in _few(given)]
        return wire.Follows(request, both) if kind == "follows" else wire.Unfollows(request, both)
    ids = [given.one_of(_IDS) for _ in _few(given)]
    if kind == "login":
        return wire.Login(request, ids, [1 + given.number() for _ in range(len(ids) + _is_rare(given))])
    if kind == "resume":
        return wire.Resume(request, ids, given.one_of((7, 0, 8)), given.number())
    plain: dict[str, Callable[[int, list[bytes]], wire.ToRouter]] = {
        "logout": wire.Logout, "who": wire.Who, "kick": wire.Kick, "watch": wire.Watch, "unwatch": wire.Unwatch,
    }  # fmt: skip
    return plain[kind](request, ids)


def _few(given: Given) -> range:
    return range(given.number() % 5)


def _is_rare(given: Given) -> bool:
    return given.number() >= 250
