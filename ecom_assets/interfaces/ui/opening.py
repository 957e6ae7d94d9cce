"""Opens the dashboard in a browser once it answers: `python -m ecom_assets.interfaces.ui.opening
ADDRESS`.
"""

import sys
import time
import webbrowser
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from ecom_assets.core.http.retry import ResponseBounds, bounded_session

WAITS_S: Final = 60.0
AGAIN_S: Final = 0.5
PAGE: Final = ResponseBounds(WAITS_S, most_mb=20.0)


def has_display(environment: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Return whether a browser can show a page here: not in a shell on another machine, and on
    Linux only within a desktop.
    """
    if "SSH_CONNECTION" in environment or "CI" in environment:
        return False
    return platform in {"darwin", "win32"} or bool(
        environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")
    )


def open_once_there(address: str) -> None:
    """Open an address of this machine once it answers; give up after a minute."""
    until = time.monotonic() + WAITS_S
    while time.monotonic() < until:
        with suppress(OSError), bounded_session(PAGE) as session:
            if session.get(address, timeout=WAITS_S).ok:
                webbrowser.open(address)
                return
        time.sleep(AGAIN_S)


if __name__ == "__main__":
    open_once_there(sys.argv[1])
