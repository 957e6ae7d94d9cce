"""Retention's choices: recurring starts, hours, conditions, ranges, breakdowns,
sums and who is in each cell.

By story, against plain Python, and against ClickHouse.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chdb import session
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.retention.counting import RetentionQuery, answer_activity
from ecom_assets.behaviour.retention.question import RetentionQuestion
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.conditions import parse_where
from ecom_assets.core.tables.days import day_starts_at
from ecom_assets.core.warehouse.engines.postgres.engine import PostgresEngine
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.behaviour.retention.choices_reference import (
    Act,
    Query,
    as_events,
    by_definition,
    by_value,
    members_of,
)
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.postgres_server import fresh_database

TYPES, SHELVES = ("page_view", "purchase", "search"), ("hats", "shoes", "bags", None)
ZONES = (
    ("UTC", date(2026, 3, 2)),
    ("Europe/Berlin", date(2026, 3, 26)),
    ("Asia/Kolkata", date(2026, 2, 27)),
)
FIRST = date(2026, 3, 1)
Row = dict[str, Any]


def act(number: int, who: str, at: str, kind: str = "page_view", **more: str) -> Act:
    """Return one event of a story in March 2026, with its `shelf` and what was `paid`."""
    amount = Decimal(more["paid"]) if "paid" in more else None
    return Act(
        f"e{number}", who, datetime.fromisoformat(f"2026-03-{at}"), kind, more.get("shelf"), amount
    )


STORY = [
    act(1, "anna", "01 09:10", shelf="hats"),
    act(2, "anna", "01 09:50", "purchase", shelf="shoes", paid="10.00"),
    act(3, "anna", "02 09:00", "purchase", shelf="hats", paid="5.00"),
    act(4, "ben", "01 10:30", shelf="shoes"),
    act(5, "ben", "02 10:00", "search"),
    act(6, "ben", "03 10:00", "purchase", shelf="shoes", paid="2.50"),
    act(7, "cara", "03 12:00"),
]
DAILY = RetentionQuestion(period="day")


def answer(acts: Sequence[Act], requested: Query, keep: list[pa.Table] | None = None) -> Row:
    """Return the answer about acts; append to `keep` who is in which cell."""
    con = connect()
    con.con.register("acts", as_events(acts, requested.timezone))
    kept = None if keep is None else keeper(keep)
    question = RetentionQuery(
        con,
        con.table("acts"),
        requested.rule,
        requested.timezone,
        between=requested.between,
        keep=kept,
    )
    return answer_activity(question)


def keeper(kept: list[pa.Table]) -> Callable[[ir.Table], None]:
    """Return a function that appends the rows that it receives."""
    return lambda rows: kept.append(rows.to_pyarrow())


def triangle(actual: Row) -> dict[str, list[int]]:
    """Return how many returned, by cohort."""
    return {cohort["cohort"]: cohort["returned"] for cohort in actual["cohorts"]}


# By story


def test_a_first_ever_start_that_meets_no_condition_is_followed_by_no_other() -> None:
    # Anna's first page view was of hats, Ben's of shoes: of starts with shoes the first one ever is
    # Ben's only.
    shoes = [act(8, "anna", "02 09:30", shelf="shoes")]
    shoes_first = DAILY.changed(
        start="page_view", start_where=parse_where(["product_category = shoes"])
    )
    first_time = answer([*STORY, *shoes], Query(shoes_first))
    assert triangle(first_time) == {"2026-03-01": [1, 1, 1], "2026-03-02": [1, 0]}
    first_ever = answer([*STORY, *shoes], Query(shoes_first.changed(starting="first_ever")))
    assert triangle(first_ever) == {"2026-03-01": [1, 1, 1]}


def test_a_recurring_visitor_is_in_the_cohort_of_each_day_with_a_start() -> None:
    """Anna comes on the 1st and 2nd, Ben on the 1st, 2nd and 3rd, Cara on the 3rd."""
    actual = answer(STORY, Query(DAILY.changed(starting="recurring")))
    assert triangle(actual) == {"2026-03-01": [2, 2, 1], "2026-03-02": [2, 1], "2026-03-03": [2]}
    assert triangle(answer(STORY, Query(DAILY))) == {"2026-03-01": [2, 2, 1], "2026-03-03": [1]}


def test_hours_are_those_of_the_clock_or_of_each_visitor() -> None:
    hourly = RetentionQuestion(period="hour", last_period=2)
    actual = answer(STORY[:4], Query(hourly))
    assert triangle(actual) == {
        "2026-03-01T09:00+00:00": [1, 0, 0],
        "2026-03-01T10:00+00:00": [1, 0, 0],
    }
    begun = [act(1, "anna", "01 09:50"), act(2, "anna", "01 10:10"), act(3, "anna", "01 11:00")]
    assert list(triangle(answer(begun, Query(hourly))).values()) == [[1, 1, 1]]
    assert list(triangle(answer(begun, Query(hourly.changed(clock="rolling")))).values()) == [
        [1, 1]
    ]


def test_hours_begin_with_the_local_day_and_are_shown_with_its_offset() -> None:
    """In India, where clocks are 5 h 30 min ahead, 09:10 UTC is 14:40,
    and 09:50 is 15:20: another hour.
    """
    actual = answer(STORY[:2], Query(RetentionQuestion(period="hour"), "Asia/Kolkata"))
    assert triangle(actual) == {"2026-03-01T14:00+05:30": [1, 1]}


def test_conditions_hold_of_starts_of_returns_and_of_everything() -> None:
    of_shoes = DAILY.changed(start_where=parse_where(["product_category = shoes"]))
    assert triangle(answer(STORY, Query(of_shoes))) == {"2026-03-01": [2, 2, 1]}
    paying = DAILY.changed(returning_where=parse_where(["cart_amount >= 5"]))
    assert triangle(answer(STORY, Query(paying))) == {"2026-03-01": [1, 1, 0], "2026-03-03": [0]}
    only = DAILY.changed(where=parse_where(["event_type != page_view"]))
    assert triangle(answer(STORY, Query(only))) == {"2026-03-01": [1, 1, 0], "2026-03-02": [1, 1]}


def test_a_range_says_who_starts_and_earlier_starts_and_later_returns_are_known() -> None:
    """On the 2nd nobody starts for the first time; recurring, Anna and Ben do,
    and Ben comes back on the 3rd.
    """
    second = (date(2026, 3, 2), date(2026, 3, 2))
    assert triangle(answer(STORY, Query(DAILY, between=second))) == {}
    actual = answer(STORY, Query(DAILY.changed(starting="recurring"), between=second))
    assert triangle(actual) == {"2026-03-02": [2, 1]}
    assert actual["definition"]["first_date"] == actual["definition"]["last_date"] == "2026-03-02"
    assert triangle(answer(STORY, Query(DAILY, between=(None, date(2026, 3, 1))))) == {
        "2026-03-01": [2, 2, 1]
    }


@pytest.mark.slow
def test_values_are_those_of_the_start_and_ties_are_decided_by_the_id() -> None:
    by_shelf = DAILY.changed(by="product_category", limit=2)
    actual = answer(STORY, Query(by_shelf))
    reported = [(part["value"], triangle(part)) for part in actual["breakdown"]]
    assert reported == [
        ("(none)", {"2026-03-03": [1]}),
        ("hats", {"2026-03-01": [1, 1, 0]}),
        ("(other)", {"2026-03-01": [1, 1, 1]}),
    ]
    assert triangle(actual) == {"2026-03-01": [2, 2, 1], "2026-03-03": [1]}
    tied = [act(2, "dora", "01 09:00", shelf="shoes"), act(1, "dora", "01 09:00", shelf="hats")]
    assert [part["value"] for part in answer(tied, Query(by_shelf))["breakdown"]] == ["hats"]


def test_the_sum_of_a_column_is_that_of_returns_up_to_a_period() -> None:
    summed = DAILY.changed(start="page_view", returning="purchase", sum_of="cart_amount")
    actual = answer(STORY, Query(summed))
    assert [cohort["sum"] for cohort in actual["cohorts"]] == [[10.0, 15.0, 17.5], [0.0]]
    assert [(total["sum"], total["sum_per_visitor"]) for total in actual["totals"]] == [
        (10.0, 5.0),
        (15.0, 7.5),
        (0.0, None),
    ]


def test_a_period_counts_from_a_number_of_returns_on() -> None:
    twice = DAILY.changed(at_least=2)
    # Anna comes twice on the 1st and once on the 2nd, Ben once a day.
    assert [cohort["returned"] for cohort in answer(STORY, Query(twice))["cohorts"]] == [
        [1, 0, 0],
        [0],
    ]
    later = [*STORY, act(8, "ben", "03 11:00")]
    assert answer(later, Query(twice.changed(mode="on_or_after")))["cohorts"][0]["returned"] == [
        2,
        1,
        1,
    ]
    # Days 1 and 2 of Ben have one each, which make two of one bracket.
    brackets = twice.changed(mode="bracket", brackets=((0, 0), (1, 2)))
    assert answer(STORY, Query(brackets))["cohorts"][0]["returned"] == [1, 1]
    assert RetentionQuestion.from_mapping({"at_least": 2}).to_mapping()["at_least"] == 2
    with pytest.raises(DefinitionError, match="`at_least` of a retention is at least 1"):
        RetentionQuestion.from_mapping({"at_least": 0})


def test_who_is_in_each_cell_is_listed_with_those_who_are_in_none() -> None:
    kept: list[pa.Table] = []
    answer(STORY, Query(DAILY.changed(returning="purchase")), kept)
    assert [tuple(str(cell) for cell in row.values()) for row in kept[0].to_pylist()] == [
        ("2026-03-01", "anna", "0", "0"),
        ("2026-03-01", "anna", "1", "1"),
        ("2026-03-01", "ben", "2", "2"),
        ("2026-03-03", "cara", "None", "None"),
    ]


# Against plain Python


def acts_of(seed: int, zone: tuple[str, date], people: int = 6) -> list[Act]:
    """Return a few people's acts of two weeks, many on the edges of hours and days,
    some at one instant.
    """
    dice = random.Random(seed)  # noqa: S311 (streams, not secrets)
    timezone, first = zone
    actual = []
    for number in range(dice.randint(1, 40)):
        day = first + timedelta(days=dice.choice((0, 0, 1, 2, 7, 8, dice.randint(0, 14))))
        second = dice.choice(
            (0, 1, 1_799, 1_800, 3_599, 3_600, 7_200, 86_399, dice.randint(0, 86_399))
        )
        amount = Decimal(dice.randint(1, 999)) / 100 if dice.random() < 0.5 else None
        at = day_starts_at(day, timezone) + timedelta(seconds=second)
        who = f"v{dice.randint(0, people - 1)}"
        actual.append(
            Act(f"e{number:02}", who, at, dice.choice(TYPES), dice.choice(SHELVES), amount)
        )
    return actual


RULES = st.builds(
    RetentionQuestion,
    start=st.sampled_from([None, "page_view"]),
    returning=st.sampled_from([None, "purchase"]),
    period=st.sampled_from(["hour", "day", "week", "month"]),
    mode=st.sampled_from(["on", "on_or_after", "bracket"]),
    clock=st.sampled_from(["calendar", "rolling"]),
    brackets=st.just(((0, 0), (1, 3), (5, 30))),
    last_period=st.sampled_from([None, 2]),
    starting=st.sampled_from(["first_time", "first_ever", "recurring"]),
    sum_of=st.just("cart_amount"),
    at_least=st.sampled_from([1, 1, 2]),
)
DAYS = st.sampled_from([None, FIRST, FIRST + timedelta(days=3), FIRST + timedelta(days=28)])


@st.composite
def questions(draw: st.DrawFn) -> tuple[list[Act], Query]:
    """Return acts, and a question about them whose conditions are written and coded alike."""
    zone = draw(st.sampled_from(ZONES))
    rule = draw(RULES)
    # By the hour, starts lie on 31 days at most, so these ranges begin where the acts do.
    days = (
        st.sampled_from([None, zone[1], zone[1] + timedelta(days=3)])
        if rule.period == "hour"
        else DAYS
    )
    question = Query(rule, zone[0], between=(draw(days), draw(days)))
    if draw(st.booleans()):
        rule = rule.changed(start_where=parse_where(["product_category in hats, shoes"]))
        question = replace(
            question, start_where=lambda act: act.product_category in {"hats", "shoes"}
        )
    if draw(st.booleans()):
        rule = rule.changed(returning_where=parse_where(["cart_amount > 3"]))
        question = replace(
            question,
            returning_where=lambda act: act.cart_amount is not None and act.cart_amount > 3,
        )
    if draw(st.booleans()):
        rule = rule.changed(where=parse_where(["product_category != bags"]))
        question = replace(question, where=lambda act: act.product_category != "bags")
    return acts_of(draw(st.integers(0, 10_000)), zone), replace(question, rule=rule)


def cohort_of(start: date, timezone: str) -> str:
    """Return the start of a cohort as the answer has it."""
    if not isinstance(start, datetime):
        return str(start)
    from zoneinfo import ZoneInfo  # noqa: PLC0415 (of hours only)

    return start.replace(tzinfo=UTC).astimezone(ZoneInfo(timezone)).isoformat(timespec="minutes")


def same(
    cohorts: list[Row], expected: dict[Any, tuple[int, Counter[int], Decimal]], question: Query
) -> None:
    """Compare the cohorts of an answer with those of the definition, cell by cell."""
    assert [cohort["cohort"] for cohort in cohorts] == [
        cohort_of(start, question.timezone) for start in sorted(expected)
    ]
    for cohort, (_, (size, counts, _)) in zip(cohorts, sorted(expected.items()), strict=True):
        assert cohort["size"] == size
        assert cohort["returned"] == [counts[number] for number in range(len(cohort["returned"]))]
        assert max(counts, default=0) < len(cohort["returned"])


@pytest.mark.slow
@examples(120)
@given(questions())
def test_cohorts_are_those_of_the_definition(question: tuple[list[Act], Query]) -> None:
    acts, requested = question
    actual, expected = answer(acts, requested), by_definition(acts, requested)
    same(actual["cohorts"], expected, requested)
    if requested.rule.last_period is None and requested.rule.mode == "on":
        assert [Decimal(str(cohort["sum"][-1])) for cohort in actual["cohorts"]] == [
            total for _, (_, _, total) in sorted(expected.items())
        ]


@pytest.mark.slow
@examples(60)
@given(questions(), st.integers(1, 3))
def test_breakdowns_and_members_are_those_of_the_definition(
    question: tuple[list[Act], Query], limit: int
) -> None:
    acts, requested = question
    requested = replace(requested, rule=requested.rule.changed(by="product_category", limit=limit))
    kept: list[pa.Table] = []
    actual, expected = answer(acts, requested, kept), by_value(acts, requested)
    assert [part["value"] for part in actual["breakdown"]] == list(expected)
    for part in actual["breakdown"]:
        same(part["cohorts"], expected[part["value"]], requested)
    same(actual["cohorts"], by_definition(acts, requested), requested)
    listed = Counter((row["cohort_date"], row["visitor_id"]) for row in kept[0].to_pylist())
    assert listed == Counter(
        {
            (cohort, who): max(len(came), 1)
            for (cohort, _, who), (came, _) in members_of(acts, requested).items()
        }
    )


@pytest.mark.slow
@examples(20)
@given(questions(), st.randoms(use_true_random=False))
def test_no_order_of_rows_changes_anything(
    question: tuple[list[Act], Query], dice: random.Random
) -> None:
    acts, requested = question
    requested = replace(requested, rule=requested.rule.changed(by="product_category", limit=2))
    shuffled = dice.sample(acts, len(acts))
    kept: list[pa.Table] = []
    assert answer(acts, requested, kept) == answer(shuffled, requested, kept)
    assert kept[0] == kept[1]


# Against others


@pytest.mark.slow
@each("seed", range(3))
def test_clickhouse_counts_recurring_cohorts_by_the_hour_and_day_alike(
    seed: int, tmp_path: Path
) -> None:
    acts = [
        replace(act, visitor_id=f"{n}{act.visitor_id}")
        for n in range(9)
        for act in acts_of(9 * seed + n, ZONES[0])
    ]
    pq.write_table(as_events(acts, "UTC"), tmp_path / "acts.parquet")
    clickhouse: Any = session
    for period, start in (("hour", "toStartOfHour"), ("day", "toDate")):
        result = clickhouse.Session().query(f"""
            SELECT toString({start}(s.event_at)) AS cohort,
                dateDiff('{period}', {start}(s.event_at), {start}(r.event_at)) AS place,
                uniqExact(s.visitor_id) AS returned
            FROM (SELECT visitor_id, assumeNotNull(event_at) AS event_at
              FROM file('{tmp_path}/acts.parquet')
                WHERE event_type = 'page_view') AS s
            JOIN (SELECT visitor_id, assumeNotNull(event_at) AS event_at
              FROM file('{tmp_path}/acts.parquet')
                WHERE cart_amount > 3) AS r ON s.visitor_id = r.visitor_id
            WHERE place >= 0 GROUP BY cohort, place FORMAT JSONEachRow
        """)
        rows = [json.loads(line) for line in str(result).splitlines()]
        theirs = {(row["cohort"][:13], int(row["place"])): int(row["returned"]) for row in rows}
        where = parse_where(["cart_amount > 3"])
        rule = RetentionQuestion(
            start="page_view", period=period, starting="recurring", returning_where=where
        )
        ours = {
            (cohort["cohort"].replace("T", " ")[:13], number): count
            for cohort in answer(acts, Query(rule))["cohorts"]
            for number, count in enumerate(cohort["returned"])
            if count
        }
        assert ours == theirs


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_postgres_says_the_same(postgres_server: str, seed: int) -> None:
    acts, timezone = acts_of(seed, ZONES[1]), ZONES[1][0]
    engine = PostgresEngine(Settings(warehouse=fresh_database(postgres_server))).open()
    events = engine.con.create_table("acts", as_events(acts, timezone))
    for number, (period, clock, mode) in enumerate(
        (
            ("hour", "calendar", "on"),
            ("day", "rolling", "on_or_after"),
            ("week", "calendar", "bracket"),
        )
    ):
        rule = RetentionQuestion(
            period=period,
            clock=clock,
            mode=mode,
            starting=("recurring", "first_time")[number % 2],
            by="product_category",
            limit=2,
            sum_of="cart_amount",
            where=parse_where(["product_category != bags"]),
        )
        requested = Query(rule, timezone, between=(date(2026, 3, 27), None))
        ours: list[pa.Table] = []
        expected = answer(acts, requested, ours)
        question = RetentionQuery(
            engine.con,
            events,
            rule,
            timezone,
            between=requested.between,
            keep=keeper(ours),
        )
        assert answer_activity(question) == expected
        assert ours[1] == ours[0]
    engine.close()


# What is refused


@each(
    "raw, why",
    [
        (
            {"starting": "second_time"},
            "The starting of retention 'second_time' is unknown; known: first_time",
        ),
        ({"begin": "purchase"}, "Unknown key 'begin' in a retention"),
        ({"start": 5}, "`start` of a retention is a text, not 5"),
        ({"limit": 0}, "`limit` of a retention is at least 1, not 0"),
        ({"by": "a b"}, "`by` of retention names the column 'a b'"),
        (
            {"brackets": [[0, True]], "mode": "bracket"},
            "are not understood; write pairs of periods",
        ),
        ({"brackets": [[-1, 0]], "mode": "bracket"}, "counted from 0"),
        ({"where": ["cart_amount >"]}, "needs 1 values and has 0"),
    ],
)
def test_a_definition_that_cannot_be_is_refused(raw: Row, why: str) -> None:
    with pytest.raises(DefinitionError, match=why):
        RetentionQuestion.from_mapping(raw)


def test_hours_of_many_days_and_columns_that_are_not_there_are_refused() -> None:
    long = [
        *STORY,
        act(8, "dora", "31 12:00"),
        replace(STORY[0], event_at=datetime.fromisoformat("2026-04-01 09:00")),
    ]
    with pytest.raises(DefinitionError, match="on at most 31 days, not 32; ask for fewer days"):
        answer(long, Query(RetentionQuestion(period="hour")))
    assert answer(long, Query(RetentionQuestion(period="hour"), between=(None, date(2026, 3, 31))))[
        "cohorts"
    ]
    with pytest.raises(DefinitionError, match="no column 'brand'"):
        answer(STORY, Query(DAILY.changed(by="brand")))
    with pytest.raises(DefinitionError, match="product_category holds text, not numbers"):
        answer(STORY, Query(DAILY.changed(sum_of="product_category")))


def test_a_definition_reads_what_it_writes() -> None:
    rule = RetentionQuestion(
        mode="bracket",
        brackets=((0, 0), (1, 3)),
        starting="recurring",
        by="product_category",
        sum_of="cart_amount",
        where=parse_where(["cart_amount > 2 or product_category is set"]),
    )
    assert RetentionQuestion.from_mapping(rule.to_mapping()) == rule


# Groups, quarters and years


@examples(8)
@given(seed=st.integers(0, 10_000), period=st.sampled_from(["day", "week", "quarter", "year"]))
def test_groups_are_retained_as_visitors_of_their_names_would_be(seed: int, period: str) -> None:
    acts = acts_of(seed, ZONES[0])
    rule = RetentionQuestion(period=period, start="page_view", starting="recurring")
    con = connect()
    events = as_events(acts, "UTC")
    documents = [
        json.dumps({"group": who} if who != "v0" else {})
        for who in events["visitor_id"].to_pylist()
    ]
    one_visitor = events.set_column(1, "visitor_id", pa.array(["v0"] * len(documents)))
    con.con.register("acts", one_visitor.set_column(7, "properties", pa.array(documents)))
    grouped = answer_activity(
        RetentionQuery(con, con.table("acts"), rule.changed(per="properties.group"), "UTC")
    )
    plain = answer([act for act in acts if act.visitor_id != "v0"], Query(rule))
    assert (grouped["cohorts"], grouped["totals"]) == (plain["cohorts"], plain["totals"])


def test_quarters_and_years_are_those_of_the_calendar() -> None:
    times = ("2025-11-30 10:00", "2026-01-01 00:00", "2026-06-30 23:59", "2026-10-01 00:00")
    acts = [
        Act(f"e{n}", "anna", datetime.fromisoformat(at), "page_view") for n, at in enumerate(times)
    ]
    for period, expected in (
        ("quarter", {"2025-10-01": [1, 1, 1, 0, 1]}),
        ("year", {"2025-01-01": [1, 1]}),
    ):
        assert triangle(answer(acts, Query(RetentionQuestion(period=period)))) == expected


def test_a_quarter_has_no_fixed_length_and_a_unit_is_a_key() -> None:
    with pytest.raises(DefinitionError, match="A quarter has no fixed length"):
        RetentionQuestion(period="quarter", clock="rolling")
    with pytest.raises(DefinitionError, match="`per` of retention is user, or a key of properties"):
        RetentionQuestion(per="session_id")
