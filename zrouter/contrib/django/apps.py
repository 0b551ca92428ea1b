"""The application: its checks, and what happens as a user logs out or is no longer active."""

from __future__ import annotations

import logging
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_out
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import post_save

from zrouter.errors import RouterError

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


def check_settings(app_configs: Any, **_: Any) -> list[checks.CheckMessage]:
    """`manage.py check`: what would fail later."""
    from zrouter.contrib.django import conf, push

    try:
        found = conf.current()
    except (ImproperlyConfigured, TypeError) as error:
        return [checks.Error(str(error), id="zcomet.E001")]
    if not found.token_key_file:
        hint = "zrouter token keygen FILE, and the same file as zfront --token-key-file"
        return [checks.Warning("ZCOMET has no TOKEN_KEY_FILE: no page gets a token", hint, id="zcomet.W001")]
    try:
        key = push._signing_key(found)
    except ImproperlyConfigured as error:
        return [checks.Error(str(error), id="zcomet.E002")]
    if isinstance(key.material, bytes) and key.material == settings.SECRET_KEY.encode():
        hint = "who has one of the two should not have the other: zrouter token keygen FILE"
        return [checks.Error("the key of tokens is SECRET_KEY", hint, id="zcomet.E003")]
    return []


def _logged_out(sender: Any, user: Any, **_: Any) -> None:
    from zrouter.contrib.django import conf

    if user is not None and conf.current().end_on_logout:
        _end(user)


def _saved(sender: Any, instance: Any, created: bool, **_: Any) -> None:
    if not created and not getattr(instance, "is_active", True):
        _end(instance)


def _end(user: Any) -> None:
    """A logout is never held up by a router that is away: its tokens end by themselves."""
    from zrouter.contrib.django import push

    try:
        push.revoke(user)
    except RouterError as error:
        log.error("the connections of a user could not be ended: %s", error)
