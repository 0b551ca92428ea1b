"""What views, models and tasks call: sends, publishes, tokens, revocations.

Owns: who has which id, what a message becomes, that a send waits for the commit. Must not know: HTTP.

A client belongs to a thread: each that sends has one, made when it first does. After a fork it makes a link
of its own by itself.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, Protocol

from django.core.exceptions import ImproperlyConfigured
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.utils.functional import Promise

from zrouter.client import RouterClient
from zrouter.contrib.django import conf
from zrouter.errors import RouterError
from zrouter.tokens.errors import KeyFileError
from zrouter.tokens.key_files import KeyFile
from zrouter.tokens.make import make_token
from zrouter.wire import check_ids

log = logging.getLogger("zrouter.contrib.django")

_LONGEST_GROUP: Final = 100
_MEANS_MORE: Final = frozenset("*{}")


class Outlet(Protocol):
    """What sends go to: a RouterClient, or a fake of tests."""

    def send(self, to: str, message: str | bytes, *, key: str | None = ...) -> int:
        """As RouterClient.send."""

    def publish(self, an_id: str, message: str | bytes, *, key: str | None = ...) -> Any:
        """As RouterClient.publish."""

    def revoke(self, *, sub: str) -> int:
        """As RouterClient.revoke."""


class _Here(threading.local):
    client: RouterClient | None = None
    settings: conf.Settings | None = None


_here: Final = _Here()
_instead: list[Outlet] = []  # of tests: the last one counts
_keys: dict[str, KeyFile] = {}


def outlet() -> Outlet:
    """What this thread sends to."""
    if _instead:
        return _instead[-1]
    settings = conf.current()
    if not settings.enabled:
        from zrouter.contrib.django.testing import NOWHERE

        return NOWHERE
    if _here.client is None or _here.settings != settings:
        before, _here.client = _here.client, None
        if before is not None:
            before.close()
        _here.client = RouterClient(
            settings.router, timeout_s=settings.timeout_s, curve_key_file=settings.curve_key_file
        )
        _here.settings = settings
    return _here.client


def user_id(user: Any) -> str:
    """The id of a user: the prefix, and the primary key as text.

    Raises:
        ValueError: nobody is logged in as that: anonymous, not saved yet, or not active.
    """
    if getattr(user, "is_anonymous", False) or getattr(user, "pk", None) is None:
        raise ValueError("that is no user who can be logged in: anonymous, or not saved yet")
    if not getattr(user, "is_active", True):
        raise ValueError("that user is not active")
    return _subject(user)


def _subject(user: Any) -> str:
    an_id = f"{conf.current().user_prefix}{user.pk}"
    check_ids([an_id.encode()])
    return an_id


def group_id(name: str) -> str:
    """The id of a group, for a token's `ids` and for sends; groups and users never meet.

    Raises:
        ValueError: it is no text of 1 to 100 characters, or has one of * { }.
    """
    if not isinstance(name, str) or not 1 <= len(name) <= _LONGEST_GROUP:
        raise ValueError(f"the name of a group is text of 1 to {_LONGEST_GROUP} characters")
    if set(name) & _MEANS_MORE:
        raise ValueError("the name of a group has no * { or }: in a token they would mean other groups, too")
    return conf.current().group_prefix + name


def send(to: Any, message: Any, *, key: str | None = None) -> int:
    """Send to a user, or to an id; returns on how many connections it is.

    0 = nobody is there, -1 = kept for who has just left. Text and bytes go as they are, all else as JSON,
    with Django's encoder for dates and decimals. With a `key` of your own it may be sent again, and arrives
    once.

    Raises:
        RouterError: the router did not take it in time; whether it did is not known for some (LinkLostError).
        TypeError: the message is nothing that JSON has.
    """
    return outlet().send(_id_of(to), _encoded(message), key=key)


def publish(an_id: str, message: Any, *, key: str | None = None) -> Any:
    """Send to everyone who follows the id; returns the receipt of RouterClient.publish.

    Raises:
        RouterError, TypeError: as of send.
    """
    return outlet().publish(an_id, _encoded(message), key=key)


def group_send(name: str, message: Any, *, key: str | None = None) -> int:
    """Send to a group, for code that was written for the layer of Channels.

    Clients that are connected as group_id(name) get it.

    Raises:
        RouterError, TypeError: as of send.
    """
    return send(group_id(name), message, key=key)


def send_on_commit(to: Any, message: Any, *, key: str | None = None, using: str | None = None) -> None:
    """The same once the transaction is committed; never if it is rolled back. What fails then is logged.

    The message is made now: what changes later is not in it.

    Raises:
        TypeError, ValueError: it could never be sent.
    """
    an_id = _id_of(to)
    _on_commit(partial(send, an_id, _encoded(message), key=key), an_id, key, using)


def publish_on_commit(an_id: str, message: Any, *, key: str | None = None, using: str | None = None) -> None:
    """The same of a publish."""
    check_ids([an_id.encode()])
    _on_commit(partial(publish, an_id, _encoded(message), key=key), an_id, key, using)


def _on_commit(do: Callable[[], object], an_id: str, key: str | None, using: str | None) -> None:
    def attempt() -> None:
        try:
            do()
        except RouterError as error:
            # What was committed stays so, and the other hooks run.
            log.error("a message to %r (key %r) was not sent after its commit: %s", an_id, key, error)

    transaction.on_commit(attempt, using=using, robust=True)


def token_for(
    user: Any, ids: Iterable[str] = (), watch: Iterable[str] = (), ttl_s: float | None = None
) -> str:
    """A token (JWT) for a user's page: it may be connected as the user's own id, and as these.

    `ids`, `watch`: ids, or `PREFIX:*`. They have to be what you know of the user: what the page asked for is
    what somebody wants, not what they may.

    Raises:
        ValueError: nobody is logged in as that.
        TypeError: ids or watch is one text.
        ImproperlyConfigured: there is no key that signs.
    """
    if isinstance(ids, str | bytes) or isinstance(watch, str | bytes):
        raise TypeError("ids and watch are lists of ids")
    settings = conf.current()
    sub = user_id(user)
    more = {
        name: value
        for name, value in (("aud", settings.token_audience), ("iss", settings.token_issuer))
        if value
    }
    own = None if not ids else [sub, *ids]
    seen = None if not watch else [sub, *watch]
    return make_token(
        _signing_key(settings), sub, time.time(), ttl_s or settings.token_ttl_s, own, seen, **more
    )


def _signing_key(settings: conf.Settings) -> Any:
    path = settings.token_key_file
    if not path:
        raise ImproperlyConfigured("ZCOMET needs a TOKEN_KEY_FILE: zrouter token keygen makes one")
    try:
        if path not in _keys:
            _keys[path] = KeyFile(path)
        _keys[path].refresh()
        return _keys[path].keys.signing()
    except KeyFileError as error:
        raise ImproperlyConfigured(f"ZCOMET['TOKEN_KEY_FILE']: {error}") from None


def revoke(user: Any) -> int:
    """End all connections of a user, and refuse the tokens that were made before.

    Returns how many frontends were told.

    Raises:
        RouterError: as of send.
    """
    return outlet().revoke(sub=_subject(user))


def _id_of(to: Any) -> str:
    if isinstance(to, str):
        check_ids([to.encode()])
        return to
    if not hasattr(to, "pk"):
        raise TypeError(f"send to a user, or to an id as text, not to {type(to).__name__}")
    return user_id(to)


def _encoded(message: Any) -> str | bytes:
    if isinstance(message, str | bytes):
        return message
    if isinstance(message, Promise):  # text that is translated as it is shown
        return str(message)
    return json.dumps(message, cls=DjangoJSONEncoder, ensure_ascii=False, allow_nan=False)
