"""A signed-in browser for the pages: Debian's Chromium, driven by WebDriver, and axe-core to look at what it shows."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib.util
import os
import re
from collections.abc import Iterator
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from warden import PATIENCE

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
CHROMEDRIVER = os.environ.get("CHROMEDRIVER", "/usr/bin/chromedriver")
SCREENSHOTS = Path(__file__).parents[2] / "target" / "screenshots"

# Of that package only the script is used, and it is not imported: it would ask for Playwright.
AXE = Path(importlib.util.find_spec("axe_playwright_python").submodule_search_locations[0]) / "axe.min.js"
DESK, PHONE = (1360, 900), (390, 844)


def declared(name: str, role: str, token: str) -> str:
    """A token in the configuration: its hash, and not the token."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    return f'[[server.auth.tokens]]\nname = "{name}"\nrole = "{role}"\nhash = "sha256:{digest}"\n'


class Browser:
    """One window."""

    def __init__(self, url: str, folder: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        arguments = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars", f"--user-data-dir={folder}"]
        for argument in arguments:
            options.add_argument(argument)
        self.driver = webdriver.Chrome(options=options, service=Service(CHROMEDRIVER))
        self.url = url
        self.size(DESK)

    def size(self, size: tuple[int, int]) -> None:
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def scheme(self, scheme: str) -> None:
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def scripts(self, on: bool) -> None:
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not on})

    def go(self, path: str) -> None:
        self.driver.get(self.url + path)

    def find(self, css: str):  # noqa: ANN201 - selenium's element
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def all(self, css: str) -> list:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def text(self) -> str:
        return self.find("body").text

    def click(self, css: str) -> None:
        """Clicks something that leads to another page, and waits for that."""
        before = self.find("html")
        self.find(css).click()
        WebDriverWait(self.driver, PATIENCE).until(lambda _: is_gone(before) and self.all("main"))

    def choose(self, css: str, value: str) -> None:
        Select(self.find(css)).select_by_value(value)

    def until(self, condition, what: str):  # noqa: ANN001, ANN201
        return WebDriverWait(self.driver, PATIENCE).until(lambda _: condition(), what)

    def sign_in(self, token: str, path: str = "/") -> None:
        self.go(path)
        self.find("#token").send_keys(token)
        self.click("form.stack button")

    def look(self, name: str) -> None:
        """Keeps a picture of the whole page, and lets axe-core look at it."""
        self.picture(name)
        self.driver.execute_script(AXE.read_text())
        found = self.driver.execute_async_script("axe.run().then(arguments[0])")["violations"]
        grave = [violation for violation in found if violation["impact"] in ("serious", "critical")]
        told = [(v["id"], v["help"], [node["html"][:200] for node in v["nodes"][:3]]) for v in grave]
        assert not told, f"{name}: {told}"

    def picture(self, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        size = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 4000), "scale": 1}
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        (SCREENSHOTS / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))

    def is_too_wide(self) -> bool:
        return self.driver.execute_script("return document.documentElement.scrollWidth > window.innerWidth + 1")

    def complaints(self) -> list[str]:
        """What the console says: a policy that is broken, a file that is missing. Not that one has to sign in first."""
        told = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        return [message for message in told if self.url in message and "401 (Unauthorized)" not in message]


def is_gone(element) -> bool:  # noqa: ANN001
    from selenium.common.exceptions import StaleElementReferenceException, WebDriverException

    try:
        return not element.is_enabled()
    except (StaleElementReferenceException, WebDriverException):
        return True


@contextlib.contextmanager
def browser(url: str, folder: Path) -> Iterator[Browser]:
    opened = Browser(url, folder)
    try:
        yield opened
    finally:
        opened.driver.quit()


def nonce_in(page: str, action: str | None = None) -> str:
    """The nonce of a form: of the first, or of the one about an action."""
    name = re.escape(f'name="action" value="{action}"') if action else ""
    found = re.search(rf'name="nonce" value="([^"]+)">(?:<input type="hidden" name="verdict" value="[^"]+">)?<input type="hidden" {name}' if action else r'name="nonce" value="([^"]+)"', page)
    assert found, page
    return found.group(1)
