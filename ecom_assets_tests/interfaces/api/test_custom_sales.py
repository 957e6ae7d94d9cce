"""Questions about sales by the API: against plain SQL and the marts, over a shop with visits,
orders, codes of discounts and costs that a run has published; and who may see what of them.
"""

import csv
import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import requests

from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.store.store import SnapshotStore
from ecom_assets.interfaces.boards.model import NumberAlert, SavedQuestion
from ecom_assets.interfaces.dashboard.app import build_dashboard_stack
from ecom_assets.interfaces.watching.causes import causes
from ecom_assets.interfaces.watching.numbers import Watched
from ecom_assets.interfaces.watching.rule import AlertFinding
from ecom_assets_tests.command import ecom
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import Api, Row, served
from ecom_assets_tests.patience import PATIENCE_S

pytestmark = [pytest.mark.xdist_group("custom_sales"), pytest.mark.slow]
MONDAY = datetime(2026, 3, 2)  # noqa: DTZ001 (as files have it)
CUSTOMERS = ("ann", "bob", "cid", "dan", "eve", "fay")
ITEMS = {"hat": ("hats", 20, 7), "sock": ("socks", 5, 2), "scarf": ("scarves", 12, None)}
"""The category, the price and the cost of each item."""
PAGES = (
    "https://shop.example/spring?utm_source=news&utm_medium=email&utm_campaign=Spring",
    "https://shop.example/hats?utm_source=google&utm_medium=cpc&utm_campaign=hats#top",
    "https://shop.example/cart",
)
STATED = "https://shop.example/stated"
"""What orders say of their landing pages."""
KEYS = {
    "read": "a-key-that-reads-revenue-only",
    "costs": "a-key-that-may-see-costs-too",
    "people": "a-key-that-may-see-people-too",
    "writes": "a-key-that-saves-questions-too",
}
SCOPES = {"read": "read", "costs": "read+costs", "people": "read+personal", "writes": "read+write"}
ORDER_COLUMNS = (
    "id,uniq_id,order_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,"
    "item_name,item_category,sales_channel,quantity,payment_amount,status,payment_method,"
    "discount_codes,discount_amount,gross_amount,shipping_amount,shipping_cost_amount,"
    "payment_fee_amount,landing_page"
)
OF_ORDERS = {"shipping_amount": "4.90", "shipping_cost_amount": "3.50", "payment_fee_amount": "0.3"}
"""What each order says of shipping and its payment, on its first line."""
NOT_SAID = dict.fromkeys((*OF_ORDERS, "discount_amount", "gross_amount"), "")
"""What refunds do not say."""
EVENT_COLUMNS = (
    "event_id,user_id,event_type,event_timestamp,product_id,product_category,session_id,page_url,"
    "referrer_url,cart_value"
)


def write_shop(folder: Path) -> None:
    """Write visits, orders and costs of four weeks, made by chance from a seed."""
    chance = random.Random(62)  # noqa: S311 (a shop, no secret)
    events, orders = [], []
    for number in range(80):
        customer = chance.choice(CUSTOMERS)
        at = MONDAY + timedelta(hours=chance.randrange(28 * 24))
        events.append([f"e{number}", customer, "page_view", f"{at.isoformat()}Z", *[""] * 6])
        events[-1][7] = chance.choice(PAGES)
        if chance.random() < 0.3:
            continue
        placed = at + timedelta(minutes=20)
        names = chance.sample(sorted(ITEMS), chance.randint(1, 2))
        for place, item in enumerate(names):
            line = line_of(chance, f"o{number}-{place}", f"o{number}", customer, item, placed)
            orders.append(line | (OF_ORDERS if place == 0 else {}))
            if chance.random() < 0.2:
                back = {"uniq_id": f"r{number}-{place}", "status": "refunded", **NOT_SAID}
                later = (placed + timedelta(days=3)).isoformat()
                orders.append(line | back | {"date_time": later})
    first = dict.fromkeys(CUSTOMERS[:5])
    for place, customer in enumerate(first):  # five use SPRING, so that it names nobody
        line = line_of(chance, f"s{place}", f"s{place}", customer, "hat", MONDAY)
        orders.append(line | OF_ORDERS | {"discount_codes": "SPRING"})
    line = orders[-1]  # all of it goes back, and seven more out of goodwill
    back = {"uniq_id": "g", "status": "refunded", **NOT_SAID}
    more = {"payment_amount": line["payment_amount"] + 7}
    orders.append(line | back | more | {"date_time": (MONDAY + timedelta(days=2)).isoformat()})
    # Of a hat for 20 and socks for 5, five go back for neither.
    for item, paid in (("hat", 20), ("sock", 5)):
        line = line_of(chance, f"m-{item}", "m", "fay", item, MONDAY)
        plain = {"quantity": 1, "payment_amount": paid, "gross_amount": paid}
        orders.append(line | plain | {"discount_amount": "", "discount_codes": ""})
    money: Row = {
        "uniq_id": "m-back",
        "item_id": "refund",
        "item_name": "Refund",
        "item_category": "",
        "payment_amount": 5,
        "status": "refunded",
        "date_time": (MONDAY + timedelta(days=9)).isoformat(),
        **NOT_SAID,
    }
    orders.append(orders[-1] | money)
    with (folder / "events.csv").open("w", newline="") as file:
        csv.writer(file).writerows([EVENT_COLUMNS.split(","), *events])
    with (folder / "orders.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ORDER_COLUMNS.split(","), restval="")
        writer.writeheader()
        writer.writerows({**line, "id": place} for place, line in enumerate(orders))
    costs = [f"{item},{cost},2026-01-01" for item, (_, _, cost) in ITEMS.items() if cost]
    (folder / "costs.csv").write_text(
        "\n".join(["item_id,unit_cost_amount,valid_from_date", *costs])
    )


def line_of(  # noqa: PLR0913, PLR0917 (each is a column)
    chance: random.Random, line: str, order: str, customer: str, item: str, at: datetime
) -> dict[str, Any]:
    """Return an order line; Ann alone uses ANN10, and no order of hers says a landing page."""
    category, price, _ = ITEMS[item]
    quantity, off = chance.randint(1, 3), chance.choice((0, 0, 2))
    code = "" if not off else "ANN10" if customer == "ann" else "SPRING"
    return {
        "uniq_id": line,
        "order_id": order,
        "date_time": at.isoformat(),
        "city_id": chance.choice("12"),
        "city_name": "Berlin",
        "customer_id": customer,
        "item_id": item,
        "item_name": item.capitalize(),
        "item_category": category,
        "sales_channel": chance.choice(("web", "app")),
        "quantity": quantity,
        "payment_amount": quantity * price - off,
        "status": "shipped",
        "payment_method": chance.choice(("card", "paypal", "")),
        "discount_codes": code,
        "discount_amount": off,
        "gross_amount": quantity * price,
        "landing_page": "" if customer == "ann" else f"{STATED}?utm_source=shop#top",
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the shop was run."""
    folder = tmp_path_factory.mktemp("custom_sales")
    write_shop(folder)
    files = {name: folder / f"{name}.csv" for name in ("events", "orders", "costs")}
    options = [part for name, path in files.items() for part in (f"--{name}", path)]
    result = ecom("run", *options, home=folder / "home")
    assert result.exit_code == 0, result.out + result.err
    return folder / "home"


@contextmanager
def served_with_keys(home: Path) -> Iterator[Api]:
    """Serve the API and the dashboard, with a key of each kind."""
    keys = ",".join(f"{SCOPES[name]}:{key}" for name, key in KEYS.items())
    settings = Settings(home=home, api_keys=keys, api_timeout_s=300, adhoc_timeout_s=300)
    with served(build_dashboard_stack(settings)) as running:  # type: ignore[arg-type]
        yield running


@pytest.fixture(scope="module")
def keyed(home: Path) -> Iterator[Api]:
    with served_with_keys(home) as api:
        yield api


def ask(api: Api, question: Row, key: str = "costs", **query: str) -> requests.Response:
    return requests.post(
        f"{api.address}/v1/analytics/sales",
        json=question,
        params=query,
        headers={"X-API-Key": KEYS[key]},
        timeout=PATIENCE_S,
    )


def sales(api: Api, key: str = "costs", **question: Any) -> Row:
    """Return the answer to a question, with all values."""
    answer = ask(api, {"limit": 1_000, **question}, key)
    assert answer.status_code == 200, answer.text
    body: Row = answer.json()
    return body


def numbers(answer: Row, *names: str) -> dict[tuple[str, ...], tuple[Any, ...]]:
    """Return some numbers of each row, by its values and its period; rows of zeros are left out."""
    result = {}
    for row in answer["sales"]:
        values = tuple(
            None if row["numbers"][name] is None else round(float(row["numbers"][name]), 5)
            for name in names
        )
        if any(values):
            key = (*row["by"].values(), *([row["start"]] if row["start"] else []))
            result[key] = values
    return result


def rows_of(home: Path, query: str, count: int) -> dict[tuple[str, ...], tuple[Any, ...]]:
    """Return the rows of plain SQL: the last `count` columns by the others."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        rows = con.execute(query).fetchall()
    return {
        tuple(map(str, row[:-count])): tuple(
            None if value is None else round(float(value), 5) for value in row[-count:]
        )
        for row in rows
        if any(row[-count:])
    }


LAST_TOUCH = """
    WITH touched AS (
        SELECT s.uniq_id, t.session_id, row_number() OVER (
            PARTITION BY s.uniq_id
            ORDER BY (t.channel = 'Direct')::INT, t.started_at DESC, t.session_id DESC) AS place
        FROM mart.sales s JOIN mart.touches t ON t.visitor_id = s.customer_id
            AND t.started_at BETWEEN s.ordered_at - INTERVAL 30 DAY AND s.ordered_at
        WHERE s.status = 'shipped')
    SELECT coalesce(split_part(split_part(v.entry_page_url, '?', 1), '#', 1),
            CASE WHEN t.session_id IS NULL AND s.customer_id <> 'ann'
                THEN 'https://shop.example/stated' END, '(none)'),
        sum(s.revenue_amount), count(DISTINCT s.order_id)
    FROM mart.sales s LEFT JOIN touched t ON t.uniq_id = s.uniq_id AND t.place = 1
    LEFT JOIN mart.sessions v USING (session_id) WHERE s.status = 'shipped' GROUP BY 1"""
FIRST_CHANNEL = """
    SELECT coalesce(t.channel, '(none)'), sum(s.revenue_amount), count(DISTINCT s.customer_id)
        FILTER (s.status = 'shipped')
    FROM mart.sales s LEFT JOIN (
        SELECT visitor_id, arg_min(channel, started_at) AS channel FROM mart.touches GROUP BY 1
    ) t ON t.visitor_id = s.customer_id GROUP BY 1"""
NEW = """
    SELECT CASE WHEN s.order_date = c.first_date THEN 'new' ELSE 'returning' END,
        sum(s.revenue_amount), count(DISTINCT s.customer_id)
    FROM mart.sales s JOIN (
        SELECT customer_id, min(order_date) AS first_date FROM mart.sales
        WHERE status = 'shipped' GROUP BY 1) c USING (customer_id)
    WHERE s.status = 'shipped' GROUP BY 1"""
CODES = """
    SELECT code, sum(discount_amount), sum(revenue_amount), count(DISTINCT order_id)
    FROM (SELECT unnest(string_split(coalesce(discount_codes, '(none)'), ', ')) AS code, *
        FROM mart.sales WHERE status = 'shipped') GROUP BY 1"""
MARGIN = """
    SELECT item_category, sum(gross_profit_amount),
        sum(gross_profit_amount) / nullif(sum(costed_revenue_amount), 0)
    FROM mart.profit_lines GROUP BY 1"""
DAILY: Mapping[str, tuple[Row, tuple[str, ...], str]] = {
    "refunds by product": (
        {"by": ["product"]},
        ("refunded_amount", "refund_count"),
        """SELECT item_id, sum(revenue_amount), count(DISTINCT (order_date, order_id))
        FROM mart.sales WHERE status = 'refunded' GROUP BY 1""",
    ),
    "revenue by payment method": (
        {"by": ["payment_method"], "over": "week"},
        ("revenue_amount",),
        """WITH paid AS (SELECT order_id AS paid_order, min(payment_method) AS method
        FROM staging.user_order_log WHERE status = 'shipped' GROUP BY 1
        HAVING count(DISTINCT payment_method) = 1)
        SELECT coalesce(payment_method, CASE status WHEN 'refunded' THEN method END, '(none)'),
        date_trunc('week', order_date)::DATE,
        sum(CASE status WHEN 'refunded' THEN -payment_amount ELSE payment_amount END)
        FROM staging.user_order_log LEFT JOIN paid ON order_id = paid_order GROUP BY 1, 2""",
    ),
    "discounts by code": (
        {"by": ["discount_code"], "where": ["status = shipped"]},
        ("discount_amount", "revenue_amount", "order_count"),
        CODES,
    ),
    "landing pages that sell": (
        {"by": ["landing_page"], "where": ["status = shipped"]},
        ("revenue_amount", "order_count"),
        LAST_TOUCH,
    ),
    "new and returning revenue": (
        {"by": ["customer_type"]},
        ("shipped_amount", "customer_count"),
        NEW,
    ),
    "value by first channel": (
        {"by": ["first_channel"]},
        ("revenue_amount", "customer_count"),
        FIRST_CHANNEL,
    ),
    "margin by category": (
        {"by": ["category"]},
        ("gross_profit_amount", "gross_margin_rate"),
        MARGIN,
    ),
    "hours and weekdays": (
        {"by": ["weekday", "hour"]},
        ("shipped_amount", "order_count"),
        """SELECT isodow(order_date), hour(ordered_at), sum(revenue_amount),
        count(DISTINCT (order_date, order_id)) FROM mart.sales WHERE status = 'shipped'
        GROUP BY 1, 2""",
    ),
}
"""Questions of every day: what is asked, the numbers, and the same in plain SQL."""


@pytest.mark.slow
@each("name", DAILY)
def test_a_question_of_every_day_is_answered_as_plain_sql_does(
    home: Path, keyed: Api, name: str
) -> None:
    question, measures, query = DAILY[name]
    answer = sales(
        keyed, key="people" if "code" in name else "costs", **question, measures=list(measures)
    )
    expected = rows_of(home, query, len(measures))
    assert numbers(answer, *measures) == expected
    assert len(expected) > 1
    if name == "landing pages that sell":
        assert {(page.partition("?")[0],) for page in PAGES} | {(STATED,), ("(none)",)} == {
            *expected
        }


OF_REVENUE = (
    "revenue_amount",
    "shipped_amount",
    "order_count",
    "refund_count",
    "sold_item_count",
    "shipping_amount",
)
OF_PROFIT = (
    "gross_sales_amount",
    "discount_amount",
    "returns_amount",
    "net_sales_amount",
    "goodwill_amount",
    "cost_amount",
    "gross_profit_amount",
    "shipping_cost_amount",
    "payment_fee_amount",
    "contribution_before_ads_amount",
)
COLUMNS = {"category": "item_category", "city": "city_id", "net_sales_amount": "revenue_amount"}
"""What marts call dimensions and measures that have another name there."""


@pytest.mark.parametrize(
    ("mart", "measures", "dimensions"),
    [
        (
            "mart.revenue_daily",
            OF_REVENUE,
            ("channel", "city", "category", "sales_channel"),
        ),
        (
            "mart.profit_daily",
            OF_PROFIT,
            ("channel", "city", "category", "sales_channel", "customer_type"),
        ),
    ],
)
def test_sales_by_day_are_those_of_the_marts(
    home: Path, keyed: Api, mart: str, measures: tuple[str, ...], dimensions: tuple[str, ...]
) -> None:
    every = [COLUMNS.get(name, name) for name in dimensions]
    for name in (None, *dimensions):
        column = COLUMNS.get(name or "", name)
        is_total = " AND ".join(f"{other} = '(all)'" for other in every if other != column)
        own = f"{column}, " if column else ""
        only = f"{is_total} AND {column} <> '(all)'" if column else is_total
        listed = ", ".join(COLUMNS.get(measure, measure) for measure in measures)
        expected = rows_of(
            home, f"SELECT {own}order_date, {listed} FROM {mart} WHERE {only}", len(measures)
        )
        by = [name] if name else []
        answer = sales(keyed, by=by, over="day", measures=list(measures))
        assert numbers(answer, *measures) == expected, name


def why(api: Api, table: str, column: str, **where: str) -> Row:
    """Return why a number is what it is, for a key that may see costs."""
    answer = api.get(
        f"/v1/explain/{table}",
        {"X-API-Key": KEYS["costs"]},
        column=column,
        where=json.dumps(where),
    )
    assert answer.status_code == 200, answer.text
    number: Row = answer.json()["number"]
    return number


def down(number: Row) -> list[tuple[str, int, Any]]:
    """Return each table on the way down, its rows, and what they give."""
    (part,) = number["down"]
    return [(level["table"], level["row_count"], level["gives"]) for level in part["levels"]]


def test_money_back_for_no_item_is_spread_over_its_order_and_explained_down_to_its_row(
    keyed: Api,
) -> None:
    """Of 20.00 for a hat and 5.00 for socks five go back: four for the hat, one for the socks."""
    asked: Row = {"by": ["product"], "where": ["order_id = m"]}
    for measure, amounts in (
        ("refunded_amount", {"hat": "-4.00", "sock": "-1.00"}),
        ("returns_amount", {"hat": "4.00", "sock": "1.00"}),
        ("revenue_amount", {"hat": "16.00", "sock": "4.00"}),
    ):
        answer = sales(keyed, "people", measures=[measure], **asked)
        assert {r["by"]["product"]: r["numbers"][measure] for r in answer["sales"]} == amounts
    day = str((MONDAY + timedelta(days=9)).date())
    line = why(keyed, "mart/sales", "revenue_amount", uniq_id="m-back > sock")
    assert (line["value"], line["adds_up"]) == ("-1.00", None)
    # The part follows from all lines of the order.
    assert down(line) == [("staging.user_order_log", 3, 3), ("raw.user_order_log", 3, 3)]
    for category, part in (({"item_category": "socks"}, "1.00"), ({}, "5.00")):
        number = why(keyed, "mart/revenue_daily", "refunded_amount", order_date=day, **category)
        assert number["adds_up"] is True
        received = number["down"][0]["received"]["rows"]
        rows = [row for row in received if row["uniq_id"] == "m-back"]
        assert [(row["payment_amount"], row["part_amount"]) for row in rows] == [("5.00", part)]
        assert {row.get("part_amount") for row in received if row not in rows} <= {None}
    count = why(keyed, "mart/revenue_daily", "refund_count", order_date=day)
    assert count["adds_up"] is True
    received = [row["uniq_id"] for row in count["down"][0]["received"]["rows"]]
    assert received.count("m-back") == 1
    profit = why(keyed, "mart/profit_lines", "revenue_amount", uniq_id="m-back > hat")
    assert (profit["value"], profit["adds_up"]) == ("-4.00", True)
    assert down(profit)[-1] == ("raw.user_order_log", 1, "-4.00")


def test_goodwill_is_taken_off_revenue_and_not_off_net_sales(keyed: Api) -> None:
    """An order of one line goes back with 7.00 more, which a key without `costs` sees."""
    measures = ["revenue_amount", "net_sales_amount", "goodwill_amount"]
    total = sales(keyed, "read", measures=measures)["total"]["numbers"]
    assert total["goodwill_amount"] == "7.00"
    assert float(total["net_sales_amount"]) - 7 == float(total["revenue_amount"])


def test_customers_of_weeks_are_those_of_the_mart_and_products_those_of_theirs(
    home: Path, keyed: Api
) -> None:
    weeks = rows_of(
        home,
        """SELECT week_start_date, customers_count FROM mart.customer_retention
        WHERE item_category = '(all)' AND city_id = '(all)'""",
        1,
    )
    assert (
        numbers(sales(keyed, over="week", measures=["customer_count"]), "customer_count") == weeks
    )
    products = rows_of(
        home,
        """SELECT item_id, order_date, revenue_amount, sold_item_count
        FROM mart.product_sales_daily""",
        2,
    )
    measures = ("revenue_amount", "sold_item_count")
    answer = sales(keyed, by=["product"], over="day", measures=list(measures))
    assert numbers(answer, *measures) == products


def test_codes_of_few_customers_are_one_row_without_personal(keyed: Api) -> None:
    few = "(codes of fewer than five customers)"
    for more in ([], ["city"], ["payment_method", "weekday"]):
        answers = {
            key: sales(keyed, key, by=["discount_code", *more]) for key in ("read", "people")
        }
        codes = {
            key: {row["by"]["discount_code"] for row in answer["sales"]}
            for key, answer in answers.items()
        }
        assert codes["people"] == {"SPRING", "ANN10", "(none)"}
        assert codes["read"] == {"SPRING", few, "(none)"}
        assert answers["read"]["total"] == answers["people"]["total"]
        assert "ANN10" not in json.dumps(answers["read"])
    by_code = {"where": ["discount_code = ANN10"], "measures": ["order_count"]}
    assert sales(keyed, "people", **by_code)["total"]["numbers"]["order_count"] > 0
    assert sales(keyed, "read", **by_code)["total"]["numbers"]["order_count"] == 0
    refused = ask(keyed, {"where": ["discount_codes = ANN10"]}, "read")
    assert refused.status_code == 403, "the column as received"


@each(
    "question",
    [
        {"measures": ["gross_profit_amount"]},
        {"measures": ["revenue_amount", "gross_margin_rate"], "by": ["category"]},
        {"measures": ["cost_coverage_rate"]},
        {"where": ["gross_profit_amount > 1"]},
        {"where": ["unit_cost_amount > 1"], "measures": ["order_count"]},
    ],
)
def test_measures_and_conditions_of_costs_need_their_scope_on_every_face(
    keyed: Api, question: Row
) -> None:
    for key in ("costs", "read", "people"):
        may = key == "costs"
        for query in ({}, {"format": "csv"}, {"explain": "true"}):
            answer = ask(keyed, question, key, **query)
            assert answer.status_code == (200 if may else 403), (key, answer.text)
    saved: Row = {"name": "What is left", "kind": "sales", "definition": question}
    refused = requests.post(
        f"{keyed.address}/v1/saved/questions",
        json=saved,
        headers={"X-API-Key": KEYS["writes"]},
        timeout=PATIENCE_S,
    )
    assert (refused.status_code, "asks about costs" in refused.text) == (403, True)


QUESTION: Row = {"measures": ["revenue_amount", "order_count"], "where": ["product = hat"]}


def behind(api: Api, listed: str, key: str, **query: object) -> requests.Response:
    return requests.post(
        f"{api.address}/v1/analytics/sales/{listed}",
        json=QUESTION,
        params={name: str(value) for name, value in query.items()},
        headers={"X-API-Key": KEYS[key]},
        timeout=PATIENCE_S,
    )


def test_customers_are_listed_to_who_may_see_them_and_a_file_has_all(
    home: Path, keyed: Api
) -> None:
    expected = rows_of(
        home,
        """SELECT customer_id, sum(revenue_amount),
        count(DISTINCT (order_date, order_id)) FILTER (status = 'shipped')
        FROM mart.sales WHERE item_id = 'hat' GROUP BY 1""",
        2,
    )
    answer = behind(keyed, "who", "people").json()
    found = {
        (row["customer_id"],): (
            float(row["numbers"]["revenue_amount"]),
            row["numbers"]["order_count"],
        )
        for row in answer["who"]
    }
    assert found == expected
    amounts = [amount for amount, _ in found.values()]
    assert amounts == sorted(amounts, reverse=True)
    second = behind(keyed, "who", "people", limit=1, offset=1).json()
    assert (second["who"], second["total_count"]) == (answer["who"][1:2], len(expected))
    assert behind(keyed, "who", "read").status_code == 403
    file = {"definition": json.dumps(QUESTION)}
    address = f"{keyed.address}/v1/analytics/sales/who.csv"
    refused = requests.get(address, file, headers={"X-API-Key": KEYS["read"]}, timeout=PATIENCE_S)
    assert refused.status_code == 403
    got = requests.get(address, file, headers={"X-API-Key": KEYS["people"]}, timeout=PATIENCE_S)
    assert got.status_code == 200, got.text
    assert got.headers["content-type"].startswith("text/csv")
    assert got.headers["x-total-count"] == str(len(expected))
    assert got.text == behind(keyed, "who", "people", format="csv").text
    assert [row["customer_id"] for row in csv.DictReader(got.text.splitlines())] == [
        row["customer_id"] for row in answer["who"]
    ]
    assert not list((home / "serving").rglob("*.csv")), "the file is deleted"
    lines = (home / "api_audit.jsonl").read_text(encoding="utf-8").splitlines()
    file_line, csv_line = [json.loads(line) for line in lines if "people_downloaded" in line][-2:]
    assert file_line["path"] == "/v1/analytics/sales/who.csv"
    assert csv_line["path"] == file_line["path"].removesuffix(".csv")
    for noted in (file_line, csv_line):
        assert (noted["row_count"], noted["status"]) == (len(expected), 200)
        assert noted["caller"]


@each(
    "definition, sentence",
    [
        ("{", "definition is not JSON"),
        ("[]", "definition is not a JSON object; write one"),
        ('{"by": "colour"}', "The dimension of sales 'colour' is unknown"),
        ('{"where": ["gross_profit_amount > 1"]}', "without the scope 'costs'"),
    ],
)
def test_a_file_of_customers_of_a_wrong_question_is_refused(
    keyed: Api, definition: str, sentence: str
) -> None:
    answer = keyed.get(
        "/v1/analytics/sales/who.csv", {"X-API-Key": KEYS["people"]}, definition=definition
    )
    assert answer.status_code in {400, 403, 422}
    assert sentence in answer.json()["detail"]


def test_a_number_is_explained_down_to_received_rows_line_by_line(keyed: Api) -> None:
    total = sales(keyed, **QUESTION)["total"]["numbers"]
    answer = behind(keyed, "lines", "read", limit=1_000).json()
    assert answer["total_count"] == len(answer["lines"])
    amounts = [float(row["numbers"]["revenue_amount"]) for row in answer["lines"]]
    assert sum(amounts) == pytest.approx(float(total["revenue_amount"]))
    assert {row["customer_id"] for row in answer["lines"]} == {None}
    of_people = {row["customer_id"] for row in behind(keyed, "lines", "people").json()["lines"]}
    assert of_people <= {*CUSTOMERS}
    line, by = answer["lines"][0], answer["explained_by"]
    explained = keyed.get(
        f"/v1/explain/{by['table'].replace('.', '/')}",
        {"X-API-Key": KEYS["read"]},
        column=by["column"],
        where=json.dumps({by["key"]: line["uniq_id"]}),
    ).json()
    assert float(explained["number"]["value"]) == float(line["numbers"]["revenue_amount"])
    page = page_of(keyed, "people", behind="lines", last="30d")
    assert "table=mart.sales&amp;column=revenue_amount&amp;uniq_id=" in page
    assert "/analytics/sales/who.csv?" in page_of(keyed, "people", behind="who", last="30d")
    page = page_of(keyed, "read", last="30d")
    assert "List the customers" not in page
    assert "ecom sales --definition question.yaml --orders FILE" in page


TOGETHER = """
    WITH bought AS (
        SELECT DISTINCT order_date, order_id, item_id FROM mart.sales
        WHERE status = 'shipped' AND revenue_amount > 0),
    first AS (SELECT item_id, min(order_date) AS day FROM mart.sales GROUP BY 1),
    pairs AS (
        SELECT b.item_id AS other, greatest(h.day, f.day) AS since, count(*) AS joint
        FROM bought a JOIN bought b USING (order_date, order_id)
        JOIN first h ON h.item_id = 'hat' JOIN first f ON f.item_id = b.item_id
        WHERE a.item_id = 'hat' AND b.item_id <> 'hat' GROUP BY 1, 2 HAVING count(*) >= 5)
    SELECT other, joint,
        (SELECT count(*) FROM bought WHERE item_id = 'hat' AND order_date >= since),
        (SELECT count(*) FROM bought WHERE item_id = other AND order_date >= since),
        (SELECT count(DISTINCT (order_date, order_id)) FROM bought WHERE order_date >= since)
    FROM pairs"""


def test_what_is_bought_with_a_product_is_what_plain_sql_counts(home: Path, keyed: Api) -> None:
    answer = keyed.get(
        "/analytics/products/hat/bought-together", {"X-API-Key": KEYS["read"]}
    ).json()
    counts = ("joint_count", "product_order_count", "other_order_count", "order_count")
    assert {
        (pair["product_id"],): tuple(float(pair[name]) for name in counts)
        for pair in answer["pairs"]
    } == rows_of(home, TOGETHER, 4)
    assert answer["total_count"] == len(answer["pairs"]) > 0
    for pair in answer["pairs"]:
        joint, own, other, whole = (pair[name] for name in counts)
        assert pair["lift"] == pytest.approx(joint * whole / own / other, rel=1e-5)
        assert pair["leverage"] == pytest.approx(
            joint / whole - own * other / whole**2, rel=1e-4, abs=1e-6
        )
    missing = keyed.get("/analytics/products/shoe/bought-together", {"X-API-Key": KEYS["read"]})
    assert (missing.status_code, "No order has the product 'shoe'" in missing.text) == (404, True)
    page = page_of(keyed, "read", "product", product="hat")
    assert page.count(">Bought with it</h2>") == 1
    assert answer["pairs"][0]["product_name"] in page


def test_a_saved_question_is_watched_week_by_week_and_its_causes_add_up(
    home: Path, keyed: Api
) -> None:
    settings = Settings(home=home)
    saved = SavedQuestion.from_mapping(
        {
            "name": "What sells",
            "kind": "sales",
            "definition": {"measures": ["revenue_amount", "order_count"], "by": ["product"]},
        }
    )
    asked: Row = {
        "measures": ["revenue_amount", "order_count"],
        "by": ["product"],
        "over": "week",
    }
    answer = sales(keyed, **asked)
    store = SnapshotStore(settings)
    with store.reading() as reading:

        def watched(**about: Any) -> Watched:
            alert = {"name": "Sales", "question": "what-sells", "every": "week", **about}
            return Watched(NumberAlert.from_mapping(alert), saved, reading, settings)

        def points(**about: Any) -> dict[str, float | None]:
            return {
                str(point.starts_at.date()): point.value for point in watched(**about).points(28)
            }

        whole, hats = points(), points(number="order_count", value="Hat")
        for start, value in whole.items():
            total = [row for row in answer["totals"] if row["start"] == start]
            assert value == (float(total[0]["numbers"]["revenue_amount"]) if total else None)
        for row in answer["sales"]:
            if row["label"] == "Hat" and row["start"] in hats:
                assert hats[row["start"]] == row["numbers"]["order_count"]
        with pytest.raises(DefinitionError, match="The question has no number 'revenue'; did you"):
            points(number="revenue")
        earlier, later = watched().points(28)[-3:-1]
        finding = AlertFinding(
            point=later,
            is_breach=True,
            low=None,
            high=None,
            usual=earlier.value,
            base=earlier.starts_at,
            reason="less than before",
        )
        sums = {
            (row["label"], row["start"]): float(row["numbers"]["revenue_amount"])
            for row in answer["sales"]
        }
        contributed = causes(watched(), finding)
        assert {cause.by for cause in contributed} <= {"Product", "Category", "Channel"} | {
            "Sales channel",
            "City",
        }
        assert contributed
        for cause in contributed:
            if cause.by == "Product":
                now, then = (
                    sums[cause.value, str(point.starts_at.date())] for point in (later, earlier)
                )
                assert cause.change == pytest.approx(now - then)
    store.close()


def page_of(api: Api, key: str, path: str = "sales-explorer", **choices: str) -> str:
    page = requests.get(
        f"{api.address}/dashboard/{path}",
        params=choices,
        headers={"X-API-Key": KEYS[key]},
        timeout=PATIENCE_S,
    )
    assert page.status_code == 200, page.text
    return page.text


def test_the_page_offers_costs_only_to_who_may_see_them(keyed: Api) -> None:
    asked = {"measures": "revenue_amount", "by": "category", "last": "30d"}
    offered = {key: page_of(keyed, key, **asked) for key in ("costs", "read")}
    assert "Gross margin" in offered["costs"]
    assert "Gross margin" not in offered["read"]
    refused = page_of(keyed, "read", measures="gross_margin_rate")
    assert "without the scope" in refused


def test_the_page_shows_what_the_route_answers_and_a_click_narrows(keyed: Api) -> None:
    asked = {"measures": "revenue_amount, order_count", "by": "product", "over": "week"}
    page = " ".join(page_of(keyed, "read", **asked).split())
    answer = sales(
        keyed, "read", measures=["revenue_amount", "order_count"], by=["product"], over="week"
    )
    for row in answer["sales"]:
        assert f">{row['label']}<" in page
        amount = f"{float(row['numbers']['revenue_amount']):,.2f}".replace("-", "\N{MINUS SIGN}")
        assert amount in page
    assert "where=%5B%7B%22column%22%3A+%22product%22" in page


def test_the_csv_has_a_row_for_each_value_and_period(keyed: Api) -> None:
    question: Row = {"by": ["product"], "over": "week", "measures": ["revenue_amount"]}
    answer = sales(keyed, **question)
    text = ask(keyed, {"limit": 1_000, **question}, format="csv").text
    rows = list(csv.DictReader(text.splitlines()))
    assert [
        (row["by.product"], row["label"], row["start"], row["numbers.revenue_amount"])
        for row in rows
    ] == [
        (row["by"]["product"], row["label"], row["start"], row["numbers"]["revenue_amount"])
        for row in answer["sales"]
    ]
