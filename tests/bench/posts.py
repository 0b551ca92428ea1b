"""A backend that posts as fast as it gets answers.

`python -m tests.bench.posts single|long|array|lines PORT CONNECTIONS MESSAGES SECONDS`; on each connection
one request at a time. `long`: in a form that the short way leaves to Tornado. Prints one line of JSON.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time


def request(what: str, messages: int) -> bytes:
    """The whole request."""
    path, kind, body = "/api/send/user:1", "text/plain", b"0123456789012345678901234"
    elements = [{"id": f"user:{number}", "message": body.decode()} for number in range(messages)]
    if what == "array":
        path, kind, body = "/api/send", "application/json", json.dumps(elements).encode()
    elif what == "lines":
        body = b"".join(json.dumps(element).encode() + b"\n" for element in elements)
        path, kind = "/api/send", "application/x-ndjson"
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    if what == "long":
        head = head.replace("POST ", "POST http://127.0.0.1")
    return head.encode() + body


def is_whole(answer: bytes) -> bool:
    """Whether the answer is here, to its end."""
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    length = head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
    return len(body) >= int(length)


def main(what: str, port: int, connections: int, messages: int, seconds: float) -> None:
    """Post for so long."""
    data = request(what, messages)
    selector = selectors.DefaultSelector()
    seen: dict[socket.socket, bytes] = {}
    for _ in range(connections):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ, connection)
        seen[connection] = b""
    began = time.monotonic()
    for connection in seen:
        connection.sendall(data)
    answers = failed = 0
    under_way = connections
    while under_way:
        for key, _ in selector.select():
            connection = key.data
            seen[connection] += connection.recv(1 << 20)
            if not is_whole(seen[connection]):
                continue
            answers += 1
            failed += not seen[connection].startswith(b"HTTP/1.1 200 ")
            seen[connection] = b""
            if time.monotonic() - began < seconds:
                connection.sendall(data)
            else:
                under_way -= 1
    print(json.dumps({"answers": answers, "failed": failed, "seconds": time.monotonic() - began}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
