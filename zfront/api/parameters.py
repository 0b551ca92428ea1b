"""What a request of the API asks for: ids of its path and query, its Idempotency-Key.

Owns: reading them. Must not know: sockets, Tornado.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, unquote_to_bytes

from zfront.api.problem import Problem, ProblemError
from zfront.requests import urls
from zrouter.wire import MAX_KEY_BYTES, WireError, check_ids

MAX_WHO_IDS: Final = 500
# draft-ietf-httpapi-idempotency-key-header: a string of RFC 8941, section 3.3.3; or a bare token.
_STRING: Final = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"').fullmatch
_TOKEN: Final = re.compile(r"[!#$%&'*+./:=^_`|~0-9A-Za-z-]+").fullmatch


def read_id(quoted: str) -> bytes:
    """The id at the end of a path: percent-decoded, its bytes read as Latin-1 as parsers of HTTP do.

    Raises:
        ProblemError: it is not 1 to 255 bytes of UTF-8.
    """
    _check_target(quoted)
    an_id = unquote_to_bytes(quoted.encode("latin-1"))
    check([an_id])
    return an_id


def read_ids(query: str) -> list[bytes]:
    """The ids of `?id=A&id=B`, each once.

    Raises:
        ProblemError: there is none, there are too many, or one is not an id.
    """
    _check_target(query)
    raw = query.encode("latin-1").decode(errors="surrogateescape")
    try:
        fields = parse_qsl(
            raw, keep_blank_values=True, max_num_fields=MAX_WHO_IDS + 8, errors="surrogateescape"
        )
    except ValueError:
        raise ProblemError(Problem(400, f"more than {MAX_WHO_IDS} ids")) from None
    values = [value.encode(errors="surrogateescape") for name, value in fields if name == "id"]
    if not values:
        raise ProblemError(Problem(400, "which ids? ?id=A&id=B"))
    if len(values) > MAX_WHO_IDS:
        raise ProblemError(Problem(400, f"more than {MAX_WHO_IDS} ids"))
    check(values)
    return list(dict.fromkeys(values))


def _check_target(part: str) -> None:
    fault = urls.fault(part)
    if fault:
        raise ProblemError(Problem(400, fault))


def check(ids: list[bytes]) -> None:
    """Refuse what is no id.

    Raises:
        ProblemError: with status 400.
    """
    try:
        check_ids(ids)
    except WireError as error:
        raise ProblemError(Problem(400, str(error))) from None


def read_key(header: str | None) -> bytes:
    """The key of an Idempotency-Key header; empty if there is no such header (None).

    Raises:
        ProblemError: it is not one.
    """
    if header is None:
        return b""
    header = header.strip()
    string = _STRING(header)
    if string is not None:
        key = re.sub(r"\\(.)", r"\1", string[1])
    elif _TOKEN(header) is not None:
        key = header
    else:
        raise ProblemError(Problem(400, 'Idempotency-Key is a string in quotes, such as "8e03978e"'))
    if not 1 <= len(key) <= MAX_KEY_BYTES:
        raise ProblemError(Problem(400, f"an Idempotency-Key has 1 to {MAX_KEY_BYTES} characters"))
    return key.encode()
