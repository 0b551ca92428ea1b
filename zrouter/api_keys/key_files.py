"""The file with what is kept of the API keys, read again when it changes; and how it is changed.

Owns: its form, which files are taken, that a change is whole or not there. Must not know: HTTP, who asks.

A line is a JSON object: `id`, `name`, `scopes`, `hash`, `made`, and `ids` if the key is for some ids alone
(exact ones, or `PREFIX:*`, as grants of tokens). Empty lines and those that begin with # do not count, but
the first line of a file without any key says that it is one. The key of the hashes is in a file beside it.

Files of before have plain keys, one a line, with all scopes.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import msgspec

from zrouter.api_keys.keys import HASH_KEY_BYTES, SCOPES, ApiKey, ApiKeyError, ApiKeys, is_id
from zrouter.given_file import GivenFile, read_ordinary
from zrouter.replaced_file import replace_whole, write_beside
from zrouter.tokens.errors import TokenError
from zrouter.tokens.grants import Grant, read_grant

MOST_KEYS: Final = 100_000
MOST_BYTES: Final = 64 << 20
MOST_NAME: Final = 64
HEADER: Final = "# API keys of zcomet; `zrouter keys` makes, lists and revokes them."
HASH_KEY_SUFFIX: Final = ".hash-key"
_WRITABLE_BY_OTHERS: Final = 0o022
_OTHERS: Final = 0o007
_SHORTEST_PLAIN: Final = 16
_BOM: Final = b"\xef\xbb\xbf"


class Record(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A line of the file. `hash` is in hex, `made` a date (RFC 3339)."""

    id: str
    name: str
    scopes: list[str]
    ids: list[str] | None = None
    hash: str
    made: str = ""

    def key(self) -> ApiKey:
        """What it says.

        Raises:
            ApiKeyError: it says nothing that can be meant.
        """
        if is_id(self.id) is None:
            raise ApiKeyError("id is none of a key")
        if len(self.name) > MOST_NAME or not self.name.isprintable():
            raise ApiKeyError(f"name is at most {MOST_NAME} characters that can be seen")
        if not self.scopes or not set(self.scopes) <= set(SCOPES):
            raise ApiKeyError(f"scopes is a list of some of {', '.join(SCOPES)}")
        try:
            digest = bytes.fromhex(self.hash)
        except ValueError:
            digest = b""
        if len(digest) != 32:
            raise ApiKeyError("hash is 64 hex digits")
        return ApiKey(self.id, self.name, frozenset(self.scopes), read_ids(self.ids), digest)


_decode: Final = msgspec.json.Decoder(Record).decode
_encode: Final = msgspec.json.Encoder().encode


def read_ids(entries: list[str] | None) -> Grant | None:
    """The ids that a key is for; None: all.

    Raises:
        ApiKeyError: an entry is neither an id nor `PREFIX:*`, or there is none.
    """
    if entries is None:
        return None
    if not entries:
        raise ApiKeyError("ids: is an empty list, and that does not mean all")
    try:
        return read_grant("ids", entries, None)
    except TokenError as error:
        raise ApiKeyError(str(error)) from None


def read_records(path: str) -> list[Record]:
    """The lines of a file; none if there is no such file yet.

    Raises:
        ApiKeyError: it can't be used, or has plain keys.
    """
    try:
        lines = _lines(_read(path, MOST_BYTES))
    except FileNotFoundError:
        return []
    if lines is None:
        raise ApiKeyError(f"{path}: has plain keys: give a file of its own for others")
    try:
        records = [_record(number, line) for number, line in lines]
        _by_id((number, record.key()) for (number, _), record in zip(lines, records, strict=True))
    except ApiKeyError as error:
        raise ApiKeyError(f"{path}: {error}") from None
    return records


def read_plain(text: str) -> list[str]:
    """The keys of a file of before, or of a setting: one a line.

    Raises:
        ApiKeyError: one is not what a header can carry, or shorter than 16 characters.
    """
    lines = (line.strip() for line in text.splitlines())
    keys = [line for line in lines if line and not line.startswith("#")]
    for number, key in enumerate(keys, 1):
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ApiKeyError(f"API key {number} has characters that a header can't carry")
        if len(key) < _SHORTEST_PLAIN:
            raise ApiKeyError(f"API key {number} is shorter than {_SHORTEST_PLAIN} characters")
    return keys


def _counts(line: bytes) -> bool:
    return bool(line.strip()) and not line.startswith(b"#")


def _read(path: str, most: int) -> bytes:
    """The bytes of a file that nobody else can write.

    Raises:
        FileNotFoundError: there is none.
        ApiKeyError: others can write it, or it can't be read.
    """
    try:
        data, mode = read_ordinary(path, most)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ApiKeyError(f"{path}: {error.strerror or error}") from None
    if mode & _WRITABLE_BY_OTHERS:
        raise ApiKeyError(f"{path}: others can write it, and so make keys; chmod go-w {path}")
    return data.removeprefix(_BOM)


def _lines(data: bytes) -> list[tuple[int, bytes]] | None:
    """The lines that count, and their numbers; None: these are plain keys.

    Raises:
        ApiKeyError: there are too many.
    """
    lines = [(number, line) for number, line in enumerate(data.split(b"\n"), 1) if _counts(line)]
    if not data.startswith(HEADER.encode()) and not (lines and lines[0][1].startswith(b"{")):
        return None
    if len(lines) > MOST_KEYS:
        raise ApiKeyError(f"more than {MOST_KEYS} keys")
    return lines


def _record(number: int, line: bytes) -> Record:
    """What a line says.

    Raises:
        ApiKeyError: it is none.
    """
    try:
        record = _decode(line)
        record.key()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ApiKeyError(f"line {number}: is no key; `zrouter keys make` makes them") from None
    except ApiKeyError as error:
        raise ApiKeyError(f"line {number}: {error}") from None
    return record


def _by_id(keys: Iterable[tuple[int, ApiKey]]) -> dict[str, ApiKey]:
    """The keys of numbered lines.

    Raises:
        ApiKeyError: one stands there twice.
    """
    found: dict[str, ApiKey] = {}
    for number, key in keys:
        if key.id in found:
            raise ApiKeyError(f"line {number}: the key {key.id} stands there twice")
        found[key.id] = key
    return found


def read_hash_key(path: str) -> bytes:
    """The key of the hashes.

    Raises:
        ApiKeyError: it can't be read, others can, or it is none.
    """
    try:
        data, mode = read_ordinary(path, 4096)
        key = bytes.fromhex(data.decode("ascii").strip())
    except OSError as error:
        raise ApiKeyError(f"{path}, the key of the hashes: {error.strerror or error}") from None
    except ValueError:
        key = b""
    if len(key) != HASH_KEY_BYTES:
        raise ApiKeyError(f"{path}: is no key of hashes: {2 * HASH_KEY_BYTES} hex digits")
    if mode & _OTHERS:
        raise ApiKeyError(f"{path}: every user of this host can read it; chmod o= {path}")
    return key


class ApiKeyFile:
    """The keys of a file, and `plain` ones of a setting, as they are now; without a path those alone.

    The first reading raises ApiKeyError.
    """

    def __init__(self, path: str, plain: Sequence[str] = ()) -> None:
        self._path = path
        self._setting = plain
        self._file = GivenFile(*((path, path + HASH_KEY_SUFFIX) if path else ()))
        self.has_plain_file = False
        self.failures = 0  # of readings again, one for each that is told
        self._of_lines: dict[bytes, ApiKey] = {}  # a long file is read again in the loop: fast
        self._read()

    def refresh(self) -> str:
        """Read it again if it has changed; what to log: empty if there is nothing to say."""
        failed = self._file.read_again(self._read, ApiKeyError)
        if failed is None:
            return ""
        if failed:
            self.failures += 1
            return f"{failed}; the API keys of before stay"
        return f"{self._path}: read again, {len(self.keys)} API key(s)"

    def _read(self) -> None:
        self.keys = self._load()

    def _load(self) -> ApiKeys:
        if not self._path:
            return ApiKeys({}, self._setting, b"")
        try:
            data = _read(self._path, MOST_BYTES)
        except FileNotFoundError as error:
            raise ApiKeyError(f"{self._path}: {error.strerror}") from None
        try:
            lines = _lines(data)
            if lines is None:
                self.has_plain_file = True
                return ApiKeys({}, [*self._setting, *_plain(data)], b"")
            of_lines = {
                line: self._of_lines.get(line) or _record(number, line).key() for number, line in lines
            }
            named = _by_id((number, of_lines[line]) for number, line in lines)
        except ApiKeyError as error:
            raise ApiKeyError(f"{self._path}: {error}") from None
        hash_key = read_hash_key(self._path + HASH_KEY_SUFFIX)
        self._of_lines = of_lines
        return ApiKeys(named, self._setting, hash_key)


def _plain(data: bytes) -> list[str]:
    """The keys of a file of before; one at the least."""
    try:
        keys = read_plain(data.decode())
    except UnicodeDecodeError:
        raise ApiKeyError("not UTF-8") from None
    if not keys:
        raise ApiKeyError("there is no key in it")
    return keys


@contextmanager
def changing(path: str) -> Iterator[tuple[list[Record], bytes]]:
    """The records of a file, to be changed in place, and the key of its hashes; both are made if need be.

    The file is replaced in one step at the end, unless an error ends it. Who else changes it waits.

    Raises:
        ApiKeyError: it can't be read or written.
    """
    try:
        hash_key, lock = _hash_key_to_change(path + HASH_KEY_SUFFIX)
        with os.fdopen(lock, "rb"):
            records = read_records(path)
            yield records, hash_key
            replace_whole(path, b"\n".join((HEADER.encode(), *map(_encode, records), b"")), 0o600)
    except OSError as error:
        raise ApiKeyError(f"{error.filename or path}: {error.strerror or error}") from None


def _hash_key_to_change(path: str) -> tuple[bytes, int]:
    """The key of the hashes, and a descriptor that locks its file."""
    if not os.path.exists(path):
        fresh = write_beside(path, secrets.token_bytes(HASH_KEY_BYTES).hex().encode() + b"\n", 0o600)
        with suppress(FileExistsError):
            os.link(fresh, path)  # whoever comes first; nobody ever sees half of it
        os.unlink(fresh)
    lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        return read_hash_key(path), lock
    except ApiKeyError:
        os.close(lock)
        raise
