"""Every page: that it is shown whole over the small shop, and that its
numbers are those of the API.
"""

import csv
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import requests

from ecom_assets.commerce.attribution.contracts import MODELS
from ecom_assets.commerce.customers.value_models import NoFit
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.routes.customers import COUNTS_OF_DUE
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets.interfaces.dashboard.blocks import Chart
from ecom_assets.interfaces.dashboard.charts import shape_of
from ecom_assets.interfaces.dashboard.page import DashboardPage, all_pages
from ecom_assets.interfaces.dashboard.pages.customers import NO_MODEL
from ecom_assets.interfaces.dashboard.rendering import TEMPLATES
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.html import Node, read, tiles_of

NEEDS = {
    "product": "product=p1",
    "board": "board=shop",
    "board-tile": "board=shop&tile=0",
    "person": "visitor=u03",
    "versions": "kind=boards&id=shop",
}
"""What the address of a page must say."""


ABOUT_NOW = {"live", "versions", "board-tile"}
"""Pages that look another way each time."""
AT_EVERY_WIDTH = {
    *("alerts", "attribution", "board", "boards", "funnel", "last-week", "mapping"),
    *("mapping-costs", "mapping-lists", "mapping-shop", "overview", "retention", "sales"),
    "sales-explorer",
}
"""Pages that have, together, all that pages are made of: `test_pictures.py` looks at these at three
widths, at the others at one.
"""


def shown(client: Client, path: str) -> Node:
    page = client.get(f"/dashboard/{path}")
    assert page.status_code == 200, page.text
    return read(page.text)


def drawn(page: Node, index: int = 0) -> list[dict[str, Any]]:
    """Return the rows of a chart of a page."""
    rows: list[dict[str, Any]] = json.loads(
        page.all("script", class_="chart-data")[index].texts[0]
    )["rows"]
    return rows


@pytest.fixture(scope="module")
def answers(client: Client) -> dict[str, requests.Response]:
    """Every page as it is without a choice, by path."""
    return {
        page.path: client.get(f"{page.address}?{NEEDS.get(page.path, '')}") for page in all_pages()
    }


FILES_IN_PAGE = ("data:text/csv;", "data:application/json;")
"""What the address of a file begins with that a page has in itself."""


def test_no_two_sections_of_a_page_have_the_same_key() -> None:
    for page in all_pages():
        keys = [section.key for section in page.sections]
        assert len(keys) == len({*keys}), page.path


@each("page", all_pages())
def test_a_page_names_its_parts_and_loads_nothing_from_elsewhere(
    answers: dict[str, requests.Response], page: DashboardPage
) -> None:
    response = answers[page.path]
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    root = read(response.text)
    assert len(root.all("h1")) == len(root.all("main")) == 1
    assert [
        link.text for link in root.one("nav").all("a", aria_current="page")
    ] or not page.is_listed
    ids = re.findall(r'<[^>]*\sid="([^"]+)"', response.text)
    assert len(ids) == len({*ids}), ids
    keys = {section.key for section in page.sections} & {*ids}
    assert keys, "an address leads to a section by its title"
    assert keys == {
        section.attributes["id"] for section in root.all("section") if "id" in section.attributes
    }
    titled = {heading.attributes["id"] for heading in root.all("h2") if "id" in heading.attributes}
    assert {section.attributes["aria-labelledby"] for section in root.all("section")} <= titled
    addresses = [
        element.attributes.get(name, "")
        for tag, name in (("a", "href"), ("script", "src"), ("link", "href"), ("form", "action"))
        for element in root.all(tag)
    ]
    assert [
        address
        for address in addresses
        if address and not address.startswith(("/", "#", "?", *FILES_IN_PAGE))
    ] == []
    inline = [script for script in root.all("script") if "src" not in script.attributes]
    assert {script.attributes["type"] for script in inline} <= {"application/json"}
    assert "style=" not in response.text, "the policy allows no style in an element"


def parts_of(answer: requests.Response) -> set[str]:
    """Return the elements and classes of a page's content."""
    main = answer.text.partition("<main")[2].partition("</main>")[0]
    classes = {name for names in re.findall(r'class="([^"]+)"', main) for name in names.split()}
    return classes | {f"<{element}>" for element in re.findall(r"<(\w+)", main)}


def test_what_is_pictured_at_every_width_has_all_that_pages_are_made_of(
    answers: dict[str, requests.Response],
) -> None:
    parts = {path: parts_of(answer) for path, answer in answers.items() if path not in ABOUT_NOW}
    pictured = set().union(*(parts[path] for path in AT_EVERY_WIDTH))
    lacking = {path: new for path, of in parts.items() if (new := of - pictured)}
    assert lacking == {}, "add such a page to AT_EVERY_WIDTH, and run make pictures"


@pytest.mark.slow
@each("page", [page for page in all_pages() if page.path != "live"])
def test_each_link_to_csv_gives_rows(
    client: Client, answers: dict[str, requests.Response], page: DashboardPage
) -> None:
    root = read(answers[page.path].text)
    links = [link.attributes["href"] for link in root.all("a") if link.text == "CSV"]
    for link in links:
        if link.startswith(
            FILES_IN_PAGE
        ):  # the answer to a custom question, which is not asked twice
            assert len(unquote(link.partition(",")[2]).splitlines()) > 1
            continue
        answer = client.get(link)
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (
            200,
            "text/csv",
        ), link


def test_the_csv_of_the_models_holds_what_the_chart_shows(client: Client) -> None:
    root = shown(client, "attribution?time_range=year&model=linear")
    figure = root.one("figure", class_="chart")
    (link,) = [link.attributes["href"] for link in figure.all("a") if link.text == "CSV"]
    lines = list(csv.DictReader(unquote(link.partition(",")[2]).splitlines()))
    assert len({line["model"] for line in lines}) == len(MODELS) == 8
    in_chart = [(row["channel"], row["model"], float(row["revenue_amount"])) for row in drawn(root)]
    assert [
        (line["channel"], line["model"], float(line["revenue_amount"])) for line in lines
    ] == in_chart


@each("page", all_pages())
def test_amounts_have_no_currency_that_nobody_named(
    answers: dict[str, requests.Response], page: DashboardPage
) -> None:
    main = read(answers[page.path].text).one("main")
    text = main.text
    for choices in main.all("select"):  # among them those of the currency itself
        assert not re.search(r"[$€]\d", choices.text)
        text = text.replace(choices.text, "")
    assert not re.search(r"[$€]\d|USD", text)


@pytest.mark.slow
def test_amounts_have_the_currency_of_the_setting(settings: Settings) -> None:
    euro_settings = settings.model_copy(update={"currency": "EUR"})
    with served(build_dashboard_app(euro_settings)) as answer:
        tile = shown(Client(answer.address), "sales").one("p", class_="number").text
    assert tile.startswith("€")


@pytest.mark.slow
def test_only_pages_that_compare_name_the_period_before(client: Client) -> None:
    result = {
        path: "against" in shown(client, path).one("p", class_="covered").text
        for path in ("sales", "retention")
    }
    assert result == {"sales": True, "retention": False}


def test_the_table_of_a_long_chart_ends_where_its_csv_goes_on() -> None:
    rows = [{"day": n} for n in range(1_000)]
    assert len(Chart({}, rows, (), "", csv="/all.csv").shown_rows) == 400
    assert len(Chart({}, rows, (), "").shown_rows) == 1_000, "nowhere else are the others"


@pytest.mark.slow
def test_sales_shows_what_the_api_answers(client: Client) -> None:
    page = shown(client, "sales?time_range=week&granularity=week&level=city")
    sold = client.get("/analytics/sales?time_range=week").json()["sales"]
    names = (
        "revenue_amount",
        "order_count",
        "average_order_value",
        "shipped_amount",
        "sold_item_count",
        "refund_count",
    )
    assert list(tiles_of(page).values()) == [str(sold[name]) for name in names]
    points = client.get("/analytics/revenue/trend?time_range=week&granularity=week").json()[
        "points"
    ]
    assert [row["revenue_amount"] for row in drawn(page)] == [
        float(point["revenue_amount"]) for point in points
    ]
    countries = client.get("/analytics/geographic?time_range=week").json()["places"]
    assert [row["country"] for row in drawn(page, 1)] == [
        country["country"] for country in countries
    ]
    cities = client.get("/analytics/geographic?time_range=week&level=city").json()["places"]
    places = next(
        section for section in page.all("section") if "Places with the most" in section.text
    )
    assert [row.all("td")[0].text.partition(",")[0] for row in places.all("tr")[1:]] == [
        city["city_name"] for city in cities
    ]


def test_places_that_the_map_has_not_are_named_below_it() -> None:
    assert [shape_of(country) for country in ("United States", "Italy", "Atlantis")] == [
        "United States of America",
        "Italy",
        None,
    ]


def test_the_models_of_attribution_stand_side_by_side_and_share_out_the_same(
    client: Client,
) -> None:
    page = shown(client, "attribution")
    answers = {
        model: client.get(f"/analytics/revenue/by-channel?model={model}").json()["channels"]
        for model in MODELS
    }
    dots = drawn(page)
    expected = sorted(float(row["revenue_amount"]) for rows in answers.values() for row in rows)
    assert sorted(row["revenue_amount"] for row in dots) == expected
    assert len({row["model"] for row in dots}) == len(MODELS) == 8
    sums = {
        sum(round(100 * float(row["revenue_amount"])) for row in rows) for rows in answers.values()
    }
    assert len(sums) == 1, "each model shares out the same revenue"


def test_customers_shows_what_the_api_answers(client: Client) -> None:
    page = shown(client, "customers")
    answer = client.get("/analytics/customers").json()
    period, worth = answer["customers"], answer["value"]
    numbers = [
        period[name]
        for name in ("customer_count", "new_customer_count", "returning_customer_count")
    ]
    numbers += [
        period["retention_rate"],
        worth["revenue_per_customer_amount"],
        worth["lifetime_value_amount"],
    ]
    numbers += [worth["churn_risk_rate"], worth["at_risk_customer_count"]]
    due = client.get("/analytics/customers/due-again").json()
    numbers += [due[name] for name in COUNTS_OF_DUE]
    assert list(tiles_of(page).values()) == [
        "" if number is None else str(number) for number in numbers
    ]
    segments = client.get("/analytics/customers/segments").json()["segments"]
    assert [row["customer_count"] for row in drawn(page, 1)] == [
        segment["customer_count"] for segment in segments
    ]
    profiles = client.get("/analytics/customers/profiles").json()["profiles"]
    assert [row for index in range(2, 6) for row in drawn(page, index)] == [
        {name: profile[name] for name in ("dimension", "value", "customer_count", "customer_share")}
        for profile in profiles
    ]


def test_products_are_in_the_chosen_order_and_stock_is_counted(client: Client) -> None:
    page = shown(client, "products?sort_by=views")
    top = client.get("/analytics/products/top?limit=20&sort_by=views").json()["products"]
    table = page.all("table")[0]
    assert [row.all("td")[3].text for row in table.all("tr")[1:]] == [
        f"{row['product_view_count']:,}" for row in top
    ]
    counts = client.get("/analytics/inventory/alerts").json()["counts"]
    assert list(tiles_of(page).values()) == [
        str(counts[kind]) for kind in ("out_of_stock", "low", "overstock", "dead")
    ]


def test_a_product_leads_to_its_page(client: Client) -> None:
    link = next(link for link in shown(client, "products?time_range=week").one("table").all("a"))
    page = read(client.get(link.attributes["href"]).text)
    assert page.one("h1").text == link.text
    assert "time_range=week" in link.attributes["href"]
    lost = client.get("/dashboard/product?product=nobody-knows-it")
    assert (lost.status_code, "No event and no order has the product" in lost.text) == (404, True)


def test_what_is_bought_with_a_product_is_one_list(client: Client) -> None:
    """Pairs in five orders and more, then what is in fewer, of which only these are said."""
    path = "/analytics/products/p1"
    answer = client.get(f"{path}/bought-together").json()
    rarer = [row for row in client.get(path).json()["related"] if row["order_count"] < 5]
    expected = [(row["product_name"], row["joint_count"]) for row in answer["pairs"]]
    expected += [(row["product_name"], row["order_count"]) for row in rarer]
    page = shown(client, "product?product=p1")
    (section,) = [part for part in page.all("section") if part.one("h2").text == "Bought with it"]
    rows = [[cell.text for cell in row.all("td")] for row in section.all("tr")[1:]]
    assert [(row[0], int(row[2])) for row in rows] == expected
    assert rarer
    assert {row[4] for row in rows[-len(rarer) :]} == {"\N{EN DASH}"}


@pytest.mark.slow
def test_live_says_how_old_the_newest_event_is(client: Client) -> None:
    answer = client.get("/analytics/realtime").json()
    shown_numbers = list(tiles_of(shown(client, "live")).values())
    names = ("visitor_count", "event_count", "open_cart_count", "purchase_count", "revenue_amount")
    assert shown_numbers == [str(answer["windows"][0][name]) for name in names]


def test_names_from_the_data_are_text_and_never_html(client: Client) -> None:
    wanted = "<script>alert(1)</script>"
    page = client.get(f"/dashboard/?time_range={wanted}")
    assert wanted not in page.text
    assert read(page.text).one("main").text


def test_before_the_first_run_a_page_says_what_to_run(tmp_path: Path) -> None:
    with served(build_dashboard_app(Settings(home=tmp_path))) as answer:
        page = Client(answer.address).get("/dashboard/sales")
        first = Client(answer.address).get("/dashboard/")
    assert page.status_code == 200
    assert "Nothing is published yet. Bring in a file of your shop" in page.text
    assert 'href="/dashboard/mapping">Bring in a file' in page.text
    assert (first.status_code, first.headers["location"]) == (303, "/dashboard/mapping")


def test_a_reason_without_a_value_is_a_sentence() -> None:
    assert set(NO_MODEL) == {reason.value for reason in NoFit}


def test_a_command_in_a_sentence_is_set_as_code_and_the_rest_is_escaped() -> None:
    made = TEMPLATES.from_string("{{ text | with_code }}").render(
        text="run `ecom run`, <b> & `x<y`"
    )
    assert made == "run <code>ecom run</code>, &lt;b&gt; &amp; <code>x&lt;y</code>"


@pytest.mark.slow
def test_products_are_searched_by_name_and_come_a_page_at_a_time(client: Client) -> None:
    everything = client.get("/analytics/products/top?time_range=year&limit=1000").json()["products"]
    named = [
        row for row in everything if "p1" in f"{row['product_name']} {row['product_id']}".lower()
    ]
    found = shown(client, "products?time_range=year&search=P1").all("section")[0]
    rows = [[cell.text for cell in row.all("td")] for row in found.one("tbody").all("tr")]
    assert [row[1] for row in rows] == [row["product_name"] or row["product_id"] for row in named]
    assert len(named) < len(everything)
    later = shown(client, "products?time_range=year&offset=5").all("section")[0]
    assert later.one("tbody").one("td").text == "6"
    before = next(link for link in later.all("a") if link.text == "Products before")
    assert before.attributes["href"] == "/dashboard/products?time_range=year"
    form = shown(client, "products?time_range=year&offset=5").one("form", class_="filters")
    assert "offset" not in {field.attributes["name"] for field in form.all("input")}, (
        "another order begins at the top"
    )
    nothing = shown(client, "products?search=%3Cscript%3E").all("section")[0]
    assert "No product has “<script>” in its name or id." in nothing.text


def test_only_builders_have_their_form_beside_the_answer(
    answers: dict[str, requests.Response],
) -> None:
    beside = {
        page.path: '<div class="asking">' in answers[page.path].text
        for page in all_pages()
        if page.path in {"why", "mapping", "funnel"}
    }
    assert beside == {"why": False, "mapping": False, "funnel": True}
