"""Customers from a paginated API that takes 50 ms to answer: 16 pages at a
time against one at a time.

The API is the sandbox's stand-in in a process of its own. One at a time is measured on fewer pages
and scaled up, each page costs the same; a fetch reads every page twice, to see that nothing
shifted. Both must bring the same customers before any time counts.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measuring import Result, report, say, script
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.customer_api.api import CustomerFetch, fetch_customers
from ecom_sandbox.services.pages import CustomerService
from ecom_sandbox.services.service import Faults

LATENCY_S, WORKERS, PAGE_SIZE = 0.05, 16, 10
TARGET = 12.0


def customers(count: int) -> list[dict[str, Any]]:
    """Customers that differ."""
    return [
        {
            "id": n,
            "email": f"{n}@example.com",
            "first_name": f"N{n}",
            "updated_at": "2026-01-01T00:00:00Z",
        }
        for n in range(1, count + 1)
    ]


def serve(pages: int) -> None:
    """Serve so many pages, print the address, and end when nobody listens any longer."""
    with CustomerService(
        customers(pages * PAGE_SIZE), faults=Faults(latency_s=LATENCY_S)
    ) as service:
        print(service.api_url, flush=True)
        sys.stdin.read()


@contextmanager
def serving(pages: int) -> Iterator[str]:
    """The address of a service in a process of its own."""
    command = [*script("interfaces.paging"), "--serve", "--pages", str(pages)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process.stdout.readline().strip() if process.stdout else ""
        process.communicate()


def fetch(url: str, workers: int) -> tuple[CustomerFetch, float, float]:
    """A first fetch, nothing kept on disk from before: what came, wall seconds,
    CPU seconds of this process.
    """
    with TemporaryDirectory() as home:
        settings = Settings(
            home=Path(home),
            customer_api_url=url,
            customer_api_key=CustomerService.key,
            customer_api_page_size=PAGE_SIZE,
            source_concurrency=workers,
        )
        begun, cpu = time.perf_counter(), time.process_time()
        fetched = fetch_customers(settings)
        return fetched, time.perf_counter() - begun, time.process_time() - cpu


def measure(pages: int, sample: int) -> None:
    """Compare on the sample, then time the whole with many workers."""
    with serving(sample) as url:
        one_by_one, slow_s, _ = fetch(url, 1)
        at_once, _, _ = fetch(url, WORKERS)
        if (
            one_by_one.customers != at_once.customers
            or len(at_once.customers) != sample * PAGE_SIZE
        ):
            sys.exit("one at a time and many at a time do not bring the same customers")
    say(f"{sample} pages one at a time: {slow_s:.2f} s")
    with serving(pages) as url:
        fetched, wall_s, cpu_s = fetch(url, WORKERS)
        if [customer.id for customer in fetched.customers] != [*range(1, pages * PAGE_SIZE + 1)]:
            sys.exit(
                f"{len(fetched.customers)} customers came of {pages * PAGE_SIZE}, or not in the "
                "order of pages"
            )
    say(f"{pages} pages, {WORKERS} at a time: {wall_s:.2f} s")
    about: dict[str, object] = {
        "wall_s": round(wall_s, 3),
        "cpu_s": round(cpu_s, 3),
        "one_by_one_s": round(slow_s * pages / sample, 2),
        "sampled_pages": sample,
        "requests": fetched.costs.request_count,
    }
    name = f"paging: {pages:,} pages of 50 ms, {WORKERS} at a time / one at a time"
    report(Result(name, slow_s * pages / sample / wall_s, "x", TARGET, at_most=False, about=about))


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pages", type=int, default=2_000)
    parser.add_argument(
        "--sample", type=int, default=100, help="pages that are fetched one at a time"
    )
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.pages)
    else:
        measure(arguments.pages, arguments.sample)


if __name__ == "__main__":
    main()
