"""`docs/metrics/` recomputed: its own input through the package's functions gives its own results.

The tables are read from the page, and from `examples.txt` beside the tests of its subject, so a
definition and its description cannot drift apart.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import pytest

from ecom_assets.behaviour.events import clean
from ecom_assets.behaviour.events.clean import accounting
from ecom_assets.behaviour.events.contracts import (
    EVENT_TYPES,
    REJECT_REASONS,
    CleanEvents,
    DuplicateEvents,
    QuarantinedEvents,
    RawEvents,
)
from ecom_assets.behaviour.funnels.contracts import ConversionFunnel
from ecom_assets.behaviour.funnels.daily import DailyFunnel
from ecom_assets.behaviour.funnels.definition import Funnel
from ecom_assets.behaviour.funnels.kernel.counts import funnel_times
from ecom_assets.behaviour.funnels.levels import funnel_levels
from ecom_assets.behaviour.funnels.report import plain_steps
from ecom_assets.behaviour.sessions.contracts import EngagementDaily, Sessions
from ecom_assets.behaviour.sessions.rule import PRESETS, SessionRule
from ecom_assets.behaviour.sessions.sessions import whole_sessions
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.values import DAY_S
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.files.events import FileEvents
from ecom_assets_tests.behaviour.funnels.funnel_reference import by_clickhouse
from ecom_assets_tests.builders import Row, clean_events, received
from ecom_assets_tests.markdown import Line, definition, event_lines, section
from ecom_assets_tests.platform import Platform

PAGE = "docs/metrics"
FUNNEL_EXAMPLES = "ecom_assets_tests/behaviour/funnels/examples.txt"
"""Examples of funnels that are too many for their page."""
DAYS = Days.between(date(2026, 2, 28), date(2026, 4, 2))
"""Every day on which something happens on the page."""
THREE_STEPS = ("product_view", "add_to_cart", "purchase")


@pytest.fixture(scope="module")
def opened() -> Iterator[Platform]:
    platform = Platform(funnels=[DailyFunnel("default", funnel_of(*THREE_STEPS, within="7d"))])
    yield platform
    platform.close()


@pytest.fixture
def platform(opened: Platform) -> Platform:
    opened.clear()
    return opened


def tables(heading: str) -> list[list[Line]]:
    return definition(heading).tables


def funnel_of(*steps: str, within: str, order: str = "ordered") -> Funnel:
    return Funnel.from_mapping({"steps": steps, "within": within, "order": order})


def rows_of(lines: Iterable[Line]) -> list[Row]:
    """Return the lines of an input table as received rows; `visitor` is a user."""
    rows = []
    for number, line in enumerate(lines):
        values: dict[str, Any] = {name: cell or None for name, cell in line.items()}
        event_at = datetime.fromisoformat(values.pop("event_at"))
        if "visitor" in values:
            values["user_id"] = values.pop("visitor")
        if "received_date" in values:
            values["received_date"] = date.fromisoformat(values["received_date"])
        rows.append(received(values.pop("event_id", None) or f"e{number:02}", event_at, **values))
    return rows


def without(lines: Iterable[Line], *columns: str) -> list[Line]:
    return [{name: cell for name, cell in line.items() if name not in columns} for line in lines]


def shown(value: object) -> str:
    """Write a value as the page does: flags as words, shares to four places, whole numbers bare."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(round(value, 4))
    return "" if value is None else str(value)


def as_shown(rows: Iterable[Row], like: list[Line]) -> list[Line]:
    """Return the columns of rows that a table of the page has, as the page writes them."""
    digits = {name: max(digits_of(line[name]) for line in like) for name in like[0]}
    return [{name: shown(with_digits(row[name], digits[name])) for name in like[0]} for row in rows]


def digits_of(cell: str) -> int:
    """Return how many digits a cell has after its point."""
    return len(cell.partition(".")[2])


def with_digits(value: object, digits: int) -> object:
    """Return a decimal with as many digits as its column on the page, and more only if not zero."""
    if not isinstance(value, Decimal):
        return value
    rounded = round(value, digits)
    return rounded if rounded == value else value


def run(platform: Platform, rows: list[Row]) -> None:
    platform.receive(rows, DAYS)
    platform.run(DAYS)


# Events


def test_every_reject_reason_is_described_in_the_order_in_which_they_apply() -> None:
    reasons, _ = tables("Clean events and reject reasons")
    assert tuple(line["reject_reason"] for line in reasons) == REJECT_REASONS


def test_every_event_type_of_the_platform_is_named() -> None:
    text = section(PAGE, "Clean events and reject reasons").text
    listed = text.partition("do not change them:")[2].partition(".")[0]
    assert listed.replace("\n", " ").replace(" and ", ", ").split(", ") == [
        " page_view",
        *EVENT_TYPES[1:],
    ]


def test_each_line_of_the_file_is_clean_or_quarantined_with_the_reason_that_the_page_gives(
    tmp_path: Path,
) -> None:
    (text,) = definition("Clean events and reject reasons").code
    _, expected = tables("Clean events and reject reasons")
    folder = tmp_path / "received_date=2026-03-10"
    folder.mkdir()
    (folder / "events.csv").write_text(text)
    settings = Settings()
    raw = FileEvents.open([str(tmp_path)], settings).received()
    rule = clean.CleaningRule(event_types=("page_view", "add_to_cart", "purchase"))
    classified = clean.classify(raw, rule, DAYS).to_pyarrow().to_pylist()
    actual = {
        (row["event_id"] or (row["malformed_row"] or "").partition(",")[0], row["reject_reason"])
        for row in classified
    }
    assert len(classified) == len(expected)
    assert actual == {(line["event_id"], line["reject_reason"] or None) for line in expected}
    assert {line["reject_reason"] for line in expected} == {"", *REJECT_REASONS}


def test_copies_become_clean_surplus_or_quarantined_as_the_page_says(platform: Platform) -> None:
    lines, _ = tables("Duplicates and the accounting")
    rows = rows_of(without(lines, "row", "becomes", "as"))
    run(platform, rows)
    became = {
        "clean": expected_of(lines, "clean"),
        "quarantined": expected_of(lines, "quarantined"),
    }
    kept = [
        (row["event_id"], row["event_at"], row["user_id"], row["event_type"])
        for row in platform.rows(CleanEvents)
    ]
    refused = [
        (row["event_id"], row["event_at"], row["user_id"], row["event_type"] or "")
        for row in platform.rows(QuarantinedEvents)
    ]
    assert sorted(kept) == sorted(became["clean"])
    assert sorted(refused) == sorted(became["quarantined"])
    surplus = sum(row["surplus_count"] for row in platform.rows(DuplicateEvents))
    assert surplus == len(expected_of(lines, "surplus"))


def expected_of(lines: Iterable[Line], becomes: str) -> list[tuple[object, ...]]:
    chosen = [line for line in lines if line["becomes"] == becomes]
    return [
        (
            line["as"] or line["event_id"],
            datetime.fromisoformat(line["event_at"]),
            line["user_id"],
            line["event_type"],
        )
        for line in chosen
    ]


@pytest.mark.slow
def test_the_accounting_per_day_leaves_no_residue(platform: Platform) -> None:
    lines, expected = tables("Duplicates and the accounting")
    run(platform, rows_of(without(lines, "row", "becomes", "as")))
    four = [
        platform.table(contract)
        for contract in (RawEvents, CleanEvents, QuarantinedEvents, DuplicateEvents)
    ]
    per_day = accounting(DAYS, platform.settings.late_days, *four).order_by("day")
    assert as_shown(platform.engine.con.to_pyarrow(per_day).to_pylist(), expected) == expected


# Visitors and sessions


@pytest.mark.slow
def test_visitors_are_found_as_the_page_says() -> None:
    (lines,) = tables("Visitor")
    near = Settings(
        home=Path("never written"),
        identity_days_back=2,
        identity_days_ahead=1,
        identity_one_user_days=4,
    )
    platform = Platform(near)
    run(platform, rows_of(without(lines, "visitor_id", "joined_by", "why")))
    actual = {
        row["event_id"]: (row["visitor_id"], row["joined_by"]) for row in platform.rows(CleanEvents)
    }
    platform.close()
    assert actual == {line["event_id"]: (line["visitor_id"], line["joined_by"]) for line in lines}


def test_the_presets_are_described_as_they_are() -> None:
    described, _, _ = tables("Where a session ends")
    assert [line["preset"].removesuffix(" (web)") for line in described] == sorted(
        PRESETS, key=_place_on_page
    )
    for line in described:
        rule = PRESETS[line["preset"].removesuffix(" (web)")]
        assert line["gap"] == f"{rule.idle_timeout_s // 60} min"
        assert line["at midnight"] == ("ends" if rule.midnight_split else "continues")
        assert line["new campaign"] == ("begins a session" if rule.campaign_split else "continues")
        assert line["longest"] == ("24 h" if rule.max_length_s == DAY_S else "")
        assert line["by the source's session id"].startswith(
            "yes" if rule.trust_source_session_id else "no"
        )


def _place_on_page(preset: str) -> int:
    return ["ga4", "amplitude", "universal_analytics", "mixpanel", "snowplow", "source"].index(
        preset
    )


def test_each_preset_cuts_the_visit_as_the_page_says() -> None:
    _, lines, expected = tables("Where a session ends")
    rows = [row | {"session_id": "s1"} for row in rows_of(lines)]
    name_of = {row["event_at"]: row["event_id"] for row in rows}
    actual = []
    for line in expected:
        cut = whole_sessions(ibis.memtable(clean_events(rows)), SessionRule.preset(line["preset"]))
        starts = sorted(connect().to_pyarrow(cut)["started_at"].to_pylist())
        names = ", ".join(name_of[start] for start in starts)
        actual.append(
            {"preset": line["preset"], "sessions": str(len(starts)), "they begin with": names}
        )
    assert actual == expected


def test_sessions_are_cut_on_devices_as_the_page_says(platform: Platform) -> None:
    lines, expected = tables("On which device")
    run(platform, rows_of(lines))
    actual = sorted(platform.rows(Sessions), key=lambda row: row["started_at"])
    assert as_shown(actual, without(expected, "why")) == without(expected, "why")


def test_each_session_is_engaged_or_single_page_as_the_page_says(platform: Platform) -> None:
    lines, expected, _ = tables("Engaged, single page, time")
    run(platform, rows_of(lines))
    actual = [row | {"duration_s": int(row["duration_s"])} for row in platform.rows(Sessions)]
    assert as_shown(actual, without(expected, "why")) == without(expected, "why")


def test_the_day_of_these_sessions_comes_out_as_the_page_says(platform: Platform) -> None:
    lines, _, expected = tables("Engaged, single page, time")
    run(platform, rows_of(lines))
    assert as_shown(platform.rows(EngagementDaily), expected) == expected


def test_visitors_of_a_day_a_week_and_a_month_are_counted_as_the_page_says(
    platform: Platform,
) -> None:
    lines, expected = tables("Engagement")
    run(platform, rows_of(lines))
    assert as_shown(platform.rows(EngagementDaily), expected) == expected


# Funnels


def levels(rows: list[Row], funnel: Funnel) -> dict[str, int]:
    actual = connect().to_pyarrow(funnel_levels(ibis.memtable(clean_events(rows)), funnel))
    return dict(zip(actual["visitor_id"].to_pylist(), actual["level"].to_pylist(), strict=True))


def levels_each_way(rows: list[Row], *steps: str, folder: Path) -> dict[str, dict[str, int]]:
    ordered, strict = (
        funnel_of(*steps, within="1h", order=order) for order in ("ordered", "strict_increase")
    )
    events = clean_events(rows).select(["visitor_id", "event_at", "event_type"])
    return {
        "ordered": levels(rows, ordered),
        "strict_increase": levels(rows, strict),
        "ClickHouse default": by_clickhouse(events, ordered, folder),
        "ClickHouse strict_increase": by_clickhouse(events, ordered, folder, "strict_increase"),
    }


@pytest.mark.parametrize(
    ("table_number", "steps"),
    [(1, THREE_STEPS), (3, ("product_view", "product_view"))],
    ids=["three_steps", "one_step_twice"],
)
def test_each_way_of_counting_gives_the_levels_of_the_example(
    table_number: int, steps: tuple[str, ...], tmp_path: Path
) -> None:
    lines, *others = section(FUNNEL_EXAMPLES, "Funnel").tables
    levels_by_method = levels_each_way(rows_of(lines), *steps, folder=tmp_path)
    expected = without(others[table_number - 1], "why")
    actual = [
        {"visitor": line["visitor"]}
        | {
            method: str(levels_by_method[method].get(line["visitor"], 0))
            for method in line
            if method != "visitor"
        }
        for line in expected
    ]
    assert actual == expected


def test_the_steps_of_the_funnel_count_as_the_page_says() -> None:
    _, lines = tables("Orders of a funnel")
    (expected,) = section(PAGE, "Funnel").tables
    con = connect().con
    con.register("page_events", clean_events(rows_of(event_lines(lines, "product_id"))))
    counts = funnel_times(
        con, "SELECT * FROM page_events", funnel_of(*THREE_STEPS, within="1h")
    ).counts
    assert as_shown(plain_steps(THREE_STEPS, counts), expected) == expected


def test_the_daily_funnel_counts_sessions_and_visitors_as_in_the_example(
    platform: Platform,
) -> None:
    visitors, expected = section(FUNNEL_EXAMPLES, "The daily funnel").tables
    lines = event_lines(visitors, "product_category")
    rows = [row | {"product_id": "p1", "cart_amount": Decimal(0)} for row in rows_of(lines)]
    run(platform, rows)
    counts: dict[tuple[str, str, str], Line] = {}
    for row in platform.rows(ConversionFunnel):
        key = (str(row["cohort_date"]), row["unit"], row["product_category"])
        counts.setdefault(key, {})[row["event_type"]] = str(row["unit_count"])
    named = ("cohort_date", "unit", "product_category")
    assert counts == {
        tuple(line[name] for name in named): {s: line[s] for s in THREE_STEPS} for line in expected
    }
