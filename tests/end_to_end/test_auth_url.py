"""A backend that is asked whom a request may be: what it says, what it costs, what if it fails."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.conftest import Client, Program, eventually, wait_for
from tests.end_to_end.test_tokens import UPGRADE
from zrouter.client import RouterClient

JSON = {"Content-Type": "application/json"}


class Backend:
    """Answers each question with what `answer(headers)` says: status, headers, body; or bytes as they are."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.pause_s = 0.0
        self.answer: Callable[[dict[str, str]], Any] = by_session
        backend = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                backend.asked.append({**headers, ":path": self.path})
                time.sleep(backend.pause_s)
                found = backend.answer(headers)
                if isinstance(found, bytes):
                    self.wfile.write(found)
                    self.close_connection = True
                    return
                status, more, body = found
                self.send_response(status)
                for name, value in {**more, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/who?from=zfront"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def grant(**said: Any) -> tuple[int, dict[str, str], bytes]:
    return 200, JSON, json.dumps(said).encode()


def by_session(headers: dict[str, str]) -> Any:
    """The cookie `session=NAME`, or the token `NAME`, is that user."""
    name = headers.get("cookie", "").removeprefix("session=") or headers.get("authorization", "")[7:]
    return grant(sub=name) if name != "nobody" else (401, {}, b"")


@pytest.fixture
def backend() -> Iterator[Backend]:
    made = Backend()
    yield made
    made.close()


@pytest.fixture
def frontend(start: Callable[..., Program], router: Program, backend: Backend) -> Callable[..., Program]:
    def begin(*more: str) -> Program:
        listen = ("--listen", "127.0.0.1:0", "--router", router.address)
        return start(
            "zfront", "serve", *listen, "--auth-url", backend.url, "--auth-cookies", "session", *more
        )

    return begin


def ask(front: Program, target: str, *lines: str, method: str = "GET") -> tuple[int, str]:
    """Status and head of an answer."""
    client = Client(front.address, "")
    head = "\r\n".join((f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""))
    client.socket.sendall(head.encode("latin-1"))
    seen = client.read_until(b"\r\n\r\n").decode("latin-1")
    client.socket.close()
    return int(seen.split()[1]), seen


def cookie(name: str) -> tuple[str, ...]:
    return f"Cookie: other=1; session={name}; more=2", "Sec-Fetch-Site: same-origin"


# ---- who may --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/test", "/stream", "/sse", "/ws"])
def test_who_the_backend_says_it_is_may_be_that_and_nobody_else(
    frontend: Callable[..., Program], path: str, api: RouterClient
) -> None:
    front = frontend()
    wait_for(api, "ann", 0)
    more = tuple(UPGRADE.strip().split("\r\n")) if path == "/ws" else ()
    good = 101 if path == "/ws" else 200
    bearer = "Authorization: Bearer ann"
    for target, lines, status in (
        (f"{path}/ann", (bearer,), good),
        (f"{path}/bob", (bearer,), 403),
        (f"{path}/ann?id=bob", (bearer,), 403),
        (f"{path}/ann?token=ann", (), good),
        (f"{path}/ann?token=ann", (bearer,), 400),
        (f"{path}/ann", (bearer, bearer), 400),
        (f"{path}/nobody", ("Authorization: Bearer nobody",), 401),
        (f"{path}/ann", (), 401),
        (f"{path}/ann", ("X-Session: ann",), 401),
    ):
        assert ask(front, target, *lines, *more)[0] == status, (target, lines)
    if path != "/ws":
        assert ask(front, f"{path}/ann", *cookie("ann"))[0] == 200
        assert ask(front, f"{path}/ann", cookie("ann")[0])[0] == 403  # whose page asks?
        assert ask(front, f"{path}/ann", bearer, method="HEAD")[0] == 200
        assert ask(front, f"{path}/bob", bearer, method="HEAD")[0] == 403
    else:
        own = f"Origin: {front.address}".replace(front.address, "http://127.0.0.1")
        assert ask(front, f"{path}/ann", cookie("ann")[0], own, *more)[0] == 101
        assert ask(front, f"{path}/ann", cookie("ann")[0], "Origin: https://evil.example", *more)[0] == 403


def test_messages_come_and_a_poll_on_a_kept_connection_is_asked_for_anew(
    frontend: Callable[..., Program], api: RouterClient, backend: Backend
) -> None:
    front = frontend("--auth-cache", "0")
    stream = Client(front.address, "/sse/ann?token=ann")
    wait_for(api, "ann", 1)
    api.send("ann", "hello")
    stream.read_until(b"data: hello")
    poll = Client(front.address, "")
    for name, status in ((b"ann", b"200"), (b"nobody", b"401")):
        poll.seen = b""
        head = b"GET /poll/ann HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n\r\n"
        poll.socket.sendall(head % name)
        if name == b"ann":
            wait_for(api, "ann", 2)
            api.send("ann", "polled")
        assert poll.read_until(b"\r\n\r\n").split()[1] == status
        if name == b"ann":
            poll.read_until(b"}\n")
            wait_for(api, "ann", 1)


def test_what_is_passed_on_is_what_the_lists_name_and_nothing_else(
    frontend: Callable[..., Program], backend: Backend
) -> None:
    front = frontend("--auth-headers", "Authorization, X-Tenant")
    lines = (
        "Authorization: Bearer ann", "X-Tenant: t\xe9", "X-Other: no", "X-Forwarded-For: 6.6.6.6",
        "X-Zcomet-User: ann", "Cookie: a=1; session=ann; b=2", "Connection: X-Tenant",
    )  # fmt: skip
    assert ask(front, "/sse/ann", *lines)[0] == 200
    (asked,) = backend.asked
    assert asked.pop("host").startswith("127.0.0.1:")
    assert asked.pop(":path") == "/who?from=zfront"
    assert asked.pop("connection", "close") == "close"
    assert asked == {
        "authorization": "Bearer ann", "x-tenant": "t\xe9", "cookie": "session=ann", "user-agent": "zfront",
        "accept": "application/json",
    }  # fmt: skip


def test_watches_and_further_ids_are_what_the_answer_grants(
    frontend: Callable[..., Program], backend: Backend
) -> None:
    backend.answer = lambda _: grant(sub="ann", ids=["{sub}", "room:*"], watch=["bob"])
    front = frontend()
    for target, status in (
        ("/sse/room:1?id=ann&watch=bob", 200), ("/sse/room:", 403), ("/sse/ann?watch=eve", 403),
        ("/sse/eve", 403),
    ):  # fmt: skip
        assert ask(front, target, "Authorization: Bearer x")[0] == status


# ---- what the backend may say ----------------------------------------------------------------------------

BAD_ANSWERS: dict[str, Any] = {
    "404": (404, JSON, b'{"sub":"ann"}'), "429": (429, {}, b""), "500": (500, {}, b""),
    "204": (204, JSON, b""),
    "302": (302, {"Location": "/else"}, b""), "html": (200, {"Content-Type": "text/html"}, b"<p>log in"),
    "{}": grant(), "null": (200, JSON, b"null"), "list": (200, JSON, b"[]"),
    "half": (200, JSON, b'{"sub":"ann"'),
    "twice": (200, JSON, b'{"sub":"ann","sub":"ann"}'), "unknown member": grant(sub="ann", admin=True),
    "sub number": grant(sub=7), "sub empty": grant(sub=""), "sub long": grant(sub="x" * 256),
    "ids text": grant(sub="ann", ids="ann"), "ids many": grant(ids=["ann"] * 257), "star": grant(ids=["*"]),
    "a*": grant(ids=["a*"]), "{sub} of none": grant(ids=["{sub}"]), "surrogate": grant(ids=["\ud800"]),
    "expires text": grant(sub="ann", expires_in="60"), "expires 0": grant(sub="ann", expires_in=0),
    "expires negative": grant(sub="ann", expires_in=-1), "expires far": grant(sub="ann", expires_in=10**50),
    "expires true": grant(sub="ann", expires_in=True), "NaN": (200, JSON, b'{"sub":"ann","expires_in":NaN}'),
    "long": (200, JSON, b'{"sub":"ann","ids":["' + b"x" * 100_000 + b'"]}'),
    "deep": (200, JSON, b"[" * 60_000),
    "no HTTP": b"SSH-2.0-server\r\n", "cut off": b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
    "gzip": (200, {**JSON, "Content-Encoding": "gzip"}, b"\x1f\x8b\x08\x00rubbish"), "nothing": b"",
}  # fmt: skip


def _said(answer: Any, _: dict[str, str]) -> Any:
    return answer


def test_what_is_no_answer_lets_nobody_in_and_is_no_refusal(
    frontend: Callable[..., Program], backend: Backend
) -> None:
    front = frontend("--log-level", "debug")
    for number, (name, answer) in enumerate(BAD_ANSWERS.items()):
        backend.answer = partial(_said, answer)
        status, head = ask(front, "/sse/ann", f"Authorization: Bearer {number}-secret")
        assert status == 503, name
        assert "Retry-After: " in head
        backend.answer = lambda _: grant(sub="ann")
        assert ask(front, "/sse/ann", f"Authorization: Bearer {number}-secret")[0] == 200, (
            name
        )  # nothing was kept
    assert front.process.poll() is None
    assert "secret" not in front.log()
    assert "Traceback" not in front.log()


def test_an_event_source_is_told_to_come_back_for_after_a_503_it_never_would(
    frontend: Callable[..., Program], backend: Backend
) -> None:
    backend.answer = lambda _: (500, {}, b"")
    client = Client(frontend().address, "")
    client.socket.sendall(
        b"GET /sse/ann?token=x HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
    )
    seen = client.read_to_end()
    assert seen.startswith(b"HTTP/1.1 200 ")
    assert b"retry: " in seen


def test_a_slow_backend_has_its_time_and_no_more(frontend: Callable[..., Program], backend: Backend) -> None:
    backend.pause_s = 5
    began = time.monotonic()
    assert ask(frontend("--auth-timeout", "0.5"), "/sse/ann", "Authorization: Bearer x")[0] == 503
    assert time.monotonic() - began < 3


def test_the_end_is_the_answers_and_one_that_does_not_say_is_not_for_ever(
    frontend: Callable[..., Program], backend: Backend, api: RouterClient
) -> None:
    backend.answer = lambda headers: (
        grant(sub="ann", expires_in=2) if headers["authorization"] == "Bearer short" else grant(sub="ann")
    )
    front = frontend("--token-max-age", "4", "--token-warning", "0")
    short = Client(front.address, "/sse/ann?token=short")
    long = Client(front.address, "/sse/ann?token=long")
    wait_for(api, "ann", 2)
    began = time.monotonic()
    assert b"event: expired" in short.read_to_end()
    assert time.monotonic() - began < 4
    assert b"event: expired" in long.read_to_end()
    assert 2 < time.monotonic() - began < 9


# ---- what it costs ---------------------------------------------------------------------------------------


def test_the_same_credentials_are_asked_for_once_and_others_each(
    frontend: Callable[..., Program], backend: Backend
) -> None:
    backend.pause_s = 0.3
    front = frontend("--auth-headers", "Authorization, X-A, X-B")
    with ThreadPoolExecutor(20) as pool:
        at_once = [pool.submit(ask, front, "/sse/ann", "Authorization: Bearer ann") for _ in range(20)]
        assert [one.result()[0] for one in at_once] == [200] * 20
    assert len(backend.asked) == 1
    backend.pause_s = 0
    for _ in range(50):
        assert ask(front, "/stream/ann", "Authorization: Bearer ann")[0] == 200
    assert len(backend.asked) == 1
    pairs = (
        ("X-A: ab", "X-B: c"), ("X-A: a", "X-B: bc"), ("X-A: abc",), ("X-B: abc",), (*cookie("a"), "X-A: b"),
        (*cookie("b"), "X-A: a"), ("Authorization: Bearer ann", "X-A: ab"), ("Authorization: bearer ann",),
    )  # fmt: skip
    for number, lines in enumerate(pairs, 2):
        ask(front, "/sse/ann", *lines)
        assert len(backend.asked) == number, lines


def test_whoever_asked_first_may_leave(frontend: Callable[..., Program], backend: Backend) -> None:
    backend.pause_s = 1
    front = frontend()
    first = Client(front.address, "/sse/ann?token=ann", read_head=False)
    eventually(lambda: backend.asked)
    second = Client(front.address, "/sse/ann?token=ann", read_head=False)
    time.sleep(0.2)
    first.socket.close()
    second.read_until(b" 200 OK")
    assert len(backend.asked) == 1


def test_refusals_are_kept_for_a_moment_and_a_new_session_is_another(
    frontend: Callable[..., Program], backend: Backend
) -> None:
    front = frontend()
    assert [ask(front, "/sse/ann", "Authorization: Bearer nobody")[0] for _ in range(10)] == [401] * 10
    assert len(backend.asked) <= 2
    backend.answer = lambda _: grant(sub="ann")
    assert ask(front, "/sse/ann", "Authorization: Bearer new")[0] == 200
    eventually(lambda: ask(front, "/sse/ann", "Authorization: Bearer nobody")[0] == 200, 5)


def test_revoking_a_subject_ends_its_connections_and_forgets_the_answer(
    frontend: Callable[..., Program], backend: Backend, api: RouterClient
) -> None:
    front = frontend()
    client = Client(front.address, "/sse/ann?token=ann")
    wait_for(api, "ann", 1)
    eventually(lambda: api.stats()["revocations_told"] == 1)
    backend.answer = lambda _: (401, {}, b"")
    api.revoke(sub="ann")
    assert b"expired" in client.read_to_end()
    assert ask(front, "/sse/ann", "Authorization: Bearer ann")[0] == 401
    assert len(backend.asked) == 2


def test_a_backend_that_is_away_is_left_alone_and_found_again(
    frontend: Callable[..., Program], backend: Backend, api: RouterClient
) -> None:
    front = frontend()
    parked = Client(front.address, "/sse/ann?token=ann")
    wait_for(api, "ann", 1)
    backend.answer = lambda _: (503, {}, b"")
    before = len(backend.asked)
    for number in range(60):
        assert ask(front, "/sse/ann", f"Authorization: Bearer {number}")[0] == 503
    assert len(backend.asked) - before < 12
    assert "gives no answer" in front.log()
    assert front.log().count("gives no answer") <= 2
    assert ask(front, "/sse/ann", "Authorization: Bearer ann")[0] == 200  # kept from before
    backend.answer = by_session
    eventually(lambda: ask(front, "/sse/ann", "Authorization: Bearer fresh")[0] == 403, 10)
    assert "answers again" in front.log()
    api.send("ann", "still parked")
    parked.read_until(b"still parked")


def test_more_questions_than_may_be_under_way_are_refused_at_once(
    frontend: Callable[..., Program], backend: Backend
) -> None:
    backend.pause_s = 1.5
    front = frontend()
    clients = [
        Client(front.address, f"/sse/{number}?token={number}", read_head=False) for number in range(150)
    ]
    answers = [client.read_until(b"\r\n\r\n") for client in clients]
    let_in = sum(b" 200 OK" in one for one in answers)
    assert 0 < let_in <= 64
    assert let_in + sum(b" 503 " in one for one in answers) == 150
    assert front.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--auth-url", "ftp://x/"), "http"), (("--auth-url", "http://"), "http"),
        (("--auth-url", "x"), "http"),
        (("--auth-url", "http://user:pw@127.0.0.1/"), "http"), (("--auth-url", "http://[::1"), "http"),
        (("--auth-url", "http://backend.example/"), "in clear"),
        (("--auth-url", "https://b.example/", "--auth-headers", "Host"), "Host"),
        (("--auth-url", "https://b.example/", "--auth-headers", "X-Zcomet-User"), "X-Zcomet-User"),
        (("--auth-url", "https://b.example/", "--auth-headers", "a b"), "a b"),
        (("--auth-url", "https://b.example/", "--auth-headers", "X-A,x-a"), "twice"),
        (("--auth-url", "https://b.example/", "--auth-headers", ""), "nothing"),
        (("--auth-url", "https://b.example/", "--auth-cookies", "s", "--cors", "*"), "--cors"),
        (("--auth-url", "https://b.example/", "--auth-ca-file", "/nowhere"), "/nowhere"),
        (("--auth-cookies", "s"), "--auth-url"), (("--auth-timeout", "nan"), "nan"),
    ],
)  # fmt: skip
def test_settings_that_do_not_go_together_are_usage_errors(options: tuple[str, ...], says: str) -> None:
    code = "from zfront.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", "--listen", "127.0.0.1:0", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert "pw@" not in done.stderr


# ---- what an attacker tried ------------------------------------------------------------------------------


def test_credentials_that_no_request_can_carry_are_refused_and_cost_nobody_else(
    frontend: Callable[..., Program], backend: Backend
) -> None:
    front = frontend()
    for number in range(5):
        for token in (
            f"%0aX{number}",
            f"%00{number}",
            f"%0d{number}",
            f"%E2%82%AC{number}",
            f"a%20b{number}",
            f"%ff{number}",
        ):
            assert ask(front, f"/sse/ann?token={token}")[0] == 401, token
    assert backend.asked == []
    assert ask(front, "/sse/ann", "Authorization: Bearer ann")[0] == 200
    assert "gives no answer" not in front.log()


def test_credentials_on_which_the_backend_fails_shut_out_nobody_else(
    frontend: Callable[..., Program], backend: Backend
) -> None:
    backend.answer = lambda headers: (
        (500, {}, b"") if "bad" in headers["authorization"] else by_session(headers)
    )
    front = frontend()
    for number in range(20):
        assert ask(front, "/sse/ann", f"Authorization: Bearer bad{number}")[0] == 503
    assert ask(front, "/sse/ann", "Authorization: Bearer ann")[0] == 200
    assert front.log().count("gives no answer") == 1


@pytest.mark.parametrize(
    "page", ["Origin: https://evil.example", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: none"]
)
@pytest.mark.parametrize("target", ["/sse/ann", "/sse/ann?token=x", "/poll/ann?token=x"])
def test_another_sites_page_can_not_use_a_cookie_whatever_it_puts_into_the_url(
    frontend: Callable[..., Program], backend: Backend, page: str, target: str
) -> None:
    assert ask(frontend(), target, "Cookie: session=ann", page)[0] == 403
    assert backend.asked == []


def test_ending_the_connections_of_a_subject_forgets_what_was_said_of_it(
    frontend: Callable[..., Program], backend: Backend, api: RouterClient
) -> None:
    front = frontend()
    assert ask(front, "/sse/ann", "Authorization: Bearer ann")[0] == 200
    eventually(lambda: api.stats()["revocations_told"] == 1)
    backend.answer = lambda _: (403, {}, b"")
    api.revoke(sub="ann", keep_s=0)
    eventually(lambda: ask(front, "/sse/ann", "Authorization: Bearer ann")[0] == 403, 5)


def test_long_answers_are_kept_within_bytes(
    frontend: Callable[..., Program], backend: Backend, api: RouterClient
) -> None:
    backend.answer = lambda _: grant(sub="ann", ids=["ann", *(f"{number:0240d}" for number in range(250))])
    front = frontend()
    for number in range(320):
        assert ask(front, "/sse/ann", f"Authorization: Bearer {number}")[0] == 200
    eventually(lambda: any(row.get("auth_kept_bytes") for row in api.stats()["frontends"]))
    (row,) = [row for row in api.stats()["frontends"] if "auth_kept" in row]
    assert row["auth_kept_bytes"] <= 16 << 20
    assert row["auth_kept"] < 320
