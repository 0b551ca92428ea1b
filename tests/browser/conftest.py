"""One headless Chromium for all tests, and a window of it for each."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webelement import WebElement

from tests.conftest import Program, eventually
from zrouter.client import RouterClient

_NUMBERS = itertools.count(1)
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
_FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync --disable-extensions "
    "--no-proxy-server --window-size=1200,900"
)


class Window:
    """A window on one page of a frontend."""

    def __init__(self, driver: webdriver.Chrome, handle: str) -> None:
        self.driver = driver
        self.handle = handle

    def focus(self) -> webdriver.Chrome:
        """The driver, of this window."""
        if self.driver.current_window_handle != self.handle:
            self.driver.switch_to.window(self.handle)
        return self.driver

    def open(self, url: str) -> None:
        """Go to a page, and wait until its scripts have run."""
        self.focus().get(url)

    def find(self, selector: str) -> WebElement:
        """The element of a CSS selector."""
        return self.focus().find_element("css selector", selector)

    def text(self, selector: str) -> str:
        """What stands there."""
        return str(self.find(selector).text)

    def run(self, script: str, *arguments: object) -> Any:
        """The value of a script."""
        return self.focus().execute_script(script, *arguments)

    def emulate(self, name: str, **parameters: object) -> None:
        """Of DevTools' domain Emulation."""
        self.focus().execute_cdp_cmd(f"Emulation.{name}", parameters)

    def write(self, selector: str, text: str) -> None:
        """Fill a field."""
        field = self.find(selector)
        field.clear()
        field.send_keys(text)

    def shows(self, selector: str, text: str) -> None:
        """Wait until it stands there."""
        try:
            eventually(lambda: text in self.text(selector))
        except AssertionError:
            assert text in self.text(selector), f"{selector} does not show it"
            raise

    def complaints(self) -> list[str]:
        """What the console says since the last call."""
        return [entry["message"] for entry in self.focus().get_log("browser")]  # type: ignore[no-untyped-call]


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """The browser."""
    if BROWSER is None or DRIVER is None:
        pytest.skip("chromium and chromedriver are not installed")
    options = Options()
    options.binary_location = BROWSER
    for flag in _FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    log = tmp_path_factory.mktemp("chromedriver") / "log"
    driver = webdriver.Chrome(options, Service(DRIVER, log_output=str(log)))
    yield driver
    driver.quit()


@pytest.fixture
def window(driver: webdriver.Chrome) -> Iterator[Window]:
    """A new window; it may open more."""
    [blank] = driver.window_handles
    driver.switch_to.new_window("window")
    window = Window(driver, driver.current_window_handle)
    driver.get_log("browser")  # type: ignore[no-untyped-call]
    yield window
    for handle in driver.window_handles:
        if handle != blank:
            driver.switch_to.window(handle)
            driver.close()
    driver.switch_to.window(blank)


class Site(NamedTuple):
    """A router and a frontend for all tests of a module."""

    front: Program
    api: RouterClient


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """They have no id in common that a test uses twice: see `name`."""
    folder = tmp_path_factory.mktemp("site")
    quick = ("--presence-linger", "0.3")
    router = Program(folder / "router.log", "zrouter", "serve", "--bind", "tcp://127.0.0.1:0", *quick)
    listen = ("--listen", "127.0.0.1:0", "--router", router.address)
    front = Program(folder / "front.log", "zfront", "serve", *listen)
    with RouterClient(router.address) as api:
        yield Site(front, api)
    front.stop()
    router.stop()


@pytest.fixture
def name() -> Callable[[str], str]:
    """Makes of a name one that nobody has had: name("alice")."""
    number = next(_NUMBERS)
    return lambda of: f"{of}{number}"


def shot(window: Window, path: Path, width: int) -> None:
    """A picture of the whole page, for people."""
    height = window.run("return document.documentElement.scrollHeight")
    window.emulate("setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=True)
    window.focus().save_screenshot(str(path))
