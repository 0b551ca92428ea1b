"""Print what is sent to an id, one message a line, and miss nothing: python subscriber.py ID.

Server-Sent Events as a browser's EventSource reads them: a connection that ends is made again, and the server
is told which event was the last one.
"""

import os
import sys
import time
from urllib.parse import quote

import httpx
from httpx_sse import ServerSentEvent, connect_sse

ZFRONT = os.environ.get("ZFRONT", "http://127.0.0.1:8000")
TIMEOUT = httpx.Timeout(10, read=60)  # the server writes at least every 25 s


def show(event: ServerSentEvent) -> None:
    if event.event == "gap":
        print(f"some messages are gone: {event.data}", file=sys.stderr, flush=True)
    elif event.event == "message" and event.data:
        print(event.data, flush=True)


def subscribe(an_id: str) -> None:
    url = f"{ZFRONT}/sse/{quote(an_id, safe='')}"
    last, retry_ms = "", 1000
    with httpx.Client(timeout=TIMEOUT) as client:
        while True:
            try:
                with connect_sse(
                    client, "GET", url, headers={"Last-Event-ID": last} if last else {}
                ) as source:
                    source.response.raise_for_status()
                    for event in source.iter_sse():
                        last, retry_ms = event.id or last, event.retry or retry_ms
                        show(event)
            except httpx.TransportError as error:
                print(f"lost: {error!r}", file=sys.stderr, flush=True)
            time.sleep(retry_ms / 1000)


if __name__ == "__main__":
    subscribe(sys.argv[1])
