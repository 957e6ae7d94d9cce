"""The questions of every day that docs/dashboard.md begins with: each address answers, with the
numbers of plain SQL.
"""

import re
from collections.abc import Callable, Mapping

import duckdb
import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.routes import findings
from ecom_assets.interfaces.dashboard.page import all_pages
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.html import Node, read, tiles_of
from ecom_assets_tests.markdown import ROOT

LISTED = re.search(
    r"Questions of every day.*?\n\n(.*?)\n\n",
    (ROOT / "docs" / "dashboard.md").read_text(),
    re.DOTALL,
)
assert LISTED
LINES = LISTED[1].splitlines()
ADDRESSES = [address for line in LINES for address in re.findall(r"`([^`]+)`", line)]


def test_there_are_twenty_questions_and_each_has_its_place() -> None:
    assert len(LINES) >= 20
    assert [line for line in LINES if "`" not in line and "](" not in line] == []


def test_an_address_that_names_a_section_names_one_of_its_page() -> None:
    """Those of the documentation, and those that what to look at leads to."""
    sections = {page.path: {section.key for section in page.sections} for page in all_pages()}
    named = [address for address in (*ADDRESSES, *findings.PAGES.values()) if "#" in address]
    assert len(named) >= 2
    for address in named:
        page, _, anchor = address.partition("#")
        assert anchor in sections[page.partition("?")[0]], address
    assert {
        path for path in findings.PAGES.values() if re.split("[?#]", path)[0] not in sections
    } == set()


@pytest.mark.slow
@each("address", ADDRESSES)
def test_a_question_of_every_day_is_answered_at_its_address(client: Client, address: str) -> None:
    path = address if address.startswith("/") else f"/dashboard/{address}"
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert "could not be rendered" not in answer.text


DAYS = "BETWEEN DATE '2026-01-11' AND DATE '2026-02-09'"
"""The newest 30 days of the small shop, which pages begin with."""
WEEK = "BETWEEN DATE '2026-02-03' AND DATE '2026-02-09'"
REVENUE = "sum(CASE status WHEN 'refunded' THEN -payment_amount ELSE payment_amount END)"
SOLD = "staging.user_order_log"
ORDERED = f"""orders AS (
    SELECT order_id, any_value(customer_id) AS customer, min(order_date) AS day,
        min(ordered_at) AS bought_at FROM {SOLD} WHERE status = 'shipped' GROUP BY ALL)"""
PLACED = f"""WITH {ORDERED}, placed AS (
    SELECT *, row_number() OVER (PARTITION BY customer ORDER BY bought_at, order_id) AS number,
        count(*) OVER (PARTITION BY customer) AS order_count FROM orders),
    waits AS (SELECT b.day - a.day AS days FROM placed a JOIN placed b USING (customer)
        WHERE a.number = 1 AND b.number = 2)"""
TERM = "lower(url_decode(replace(regexp_extract(page_url, '[?&]q=([^&]*)', 1), '+', ' ')))"
ANSWERS: Mapping[str, tuple[str, Callable[[Node], object], str]] = {
    "the newest 7 days": (
        "overview?time_range=week",
        lambda page: [tiles_of(page)[name] for name in ("Revenue", "Orders", "Sessions")],
        f"""SELECT (SELECT round({REVENUE}, 2) FROM {SOLD} WHERE order_date {WEEK})::VARCHAR,
        (SELECT count(DISTINCT order_id) FROM {SOLD} WHERE order_date {WEEK}
            AND status = 'shipped')::VARCHAR,
        (SELECT count(*) FROM mart.sessions WHERE started_date {WEEK} AND NOT is_bot)::VARCHAR""",
    ),
    "the month so far": (
        "sales-explorer?over=day&cumulative=true&last=30d&compare=year",
        lambda page: [table_of(page, "Rows")[-1][1]],
        f"SELECT format('{{:,.2f}}', ({REVENUE})::DOUBLE) FROM {SOLD} WHERE order_date {DAYS}",
    ),
    "orders by channel": (
        "attribution",
        lambda page: [f"{row[0]} {row[1]}" for row in sorted(table_of(page, "The chosen model"))],
        f"""WITH {ORDERED}, touched AS (SELECT order_id, channel, row_number() OVER (
            PARTITION BY order_id ORDER BY (channel = 'Direct')::INT, started_at DESC) AS place
        FROM orders JOIN mart.touches ON visitor_id = customer
            AND started_at BETWEEN bought_at - INTERVAL 30 DAY AND bought_at)
        SELECT list(name ORDER BY name) FROM (
            SELECT coalesce(channel, '(none)') || ' ' || count(*) || '.0' AS name
            FROM orders LEFT JOIN touched USING (order_id)
            WHERE coalesce(place, 1) = 1 AND day {DAYS} GROUP BY channel)""",
    ),
    "what they did after the start": (
        "journeys",
        lambda page: [table_of(page, "Pairs of steps")[0][2]],
        f"SELECT count(*)::VARCHAR FROM mart.sessions WHERE started_date {DAYS} AND NOT is_bot",
    ),
    "who comes back": (
        "retention",
        lambda page: table_of(page, "Cohorts")[1][:3],
        """WITH weeks AS (SELECT DISTINCT visitor_id, date_trunc('week', event_date) AS week
            FROM staging.events WHERE NOT is_bot),
        firsts AS (SELECT visitor_id, min(week) AS first FROM weeks GROUP BY 1),
        cohort AS (SELECT * FROM firsts WHERE first = (SELECT min(first) FROM firsts))
        SELECT (SELECT count(*) FROM cohort)::VARCHAR, '100%',
            round(100 * (SELECT count(*) FROM cohort JOIN weeks USING (visitor_id)
                WHERE week = first + INTERVAL 7 DAY) / (SELECT count(*) FROM cohort))::INT || '%'
        """,
    ),
    "what sells": (
        "products",
        lambda page: [f"{row[1]} {row[7]} {row[8]}" for row in table_of(page, "Products")[:5]],
        f"""SELECT list(line) FROM (SELECT 'The ' || item_id || ' '
                || sum(quantity) FILTER (status = 'shipped')::INT || ' '
                || format('{{:,.2f}}', ({REVENUE})::DOUBLE) AS line
            FROM {SOLD} WHERE order_date {DAYS} GROUP BY item_id ORDER BY {REVENUE} DESC LIMIT 5)
        """,
    ),
    "viewed and not bought": (
        "products?sort_by=views",
        lambda page: sorted(f"{row[1]} {row[3]} {row[4]}" for row in table_of(page, "Products")),
        f"""SELECT list(line ORDER BY line) FROM (SELECT 'The ' || product_id || ' '
                || count(*) FILTER (event_type = 'product_view') || ' '
                || count(*) FILTER (event_type = 'add_to_cart') AS line
            FROM staging.events WHERE event_date {DAYS} AND NOT is_bot AND product_id <> ''
            GROUP BY product_id)""",
    ),
    "what to reorder": (
        "products",
        lambda page: sorted(f"{row[0]} {row[1]}" for row in table_of(page, "What to reorder")),
        f"""SELECT list(line ORDER BY line) FROM (SELECT 'The ' || product_id || ' '
            || ceil(sum(quantity) / any_value(in_stock_days_count) * (7 + 28)
                - any_value(stock_count))::INT AS line
        FROM mart.inventory_alerts JOIN {SOLD} ON item_id = product_id
        WHERE status = 'shipped' AND alert IN ('out_of_stock', 'low')
            AND order_date BETWEEN DATE '2026-01-13' AND DATE '2026-02-09' GROUP BY product_id)""",
    ),
    "carts left": (
        "carts",
        lambda page: [tiles_of(page)[name] for name in ("Carts", "Carts left behind")],
        f"""SELECT count(*)::VARCHAR, count(*) FILTER (purchase_count = 0)::VARCHAR
        FROM mart.sessions WHERE started_date {DAYS} AND add_to_cart_count > 0 AND NOT is_bot""",
    ),
    "who bought once and is due again": (
        "customers",
        lambda page: [
            tiles_of(page)[name]
            for name in ("Median days to a second order", "Came back", "Bought once", "Due again")
        ],
        f"""{PLACED} SELECT (SELECT median(days) FROM waits)::VARCHAR,
            (SELECT count(*) FROM waits)::VARCHAR,
            (SELECT count(*) FROM placed WHERE order_count = 1)::VARCHAR,
            (SELECT count(*) FROM placed WHERE order_count = 1
                AND DATE '2026-02-09' - day > (SELECT median(days) FROM waits))::VARCHAR""",
    ),
    "searches": (
        "searches",
        lambda page: sorted(f"{row[0]} {row[2]}" for row in table_of(page, "Search terms")),
        f"""SELECT list(line ORDER BY line) FROM (SELECT {TERM} || ' ' || count(*) AS line
        FROM staging.events WHERE event_type = 'search' AND event_date {DAYS} AND NOT is_bot
        GROUP BY {TERM})""",
    ),
}
"""The address of a question, the numbers on its page, and the same in plain SQL: a list, or texts.

Others are asked of `sales` as plain SQL does in `interfaces/api/test_custom_sales.py` (`DAILY`).
*Last week* and conversion by device are counted again in plain Python, in `test_last_week.py` and
`interfaces/api/plain_shop.py`.
"""


def table_of(page: Node, title: str) -> list[list[str]]:
    """Return the cells of the rows of a section's last table."""
    (part,) = [one for one in page.all("section") if one.all("h2")[0].text == title]
    rows = [row.all("td") for row in part.all("table")[-1].all("tr")]
    return [[cell.text for cell in row] for row in rows if row]


@pytest.mark.slow
@each("name", ANSWERS)
def test_the_number_at_the_address_of_a_question_is_that_of_plain_sql(
    settings: Settings, client: Client, name: str
) -> None:
    address, shown, query = ANSWERS[name]
    answer = client.get(f"/dashboard/{address}")
    with duckdb.connect(str(settings.home / "warehouse.duckdb"), read_only=True) as con:
        row = con.execute(query).fetchone()
    assert row is not None
    expected = row[0] if isinstance(row[0], list) else [*row]
    assert shown(read(answer.text)) == expected
