"""What others notice of one caller who asks the most expensive questions that
there are, over and over.

A server over a small shop is asked for the dashboard's first page, again and again: alone, and
while one caller keeps 60 questions at once, each a funnel with conditions on patterns. Somebody
else asks a cheap question meanwhile.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import Queue
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit

from benchmarks.measuring import ECOM, Result, report, run_platform, say, scratch

UNTIL, DAYS = "2026-11-20", 9
AT_ONCE, P99_S = 60, 0.5
PAGE, QUESTION = "/dashboard/", "/analytics/funnel"
KEYS = {"attacker": "a-key-of-the-attacker-0001", "others": "a-key-of-all-the-others-01"}
GROUP = "the dashboard's p99 while one caller keeps 60 questions"
ATTACKS = {
    "a huge pattern": ["a{0,1000}" * 50],
    "many allowed patterns": [f"(?:[a-z]?[a-z/:.]?){{{count}}}9z" for count in range(90, 130)],
}
"""What each step of the questions looks for: the first is refused where patterns
have a limit on their size.
"""
Answers = list[tuple[int, float]]
SPAWN = multiprocessing.get_context("spawn")


def body_of(patterns: list[str]) -> bytes:
    """Return a question whose steps each look for any of some patterns."""
    where = [
        {
            "any_of": [
                {"column": "page_url", "operator": "matches", "value": pattern}
                for pattern in patterns
            ]
        }
    ]
    steps = [
        {"event_type": name, "where": where}
        for name in ("page_view", "product_view", "add_to_cart")
    ]
    return json.dumps({"steps": steps}).encode()


@contextmanager
def served(home: Path) -> Iterator[str]:
    """Serve a home by `ecom api`, and yield the address."""
    own = {
        "ECOM_HOME": str(home),
        "ECOM_API_PORT": "8731",
        "ECOM_SANDBOX_UNTIL": UNTIL,
        "ECOM_API_KEYS": ",".join(f"read:{key}" for key in KEYS.values()),
        "ECOM_RATE_LIMIT_KEY": "none",
        "ECOM_RATE_LIMIT_ADDRESS": "none",
    }
    with subprocess.Popen(
        [ECOM, "api"], env=os.environ | own, stderr=subprocess.DEVNULL
    ) as process:
        try:
            address = "127.0.0.1:8731"
            wait_for(lambda: field(address, "GET", PAGE, KEYS["others"])[0] == http.HTTPStatus.OK)
            yield address
        finally:
            process.terminate()


def wait_for(is_so: Callable[[], bool]) -> None:
    """Wait up to two minutes."""
    deadline = time.monotonic() + 120
    while not is_so():
        if time.monotonic() > deadline:
            sys.exit("the server did not answer")
        time.sleep(0.2)


def field(
    address: str, method: str, path: str, key: str, body: bytes | None = None
) -> tuple[int, float]:
    """Return the status and the seconds of a request; 0 if there was no answer."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    begun = time.perf_counter()
    connection = http.client.HTTPConnection(urlsplit(f"//{address}").netloc, timeout=120)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        response.read()
        return response.status, time.perf_counter() - begun
    except OSError:
        return 0, time.perf_counter() - begun
    finally:
        connection.close()


def repeated(ask: Callable[[], tuple[int, float]], until: float, pause_s: float = 0.0) -> Answers:
    """Ask until a time, one after the other."""
    answers = []
    while time.monotonic() < until:
        answers.append(ask())
        time.sleep(pause_s)
    return answers


def attack(address: str, body: bytes, seconds: float, answers: "Queue[Answers]") -> None:
    """Keep 60 questions at once: the whole of a process of its own,
    so that it does not slow the measuring one down.
    """
    os.nice(10)
    until = time.monotonic() + seconds
    ask = lambda: field(address, "POST", QUESTION, KEYS["attacker"], body)  # noqa: E731 (used below only)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        parts = [threads.submit(repeated, ask, until, 0.05) for _ in range(AT_ONCE)]
    answers.put([answer for part in parts for answer in part.result()])


def measured(address: str, seconds: float) -> tuple[Answers, Answers]:
    """Return the answers of the dashboard, and of a cheap question of somebody else beside it."""
    until = time.monotonic() + seconds
    cheap = json.dumps({"steps": ["page_view", "purchase"]}).encode()
    questions: Answers = []
    ask = lambda: field(address, "POST", QUESTION, KEYS["others"], cheap)  # noqa: E731 (used below only)
    beside = threading.Thread(target=lambda: questions.extend(repeated(ask, until, 0.5)))
    beside.start()
    pages = repeated(lambda: field(address, "GET", PAGE, KEYS["others"]), until, 0.1)
    beside.join()
    return pages, questions


def results(name: str, pages: Answers, questions: Answers, refused: Answers) -> list[Result]:
    """Return the figures of one round."""
    took = [seconds for _, seconds in pages]
    about: dict[str, object] = {
        "median_s": round(median(took), 3),
        "most_s": round(max(took), 3),
        "pages": dict(Counter(status for status, _ in pages)),
        "attack": dict(Counter(status for status, _ in refused)),
        "questions": dict(Counter(status for status, _ in questions)),
    }
    p99 = quantiles(took, n=100)[98] if len(took) > 1 else took[0]
    asking = median(seconds for _, seconds in questions)
    return [
        Result(f"{GROUP}, {name}", p99, "s", P99_S, about=about, group=GROUP),
        Result(f"one caller, {name}: another's question, median", asking, "s"),
    ]


def main() -> None:
    """Fill a warehouse, unless one is given, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--home", type=Path, help="a folder with a run, instead of a new one")
    arguments = parser.parse_args()
    with scratch() as folder:
        home = arguments.home or folder / "home"
        if arguments.home is None:
            run_platform(ECOM_HOME=str(home), ECOM_SANDBOX_UNTIL=UNTIL, ECOM_SANDBOX_DAYS=str(DAYS))
        with served(home) as address:
            say("the server answers")
            measured(address, 3)
            report(*results("alone", *measured(address, arguments.seconds), []))
            for name, patterns in ATTACKS.items():
                answers: Queue[Answers] = SPAWN.Queue()
                attacker = SPAWN.Process(
                    target=attack, args=(address, body_of(patterns), arguments.seconds + 3, answers)
                )
                attacker.start()
                time.sleep(2)
                pages, questions = measured(address, arguments.seconds)
                report(*results(name, pages, questions, answers.get()))
                attacker.join()


if __name__ == "__main__":
    main()
