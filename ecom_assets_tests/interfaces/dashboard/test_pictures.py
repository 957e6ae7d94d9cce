"""How every page looks, at three widths where the width changes something, in print and in the
dark, beside pictures in `pictures/`.

`make pictures` takes them again, after a change that is meant. They are a quarter as large as the
pages, in the font of `pictures/font` (Inter, SIL Open Font License 1.1, the files of the npm
package `@fontsource/inter` 5.3.0), so that they are small and no font of a machine matters.
"""

import base64
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, expect
from pydantic import SecretStr

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.dashboard.app import build_dashboard_app, build_dashboard_stack
from ecom_assets.interfaces.dashboard.page import all_pages
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.test_browser import browser as browser  # noqa: PLC0414 (the fixture, for this file too)
from ecom_assets_tests.interfaces.dashboard.test_pages import ABOUT_NOW, AT_EVERY_WIDTH, NEEDS

pytestmark = [pytest.mark.browser]
PICTURES: Final = Path(__file__).with_name("pictures")
FONT: Final = PICTURES / "font"
RENEWED: Final = os.environ.get("RENEW_PICTURES") == "1"
WIDTHS: Final = (390, 1024, 1440)
SCALE: Final = 0.25
MOST_HEIGHT: Final = 2_400
"""How much of a page a picture shows, in CSS pixels: what is below is more of the same lists."""
MOST_DIFFERENT: Final = 0.01
"""The share of pixels that may differ: machines smooth lines and letters differently."""
CHANGING: Final = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) walker.currentNode.data = walker.currentNode.data
    .replace(/\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d(:\\d\\d)?/g, "2026-01-01 00:00:00")
    .replace(/, [^,]* ago/g, ", 1 min ago")
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "00000000");
}"""
"""Sets what is another text in each run: times at which something ran, and ids of runs."""
COMPARE: Final = """async ([one, other]) => {
  const pixels = async (data) => {
    const image = new Image();
    image.src = "data:image/jpeg;base64," + data;
    await image.decode();
    const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
    context.drawImage(image, 0, 0);
    return [image.width, image.height, context.getImageData(0, 0, image.width, image.height).data];
  };
  const [width, height, first] = await pixels(one);
  const [itsWidth, itsHeight, second] = await pixels(other);
  if (width !== itsWidth || Math.abs(height - itsHeight) > 2)
    return [`${width} by ${height}`, `${itsWidth} by ${itsHeight}`];
  let count = 0;
  const rows = Math.min(height, itsHeight);
  const differs = (at) => Math.abs(first[at] - second[at]) > 48;
  for (let at = 0; at < width * rows * 4; at += 4)
    if (differs(at) || differs(at + 1) || differs(at + 2)) count += 1;
  return count / (width * rows);
}"""
"""Returns the share of pixels that differ, or both sizes."""


@dataclass(frozen=True)
class Look:
    """A page as somebody sees it."""

    path: str
    width: int
    theme: str = "light"
    media: str = "screen"

    @property
    def name(self) -> str:
        """Return the name of its picture."""
        more = [word for word in (self.theme, self.media) if word not in {"light", "screen"}]
        return "-".join([self.path.partition("?")[0] or "first", str(self.width), *more])


LOOKS: Final = [
    *(
        Look(f"{page.path}?{NEEDS.get(page.path, '')}", width)
        for page in all_pages()
        for width in (WIDTHS if page.path in AT_EVERY_WIDTH else WIDTHS[-1:])
        if page.path not in ABOUT_NOW
    ),
    *(Look(path, 1024, "dark") for path in ("last-week", "funnel", "products", "retention")),
    *(Look(path, 718, media="print") for path in ("last-week", "funnel", "customers")),
]


@pytest.fixture(scope="module")
def shop(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The small shop with nothing that other tests keep, and nobody's key."""
    home = tmp_path_factory.mktemp("pictures")
    (home / "serving").symlink_to(settings.home / "serving")
    own = settings.model_copy(update={"home": home, "boards_url": SecretStr("")})
    with served(InFont(build_dashboard_app(own))) as answer:  # type: ignore[arg-type]  # any ASGI application
        yield Client(answer.address)


@pytest.fixture(scope="module")
def locked(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The same, where everybody needs a key."""
    home = tmp_path_factory.mktemp("locked")
    (home / "serving").symlink_to(settings.home / "serving")
    keys = SecretStr("a-key-that-nobody-is-given-here")
    own = settings.model_copy(update={"home": home, "boards_url": SecretStr(""), "api_keys": keys})
    with served(InFont(build_dashboard_stack(own))) as answer:  # type: ignore[arg-type]  # as above
        yield Client(answer.address)


class Camera:
    """Takes and compares pictures: pages that are seen alike, one after the other, are one tab of
    the browser, which reads scripts once.
    """

    def __init__(self, browser: Browser) -> None:
        """Open what compares."""
        self._browser = browser
        self._comparing = browser.new_page()
        self._tabs: dict[tuple[int, str], Page] = {}

    def close(self) -> None:
        """Close every tab."""
        for page in (self._comparing, *self._tabs.values()):
            page.context.close()

    def pictured(self, client: Client, look: Look) -> bytes:
        """Return the picture of a page."""
        page = self._tab(look)
        page.emulate_media(media="screen")
        page.set_viewport_size({"width": look.width, "height": 900})
        page.goto(f"{client.address}/dashboard/{look.path}")
        page.evaluate("document.fonts.ready")
        if look.media == "print":
            page.evaluate("dispatchEvent(new Event('beforeprint'))")
            page.emulate_media(media="print")
        for plot in page.locator(".plot").all():
            plot.scroll_into_view_if_needed()
            expect(plot.locator("canvas")).to_be_visible()
        page.wait_for_load_state("networkidle")
        page.evaluate(CHANGING)
        page.evaluate("scrollTo(0, 0)")
        height = min(page.evaluate("document.documentElement.scrollHeight"), MOST_HEIGHT)
        page.set_viewport_size({"width": look.width, "height": height})
        page.wait_for_timeout(300)  # charts follow the size
        return page.screenshot(type="jpeg", quality=60, animations="disabled")

    def difference(self, one: bytes, other: bytes) -> float | list[str]:
        """Return the share of pixels in which two pictures differ, or their sizes if these do."""
        texts = [base64.b64encode(picture).decode() for picture in (one, other)]
        result: float | list[str] = self._comparing.evaluate(COMPARE, texts)
        return result

    def _tab(self, look: Look) -> Page:
        key = (look.width, look.theme)
        if key not in self._tabs:
            context = self._browser.new_context(
                device_scale_factor=SCALE,
                color_scheme="dark" if look.theme == "dark" else "light",
                reduced_motion="reduce",
                bypass_csp=True,
            )
            self._tabs[key] = context.new_page()
        return self._tabs[key]


@pytest.fixture(scope="module")
def camera(browser: Browser) -> Iterator[Camera]:
    """What takes all pictures of this file."""
    opened = Camera(browser)
    yield opened
    opened.close()


class InFont:
    """An application whose pages have the font of the pictures, in their charts too.

    Not by a route of the browser's: with one, Chromium keeps no file of a page for the next one.
    """

    def __init__(self, app: Any) -> None:
        """Take the application."""
        self._app = app
        faces = "".join(
            f"@font-face {{ font-family: Pictured; font-weight: {weights}; src: "
            f"url(data:font/woff2;base64,{base64.b64encode(file.read_bytes()).decode()}); }}\n"
            for weights, file in (
                ("100 500", FONT / "inter-400.woff2"),
                ("501 900", FONT / "inter-600.woff2"),
            )
        )
        rules = "html, body, code, pre, button, input, select { font-family: Pictured !important; }"
        self._before, self._after = faces.encode(), f"\n{rules}".encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, the style sheet with rules about the font around it."""
        if not scope.get("path", "").endswith("/dashboard.css"):
            await self._app(scope, receive, send)
            return
        sent: list[dict[str, Any]] = []

        async def hold(message: dict[str, Any]) -> None:  # the application calls it and waits
            sent.append(message)

        plain = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
        await self._app({**scope, "headers": plain}, receive, hold)
        body = b"".join(message.get("body", b"") for message in sent)
        body = self._before + body + self._after
        headers = [pair for pair in sent[0]["headers"] if pair[0] != b"content-length"]
        length = (b"content-length", str(len(body)).encode())
        await send({**sent[0], "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": body})


def looks_as_before(camera: Camera, client: Client, look: Look) -> None:
    """Compare a page with its picture, or take it again."""
    kept, picture = PICTURES / f"{look.name}.jpg", camera.pictured(client, look)
    if RENEWED:
        is_same = kept.exists() and camera.difference(kept.read_bytes(), picture) == 0
        if not is_same:
            kept.write_bytes(picture)
        return
    assert kept.exists(), f"{kept} is missing: run make pictures"
    found = camera.difference(kept.read_bytes(), picture)
    if isinstance(found, list) or found > MOST_DIFFERENT:
        kept.with_suffix(".now.jpg").write_bytes(picture)
    assert isinstance(found, float | int), f"{look.name} is another size: {' now '.join(found)}"
    assert found <= MOST_DIFFERENT, f"{look.name} differs in {found:.1%} of its pixels"


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_the_login_looks_as_before(camera: Camera, locked: Client, width: int) -> None:
    looks_as_before(camera, locked, Look("login", width))


@pytest.mark.slow
@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
def test_a_page_looks_as_before(camera: Camera, shop: Client, look: Look) -> None:
    looks_as_before(camera, shop, look)


@pytest.mark.slow
def test_a_column_that_moves_is_a_difference(camera: Camera, locked: Client) -> None:
    """The comparison can fail: other widths, and a page in the dark."""
    light = camera.pictured(locked, Look("login", 1024))
    assert camera.difference(light, light) == 0
    dark = camera.difference(light, camera.pictured(locked, Look("login", 1024, "dark")))
    assert isinstance(dark, float)
    assert dark > MOST_DIFFERENT
    assert camera.difference(light, camera.pictured(locked, Look("login", 390))) != 0


def test_no_picture_is_of_a_page_that_is_gone() -> None:
    names = {look.name for look in LOOKS} | {f"login-{width}" for width in WIDTHS}
    assert {path.stem for path in PICTURES.glob("*.jpg")} <= names
