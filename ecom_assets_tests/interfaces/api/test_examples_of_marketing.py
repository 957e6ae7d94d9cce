"""The examples of `examples.txt` by public commands: `ecom run`, and the API.

In March 40 customers place their first order, 40.00 each of which 12.00 are left, and three others
order again for 2,400. In the months after, the 40 leave 160, 120 and 60. In January an order in
dollars is placed, half of which goes back in February; Sue subscribes, and Tom's subscription is
older than the data.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.app import build_app, build_stack
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets.interfaces.dashboard.pages import marketing as marketing_page
from ecom_assets.interfaces.report.page import render_page
from ecom_assets.interfaces.report.report import build_report
from ecom_assets.interfaces.weeks.weekly import Week
from ecom_assets.interfaces.weeks.wording import text_lines
from ecom_assets_tests.command import FEW_ADS, ecom
from ecom_assets_tests.interfaces.api.conftest import Api, Row, served
from ecom_assets_tests.interfaces.dashboard.html import Node, read

pytestmark = pytest.mark.xdist_group("marketing")
LINES: Final = (
    "uniq_id,order_id,date_time,customer_id,city_id,city_name,item_id,item_name,quantity,"
    "payment_amount,status,id,unit_cost_amount,payment_fee_amount,currency,is_restocked,is_renewal"
)
EVENTS: Final = (
    "event_id,user_id,event_type,event_timestamp,product_id,product_category,session_id,page_url,"
    "referrer_url,cart_value"
)
SPEND: Final = """spend_date,platform,account_id,campaign_id,campaign_name,spend_amount,currency,\
click_count,platform_conversion_count,platform_conversion_amount
2026-01-05,meta,act_2,9,Spring Sale,30,EUR,,,
2026-01-10,google_ads,1,7,Search DE,22,USD,,,
2026-03-02,google_ads,1,7,Search DE,300,EUR,40,30,1500
2026-03-02,meta,act_2,9,Spring Sale,500,EUR,50,40,2000
"""
RATES: Final = """date,currency,rate
2026-01-01,USD,0.9090909090909091
2026-02-01,USD,0.8333333333333333
"""
GOOGLE, META = "gclid=x&utm_id=7", "fbclid=x&utm_campaign=spring+sale"


def line(  # noqa: PLR0913, PLR0917 (each is a column)
    order: str, at: str, customer: str, amount: str, cost: str, more: str = "", renewal: str = ""
) -> str:
    """Return an order line of one piece in the shop's currency, or what differs of it."""
    quantity, status, currency = more.split(",") if more else ("1", "shipped", "EUR")
    number = f"{order}-{at[:10]}"
    return (
        f"{number},{order},{at}:00,{customer},1,Berlin,hat,Hat,{quantity},{amount},{status},"
        f"{number},{cost},0,{currency},true,{renewal}"
    )


def visit(customer: str, at: str, said: str) -> str:
    """Return a page view from an ad."""
    page = f"https://shop.example/?{said}"
    return f"{customer} {at},{customer},page_view,{at}:00,,,{customer} {at},{page},,"


def shop(last: str) -> tuple[list[str], list[str]]:
    """Return the lines of orders and events until a day."""
    orders = [
        line("usd", "2026-01-10T12:00", "dan", "110", "22", "2,shipped,USD"),
        line("usd", "2026-02-10T12:00", "dan", "55", "20", "1,refunded,USD"),
    ]
    orders += [
        line("sue-1", "2026-01-05T12:00", "sue", "60", "30"),
        line("sue-2", "2026-01-20T03:00", "sue", "60", "30", renewal="yes"),
        line("sue-3", "2026-02-03T03:00", "sue", "60", "30", renewal="yes"),
        line("tom-8", "2026-01-11T03:00", "tom", "40", "20", renewal="yes"),
    ]
    events = [visit("dan", "2026-01-10T11:00", GOOGLE), visit("sue", "2026-01-05T11:00", META)]
    events.append(visit("tom", "2026-01-10T11:00", GOOGLE))
    for number, (amount, cost) in enumerate((("400", "250"), ("400", "250"), ("1600", "980"))):
        name = f"old{number}"
        orders.append(line(f"{name}-1", "2026-02-01T12:00", name, "10", "5"))
        orders.append(line(f"{name}-2", "2026-03-10T12:00", name, amount, cost))
    events += [visit("old0", "2026-03-10T11:00", GOOGLE), visit("old1", "2026-03-10T11:00", META)]
    for number in range(40):
        name = f"new{number}"
        orders.append(line(name, "2026-03-05T12:00", name, "40", "28"))
        if number < 35:
            events.append(visit(name, "2026-03-05T11:00", GOOGLE if number < 20 else META))
    again = [("2026-04-07", 4, "60"), ("2026-05-07", 3, "60"), ("2026-06-07", 1, "40")]
    for day, count, cost in again:
        orders += [line(f"{day}-{n}", f"{day}T12:00", f"new{n}", "100", cost) for n in range(count)]
    orders.append(line("end", f"{last}T12:00", "old0", "10", "5"))
    return [row for row in orders if row.split(",")[2][:10] <= last], events


def home_until(last: str, folder: Path, *more: str, tables: Sequence[str] = ()) -> Path:
    """Run over the shop until a day, with more order lines, all tables or some."""
    orders, events = shop(last)
    for name, head, rows in (("orders", LINES, [*orders, *more]), ("events", EVENTS, events)):
        (folder / f"{name}.csv").write_text("\n".join([head, *rows]) + "\n")
    (folder / "spend.csv").write_text(SPEND)
    (folder / "rates.csv").write_text(RATES)
    options = ("--orders", folder / "orders.csv", "--events", folder / "events.csv")
    spend = f"native={folder / 'spend.csv'}"
    env = {
        "ECOM_CURRENCY": "EUR",
        "ECOM_RATES": str(folder / "rates.csv"),
        "ECOM_AD_ACCOUNT_TIME_ZONES": "meta/act_2=America/New_York",
    }
    result = ecom("run", *options, "--ad-spend", spend, *tables, home=folder / "home", env=env)
    assert result.exit_code == 0, result.out + result.err
    return folder / "home"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run over the examples until the end of June."""
    return home_until("2026-06-30", tmp_path_factory.mktemp("marketing"))


def api_of(home: Path) -> Iterator[Api]:
    """Serve a home."""
    settings = Settings(home=home, api_timeout_s=300, adhoc_timeout_s=300)
    with served(build_stack(settings, build_app(settings))) as running:  # type: ignore[arg-type]
        yield running


@pytest.fixture(scope="module")
def api(home: Path) -> Iterator[Api]:
    """The API over the examples."""
    yield from api_of(home)


MARCH: Final[dict[str, Any]] = {"start_date": "2026-03-01", "end_date": "2026-03-31"}


def by_platform(api: Api, **asked: Any) -> dict[str, Row]:
    answer = api.json("/analytics/marketing", dimension="platform", **asked)
    return {row["platform"]: row for row in answer["parts"]}


@pytest.mark.slow
def test_example_8_an_order_in_another_currency_and_half_of_it_back(api: Api) -> None:
    january = {"start_date": "2026-01-01", "end_date": "2026-01-31"}
    google = by_platform(api, **january)["google_ads"]
    assert (google["spend_amount"], google["credited_revenue_amount"]) == ("20.00", "100.00")
    assert google["roas"] == 5
    assert google["contribution_before_ads_amount"] == "60.00"


@pytest.mark.slow
def test_example_9_the_ratios_of_a_month(api: Api) -> None:
    answer = api.json("/analytics/marketing", **MARCH)
    shop_numbers = answer["shop"]
    assert shop_numbers["revenue_amount"] == "4000.00"
    assert shop_numbers["spend_amount"] == "800.00"
    assert (shop_numbers["mer"], shop_numbers["spend_share"]) == (5, 0.2)
    assert shop_numbers["new_customer_count"] == 40
    assert shop_numbers["first_order_revenue_amount"] == "1600.00"
    assert shop_numbers["acquisition_mer"] == 2
    assert shop_numbers["cost_per_new_customer"] == "20.00"
    assert shop_numbers["contribution_before_ads_amount"] == "1400.00"
    assert shop_numbers["contribution_after_ads_amount"] == "600.00"
    parts = by_platform(api, **MARCH)
    assert {name: (row["roas"], row["platform_roas"]) for name, row in parts.items()} == {
        "google_ads": (4, 5),
        "meta": (2, 4),
    }
    assert parts["google_ads"]["new_customer_count"] == 20
    assert parts["meta"]["first_order_roas"] == 1.2
    named = {row["campaign_name"]: row["campaign_key"] for row in answer["parts"]}
    assert named == {"Search DE": "7", "Spring Sale": "9"}
    assert answer["spend_without_visits"] == answer["visits_without_spend"] == []
    assert [row["model"] for row in answer["models"]][:2] == ["first", "last"]


@pytest.mark.slow
def test_example_10_customers_of_march_pay_back_in_month_3(api: Api) -> None:
    assert api.json("/analytics/marketing", **MARCH)["shop"]["payback_months"] == 3
    cells = [
        row
        for row in api.json("/analytics/customers/cohort-value")["cohorts"]
        if row["cohort_month_date"] == "2026-03-01"
    ]
    assert [row["customer_count"] for row in cells] == [40] * 4
    assert [row["contribution_before_ads_amount"] for row in cells] == [
        "480.00",
        "160.00",
        "120.00",
        "60.00",
    ]
    assert [float(row["contribution_per_customer"]) for row in cells] == [12, 16, 19, 20.5]


@pytest.mark.slow
def test_renewals_stand_beside_what_ads_brought(api: Api, home: Path) -> None:
    """Sue's ad cost 30 and brought 60, and 60 of a renewal; Tom's renewal of 40 is no new customer.

    With 100 of Dan, all revenue of January is 260, for 50.
    """
    january: dict[str, Any] = {"start_date": "2026-01-01", "end_date": "2026-01-31"}
    answer = api.json("/analytics/marketing", **january)
    names = ("roas", "renewal_order_count", "renewal_revenue_amount", "new_customer_count")
    rows = {row["platform"]: [row[name] for name in names] for row in answer["parts"]}
    assert rows == {"google_ads": [5, 1, "40.00", 1], "meta": [2, 1, "60.00", 1]}
    names = ("revenue_amount", "renewal_revenue_amount", "mer", "cost_per_new_customer")
    assert [answer["shop"][name] for name in names] == ["260.00", "100.00", 3.2, "25.00"]
    value = api.json("/analytics/customers/cohort-value")
    assert value["earlier_customer_count"] == 1, "Tom"
    names = ("customer_count", "order_count", "renewal_order_count", "renewal_revenue_amount")
    cells = [row for row in value["cohorts"] if str(row["cohort_month_date"]) == "2026-01-01"]
    assert [[row[name] for name in names] for row in cells[:3]] == [
        [2, 3, 1, "60.00"],
        [2, 1, 1, "60.00"],
        [2, 0, 0, "0.00"],
    ]
    with served(build_dashboard_app(Settings(home=home))) as dashboard:
        with_any = read(dashboard.get("/dashboard/marketing", **january).text)
        without = read(dashboard.get("/dashboard/marketing", **MARCH).text)
        by_month = read(dashboard.get("/dashboard/cohort-value").text)
    for page, has_any in ((with_any, True), (without, False)):
        (campaigns,) = (table for table in page.all("table") if "Break-even" in table.text)
        assert ("Of renewals" in campaigns.text) is has_any
    assert "Net sales of renewals" in by_month.text
    assert "Customers before: 1." in by_month.text


@pytest.mark.slow
def test_the_page_has_the_campaigns_with_most_spend_and_says_how_many_more(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marketing_page, "MOST_PARTS", 1)
    with served(build_dashboard_app(Settings(home=home))) as dashboard:
        page = read(dashboard.get("/dashboard/marketing", **MARCH).text)
    (campaigns,) = (table for table in page.all("table") if "Break-even" in table.text)
    assert "Spring Sale (meta)" in campaigns.text
    assert "Search DE (google_ads)" not in campaigns.text
    assert "And 1 more; the CSV has all." in page.text


PLAIN_MARCH = """
WITH orders AS (SELECT order_id, customer_id, sum(payment_amount) AS revenue
    FROM staging.user_order_log
    WHERE order_date BETWEEN '2026-03-01' AND '2026-03-31' GROUP BY ALL),
visits AS (SELECT user_id, CASE WHEN contains(page_url, 'gclid=') THEN 'Search DE (google_ads)'
        ELSE 'Spring Sale (meta)' END AS campaign
    FROM staging.events WHERE event_date BETWEEN '2026-03-01' AND '2026-03-31'),
brought AS (SELECT campaign, count(*) AS orders, sum(revenue) AS revenue
    FROM orders JOIN visits ON user_id = customer_id GROUP BY ALL),
spent AS (SELECT campaign_name || ' (' || platform || ')' AS campaign, sum(spend_amount) AS spend
    FROM raw.ad_spend WHERE spend_date BETWEEN '2026-03-01' AND '2026-03-31' GROUP BY ALL)
SELECT campaign, format('{:.1f}', orders::DOUBLE), format('€{:,.2f}', revenue::DOUBLE),
    format('{:.2f}', (revenue / spend)::DOUBLE)
FROM brought JOIN spent USING (campaign) ORDER BY spend DESC
"""
"""Each customer of March came by one visit, an hour before the order."""
PLAIN_CHANNELS = """
WITH firsts AS (SELECT customer_id, min(order_date) AS first_date FROM staging.user_order_log
    WHERE status = 'shipped' GROUP BY ALL),
visits AS (SELECT user_id, min_by(page_url, event_at) AS page
    FROM staging.events GROUP BY ALL),
cohort AS (SELECT customer_id, CASE WHEN page IS NULL THEN '(none)'
        WHEN contains(page, 'gclid=') THEN 'Paid Search' ELSE 'Unassigned' END AS channel
    FROM firsts LEFT JOIN visits ON user_id = customer_id
    WHERE first_date BETWEEN '2026-03-01' AND '2026-03-31')
SELECT '2026-03 ' || channel, count(DISTINCT customer_id)::VARCHAR,
    format('€{:,.2f}', (sum(payment_amount) / count(DISTINCT customer_id))::DOUBLE)
FROM cohort JOIN staging.user_order_log USING (customer_id) GROUP BY channel ORDER BY channel
"""
"""Until the end of June, which is the third month after March.

`fbclid` says who sent a visitor, and no source or medium, which a channel is of.
"""


@pytest.mark.slow
def test_daily_questions_about_ads_are_answered_with_the_numbers_of_plain_sql(home: Path) -> None:
    """ROAS by campaign, and what customers of a month are worth by their first channel."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        roas, value = (con.execute(query).fetchall() for query in (PLAIN_MARCH, PLAIN_CHANNELS))
    with served(build_dashboard_app(Settings(home=home))) as dashboard:
        marketing = read(dashboard.get("/dashboard/marketing", **MARCH).text)
        cohorts = read(dashboard.get("/dashboard/cohort-value?cut=first_channel").text)
    rows = [row for row in rows_of(marketing, "Campaigns") if row]
    assert [(row[0], *row[4:7]) for row in rows] == roas
    assert len(roas) == 2
    rows = [row for row in rows_of(cohorts, "By month") if row and row[1] == "3"]
    of_march = [(row[0], row[2], row[6]) for row in rows if row[0].startswith("2026-03")]
    assert sorted(of_march) == value
    assert len(value) == 3


@pytest.mark.slow
def test_clicks_without_a_visit_are_the_gap_of_the_whole_period(api: Api) -> None:
    """Platforms say that ads were clicked on the 2nd; customers came on the 5th and 10th."""
    claims = {row["platform"]: row for row in api.json("/analytics/marketing", **MARCH)["claims"]}
    names = ("click_count", "session_count", "click_without_session_count")
    assert [claims["meta"][name] for name in names] == [50, 16, 34]
    assert [claims["google_ads"][name] for name in names] == [40, 21, 19]
    assert float(claims["meta"]["overclaimed_order_count"]) == 40 - 16


def rows_of(page: Node, title: str) -> list[list[str]]:
    """Return the cells of the rows of a section's last table."""
    (part,) = (one for one in page.all("section") if title in {head.text for head in one.all("h2")})
    return [[cell.text for cell in row.all("td")] for row in part.all("table")[-1].all("tr")]


@pytest.mark.slow
def test_an_account_of_another_time_zone_is_named_by_the_api_and_on_the_page(
    api: Api, home: Path
) -> None:
    assert api.json("/analytics/marketing", **MARCH)["other_zones"] == [
        {"platform": "meta", "account_id": "act_2", "account_time_zone": "America/New_York"}
    ]
    february = {"start_date": "2026-02-01", "end_date": "2026-02-28"}
    assert api.json("/analytics/marketing", **february)["other_zones"] == [], "it has no spend"
    with served(build_dashboard_app(Settings(home=home))) as dashboard:
        page = read(dashboard.get("/dashboard/marketing", **MARCH).text)
    said = "Days of meta act_2 (America/New_York) are of another time zone than the shop's"
    assert said in page.text


@pytest.mark.slow
def test_example_10_with_months_0_to_2_over_nothing_is_paid_back(tmp_path: Path) -> None:
    for api in api_of(home_until("2026-05-31", tmp_path, tables=FEW_ADS)):
        assert api.json("/analytics/marketing", **MARCH)["shop"]["payback_months"] is None


@pytest.mark.slow
def test_the_weekly_report_says_which_campaigns_changed(home: Path) -> None:
    settings, week = Settings(home=home), Week.parse("2026-W10")
    report = build_report(settings, week, with_costs=True)
    numbers = report["advertising"]["numbers"]
    assert {name: str(values["value"]) for name, values in numbers.items()} == {
        "spend_amount": "800.00",
        "credited_revenue_amount": "1400.00",
        "roas": "1.75",
        "platform_roas": "4.375",
        "cost_per_new_customer": "22.86",
    }
    for text in ("\n".join(text_lines(report)), render_page(report)):
        assert "What changed in ads" in text
        assert "Spring Sale (meta)" in text
    assert build_report(settings, week)["advertising"] is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("column", "day", "tables"),
    [
        ("credited_revenue_amount", "2026-03-05", ("raw.user_order_log", "raw.events")),
        ("renewal_revenue_amount", "2026-01-11", ("raw.user_order_log", "raw.events")),
        ("spend_amount", "2026-03-02", ("raw.ad_spend",)),
    ],
)
def test_a_roas_is_explained_by_orders_visits_clicks_and_spend(
    home: Path, column: str, day: str, tables: tuple[str, ...]
) -> None:
    conditions = (f"marketing_date = {day}", "campaign_key = '7'", "model = last_non_direct")
    asked = [part for text in conditions for part in ("--where", text)]
    result = ecom(
        "explain", "mart.marketing_daily", "--column", column, "--json", *asked, home=home
    )
    assert result.exit_code == 0, result.out + result.err
    assert all(f'"{table}"' in result.out for table in tables)


@pytest.mark.slow
def test_cohort_value_is_of_the_months_of_the_days_up_to_the_last(api: Api) -> None:
    """Customers of January and February, until the end of February; Tom's renewal is of January."""
    path = "/analytics/customers/cohort-value"
    answer = api.json(path, start_date="2026-01-15", end_date="2026-02-10")
    cells = {(row["cohort_month_date"], row["months_since_count"]) for row in answer["cohorts"]}
    assert cells == {("2026-01-01", 0), ("2026-01-01", 1), ("2026-02-01", 0)}
    assert answer["total_count"] == 3
    assert answer["earlier_customer_count"] == 1
    assert answer["range"]["end_date"] == "2026-02-10"
    whole = api.json(path)
    kept = [row for row in whole["cohorts"] if row in answer["cohorts"]]
    assert kept == answer["cohorts"], "the same numbers, of fewer months"
    march = api.json(path, **MARCH)
    assert {row["cohort_month_date"] for row in march["cohorts"]} == {"2026-03-01"}
    assert march["earlier_customer_count"] == 0
    assert api.json(path, start_date="2020-01-01", end_date="2020-01-31")["cohorts"] == []
