"""Questions about sales of a shop without a single order line: purchase events answer what they
can, and the rest is refused by name.
"""

import csv
import json
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.commerce.custom_sales.query import WITHOUT_LINES
from ecom_assets_tests.command import ecom
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import Api, Row
from ecom_assets_tests.interfaces.api.test_custom_sales import (
    CUSTOMERS,
    EVENT_COLUMNS,
    ITEMS,
    MONDAY,
    PAGES,
    ask,
    behind,
    numbers,
    rows_of,
    sales,
    served_with_keys,
)

pytestmark = [pytest.mark.xdist_group("sales_of_purchases"), pytest.mark.slow]
PLACE_OF = {
    "ann": {"city": "Munich", "country": "DE"},
    "bob": {"city": "Köln", "country": "Germany"},
    "cid": {"country": "FR"},
}
"""Where some customers live, as their purchases say it."""
OF_PURCHASES = ("revenue_amount", "shipped_amount", "order_count", "refund_count")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which visits, purchases and refunds of four weeks were run."""
    folder = tmp_path_factory.mktemp("purchases")
    chance = random.Random(63)  # noqa: S311 (a shop, no secret)
    rows: list[list[Any]] = []
    for number in range(60):
        customer, page = chance.choice(CUSTOMERS), chance.choice(PAGES)
        item = chance.choice(sorted(ITEMS))
        category, price, _ = ITEMS[item]
        at = MONDAY + timedelta(hours=chance.randrange(28 * 24))
        of_item = [item, category]
        rows.append([f"v{number}", customer, "page_view", at, "", "", "", page, "", ""])
        for kind, later, is_there in (
            ("purchase", timedelta(minutes=20), chance.random() < 0.7),
            ("refund", timedelta(minutes=40), chance.random() < 0.2),
        ):
            if is_there:
                event = [f"{kind}{number}", customer, kind, at + later, *of_item, "", "", "", price]
                rows.append(
                    [*event, json.dumps(PLACE_OF[customer]) if customer in PLACE_OF else ""]
                )
    with (folder / "events.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*EVENT_COLUMNS.split(","), "properties"])
        writer.writerows([*row[:3], f"{row[3].isoformat()}Z", *row[4:]] for row in rows)
    result = ecom("run", "--events", folder / "events.csv", home=folder / "home")
    assert result.exit_code == 0, result.out + result.err
    return folder / "home"


@pytest.fixture(scope="module")
def keyed(home: Path) -> Iterator[Api]:
    with served_with_keys(home) as api:
        yield api


@pytest.mark.slow
@pytest.mark.parametrize("by", ["", "category"])
def test_sales_of_purchases_are_those_of_the_mart(home: Path, keyed: Api, by: str) -> None:
    other = "country = '(all)' AND region = '(all)' AND city_name = '(all)'"
    own = "product_category, " if by else ""
    only = f"{other} AND product_category {'<>' if by else '='} '(all)'"
    expected = rows_of(
        home,
        f"""SELECT {own}event_date, {", ".join(OF_PURCHASES)}
        FROM mart.purchase_revenue_daily WHERE {only}""",
        len(OF_PURCHASES),
    )
    answer = sales(keyed, by=[by] if by else [], over="day", measures=list(OF_PURCHASES))
    assert numbers(answer, *OF_PURCHASES) == expected
    assert list(answer["range"]["sources"]) == ["events"]
    assert answer["warnings"] == [WITHOUT_LINES]


@pytest.mark.parametrize("place", ["country", "region", "city"])
def test_places_of_purchases_are_those_of_the_mart(home: Path, keyed: Api, place: str) -> None:
    """The mart has a row per place; a country or region has several."""
    column = {"city": "city_name"}.get(place, place)
    expected = rows_of(
        home,
        f"""SELECT {column}, sum(revenue_amount), sum(order_count)
        FROM mart.purchase_revenue_daily
        WHERE product_category = '(all)' AND country <> '(all)' GROUP BY 1""",
        2,
    )
    measures = ("revenue_amount", "order_count")
    answer = sales(keyed, by=[place], limit=50, measures=list(measures))
    actual: dict[str, list[Any]] = {}
    for row in answer["sales"]:
        # Where an event says only its country, its city is not known, and has that for a name.
        is_known = row["label"] != "(none)" and not (place == "city" and " / " in row["label"])
        before = actual.setdefault(row["label"] if is_known else "unknown", [0, 0])
        before[0] += float(row["numbers"]["revenue_amount"])
        before[1] += row["numbers"]["order_count"]
    assert {(key,): tuple(value) for key, value in actual.items()} == expected
    assert {"country": "Germany", "region": "Bavaria", "city": "Munich"}[place] in actual
    narrowed = sales(keyed, by=["product"], where=["country = Germany"])
    of_germany = sales(keyed, by=["country"], where=["country = Germany"])
    assert narrowed["total"]["numbers"] == of_germany["total"]["numbers"]


def test_what_led_to_purchases_is_asked_as_of_orders(home: Path, keyed: Api) -> None:
    expected = rows_of(
        home,
        """WITH touched AS (
            SELECT c.conversion_id, t.session_id, t.channel, row_number() OVER (
                PARTITION BY c.conversion_id
                ORDER BY (t.channel = 'Direct')::INT, t.started_at DESC, t.session_id DESC) AS place
            FROM mart.conversions c JOIN mart.touches t ON t.visitor_id = c.visitor_id
                AND t.started_at BETWEEN c.converted_at - INTERVAL 30 DAY AND c.converted_at
            WHERE NOT c.is_refund)
        SELECT coalesce(t.channel, '(none)'),
            coalesce(split_part(split_part(v.entry_page_url, '?', 1), '#', 1), '(none)'),
            sum(c.revenue_amount), count(*)
        FROM mart.conversions c
        LEFT JOIN touched t ON t.conversion_id = c.conversion_id AND t.place = 1
        LEFT JOIN mart.sessions v USING (session_id) WHERE NOT c.is_refund GROUP BY 1, 2""",
        2,
    )
    measures = ("revenue_amount", "order_count")
    question: Row = {"by": ["channel", "landing_page"], "where": ["status = shipped"]}
    assert numbers(sales(keyed, **question, measures=list(measures)), *measures) == expected
    listed = behind(keyed, "who", "people").json()
    assert {row["customer_id"] for row in listed["who"]} <= {*CUSTOMERS}
    assert behind(keyed, "lines", "people").json()["explained_by"] == {}


@each(
    "question, called",
    [
        ({"by": ["vendor"]}, "The dimension vendor"),
        ({"by": ["discount_code", "product"]}, "The dimension discount_code"),
        ({"measures": ["discount_amount"]}, "The measure discount_amount"),
        ({"measures": ["gross_margin_rate"]}, "The measure"),
        ({"where": ["payment_method = card"]}, "The condition on payment_method"),
        ({"where": ["goodwill_amount > 1"]}, "The condition on goodwill_amount"),
    ],
)
def test_what_only_order_lines_say_is_refused_by_name(
    keyed: Api, question: dict[str, Any], called: str
) -> None:
    refused = ask(keyed, question)
    assert refused.status_code == 409, refused.text
    detail = refused.json()["detail"]
    assert detail.startswith(called)
    assert "needs order lines, and there are only purchase events; add them to what" in detail
