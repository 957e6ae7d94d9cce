"""Printing the page to a PDF, with a Chromium or Chrome that the machine has."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from ecom_assets.errors import WorkError

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TIMEOUT_S: Final = 60.0
OPTIONS: Final = (
    "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-extensions", "--no-pdf-header-footer",
)  # fmt: skip


def print_pdf(page: str) -> bytes:
    """Return an HTML page as a PDF.

    Raises:
        WorkError: There is no browser, or it did not print.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise WorkError("A PDF needs Chromium or Chrome, which was not found; install it, or name a .html file.")
    with tempfile.TemporaryDirectory(prefix="ecom-report-") as folder:
        source, printed = Path(folder) / "report.html", Path(folder) / "report.pdf"
        source.write_text(page, encoding="utf-8")
        output = _run([browser, *OPTIONS, *_as_root(), f"--user-data-dir={folder}/profile",
                     f"--print-to-pdf={printed}", source.as_uri()])  # fmt: skip
        if not printed.exists():
            raise WorkError(f"{browser} printed no PDF ({output or 'it said nothing'}); name a .html file instead.")
        return printed.read_bytes()


def _as_root() -> list[str]:
    """Return the option without which Chromium does not run as root; the page is our own, and has no script."""
    return ["--no-sandbox"] if os.geteuid() == 0 else []


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)  # noqa: S603 (a browser of this machine, with options of this file)
    except (OSError, subprocess.TimeoutExpired) as error:
        return type(error).__name__
    return (done.stderr.strip().splitlines() or [""])[-1]
