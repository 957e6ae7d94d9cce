"""Where people reach Dagster's UI, for links in e-mails and answers."""

import socket
from urllib.parse import urlsplit

from ecom_assets.settings.settings import Settings

DEFAULT = "http://127.0.0.1:3000"
REMEMBERED = "ui_address"
"""The file in `ECOM_HOME` that says where `ecom ui` was started last."""
EVERYWHERE = {"0.0.0.0", "::", ""}  # noqa: S104 (compared with, not listened on)


def dagster_address(settings: Settings) -> str:
    """Return the address that is set, else the one at which `ecom ui` was started last, else its default."""
    return settings.dagster_url or _remembered(settings) or DEFAULT


def remember_address(settings: Settings, host: str, port: int) -> str:
    """Note where the UI comes up, for runs and daemons that begin elsewhere; return the address."""
    name = socket.gethostname() if host in EVERYWHERE else host
    address = f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
    settings.home.mkdir(parents=True, exist_ok=True)
    (settings.home / REMEMBERED).write_text(f"{address}\n", encoding="utf-8")
    return address


def _remembered(settings: Settings) -> str:
    try:
        address = (settings.home / REMEMBERED).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return address if urlsplit(address).scheme == "http" else ""
