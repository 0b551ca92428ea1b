"""Publish from Flask: by HTTP to a frontend, or over ZeroMQ to the router.

POST /by-http/ID and /by-router/ID with a message; the answer says what became of it.
"""

import os
import threading
from urllib.parse import quote

import httpx
from flask import Flask, request

from zrouter.client import RouterClient

ZFRONT = os.environ.get("ZFRONT", "http://127.0.0.1:8000")
ROUTER = os.environ.get("ZROUTER_ROUTER", "tcp://127.0.0.1:5570")

application = Flask(__name__)
frontend = httpx.Client(base_url=ZFRONT)  # keeps its connections; add headers={"Authorization": "Bearer KEY"}


@application.post("/by-http/<path:an_id>")
def by_http(an_id: str) -> tuple[dict, int]:
    answer = frontend.post(f"/api/send/{quote(an_id, safe='')}", content=request.get_data())
    return answer.json(), answer.status_code


thread = threading.local()  # a client belongs to one thread


@application.post("/by-router/<path:an_id>")
def by_router(an_id: str) -> dict:
    if not hasattr(thread, "router"):
        thread.router = RouterClient(ROUTER)
    return {"handed": thread.router.send(an_id, request.get_data())}
