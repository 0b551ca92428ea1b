"""The view that gives a page its token."""

from __future__ import annotations

import time

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST
from django.views.decorators.vary import vary_on_cookie

from zrouter.contrib.django import conf, push


@require_POST
@csrf_protect
@never_cache
@vary_on_cookie
def token(request: HttpRequest) -> JsonResponse:
    """POST, with the CSRF token: a token for whoever is logged in, as JSON; 401 if nobody is.

    Never by GET: a page of another site could have a browser ask for that, and caches keep it. For further
    ids write a view of your own around `token_for`.
    """
    try:
        own = push.user_id(request.user)
    except ValueError:
        return JsonResponse({"error": "log in first"}, status=401)
    settings = conf.current()
    return JsonResponse(
        {
            "token": push.token_for(request.user),
            "id": own,
            "url": settings.url,
            "expires_at": int(time.time() + settings.token_ttl_s),
        }
    )
