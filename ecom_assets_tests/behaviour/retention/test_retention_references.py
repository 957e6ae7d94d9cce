"""Retention of random streams against its definition in plain Python and against ClickHouse,
and what always holds.

Streams have what goes wrong in practice: ties, repeats, gaps around the edges of periods, odd days,
nobody at all.
"""

import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.retention.question import RetentionQuestion
from ecom_assets.core.tables.days import day_starts_at
from ecom_assets_tests.behaviour.retention.retention_reference import (
    Deed,
    answer,
    by_clickhouse,
    by_definition,
    cells,
    triangle,
)
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples, seeds

TYPES = ("page_view", "page_view", "search", "purchase")
RULES = (
    RetentionQuestion(period="day"),
    RetentionQuestion(period="week", mode="on_or_after", week_start="wednesday"),
    RetentionQuestion(period="month", start="purchase", returning="purchase"),
    RetentionQuestion(period="day", mode="bracket", returning="search"),
    RetentionQuestion(period="week", mode="bracket", brackets=((1, 2), (4, 4)), clock="rolling"),
    RetentionQuestion(period="day", clock="rolling", mode="on_or_after", last_period=5),
    RetentionQuestion(period="day", clock="rolling", start="search"),
    RetentionQuestion(period="month", clock="rolling", mode="on_or_after", returning="purchase"),
)
PLACES = (
    ("UTC", date(2025, 12, 20)),
    ("Europe/Berlin", date(2026, 3, 20)),
    ("America/Los_Angeles", date(2026, 10, 25)),
    ("Pacific/Auckland", date(2026, 3, 28)),
)
"""Zones with the first day of streams that reach over a change of clocks or of the year."""


def stream(seed: int, timezone: str, first: date, people: int = 6) -> list[Deed]:
    """Return a few people's deeds of 45 days, many at the edges of days and at the
    same instant of other days.
    """
    dice = random.Random(seed)  # noqa: S311 (streams, not secrets)
    deeds = []
    for number in range(dice.randint(0, people)):
        clocks = [dice.choice((0, -1, 1, 3600, 43_200, 86_399)) for _ in range(2)]
        for _ in range(dice.randint(1, 7)):
            midnight = day_starts_at(
                first + timedelta(days=dice.choice((0, 1, 2, 7, 8, 30, dice.randint(0, 44)))),
                timezone,
            )
            kind = dice.choice(TYPES)
            amount = (
                Decimal(dice.randint(0, 999)) / 100
                if kind == "purchase" and dice.random() < 0.8
                else None
            )
            deeds.append(
                Deed(
                    f"visitor {number}",
                    midnight + timedelta(seconds=dice.choice(clocks)),
                    kind,
                    amount,
                )
            )
    return deeds


def check(rule: RetentionQuestion, zone_and_day: tuple[str, date], seed: int) -> None:
    """Compare the package's cells with the definition's."""
    timezone, first = zone_and_day
    deeds = stream(seed, timezone, first)
    assert cells(deeds, rule, timezone) == by_definition(deeds, rule, timezone), (
        f"seed {seed}, {rule}, {timezone}"
    )


@pytest.mark.slow
@each("rule", RULES)
def test_cells_are_those_of_the_definition(rule: RetentionQuestion) -> None:
    for seed in range(16):
        check(rule, PLACES[seed % len(PLACES)], seed)


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.period}-{rule.mode}-{rule.clock}")
def test_cells_of_hundreds_of_streams_are_those_of_the_definition(rule: RetentionQuestion) -> None:
    for seed in seeds(range(1000, 1250)):
        check(rule, PLACES[seed % len(PLACES)], seed)


def test_weekly_cohorts_are_those_of_clickhouse(tmp_path: Path) -> None:
    first = date(2026, 3, 2)  # a Monday
    deeds = [
        Deed(f"{seed} {deed.who}", deed.at, deed.event_type, deed.amount)
        for seed in range(60)
        for deed in stream(seed, "Europe/Berlin", first + timedelta(days=1))
    ]
    ours = triangle(cells(deeds, RetentionQuestion(), "Europe/Berlin"))
    theirs = by_clickhouse(deeds, first, 8, tmp_path, "Europe/Berlin")
    assert {cohort: counts + [0] * (8 - len(counts)) for cohort, counts in ours.items()} == {
        str(cohort): counts + [0] * (8 - len(counts)) for cohort, counts in theirs.items()
    }
    assert len(ours) >= 5


@given(
    seed=st.integers(0, 10**6),
    rule=st.sampled_from([rule for rule in RULES if rule.mode == "on_or_after"]),
)
@examples(15)
def test_unbounded_retention_never_rises_and_nobody_returns_who_is_not_there(
    seed: int, rule: RetentionQuestion
) -> None:
    actual = cells(stream(seed, "UTC", date(2026, 3, 1)), rule)
    for before, after in pairwise(actual):
        assert after.cohort != before.cohort or after.returned <= before.returned
    assert all(cell.returned <= cell.size for cell in actual)


@given(
    seed=st.integers(0, 10**6),
    rule=st.sampled_from(RULES),
    shuffle=st.randoms(use_true_random=False),
)
@examples(15)
def test_neither_the_order_of_rows_nor_repeats_matter(
    seed: int, rule: RetentionQuestion, shuffle: random.Random
) -> None:
    deeds = [Deed(*deed[:3]) for deed in stream(seed, "UTC", date(2026, 3, 1))]
    others = [*deeds, *shuffle.sample(deeds, len(deeds) // 2)]
    shuffle.shuffle(others)
    assert cells(others, rule) == cells(deeds, rule)


@given(
    seed=st.integers(0, 10**6),
    rule=st.sampled_from([rule for rule in RULES if rule.clock == "calendar"]),
)
@examples(15)
def test_everybody_is_in_one_cohort_and_more_days_change_no_whole_cell(
    seed: int, rule: RetentionQuestion
) -> None:
    deeds = stream(seed, "UTC", date(2026, 3, 1))
    until = datetime.fromisoformat("2026-03-20")
    early = cells([deed for deed in deeds if deed.at < until], rule)
    whole = {(cell.cohort, cell.cell): cell for cell in early if cell.is_complete}
    later = {(cell.cohort, cell.cell): cell for cell in cells(deeds, rule)}
    for key, cell in whole.items():
        after = later[key]
        assert after.size == cell.size
        assert after.revenue == cell.revenue
        assert after.returned >= cell.returned
        if rule.mode != "on_or_after":
            assert after.returned == cell.returned
    began = {deed.who for deed in deeds if rule.start_type in {None, deed.event_type}}
    assert sum({cell.cohort: cell.size for cell in later.values()}.values()) == len(began)


def test_totals_are_those_of_the_whole_cells() -> None:
    deeds = stream(3, "UTC", date(2026, 3, 1), people=40)
    rule = RULES[0]
    whole = [cell for cell in by_definition(deeds, rule) if cell.is_complete]
    for row in answer(deeds, rule, output="totals"):
        mine = [cell for cell in whole if cell.cell == row["cell"]]
        size, returned = sum(cell.size for cell in mine), sum(cell.returned for cell in mine)
        assert (row["cohort_count"], row["visitor_count"], row["returned_count"]) == (
            len(mine),
            size,
            returned,
        )
        assert row["retention_rate"] == (pytest.approx(returned / size) if size else None)
