"""The kernel counts retention as the expression does, wherever periods fit into its bits."""

import random
from datetime import date, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest

from ecom_assets.retention import counting
from ecom_assets.retention.activity import by_period, event_activity
from ecom_assets.retention.cells import Reach, cells_of, retention
from ecom_assets.retention.counting import RetentionQuery, answer_activity
from ecom_assets.retention.kernel import MOST_WORDS, WORD_BITS, cohort_counts
from ecom_assets.retention.question import RetentionQuestion
from ecom_assets.warehouse.local import connect
from ecom_assets_tests.builders import Row
from ecom_assets_tests.retention.retention_reference import Deed, came, given, warehouse
from ecom_assets_tests.retention.test_cells import STORY
from ecom_assets_tests.retention.test_retention_references import PLACES, RULES, stream

CALENDAR = [rule for rule in RULES if rule.clock == "calendar"]


def both(
    deeds: list[Deed], rule: RetentionQuestion, timezone: str = "UTC", most_periods: int = 2 * WORD_BITS
) -> tuple[list[Row], list[Row]] | None:
    """Return the cells by the kernel and by the expression; None where the kernel declines."""
    con = warehouse()
    given(deeds, timezone)
    activity = event_activity(con.table("deeds"), rule)
    actual = cohort_counts(con, activity, rule, most_periods)
    if actual is None:
        return None
    newest_date = activity.event_date.max().as_scalar()
    reach, periods = Reach(newest_date, newest_date), actual.period_count
    ours = cells_of(actual.cohorts, actual.counts, rule, periods, reach)
    theirs = retention(activity, rule, periods, reach)
    first, second = (rows.order_by("cohort_date", "cell").to_pyarrow() for rows in (ours, theirs))
    return first.select(second.column_names).to_pylist(), second.to_pylist()


@pytest.mark.sampled(1)
@pytest.mark.parametrize("rule", CALENDAR, ids=lambda rule: f"{rule.period}-{rule.mode}")
def test_the_kernel_counts_as_the_expression_does(rule: RetentionQuestion) -> None:
    for seed in range(1, 6):
        timezone, first = PLACES[seed % len(PLACES)]
        deeds = stream(seed, timezone, first)
        actual = both(deeds, rule, timezone)
        assert (actual is None) == (not deeds), f"seed {seed}"
        if actual is not None:
            assert actual[0] == actual[1], f"seed {seed}"


@pytest.mark.parametrize("mode", ["on", "on_or_after", "bracket"])
def test_as_many_periods_as_there_are_bits_are_counted_and_one_more_is_not(mode: str) -> None:
    bits = 2 * WORD_BITS
    start = datetime.fromisoformat("2026-01-01 12:00")
    last = start + timedelta(days=bits - 1)
    deeds = [*came("anna", str(start), str(last)), *came("ben", str(start + timedelta(days=7)), str(last))]
    rule = RetentionQuestion(period="day", mode=mode, brackets=((0, 0), (2, WORD_BITS), (WORD_BITS + 1, bits)))
    actual = both(deeds, rule)
    assert actual is not None
    assert actual[0] == actual[1]
    assert actual[0][2 if mode == "bracket" else bits - 1]["returned_count"] == 1
    assert both([*deeds, *came("cara", str(last + timedelta(days=1)))], rule) is None
    assert both(deeds, rule, most_periods=MOST_WORDS * WORD_BITS + 1) is None


def test_returns_before_the_start_do_not_come_round_as_late_ones() -> None:
    start = date(2026, 1, 1)
    deeds = came("anna", *(f"{start + timedelta(days=n)} 12:00" for n in range(40)))
    deeds += came("anna", f"{start + timedelta(days=30)} 12:00", event_type="search")
    actual = both(deeds, RetentionQuestion(period="day", start="search", returning="page_view"))
    assert actual is not None
    assert actual[0] == actual[1]
    assert [row["returned_count"] for row in actual[0]] == [1] * 10


def test_it_reads_rows_that_are_added_up_by_day_too() -> None:
    con = warehouse()
    given(STORY, "UTC")
    rule = RetentionQuestion(period="day")
    activity = event_activity(con.table("deeds"), rule)
    rows = []
    for one in (activity, by_period(activity)):
        counted = cohort_counts(con, one, rule, 7)
        assert counted is not None
        rows.append(sorted_rows(counted.counts.to_pyarrow()))
    assert rows[0] == rows[1] != []


BROKEN_DOWN = (
    RetentionQuestion(period="day", by="event_type"),
    RetentionQuestion(period="week", mode="on_or_after", by="event_type", limit=1, returning="purchase"),
    RetentionQuestion(period="month", start="purchase", returning="purchase", by="plan", limit=2),
    RetentionQuestion(period="day", mode="bracket", by="plan", starting="first_ever", start="search"),
)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("rule", BROKEN_DOWN, ids=lambda rule: f"{rule.period}-{rule.mode}-{rule.by}")
def test_the_kernel_breaks_down_as_the_expression_does(rule: RetentionQuestion) -> None:
    for seed in range(1, 4):
        dice = random.Random(seed)  # noqa: S311 (no secrets)
        deeds = [
            twin for event in stream(seed, "UTC", date(2026, 1, 1), 30) for twin in (event, event)
        ]  # ties of times
        ids = dice.sample(range(1000), len(deeds))
        plans = [dice.choice(("pro", "free", "team", None)) for _ in deeds]
        columns = {
            "visitor_id": pa.array([deed.who for deed in deeds], pa.string()),
            "event_at": pa.array([deed.at for deed in deeds], pa.timestamp("us")),
            "event_date": pa.array([deed.at.date() for deed in deeds], pa.date32()),
            "event_type": pa.array([dice.choice((deed.event_type, "search")) for deed in deeds], pa.string()),
            "cart_amount": pa.array([deed.amount for deed in deeds], pa.decimal128(18, 2)),
            "event_id": pa.array([str(id_) for id_ in ids], pa.string()),
            "plan": pa.array(plans, pa.string()),
        }
        with patch.object(counting, "cohort_counts", wraps=cohort_counts) as answer:
            quick = answered(pa.table(columns), rule)
        assert answer.called
        with patch.object(counting, "_suits_kernel", return_value=False):
            assert answered(pa.table(columns), rule) == quick, f"seed {seed}"


def answered(deeds: pa.Table, rule: RetentionQuestion) -> dict[str, Any]:
    con = connect()
    con.con.register("some_deeds", deeds)
    return answer_activity(RetentionQuery(con, con.table("some_deeds"), rule, "UTC", days=46))


def sorted_rows(table: pa.Table) -> list[tuple[object, ...]]:
    return sorted(tuple(row.values()) for row in table.to_pylist())
