"""Whether `ecom ui` opens a browser, and how it waits for the page."""

import threading
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ecom_assets.interfaces.ui import opening
from ecom_assets_tests.each import each


@each(
    "environment, platform, expected",
    [
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "linux", False),
        ({}, "darwin", True),
        ({"SSH_CONNECTION": "10.0.0.1 22 10.0.0.2 22"}, "darwin", False),
        ({"DISPLAY": ":0", "CI": "true"}, "linux", False),
    ],
)
def test_a_browser_is_opened_where_there_is_a_display(
    environment: dict[str, str], platform: str, *, expected: bool
) -> None:
    assert opening.has_display(environment, platform) is expected


def test_the_page_is_opened_once_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        opening.open_once_there(address)
        server.shutdown()
    assert opened == [address]
    monkeypatch.setattr(opening, "WAITS_S", 0.1)
    opening.open_once_there(address)
    assert opened == [address], "nothing answers any more"
