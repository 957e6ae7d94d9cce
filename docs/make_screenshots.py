"""Write the pictures of docs/dashboard.md: pages of the dashboard over the simulated shop,
whose days are pinned.

Run by `make screenshots`. It runs the whole platform, which takes a minute or more; a folder with a
run may be given.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import uvicorn
from playwright.sync_api import sync_playwright

UNTIL = "2026-11-20"
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
]
FUNNEL = (
    "step1=product_view&step2=add_to_cart&step3=purchase&last=30d&compare=before&by=properties.device&over=week"
    "&where_step1=product_category+%3D+Shoes"
)
PICTURES = {
    "last-week": ("last-week", "body", 780),
    "your-data": ("mapping", "body", 620),
    "board": ("board?board=shop", "body", 780),
    "sales": ("sales", "section:nth-of-type(3)", 560),
    "customers": ("customers", "body", 720),
    "funnel": (f"funnel?{FUNNEL}", "body", 860),
    "retention": ("retention", "section:has(.cohorts)", 0),
    "trend": (
        "trend?series1=purchase&measure1=sum&of1=cart_amount&last=30d&compare=before",
        "section:has(.plot)",
        0,
    ),
    "journeys": ("journeys", "section:nth-of-type(1)", 0),
    "quality": ("quality", "body", 620),
    "attribution": ("attribution?time_range=quarter", "section:nth-of-type(1)", 0),
    "products": ("products", "body", 480),
    "deliveries": ("deliveries", "body", 620),
    "live": ("live", "body", 620),
}
"""The name of each picture, with the path of its page, what stands at its top, and its height; 0:
only that part.
"""
TIMES = ("event_timestamp", "received_at")
FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
BUSIEST = """
SELECT bought.came
FROM day bought JOIN day other ON other.came BETWEEN bought.came - INTERVAL 30 MINUTE
  AND bought.came
WHERE bought.event_type = 'purchase' GROUP BY ALL ORDER BY count(*) DESC, bought.came LIMIT 1
"""
IMAGES = Path(__file__).with_name("images")
MOST_BYTES = 150_000


def main() -> None:
    """Run the platform if no folder is given, and take the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        home = sys.argv[1] if len(sys.argv) > 1 else folder
        os.environ |= {"ECOM_HOME": home, "ECOM_SANDBOX_UNTIL": UNTIL}
        if home == folder:
            program = "from ecom_assets.cli import main; main()"
            subprocess.run([sys.executable, "-c", program, "run"], check=True)  # noqa: S603 (our own)
        with newest_events(Path(home) / "sandbox" / "events"):
            take(serve())


@contextmanager
def newest_events(landing: Path) -> Iterator[None]:
    """Land the busiest half hour of the shop's last day that ends in a purchase as
    events of the last half hour.
    """
    con = duckdb.connect()
    day = con.read_parquet(f"{landing}/received_date={UNTIL}/*.parquet", hive_partitioning=False)
    day.select("*, received_at::TIMESTAMP AS came").create_view("day")
    ((busiest,),) = con.execute(BUSIEST).fetchall()
    now = datetime.now(UTC).replace(tzinfo=None)
    shift = f"to_microseconds({round((now - busiest).total_seconds() * 1_000_000)})"
    at = ", ".join(f"strftime({name}::TIMESTAMP + {shift}, '{FORMAT}') AS {name}" for name in TIMES)
    rows = con.table("day").filter(
        f"came BETWEEN TIMESTAMP '{busiest}' - INTERVAL 30 MINUTE AND TIMESTAMP '{busiest}'"
    )
    path = landing / f"received_date={now:%Y-%m-%d}" / "now.parquet"
    path.parent.mkdir(exist_ok=True)
    rows.select(
        f"* EXCLUDE (came) REPLACE (concat('now-', event_id) AS event_id, {at})"
    ).write_parquet(str(path))
    try:
        yield
    finally:
        path.unlink()  # a folder that is given is not to have them in its next run
        path.parent.rmdir()


def serve() -> str:
    """Serve the dashboard in a thread of this process, and return its address."""
    from ecom_assets.core.settings.settings import load_settings  # noqa: PLC0415 (as above)
    from ecom_assets.interfaces.dashboard.app import build_dashboard_app  # noqa: PLC0415 (it reads the environment)

    app = build_dashboard_app(load_settings())
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/dashboard/"


def take(address: str) -> None:
    """Take each picture."""
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for name, (path, top, height) in PICTURES.items():
            page = browser.new_page(viewport={"width": 1280, "height": height or 900})
            page.goto(address + path)
            page.locator(top).first.evaluate("node => node.scrollIntoView()")
            page.wait_for_load_state("networkidle")
            page.wait_for_timeout(1_000)  # charts are drawn when the data of the map are there
            picture = IMAGES / f"dashboard-{name}.png"
            picture.write_bytes(
                page.screenshot() if height else page.locator(top).first.screenshot()
            )
            if picture.stat().st_size > MOST_BYTES:
                raise SystemExit(f"{picture} has more than {MOST_BYTES} bytes; make it less high.")
        browser.close()


if __name__ == "__main__":
    main()
