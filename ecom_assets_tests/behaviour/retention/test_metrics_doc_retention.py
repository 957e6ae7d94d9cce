"""What `docs/metrics/` says about cohorts and carts, recomputed from its own input."""

import shlex
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ecom_assets.behaviour.funnels.carts import CartRule
from ecom_assets.behaviour.funnels.contracts import CartAbandonment
from ecom_assets.behaviour.retention.contracts import RetentionCohorts
from ecom_assets.behaviour.retention.question import RetentionQuestion
from ecom_assets_tests.behaviour.retention.retention_reference import (
    Deed,
    answer,
    bought,
    came,
    cells,
    triangle,
)
from ecom_assets_tests.builders import Row
from ecom_assets_tests.command import HEADER, ecom
from ecom_assets_tests.markdown import Line, event_lines, section
from ecom_assets_tests.platform import Platform
from ecom_assets_tests.test_metrics_doc import (
    DAYS,
    FUNNEL_EXAMPLES,
    PAGE,
    as_shown,
    rows_of,
    tables,
)


def with_amounts(lines: list[Line]) -> list[Row]:
    return [
        row | {"cart_amount": Decimal(row["cart_amount"]) if row["cart_amount"] else None}
        for row in rows_of(lines)
    ]


def run(platform: Platform, lines: list[Line], table: str) -> None:
    """Fill one table and those that it is made of."""
    context = [
        "duplicate_events",
        "events",
        "session_events",
        "session_days",
        "sessions",
        "returning_visitors_daily",
    ]
    platform.receive(with_amounts(lines), DAYS)
    platform.run(DAYS, only=[*context, table])


def test_each_way_of_counting_gives_what_the_page_says() -> None:
    expected, lines = tables("Cohorts and coming back")
    deeds = [
        Deed(row["user_id"], row["event_at"], row["event_type"], row["cart_amount"])
        for row in with_amounts(lines)
    ]
    for line in expected:
        rule = RetentionQuestion(period="day", mode=line["mode"], clock=line["clock"])
        assert triangle(cells(deeds, rule))["2026-03-01"] == [
            int(line[str(n)]) for n in range(5)
        ], line
        for name in ("posthog", "amplitude"):
            peer = RetentionQuestion.from_mapping({"preset": name})
            assert (f"--preset {name}" in line["default of"]) == (
                (peer.mode, peer.clock) == (rule.mode, rule.clock)
            )


@pytest.mark.slow
def test_each_choice_gives_what_the_page_says(tmp_path: Path) -> None:
    lines, expected = tables("Starts, conditions, breakdowns and lists")
    rows = [
        f"e{number},{line['visitor']},{line['event_type']},{line['event_at']},,{line['product_category']},,,,"
        f"{line['cart_amount']}"
        for number, line in enumerate(lines)
    ]
    (tmp_path / "story.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    arguments = ("--events", str(tmp_path / "story.csv"), "--period", "day", "--json")
    for question in dict.fromkeys(line["options"] for line in expected):
        result = ecom(
            "retention", *arguments, *shlex.split(question.strip("`")), home=tmp_path / "home"
        )
        assert (result.exit_code, result.err) == (0, "")
        cells = [
            {"options": question, "cohort": cohort["cohort"], "size": str(cohort["size"])}
            | {
                str(n): str(cohort["returned"][n]) if n < len(cohort["returned"]) else ""
                for n in range(3)
            }
            for cohort in result.json["cohorts"]
        ]
        assert cells == [line for line in expected if line["options"] == question]
    result = ecom(
        "retention",
        *arguments,
        "--sum",
        "cart_amount",
        "--return",
        "purchase",
        home=tmp_path / "home",
    )
    assert result.json["cohorts"][0]["sum"] == [10, 15, 17.5]


def test_the_value_of_whole_cohorts_is_that_of_the_page() -> None:
    lines, expected = tables("Value of a cohort")
    deeds = []
    for line in lines:
        start = datetime.fromisoformat(f"{line['began on']} 12:00")
        for n in range(int(line["visitors"])):
            deeds += came(f"{line['began on']} {n}", str(start))
        deeds.append(
            bought(
                f"{line['began on']} 0",
                str(start + timedelta(days=1)),
                line["paid by the end of day 1"],
            )
        )
    actual = answer(deeds, RetentionQuestion(period="day"), output="totals")
    assert as_shown(actual[1:2], expected) == expected


def test_the_table_of_cohorts_is_that_of_the_page(platform: Platform) -> None:
    (_, lines), (expected,) = tables("Cohorts and coming back"), tables("The table of cohorts")
    run(platform, lines, "retention_cohorts")
    actual = [row for row in platform.rows(RetentionCohorts) if row["period"] == "day"]
    assert as_shown(actual, expected) == expected


def test_carts_left_behind_are_those_of_the_page_and_of_others(platform: Platform) -> None:
    visitors, expected = section(FUNNEL_EXAMPLES, "Carts left behind").tables
    lines = event_lines(visitors, "cart_amount")
    run(platform, lines, "cart_abandonment")
    actual = [
        row for row in platform.rows(CartAbandonment) if str(row["cart_date"]) == "2026-03-10"
    ]
    assert as_shown(actual, expected) == expected
    kinds = [line["event_type"] for line in lines if line["event_at"].startswith("2026-03-10")]
    carts = len({line["visitor"] for line in lines if line["event_type"] == "add_to_cart"})
    assert 1 - kinds.count("purchase") / carts == pytest.approx(0.6)
    rates = [actual[0]["cart_abandonment_rate"], actual[2]["cart_abandonment_rate"]]
    assert rates == [0.8, 0.4]


def test_the_horizons_of_the_page_are_those_of_the_rule() -> None:
    assert CartRule().horizons_s == (3_600, 86_400, 604_800)
    assert "(1 h, 24 h or 7 d, both ends included)" in section(PAGE, "Carts left behind").text
