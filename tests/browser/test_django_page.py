"""A page of a Django project in a real browser: what the tag puts into it, over logins and logouts."""

from __future__ import annotations

from tests.browser.conftest import Window
from tests.conftest import Program, eventually, wait_for
from tests.contrib.test_django import project as project
from tests.contrib.test_django import site as site
from zrouter.client import RouterClient

FETCH = """
    const [path, fields] = arguments;
    const csrf = (document.cookie.match(/csrftoken=([^;]*)/) || [])[1];
    const body = new URLSearchParams(fields);
    const headers = { "X-CSRFToken": csrf };
    return fetch(path, { method: "POST", body, headers }).then((answer) => answer.status);
"""
LISTEN = """
    window.seen = []; window.states = []; window.gaps = 0;
    window.stream = zcomet.page({
        onMessage: ({ message }) => seen.push(message),
        onState: (state, why) => states.push(state),
        onGap: () => gaps++,
    });
    return stream !== null;
"""


def test_a_page_shows_its_users_messages_from_login_to_logout(
    window: Window, site: tuple[str, Program], api: RouterClient
) -> None:
    address, _ = site
    window.open(f"{address}/page/")
    assert not window.run("return 'zcomet' in window")  # nobody is logged in
    window.open(f"{address}/enter/")
    assert window.run(FETCH, "/enter/", {"name": "ann", "password": "pw"}) == 200
    window.open(f"{address}/page/")
    assert window.run(LISTEN)
    wait_for(api, "user:1", 1)
    assert window.run(FETCH, "/order/", {"what": "tea"}) == 201
    eventually(lambda: window.run("return seen") == ['{"order": "tea"}'])
    # From page to page nothing is missed.
    window.open(f"{address}/enter/")
    wait_for(api, "user:1", 0)
    api.send("user:1", "between two pages")
    window.open(f"{address}/page/")
    assert window.run(LISTEN)
    eventually(lambda: window.run("return seen") == ["between two pages"])
    assert window.run("return gaps") == 0
    # Somebody else logs in, in another tab as it were: the page's CSRF token is old, the cookie's is not.
    assert window.run(FETCH, "/leave/", {}) == 200
    eventually(lambda: window.run("return states")[-1:] == ["refused"])
    wait_for(api, "user:1", 0)
