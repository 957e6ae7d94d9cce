"""A published state of two years and fifty thousand products, made inside DuckDB,
for `api.py` to be asked of.

Every column is filled by arithmetic on row numbers: what the numbers are does not matter here.
"""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.core.tables.contract import Column
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.outputs.serving.assets import SERVED
from ecom_assets.outputs.serving.snapshot import publish_snapshot

FIRST_DAY = "DATE '2024-01-01'"
DAYS = 730
EVENT_TYPES = (
    "['page_view', 'product_view', 'product_view', 'add_to_cart', 'page_view', 'checkout_start', "
    "'purchase']"
)


@dataclass(frozen=True)
class Size:
    """How many there are."""

    products: int
    sold_a_day: int
    customers: int
    events: int


FULL = Size(products=50_000, sold_a_day=5_000, customers=200_000, events=10_000_000)
QUICK = Size(products=5_000, sold_a_day=500, customers=20_000, events=500_000)


def publish(home: Path, size: Size) -> None:
    """Fill the tables that the API reads, and publish them."""
    with closing(DuckDBEngine(home / "warehouse.duckdb").open()) as engine:
        for contract in SERVED:
            engine.ensure(contract)
            for rows, columns in _filled(contract.name, size):
                answer = {
                    name: columns.get(name, _default(column))
                    for name, column in contract.columns.items()
                }
                selected = ", ".join(
                    f'{expression} AS "{name}"' for name, expression in answer.items()
                )
                engine.execute(
                    f"INSERT INTO {engine.name_of(contract)} SELECT {selected} FROM {rows}"
                )
        publish_snapshot(engine, home / "serving", SERVED, {}, "benchmark")


def event_count(home: Path) -> int:
    """Return how many clean events there are."""
    with closing(DuckDBEngine(home / "warehouse.duckdb", read_only=True).open()) as engine:
        return engine.row_count(CleanEvents)


Filled = dict[str, list[tuple[str, dict[str, str]]]]


def _filled(table: str, size: Size) -> list[tuple[str, dict[str, str]]]:
    """Return from what, and with which columns, a table is filled."""
    made = _sales(size) | _products(size) | _people(size) | _channels() | _funnels() | _events(size)
    return made.get(table, [])


def _day(rows_a_day: int) -> str:
    return f"({FIRST_DAY} + (n // {rows_a_day})::INTEGER)::DATE"


def _sales(size: Size) -> Filled:
    dimensions = {"channel": 20, "city_id": 100, "item_category": 30}
    return {
        "revenue_daily": [
            (
                f"range({DAYS * count}) r(n)",
                {
                    "order_date": _day(count),
                    **dict.fromkeys(dimensions, "'(all)'"),
                    **({dimension: f"'v' || (n % {count})"} if dimension else {}),
                    "order_count": "1 + n % 97",
                    "revenue_amount": "n % 10000",
                    "shipped_amount": "n % 10000",
                },
            )
            for dimension, count in [("", 1), *dimensions.items()]
        ],
        "sales": [
            (
                f"range({DAYS * 500}) r(n)",
                {
                    "uniq_id": "'l' || n",
                    "order_id": "'o' || (n // 2)",
                    "order_date": _day(500),
                    "ordered_at": (
                        f"({FIRST_DAY} + (n // 500)::INTEGER)::TIMESTAMP + INTERVAL 1 MINUTE "
                        "* (n % 1440)"
                    ),
                    "customer_id": f"'c' || ((n // 2 * 31) % {size.customers})",
                    "item_id": f"'p' || ((n * 13) % {size.products})",
                    "status": "'shipped'",
                    "quantity": "1",
                    "revenue_amount": "n % 100",
                },
            )
        ],
        "city": [
            (
                "range(100) r(n)",
                {"city_id": "'v' || n", "country": "'c' || (n % 9)", "city_name": "'n' || n"},
            )
        ],
    }


def _products(size: Size) -> Filled:
    return {
        "product_performance": [
            (
                f"range({DAYS * size.sold_a_day}) r(n)",
                {
                    "event_date": _day(size.sold_a_day),
                    "product_id": f"'p' || ((n * 7919) % {size.products})",
                    "product_category": "'v' || (n % 30)",
                    "product_view_count": "n % 50",
                    "revenue_amount": "n % 1000",
                    "sales_source": "'orders'",
                },
            )
        ],
        "item": [
            (f"range({size.products}) r(n)", {"item_id": "'p' || n", "item_name": "'name ' || n"})
        ],
        "category_performance": [
            (
                f"range({DAYS * 30}) r(n)",
                {
                    "started_date": _day(30),
                    "product_category": "'v' || (n % 30)",
                    "product_view_count": "n % 90",
                },
            )
        ],
        "inventory_alerts": [
            (f"range({size.products // 10}) r(n)", {"product_id": "'p' || n", "alert": "'low'"})
        ],
    }


def _people(size: Size) -> Filled:
    return {
        "customer": [
            (
                f"range({size.customers}) r(n)",
                {
                    "customer_id": "'c' || n",
                    **dict.fromkeys(
                        ("first_order_date", "first_paid_date"),
                        f"({FIRST_DAY} + (n % {DAYS})::INTEGER)::DATE",
                    ),
                    "is_first_paid_renewal": "false",
                },
            )
        ],
        "customer_segments": [
            (
                f"range({size.customers}) r(n)",
                {"customer_id": "'c' || n", "segment": "['Lost', 'New'][1 + n % 2]"},
            )
        ],
        "lifetime_value": [
            (
                f"range({size.customers}) r(n)",
                {
                    "customer_id": "'c' || n",
                    "alive_probability": "n % 100 / 100",
                    "lifetime_value_amount": "n % 300",
                },
            )
        ],
        "engagement_daily": [(f"range({DAYS}) r(n)", {"event_date": _day(1)})],
    }


def _channels() -> Filled:
    return {
        "channel_attribution": [
            (
                f"range({DAYS * 8 * 20}) r(n)",
                {
                    "converted_date": _day(160),
                    "unit": "'order'",
                    "model": (
                        "['first', 'last', 'last_non_direct', 'linear', 'position', 'j', "
                        "'time_decay', 'markov'][1 + n % 8]"
                    ),
                    "channel": "'v' || (n % 160 // 8)",
                    "credit": "1",
                    "revenue_amount": "n % 500",
                },
            )
        ],
    }


def _funnels() -> Filled:
    return {
        "conversion_funnel": [
            (
                f"range({DAYS * 2 * 31 * 5}) r(n)",
                {
                    "funnel_name": "'default'",
                    "cohort_date": _day(310),
                    "unit": "['session', 'visitor'][1 + n % 2]",
                    "product_category": (
                        "CASE n % 310 // 10 WHEN 0 THEN '(all)' ELSE 'v' || (n % 310 // 10) END"
                    ),
                    "step": "1 + n % 10 // 2",
                    "event_type": "'step ' || (n % 10 // 2)",
                    "unit_count": "1000 - n % 10 * 90",
                },
            )
        ],
        "conversion_by_dimension": [
            (
                f"range({DAYS * 25 * 9}) r(n)",
                {
                    "funnel_name": "['default', '(cart)', '(checkout)'][1 + n % 3]",
                    "cohort_date": _day(225),
                    "dimension": "CASE WHEN n % 225 // 9 < 5 THEN 'device' ELSE 'channel' END",
                    "value": "'v' || (n % 225 // 9)",
                    "step": "1 + n % 9 // 3",
                    "event_type": "'step ' || (n % 9 // 3)",
                    "unit_count": "100",
                },
            )
        ],
        "cart_abandonment": [
            (
                f"range({DAYS}) r(n)",
                {
                    "cart_date": _day(1),
                    "unit": "'session'",
                    "cart_count": "10 + n",
                    "abandoned_cart_count": "n",
                },
            )
        ],
    }


def _events(size: Size) -> Filled:
    return {
        "events": [
            (
                f"range({size.events}) r(n)",
                {
                    "event_id": "'e' || n",
                    "visitor_id": "'u' || (n // 10)",
                    "event_at": (
                        f"{FIRST_DAY} + INTERVAL 1 SECOND * ((n // 10 * 6) % {DAYS * 86_400} "
                        "+ n % 10 * 40)"
                    ),
                    "event_date": (
                        f"({FIRST_DAY} + INTERVAL 1 SECOND * ((n // 10 * 6) % "
                        f"{DAYS * 86_400}))::DATE"
                    ),
                    "event_type": f"{EVENT_TYPES}[1 + (n % 10 * (1 + n // 10 % 5)) % 7]",
                    "source_session_id": "'s' || (n // 10)",
                    "product_category": "'v' || (n % 30)",
                },
            )
        ],
    }


def _default(column: Column) -> str:
    if column.nullable:
        return "NULL"
    kinds = {
        "string": "'-'",
        "date": FIRST_DAY,
        "boolean": "FALSE",
        "timestamp(6)": f"{FIRST_DAY}::TIMESTAMP",
    }
    return kinds.get(column.type, "0")
