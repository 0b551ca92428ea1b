"""The directory of a store: generations, which of them counts, and who may make another.

Owns: PATH/CURRENT, which names the generation that counts, and its atomic replacement; the lock of a load.
Must not know: what is in a generation.

    PATH/CURRENT        two lines: the format, the generation's name
    PATH/<generation>/  one LMDB environment
    PATH/loading        locked while somebody makes another generation

Directories are made for their owner alone, and files, whatever the umask: who follows whom is nobody else's.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from zrouter.follows.store import StoreError

FORMAT: Final = "zcomet follows 1"
_PREFIX: Final = "generation-"
# Whoever looks whether there is a load has the lock for a moment.
_ATTEMPTS: Final = 10
_PAUSE_S: Final = 0.02


class NoStoreError(StoreError):
    """Nothing is there."""


class FormatError(StoreError):
    """What is there is of another version, or no store."""


class Directory:
    """A directory that holds a store, or will."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._current = path / "CURRENT"

    def exists(self) -> bool:
        """Whether a store is there.

        Raises:
            StoreError: nobody can say.
        """
        try:
            os.stat(self._current)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}") from None
        return True

    def stamp(self) -> tuple[int, int]:
        """Another one once another generation counts; costs a microsecond.

        Raises:
            NoStoreError: nothing is there.
        """
        try:
            found = os.stat(self._current)
        except OSError as error:
            raise NoStoreError(f"no store of follows is at {self.path}: {error.strerror}") from None
        return found.st_ino, found.st_mtime_ns

    def current(self) -> str:
        """The generation that counts.

        Raises:
            NoStoreError: nothing is there.
            FormatError: it is not ours to read.
        """
        try:
            lines = self._current.read_text().splitlines()
        except OSError as error:
            raise NoStoreError(f"no store of follows is at {self.path}: {error.strerror}") from None
        except UnicodeDecodeError:
            lines = []
        if len(lines) != 2 or lines[0] != FORMAT or not lines[1].startswith(_PREFIX):
            found = repr(lines[0][:50]) if lines else "something else"
            raise FormatError(f"{self._current}: this program reads {FORMAT!r}, and there is {found}")
        return lines[1]

    def new_generation(self) -> Path:
        """A directory for the next generation, which does not count yet."""
        found = self.path / f"{_PREFIX}{secrets.token_hex(4)}"
        make_private(found)
        return found

    def is_read_only(self) -> bool:
        """Whether it lies on a file system that takes no writes: who reads needs no lock then."""
        try:
            return bool(os.statvfs(self.path).f_flag & os.ST_RDONLY)
        except OSError:
            return False

    def exposed(self) -> str | None:
        """What to say if others than the owner can read the generation that counts.

        Raises:
            StoreError: nothing is there.
        """
        modes = [each.stat().st_mode for each in (self.path, self.path / self.current())]
        if all(mode & 0o077 for mode in modes):
            return f"{self.path}: other users can read who follows whom; chmod -R go= mends it"
        return None

    def promote(self, generation: Path) -> None:
        """Let this generation count from now on, and after a power cut, too. Its own files are durable."""
        _sync_directory(generation)
        beside = self.path / "CURRENT.next"
        with open(beside, "w", opener=_private_file) as file:
            file.write(f"{FORMAT}\n{generation.name}\n")
            file.flush()
            os.fsync(file.fileno())
        os.rename(beside, self._current)
        _sync_directory(self.path)

    def disk_bytes(self, generation: str) -> int:
        """What a generation takes on disk."""
        return sum(found.stat().st_blocks * 512 for found in (self.path / generation).iterdir())

    def sweep(self) -> None:
        """Remove every generation that does not count; whoever reads one keeps it until he lets go."""
        counts = self.current() if self.exists() else None
        for found in self.path.glob(f"{_PREFIX}*"):
            if found.name != counts:
                shutil.rmtree(found, ignore_errors=True)

    @contextmanager
    def only_one(self) -> Iterator[None]:
        """Nobody else makes a generation meanwhile; the lock ends with the process, however it ends.

        Raises:
            StoreError: somebody does.
        """
        try:
            if not self.path.is_dir():
                make_private(self.path)
            descriptor = os.open(self.path / "loading", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}") from None
        try:
            self._lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        for _ in range(_ATTEMPTS):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_PAUSE_S)
            else:
                return
        raise StoreError(f"{self.path}: another load is under way")

    def is_loading(self) -> bool:
        """Whether somebody makes a generation now."""
        try:
            descriptor = os.open(self.path / "loading", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            # Shared, so that those who ask don't take each other for the load.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False


def make_private(path: Path) -> None:
    """A directory for its owner alone, whatever the umask; those above it as the umask says.

    Raises:
        OSError: it can't be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not path.is_dir():
            raise
        return  # somebody else made it just now
    path.chmod(0o700)  # a umask of 0277 would take from the owner, too


def _private_file(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
