"""Several processes that do the same work, and what each has reported last.

Owns: the processes and the pipes that their reports come through. Must not know: what the work is.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

Report = TypeVar("Report")
# Gets its number, counted from 0, and whom to report to; may be interrupted by SIGINT at any time.
Work = Callable[[int, Callable[[Report], None]], None]


class ProcessesError(Exception):
    """A member could not do its work; the text says why."""


class Processes(Generic[Report]):
    """So many processes at the same work. Make it before any thread or ZeroMQ context: they are forked."""

    def __init__(self, size: int, work: Work[Report]) -> None:
        context = multiprocessing.get_context("fork")
        self._members: dict[Connection, multiprocessing.process.BaseProcess] = {}
        # An interruption waits until each member knows what to do about it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
        for number in range(size):
            ours, theirs = context.Pipe(duplex=False)
            inherited = [*self._members, ours]
            member = context.Process(target=_be_member, args=(number, work, theirs, inherited), daemon=True)
            member.start()
            theirs.close()
            self._members[ours] = member
        self._is_interrupted = False
        self.latest: dict[Connection, Report] = {}
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def reports(self) -> Iterator[list[Report]]:
        """The latest report of each member so far, each time that there is news; ends when all have ended.

        Raises:
            CrewError: a member failed or died; the others have been told to stop.
        """
        running = dict(self._members)
        before = signal.signal(signal.SIGINT, lambda *_: self._interrupt())
        try:
            while running:
                for pipe in wait(list(running)):
                    assert isinstance(pipe, Connection)
                    self._read(pipe, running)
                yield list(self.latest.values())
        finally:
            signal.signal(signal.SIGINT, before)
            self.stop()

    def stop(self) -> None:
        """End those that still run."""
        for member in self._members.values():
            if member.is_alive():
                member.terminate()
        for member in self._members.values():
            member.join()

    def _interrupt(self) -> None:
        """Ctrl-C: each member reports once more and ends, and so do we; a second one ends them at once."""
        for member in self._members.values():
            if member.pid is not None and member.is_alive():
                os.kill(member.pid, signal.SIGTERM if self._is_interrupted else signal.SIGINT)
        self._is_interrupted = True

    def _read(self, pipe: Connection, running: dict[Connection, Any]) -> None:
        try:
            what = pipe.recv()
        except EOFError:
            member = running.pop(pipe)
            member.join()
            if member.exitcode and not self._is_interrupted:
                raise ProcessesError(f"a process of the crew died (status {member.exitcode})") from None
            return
        if isinstance(what, ProcessesError):
            raise what
        self.latest[pipe] = what


def _be_member(number: int, work: Work[Any], pipe: Connection, inherited: Sequence[Connection]) -> None:
    def interrupt(signum: int, frame: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal and our parent may both tell us
        raise KeyboardInterrupt

    # Open in a member, they would keep its reports from failing once nobody reads them any more.
    for connection in inherited:
        connection.close()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, interrupt)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT,))
        work(number, pipe.send)
    except KeyboardInterrupt:
        pass  # it has reported for the last time
    except Exception as error:
        with suppress(BrokenPipeError):  # whom we work for has died
            pipe.send(ProcessesError(_words(error)))


def _words(error: Exception) -> str:
    """Of the first, where several tasks failed together."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
