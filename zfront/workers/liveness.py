"""The tie between a supervisor and one worker: each knows at once when the other is gone, and that it works.

Owns: a pair of connected sockets, and the two words that go through it. Must not know: processes, loops.

The worker says that it is ready, then beats while its loop turns. Either side sees the end of the other as
the end of the stream, however it died.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Final

BEAT_S: Final = 0.5
_READY: Final = b"r"
_BEAT: Final = b"."


class LivenessPipe:
    """The worker's end. Readable once the supervisor has gone."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def fileno(self) -> int:
        """For an event loop; it becomes readable only when the supervisor ends."""
        return self._end.fileno()

    def close(self) -> None:
        """Done in the supervisor after the fork."""
        self._end.close()

    def ready(self) -> None:
        """Clients can come."""
        self._say(_READY)

    def beat(self) -> None:
        """The loop turns."""
        self._say(_BEAT)

    def _say(self, word: bytes) -> None:
        # A supervisor that is stopped does not read, and one that is gone shows otherwise.
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            self._end.send(word)


class WorkerEnd:
    """The supervisor's end, about one worker."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self.is_ready = False

    def fileno(self) -> int:
        """Readable when the worker says something or ends."""
        return self._end.fileno()

    def hear(self) -> bool:
        """Take what the worker said; False if it has gone."""
        try:
            words = self._end.recv(4096)
        except BlockingIOError:
            return True
        except ConnectionResetError:
            return False
        self.is_ready = self.is_ready or _READY in words
        return bool(words)

    def close(self) -> None:
        """Hear it no more."""
        self._end.close()


def liveness_pipe() -> tuple[WorkerEnd, LivenessPipe]:
    """Both ends; after the fork each side closes the other's."""
    supervisor, worker = socket.socketpair()
    supervisor.setblocking(False)
    worker.setblocking(False)
    return WorkerEnd(supervisor), LivenessPipe(worker)
