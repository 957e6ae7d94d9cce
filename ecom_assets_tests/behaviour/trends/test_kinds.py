"""Hours, stickiness and lifecycles of trends: by story, against plain Python,
and against ClickHouse and Postgres.
"""

import json
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chdb import session
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.trends.queries import trend_answer
from ecom_assets.behaviour.trends.question import TrendQuestion
from ecom_assets.behaviour.trends.range import TrendRange
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.conditions import parse_where
from ecom_assets.core.tables.days import ONE_DAY, day_starts_at, hours_of
from ecom_assets.core.warehouse.engines.postgres.engine import PostgresEngine
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.behaviour.trends.trend_reference import make_series, make_trend, start_of
from ecom_assets_tests.builders import local_day
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.postgres_server import fresh_database

SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("visitor_id", pa.string()),
        ("event_at", pa.timestamp("us")),
        ("event_date", pa.date32()),
        ("event_type", pa.string()),
        ("product_category", pa.string()),
    ]
)
PLACES = (
    ("UTC", date(2026, 3, 2)),
    ("Europe/Berlin", date(2026, 3, 20)),
    ("Asia/Kolkata", date(2026, 2, 20)),
)
PERIODS = ("hour", "day", "week", "month", "quarter", "year")
Act = tuple[str, str, datetime]
"""Who did what when, in UTC; the shelf is that of the type's first letter."""
STORY: list[Act] = [
    (who, "page_view", datetime.fromisoformat(f"2026-03-{day} {clock}"))
    for who, day, clock in (
        ("anna", "02", "10:10"),
        ("anna", "02", "10:50"),
        ("anna", "03", "09:00"),
        ("anna", "05", "09:00"),
        ("ben", "02", "11:00"),
        ("ben", "04", "11:00"),
        ("cara", "03", "12:00"),
    )
]
"""Anna comes on the 2nd, 3rd and 5th, Ben on the 2nd and 4th, Cara on the 3rd;
the 5th is the newest day.
"""


def as_events(acts: Sequence[Act], timezone: str) -> pa.Table:
    """Return acts as clean events."""
    rows = [
        (f"e{n}", who, at, local_day(at, timezone), kind, kind[0])
        for n, (who, kind, at) in enumerate(acts)
    ]
    return pa.Table.from_pylist(
        [dict(zip(SCHEMA.names, row, strict=True)) for row in rows], schema=SCHEMA
    )


def answer(
    acts: Sequence[Act], trend: TrendQuestion, timezone: str = "UTC", *ends: date | None
) -> Any:
    """Return the answer about acts, whose first and last days are those of the data."""
    con = connect()
    con.con.register("acts", as_events(acts, timezone))
    days = [local_day(at, timezone) for _, _, at in acts]
    first, last = ends or (None, None)
    reach = TrendRange.between((min(days), max(days)), (first, last), timezone)
    return trend_answer(con, con.table("acts"), trend, reach)


# By story


def test_hours_are_those_of_the_local_day() -> None:
    actual = answer(
        STORY, make_trend((make_series(None),), "hour"), "UTC", date(2026, 3, 2), date(2026, 3, 2)
    )
    assert (len(actual["periods"]), actual["periods"][10]) == (24, "2026-03-02T10:00+00:00")
    assert actual["series"][0]["values"][9:12] == [0, 2, 1]
    india = answer(STORY[:2], make_trend((make_series(None),), "hour"), "Asia/Kolkata")
    reported = dict(zip(india["periods"], india["series"][0]["values"], strict=True))
    assert {name: count for name, count in reported.items() if count} == {
        "2026-03-02T15:00+05:30": 1,
        "2026-03-02T16:00+05:30": 1,
    }


def test_the_day_of_a_clock_change_has_23_hours() -> None:
    acts = [("anna", "page_view", datetime.fromisoformat("2026-03-29 01:30"))]
    actual = answer(acts, make_trend((make_series(None),), "hour"), "Europe/Berlin")
    assert (len(actual["periods"]), actual["periods"][2]) == (23, "2026-03-29T03:00+02:00")
    assert actual["series"][0]["values"][2] == 1


def test_stickiness_counts_visitors_by_their_days() -> None:
    actual = answer(STORY, make_trend((make_series(None),), kind="stickiness"))
    (series,) = actual["stickiness"]
    assert series["visitor_count"] == 3
    assert [(row["exactly"], row["at_least"]) for row in series["visitors"]] == [
        (1, 3),
        (1, 2),
        (1, 1),
        (0, 0),
    ]


def test_a_period_of_stickiness_needs_a_number_of_events() -> None:
    (twice,) = answer(STORY, make_trend((make_series(None),), kind="stickiness", at_least=2))[
        "stickiness"
    ]
    # Only Anna comes twice on a day, on the 2nd.
    assert (twice["visitor_count"], [row["exactly"] for row in twice["visitors"]]) == (
        1,
        [1, 0, 0, 0],
    )
    with pytest.raises(DefinitionError, match="A lifecycle has no `at_least`"):
        make_trend((make_series(None),), kind="lifecycle", at_least=2)


def test_a_lifecycle_adds_up() -> None:
    (life,) = answer(STORY, make_trend((make_series(None),), kind="lifecycle"))["lifecycle"]
    assert life["new"] == [2, 1, 0, 0]
    assert life["returning"] == [0, 1, 0, 0]
    assert life["resurrecting"] == [0, 0, 1, 1]
    assert life["dormant"] == [None, 1, 2, 1]


def test_a_lifecycle_knows_the_days_before_its_range() -> None:
    actual = answer(
        STORY,
        make_trend((make_series(None),), kind="lifecycle"),
        "UTC",
        date(2026, 3, 3),
        date(2026, 3, 4),
    )
    (life,) = actual["lifecycle"]
    assert (life["new"], life["resurrecting"], life["dormant"]) == ([1, 0], [0, 1], [1, 2])
    (later,) = answer(
        STORY,
        make_trend((make_series(None),), kind="lifecycle"),
        "UTC",
        date(2026, 3, 5),
        date(2026, 3, 7),
    )["lifecycle"]
    assert later["resurrecting"] == [1, None, None]


# Against plain Python


def acts_of(seed: int, zone_and_day: tuple[str, date]) -> list[Act]:
    """Return a few people's acts of six weeks, many on the edges of hours, days and weeks."""
    dice = random.Random(seed)  # noqa: S311 (streams, not secrets)
    timezone, first = zone_and_day
    actual = []
    for _ in range(dice.randint(1, 50)):
        day = first + timedelta(days=dice.choice((0, 1, 2, 7, 8, 14, dice.randint(0, 29))))
        second = dice.choice((0, 1_800, 3_599, 3_600, 86_399, dice.randint(0, 86_399)))
        at = day_starts_at(day, timezone) + timedelta(seconds=second)
        actual.append((f"v{dice.randint(0, 6)}", dice.choice(("page_view", "purchase")), at))
    return actual


def periods_between(first: date, last: date, period: str, timezone: str) -> list[date]:
    """Return the starts of all periods that have one of the days, by walking through them."""
    days = [first + n * ONE_DAY for n in range((last - first).days + 1)]
    if period == "hour":
        return [
            at.astimezone(UTC).replace(tzinfo=None)
            for day in days
            for at in hours_of(day, timezone)
        ]
    return list(dict.fromkeys(start_of(day, period) for day in days))


def start_at(at: datetime, period: str, timezone: str) -> date:
    """Return the start of the period of a moment."""
    day = local_day(at, timezone)
    if period != "hour":
        return start_of(day, period)
    midnight = day_starts_at(day, timezone)
    return midnight + (at - midnight) // timedelta(hours=1) * timedelta(hours=1)


def lives(
    acts: Sequence[Act], starts: Sequence[date], period: str, timezone: str
) -> dict[str, list[int | None]]:
    """Ask each visitor in each period which state they are in."""
    came: dict[str, set[date]] = {}
    for who, _, at in acts:
        came.setdefault(who, set()).add(start_at(at, period, timezone))
    lines: dict[str, list[int | None]] = {
        name: [] for name in ("new", "returning", "resurrecting", "dormant")
    }
    for index, start in enumerate(starts):
        counts: Counter[str] = Counter()
        for own in came.values():
            was = index > 0 and starts[index - 1] in own
            if start in own:
                counts["returning" if was else "resurrecting" if min(own) < start else "new"] += 1
            elif was:
                counts["dormant"] += 1
        for name, line in lines.items():
            line.append(None if name == "dormant" and not index else counts[name])
    return lines


@examples(60)
@given(
    seed=st.integers(0, 10_000),
    zone_and_day=st.sampled_from(PLACES),
    period=st.sampled_from(PERIODS),
)
def test_lifecycles_are_those_of_the_definition_and_add_up(
    seed: int, zone_and_day: tuple[str, date], period: str
) -> None:
    acts, timezone = acts_of(seed, zone_and_day), zone_and_day[0]
    days = [local_day(at, timezone) for _, _, at in acts]
    starts = periods_between(min(days), max(days), period, timezone)
    (actual,) = answer(acts, make_trend((make_series(None),), period, kind="lifecycle"), timezone)[
        "lifecycle"
    ]
    expected = lives(acts, starts, period, timezone)
    assert {name: actual[name] for name in expected} == expected
    active = [
        sum(actual[name][n] for name in ("new", "returning", "resurrecting"))
        for n in range(len(starts))
    ]
    assert active == [
        len({w for w, _, at in acts if start_at(at, period, timezone) == start}) for start in starts
    ]
    for n in range(1, len(starts)):
        assert (
            active[n]
            == active[n - 1] - actual["dormant"][n] + actual["new"][n] + actual["resurrecting"][n]
        )


@examples(40)
@given(
    seed=st.integers(0, 10_000),
    zone_and_day=st.sampled_from(PLACES),
    period=st.sampled_from(PERIODS),
)
def test_stickiness_and_hours_are_those_of_the_definition(
    seed: int, zone_and_day: tuple[str, date], period: str
) -> None:
    acts, timezone = acts_of(seed, zone_and_day), zone_and_day[0]
    often = 1 + seed % 2
    trend = make_trend(
        (make_series("purchase"), make_series(None)),
        period,
        by="product_category",
        kind="stickiness",
        at_least=often,
    )
    actual = answer(acts, trend, timezone)
    for series in actual["stickiness"]:
        own = [
            act
            for act in acts
            if act[1][0] == series["breakdown"] and series["event_type"] in {None, act[1]}
        ]
        times = Counter((who, start_at(at, period, timezone)) for who, _, at in own)
        periods = Counter(who for (who, _), count in times.items() if count >= often)
        sizes = Counter(periods.values())
        assert {
            row["period_count"]: row["exactly"] for row in series["visitors"] if row["exactly"]
        } == sizes
        assert series["visitor_count"] == len(periods)
    if period == "hour":
        zone = ZoneInfo(timezone)
        hours = [start_at(at, "hour", timezone) for _, _, at in acts]
        counts = Counter(
            at.replace(tzinfo=UTC).astimezone(zone) for at in hours if isinstance(at, datetime)
        )
        reported = answer(acts, make_trend((make_series(None),), "hour"), timezone)
        values = dict(zip(reported["periods"], reported["series"][0]["values"], strict=True))
        assert {name: n for name, n in values.items() if n} == {
            at.isoformat(timespec="minutes"): n for at, n in counts.items()
        }


@examples(15)
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(["stickiness", "lifecycle", "trend"]))
def test_no_order_of_rows_changes_anything(seed: int, kind: str) -> None:
    acts = acts_of(seed, PLACES[1])
    shuffled = random.Random(seed).sample(acts, len(acts))  # noqa: S311 (streams, not secrets)
    trend = make_trend((make_series(None), make_series("purchase")), "hour", kind=kind)
    assert answer(acts, trend, PLACES[1][0]) == answer(shuffled, trend, PLACES[1][0])


# Against others


@each("seed", range(3))
def test_clickhouse_says_the_same_of_weeks(seed: int, tmp_path: Path) -> None:
    acts = acts_of(seed, PLACES[0])
    pq.write_table(as_events(acts, "UTC"), tmp_path / "acts.parquet")
    weeks = "toMonday(assumeNotNull(event_date)) AS week"
    source = (
        f"(SELECT assumeNotNull(visitor_id) AS who, {weeks} FROM file('{tmp_path}/acts.parquet'))"
    )
    clickhouse: Any = session
    question = clickhouse.Session()
    result = question.query(
        f"SELECT n, count() AS visitors FROM (SELECT uniqExact(week) AS n FROM {source} GROUP BY "
        "who) GROUP BY n FORMAT JSONEachRow"
    )
    theirs = {
        int(row["n"]): int(row["visitors"]) for row in map(json.loads, str(result).splitlines())
    }
    (sticky,) = answer(acts, make_trend((make_series(None),), "week", kind="stickiness"))[
        "stickiness"
    ]
    assert {
        row["period_count"]: row["exactly"] for row in sticky["visitors"] if row["exactly"]
    } == theirs
    result = question.query(
        "SELECT toString(week) AS w, countIf(week = first) AS new, countIf(has(weeks, week - 7)) "
        "AS returning, countIf(week > first AND NOT has(weeks, week - 7)) AS resurrecting FROM "
        f"(SELECT who, min(week) AS first, groupUniqArray(week) AS weeks FROM {source} GROUP BY "
        "who) ARRAY JOIN weeks AS week GROUP BY w FORMAT JSONEachRow"
    )
    actual = answer(acts, make_trend((make_series(None),), "week", kind="lifecycle"))
    (life,) = actual["lifecycle"]
    by_week = {row["w"]: row for row in map(json.loads, str(result).splitlines())}
    for index, week in enumerate(actual["periods"]):
        for state in ("new", "returning", "resurrecting"):
            assert life[state][index] == int(by_week.get(week, {}).get(state, 0))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_postgres_says_the_same(postgres_server: str, seed: int) -> None:
    acts, timezone = acts_of(seed, PLACES[1]), PLACES[1][0]
    engine = PostgresEngine(Settings(warehouse=fresh_database(postgres_server))).open()
    events = engine.con.create_table("acts", as_events(acts, timezone))
    days = [local_day(at, timezone) for _, _, at in acts]
    reach = TrendRange.between((min(days), max(days)), (None, None), timezone)
    for period in PERIODS:
        for kind in ("trend", "stickiness", "lifecycle"):
            trend = make_trend(
                (make_series(None), make_series("purchase")),
                period,
                kind=kind,
                where=parse_where(["event_id != e1"]),
            )
            assert trend_answer(engine.con, events, trend, reach) == answer(acts, trend, timezone)
    engine.close()


# What is refused


@each(
    "options, why",
    [
        (
            {"kind": "lifecycle", "by": "event_type"},
            "A lifecycle counts visitors, so it has no breakdown; leave it out",
        ),
        ({"kind": "stickiness", "formula": "A / 2"}, "so it has no formula"),
        ({"kind": "stickiness", "compare": True}, "so it has no comparison"),
        ({"kind": "lifecycle", "cumulative": True}, "so it has no running total"),
        ({"kind": "lifecycle", "moving_average": 7}, "so it has no moving average"),
        (
            {"kind": "lifecycle", "series": (make_series(None, "sum", "cart_amount"),)},
            "so it has no sum of a series",
        ),
    ],
)
def test_kinds_refuse_what_they_do_not_have(options: dict[str, Any], why: str) -> None:
    with pytest.raises(DefinitionError, match=why):
        make_trend(**{"series": (make_series(None),), **options})


def test_hours_of_more_than_a_month_are_refused() -> None:
    with pytest.raises(DefinitionError, match="By the hour a trend has at most 31 days, not 32"):
        answer(
            STORY,
            make_trend((make_series(None),), "hour"),
            "UTC",
            date(2026, 3, 1),
            date(2026, 4, 1),
        )


def test_a_definition_reads_what_it_writes() -> None:
    trend = make_trend((make_series("purchase"),), "hour", kind="lifecycle")
    assert TrendQuestion.from_mapping(trend.to_mapping()) == trend
