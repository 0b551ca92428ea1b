"""`{% load zcomet %}`: what a page needs to open its stream."""

from __future__ import annotations

from typing import Any

from django import template
from django.middleware.csrf import get_token
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, json_script

from zrouter.contrib.django import conf, push

register = template.Library()


@register.simple_tag(takes_context=True)
def zcomet_stream(context: dict[str, Any], token_view: str = "zcomet-token") -> str:
    """`{% zcomet_stream %}`: zcomet.js, and as JSON what its `zcomet.page()` needs.

    Nothing for a visitor. There is no token in it, so a page that is cached by mistake gives none away.
    """
    request = context.get("request")
    try:
        own = push.user_id(getattr(request, "user", None))
    except ValueError:
        return ""
    try:
        token_url = reverse(token_view)
    except NoReverseMatch:
        raise template.TemplateSyntaxError(
            f"zcomet_stream: no URL is called {token_view}: give zrouter.contrib.django.views.token one"
        ) from None
    url = conf.current().url
    script = format_html('<script src="{}pages/zcomet.js"></script>', url)
    return script + json_script(
        {"id": own, "url": url, "token_url": token_url, "csrf": get_token(request)}, "zcomet"
    )
