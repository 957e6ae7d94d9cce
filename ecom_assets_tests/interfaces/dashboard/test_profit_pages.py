"""The pages of profit and of discounts, over a shop whose profit can be counted by hand."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.app import build_app
from ecom_assets.interfaces.dashboard.app import build_dashboard_stack
from ecom_assets.interfaces.dashboard.filled_by import FILLED_BY, OF_PAGE
from ecom_assets.interfaces.dashboard.page import all_pages
from ecom_assets.interfaces.dashboard.pages.profit import bars
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.html import Node, read, tiles_of
from ecom_assets_tests.interfaces.profit_shop import GROUP, profit_shop_home

pytestmark = pytest.mark.xdist_group(GROUP)
DASH = "\N{EN DASH}"
KEYS = {
    "costs": "a-key-that-may-see-costs-too",
    "read": "a-key-that-reads-revenue-only",
    "write": "a-key-that-may-bring-files-too",
}
DAYS = "start_date=2026-05-18&end_date=2026-05-31"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The dashboard over the published shop, with a key that sees costs and one that does not."""
    home = profit_shop_home(tmp_path_factory.getbasetemp())
    keys = (
        f"read+costs+personal:{KEYS['costs']},read:{KEYS['read']},read+write+costs:{KEYS['write']}"
    )
    # A busy machine may take long for an explanation.
    settings = Settings(home=home, api_keys=keys, api_timeout_s=300, adhoc_timeout_s=300)
    with served(build_dashboard_stack(settings)) as running:  # type: ignore[arg-type]
        yield Client(running.address)


def page(shop: Client, path: str, key: str = "costs", status: int = 200) -> Node:
    answer = shop.get(f"/dashboard/{path}", **{"X-API-Key": KEYS[key]})
    assert answer.status_code == status, answer.text
    return read(answer.text)


def drawn(root: Node, index: int) -> list[dict[str, Any]]:
    """Return the rows of a chart."""
    charts = root.all("script", class_="chart-data")
    rows: list[dict[str, Any]] = json.loads(charts[index].texts[0])["rows"]
    return rows


def link(root: Node, shown: str) -> str:
    """Return the address of the first link with a text."""
    return next(a.attributes["href"] for a in root.all("a") if a.text == shown)


def dashes(root: Node) -> Counter[str]:
    """Return how many dashes lead to which page."""
    led = (a.attributes["href"] for a in root.all("a") if a.text == DASH)
    return Counter(address.partition("?")[0] for address in led)


@pytest.mark.slow
def test_a_dash_leads_to_what_fills_it_and_only_who_may_go_there(shop: Client) -> None:
    """This shop has products without a cost, and no visits."""
    assert dashes(page(shop, "products", "write")).keys() == {"/dashboard/mapping"}
    assert not dashes(page(shop, "products", "costs"))
    assert not dashes(page(shop, "products", "read"))
    for key in KEYS:
        assert dashes(page(shop, "overview", key)).keys() == {"/dashboard/quality"}


@pytest.mark.slow
def test_every_list_of_what_fills_dashes_names_numbers_and_pages_that_are_there() -> None:
    answers = build_app(Settings()).openapi()["components"]["schemas"].values()
    numbers = {name for answer in answers for name in answer.get("properties", {})}
    pages = {each.path: each for each in all_pages()}
    assert OF_PAGE.keys() <= pages.keys()
    for filled_by in (FILLED_BY, *OF_PAGE.values()):
        assert filled_by.keys() <= numbers
        for filling in filled_by.values():
            target = pages[filling.path]
            may_act = {action.scope for action in target.actions}
            is_to_see = filling.title.startswith("See ")
            assert filling.scope in ({target.scope} if is_to_see else may_act), filling


@pytest.mark.slow
def test_the_bars_begin_where_the_one_before_ends(shop: Client) -> None:
    rows = drawn(page(shop, f"profit?{DAYS}"), 0)
    assert [(row["label"], row["start"], row["end"]) for row in rows[:7]] == [
        ("Gross sales", 0, 110),
        ("Discounts", 110, 105),
        ("Returns", 105, 87.5),
        ("Net sales", 0, 87.5),
        ("Sales whose cost is unknown", 87.5, 37.5),
        ("Cost of goods", 37.5, 15.5),
        ("Gross profit", 0, 15.5),
    ]


@pytest.mark.slow
def test_a_step_that_is_not_known_has_no_bar_and_moves_no_other() -> None:
    steps: list[dict[str, Any]] = [
        {"is_total": True, "step_amount": 50},
        {"is_total": False, "step_amount": None},
        {"is_total": False, "step_amount": -20},
        {"is_total": True, "step_amount": 30},
    ]
    assert [(bar["start"], bar["end"]) for bar in bars(steps)] == [
        (0, 50),
        (None, None),
        (50, 30),
        (0, 30),
    ]


@pytest.mark.slow
def test_margin_stands_beside_how_much_it_covers(shop: Client) -> None:
    tiles = tiles_of(page(shop, f"profit?{DAYS}"))
    assert tiles["Gross profit"] == "15.50"
    assert float(tiles["Gross margin"]) == pytest.approx(15.5 / 37.5, abs=1e-6)
    assert float(tiles["Cost known"]) == pytest.approx(55 / 105, abs=1e-6)


@pytest.mark.slow
@each(
    "dimension, profits",
    [
        ("item_category", {"head": 15.5, "feet": None}),
        ("item_id", {"Hat": 15.5, "Sock": None}),
        ("city_id", {"Berlin": 15.5}),
        ("customer_type", {"new": 15.5}),
        ("day", {"18 May 2026": 15, "27 May 2026": 8, "29 May 2026": -7.5, "31 May 2026": None}),
        ("week", {"18\N{EN DASH}24 May 2026": 15, "25\N{EN DASH}31 May 2026": 0.5}),
    ],
)
def test_profit_by_any_dimension_adds_up(
    shop: Client, dimension: str, profits: dict[str, float | None]
) -> None:
    rows = drawn(page(shop, f"profit?{DAYS}&dimension={dimension}"), 1)
    assert {row["label"]: row["gross_profit_amount"] for row in rows} == profits


@pytest.mark.slow
def test_without_a_loss_the_highest_profit_stands_first(shop: Client) -> None:
    """In the two weeks no part has a loss: the highest profit stands first, as it does over a shop
    with one (`test_losses_of_a_page_stand_before_profits`) where somebody wants it.
    """
    no_loss = "start_date=2026-05-18&end_date=2026-05-31&dimension=item_id"
    assert [row["label"] for row in drawn(page(shop, f"profit?{no_loss}"), 1)] == ["Hat", "Sock"]
    root = page(shop, f"profit?{no_loss}")
    options = root.one("form", class_="filters").one("select", name="first").all("option")
    assert [option.text for option in options] == [
        "Losses, if any",
        "Highest profit",
        "Lowest profit",
    ]


@pytest.mark.slow
def test_numbers_lead_to_what_they_are_made_of(shop: Client) -> None:
    root = page(shop, f"profit?{DAYS}&dimension=item_category")
    address = link(root, "15.50")
    assert "column=gross_profit_amount" in address
    why = page(shop, address.removeprefix("/dashboard/"))
    assert tiles_of(why)["gross_profit_amount"] == "15.50"


@pytest.mark.slow
def test_margin_stands_beside_products_for_keys_that_may_see_costs(shop: Client) -> None:
    top = {key: page(shop, f"products?{DAYS}", key).one("table") for key in KEYS}
    heads = [head.text for head in top["costs"].all("th")][-3:]
    assert heads == ["Gross profit", "Gross margin", "Cost known"]
    rows = {
        row.all("td")[1].text: [cell.text for cell in row.all("td")][-3:]
        for row in top["costs"].all("tr")[1:]
    }
    assert rows == {"Hat": ["15.50", "41.3%", "100.0%"], "Sock": [DASH, DASH, "0.0%"]}
    assert "Gross profit" not in top["read"].text
    assert tiles_of(page(shop, f"product?product=hat&{DAYS}"))["Gross profit"] == "15.50"
    assert "Gross profit" not in tiles_of(page(shop, f"product?product=hat&{DAYS}", "read"))


@pytest.mark.slow
def test_products_are_sorted_by_profit_for_keys_that_may_see_costs(shop: Client) -> None:
    """The hat leaves 15.50, and the sock, which brought 50, nobody knows what."""
    sorts = {}
    for key in KEYS:
        form = page(shop, f"products?{DAYS}", key).one("form", class_="filters")
        options = form.one("select", name="sort_by").all("option")
        sorts[key] = {option.attributes["value"] for option in options}
    assert sorts["costs"] - sorts["read"] == {"profit", "margin", "loss"}
    root = page(shop, f"products?{DAYS}&sort_by=profit")
    assert [row.all("td")[1].text for row in root.one("table").all("tr")[1:]] == ["Hat", "Sock"]
    refused = page(shop, f"products?{DAYS}&sort_by=profit", "read").one("main").text
    assert "Products by profit cannot be seen by a key without the scope 'costs'" in refused
    assert "Sock" not in refused


@pytest.mark.slow
def test_a_key_without_costs_sees_a_sentence_and_no_entry_in_the_menu(shop: Client) -> None:
    refused = page(shop, f"profit?{DAYS}", "read", 403)
    assert "without the scope 'costs'" in refused.one("main").text
    assert "15.50" not in refused.text
    menus = {key: page(shop, f"sales?{DAYS}", key).one("nav").text for key in KEYS}
    assert "Profit" in menus["costs"]
    assert "Profit" not in menus["read"]


@pytest.mark.slow
def test_discounts_stand_by_code(shop: Client) -> None:
    root = page(shop, f"discounts?{DAYS}")
    assert tiles_of(root)["Discounts"] == "5.00"
    (row,) = root.one("table").all("tr")[1:]
    assert [cell.text for cell in row.all("td")][:2] == ["SUMMER", "5.00"]
    why = page(shop, link(root, "5.00").removeprefix("/dashboard/"))
    assert tiles_of(why)["discount_amount"] == "5.00"


@pytest.mark.slow
def test_codes_of_few_customers_are_one_row_without_links_for_keys_that_see_no_people(
    shop: Client,
) -> None:
    root = page(shop, f"discounts?{DAYS}", "read")
    (row,) = root.one("table").all("tr")[1:]
    assert row.all("td")[0].text == "(codes of fewer than five customers)"
    assert not row.all("a")
