"""Questions by the API over ten million events and two million order lines, which no cache answers.

Each is asked once of a new server, of which something else was asked before; numbers are those of
hand-written SQL, or the benchmark ends. Then eight callers ask at once, and one caller asks for
more than one may, and asks again when the server says so.
"""

import argparse
import http.client
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final
from unittest import mock

import duckdb

from benchmarks.commerce import custom_sales
from benchmarks.interfaces.api import answered, ask, served
from benchmarks.measuring import Result, report, say, scratch
from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.sessions.contracts import EngagementDaily, Sessions
from ecom_assets.commerce.attribution.contracts import Touches
from ecom_assets.core.tables.contract import Column, Table
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.ingestion.sources.site_lists import VERSION
from ecom_assets.outputs.serving.assets import IN_SNAPSHOT
from ecom_assets.outputs.serving.snapshot import publish_snapshot

FIRST_DAY: Final = "DATE '2025-01-01'"
EVENTS_A_SESSION: Final = 10
DAYS, TOUCHED_BY = 90, ("Direct", "Organic Search", "Paid Search", "Email", "Referral", "Display")
QUESTION_S, SALES_S, P95_S, WAIT_S = 1.0, 2.0, 6.0, 30.0
GROUP: Final = "a question by the API over 10 million events, first time"
STEPS: Final = ("page_view", "product_view", "add_to_cart", "checkout_start", "purchase")
FUNNEL: Final = {"steps": list(STEPS), "within": "7d"}
Answer = dict[str, Any]


def _columns(line: str) -> dict[str, str]:
    """Return what is the same of an event, of its session, and of where that came from."""
    return {
        "visitor_id": "printf('%016x', hash(visitor))",
        "session_device_id": "printf('d%015x', hash(visitor) // 16)",
        "session_id": "'s' || session",
        "started_at": line,
        "started_date": f"({line})::DATE",
    }


BEGUN: Final = (
    f"{FIRST_DAY} + INTERVAL 1 DAY * (session % {DAYS})"
    " + INTERVAL 1 SECOND * (hash(session) % 80000)::INTEGER"
)
OF_SESSION: Final = _columns(BEGUN)
AT: Final = f"{BEGUN} + INTERVAL 40 SECOND * nth"
TYPE: Final = """CASE nth
    WHEN 1 THEN 'product_view' WHEN 6 THEN 'product_view' WHEN 9 THEN 'product_view'
    WHEN 3 THEN if(luck % 3 = 0, 'add_to_cart', 'product_view')
    WHEN 4 THEN if(luck % 3 = 0, 'page_view', 'search')
    WHEN 5 THEN if(luck % 6 = 0, 'checkout_start', 'page_view')
    WHEN 7 THEN if(luck = 0, 'purchase', 'page_view')
    ELSE 'page_view' END"""


def filled(event_count: int) -> dict[type[Table], tuple[str, dict[str, str]]]:
    """Return from which rows, and with which columns, tables are filled."""
    sessions = event_count // EVENTS_A_SESSION
    visitors = sessions // 3 // DAYS * DAYS + 61  # none has two sessions on one day
    of_sessions = f"""(
        SELECT n AS session, n * 7919 % {visitors} AS visitor, hash(n) // 1000 % 12 AS luck
        FROM range({sessions}) AS r(n)
    )"""
    of_events = f"""(
        SELECT n, n // {EVENTS_A_SESSION} AS session, n % {EVENTS_A_SESSION} AS nth,
            n // {EVENTS_A_SESSION} * 7919 % {visitors} AS visitor,
            hash(n // {EVENTS_A_SESSION}) // 1000 % 12 AS luck
        FROM range({sessions * EVENTS_A_SESSION}) AS r(n)
    )"""
    channels = ", ".join(f"'{name}'" for name in TOUCHED_BY)
    channel = f"[{channels}][1 + (hash(session) // 7 % {len(TOUCHED_BY)})::INTEGER]"
    # A few pages have most views, as in a shop.
    page = "'https://shop.example.com/page-' || (60 * (hash(n) % 1000 / 1000) ** 3)::INTEGER"
    return {
        CleanEvents: (
            of_events,
            {
                **OF_SESSION,
                "event_id": "printf('%016x', n)",
                "event_at": AT,
                "event_date": f"({AT})::DATE",
                "event_type": TYPE,
                "device_id": OF_SESSION["session_device_id"],
                "source_session_id": "'s' || session",
                "product_id": "'p' || hash(n) % 5000",
                "product_category": "'category ' || hash(n) % 20",
                "page_url": page,
                "cart_amount": f"CASE WHEN {TYPE} = 'purchase' THEN 10 + hash(n) % 90 END",
                "properties": """'{"plan":"' || ['free', 'pro', 'team'][1 + visitor % 3] || '"}'""",
            },
        ),
        EngagementDaily: (
            f"range({DAYS}) AS r(n)",
            {"event_date": f"({FIRST_DAY} + INTERVAL 1 DAY * n)::DATE"},
        ),
        Sessions: (
            of_sessions,
            {
                **OF_SESSION,
                "ended_at": f"{BEGUN} + INTERVAL 360 SECOND",
                "ended_date": OF_SESSION["started_date"],
                "event_count": str(EVENTS_A_SESSION),
                "purchase_count": "(luck = 0)::INTEGER",
                "duration_s": "360",
            },
        ),
        Touches: (
            of_sessions,
            {
                **OF_SESSION,
                "channel": channel,
                "source": f"if({channel} = 'Direct', '(direct)', lower({channel}))",
                "medium": f"if({channel} = 'Direct', '(none)', 'web')",
                "source_lists_version": f"'{VERSION}'",
            },
        ),
    }


def publish(home: Path, event_count: int, line_count: int, item_count: int) -> None:
    """Fill the tables that are asked, and publish them."""
    parquet = home / "lines.parquet"
    with duckdb.connect() as con:
        lines = custom_sales.made_lines(line_count, item_count)
        con.execute(f"COPY ({lines}) TO '{parquet}' (FORMAT parquet)")
    with closing(DuckDBEngine(home / "warehouse.duckdb").open()) as engine:
        custom_sales.fill(engine, parquet)
        for contract, (rows, columns) in filled(event_count).items():
            values = (
                f'{columns.get(name, _nothing(column))} AS "{name}"'
                for name, column in contract.columns.items()
            )
            engine.execute(
                f"INSERT INTO {engine.name_of(contract)} SELECT {', '.join(values)} FROM {rows}"
            )
        publish_snapshot(engine, home / "serving", IN_SNAPSHOT, {}, "benchmark")
    parquet.unlink()


def _nothing(column: Column) -> str:
    if column.nullable:
        return "NULL"
    kinds = {"string": "'-'", "date": FIRST_DAY, "boolean": "FALSE"}
    return kinds.get(column.type, "0")


def _line(answer: Answer) -> dict[str, float]:
    return {
        f"{series.get('breakdown')} {day}": value
        for series in answer["series"]
        for day, value in zip(answer["periods"], series["values"], strict=True)
        if value
    }


def _steps(answer: Answer) -> dict[str, float]:
    return {str(step["step"]): step["count"] for step in answer["steps"]}


def _cells(answer: Answer) -> dict[str, float]:
    return {
        f"{cohort['cohort']} {n}": count
        for cohort in answer["cohorts"]
        for n, count in enumerate(cohort["returned"])
        if count
    }


def _named(*names: str) -> Callable[[Answer], dict[str, float]]:
    return lambda answer: {name: answer[name] for name in names}


@dataclass(frozen=True)
class Question:
    """A question, and hand-written SQL that returns the same numbers by their names."""

    path: str
    body: Mapping[str, Any]
    numbers: Callable[[Answer], dict[str, float]]
    sql: str
    target: float = QUESTION_S
    last_month: str = "2025-03"


def _chain(steps: tuple[str, ...]) -> str:
    """Return the visitors that reach each step within a week of the first one, from any of their
    events of it.
    """
    within = "last_at <= first_at + INTERVAL 7 DAY"
    parts = [
        f"""s1 AS (SELECT visitor_id, event_at AS first_at, event_at AS last_at FROM events
            WHERE event_type = '{steps[0]}')"""
    ]
    for n, step in enumerate(steps[1:], 2):
        parts.append(f"""s{n} AS (
            SELECT s.visitor_id, s.first_at, e.event_at AS last_at FROM s{n - 1} s ASOF JOIN
                (SELECT visitor_id, event_at FROM events WHERE event_type = '{step}') e
            ON s.visitor_id = e.visitor_id AND s.last_at <= e.event_at
            WHERE e.event_at <= s.first_at + INTERVAL 7 DAY)""")
    counts = (
        f"SELECT '{n}', count(DISTINCT visitor_id) FROM s{n} WHERE {within}"
        for n in range(1, len(steps) + 1)
    )
    return f"WITH {', '.join(parts)} {' UNION ALL '.join(counts)}"


BY_DAY: Final = "strftime(event_date, '%Y-%m-%d')"
PLAN: Final = "json_extract_string(properties, '$.plan')"
PURCHASED: Final = "FROM events WHERE event_type = 'purchase'"
IN_ANY_ORDER: Final = ("product_view", "search", "purchase")
QUESTIONS: Final[dict[str, Question]] = {
    "trend": Question(
        "/analytics/trend",
        {"series": [{"event_type": "product_view"}]},
        _line,
        f"SELECT 'None ' || {BY_DAY}, count(*) FROM events WHERE event_type = 'product_view'"
        " GROUP BY ALL",
    ),
    "trend, visitors": Question(
        "/analytics/trend",
        {"series": [{"event_type": "product_view", "measure": "visitors"}]},
        _line,
        f"SELECT 'None ' || {BY_DAY}, count(DISTINCT visitor_id) FROM events"
        " WHERE event_type = 'product_view' GROUP BY ALL",
    ),
    "trend by property": Question(
        "/analytics/trend",
        {"series": [{"event_type": "product_view"}], "by": "properties.plan"},
        _line,
        f"SELECT {PLAN} || ' ' || {BY_DAY}, count(*) FROM events"
        " WHERE event_type = 'product_view' GROUP BY ALL",
    ),
    "five steps": Question("/analytics/funnel", FUNNEL, _steps, _chain(STEPS)),
    "five steps by category": Question(
        "/analytics/funnel",
        {**FUNNEL, "by": "product_category"},
        lambda answer: {"1": answer["steps"][0]["count"], "5": answer["steps"][-1]["count"]},
        f"FROM ({_chain(STEPS)}) AS c(step, n) WHERE step IN ('1', '5')",
    ),
    "five steps by channel": Question(
        "/analytics/funnel",
        {**FUNNEL, "by": "channel"},
        lambda answer: {"1": answer["steps"][0]["count"], "5": answer["steps"][-1]["count"]},
        f"FROM ({_chain(STEPS)}) AS c(step, n) WHERE step IN ('1', '5')",
    ),
    "three steps in any order": Question(
        "/analytics/funnel",
        {"steps": list(IN_ANY_ORDER), "within": "7d", "order": "any"},
        lambda answer: {"1": answer["steps"][0]["count"]},
        f"""SELECT '1', count(DISTINCT visitor_id) FROM events
        WHERE event_type IN {IN_ANY_ORDER}""",
    ),
    "retention": Question(
        "/analytics/retention",
        {"period": "week"},
        _cells,
        """WITH active AS (
            SELECT DISTINCT visitor_id, date_trunc('week', event_date)::DATE AS week FROM events
        ), begun AS (SELECT visitor_id, min(week) AS first FROM active GROUP BY 1)
        SELECT strftime(first, '%Y-%m-%d') || ' ' || (week - first) // 7, count(*)
        FROM active JOIN begun USING (visitor_id) GROUP BY ALL""",
    ),
    "sessions": Question(
        "/analytics/sessions",
        {},
        _named("events", "visitors", "sessions"),
        """SELECT unnest(['events', 'visitors', 'sessions']),
        unnest([count(*), count(DISTINCT visitor_id), count(DISTINCT source_session_id)])
        FROM events""",
    ),
    "journeys by page": Question(
        "/analytics/journeys",
        {"by": "page", "top": 10},
        _named("sessions"),
        "SELECT 'sessions', count(DISTINCT source_session_id) FROM events",
    ),
    "journeys by event type": Question(
        "/analytics/journeys",
        {"top": 10},
        _named("sessions", "converted_sessions"),
        f"""SELECT 'sessions', count(DISTINCT source_session_id) FROM events
        UNION ALL SELECT 'converted_sessions', count(DISTINCT source_session_id) {PURCHASED}""",
    ),
    "attribution": Question(
        "/analytics/attribution",
        {"model": "time_decay"},
        _named("conversions"),
        f"SELECT 'conversions', count(*) {PURCHASED}",
    ),
    "sales by three dimensions": Question(
        custom_sales.PATH,
        custom_sales.QUESTION,
        lambda answer: {"orders": answer["total"]["numbers"]["order_count"]},
        """SELECT 'orders', count(DISTINCT order_date || ' ' || order_id) FROM sales
        WHERE status = 'shipped'""",
        SALES_S,
        "2025-12",
    ),
}
EIGHT: Final = ("trend", "five steps", "sales by three dimensions", "journeys by event type")
"""What two callers each ask at once."""
KEYS: Final = tuple(f"a-key-of-the-caller-{n:06}" for n in range(8))


def expected(home: Path, questions: Mapping[str, Question]) -> dict[str, dict[str, float]]:
    """Return the numbers of each question by hand-written SQL."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        con.execute("CREATE TEMP VIEW events AS FROM staging.events")
        con.execute("CREATE TEMP VIEW sales AS FROM mart.sales")
        return {
            name: {str(key): float(value) for key, value in con.execute(question.sql).fetchall()}
            for name, question in questions.items()
        }


def check(name: str, answer: Answer, numbers: Mapping[str, float]) -> None:
    """End with a word unless an answer has these numbers."""
    own = {key: float(value) for key, value in QUESTIONS[name].numbers(answer).items()}
    if own != numbers:
        keys = [key for key in {**own, **numbers} if own.get(key) != numbers.get(key)][:5]
        differing = {key: (own.get(key), numbers.get(key)) for key in keys}
        sys.exit(f"{name} differs from hand-written SQL: {differing}")


def cpu_s_of(group: int) -> float:
    """Return the CPU seconds of the processes of a group, and of those that they waited for."""
    total = 0.0
    for process in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = process.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[2]) == group:
            total += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return total


def measure(home: Path, names: list[str], repetitions: int) -> None:
    """Ask each question of a new server, and report what it took."""
    numbers = expected(home, {name: QUESTIONS[name] for name in names})
    say("the numbers by hand-written SQL are known")
    for name in names:
        question, took, cpu = QUESTIONS[name], [], []
        for _ in range(repetitions):
            with served(home) as connection:
                # As of somebody who came before, so that a process for questions has started.
                ask(connection, "/analytics/funnel", {"steps": ["refund", "login"]})
                before = cpu_s_of(os.getpgrp())
                took_s, content = answered(connection, question.path, question.body)
                cpu.append(cpu_s_of(os.getpgrp()) - before)
            check(name, json.loads(content), numbers[name])
            took.append(took_s)
        about: dict[str, object] = {"cpu_s": round(median(cpu), 2)}
        group = GROUP if question.target == QUESTION_S else ""
        own = f"{GROUP}, {name}" if group else f"{name} by the API, first time, beside events"
        report(Result(own, median(took), "s", question.target, about=about, group=group))


@contextmanager
def callers() -> Iterator[None]:
    """Let the server know the callers, none of whom is limited otherwise."""
    own = {
        "ECOM_API_KEYS": ",".join(f"read:{key}" for key in KEYS),
        "ECOM_RATE_LIMIT_KEY": "none",
        "ECOM_RATE_LIMIT_ADDRESS": "none",
    }
    with mock.patch.dict(os.environ, own):
        yield


def until_answered(port: int, key: str, question: Question, salt: int) -> float:
    """Ask, and again when the server says so; return the seconds until the answer."""
    begun = time.perf_counter()
    # No cache has the answer: each asks for other days.
    body = json.dumps({**question.body, "end_date": f"{question.last_month}-{31 - salt % 28:02}"})
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        with closing(connection):
            connection.request("POST", question.path, body, headers)
            response = connection.getresponse()
            answer = response.read()
        if response.status == http.HTTPStatus.OK:
            return time.perf_counter() - begun
        retry_s = response.headers.get("retry-after")
        if retry_s is None:
            sys.exit(f"{question.path} was answered {response.status}: {answer[:500]!r}")
        time.sleep(float(retry_s))


def measure_callers(home: Path, rounds: int) -> None:
    """Let eight callers ask at once, then one caller for sixteen answers, and report how long they
    wait.
    """
    asked = [QUESTIONS[name] for name in EIGHT for _ in range(2)]
    with callers(), served(home) as connection:
        port = connection.port
        ask_all: Callable[[list[tuple[str, Question, int]]], list[float]] = lambda parts: list(  # noqa: E731 (used below only)
            ThreadPoolExecutor(len(parts)).map(lambda part: until_answered(port, *part), parts)
        )
        ask_all([(KEYS[0], QUESTIONS["trend"], 0)])
        took: list[float] = []
        for turn in range(rounds):
            parts = zip(KEYS, asked, strict=True)
            took += ask_all(
                [(key, question, 8 * turn + n) for n, (key, question) in enumerate(parts)]
            )
        about: dict[str, object] = {
            "median_s": round(median(took), 2),
            "most_s": round(max(took), 2),
        }
        p95 = quantiles(took, n=20)[-1]
        report(Result("eight callers at once, p95", p95, "s", P95_S, about=about))
        waited = ask_all([(KEYS[1], question, n) for n, question in enumerate([*asked, *asked])])
        report(Result("sixteen questions of one caller, the last", max(waited), "s", WAIT_S))


def main() -> None:
    """Publish a shop, serve it, ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--lines", type=int, default=2_000_000)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=QUESTIONS, help="these questions")
    parser.add_argument("--home", type=Path, help="a folder that was published before")
    parser.add_argument("--keep", type=Path, help="publish into this folder only, and keep it")
    arguments = parser.parse_args()
    sizes = (arguments.events, arguments.lines, arguments.items)
    if arguments.keep:
        arguments.keep.mkdir(parents=True)
        publish(arguments.keep, *sizes)
        return
    with scratch() as folder:
        home = arguments.home or folder
        if arguments.home is None:
            publish(home, *sizes)
            say("the events and order lines are published")
        measure(home, arguments.only or list(QUESTIONS), arguments.repetitions)
        if not arguments.only:
            measure_callers(home, arguments.repetitions)


if __name__ == "__main__":
    main()
