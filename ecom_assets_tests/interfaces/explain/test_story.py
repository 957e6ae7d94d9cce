"""Two visitors and a purchase that arrives twice: each number goes down to the
rows that a reader can count.
"""

from datetime import timedelta
from typing import Any

import pytest

from ecom_assets.behaviour.events.contracts import CleanEvents, RawEvents
from ecom_assets.cli.explain import lines_of, reader_of
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.conditions import parse_where
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.trace import TraceContext
from ecom_assets.interfaces.explain.answer import explain
from ecom_assets.interfaces.explain.question import UPSTREAM, RowsQuestion, table_named
from ecom_assets.interfaces.explain.walk import have_the_same_ids, thin
from ecom_assets_tests.builders import DAY_ONE, Row, journeys
from ecom_assets_tests.each import each
from ecom_assets_tests.platform import Platform

TWO_DAYS = Days.between(DAY_ONE, DAY_ONE + timedelta(days=2))
TABLES = (
    "duplicate_events",
    "events",
    "session_events",
    "session_days",
    "sessions",
    "engagement_daily",
    "purchase_revenue_daily",
)
AFTER_MIDNIGHT = {"event_id": "late"}


@pytest.fixture(scope="module")
def shop(opened: Platform) -> Platform:
    """Anna looks and buys for 20.00, which arrives twice; Ben looks until after midnight;
    one row has no type.
    """
    rows = journeys(
        {
            "anna": [
                (
                    "09:00",
                    "page_view",
                    {"properties": '{"name": "Anna"}', "page_url": "https://shop.example/?mail=a"},
                ),
                ("09:05", "purchase", {"cart_amount": 20, "cart_value": "20.00"}),
            ],
            "ben": [
                ("23:50", "page_view"),
                ("+1 00:05", "page_view", AFTER_MIDNIGHT),
                ("23:55", " "),
            ],
        }
    )
    bought = rows[1]
    rows += [bought, bought | {"received_date": DAY_ONE + timedelta(days=1)}]
    opened.clear()
    opened.receive(rows, TWO_DAYS)
    opened.run(TWO_DAYS, only=TABLES)
    return opened


def why(shop: Platform, table: str, column: str = "", *where: str, **more: Any) -> Row:
    """Return why a number is what it is."""
    question = RowsQuestion(table_named(table), parse_where(where), column, **more)
    return explain(question, reader_of(shop.engine, shop.settings))


def test_where_there_is_no_row_it_says_so_and_blames_no_run(shop: Platform) -> None:
    shown = "\n".join(lines_of(why(shop, "raw.events", "", "event_id = nobody"), with_sql=False))
    assert "There are no such rows, so no run wrote them.\n" in shown
    assert "not noted" not in shown
    assert "no such rows" not in "\n".join(lines_of(why(shop, "raw.events"), with_sql=False))


def test_without_a_column_every_column_of_the_table_is_described(shop: Platform) -> None:
    answer = why(shop, "raw.events")
    columns = [row["column"] for row in (*answer["table"]["other_columns"], *answer["numbers"])]
    assert sorted(columns) == sorted(RawEvents.columns)
    shown = "\n".join(lines_of(answer, with_sql=False))
    assert "\n  received_date [date]: The day on which the event arrived\n" in shown
    assert "\n  referrer_url [string]: The page that led there; may be null\n" in shown


def down(actual: Row) -> list[tuple[str, int, Any]]:
    """Return each table on the way down, its rows, and what they give."""
    (part,) = actual["number"]["down"]
    return [(level["table"], level["row_count"], level["gives"]) for level in part["levels"]]


def test_two_sessions_are_four_received_rows_one_of_them_after_midnight(shop: Platform) -> None:
    actual = why(shop, "mart.engagement_daily", "session_count", f"event_date = {DAY_ONE}")
    assert actual["number"]["value"] == 2
    assert down(actual) == [("mart.sessions", 2, 2), ("staging.events", 4, 2), ("raw.events", 4, 2)]
    assert actual["number"]["adds_up"] is True
    rows = actual["number"]["down"][0]["received"]["rows"]
    assert sorted(row["event_id"] for row in rows) == ["anna-0", "anna-1", "ben-0", "late"]
    # Rows of one session have the same number, which is nobody's id.
    counted = {row["event_id"]: row["counted_as"] for row in rows}
    assert counted["anna-0"] == counted["anna-1"] != counted["ben-0"] == counted["late"]


@pytest.mark.slow
def test_of_three_copies_the_one_that_counts_is_shown(shop: Platform) -> None:
    where = (f"event_date = {DAY_ONE}", "product_category = (all)", "country = (all)")
    actual = why(shop, "purchase_revenue_daily", "shipped_amount", *where)
    assert actual["number"]["value"] == "20.00"
    assert down(actual) == [("staging.events", 1, "20.00"), ("raw.events", 1, "20.00")]
    (row,) = actual["number"]["down"][0]["received"]["rows"]
    assert (row["cart_value"], row["received_date"]) == ("20.00", DAY_ONE.isoformat())
    assert shop.engine.row_count(RawEvents) == 7


def test_rows_and_surplus_copies_are_all_copies_by_fingerprint(shop: Platform) -> None:
    reader = reader_of(shop.engine, shop.settings)
    context = TraceContext({}, reader.table, reader.rules, reader.ask, reader.keep)
    upstream, events = UPSTREAM[CleanEvents], reader.table(CleanEvents)
    assert have_the_same_ids(thin(events, upstream), upstream, context)
    assert upstream.copies is not None
    _, surplus = upstream.copies(events, context)
    # The purchase came three times: the two later ones are surplus.
    assert [row["event_id"] for row in reader.ask(surplus.select("event_id"))] == [
        "anna-1",
        "anna-1",
    ]
    assert not have_the_same_ids(
        thin(events.filter(events.event_id != "anna-1"), upstream), upstream, context
    )


@pytest.mark.slow
def test_numbers_of_several_rows_are_added_up(shop: Platform) -> None:
    actual = why(
        shop,
        "engagement_daily",
        "daily_visitor_count",
        f"event_date <= {DAY_ONE + timedelta(days=1)}",
    )
    # Anna and Ben on the first day, Ben again on the second.
    assert (actual["row_count"], actual["number"]["value"]) == (2, 3)
    assert down(actual)[-1] == ("raw.events", 4, 3)


def test_a_rate_says_which_columns_it_is_computed_from(shop: Platform) -> None:
    number = why(shop, "engagement_daily", "bounce_rate", f"event_date = {DAY_ONE}")["number"]
    assert number["from_columns"] == ["engaged_session_count", "session_count"]
    assert (number["adds_up"], number["down"]) == (None, [])


def test_rates_of_several_days_do_not_add_up(shop: Platform) -> None:
    number = why(shop, "engagement_daily", "bounce_rate")["number"]
    assert (number["value"], number["down"]) == (None, [])
    assert (
        "the numbers of 2 rows, and they do not add up; choose one row by event_date"
        in number["note"]
    )


@pytest.mark.slow
def test_personal_data_are_hidden_unless_asked_for(shop: Platform) -> None:
    values = ("mart.engagement_daily", "engaged_session_count", f"event_date = {DAY_ONE}")
    hidden = why(shop, *values)["number"]["down"][0]["received"]["rows"]
    shown = why(shop, *values, is_personal=True)["number"]["down"][0]["received"]["rows"]
    assert {row["user_id"] for row in hidden} == {"•••"}
    assert "Anna" not in str(hidden)
    assert "mail=a" not in str(hidden)
    assert {row["user_id"] for row in shown} >= {"anna"}
    assert "?mail=a" in str(shown)


@pytest.mark.slow
def test_received_rows_come_in_pages_that_do_not_overlap(shop: Platform) -> None:
    values = ("mart.engagement_daily", "session_count", f"event_date = {DAY_ONE}")
    pages = [why(shop, *values, limit=3, offset=n)["number"]["down"][0]["received"] for n in (0, 3)]
    assert [len(page["rows"]) for page in pages] == [3, 1]
    ids = {row["event_id"] for page in pages for row in page["rows"]}
    assert ids == {"anna-0", "anna-1", "ben-0", "late"}


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["anna-0", "late"])
def test_a_received_row_that_is_gone_or_has_another_id_is_missing_on_the_way_down(
    shop: Platform, lost: str
) -> None:
    values = (
        "mart.engagement_daily",
        "daily_visitor_count",
        f"event_date <= {DAY_ONE + timedelta(days=1)}",
    )
    whole = why(shop, *values)
    rows = shop.engine.name_of(RawEvents)
    shop.engine.execute(f"UPDATE {rows} SET event_id = 'other' WHERE event_id = '{lost}'")
    actual = why(shop, *values)
    shop.engine.execute(f"UPDATE {rows} SET event_id = '{lost}' WHERE event_id = 'other'")
    assert down(actual)[-1][:2] == ("raw.events", 3)
    # Anna is seen in her other event; the day after midnight has no row but the lost one.
    assert down(actual)[-1][2] == (3 if lost == "anna-0" else 2)
    assert actual["number"]["adds_up"] is (lost == "anna-0")
    ids = [row["event_id"] for row in actual["number"]["down"][0]["received"]["rows"]]
    assert sorted([*ids, lost]) == ["anna-0", "anna-1", "ben-0", "late"]
    assert why(shop, *values) == whole


@each(
    "table, column, where, result",
    [
        ("mart.sesions", "", "", "did you mean 'mart.sessions' or 'mart.session_days'"),
        ("sessions", "event_cont", "", "did you mean 'event_count'?"),
        ("sessions", "visitor_id", "", "mart.sessions.visitor_id is not a number"),
        ("sessions", "", "visitor = anna", "did you mean 'visitor_id'?"),
        (
            "sessions",
            "",
            "started_date = yesterday",
            "'yesterday' is not a date for started_date; use YYYY-MM-DD",
        ),
        (
            "sessions",
            "event_count",
            "visitor_id = nobody",
            "No row of mart.sessions meets the conditions",
        ),
    ],
)
def test_impossible_questions_fail(
    shop: Platform, table: str, column: str, where: str, result: str
) -> None:
    with pytest.raises(DefinitionError) as refused:
        why(shop, table, column, *([where] if where else []))
    assert result in str(refused.value)
