"""Shopify's orders by GraphQL: whole, each once in its newest version,
and as Shopify's sales reports have them.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from ecom_assets_tests.builders import Row
from ecom_assets_tests.command import CommandResult, ecom
from ecom_assets_tests.ingestion.sources.shop_apis import ShopApi, serving
from ecom_assets_tests.ingestion.sources.shopify_graphql_api import (
    SINGLE_QUERY_LIMIT,
    Bucket,
    ShopifyGraphql,
)
from ecom_assets_tests.ingestion.sources.test_order_files import read
from ecom_assets_tests.ingestion.sources.test_shop_orders import totals

SECRETS = ("secret_1", "shpat_1")
PAGE = "https://ferns.example/mugs?utm_source=news"


def money(amount: str) -> Row:
    return {"shopMoney": {"amount": amount, "currencyCode": "EUR"}}


def sale(  # noqa: PLR0913 (a record of so many parts)
    number: int,
    kind: str,
    total: str,
    taxes: str = "0.00",
    *,
    quantity: int | None = None,
    sku: str = "",
    discount: str = "0.00",
) -> Row:
    item = {
        "lineItem": {
            "sku": sku or None,
            "title": sku.title(),
            "vendor": "Green" if sku else None,
            "variant": {"legacyResourceId": "77"},
        }
    }
    return {
        "id": f"gid://shopify/Sale/{number}",
        "lineType": kind,
        "quantity": quantity,
        "actionType": "RETURN" if total.startswith("-") else "ORDER",
        "totalAmount": money(total),
        "totalTaxAmount": money(taxes),
        "totalDiscountAmountBeforeTaxes": money(discount),
        **(item if kind == "PRODUCT" else {}),
    }


def agreement(number: int, reason: str, day: str, *sales: Row) -> Row:
    return {
        "id": f"gid://shopify/Agreement/{number}",
        "reason": reason,
        "happenedAt": day,
        "sales": list(sales),
    }


def order(number: int, updated: str, *agreements: Row) -> Row:
    """Return an order of the given agreements, else of one mug of 11.90 with 1.90 of taxes."""
    placed = agreement(
        number,
        "ORDER",
        "2026-10-01T08:00:00Z",
        sale(number, "PRODUCT", "11.90", "1.90", quantity=1, sku="MUG"),
    )
    return {
        "id": f"gid://shopify/Order/{number}",
        "legacyResourceId": str(number),
        "name": f"#{number}",
        "test": False,
        "processedAt": "2026-10-01T08:00:00Z",
        "updatedAt": updated,
        "currencyCode": "EUR",
        "sourceName": "web",
        "discountCodes": ["fall"],
        "paymentGatewayNames": ["shopify_payments"],
        "tags": [],
        "email": f"{number}@example.com",
        "phone": None,
        "shippingAddress": {"city": "Bonn", "country": "Germany"},
        "customer": {"legacyResourceId": "9", "firstName": "Ann"},
        "customerJourneySummary": {"lastVisit": {"landingPage": PAGE}},
        "agreements": list(agreements or [placed]),
    }


# Two prints of 16.00 less 4.00, a bag, shipping and a tip; a print and the shipping came back, less
# a fee of 2.00.
PLACED = agreement(
    1,
    "ORDER",
    "2026-07-01T21:30:00Z",
    sale(1, "PRODUCT", "33.32", "5.32", quantity=2, sku="FERN", discount="4.00"),
    sale(2, "PRODUCT", "17.85", "2.85", quantity=1),
    sale(3, "GIFT_CARD", "50.00", quantity=1),
    sale(4, "SHIPPING", "5.95", "0.95"),
    sale(5, "TIP", "2.00"),
)
RETURNED = agreement(
    2,
    "REFUND",
    "2026-07-05T07:00:00Z",
    sale(6, "PRODUCT", "-16.66", "-2.66", quantity=-1, sku="FERN"),
    sale(7, "SHIPPING", "-5.95", "-0.95"),
    {**sale(8, "ADJUSTMENT", "2.00"), "actionType": "RETURN"},
)


def answer(*orders: Row) -> Row:
    """Return orders as the API answers with them."""
    nodes = []
    for each in orders:
        parts = [{**part, "sales": {"nodes": part["sales"]}} for part in each["agreements"]]
        nodes.append({**each, "agreements": {"nodes": parts}})
    return {"data": {"orders": {"nodes": nodes}}}


@pytest.fixture
def shopify() -> ShopifyGraphql:
    return ShopifyGraphql()


@pytest.fixture
def shop(shopify: ShopifyGraphql) -> Iterator[ShopApi]:
    """Twelve orders, one a minute."""
    orders = [order(n, f"2026-10-01T10:{n:02}:00Z") for n in range(1, 13)]
    with serving(
        ShopApi(shopify, "shpat_1", {"orders": orders}, key_header="X-Shopify-Access-Token")
    ) as api:
        yield api


def extract(shop: ShopApi, folder: Path, env: dict[str, str] | None = None) -> CommandResult:
    own = {
        "SHOPIFY_URL": shop.url,
        "SHOPIFY_CLIENT_ID": "id_1",
        "SHOPIFY_CLIENT_SECRET": "secret_1",
        "ECOM_SOURCE_RETRY_BASE_S": "0.01",
    }
    arguments = ("extract", "shopify_graphql", "--to", folder, "--json")
    result = ecom(*arguments, home=folder.parent / "home", env=own | (env or {}))
    assert not any(secret in result.out + result.err for secret in SECRETS)
    return result


def counts(result: CommandResult) -> tuple[int, int]:
    landed = result.json["landed"]["orders"]
    return landed["new"], landed["changed"]


def net(folder: Path) -> Decimal:
    return totals(read(folder, "shopify_graphql"))["net"]


def test_an_order_with_a_return_is_as_in_shopify_s_sales_report(tmp_path: Path) -> None:
    test_order = {**order(50, "2026-07-05T07:00:00Z"), "test": True}
    content = answer(order(1, "2026-07-05T07:00:00Z", PLACED, RETURNED), test_order)
    (tmp_path / "orders.json").write_text(json.dumps(content))
    rows = read(tmp_path / "orders.json", "shopify_graphql")
    # Net 28 + 15 less 14, and 2 that were kept back; shipping 5 less 5; taxes 5.32 + 2.85 + 0.95
    # less 2.66 and 0.95.
    assert totals(rows) == {
        "net": Decimal("31.00"),
        "returns": Decimal("-14.00"),
        "shipping": Decimal(0),
        "tax": Decimal("5.51"),
        "tip": Decimal("2.00"),
        "total": Decimal("38.51"),
    }
    by_id = {row["uniq_id"].removeprefix("gid://shopify/Sale/"): row for row in rows}
    assert {name: row["left_out"] for name, row in by_id.items() if row["left_out"]} == {
        "3": "gift_card",
        "50": "test_order",
    }
    assert str(by_id["6"]["ordered_at"]) == "2026-07-05 07:00:00"
    said = ("discount_amount", "discount_codes", "payment_method")
    assert [by_id["1"][name] for name in said] == [4, "FALL", "shopify_payments"]
    assert [by_id["2"][name] for name in said] == [0, None, "shopify_payments"]
    assert [by_id[name]["item_id"] for name in "126"] == ["FERN", "77", "FERN"]
    assert [by_id[name]["vendor"] for name in "126"] == ["Green", None, "Green"]
    assert [(by_id[name]["item_id"], str(by_id[name]["payment_amount"])) for name in "78"] == [
        ("refund", "0.0000"),
        ("refund", "2.0000"),
    ]


@pytest.mark.slow
def test_orders_land_by_pages_with_pauses_for_what_queries_cost(
    shop: ShopApi, shopify: ShopifyGraphql, tmp_path: Path
) -> None:
    """A page costs 866 of 1,000 points, so the second one comes after a second,
    when they are there again.
    """
    shopify.bucket = Bucket(restored_per_s=800)
    del shop.documents["orders"][8:]
    assert counts(extract(shop, tmp_path / "shop")) == (8, 0)
    assert (shopify.throttled_count, len(shop.asked)) == (1, 3)
    assert shop.token_asked == [
        "client_id=id_1&client_secret=secret_1&grant_type=client_credentials"
    ]
    for path in (tmp_path / "shop").rglob("*"):
        assert path.is_dir() or not any(secret.encode() in path.read_bytes() for secret in SECRETS)
    assert net(tmp_path / "shop") == 80
    assert {row["landing_page"] for row in read(tmp_path / "shop", "shopify_graphql")} == {PAGE}


def test_both_queries_are_below_what_one_may_cost(
    shop: ShopApi, shopify: ShopifyGraphql, tmp_path: Path
) -> None:
    shop.documents["orders"] = [
        order(
            1,
            "2026-10-01T10:00:00Z",
            PLACED,
            RETURNED,
            agreement(3, "RETURN", "2026-10-02T10:00:00Z"),
        )
    ]
    extract(shop, tmp_path / "shop")
    costs = {
        body["operationName"]: shopify.cost(body["query"], body["operationName"])
        for body in map(json.loads, shop.asked)
    }
    assert costs.keys() == {"Orders", "Order"}
    assert max(costs.values()) < SINGLE_QUERY_LIMIT


def test_an_order_that_changed_twice_counts_once_and_nothing_else_is_asked_for(
    shop: ShopApi, tmp_path: Path
) -> None:
    folder = tmp_path / "shop"
    extract(shop, folder)
    for day in ("02", "03"):
        changed = f"2026-10-{day}T10:00:00Z"
        back = agreement(
            int(day),
            "REFUND",
            changed,
            sale(90 + int(day), "PRODUCT", "-11.90", "-1.90", quantity=-1, sku="MUG"),
        )
        orders = shop.documents["orders"]
        orders[0] = {**order(1, changed), "agreements": [order(1, changed)["agreements"][0], back]}
        shop.asked.clear()
        assert counts(extract(shop, folder)) == (0, 1)
        assert len(shop.asked) == 1
    assert net(folder) == 110
    [refund] = [row for row in read(folder, "shopify_graphql") if row["status"] == "refunded"]
    assert str(refund["ordered_at"]) == "2026-10-03 10:00:00"


def test_an_order_of_many_lines_and_refunds_is_whole(shop: ShopApi, tmp_path: Path) -> None:
    """250 lines of 1.00 are on three pages, and each of four refunds of 12 lines
    is an agreement of its own.
    """
    lines = [sale(1000 + n, "PRODUCT", "1.00", quantity=1, sku=f"S{n}") for n in range(250)]
    refunds = [
        agreement(
            10 + part,
            "REFUND",
            f"2026-10-0{part + 2}T08:00:00Z",
            *(
                sale(2000 + 100 * part + n, "PRODUCT", "-1.00", quantity=-1, sku=f"S{n}")
                for n in range(12)
            ),
        )
        for part in range(4)
    ]
    placed = agreement(1, "ORDER", "2026-10-01T08:00:00Z", *lines)
    shop.documents["orders"][3] = order(4, "2026-10-06T08:00:00Z", placed, *refunds)
    assert counts(extract(shop, tmp_path / "shop")) == (12, 0)
    assert net(tmp_path / "shop") == 11 * 10 + 250 - 48


def test_a_run_after_a_failure_goes_on_where_it_broke_off(shop: ShopApi, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    shop.faults = {3: (400, {})}
    failed = extract(shop, folder)
    assert (failed.exit_code, "answers 400" in failed.sentence) == (1, True)
    shop.asked.clear()
    assert counts(extract(shop, folder)) == (4, 0)
    # Eight had landed; the last ten seconds are asked for again.
    assert (
        json.loads(shop.asked[0])["variables"]["changed"] == "updated_at:>='2026-10-01T10:07:50Z'"
    )
    assert net(folder) == 120


def test_orders_that_change_while_pages_are_read_hide_no_others(
    shop: ShopApi, shopify: ShopifyGraphql, tmp_path: Path
) -> None:
    """The four orders of the first page change once it is read, and move to the end of the list."""

    def changing(api: ShopApi, path: str, body: Row) -> Row:
        result = shopify(api, path, body)
        if len(api.asked) == 1:
            api.documents["orders"][:4] = [order(n, "2026-10-02T08:00:00Z") for n in range(1, 5)]
        return result

    shop.answer = changing
    extract(shop, tmp_path / "shop")
    assert net(tmp_path / "shop") == 120
    assert len(read(tmp_path / "shop", "shopify_graphql")) == 12


def test_errors_of_a_query_are_said_and_nothing_lands(
    shop: ShopApi, shopify: ShopifyGraphql, tmp_path: Path
) -> None:
    shopify.error = {
        "message": (
            "Access denied for customer field. Required access: `read_customers` access scope."
        ),
        "extensions": {"code": "ACCESS_DENIED"},
    }
    refused = extract(shop, tmp_path / "shop")
    assert refused.exit_code == 1
    assert refused.sentence.endswith(
        "Required access: `read_customers` access scope; give the app the access scope that it "
        "names."
    )
    assert not list((tmp_path / "shop").rglob("*.jsonl"))
    shopify.error = {"message": "Internal error", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}
    shop.asked.clear()
    assert extract(shop, tmp_path / "shop").exit_code == 1
    assert len(shop.asked) == 4, "asked three times more"


def test_a_list_of_more_pages_than_allowed_says_what_lets_it_go_on(
    shop: ShopApi, tmp_path: Path
) -> None:
    stopped = extract(shop, tmp_path / "shop", env={"ECOM_SOURCE_MAX_PAGES": "2"})
    assert stopped.sentence.startswith(
        "The list at graphql.json goes on after 2 pages, and ECOM_SOURCE_MAX_PAGES is 2; "
    )
    assert counts(extract(shop, tmp_path / "shop")) == (4, 0), "eight had landed"
