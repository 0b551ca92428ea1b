"""One headless Chromium for all tests, and a window of it for each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webelement import WebElement

from tests.conftest import Program, eventually

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


@pytest.fixture
def page(window: Window, front: Program) -> Window:
    """A window on the demo page."""
    window.open(f"{front.address}/demo")
    return window


def shot(window: Window, path: Path) -> None:
    """A picture of the whole page."""
    height = window.run("return document.documentElement.scrollHeight")
    width = window.run("return document.documentElement.clientWidth")
    window.emulate("setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
    window.focus().save_screenshot(str(path))
    window.emulate("clearDeviceMetricsOverride")
