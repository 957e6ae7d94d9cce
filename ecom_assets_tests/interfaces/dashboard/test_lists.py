"""Lists that one can act on: each shows what its route answers, and leads to the file of all."""

import csv
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ecom_assets.commerce.reconciliation.contracts import CAUSES
from ecom_assets.interfaces.dashboard.list_pages import ListPages
from ecom_assets.interfaces.dashboard.page import View
from ecom_assets.interfaces.dashboard.pages.mapping import SHOP
from ecom_assets.interfaces.dashboard.pages.products import way_to_delivery_days
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.html import Node, read, tiles_of

Row = dict[str, Any]
NOT_KNOWN = "\N{EN DASH}"
CAUSE_AMOUNTS = {f"{cause}_amount" for cause in CAUSES}


def section(client: Client, path: str, title: str) -> Node:
    """Return the section of a page that has a title."""
    page = client.get(f"/dashboard/{path}")
    assert page.status_code == 200, page.text
    sections = read(page.text).all("section")
    return next(part for part in sections if part.one("h2").text == title)


def cells(part: Node, column: int) -> list[str]:
    return [row.all("td")[column].text for row in part.one("table").all("tr")[1:]]


def file_of(client: Client, part: Node) -> list[dict[str, str]]:
    """Return the rows of the CSV file that a section leads to."""
    (address,) = [a.attributes["href"] for a in part.all("a") if a.text == "CSV"]
    assert ".csv?" in address
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(answer.text.splitlines()))


def test_what_to_reorder_begins_with_what_costs_most(client: Client) -> None:
    answer = client.get("/analytics/inventory/alerts?to_reorder=true&sort_by=money").json()
    part = section(client, "products", "What to reorder")
    assert cells(part, 0) == [row["product_name"] for row in answer["alerts"]]
    amounts = [float(row["day_without_stock_amount"]) for row in answer["alerts"]]
    assert amounts == sorted(amounts, reverse=True)
    assert len(amounts) > 1
    shown = [cell.lstrip("$€") for cell in cells(part, 2)]
    assert shown == [f"{amount:,.2f}" for amount in amounts]
    assert [row["product_id"] for row in file_of(client, part)] == [
        row["product_id"] for row in answer["alerts"]
    ]


def test_delivery_days_that_nobody_says_lead_to_where_admins_say_them() -> None:
    known, unknown = {"lead_time_days": 7}, {"lead_time_days": None}
    for is_admin in (True, False):
        view = cast(
            "View", SimpleNamespace(may=lambda _scope, may=is_admin: may, link=lambda path: path)
        )
        assert way_to_delivery_days(view, [known]) == []
        ways = way_to_delivery_days(view, [known, unknown])
        assert ways == ([("Say how long deliveries take", SHOP)] if is_admin else [])


def test_who_is_due_again_is_listed_in_the_chosen_order(client: Client) -> None:
    answer = client.get("/analytics/customers/due-again?sort_by=longest").json()
    part = section(client, "customers?due_by=longest", "Bought once, and due again")
    assert list(tiles_of(part).values())[-1] == str(answer["due_customer_count"])
    assert cells(part, 0) == [row["customer_id"] for row in answer["customers"]]
    dates = [row["order_date"] for row in answer["customers"]]
    assert dates == sorted(dates)
    assert dates
    assert [row["customer_id"] for row in file_of(client, part)] == cells(part, 0)


def test_each_cart_that_was_left_is_listed_with_its_products(client: Client) -> None:
    asked = "time_range=year&sort_by=oldest"
    answer = client.get(f"/analytics/carts?{asked}").json()
    part = section(client, f"carts?{asked}", "Carts left, one by one")
    carts = answer["carts"][:50]
    assert cells(part, 2) == [row["product_names"] or NOT_KNOWN for row in carts]
    assert cells(part, 3) == [row["visitor_id"] for row in carts]
    assert len(file_of(client, part)) == answer["total_count"] > 1


def test_searches_begin_with_those_that_led_nowhere(client: Client) -> None:
    answer = client.get("/analytics/searches?sort_by=nowhere").json()
    part = section(client, "searches", "Search terms")
    assert cells(part, 0) == [row["search_term"] for row in answer["searches"]]
    counts = [row["unclicked_search_count"] for row in answer["searches"]]
    assert counts == sorted(counts, reverse=True)
    assert [int(row["unclicked_search_count"]) for row in file_of(client, part)] == counts


def test_orders_and_events_differ_by_the_sum_of_the_causes(client: Client) -> None:
    answer = client.get("/analytics/reconciliation?time_range=week&limit=1000").json()
    causes = section(client, "reconciliation?time_range=week", "Why they differ")
    assert len(cells(causes, 0)) == 7
    numbers = answer["reconciliation"]
    amounts = [float(numbers[name]) for name in numbers if name in CAUSE_AMOUNTS]
    assert len(amounts) == 7
    assert abs(sum(amounts) - float(numbers["difference_amount"])) < 0.005
    days = section(client, "reconciliation?time_range=week", "Day by day")
    assert [row["reconciled_date"] for row in file_of(client, days)] == [
        row["reconciled_date"] for row in answer["days"]
    ]


def test_a_list_is_shown_a_page_at_a_time_and_keeps_its_order(client: Client) -> None:
    asked = "time_range=year&sort_by=newest"
    total = client.get(f"/analytics/carts?{asked}&limit=1").json()["total_count"]
    last = client.get(f"/analytics/carts?{asked}&limit=1&offset={total - 1}").json()["carts"][0]
    part = section(client, f"carts?{asked}&offset={total - 1}", "Carts left, one by one")
    assert cells(part, 3) == [last["visitor_id"]]
    assert f"{total:,} to {total:,} of {total:,} carts." in part.text
    beyond = section(client, f"carts?{asked}&offset={total}", "Carts left, one by one")
    assert f"There are {total:,} carts only." in beyond.text
    (before,) = [a.attributes["href"] for a in part.all("a") if a.text == "Carts before"]
    assert f"offset={total - 51}" in before
    assert "sort_by=newest" in before


@each(
    "first, count, note",
    [
        (0, 0, ""),
        (50, 0, ""),
        (0, 50, ""),
        (0, 51, "1 to 50 of 51 carts."),
        (50, 51, "51 to 51 of 51 carts."),
        (51, 51, "There are 51 carts only."),
    ],
)
def test_a_page_of_a_list_says_which_rows_it_has(first: int, count: int, note: str) -> None:
    view = cast("View", SimpleNamespace(filters=SimpleNamespace(offset=first)))
    assert ListPages(view, "offset", 50, count, "carts").note == note


def test_whom_to_write_to_says_how_many_agreed(client: Client) -> None:
    due = client.get("/analytics/customers/due-again?limit=1").json()["due_customer_count"]
    part = section(client, "write-to", "Who agreed to be written to")
    rows = file_of(client, part)
    assert cells(part, 0) == [row["email"] for row in rows]
    assert f"{len(rows)} of {due} agreed to be written to." in part.text
    tiles = tiles_of(section(client, "write-to", "People on the list"))
    counts = [int(value) for value in tiles.values()]
    assert counts[:2] == [due, len(rows)]
    assert sum(counts[1:]) == due
    page = client.get("/dashboard/write-to")
    assert page.headers["cache-control"] == "no-store"
    assert "etag" not in page.headers


def test_whom_to_write_to_is_one_click_from_the_first_page(client: Client) -> None:
    first = read(client.get("/dashboard/last-week").text)
    assert "/dashboard/write-to" in {a.attributes.get("href", "") for a in first.all("a")}


FUNNEL = "funnel?step1=page_view&step2=add_to_cart&within=7d"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "title", "what"),
    [
        (f"{FUNNEL}&who=2", "Who is at a step", "Visitors"),
        ("sales-explorer?measures=revenue_amount&behind=who", "Behind the numbers", "Customers"),
        (
            "sales-explorer?measures=revenue_amount&behind=lines",
            "Behind the numbers",
            "Order lines",
        ),
    ],
)
def test_who_and_what_is_behind_a_number_is_shown_page_by_page(
    client: Client, path: str, title: str, what: str
) -> None:
    whole, rest = section(client, path, title), section(client, f"{path}&list_offset=3", title)
    assert len(cells(whole, 0)) > 3
    assert cells(rest, 0)[:5] == cells(whole, 0)[3:8]
    count = len(file_of(client, whole))
    assert f"4 to {min(count, 103):,} of {count:,} {what.lower()}." in rest.text
    (before,) = [a.attributes["href"] for a in rest.all("a") if a.text == f"{what} before"]
    assert "list_offset" not in before
    assert cells(read_section(client, before, title), 0) == cells(whole, 0)


def read_section(client: Client, address: str, title: str) -> Node:
    return section(client, address.removeprefix("/dashboard/").partition("#")[0], title)


def test_who_did_not_come_back_is_shown_page_by_page(client: Client) -> None:
    table = section(client, "retention?period=week&start=page_view", "Cohorts")
    cell = next(
        a.attributes["href"] for a in table.all("a") if "who_period=1" in a.attributes["href"]
    )
    address = cell.partition("#")[0] + "&who_returned=false"
    whole = read_section(client, address, "Who is in a cell")
    rest = read_section(client, f"{address}&list_offset=1", "Who is in a cell")
    assert cells(rest, 0) == cells(whole, 0)[1:]


def test_lists_lead_to_who_of_them_agreed_to_be_written_to(client: Client) -> None:
    for path, title, people in (
        ("customers", "Bought once, and due again", "people=due_again"),
        ("customers", "Segments", "people=segment"),
        ("carts?time_range=year", "Carts left, one by one", "people=carts"),
    ):
        links = [a.attributes.get("href", "") for a in section(client, path, title).all("a")]
        (address,) = [link for link in links if "/dashboard/write-to" in link]
        assert people in address
        assert read_section(client, address, "Who agreed to be written to").text


def test_new_and_returning_revenue_is_listed_customer_by_customer(client: Client) -> None:
    part = section(client, "customers?time_range=year", "Customers by week")
    (address,) = [a.attributes["href"] for a in part.all("a") if a.text == "Customer by customer"]
    behind = read_section(client, address, "Behind the numbers")
    assert len(cells(behind, 0)) == len(file_of(client, behind)) > 1
