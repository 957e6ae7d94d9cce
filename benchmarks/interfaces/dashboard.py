"""The dashboard over two years of the sandbox shop: what the server takes for each page,
and when a browser paints it.

Cold is a page's first request of a fresh server, warm its next one, filtered the first one for
other days. A browser (headless Chromium) opens each page with an empty cache, and then by a link of
the navigation, as people change pages.
"""

import argparse
import os
import sys
import threading
import time
from operator import attrgetter
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.measuring import Result, report, run_platform, run_process, say, scratch
from ecom_assets.core.settings.settings import load_settings
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets.interfaces.dashboard.page import Filters, all_pages

UNTIL, DAYS = "2026-11-20", 730
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
]
FIRST_PAINT_S, PAGE_CHANGE_S, SERVED_CPU_S, CODE_LOCATION_S = 0.7, 0.5, 0.7, 4.0
SERVED, FIRST_PAINT, PAGE_CHANGE = (
    "a page of the dashboard over two years, once warm",
    "its first paint in headless Chromium",
    "its paint after a click in the navigation",
)
FILTERED = "time_range=year"
LOADS_DEFINITIONS = (
    "import ecom_assets.definitions as d; d.defs().get_repository_def().load_all_definitions()"
)
PAINTED = """() => new Promise(answer => {
  let largest = 0;
  new PerformanceObserver(list => { for (const one of list.getEntries()) largest = one.startTime; })
    .observe({ type: 'largest-contentful-paint', buffered: true });
  const [page] = performance.getEntriesByType('navigation');
  const [paint] = performance.getEntriesByName('first-contentful-paint');
  const files = performance.getEntriesByType('resource');
  setTimeout(() => answer({
    paint_s: (paint ? paint.startTime : page.domInteractive) / 1000, largest_s: largest / 1000,
    loaded_s: page.loadEventEnd / 1000,
    kb: [page, ...files].reduce((sum, one) => sum + one.transferSize, 0) / 1024,
  }), 100);
})"""
"""When the open page was painted, in seconds since its navigation began,
and how many KB came over the wire.
"""


def serve() -> str:
    """Serve the dashboard in a thread of this process, and return its address."""
    app = build_dashboard_app(load_settings())
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"


def pages() -> list[tuple[str, str, bool]]:
    """Return the name and the path of each listed page, and whether its address takes days."""
    listed = [page for page in all_pages() if page.is_listed]
    return [
        (page.path or "overview", page.address, issubclass(page.asks, Filters)) for page in listed
    ]


def requested(address: str) -> dict[str, float]:
    """Return what a request took: seconds, CPU seconds of this process, which serves it,
    and KB as compressed.
    """
    begun, cpu = time.perf_counter(), time.process_time()
    with httpx.stream("GET", address, headers={"accept-encoding": "gzip"}, timeout=120) as answer:
        size = sum(len(chunk) for chunk in answer.iter_raw())
    return {"s": time.perf_counter() - begun, "cpu_s": time.process_time() - cpu, "kb": size / 1024}


def of_server(server: str) -> list[Result]:
    """Ask for each page: for the first time, again, and for another range of days."""
    results = []
    for name, path, has_days in pages():
        cold = requested(server + path)
        warm = [requested(server + path) for _ in range(3)]
        about: dict[str, object] = {
            "cold_s": cold["s"],
            "cold_cpu_s": cold["cpu_s"],
            "kb": warm[0]["kb"],
        }
        if has_days:
            other = requested(f"{server}{path}?{FILTERED}")
            about |= {
                "filtered_s": other["s"],
                "filtered_cpu_s": other["cpu_s"],
                "filtered_kb": other["kb"],
            }
        about |= {"wall_s": median(row["s"] for row in warm)}
        rounded = {
            key: round(value, 3) if isinstance(value, float) else value
            for key, value in about.items()
        }
        cpu_s = median(row["cpu_s"] for row in warm)
        results.append(Result(f"{SERVED}, {name}", cpu_s, "CPU s", about=rounded))
    return results


def of_browser(browser: Browser, server: str) -> list[Result]:
    """Open each page with an empty cache, and by a link."""
    results = []
    for name, path, _ in pages():
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.goto(server + path)
        first = painted(page)
        page.goto(server + ("/dashboard/products" if path == "/dashboard/" else "/dashboard/"))
        page.wait_for_load_state("networkidle")
        page.locator(f'nav a[href^="{path}"]').first.click()
        page.wait_for_url(f"{server}{path}*")
        page.wait_for_load_state("networkidle")
        changed = painted(page)
        context.close()
        results += [
            Result(f"{FIRST_PAINT}, {name}", first["paint_s"], "s", about=rounded_of(first)),
            Result(f"{PAGE_CHANGE}, {name}", changed["paint_s"], "s", about=rounded_of(changed)),
        ]
    return results


def slowest(name: str, results: list[Result], target: float) -> Result:
    """Return the slowest of the figures of this name, which is what has a target."""
    worst = max(
        (result for result in results if result.name.startswith(f"{name}, ")),
        key=attrgetter("value"),
    )
    about: dict[str, object] = {"page": worst.name.removeprefix(f"{name}, ")}
    return Result(f"{name}, the slowest page", worst.value, worst.unit, target, about=about)


def painted(page: Page) -> dict[str, float]:
    """Return when the open page was painted."""
    page.wait_for_load_state("networkidle")
    result: dict[str, float] = page.evaluate(PAINTED)
    return result


def rounded_of(times: dict[str, float]) -> dict[str, Any]:
    """Return times for a result."""
    return {name: round(value, 3) for name, value in times.items() if name != "paint_s"}


def code_location() -> Result:
    """Load Dagster's definitions in a fresh process."""
    spent = run_process(
        [sys.executable, "-c", LOADS_DEFINITIONS], {"ECOM_HOME": os.environ["ECOM_HOME"]}
    )
    return Result(
        "dashboard: code location",
        spent.wall_s,
        "s",
        CODE_LOCATION_S,
        about={"cpu_s": round(spent.cpu_s, 2)},
    )


def fill(home: Path, days: int) -> None:
    """Run the platform over so many days."""
    spent, summary = run_platform(
        ECOM_HOME=str(home), ECOM_SANDBOX_UNTIL=UNTIL, ECOM_SANDBOX_DAYS=str(days)
    )
    about = {"cpu_s": round(spent.cpu_s, 1), "events": summary["tables"]["raw.events"]}
    report(
        Result(
            f"dashboard: ecom run over {days} days before the last", spent.wall_s, "s", about=about
        )
    )


def main() -> None:
    """Fill a warehouse, unless one is given, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--home", type=Path, help="a folder with a run, instead of a new one")
    arguments = parser.parse_args()
    with scratch() as folder:
        home = arguments.home or folder / "home"
        if arguments.home is None:
            fill(home, arguments.days)
        os.environ |= {"ECOM_HOME": str(home), "ECOM_SANDBOX_UNTIL": UNTIL}
        code_location()  # so that every module is compiled
        report(code_location())
        server = serve()
        answered = of_server(server)
        report(*answered, slowest(SERVED, answered, SERVED_CPU_S))
        say("the pages have been asked for; now in a browser")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            shown = of_browser(browser, server)
            report(
                *shown,
                slowest(FIRST_PAINT, shown, FIRST_PAINT_S),
                slowest(PAGE_CHANGE, shown, PAGE_CHANGE_S),
            )
            browser.close()


if __name__ == "__main__":
    main()
