"""Publish from Django: by HTTP to a frontend, or over ZeroMQ to the router.

POST /by-http/ID and /by-router/ID with a message; the answer says what became of it.
"""

import os
import threading
from urllib.parse import quote

import django
import httpx
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

from zrouter.client import RouterClient

ZFRONT = os.environ.get("ZFRONT", "http://127.0.0.1:8000")
ROUTER = os.environ.get("ZROUTER_ROUTER", "tcp://127.0.0.1:5570")

frontend = httpx.Client(base_url=ZFRONT)  # keeps its connections; add headers={"Authorization": "Bearer KEY"}


def by_http(request: HttpRequest, an_id: str) -> JsonResponse:
    answer = frontend.post(f"/api/send/{quote(an_id, safe='')}", content=request.body)
    return JsonResponse(answer.json(), status=answer.status_code)


thread = threading.local()  # a client belongs to one thread


def by_router(request: HttpRequest, an_id: str) -> JsonResponse:
    if not hasattr(thread, "router"):
        thread.router = RouterClient(ROUTER)
    return JsonResponse({"handed": thread.router.send(an_id, request.body)})


urlpatterns = [path("by-http/<path:an_id>", by_http), path("by-router/<path:an_id>", by_router)]

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"], SECRET_KEY="of your own")
django.setup()
application = get_wsgi_application()
