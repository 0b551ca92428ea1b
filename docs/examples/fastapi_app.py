"""Publish from FastAPI: by HTTP to a frontend, or over ZeroMQ to the router.

POST /by-http/ID and /by-router/ID with a message; the answer says what became of it.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import httpx
from fastapi import FastAPI, Request, Response

from zrouter.aio import AsyncRouterClient

ZFRONT = os.environ.get("ZFRONT", "http://127.0.0.1:8000")
ROUTER = os.environ.get("ZROUTER_ROUTER", "tcp://127.0.0.1:5570")


@asynccontextmanager
async def clients(application: FastAPI) -> AsyncIterator[dict]:
    # One of each for the whole process; for a frontend with keys: headers={"Authorization": "Bearer KEY"}
    async with httpx.AsyncClient(base_url=ZFRONT) as frontend, AsyncRouterClient(ROUTER) as router:
        yield {"frontend": frontend, "router": router}


application = FastAPI(lifespan=clients)


@application.post("/by-http/{an_id:path}")
async def by_http(an_id: str, request: Request) -> Response:
    to = f"/api/send/{quote(an_id, safe='')}"
    answer = await request.state.frontend.post(to, content=await request.body())
    return Response(answer.content, answer.status_code, media_type="application/json")


@application.post("/by-router/{an_id:path}")
async def by_router(an_id: str, request: Request) -> dict:
    return {"handed": await request.state.router.send(an_id, await request.body())}
