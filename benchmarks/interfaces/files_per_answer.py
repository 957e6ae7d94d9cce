"""How many files of the package an answer runs through: those with a function that is called,
not only imported.

A file of four rows through `ecom funnel`, and one request of `/analytics/sales`, not answered
before.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

from benchmarks.measuring import Result, report, say, script

MOST_OF_A_FUNNEL, MOST_OF_SALES = 35, 15
ROWS = """\
event_id,user_id,event_type,event_timestamp,product_id,product_category,session_id,page_url,referrer_url,cart_value
1,ann,page_view,2026-01-01T10:00:00Z,,,s1,/,,
2,ann,purchase,2026-01-01T10:01:00Z,lamp,light,s1,/,,10
3,bob,page_view,2026-01-01T10:00:00Z,,,s2,/,,
4,cy,page_view,2026-01-02T10:00:00Z,,,s3,/,,
"""


class Called:
    """The files of the package with functions that are called while none of its
    modules is being imported.
    """

    def __init__(self, package: Path) -> None:
        """Count nothing until `counting`."""
        self.files: set[str] = set()
        self._package = f"{package}/"
        self._is_on = False
        self._thread = threading.local()

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count in this thread, and in those that began after this object was registered
        with `sys` and `threading`.
        """
        self._is_on = True
        try:
            yield
        finally:
            self._is_on = False

    def __call__(self, frame: FrameType, event: str, _value: object) -> None:
        """Take what Python reports of each call."""
        if event not in {"call", "return"}:
            return
        code = frame.f_code
        if code.co_name == "<module>":
            change = 1 if event == "call" else -1
            self._thread.depth = getattr(self._thread, "depth", 0) + change
        elif (
            self._is_on
            and not getattr(self._thread, "depth", 0)
            and code.co_filename.startswith(self._package)
        ):
            self.files.add(code.co_filename.removeprefix(self._package))


def started(package: Path) -> Called:
    """Begin to watch calls in this thread, and in those that begin later."""
    result = Called(package)
    threading.setprofile(result)
    sys.setprofile(result)
    return result


def funnel(package: Path, folder: Path) -> set[str]:
    """The files of `ecom funnel` over four rows."""
    events = folder / "events.csv"
    events.write_text(ROWS)
    from ecom_assets.cli import command  # noqa: PLC0415 (only the process that is watched)

    sys.argv = [
        "ecom",
        "funnel",
        "--events",
        str(events),
        "--steps",
        "page_view,purchase",
        "--json",
    ]
    called = started(package)
    with called.counting(), suppress(SystemExit):
        command()
    return called.files


def sales(package: Path, folder: Path) -> set[str]:
    """The files of one request of `/analytics/sales` over the small shop of the tests."""
    from starlette.testclient import TestClient  # noqa: PLC0415 (only the process that is watched)

    from ecom_assets.interfaces.api.app import build_app  # noqa: PLC0415 (as above)
    from ecom_assets_tests.interfaces.api.conftest import published_shop  # noqa: PLC0415 (as above)

    settings = published_shop(folder / "shop")
    called = started(package)
    with TestClient(build_app(settings)) as client:
        client.get("/analytics/products")  # opens the store
        with called.counting():
            answer = client.get("/analytics/sales")
    answer.raise_for_status()
    return called.files


ANSWERS: dict[str, Any] = {"funnel": funnel, "sales": sales}


def files_of(name: str, folder: Path) -> list[str]:
    """The files of an answer, computed in a process of its own."""
    run = [*script("interfaces.files_per_answer"), "--answer", name, "--folder", str(folder)]
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }  # the tests' small shop is imported
    done = subprocess.run(run, capture_output=True, text=True, check=True, env=environment)
    files: list[str] = json.loads(done.stdout.splitlines()[-1])
    return files


def main() -> None:
    """Parse the command line and count."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--answer", choices=ANSWERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.answer:
        import ecom_assets  # noqa: PLC0415 (only the process that is watched)

        files = ANSWERS[arguments.answer](Path(ecom_assets.__file__).parent, arguments.folder)
        sys.setprofile(None)
        print(f"\n{json.dumps(sorted(files))}")
        return
    for name, most in (("funnel", MOST_OF_A_FUNNEL), ("sales", MOST_OF_SALES)):
        with TemporaryDirectory() as folder:
            files = files_of(name, Path(folder))
        say(f"{name}: {', '.join(files)}")
        report(Result(f"files, {name}", len(files), "files", most))


if __name__ == "__main__":
    main()
