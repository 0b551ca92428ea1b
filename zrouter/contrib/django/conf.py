"""The setting ZCOMET: its members, their defaults, and what is wrong with them.

Owns: that. Must not know: what is done with them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from zrouter.link.curve_keys import read_curve_keys
from zrouter.wire import DEFAULT_ROUTER
from zrouter.wire.arguments import check_endpoint

_LONGEST_PREFIX: Final = 64


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Members of ZCOMET, in capitals there."""

    enabled: bool = True  # False: nothing is sent, as for a suite of tests
    router: str = DEFAULT_ROUTER
    curve_key_file: str | None = None  # ours, for a router that wants keys
    timeout_s: float = 0.5  # how long a request of yours may wait for the router
    url: str = "/"  # where browsers find zfront
    user_prefix: str = "user:"  # what is before the primary key in a user's id
    group_prefix: str = "group:"  # the same before a group's name
    token_key_file: str = ""  # a key that signs, as `zrouter token keygen` makes it
    token_ttl_s: float = 600.0
    token_audience: str = ""
    token_issuer: str = ""
    end_on_logout: bool = True  # a user's connections end with a logout; those of other browsers come back


def current() -> Settings:
    """The settings of now.

    Raises:
        ImproperlyConfigured: one of them is none.
    """
    given: Any = getattr(settings, "ZCOMET", {})
    if not isinstance(given, dict):
        raise ImproperlyConfigured("ZCOMET has to be a dict")
    names = {field.name.upper(): field.name for field in fields(Settings)}
    unknown = sorted(set(given) - set(names), key=str)
    if unknown:
        raise ImproperlyConfigured(f"ZCOMET has no {unknown[0]!r}; it may have {', '.join(sorted(names))}")
    found = Settings(**{names[name]: value for name, value in given.items()})
    for name in ("timeout_s", "token_ttl_s"):
        value = getattr(found, name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 366 * 86400:
            raise ImproperlyConfigured(f"ZCOMET[{name.upper()!r}] has to be a number of seconds")
    for name in ("user_prefix", "group_prefix"):
        value = getattr(found, name)
        if not isinstance(value, str) or not value or len(value.encode()) > _LONGEST_PREFIX:
            raise ImproperlyConfigured(
                f"ZCOMET[{name.upper()!r}] has to be text of 1 to {_LONGEST_PREFIX} bytes"
            )
    if found.user_prefix.startswith(found.group_prefix) or found.group_prefix.startswith(found.user_prefix):
        raise ImproperlyConfigured("ZCOMET: USER_PREFIX and GROUP_PREFIX must not begin with each other")
    if not found.url.endswith("/"):
        raise ImproperlyConfigured("ZCOMET['URL'] has to end with a slash")
    return found


def check_link(found: Settings) -> None:
    """Whether a client could be made with these: `manage.py check` asks, sends need not.

    Raises:
        ImproperlyConfigured: it could not.
    """
    try:
        check_endpoint(found.router)
        if found.curve_key_file is not None:
            read_curve_keys(found.curve_key_file, is_peer=True)
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"ZCOMET['ROUTER'], ['CURVE_KEY_FILE']: {error}") from None
