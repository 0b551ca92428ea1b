"""The application: its checks, and what happens as a user logs out or is no longer active."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_out
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models.signals import post_delete, post_save

_SHORTEST_TTL_S: Final = 60.0
_LONGEST_TTL_S: Final = 86400.0

log = logging.getLogger("zrouter.contrib.django")


class ZcometConfig(AppConfig):
    """`zrouter.contrib.django` among INSTALLED_APPS."""

    name = "zrouter.contrib.django"
    label = "zcomet"
    verbose_name = "zcomet"

    def ready(self) -> None:
        """Django's: all applications are there."""
        checks.register(check_settings, checks.Tags.security)
        user_logged_out.connect(_logged_out, dispatch_uid="zcomet")
        post_save.connect(_saved, sender=get_user_model(), dispatch_uid="zcomet")
        post_delete.connect(_deleted, sender=get_user_model(), dispatch_uid="zcomet")


def check_settings(app_configs: Any, **_: Any) -> list[checks.CheckMessage]:
    """`manage.py check`: what would fail later."""
    from zrouter.contrib.django import conf, push

    try:
        found = conf.current()
        conf.check_link(found)
    except (ImproperlyConfigured, TypeError) as error:
        return [checks.Error(str(error), id="zcomet.E001")]
    if not found.token_key_file:
        hint = "zrouter token keygen FILE, and the same file as zfront --token-key-file"
        return [checks.Warning("ZCOMET has no TOKEN_KEY_FILE: no page gets a token", hint, id="zcomet.W001")]
    try:
        key = push._signing_key(found)
    except ImproperlyConfigured as error:
        return [checks.Error(str(error), id="zcomet.E002")]
    if not _SHORTEST_TTL_S <= found.token_ttl_s <= _LONGEST_TTL_S:
        hint = "zfront warns 30 s before the end, and takes a day at the most (--token-max-age)"
        return [checks.Warning("ZCOMET['TOKEN_TTL_S'] should be 60 to 86400", hint, id="zcomet.W002")]
    if isinstance(key.material, bytes) and key.material == settings.SECRET_KEY.encode():
        hint = "who has one of the two should not have the other: zrouter token keygen FILE"
        return [checks.Error("the key of tokens is SECRET_KEY", hint, id="zcomet.E003")]
    return []


def _logged_out(sender: Any, user: Any, **_: Any) -> None:
    if user is not None:
        _end(user)


def _saved(sender: Any, instance: Any, created: bool, using: str, **_: Any) -> None:
    # A password that is being changed is there until the user is saved; Django ends the other sessions then.
    has_new_password = getattr(instance, "_password", None) is not None
    if not created and (has_new_password or not getattr(instance, "is_active", True)):
        _end_on_commit(instance, using)


def _deleted(sender: Any, instance: Any, using: str, **_: Any) -> None:
    _end_on_commit(instance, using)


def _end_on_commit(user: Any, using: str) -> None:
    """Not before: a page that comes back meanwhile would still be given a token."""
    from zrouter.contrib.django import push

    with _logged():
        subject = push._subject(user)  # a user that is deleted has none afterwards
        transaction.on_commit(lambda: _end_subject(subject), using=using, robust=True)


def _end(user: Any) -> None:
    from zrouter.contrib.django import conf, push

    with _logged():
        if conf.current().end_on_logout:
            _end_subject(push._subject(user))


def _end_subject(subject: str) -> None:
    from zrouter.contrib.django import push

    with _logged():
        push.outlet().revoke(sub=subject)


@contextmanager
def _logged() -> Iterator[None]:
    """A logout waits for the router for TIMEOUT_S, and is never ended by it: tokens end by themselves."""
    try:
        yield
    except Exception as error:  # settings that are wrong, too
        log.error("the connections of a user could not be ended: %s", error)
