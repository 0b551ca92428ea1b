"""The demo page, used as a person would."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import axe_core_python
import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.conftest import Site, Window, shot
from tests.conftest import Client, Program, eventually, wait_for

TRANSPORTS = {
    "sse": "Server-Sent Events",
    "ws": "WebSocket",
    "stream": "JSON lines",
    "poll": "Long poll",
}
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text()
SHOTS = os.environ.get("ZCOMET_SHOTS", "")  # a folder: pictures of the pages are put there


@pytest.fixture
def page(window: Window, site: Site) -> Iterator[Window]:
    """The demo page; at the end the console has said nothing, of its Content Security Policy neither."""
    window.open(f"{site.front.address}/demo")
    yield window
    assert window.complaints() == []


@pytest.fixture
def alice(name: Callable[[str], str]) -> str:
    """An id."""
    return name("alice")


@pytest.fixture
def bob(name: Callable[[str], str]) -> str:
    """Another."""
    return name("bob")


def become(page: Window, an_id: str, transport: str) -> None:
    """Connect as that id."""
    page.write("#connect [name=id]", an_id)
    page.find(f"[value={transport}]").send_keys(Keys.SPACE)
    page.find("#connecting").click()
    page.shows("#state", f"Connected as {an_id} by {TRANSPORTS[transport]}")


def send(page: Window, an_id: str, message: str) -> None:
    """By its form."""
    page.write("#send [name=id]", an_id)
    page.write("#send [name=message]", message)
    page.find("#send button").click()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_was_missed_while_cut_is_shown_as_resumed(
    page: Window, site: Site, alice: str, transport: str
) -> None:
    become(page, alice, transport)
    wait_for(site.api, alice, 1)
    send(page, alice, "first")
    page.shows("#messages", "first")
    page.shows("#receipts", f"delivered first\nto {alice} · handed to 1 connection")
    page.find("#cut").click()
    page.shows("#state", "Cut.")
    wait_for(site.api, alice, 0)
    send(page, alice, "missed")
    page.shows("#receipts", "kept missed")
    page.find("#cut").click()
    page.shows("#messages", "resumed missed")
    assert page.text("#resumed") == "1"
    assert page.text("#messages").count("first") == 1
    wait_for(site.api, alice, 1)
    send(page, alice, "new")
    page.shows("#messages", "new")
    assert page.text("#resumed") == "1"
    assert page.text("#received") == "3"


def test_a_transport_can_be_changed_without_missing_anything(page: Window, site: Site, alice: str) -> None:
    become(page, alice, "ws")
    wait_for(site.api, alice, 1)
    site.api.send(alice, "by WebSocket")
    page.shows("#messages", "by WebSocket")
    page.find("#cut").click()
    wait_for(site.api, alice, 0)
    site.api.send(alice, "between")
    become(page, alice, "sse")
    page.shows("#messages", "between")


def test_two_windows_talk(page: Window, alice: str) -> None:
    become(page, alice, "ws")
    page.find("#second").click()
    handles = eventually(lambda: len(page.driver.window_handles) == 3 and page.driver.window_handles)
    [handle] = set(handles[1:]) - {page.handle}
    other = Window(page.driver, handle)
    assert other.find("#connect [name=id]").get_attribute("value") == "bob"
    become(other, "bob", "sse")
    send(other, alice, "Hello Alice")
    page.shows("#messages", "Hello Alice")
    send(page, "bob", "Hello Bob")
    other.shows("#messages", "Hello Bob")
    assert other.complaints() == []


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_who_is_watched_is_shown_to_come_and_to_go(
    page: Window, site: Site, alice: str, bob: str, transport: str
) -> None:
    become(page, alice, transport)
    page.write("#watch [name=id]", bob)
    page.find("#watch button").click()
    page.shows("#presence", f"{bob}\naway")
    client = Client(site.front.address, f"/sse/{bob}")
    page.shows("#presence", f"{bob}\n1 connection")
    client.socket.close()
    page.shows("#presence", f"{bob}\naway")
    page.find("#presence button").click()
    page.shows("#presence", "")


def test_nobody_is_there(page: Window) -> None:
    send(page, "nobody", "Hello?")
    page.shows("#receipts", "nobody Hello?\nto nobody · nobody is connected as it")


def test_a_key_is_asked_for_where_one_is_needed(
    window: Window, start: Callable[..., Program], router: Program
) -> None:
    key = "0123456789abcdef"
    serve = ("zfront", "serve", "--listen", "127.0.0.1:0", "--router", router.address)
    window.open(f"{start(*serve, '--api-key', key).address}/demo")
    assert not window.find("#key").is_displayed()
    send(window, "alice", "Hello?")
    window.shows("#receipts", "not sent Hello?\nto alice · an API key is needed")
    window.write("#key input", key)
    send(window, "alice", "Hello!")
    window.shows("#receipts", "nobody Hello!")


def test_an_id_that_is_none_is_refused_in_words(page: Window) -> None:
    page.find("#connect [name=id]").clear()
    page.run("document.querySelector('#connect [name=id]').removeAttribute('required')")
    page.find("[value=stream]").send_keys(Keys.SPACE)
    page.find("#connecting").click()
    page.shows("#state", "Refused: an id has 1 to 255 bytes, not 0")
    assert "400" in " ".join(page.complaints())


def test_all_can_be_done_by_keyboard(page: Window) -> None:
    def focused() -> Any:
        return page.driver.switch_to.active_element

    seen = []
    for _ in range(14):
        focused().send_keys(Keys.TAB)
        seen.append(focused().get_attribute("name") or focused().text or focused().get_attribute("id"))
    assert [one for one in seen if one in ("id", "transport", "Connect", "message", "Send", "Watch")] == (
        ["id", "transport", "Connect", "id", "message", "Send", "id", "Watch"]
    )
    page.find("#connect [name=id]").send_keys(Keys.ENTER)
    page.shows("#state", "Connected as alice")
    page.find("[value=sse]").send_keys(Keys.ARROW_RIGHT)
    assert page.find("[value=ws]").is_selected()
    page.shows("#note", "WebSocket")
    message = page.find("#send [name=message]")
    message.clear()
    message.send_keys("two", Keys.SHIFT + Keys.ENTER + Keys.NULL, "lines", Keys.ENTER)
    page.shows("#receipts", "two\nlines")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/demo"])
def test_axe_finds_nothing_at_any_width_in_any_scheme(
    window: Window, site: Site, alice: str, path: str, scheme: str
) -> None:
    window.emulate("setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    for width in (360, 1200):
        window.emulate("setDeviceMetricsOverride", width=width, height=740, deviceScaleFactor=1, mobile=True)
        window.open(f"{site.front.address}{path}")
        if path == "/demo":
            become(window, alice, "ws")
            send(window, alice, "Hello! " + "long" * 60)
            window.shows("#receipts", "delivered")
            send(window, "nobody", "Hello?")
            window.shows("#receipts", "nobody Hello?")
        assert window.run("return document.documentElement.scrollWidth") <= width
        window.run(AXE)
        found = window.focus().execute_async_script("axe.run().then(arguments[arguments.length - 1])")
        wrong = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]
        assert wrong == []
        if SHOTS:
            shot(window, Path(SHOTS) / f"{path.strip('/') or 'start'}-{scheme}-{width}.png", width)


def test_what_the_policy_forbids_does_not_run(page: Window) -> None:
    page.run(
        """
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.body.append(script);
        document.body.insertAdjacentHTML("beforeend", '<img src="data:," onerror="window.ran = true">');
        """
    )
    complaints = eventually(page.complaints)
    assert all("Content Security Policy" in one for one in complaints)
    assert page.run("return window.ran") is None


def test_a_message_is_text_whatever_is_in_it(page: Window, site: Site, alice: str) -> None:
    become(page, alice, "sse")
    wait_for(site.api, alice, 1)
    site.api.send(alice, "<b>bold</b><script>window.ran = true</script>")
    page.shows("#messages", "<b>bold</b><script>")


@pytest.mark.parametrize("path", ["", "demo", "pages/demo.js", "pages/style.css", "pages/icon.svg"])
def test_every_page_has_the_policy(window: Window, site: Site, path: str) -> None:
    window.open(f"{site.front.address}/")
    head = window.focus().execute_async_script(
        "fetch(arguments[0]).then((a) => arguments[1]([a.status, Object.fromEntries(a.headers)]))", f"/{path}"
    )
    assert head[0] == 200
    assert head[1]["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert head[1]["x-content-type-options"] == "nosniff"
