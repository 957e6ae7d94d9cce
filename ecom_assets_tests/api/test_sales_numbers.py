"""Every number of sales, customers and products, recounted from the files. Not here: behaviour (`test_behaviour…`)."""

from datetime import date, timedelta
from decimal import Decimal

import duckdb
import pytest

from ecom_assets.settings import Settings
from ecom_assets_tests.api.conftest import Asked
from ecom_assets_tests.api.plain_shop import COUNTRIES, PlainShop, Span, change
from ecom_assets_tests.api.shop_files import PRODUCTS, STOCK

pytestmark = pytest.mark.xdist_group("api")
RANGES = {"today": 1, "week": 7, "month": 30, "quarter": 90, "year": 365}
MONTH = 20
"""Days that have as many days of the shop before them."""


def custom(span: Span) -> dict[str, object]:
    return {"time_range": "custom", "start_date": span.first, "end_date": span.last}


@pytest.mark.parametrize("name", RANGES)
def test_sales_of_each_range_and_of_the_one_before(api: Asked, shop: PlainShop, name: str) -> None:
    span = shop.span(RANGES[name])
    told = api.json("/analytics/sales", time_range=name)
    now, before = shop.sales(span), shop.sales(span.before)
    assert (told["sales"], told["previous"]) == (now, before)
    assert told["change"] == {number: change(now[number], before[number]) for number in now}
    assert told["range"] == {
        "time_range": name,
        "start_date": str(span.first),
        "end_date": str(span.last),
        "day_count": RANGES[name],
        "timezone": "UTC",
        "previous_start_date": str(span.before.first),
        "previous_end_date": str(span.before.last),
    }
    assert told["data_as_of"] == str(shop.newest) == "2026-02-09"


def test_sales_of_days_of_one_s_own(api: Asked, shop: PlainShop) -> None:
    span = Span(date(2026, 1, 11), date(2026, 1, 25))
    told = api.json("/v1/analytics/sales", start_date=span.first, end_date=span.last)
    assert told["range"]["time_range"] == "custom"
    assert (told["sales"], told["previous"]) == (shop.sales(span), shop.sales(span.before))


@pytest.mark.parametrize("granularity", ["day", "week", "month"])
def test_the_trend_has_every_part_of_the_range(api: Asked, shop: PlainShop, granularity: str) -> None:
    span = shop.span(30)
    days = [span.first + timedelta(days=n) for n in range(30)]
    starts = {
        "day": lambda day: day,
        "week": lambda day: day - timedelta(days=day.weekday()),
        "month": lambda day: day.replace(day=1),
    }
    parts: dict[date, list[date]] = {}
    for day in days:
        parts.setdefault(starts[granularity](day), []).append(day)
    told = api.json("/analytics/revenue/trend", granularity=granularity)["points"]
    expected = [
        {"start_date": str(part[0]), "end_date": str(part[-1]), "started_at": None}
        | shop.sales(Span(part[0], part[-1]))
        for part in parts.values()
    ]
    assert told == expected


def test_the_trend_by_the_hour_adds_up_to_the_days(api: Asked, shop: PlainShop) -> None:
    points = api.json("/analytics/revenue/trend", granularity="hour", time_range="week")["points"]
    assert len(points) == 7 * 24
    for point in points:
        at = point["started_at"]
        mine = [line for line in shop.lines if line["at"].isoformat()[:13] == at[:13]]
        assert {name: point[name] for name in shop.sales(shop.span(7), mine)} == shop.sales(shop.span(7), mine), at


def test_revenue_by_channel_is_that_of_the_last_touch_that_is_not_direct(api: Asked, shop: PlainShop) -> None:
    span = shop.span(MONTH)
    told = api.json("/analytics/revenue/by-channel", **custom(span))
    now, before = shop.credited(span), shop.credited(span.before)
    found = {one["channel"]: one for one in told["channels"]}
    credited = {name: (one["order_count"], Decimal(one["revenue_amount"])) for name, one in found.items()}
    assert credited == {name: (0, Decimal(0)) for name in found} | now
    for name, one in found.items():
        then = before.get(name, (0, Decimal(0)))[1]
        assert Decimal(one["previous_revenue_amount"]) == then
        assert one["revenue_change"] == change(one["revenue_amount"], then)
    assert f"{sum(Decimal(one['revenue_amount']) for one in found.values()):.2f}" == shop.sales(span)["revenue_amount"]


@pytest.mark.parametrize("model", ["first", "linear", "markov"])
def test_every_model_credits_all_of_the_revenue_and_no_more(api: Asked, shop: PlainShop, model: str) -> None:
    span = shop.span(MONTH)
    found = api.json("/analytics/revenue/by-channel", model=model, **custom(span))["channels"]
    sales = shop.sales(span)
    assert f"{sum(Decimal(one['revenue_amount']) for one in found):.2f}" == sales["revenue_amount"]
    assert round(sum(one["order_count"] for one in found), 3) == sales["order_count"]
    assert round(sum(one["revenue_share"] for one in found), 4) == 1


@pytest.mark.parametrize("level", ["country", "region", "city"])
def test_places_have_the_sales_of_their_lines(api: Asked, shop: PlainShop, level: str) -> None:
    span = shop.span(30)
    told = api.json("/analytics/geographic", level=level)
    places: dict[tuple[str, ...], list[dict[str, object]]] = {}
    for line in shop.lines:
        country, region = COUNTRIES[line["city_name"]]
        key = {"country": (country,), "region": (country, region), "city": (country, region, line["city_name"])}[level]
        places.setdefault(key, []).append(line)
    columns = ["country", "region", "city_name"][: len(next(iter(places)))]
    found = {tuple(one[name] for name in columns): one for one in told["places"]}
    assert set(found) == set(places)
    for key, lines in places.items():
        sales = shop.sales(span, lines)
        assert {name: found[key][name] for name in sales} == sales
    revenues = [Decimal(one["revenue_amount"]) for one in told["places"]]
    assert revenues == sorted(revenues, reverse=True)
    first, *_ = api.json("/analytics/geographic", level=level, limit=1, offset=1)["places"]
    assert first == told["places"][1]


@pytest.mark.parametrize("days", [1, 7, MONTH])
def test_customers_are_new_or_returning_and_some_are_kept(api: Asked, shop: PlainShop, days: int) -> None:
    span = shop.span(days)
    told = api.json("/analytics/customers", **custom(span))
    now, before = shop.customers(span), shop.customers(span.before)
    assert (told["customers"], told["previous"]) == (now, before)
    assert told["change"] == {name: change(now[name], before[name]) for name in now}


def test_what_customers_are_worth_is_told_of_all_of_them(api: Asked, shop: PlainShop, settings: Settings) -> None:
    told = api.json("/analytics/customers")["value"]
    shipped = {line["customer_id"] for line in shop.lines if line["status"] == "shipped"}
    whole = shop.sales(shop.span(365))
    assert told["customer_count"] == len(shipped)
    assert told["revenue_per_customer_amount"] == f"{Decimal(whole['revenue_amount']) / len(shipped):.2f}"
    with duckdb.connect(str(settings.home / "warehouse.duckdb"), read_only=True) as con:
        rows = con.execute("SELECT alive_probability, lifetime_value_amount FROM mart.lifetime_value").fetchall()
    chances = [chance for chance, _ in rows]
    assert told["churn_risk_rate"] == pytest.approx(1 - sum(chances) / len(chances), abs=1e-5)
    assert told["at_risk_customer_count"] == sum(chance < 0.5 for chance in chances)
    amounts = [amount for _, amount in rows]
    mean = None if None in amounts else f"{sum(amounts) / len(amounts):.2f}"
    assert told["lifetime_value_amount"] == mean


def test_segments_hold_each_customer_once(api: Asked, shop: PlainShop) -> None:
    told = api.json("/analytics/customers/segments")
    found = told["segments"]
    shipped = [line for line in shop.lines if line["status"] == "shipped"]
    assert len(found) == 11
    assert sum(one["customer_count"] for one in found) == len({line["customer_id"] for line in shipped})
    assert sum(one["order_count"] for one in found) == shop.sales(shop.span(365))["order_count"]
    revenue = sum(Decimal(one["revenue_amount"]) for one in found)
    assert f"{revenue:.2f}" == shop.sales(shop.span(365))["revenue_amount"]
    recency = sum(one["customer_count"] * (one["mean_recency_days"] or 0) for one in found)
    last = {line["customer_id"]: line["day"] for line in sorted(shipped, key=lambda line: line["at"])}
    assert recency == pytest.approx(sum((shop.newest - day).days for day in last.values()), abs=1e-3)
    assert told["range"]["end_date"] == str(shop.newest)


def test_the_top_products_are_those_of_the_files(api: Asked, shop: PlainShop) -> None:
    span = shop.span(MONTH)
    counted = {name: shop.product(name, span) for name in PRODUCTS}
    by = {
        "revenue": lambda one: Decimal(one["revenue_amount"]),
        "units": lambda one: one["sold_item_count"],
        "views": lambda one: one["product_view_count"],
        "conversion": lambda one: one["purchases_per_view"],
    }
    for sort_by, number in by.items():
        told = api.json("/analytics/products/top", sort_by=sort_by, limit=50, **custom(span))
        assert told["total_count"] == len(PRODUCTS)
        order = sorted(counted, key=lambda name, number=number: (-number(counted[name]), name))  # type: ignore[misc]  # as above
        assert [one["product_id"] for one in told["products"]] == order
        for place, one in enumerate(told["products"], start=1):
            name = one["product_id"]
            assert one == {
                "rank_number": place,
                "product_id": name,
                "product_name": f"The {name}",
                "product_category": PRODUCTS[name],
                **counted[name],
            }


def test_products_of_a_category_come_a_page_at_a_time(api: Asked) -> None:
    hats = sorted(name for name, category in PRODUCTS.items() if category == "Hats")
    pages = [
        api.json("/analytics/products/top", category="Hats", limit=3, offset=start, time_range="year")
        for start in (0, 3, 6)
    ]
    listed = [one for page in pages for one in page["products"]]
    assert [page["total_count"] for page in pages] == [4, 4, 4]
    assert sorted(one["product_id"] for one in listed) == hats
    assert [one["rank_number"] for one in listed] == [1, 2, 3, 4]


@pytest.mark.parametrize("product", ["p0", "p7"])
def test_one_product_day_by_day_and_what_is_bought_with_it(api: Asked, shop: PlainShop, product: str) -> None:
    span = shop.span(7)
    told = api.json(f"/analytics/products/{product}", time_range="week")
    now, before = shop.product(product, span), shop.product(product, span.before)
    assert (told["product"], told["previous"]) == (now, before)
    assert told["change"] == {name: change(now[name], before[name]) for name in now}
    days = [span.first + timedelta(days=n) for n in range(7)]
    assert told["trend"] == [{"event_date": str(day), **shop.product(product, Span(day, day))} for day in days]
    related = shop.bought_with(product)
    assert [(one["product_id"], one["order_count"]) for one in told["related"]] == related[:10]


def test_categories_are_looked_at_and_sold(api: Asked, shop: PlainShop) -> None:
    span = shop.span(MONTH)
    told = api.json("/analytics/categories", **custom(span))
    assert told["total_count"] == 3
    for one in told["categories"]:
        name = one["product_category"]
        sales = shop.sales(span, [line for line in shop.lines if line["category"] == name])
        views = shop.category_views(name, span)
        assert {number: one[number] for number in (*sales, *views)} == {**sales, **views}, name
        assert one["cart_rate"] == round(views["cart_session_count"] / views["viewing_session_count"], 6)


def test_alerts_are_of_stock_that_is_out_low_or_too_much(api: Asked, shop: PlainShop) -> None:
    told = api.json("/analytics/inventory/alerts")
    span = shop.span(28)
    found = {one["product_id"]: one for one in told["alerts"]}
    assert found["p0"]["alert"] == "out_of_stock"
    assert found["p1"]["alert"] == "low"
    assert found["p2"]["alert"] == "overstock"
    for name, one in found.items():
        sold = shop.product(name, span)["sold_item_count"]
        stock = STOCK.get(name, (50, "", ""))[0]
        cover = round(int(stock) / (sold / 28), 6) if sold else None
        assert (one["stock_count"], one["sold_item_count"]) == (stock, sold)
        assert (None if one["days_of_cover"] is None else round(one["days_of_cover"], 6)) == cover
    assert told["total_count"] == sum(told["counts"].values()) == len(found)
    only = api.json("/analytics/inventory/alerts", alert="low")
    assert [one["product_id"] for one in only["alerts"]] == [n for n, one in found.items() if one["alert"] == "low"]
