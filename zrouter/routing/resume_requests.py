"""Those who come back and wait to be told what they missed: some of them are answered after each burst.

Owns: who waits, in which order, how much of the journal is looked into for them at a time. Must not know:
sockets, the time, what a client is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterator

from zrouter import wire
from zrouter.routing.counters import Counters
from zrouter.routing.limits import MAX_RESUMES, RESUME_COST, RESUME_MESSAGES
from zrouter.routing.mailboxes import Mailboxes, Missed
from zrouter.routing.peers import Peer
from zrouter.wire import WireError, encode


class ResumeRequests:
    """The Resumes of one router's life. `find_peer` says who is on a connection now.

    `here` has the ids that somebody holds or that messages are kept for.
    """

    def __init__(
        self,
        epoch: int,
        mailboxes: Mailboxes,
        counters: Counters,
        find_peer: Callable[[bytes], Peer | None],
        here: Container[bytes],
    ) -> None:
        self._epoch = epoch
        self._mailboxes = mailboxes
        self._counters = counters
        self._find_peer = find_peer
        self._here = here
        self._waiting: deque[tuple[Peer, wire.Resume]] = deque()  # in the order in which they came

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, peer: Peer, resume: wire.Resume) -> None:
        """Answer this one in its turn.

        Raises:
            WireError: with code FULL or BAD_ID.
        """
        if len(self._waiting) >= MAX_RESUMES:
            raise WireError(wire.FULL, f"{len(self._waiting)} clients that come back have to wait already")
        wire.check_ids(resume.ids)
        self._waiting.append((peer, resume))

    def answers(self) -> Iterator[tuple[bytes, bytes]]:
        """`(address, frame)` for as many as a burst's time allows."""
        budget = RESUME_MESSAGES
        while self._waiting and budget > 0:
            peer, resume = self._waiting[0]
            missed = Missed(True, [])
            if resume.epoch == self._epoch:
                looked = self._mailboxes.look_into(resume.position, budget)
                if looked >= budget:
                    return  # goes on where it stopped, after the next burst
                budget -= looked
                missed = self._mailboxes.missed(resume.ids, resume.position, self._here)
            self._waiting.popleft()
            budget -= RESUME_COST + len(resume.ids)
            if self._find_peer(peer.address) is not peer:
                continue
            gap = "" if missed.is_all else wire.EVICTED
            if resume.epoch not in (0, self._epoch):
                gap = wire.RESTARTED
            self._counters.resumed += 1
            self._counters.gaps += gap != ""
            self._counters.replayed += len(missed.messages)
            answer = wire.Resumed(resume.request, self._mailboxes.position, gap, missed.messages, peer.seq)
            yield peer.address, encode(answer)
