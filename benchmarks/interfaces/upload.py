"""A large file that somebody sends by the browser: how long it takes, the API's memory meanwhile,
and how long other pages take beside it.

The file has lines of orders in Shopify's layout. It is sent as a browser does, with the token of
the page, in one request; then the page is asked what the file is, until it says.
"""

import argparse
import http.client
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.interfaces.one_caller import wait_for
from benchmarks.measuring import ECOM, Result, report, say, scratch

ROWS = 3_000_000
MOST_MB, MOST_PAGE_S = 400, 1.0
HEADER = (
    "Name,Email,Financial Status,Paid at,Fulfillment Status,Currency,Subtotal,Shipping,Taxes,Total,"
    "Discount Code,Discount Amount,Created at,Lineitem quantity,Lineitem name,Lineitem price,"
    "Lineitem sku,Refunded Amount,Id,Cancelled at,Lineitem discount\n"
)
LINE = (
    "#{0},c{1}@shop.example,paid,2026-03-02 10:00:00 +0000,fulfilled,EUR,20,0,0,20,,0,"
    "2026-03-02 10:00:00 +0000,1,Lamp,20,L1,0,{0}9,,0\n"
)


def written(path: Path, rows: int) -> int:
    """Write the file, and return its bytes."""
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADER)
        for start in range(0, rows, 10_000):
            lines = range(start, min(start + 10_000, rows))
            file.write("".join(LINE.format(1000 + row, row % 50_000) for row in lines))
    return path.stat().st_size


class Dashboard:
    """The pages of one API, as one browser sees them."""

    def __init__(self, port: int) -> None:
        """Set where it listens."""
        self.port = port
        self.cookies = ""

    def get(self, path: str) -> tuple[int, str, float]:
        """Return the status of a page, its text, and the seconds that it took."""
        begun = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request("GET", path, headers={"Cookie": self.cookies})
            response = connection.getresponse()
            if set_now := response.headers.get_all("Set-Cookie"):
                self.cookies = "; ".join(cookie.partition(";")[0] for cookie in set_now)
            text = response.read().decode()
        except OSError:
            return 0, "", time.perf_counter() - begun
        finally:
            connection.close()
        return response.status, text, time.perf_counter() - begun

    def send(self, path: Path) -> tuple[str, float]:
        """Send a file, and return its id and the seconds that it took."""
        _, page, _ = self.get("/dashboard/mapping")
        token = re.search(r'name="token" value="([^"]*)"', page)
        headers = {
            "Cookie": self.cookies,
            "Origin": f"http://127.0.0.1:{self.port}",
            "X-Form-Token": token[1] if token else "",
            "X-File-Name": path.name,
            "Content-Length": str(path.stat().st_size),
        }
        begun = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        with path.open("rb") as file:
            connection.request("POST", "/dashboard/mapping/upload", file, headers)
            response = connection.getresponse()
            answer = response.read().decode()
        connection.close()
        if response.status != http.HTTPStatus.OK:
            sys.exit(f"The file was refused: {response.status} {answer[:200]}")
        found = re.search(r'"id": ?"([0-9a-f]+)"', answer)
        return found[1] if found else "", time.perf_counter() - begun


@contextmanager
def served(home: Path, port: int) -> Iterator[tuple[int, Dashboard]]:
    """Serve an empty home by `ecom api`; yield its process and its pages."""
    own = {"ECOM_HOME": str(home), "ECOM_API_PORT": str(port), "ECOM_RATE_LIMIT_ADDRESS": "none"}
    own |= {"ECOM_RATE_LIMIT_KEY": "none"}
    with subprocess.Popen(
        [ECOM, "api"], env=os.environ | own, stderr=subprocess.DEVNULL
    ) as process:
        pages = Dashboard(port)
        try:
            wait_for(lambda: pages.get("/dashboard/mapping")[0] == http.HTTPStatus.OK)
            yield process.pid, pages
        finally:
            process.terminate()


def peak_mb(pid: int) -> float:
    """Return the most memory that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    """Write the file, send it, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    arguments = parser.parse_args()
    with scratch() as folder:
        file = folder / "orders.csv"
        size = written(file, arguments.rows)
        say(f"{size / 1e6:,.0f} MB are written")
        with served(folder / "home", 8732) as (pid, pages):
            took: list[float] = []
            is_over = threading.Event()

            def look_around() -> None:
                beside = Dashboard(pages.port)
                while not is_over.wait(0.05):
                    took.append(beside.get("/dashboard/mapping")[2])

            thread = threading.Thread(target=look_around, daemon=True)
            thread.start()
            upload, sent_s = pages.send(file)
            begun = time.perf_counter()
            address = f"/dashboard/mapping-files?files={upload}"
            wait_for(lambda: "look-form" in pages.get(address)[1])
            looked_s = time.perf_counter() - begun
            is_over.set()
            thread.join()
            of_file = f"a file of {arguments.rows:,} rows by the browser"
            about: dict[str, object] = {"mb": round(size / 1e6)}
            report(
                Result(f"{of_file}: sent", sent_s, "s", about=about),
                Result(f"{of_file}: looked at", looked_s, "s", about=about),
                Result(
                    f"{of_file}: the API's peak memory", peak_mb(pid), "MB", MOST_MB, about=about
                ),
                Result(
                    f"{of_file}: the slowest page beside it",
                    max(took),
                    "s",
                    MOST_PAGE_S,
                    about=about,
                ),
            )


if __name__ == "__main__":
    main()
