"""Last week: the first page of the dashboard, against plain Python over the shop's files."""

from calendar import monthrange
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
from pydantic import SecretStr

from ecom_assets.commerce.sales.queries import customer_weeks, customers_of_period
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.formats import MINUS
from ecom_assets.core.tables.queries import Page, Period
from ecom_assets.interfaces.api.store.served_data import open_store
from ecom_assets.interfaces.boards.model import FindingDecision, MonthGoal
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets.interfaces.dashboard.blocks import Tile, Tiles
from ecom_assets.interfaces.dashboard.pages.last_week import nothing_found
from ecom_assets.interfaces.dashboard.rendering import TEMPLATES
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.api.plain_shop import PlainShop, Span
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.html import Node, read, tiles_of
from ecom_assets_tests.patience import PATIENCE_S

DAY = timedelta(days=1)
WEEK = timedelta(days=7)


@pytest.fixture(scope="module")
def page(client: Client) -> Node:
    """The page, as the dashboard begins."""
    response = client.get("/dashboard/")
    assert response.status_code == 200
    return read(response.text)


@pytest.fixture(scope="module")
def shop(settings: Settings) -> PlainShop:
    """What must come out."""
    return PlainShop(settings.home.parent / "files")


@pytest.fixture(scope="module")
def week(shop: PlainShop) -> Span:
    """The last week from Monday to Sunday of which all days have orders."""
    last = shop.known("orders").last
    monday = last + DAY - timedelta(days=(last + DAY).weekday()) - WEEK
    return Span(monday, monday + 6 * DAY)


def section(page: Node, title: str) -> Node:
    """Return the section of the page with a heading."""
    return next(one for one in page.all("section") if one.one("h2").text == title)


def test_the_week_has_the_sales_of_monday_to_sunday(
    page: Node, shop: PlainShop, week: Span
) -> None:
    shown = tiles_of(section(page, "The week"))
    sales = shop.sales(week)
    assert shown["Revenue"] == sales["revenue_amount"]
    assert shown["Orders"] == str(sales["order_count"])
    assert shown["Average order value"] == sales["average_order_value"]
    assert "Funnel conversion" not in shown  # one conversion, so that nobody compares two


def test_the_last_day_stands_beside_the_same_weekday(page: Node, shop: PlainShop) -> None:
    last = shop.known("orders").last
    part = section(page, "The last day")
    assert tiles_of(part)["Revenue"] == shop.sales(Span(last, last))["revenue_amount"]
    caption = part.one("p", class_="caption").text
    weekday = f"{last:%A}"
    assert caption.count(weekday) == 3
    before = shop.sales(Span(last - WEEK, last - WEEK))["revenue_amount"]
    assert f"{Decimal(before):,.2f}" in part.one("li", class_="tile").text


def test_the_month_stands_beside_the_same_dates(page: Node, shop: PlainShop) -> None:
    last = shop.known("orders").last
    shown = tiles_of(section(page, "This month so far"))
    assert shown["Revenue"] == shop.sales(Span(last.replace(day=1), last))["revenue_amount"]


def test_what_changed_adds_up_to_the_change_of_the_week(
    page: Node, shop: PlainShop, week: Span
) -> None:
    now, before = (Decimal(shop.sales(days)["revenue_amount"]) for days in (week, week.before))
    text = section(page, "Why revenue changed").text
    assert f"{abs(now - before):,.2f}" in text
    links = section(page, "Why revenue changed").all("a")
    assert links
    assert all(f"start_date={week.first}" in link.attributes["href"] for link in links)


def test_each_cause_leads_to_a_page_that_answers(client: Client, page: Node) -> None:
    addresses = {link.attributes["href"] for link in section(page, "Why revenue changed").all("a")}
    for address in addresses:
        assert client.get(address).status_code == 200, address


def test_a_number_leads_to_its_own_days(page: Node, week: Span) -> None:
    part = section(page, "The week")
    whys = [link.attributes["href"] for link in part.all("a", class_="why")]
    assert whys
    for why in whys:
        assert f"start_date={week.first}" in why
        assert f"end_date={week.last}" in why


def test_an_address_with_days_shows_the_overview(client: Client) -> None:
    assert read(client.get("/dashboard/?time_range=week").text).one("h1").text == "Overview"
    assert read(client.get("/dashboard/").text).one("h1").text == "Last week"


@pytest.mark.slow
def test_customers_of_a_week_are_those_of_the_weekly_mart_and_of_any_days_those_of_the_files(
    settings: Settings, shop: PlainShop
) -> None:
    known = shop.known("orders")
    shipped = [line for line in shop.lines if line["status"] == "shipped" and line["customer_id"]]
    first_days: dict[str, date] = {}
    for line in sorted(shipped, key=lambda line: line["at"]):
        first_days.setdefault(line["customer_id"], line["day"])
    monday = known.first - timedelta(days=known.first.weekday())
    with closing(open_store(settings)) as store, store.reading() as reading:
        for number in range(40):
            first = monday + number * DAY
            period = Period("custom", first, first + 6 * DAY)
            found = customers_of_period(reading, period)
            span = Span(period.start_date, period.end_date)
            buyers = {line["customer_id"] for line in shipped if span.has(line["day"])}
            new = {who for who in buyers if span.has(first_days[who])}
            assert found["customers_count"] == len(buyers)
            assert found["new_customers_count"] == len(new)
            revenue = sum(
                (
                    line["amount"]
                    for line in shipped
                    if span.has(line["day"]) and line["customer_id"] in new
                ),
                Decimal(0),
            )
            assert found["new_revenue_amount"] == revenue
            if first.weekday() == 0:
                weeks = customer_weeks(reading, period, None, None, Page(1))["weeks"]
                assert not weeks or found == {name: weeks[0][name] for name in found}


def test_a_goal_is_kept_and_shown_as_a_share_of_the_month_so_far(
    settings: Settings, shop: PlainShop, tmp_path: Path
) -> None:
    last = shop.known("orders").last
    month = f"{last:%Y-%m}"
    own = settings.model_copy(update={"boards_url": SecretStr(f"sqlite://{tmp_path / 'boards'}")})
    with served(build_dashboard_app(own)) as answer:
        client = Client(answer.address)
        page = read(client.get("/dashboard/last-week").text)
        assert f"{month} has no goal yet" in section(page, "Goals of the month").text
        for amount in ("1000", "2000"):  # the second replaces the first
            sent = _send_goal(client, page, measure="revenue_amount", month=month, amount=amount)
            assert sent.status_code == 303
        shown = section(read(client.get("/dashboard/last-week").text), "Goals of the month")
        refused = _send_goal(client, page, measure="revenue_amount", month="2026-13", amount="1")
        assert refused.status_code == 303
    kept = BoardStore(own).newest(MonthGoal)
    assert [(one.slug, one.number, one.item.amount) for one in kept] == [
        (f"revenue-amount-{month}", 2, Decimal(2000))
    ]
    revenue = Decimal(shop.sales(Span(last.replace(day=1), last))["revenue_amount"])
    assert f"{100 * revenue / 2000:.1f}%" in shown.text
    assert f"{100 * last.day / monthrange(last.year, last.month)[1]:.1f}%" in shown.text


def test_a_goal_of_another_currency_is_compared_with_nothing(
    settings: Settings, shop: PlainShop, tmp_path: Path
) -> None:
    month = f"{shop.known('orders').last:%Y-%m}"
    own = settings.model_copy(update={"boards_url": SecretStr(f"sqlite://{tmp_path / 'boards'}")})
    fields = {"measure": "revenue_amount", "month": month, "amount": 1000, "currency": "JPY"}
    goal = MonthGoal.from_mapping(fields)
    BoardStore(own).save(goal.own_slug, goal, 0, "anna")
    with served(build_dashboard_app(own)) as answer:
        page = read(Client(answer.address).get("/dashboard/last-week").text)
    shown = section(page, "Goals of the month")
    assert f"\N{YEN SIGN}1,000 of Revenue, {month} is in another currency" in shown.text
    assert shown.all("table") == []


def test_a_row_of_what_to_look_at_is_done_and_listed_among_the_changes(
    settings: Settings, tmp_path: Path
) -> None:
    """The shop of this file has stock that runs out, and six refunds of a product in a week after
    one in most; in its six weeks nothing fell.
    """
    own = settings.model_copy(update={"boards_url": SecretStr(f"sqlite://{tmp_path / 'boards'}")})
    with served(build_dashboard_app(own)) as answer:
        client = Client(answer.address)
        page = read(client.get("/dashboard/last-week").text)
        rows = section(page, "What to look at").all("li")
        titles = ["More of The p7 was paid back", "2 products run out before more can arrive"]
        assert [row.one("strong").text for row in rows] == titles
        fields = {"decision": "dismissed", "reason": "", "until": ""}
        refused = _send_form(client, rows[1].one("form"), fields)
        assert "dismissed" in client.get(refused.headers["Location"]).text
        sent = _send_form(client, rows[1].one("form"), fields | {"reason": "Ordered on Friday"})
        assert sent.status_code == 303
        after = section(read(client.get("/dashboard/last-week").text), "What to look at")
        assert [row.one("strong").text for row in after.all("li")] == titles[:1]
        assert "come back when they become worse" in after.text
        assert "2 products run out before more can arrive" in client.get("/dashboard/boards").text
    (kept,) = BoardStore(own).newest(FindingDecision)
    assert kept.item.reason == "Ordered on Friday"


def test_what_could_not_be_compared_is_said_and_is_not_called_calm() -> None:
    assert nothing_found(["visits", "conversion", "refunds", "stock"]) == (
        "Nothing to look at in visits by channel, steps of funnels and carts, refunds by product, "
        "stock."
    )
    assert nothing_found([]) == (
        "Not compared, as they lack five weeks of days: visits by channel, steps of funnels and "
        "carts, refunds by product."
    )


def _send_form(client: Client, form: Node, fields: dict[str, str]) -> requests.Response:
    hidden = {
        field.attributes["name"]: field.attributes["value"]
        for field in form.all("input", type="hidden")
    }
    return client.session.post(
        client.address + form.attributes["action"],
        data={**hidden, **fields},
        headers={"Origin": client.address},
        timeout=PATIENCE_S,
        allow_redirects=False,
    )


def _send_goal(client: Client, page: Node, **fields: str) -> requests.Response:
    return _send_form(client, section(page, "Goals of the month").one("form"), fields)


def test_a_tile_says_what_its_number_was_a_year_before_where_that_is_known() -> None:
    """The shop of this file has forty days, none of them a year before others."""
    unknown = Tile("Revenue", Decimal(120), "money", "", previous=Decimal(100), change=0.2)
    known = replace(unknown, year_before=Decimal(160), year_change=-0.25)
    template = TEMPLATES.get_template("blocks/tiles.html")
    view = SimpleNamespace(currency="EUR", why=lambda _: "", filled_by=lambda _: None)
    first, second = (
        read(template.render(block=Tiles([tile]), view=view)).text for tile in (known, unknown)
    )
    assert "+20.0% ▲ from €100.00" in first
    assert f"{MINUS}25.0% ▼ from €160.00 a year before" in first
    assert "a year before" not in second
