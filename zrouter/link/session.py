"""A peer's side of the link, as rules: greeting, saying who is logged in, asking, noticing losses.

Owns: whether the router knows us, what it has yet to be told, which requests wait for an answer, the count of
messages that got lost on the way. Must not know: sockets or the time (`now` is an argument, in seconds).

A shell feeds it `opened`, `closed`, `receive` and `tick`, and sends whatever `outgoing()` returns.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeAlias

from zrouter import wire
from zrouter.errors import LinkLostError, RefusedError, RouterUnavailableError
from zrouter.link.announcements import Announcements, Make
from zrouter.link.resumption import Resumption
from zrouter.link.revocation_feed import RevocationFeed
from zrouter.wire import FromRouter, Message, Pair, encode
from zrouter.wire.arguments import check_pairs

# A login or a question for what was missed that is not answered within that time is asked again.
_ANSWER_S: Final = 5.0
# A Hello that is not answered within that time means a dead connection.
_GREETING_S: Final = 3.0
# Shorter breaks of the link are not told to the owner.
_AWAY_S: Final = 1.0
# Before another connection is tried to a router that refused this one; up to twice that, so that those who
# were refused together do not come back together.
_AGAIN_S: Final = 1.0
# How much time between two ticks means that the process was stopped, or busy with something else.
_ABSENT_S: Final = 1.5
# Messages in one Send frame: beyond this a frame gains little.
SEND_MESSAGES: Final = 512


# What a request gets: its answer, or the error that came instead.
Answer: TypeAlias = Any
OnAnswer: TypeAlias = Callable[[Answer], None]


class Session:
    """See the module's docstring.

    `holdings` lists every id that this peer holds, `connections` says on how many connections one is (0 = it
    has gone); the session asks them when the router has to be told, so there is no second copy of them.
    `watching` and `is_watched` say the same of the ids whose presence it wants to be told. `report` gives the
    figures that go along with each heartbeat. `on_link` is told when the router has been
    away for a while (False), and when it is there after that (True). `resumption` has the clients that want
    to know what they missed. `lease_s` is how long we may be silent, `patience_s` how long the router may be,
    which says something each second; at most as long as we. `revoked` is told which tokens are good no
    longer; nobody is logged in before it was told of all of them.
    """

    def __init__(
        self,
        name: str,
        instance: bytes,
        lease_s: float,
        holdings: Callable[[], Iterable[bytes]] = tuple,
        connections: Callable[[bytes], int] = lambda _: 0,
        report: Callable[[], wire.Report] | None = None,
        on_link: Callable[[bool], None] | None = None,
        resumption: Resumption | None = None,
        watching: Callable[[], Iterable[bytes]] = tuple,
        is_watched: Callable[[bytes], bool] = lambda _: False,
        patience_s: float = float("inf"),
        revoked: Callable[[list[wire.Revocation]], None] | None = None,
    ) -> None:
        self.name = name
        self.welcome: wire.Welcome | None = None  # the router's terms, while it knows us
        self.lost_messages = 0  # were for us and never came: the link broke, or the router dropped them
        self.refused_messages = 0  # of ours, sent without a receipt, that the router did not take
        self.unconfirmed = 0  # of ours, sent without a receipt, that no Goodbye has confirmed yet
        self.receipted = 0  # of ours, taken since the Welcome, that had receipts
        self.fatal: RefusedError | None = None  # the router will never know us: another version
        self.refused_login: RefusedError | None = None  # the last time that the router did not take a login
        self.refused_watch: RefusedError | None = None  # the same of ids to be watched
        self._unconfirmed_unsaid = 0  # of these, what was on no link yet
        self._unconfirmed_here = 0  # of these, what this connection has carried
        self._may_confirm = 0  # of these, what the router has read when it answers the Hello under way
        self._instance = instance
        self._lease_s = lease_s
        self._connections = connections
        self._logins = Announcements(holdings, self._login, self._logged_in, self._admitted)
        self._is_watched = is_watched
        self._watches = Announcements(watching, self._watch, self._watched)
        self._connected = False
        self._greeting_since: float | None = None
        self._patience_s = patience_s
        self.heard_at = 0.0  # when the last frame came
        self._back_since = 0.0  # we were stopped, or busy, until then
        self._said = 0.0
        self._said_first = 0.0  # of what was said since we heard something
        self._ticked = 0.0
        self._next_heartbeat = 0.0
        self._seq = 0
        self._received_bytes = 0
        self._reported_bytes = 0
        self._presence_bytes = 0
        self._reported_presence_bytes = 0
        self._report = report
        self._last_request = 0
        # Frame and owner of each request; no frame where repeating it is not what a new session wants.
        self._waiting: dict[int, tuple[bytes | None, OnAnswer]] = {}
        self._overdue: deque[tuple[float, int]] = deque()  # requests of our own: when they are asked again
        # What the owner asks for and nobody has acted on: it was on no link yet, or was refused for want of a
        # Hello. By its number, so that it goes out in the order in which it was asked for.
        self._asked: dict[int, bytes] = {}
        self._login_requests: deque[int] = deque()
        self._again_at: float | None = None  # to try another connection, for the router refused this one
        self._unsound_to = 0  # requests up to here were asked behind a login whose answer was dropped
        self._out: list[bytes] = []
        self._on_link = on_link
        self._revocations = None if revoked is None else RevocationFeed(revoked)
        self._resumption = resumption
        if resumption is not None:
            resumption.refused = self._logins.refused
        self._away_since: float | None = None
        self._is_away_told = False

    # ---- what the shell tells ------------------------------------------------------------------------

    def opened(self, now: float) -> None:
        """A connection to a router exists: greet."""
        self._connected = True
        self.welcome = self.fatal = None
        self._unconfirmed_here = self._may_confirm = 0
        self._greet(now)

    def shut_out(self, why: RefusedError, now: float) -> None:
        """The router does not let us in: said to who waits, and tried again on another connection."""
        self.fatal = why
        self._again_at = now + _AGAIN_S * (1 + self._instance[0] / 256)
        self.welcome = None

    def closed(self) -> None:
        """The connection broke: whoever waits for an answer is told so, unless his request was not on it."""
        self._connected = False
        self._greeting_since = None
        self.welcome = None
        if self._resumption is not None:
            self._resumption.closed()
        self._out.clear()
        self._overdue.clear()
        self._login_requests.clear()
        lost = self._waiting
        self._waiting = {request: lost.pop(request) for request in self._asked if request in lost}
        for _, on_answer in lost.values():
            on_answer(LinkLostError("the link to the router broke before it answered"))

    def ended(self) -> None:
        """There will be no other link: whoever waits is told so."""
        self._asked.clear()
        self.closed()

    def receive(
        self, frame: bytes, now: float
    ) -> wire.Deliver | wire.Evict | wire.Resumed | wire.Presence | None:
        """Take a frame from the router; what comes back is for the ids that we hold, or of those we watch.

        A Resumed is to be given to `resumed`, after all messages that came before it have been dealt with.

        Raises:
            WireError: it is not a message.
        """
        message = wire.decode_from_router(frame)
        self.heard_at = now
        if type(message) is wire.Deliver:
            self._notice_losses(message.seq)
            self._seq = message.seq + len(message.messages)
            self._received_bytes += len(frame)
            if message.fans:
                fanned = sum(len(ids) for _, _, ids in message.fans)
                self._seq += fanned
                if fanned >= wire.FAN_IDS:
                    self._acknowledge()
            if self.welcome and self._received_bytes - self._reported_bytes > self.welcome.window // 8:
                self._heartbeat(now)
            return message
        if type(message) is wire.Presence:
            self._presence_bytes += len(frame)
            unreported = self._presence_bytes - self._reported_presence_bytes
            if self.welcome and unreported > wire.PRESENCE_WINDOW // 8:
                self._heartbeat(now)
            return message
        if type(message) is wire.Resumed:
            # Before it moves on where all are.
            self._notice_losses(message.seq)
            return message
        if type(message) is wire.Evict:
            return message
        self._settle(message, now)
        return None

    def resumed(self, message: wire.Resumed) -> None:
        """Take this answer.

        It counts only if the logins that it was asked behind are answered, too. Answers come in order, so one
        that is not here was dropped, and the router may have had no room for these ids: all that was asked up
        to now was asked behind that, and the login is told again.
        """
        logins = self._login_requests
        while logins and logins[0] < message.request:
            if (login := logins.popleft()) in self._waiting:
                self._unsound_to = self._last_request
                self._answer(login, RouterUnavailableError("the router dropped its answer"))
        if message.request > self._unsound_to:
            self._answer(message.request, message)
        else:
            self._answer(message.request, RouterUnavailableError("the ids may not be logged in"))

    def tick(self, now: float) -> bool:
        """Heartbeat when due. False if the connection is dead: the shell closes it and makes another."""
        if self._on_link is not None:
            self._tell_link(self._on_link, now)
        was_away = now - self._ticked > _ABSENT_S
        self._ticked = now
        if self._again_at is not None and now >= self._again_at:
            self._again_at = None
            return False
        if not self._connected:
            return True
        if self.welcome is None:
            return not (self._greeting_since is not None and now - self._greeting_since > _GREETING_S)
        if was_away:
            self._back_since = now  # what came meanwhile is yet to be read
        else:
            self._give_up_overdue(now)
        self._logins.tick(now)
        self._watches.tick(now)
        if self._resumption is not None:
            self._resumption.tick(now)
        if now - max(self.heard_at, self._back_since) > min(self._patience_s, self.welcome.lease_ms / 1000):
            return False
        if now >= self._next_heartbeat:
            self._heartbeat(now)
        return True

    def is_stale(self, now: float) -> bool:
        """Whether the router may have forgotten us because we said nothing for most of the lease."""
        return self.welcome is not None and now - self._said > 0.8 * self.welcome.lease_ms / 1000

    def is_silent(self, now: float, for_s: float) -> bool:
        """Whether a router that knows us has said nothing for so long, though we said something to it."""
        return self.welcome is not None and now - max(self.heard_at, self._said_first) >= for_s

    def renew(self, now: float) -> None:
        """Greet again on the same connection; what we hold is told anew.

        The router counts anew what it takes, and reads in order: when it answers this, it has taken all that
        was sent without a receipt before, but for what it has refused by then.
        """
        self._may_confirm = self._unconfirmed_here
        self.welcome = None
        self._greet(now)

    def has_to_say(self) -> bool:
        """Whether `outgoing` may have something."""
        return bool(
            self._out
            or (self._asked and self.welcome is not None)
            or (self._logins.has_untold() and self._may_log_in())
            or (self._revocations is not None and self._revocations.has_request())
            or (self._watches.has_untold() and self._may_log_in())
            or (self._resumption is not None and self._resumption.has_requests())
        )

    def outgoing(self, now: float) -> list[bytes]:
        """The frames to send now, in order."""
        if self.welcome is not None:
            if self._asked:
                self._out += self._asked.values()
                self._asked = {}
                self._unconfirmed_here += self._unconfirmed_unsaid
                self._unconfirmed_unsaid = 0
            if self._revocations is not None and self._revocations.has_request():
                self._ask_within(now + _ANSWER_S, *self._revocations.request())
            may_log_in = self._may_log_in()
            for make, on_answer in self._logins.requests(self.welcome.max_frame) if may_log_in else ():
                self._ask_within(now + _ANSWER_S, make, on_answer)
                if self._resumption is not None:
                    self._remember_login(self._last_request)
            for make, on_answer in self._watches.requests(self.welcome.max_frame) if may_log_in else ():
                self._ask_within(now + _ANSWER_S, make, on_answer)
            if self._resumption is not None and may_log_in and not self._logins.has_untold():
                for make, on_answer in self._resumption.requests(self.welcome.max_frame):
                    self._ask_within(now + _ANSWER_S, make, on_answer)
        out, self._out = self._out, []
        if out:
            if self._said <= self.heard_at:
                self._said_first = now
            self._said = now
        return out

    # ---- what the owner wants ------------------------------------------------------------------------

    def changed(self, an_id: bytes) -> None:
        """The number of connections of this id is another now."""
        self._logins.changed(an_id)

    def watch_changed(self, an_id: bytes) -> None:
        """This id is watched from now on, or no longer."""
        self._watches.changed(an_id)

    def refusal_of_login(self, ids: Iterable[bytes]) -> Exception | None:
        """What the router has against one of these logins; None if it took them all."""
        return self._logins.refusal(ids)

    def refusal_of_watch(self, ids: Iterable[bytes]) -> Exception | None:
        """The same of watches."""
        return self._watches.refusal(ids)

    def is_settled(self) -> bool:
        """Whether the router knows all that we hold and watch."""
        return self.welcome is not None and self._logins.is_settled() and self._watches.is_settled()

    def ask(self, make: Callable[[int], Message], on_answer: OnAnswer) -> int:
        """Send a request; `on_answer` gets its answer, or the RouterError that came instead.

        One that was on no link when that broke, or that the router refuses because it does not know us, is
        sent once there is a router that does.
        """
        self._last_request = request = self._last_request + 1
        self._asked[request] = frame = encode(make(request))
        self._waiting[request] = (frame, on_answer)
        return request

    def give_up(self, request: int) -> None:
        """Nobody waits for this answer any more; what was not on the link yet is not asked for."""
        self._waiting.pop(request, None)
        self._asked.pop(request, None)

    def send_unreceipted(self, pairs: list[Pair], key: bytes = b"") -> None:
        """Send a batch without asking what became of it; a Goodbye confirms all of them."""
        self.unconfirmed += len(pairs)
        self._unconfirmed_unsaid += len(pairs)
        self._last_request += 1  # its place among what is asked for; the router is told of none
        self._asked[self._last_request] = encode(wire.Send(0, pairs, key))

    def confirmed(self, count: int) -> None:
        """A Goodbye was answered: so many messages were taken, those that had receipts among them."""
        self._confirm(max(0, count - self.receipted))

    def has_unsaid(self) -> bool:
        """Whether something that the owner asked for was on no link yet."""
        return bool(self._asked)

    # ---- inside ---------------------------------------------------------------------------------------

    def _tell_link(self, on_link: Callable[[bool], None], now: float) -> None:
        if self.welcome is not None:
            self._away_since = None
            if self._is_away_told:
                self._is_away_told = False
                on_link(True)
        elif self._away_since is None:
            self._away_since = now
        elif not self._is_away_told and now - self._away_since >= _AWAY_S:
            self._is_away_told = True
            on_link(False)

    def _ask_within(self, deadline: float, make: Callable[[int], Message], on_answer: OnAnswer) -> None:
        """Ask for ourselves; no answer by then counts as an error, for the router may have had to drop it."""
        self._last_request = request = self._last_request + 1
        self._out.append(encode(make(request)))
        # No frame: a new session wants something else said.
        self._waiting[request] = (None, on_answer)
        self._overdue.append((deadline, request))

    def _remember_login(self, request: int) -> None:
        logins = self._login_requests
        while logins and logins[0] not in self._waiting:
            logins.popleft()
        logins.append(request)

    def _give_up_overdue(self, now: float) -> None:
        while self._overdue and self._overdue[0][0] <= now:
            _, request = self._overdue.popleft()
            self._answer(request, RouterUnavailableError("the router did not answer"))

    def _greet(self, now: float) -> None:
        self._greeting_since = now
        hello = wire.Hello(wire.VERSION, self.name, self._instance, round(self._lease_s * 1000))
        # Before anything else: the router refuses what comes from strangers.
        self._out.insert(0, encode(hello))

    def _settle(self, message: FromRouter, now: float) -> None:
        match message:
            case wire.Receipts():
                for request, handed in message.receipts:
                    self.receipted += len(handed)
                    self._answer(request, handed)
            case wire.Published():
                self.receipted += len(message.receipts)
                self._answer(message.request, message)
            case wire.Done() | wire.Holders() | wire.Figures() | wire.Relations():
                self._answer(message.request, message)
            case wire.Pulse():
                if self.welcome is not None and message.epoch != self.welcome.epoch:
                    self.renew(now)  # one of them is from an earlier connection, to another router
                else:
                    self._notice_losses(message.seq)
            case wire.Revoked():
                self._told_revoked(message)
            case wire.Welcome():
                self._welcomed(message, now)
            case wire.Error():
                self._refused(message, now)

    def _may_log_in(self) -> bool:
        return self._revocations is None or self._revocations.is_complete

    def _told_revoked(self, message: wire.Revoked) -> None:
        if message.request:
            self._answer(message.request, message)
        elif self._revocations is not None:
            self._revocations.news(message)

    def _notice_losses(self, seq: int) -> None:
        """So many messages were addressed to us before what comes next."""
        if seq > self._seq:
            self.lost_messages += seq - self._seq
            self._seq = seq
            if self._resumption is not None:
                self._resumption.lost()

    def _answer(self, request: int, answer: Answer) -> None:
        waiting = self._waiting.pop(request, None)
        if waiting is not None:
            waiting[1](answer)

    def _welcomed(self, welcome: wire.Welcome, now: float) -> None:
        if self._greeting_since is None:
            return  # to a Hello on a connection that broke since: what it carried is read to the end
        self.welcome = welcome
        self._greeting_since = None
        self._confirm(self._may_confirm)
        self._seq = self._received_bytes = self._reported_bytes = self.receipted = 0
        self._presence_bytes = self._reported_presence_bytes = 0
        self._logins.welcomed()
        self._watches.welcomed()
        self._next_heartbeat = now  # with the first report
        self._overdue.clear()
        self._login_requests.clear()
        for request in [request for request, (frame, _) in self._waiting.items() if frame is None]:
            del self._waiting[request]
        # What was sent before the Hello, and not refused for want of it, is not answered behind the Welcome.
        for request in sorted(self._waiting.keys() - self._asked.keys()):
            self._answer(request, LinkLostError("the router had forgotten us before it answered"))
        self._asked = dict(sorted(self._asked.items()))
        if self._revocations is not None:
            self._revocations.welcomed(welcome.epoch)
        if self._resumption is not None:
            self._resumption.welcomed(welcome.epoch)

    def _refused(self, error: wire.Error, now: float) -> None:
        if error.request in self._waiting:
            frame = self._waiting[error.request][0]
            if error.code == wire.SAY_HELLO and frame is not None:
                self._asked[error.request] = frame
            else:
                self._answer(error.request, RefusedError(error.code, error.text))
        else:
            self.refused_messages += error.refused
            if not error.request:
                self._unconfirmed_here = max(0, self._unconfirmed_here - error.refused)
                self._may_confirm = max(0, self._may_confirm - error.refused)
        if error.code == wire.FORBIDDEN and not error.request and not error.refused:
            self.shut_out(RefusedError(error.code, error.text), now)
        elif error.code == wire.NOT_UNDERSTOOD and not error.request and self._revocations is not None:
            self._revocations.unknown()
        elif error.code == wire.WRONG_VERSION:
            self.fatal = RefusedError(error.code, error.text)
        elif error.code == wire.SAY_HELLO and self._greeting_since is None:
            self.renew(now)

    def _confirm(self, taken: int) -> None:
        self.unconfirmed = max(0, self.unconfirmed - taken)
        self._unconfirmed_here = max(0, self._unconfirmed_here - taken)
        self._may_confirm = 0

    def _heartbeat(self, now: float) -> None:
        assert self.welcome is not None
        self._next_heartbeat = now + self.welcome.heartbeat_ms / 1000
        self._acknowledge(None if self._report is None else self._report())

    def _acknowledge(self, report: wire.Report | None = None) -> None:
        """Say that all that came was taken; it goes out once that was given to its clients."""
        self._reported_bytes = self._received_bytes
        self._reported_presence_bytes = self._presence_bytes
        self._out.append(encode(wire.Heartbeat(self._received_bytes, report, self._presence_bytes)))

    def _login(self, some: list[bytes]) -> Iterator[tuple[Make, list[bytes]]]:
        """What tells the router on how many connections these ids are now."""
        ids: list[bytes] = []
        counts: list[int] = []
        gone: list[bytes] = []
        for an_id in some:
            connections = self._connections(an_id)
            if connections:
                ids.append(an_id)
                counts.append(connections)
            else:
                gone.append(an_id)
        if gone:
            yield (lambda request: wire.Logout(request, gone)), gone
        if ids:
            yield (lambda request: wire.Login(request, ids, counts)), ids

    def _logged_in(self, answer: Answer) -> None:
        if isinstance(answer, RefusedError) and answer.code != wire.SAY_HELLO:
            self.refused_login = answer

    def _admitted(self, ids: list[bytes]) -> None:
        if self._resumption is not None:
            self._resumption.admitted(ids)

    def _watch(self, some: list[bytes]) -> Iterator[tuple[Make, list[bytes]]]:
        """What tells the router which of these ids are watched now."""
        watched = [an_id for an_id in some if self._is_watched(an_id)]
        gone = [an_id for an_id in some if not self._is_watched(an_id)]
        if gone:
            yield (lambda request: wire.Unwatch(request, gone)), gone
        if watched:
            yield (lambda request: wire.Watch(request, watched)), watched

    def _watched(self, answer: Answer) -> None:
        if isinstance(answer, RefusedError) and answer.code != wire.SAY_HELLO:
            self.refused_watch = answer


def batches(pairs: Iterable[Pair], max_frame: int) -> Iterator[list[Pair]]:
    """Cut a stream of pairs into batches that fit a Send frame each.

    Raises:
        TypeError: one is no pair of bytes.
    """
    batch: list[Pair] = []
    room = full = max_frame - wire.SEND_BYTES
    join, own_bytes = b"".join, wire.PAIR_BYTES
    for pair in pairs:
        try:
            _, _ = pair
            # Joining looks at both in C: half of what two questions for their types cost.
            size = len(join(pair)) + own_bytes
        except (TypeError, ValueError):
            check_pairs([pair])
            raise
        if batch and (size > room or len(batch) == SEND_MESSAGES):
            yield batch
            batch, room = [], full
        batch.append(pair)
        room -= size
    if batch:
        yield batch
