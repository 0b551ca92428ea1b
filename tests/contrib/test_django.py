"""zrouter.contrib.django in a real project: its own tests; with real programs, from the login to the page."""

from __future__ import annotations

import http.cookiejar
import json
import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Client, Program, eventually, wait_for
from zrouter.client import RouterClient
from zrouter.tokens.make import make_secret

ROOT = Path(__file__).parents[2]
SERVE = """
import sys
from wsgiref.simple_server import make_server
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
call_command("migrate", verbosity=0)
from django.contrib.auth import get_user_model
for name in ("ann", "bob"):
    get_user_model().objects.create_user(name, password="pw")
server = make_server("127.0.0.1", 0, application)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture
def project(tmp_path: Path) -> dict[str, str]:
    """What the project's processes find in their environment."""
    keys = tmp_path / "token-keys.json"
    keys.touch(0o600)
    keys.write_bytes(make_secret("k"))
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.contrib.project.settings",
        "PROJECT_TOKEN_KEYS": str(keys),
        "PYTHONPATH": str(ROOT),
    }


def manage(project: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error::ResourceWarning", "-m", "django", *arguments]
    return subprocess.run(command, env=project, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_the_projects_own_tests_pass(project: dict[str, str]) -> None:
    done = manage(project, "test", "tests.contrib.project")
    assert done.returncode == 0, done.stderr
    assert "Ran 0 tests" not in done.stderr


def test_check_has_nothing_to_say(project: dict[str, str]) -> None:
    done = manage(project, "check")
    assert done.returncode == 0, done.stderr
    assert "zcomet" not in done.stderr


class Browser:
    """What a browser does: cookies, and the CSRF token."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()), urllib.request.ProxyHandler({})
        )
        self.csrf = self._opener.open(f"{address}/enter/", timeout=20).read().decode()

    def post(self, path: str, **fields: str) -> str:
        data = urllib.parse.urlencode(fields).encode()
        request = urllib.request.Request(self.address + path, data, {"X-CSRFToken": self.csrf})
        with self._opener.open(request, timeout=20) as answer:
            return str(answer.read().decode())

    def log_in(self, name: str) -> dict[str, Any]:
        """What the token view says."""
        self.csrf = self.post("/enter/", name=name, password="pw")
        found: dict[str, Any] = json.loads(self.post("/zcomet/token/"))
        return found


@pytest.fixture
def site(
    start: Callable[..., Program], router: Program, project: dict[str, str], tmp_path: Path
) -> Iterator[tuple[str, Program]]:
    """The project's address, and the frontend of its pages."""
    keys = project["PROJECT_TOKEN_KEYS"]
    # Pages and streams are of two origins; a token in a header is no cookie that any page could use.
    listen = ("--listen", "127.0.0.1:0", "--router", router.address, "--cors", "*")
    front = start("zfront", "serve", *listen, "--token-key-file", keys)
    project |= {"ZROUTER_ROUTER": router.address, "PROJECT_DATABASE": str(tmp_path / "db")}
    project |= {"PROJECT_ZFRONT": f"{front.address}/"}
    with (tmp_path / "site.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE],
            env=project,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    port = process.stdout.readline().strip()
    assert port, (tmp_path / "site.log").read_text()
    yield f"http://127.0.0.1:{port}", front
    process.terminate()
    process.wait(10)
    process.stdout.close()


def test_only_ann_gets_anns_messages_until_she_logs_out(site: tuple[str, Program], api: RouterClient) -> None:
    address, front = site
    ann, bob = Browser(address), Browser(address)
    anns, bobs = ann.log_in("ann"), bob.log_in("bob")
    assert anns["id"] != bobs["id"]
    stream = Client(front.address, f"/sse/{anns['id']}?token={anns['token']}")
    wait_for(api, anns["id"], 1)
    # Bob's token is not for Ann's stream.
    foreign = Client(front.address, f"/sse/{anns['id']}?token={bobs['token']}")
    assert foreign.seen.startswith(b"HTTP/1.1 403 ")
    bob.post("/order/", what="tea")
    ann.post("/order/", what="coffee")
    with pytest.raises(urllib.error.HTTPError, match="409"):
        ann.post("/order/?fails", what="rolled back")
    assert ann.post("/direct/", to=anns["id"], what="direct") == "1"
    seen = stream.read_until(b"data: direct\n")
    assert b'data: {"order": "coffee"}\n' in seen
    assert b"tea" not in seen
    assert b"rolled back" not in seen
    eventually(lambda: api.stats()["revocations_told"] == 1)
    ann.post("/leave/")
    assert b"event: expired" in stream.read_to_end()
    again = Client(front.address, f"/sse/{anns['id']}?token={anns['token']}")
    assert again.seen.startswith(b"HTTP/1.1 401 ")
