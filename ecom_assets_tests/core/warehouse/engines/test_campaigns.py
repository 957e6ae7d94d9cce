"""Every engine reads the same campaigns out of fields and addresses, joins the same visitors to
customers, and finds the same events of orders.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from itertools import product
from typing import Any

import pyarrow as pa
import pytest

from ecom_assets.behaviour.events.contracts import CAMPAIGN_SCOPES, CleanEvents
from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.behaviour.sessions.contracts import SessionEvents, Sessions
from ecom_assets.commerce.attribution.contracts import (
    CHANNELS,
    Conversions,
    OrderVisits,
    Touches,
)
from ecom_assets.commerce.attribution.order_sums import SumsOfData
from ecom_assets.commerce.attribution.order_visits import order_visits
from ecom_assets.commerce.attribution.queries import met_too_few
from ecom_assets.commerce.attribution.touches import ChannelRule, first_touches, with_arrival
from ecom_assets.commerce.customers.visitors import customer_visitors
from ecom_assets.commerce.findings.findings import meeting_rows
from ecom_assets.commerce.orders.contracts import PriceLog, UserOrderLog
from ecom_assets.commerce.reconciliation.differences import order_event_reconciliation
from ecom_assets.commerce.sales.dimensions import item
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.site_lists import source_lists
from ecom_assets_tests.builders import DAY_ONE, Row, as_table, at, clean_events
from ecom_assets_tests.commerce.customers.customer_stories import ordered_and_visited
from ecom_assets_tests.commerce.customers.test_customer_visitors import sold
from ecom_assets_tests.commerce.reconciliation.reconciliation_reference import (
    RULE,
    line,
    reference_differences,
    reported,
)
from ecom_assets_tests.commerce.reconciliation.test_differences import LONG, random_shop
from ecom_assets_tests.core.warehouse.engines.warehouses import (
    ALL_ENGINES,
    on_one_worker_each,
    opened,
    settings_of,
)

DAY = date(2026, 3, 1)
SHOP = "https://shop.example/"
PAGES = (SHOP, f"{SHOP}?utm_source=bing&utm_medium=cpc&utm_campaign=7", f"{SHOP}?gclid=a", None)
FIELDS: tuple[dict[str, str], ...] = (
    {},
    {"campaign_source": " Google ", "campaign_medium": "CPC", "campaign_name": "Lamps"},
    {"campaign_source": "(direct)", "campaign_medium": "(none)", "campaign_id": "9"},
    {"campaign_name": "12", "click_id": "msclkid=b"},
    {"click_id": "gclid=Cj0K"},
)


def visits() -> list[Row]:
    """Return a first event of a visitor for each page, fields, scope and referrer."""
    referrers = (None, "https://www.google.com/")
    scopes = (None, *CAMPAIGN_SCOPES, "Session", "no scope")
    combinations = product(PAGES, FIELDS, scopes, referrers)
    return [
        {
            "event_id": f"e{number:03}",
            "event_at": at("09:00", DAY),
            "event_date": DAY,
            "visitor_id": f"v{number:03}",
            "event_type": "page_view",
            "session_device_id": "",
            "is_bot": False,
            "received_date": DAY,
            "source_file": "visits.csv",
            "page_url": page,
            "referrer_url": referrer,
            **fields,
            **({"campaign_scope": scope} if fields else {}),
        }
        for number, (page, fields, scope, referrer) in enumerate(combinations)
    ]


def orders() -> list[Row]:
    """Return orders of a till, of an agency's address, and of a person with two devices."""
    of_till = [sold(n, f"{n}@mail", "anon-till") for n in range(20)]
    of_agency = [sold(100 + n, "agency@mail", f"anon-{n}", n % 20) for n in range(50)]
    return [*of_till, *of_agency, sold(200, "7@mail", "anon-a"), sold(201, "7@mail", "anon-b", 3)]


@pytest.fixture(scope="module", params=on_one_worker_each(ALL_ENGINES))
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    home = tmp_path_factory.mktemp(request.param)
    engine = opened(settings_of(request.param, request, home))
    yield engine
    engine.close()


def stored(engine: Engine, contract: type[Table], rows: pa.Table) -> None:
    outside = connect()
    outside.con.register("rows", rows)
    days = Days.between(DAY, DAY + timedelta(days=30))
    engine.replace(contract, outside.table("rows"), days)


def plain(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(row[name] for name in names) for row in rows), key=repr)


@pytest.mark.slow
def test_every_engine_reads_the_same_campaigns(engine: Engine) -> None:
    stored(engine, CleanEvents, as_table(visits(), CleanEvents))
    rule = ChannelRule(source_lists())
    said = ("event_id", "source", "medium", "campaign", "channel", "campaign_id", "source_rank")
    arrived = with_arrival(engine.table(CleanEvents), rule).select(*said)
    assert plain(engine.rows_of(arrived), *said) == here(rule, said)
    first = engine.rows_of(first_touches(engine.table(CleanEvents), rule))
    channels = {row["visitor_id"]: row["default_channel_group"] for row in first}
    assert len(channels) == len(visits())
    assert set(channels.values()) <= set(CHANNELS)


def here(rule: ChannelRule, said: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """Return the same, computed outside of any engine."""
    con = connect()
    con.con.register("events", as_table(visits(), CleanEvents))
    rows = with_arrival(con.table("events"), rule).select(*said)
    return plain(rows.to_pyarrow().to_pylist(), *said)


def test_every_engine_joins_the_same_visitors(engine: Engine) -> None:
    stored(engine, OrderVisits, as_table(orders(), OrderVisits))
    rows = engine.rows_of(customer_visitors(engine.table(OrderVisits), IdentityRule()))
    assert plain(rows, "customer_id", "visitor_id", "since_date") == [
        ("7@mail", "anon-a", DAY),
        ("7@mail", "anon-b", date(2026, 3, 4)),
    ]


def test_every_engine_knows_alike_whether_too_few_orders_meet_visits(engine: Engine) -> None:
    """Visits are known of 19.00 of 100.00, and of 20.00."""
    for met, is_too_low in ((19, True), (20, False)):
        bought, touches = ordered_and_visited(met)
        stored(engine, Conversions, as_table(bought, Conversions))
        stored(engine, Touches, as_table(touches, Touches))
        rows = engine.rows_of(met_too_few(engine.table(Conversions), engine.table(Touches)))
        assert rows == [{"is_too_low": is_too_low}]


PURCHASES: Mapping[str, tuple[Row, ...]] = {
    "Events have no purchases.": ({"event_type": "page_view"},),
    "Most orders have no purchase event.": ({"visitor_id": "anon-a", "is_met": True}, {}, {}),
    "No purchase event names an order, and no buyer is signed in.": (
        {"properties": '{"order_id": "(not set)"}'},
        {"properties": None},
    ),
    "Purchase events have other ids of orders and customers than orders have.": (
        {"properties": '{"transaction_id": "T-1"}'},
        {},
    ),
    "Purchase events have other ids of orders and customers than orders have": (
        {"visitor_id": "anna", "user_id": "anna"},
    ),
}
"""Purchase events of a day by why orders do not meet them; they are of devices, with no order."""


@pytest.mark.slow
@pytest.mark.parametrize("cause", PURCHASES)
def test_every_engine_finds_alike_why_orders_and_visits_do_not_meet(
    engine: Engine, cause: str
) -> None:
    """Visits are known of 19.00 of 100.00 on one day; of others nothing counts."""
    event = {
        "event_type": "purchase",
        "event_at": at("09:00", DAY_ONE),
        "event_date": DAY_ONE,
        "session_device_id": "",
        "is_bot": False,
        "received_date": DAY_ONE,
        "source_file": "events.csv",
    }
    events = [
        {**event, "event_id": f"e{n}", "visitor_id": f"anon-{n}", **said}
        for n, said in enumerate(PURCHASES[cause])
    ]
    day = (DAY_ONE - DAY).days
    pairs = [sold(n, "c", "anon-a", day) for n, said in enumerate(events) if said.get("is_met")]
    stored(engine, CleanEvents, as_table(events, CleanEvents))
    stored(engine, OrderVisits, as_table(pairs, OrderVisits))
    bought, touches = ordered_and_visited(19)
    stored(engine, Conversions, as_table(bought, Conversions))
    stored(engine, Touches, as_table(touches, Touches))
    tables = (engine.table(Conversions), engine.table(Touches))
    evidence = (engine.table(CleanEvents), engine.table(OrderVisits))
    (row,) = meeting_rows(*tables, *evidence, RULE, Days((DAY_ONE,)))
    assert (row["observed_number"], row["first_date"], row["last_date"]) == (0.19, DAY_ONE, DAY_ONE)
    assert row["cause"].rstrip(".") == cause.rstrip(".")


def test_every_engine_finds_that_enough_orders_and_visits_meet(engine: Engine) -> None:
    """Visits are known of 20.00 of 100.00."""
    bought, touches = ordered_and_visited(20)
    stored(engine, Conversions, as_table(bought, Conversions))
    stored(engine, Touches, as_table(touches, Touches))
    for contract in (CleanEvents, OrderVisits):
        engine.ensure(contract)
    tables = (engine.table(Conversions), engine.table(Touches))
    evidence = (engine.table(CleanEvents), engine.table(OrderVisits))
    assert list(meeting_rows(*tables, *evidence, RULE, Days((DAY_ONE,)))) == []


@pytest.mark.slow
def test_every_engine_learns_the_same_ids_of_products(engine: Engine) -> None:
    """Orders of an item or two, whose purchase events name one product, as plain Python has it."""
    dice = random.Random(5)  # noqa: S311 (a story, no secret)
    baskets = [
        sorted({f"SKU-{dice.randint(0, 5)}" for _ in range(dice.randint(1, 2))}) for _ in range(200)
    ]
    named = [
        dice.choice((f"P-{basket[0][-1]}", f"Q-{basket[0][-1]}", "P-5", basket[0], None))
        for basket in baskets
    ]
    lines = [
        line(f"o{n}-{sku}", f"{DAY_ONE}T10:00:00", order_id=f"o{n}", item_id=sku)
        for n, basket in enumerate(baskets)
        for sku in basket
    ]
    bought = [
        sold(n, "ann", "anon-a", order_id=f"o{n}", order_date=DAY_ONE, product_id=product)
        for n, product in enumerate(named)
    ]
    stored(engine, UserOrderLog, as_table(lines, UserOrderLog))
    stored(engine, OrderVisits, as_table(bought, OrderVisits))
    stored(engine, PriceLog, as_table([], PriceLog))
    rows = item(*map(engine.table, (UserOrderLog, PriceLog, OrderVisits)))
    alone = [(basket[0], product) for basket, product in zip(baskets, named, strict=True)]
    alone = [pair for pair, basket in zip(alone, baskets, strict=True) if len(basket) == 1]
    of_product: dict[str, list[str]] = defaultdict(list)
    for sku, named_id in alone:
        if named_id:
            of_product[named_id].append(sku)
    learned: dict[str, list[str]] = defaultdict(list)
    for named_id, skus in of_product.items():
        if len(set(skus)) == 1 and len(skus) > 1 and named_id != skus[0]:
            learned[skus[0]].append(named_id)
    assert len(learned) > 2
    assert {row["item_id"]: row["event_product_id"] for row in engine.rows_of(rows)} == {
        sku: min(learned[sku], default=None) for basket in baskets for sku in basket
    }


@pytest.mark.parametrize("name", ["order", "payment", "SKU-1"])
def test_what_stands_for_a_whole_order_is_no_product_of_events(name: str) -> None:
    """Of exports with an order a row all orders have one item, whatever their events name."""
    names = ["P-1", "P-1", "P-2", "P-2", "P-2"]
    lines = [
        line(f"o{n}", f"{DAY_ONE}T10:00:00", order_id=f"o{n}", item_id=name)
        for n, _ in enumerate(names)
    ]
    bought = [
        sold(n, "ann", "anon-a", order_id=f"o{n}", order_date=DAY_ONE, product_id=product)
        for n, product in enumerate(names)
    ]
    con = connect()
    tables = [
        con.create_table(contract.__name__, as_table(rows, contract))
        for contract, rows in ((UserOrderLog, lines), (PriceLog, []), (OrderVisits, bought))
    ]
    learned = {row["event_product_id"] for row in rows_of(item(*tables))}
    assert learned == ({"P-1"} if name == "SKU-1" else {None})


@pytest.mark.slow
def test_every_engine_compares_orders_with_events_alike(engine: Engine) -> None:
    """A shop with ids of two kinds and senders of taxes or shipping, as plain Python has it."""
    dice = random.Random(1)  # noqa: S311 (a story, no secret)
    events, lines = random_shop(dice, LONG)
    clean = clean_events(events)
    stored(engine, CleanEvents, clean)
    stored(engine, UserOrderLog, as_table(lines, UserOrderLog))
    for contract in (SessionEvents, Sessions):
        stored(engine, contract, as_table([], contract))
    table = engine.table
    of_events = (table(CleanEvents), table(SessionEvents), table(Sessions), table(UserOrderLog))
    engine.replace(OrderVisits, order_visits(*of_events, RULE, LONG), LONG)
    sums = SumsOfData(least_pairs=2, least_share=0.5).value(table, engine.rows_of)
    rows = order_event_reconciliation(
        table(CleanEvents), table(UserOrderLog), table(OrderVisits), RULE, sums, LONG
    )
    found = reported(engine.rows_of(rows))
    assert found == reference_differences(clean.to_pylist(), lines, (2, 0.5))
    assert {"other_parts", "amount_differs"} <= {cause for _, _, cause, *_ in found}
