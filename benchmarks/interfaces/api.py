"""Answers of the API that no cache has, over two years of daily facts and fifty
thousand products, on loopback.

Each path is asked about ranges that nobody asked about before, so that nothing is known beforehand:
a day, a week, 30, 90 and 365 days, moved by a day each time. The target is for the median over all
of these requests. Then a custom funnel over ten million events.
"""

import argparse
import http.client
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

from benchmarks.interfaces import api_shop
from benchmarks.measuring import Result, report, say, scratch, script

MEDIAN_MS, FUNNEL_S = 30.0, 1.0
LAST_DAY = date(2025, 12, 30)
PATHS = (
    "/analytics/sales?",
    "/analytics/customers?",
    "/analytics/conversion?",
    "/analytics/conversion?by=device&",
    "/analytics/products/top?",
    "/analytics/products/top?sort_by=conversion&limit=100&",
    "/analytics/products/p77?",
    "/analytics/categories?",
    "/analytics/revenue/trend?",
    "/analytics/revenue/by-channel?",
    "/analytics/geographic?level=city&",
    "/analytics/inventory/alerts?",
    "/analytics/customers/segments?",
)
LENGTHS = (1, 7, 30, 90, 365)
FUNNEL = {
    "steps": ["page_view", "product_view", "add_to_cart", "checkout_start", "purchase"],
    "within": "7d",
}


def serve(home: Path) -> None:
    """Serve the API without anything in front of it, and print the port."""
    import socket  # noqa: PLC0415 (the server's process alone needs these)

    import uvicorn  # noqa: PLC0415 (as above)

    from ecom_assets.core.settings.settings import Settings  # noqa: PLC0415 (as above)
    from ecom_assets.interfaces.api.app import build_app  # noqa: PLC0415 (as above)

    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(
        build_app(Settings(home=home)), access_log=False, log_config=None, timeout_keep_alive=600
    )
    uvicorn.Server(config).run(sockets=[listening])


@contextmanager
def served(home: Path) -> Iterator[http.client.HTTPConnection]:
    """A kept connection to a server in a process of its own."""
    command = [*script("interfaces.api"), "--serve", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        port = int(process.stdout.readline()) if process.stdout else 0
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        try:
            yield connection
        finally:
            connection.close()
            process.terminate()


def ask(connection: http.client.HTTPConnection, path: str, body: object = None) -> float:
    """Ask once; return the seconds it took."""
    return answered(connection, path, body)[0]


def answered(
    connection: http.client.HTTPConnection, path: str, body: object = None
) -> tuple[float, bytes]:
    """Ask once; return the seconds it took, and the answer."""
    began = time.perf_counter()
    content = None if body is None else json.dumps(body)
    headers = {"Content-Type": "application/json"} if content else {}
    connection.request("POST" if content else "GET", path, content, headers)
    result = connection.getresponse()
    answer = result.read()
    if result.status != 200:
        sys.exit(f"{path} was answered {result.status}: {answer[:500]!r}")
    return time.perf_counter() - began, answer


def questions(rounds: int) -> Iterator[str]:
    """Every path with every length, moved by a day in each round; in no particular order."""
    values = []
    for moved in range(rounds):
        for length in LENGTHS:
            end = LAST_DAY - timedelta(days=moved)
            days = f"start_date={end - timedelta(days=length - 1)}&end_date={end}"
            has_days = (
                path for path in PATHS if "inventory" not in path and "segments" not in path
            )
            values += [path + days for path in has_days]
        values += [
            f"{path}explain={moved % 2 == 1}"
            for path in PATHS
            if "inventory" in path or "segments" in path
        ]
    random.Random(7).shuffle(values)  # noqa: S311 (an order, no secret)
    yield from values


def measure(home: Path, rounds: int) -> None:
    """Ask, and report what it took."""
    with served(home) as connection:
        ask(connection, "/")
        for path in PATHS:
            ask(connection, path)
        took: dict[str, list[float]] = {}
        for path in questions(rounds):
            took.setdefault(path.partition("?")[0], []).append(ask(connection, path) * 1000)
        for name, times in sorted(took.items()):
            report(
                Result(
                    f"uncached {name}, median",
                    statistics.median(times),
                    "ms",
                    about={"requests": len(times)},
                )
            )
        times = [time_ms for path_times in took.values() for time_ms in path_times]
        about: dict[str, object] = {
            "requests": len(times),
            "p95_ms": round(statistics.quantiles(times, n=20)[-1], 1),
        }
        report(
            Result(
                "uncached answers of the API, median",
                statistics.median(times),
                "ms",
                MEDIAN_MS,
                about=about,
            )
        )
        funnels = [ask(connection, "/analytics/funnel", FUNNEL) for _ in range(3)]
        events: dict[str, object] = {"events": api_shop.event_count(home)}
        report(
            Result(
                "custom funnel by the API", statistics.median(funnels), "s", FUNNEL_S, about=events
            )
        )


def main() -> None:
    """Publish a shop, serve it, ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=["full", "quick"], default="full")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return
    with scratch() as home:
        say("publishing two years")
        api_shop.publish(home, api_shop.FULL if arguments.size == "full" else api_shop.QUICK)
        measure(home, arguments.rounds)


if __name__ == "__main__":
    main()
