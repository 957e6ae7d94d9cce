"""The questions of every day over the shop that everybody has: Shopify's orders, GA4's rows and
Google Ads' report, whose pages say what plain SQL over these files says.

GA4 knows devices, Shopify addresses: what an order's visit was is known by the order's id alone.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets_tests.each import each
from ecom_assets_tests.fresh_duckdb import fresh_duckdb
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.html import Node, read, tiles_of
from ecom_assets_tests.interfaces.dashboard.test_browser import browser as browser  # noqa: PLC0414 (the fixture, for this file too)
from ecom_assets_tests.interfaces.dashboard.test_browser import opened
from ecom_assets_tests.interfaces.dashboard.test_daily_questions import table_of
from ecom_assets_tests.sandbox.test_exports import by_terminal
from ecom_sandbox.shop.exports import write_exports

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("daily questions of exports")]
DAYS = "start_date=2026-01-01&end_date=2026-03-31"
"""All days of the shop: refunds come in the month after the last event."""
WRITTEN = "'%Y-%m-%d %H:%M:%S %z'"
FILES = f"""
SET TimeZone = 'UTC';
CREATE VIEW lines AS SELECT "Name" AS name, "Email" AS customer, "Lineitem sku" AS sku,
    "Lineitem name" AS item, "Lineitem quantity"::INT AS quantity,
    "Lineitem quantity"::INT * "Lineitem price"::DECIMAL(18, 2) AS amount,
    strptime("Created at", {WRITTEN}) AS bought_at, first_value("Id") OVER whole AS id,
    nullif(max("Cancelled at") OVER whole, '') AS cancelled
    FROM read_csv('shopify_orders.csv', all_varchar = true)
    WINDOW whole AS (PARTITION BY "Name" ORDER BY "Id" IS NULL
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING);
CREATE VIEW sold AS SELECT *, bought_at::DATE AS day, false AS is_refund FROM lines
    UNION ALL SELECT * REPLACE (-amount AS amount), strptime(cancelled, {WRITTEN})::DATE, true
    FROM lines WHERE cancelled IS NOT NULL;
CREATE VIEW events AS SELECT user_pseudo_id AS device, make_timestamp(event_timestamp::BIGINT) AS
        happened_at, event_name AS kind,
    list_filter(event_params, lambda p: p.key = 'page_location')[1].value.string_value AS page,
    list_filter(event_params, lambda p: p.key = 'page_referrer')[1].value.string_value AS referrer,
    device || '.' || list_filter(event_params, lambda p: p.key = 'ga_session_id')[1].value.int_value
        AS visit,
    items[1].item_id AS sku, ecommerce.transaction_id AS order_id,
    session_traffic_source_last_click.google_ads_campaign.campaign_id AS campaign_id
    FROM read_json('ga4_events.jsonl', columns = {{user_pseudo_id: 'VARCHAR',
        event_timestamp: 'VARCHAR', event_name: 'VARCHAR', event_params: 'STRUCT(key VARCHAR, value
            STRUCT(string_value VARCHAR, int_value VARCHAR))[]',
        items: 'STRUCT(item_id VARCHAR)[]', ecommerce: 'STRUCT(transaction_id VARCHAR)',
        session_traffic_source_last_click:
            'STRUCT(google_ads_campaign STRUCT(campaign_id VARCHAR))'}});
CREATE VIEW visits AS SELECT visit, device, min(happened_at) AS began_at,
    split_part(arg_min(page, happened_at), '?', 1) AS landing_page,
    arg_min(campaign_id, happened_at) AS campaign_id,
    bool_or(page LIKE '%utm_%' OR page LIKE '%gclid=%' OR referrer NOT LIKE 'https://shop.example%')
        AS has_source
    FROM events GROUP BY visit, device;
CREATE VIEW brought AS SELECT worth, landing_page, campaign_id
    FROM (SELECT id, bought_at, device, sum(amount) FILTER (cancelled IS NULL) AS worth FROM lines
        JOIN (SELECT DISTINCT order_id AS id, device FROM events) USING (id) GROUP BY ALL)
        AS bought LEFT JOIN LATERAL (SELECT * FROM visits WHERE visits.device = bought.device
        AND began_at BETWEEN bought_at - INTERVAL 30 DAY AND bought_at
        ORDER BY has_source DESC NULLS LAST, began_at DESC LIMIT 1) ON true;
CREATE VIEW spend AS SELECT "Campaign ID" AS campaign_id, "Campaign" AS name,
    "Cost"::DECIMAL(18, 6) AS cost FROM read_csv('google_ads.csv', all_varchar = true);
"""
"""What the files say, as a person with plain SQL reads them; `brought` has each order's last visit
that is not direct, else its last.
"""
MONEY = "format('{:,.2f}', (%s)::DOUBLE)"
REVENUE = MONEY % "sum(amount)"
UNKNOWN = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}€"
SUM = f"CASE WHEN sum(amount) < 0 THEN '{MINUS}' ELSE '€' END || {MONEY % 'abs(sum(amount))'}"
NAMES = "(SELECT DISTINCT sku, item FROM lines)"
Question = tuple[str, Callable[[Node], object], str]


def rows_of(title: str, *columns: int, where: str = "") -> Callable[[Node], object]:
    """Return how the rows of a section's table are read, as sorted texts of some columns; of those
    only that begin with `where`.
    """
    return lambda page: sorted(
        " ".join(row[n] for n in columns)
        for row in table_of(page, title)
        if row[0].startswith(where)
    )


def tiles(*names: str) -> Callable[[Node], object]:
    return lambda page: [tiles_of(page)[name] for name in names]


ANSWERS: Mapping[str, Question] = {
    "revenue, orders and visits": (
        f"overview?{DAYS}",
        tiles("Revenue", "Orders", "Sessions"),
        """SELECT (SELECT sum(amount)::VARCHAR FROM sold),
        (SELECT count(DISTINCT name)::VARCHAR FROM lines),
        (SELECT count(*)::VARCHAR FROM visits)""",
    ),
    "the month so far": (
        "sales-explorer?over=day&cumulative=true&start_date=2026-02-01&end_date=2026-02-09",
        lambda page: [table_of(page, "Rows")[-1][-1]],
        f"SELECT {SUM} FROM sold WHERE day BETWEEN DATE '2026-02-01' AND DATE '2026-02-09'",
    ),
    "what ads bring": (
        f"marketing?{DAYS}",
        rows_of("Campaigns", 0, 1, 3, 5, 6, where="DE |"),
        f"""SELECT list(name || ' (google_ads) €' || {MONEY % "cost"} || ' ' || came
            || CASE WHEN came = 0 THEN ' {UNKNOWN} {UNKNOWN}' ELSE ' €' || {MONEY % "worth"} || ' '
                || {MONEY % "worth / cost"} END ORDER BY name)
        FROM (SELECT name, sum(cost) AS cost, any_value(came) AS came, any_value(worth) AS worth
            FROM spend JOIN (SELECT campaign_id,
                (SELECT count(*) FROM visits v WHERE v.campaign_id = s.campaign_id) AS came,
                (SELECT coalesce(sum(worth), 0) FROM brought b
                    WHERE b.campaign_id = s.campaign_id) AS worth
                FROM (SELECT DISTINCT campaign_id FROM spend) s) USING (campaign_id)
            GROUP BY name)""",
    ),
    "landing pages that sell": (
        f"sales-explorer?by=landing_page&limit=100&{DAYS}",
        rows_of("Rows", 0, 1),
        f"""SELECT list(line ORDER BY line) FROM (SELECT landing_page || ' €'
            || {MONEY % "coalesce(sum(worth), 0)"} AS line FROM brought GROUP BY landing_page)""",
    ),
    "what sells": (
        f"products?{DAYS}",
        lambda page: [f"{row[1]} {row[7]} {row[8]}" for row in table_of(page, "Products")[:5]],
        f"""SELECT list(line) FROM (SELECT item || ' ' || sum(quantity) FILTER (NOT is_refund)
            || ' €' || {REVENUE} AS line FROM sold GROUP BY item
            ORDER BY sum(amount) DESC LIMIT 5)""",
    ),
    "viewed and not bought": (
        f"products?sort_by=views&{DAYS}",
        lambda page: [f"{row[1]} {row[3]} {row[4]}" for row in table_of(page, "Products")[:3]],
        f"""SELECT list(line) FROM (SELECT coalesce(item, sku) || ' '
            || count(*) FILTER (kind = 'view_item') || ' ' || count(*) FILTER (kind = 'add_to_cart')
            AS line FROM events LEFT JOIN {NAMES} USING (sku) WHERE sku IS NOT NULL
            GROUP BY sku, item ORDER BY count(*) FILTER (kind = 'view_item') DESC LIMIT 3)""",
    ),
    "where the checkout loses people": (
        f"funnel?step1=add_to_cart&step2=checkout_start&step3=purchase&within=7d&{DAYS}",
        lambda page: [row[1] for row in table_of(page, "Steps")[:2]],
        """WITH entered AS (SELECT DISTINCT device FROM events WHERE kind = 'add_to_cart')
        SELECT (SELECT count(*)::VARCHAR FROM entered),
        (SELECT count(DISTINCT a.device)::VARCHAR FROM events a JOIN events b ON a.device = b.device
            AND a.kind = 'add_to_cart' AND b.kind = 'begin_checkout'
            AND b.happened_at > a.happened_at
            AND b.happened_at <= a.happened_at + INTERVAL 7 DAY)""",
    ),
    "who comes back": (
        "retention",
        lambda page: table_of(page, "Cohorts")[1][:3],
        """WITH weeks AS (
            SELECT DISTINCT device, date_trunc('week', happened_at) AS week FROM events),
        firsts AS (SELECT device, min(week) AS first FROM weeks GROUP BY device),
        cohort AS (SELECT * FROM firsts WHERE first = (SELECT min(first) FROM firsts))
        SELECT (SELECT count(*) FROM cohort)::VARCHAR, '100%',
            round(100 * (SELECT count(*) FROM cohort JOIN weeks USING (device)
                WHERE week = first + INTERVAL 7 DAY) / (SELECT count(*) FROM cohort))::INT || '%'
        """,
    ),
    "new and returning revenue": (
        f"sales-explorer?by=customer_type&{DAYS}",
        rows_of("Rows", 0, 1),
        f"""WITH paid AS (SELECT customer, min(bought_at)::DATE AS day FROM lines
            GROUP BY customer, name HAVING sum(amount) > 0),
        firsts AS (SELECT customer, min(day) AS first FROM paid GROUP BY customer),
        typed AS (SELECT amount, CASE WHEN bought_at::DATE = first THEN 'new'
            WHEN bought_at::DATE > first THEN 'returning' ELSE 'unpaid' END AS type
            FROM sold LEFT JOIN firsts USING (customer))
        SELECT list(line ORDER BY line)
        FROM (SELECT type || ' ' || {SUM} AS line FROM typed GROUP BY type)""",
    ),
    "refunds by product": (
        f"sales-explorer?by=product&measures=refunded_amount,refund_count&limit=50&{DAYS}",
        lambda page: sorted(
            " ".join(row) for row in table_of(page, "Rows") if row[2] not in {"0", ""}
        ),
        f"""SELECT list(line ORDER BY line) FROM (SELECT item || ' ' || {SUM} || ' ' ||
            count(DISTINCT name) AS line FROM sold WHERE is_refund GROUP BY item)""",
    ),
    "hours and weekdays": (
        f"sales-explorer?by=weekday,hour&measures=shipped_amount,order_count&limit=100&{DAYS}",
        rows_of("Rows", 0, 1, 2),
        f"""SELECT list(line ORDER BY line) FROM (SELECT dayname(bought_at) || ' / '
            || hour(bought_at) || ' ' || {SUM} || ' ' || count(DISTINCT name) AS line FROM lines
            GROUP BY dayname(bought_at), hour(bought_at))""",
    ),
    "carts left": (
        f"carts?{DAYS}",
        tiles("Carts", "Carts left behind"),
        """SELECT count(*)::VARCHAR, count(*) FILTER (NOT has_bought)::VARCHAR FROM (
            SELECT bool_or(kind = 'purchase') AS has_bought FROM events GROUP BY visit
            HAVING bool_or(kind = 'add_to_cart'))""",
    ),
    "who bought once": (
        f"customers?{DAYS}",
        tiles("Customers", "Came back", "Bought once"),
        """SELECT count(*)::VARCHAR, count(*) FILTER (orders > 1)::VARCHAR,
            count(*) FILTER (orders = 1)::VARCHAR FROM (
            SELECT count(DISTINCT name) AS orders FROM lines GROUP BY customer)""",
    ),
    "searches": (
        f"searches?{DAYS}",
        rows_of("Search terms", 0, 2),
        """SELECT list(line ORDER BY line) FROM (SELECT lower(url_decode(replace(regexp_extract(
            page, '[?&]q=([^&]*)', 1), '+', ' '))) AS term, term || ' ' || count(*) AS line
            FROM events WHERE kind = 'view_search_results' GROUP BY term)""",
    ),
}
"""The address of a question, how its page is read, and the same in plain SQL over the files: a
list, or texts. *Value by first channel*, and orders by channel, are compared with `truth.json` in
`sandbox/test_exports.py`; *last week* is of the newest days, which have refunds alone.
"""
LACKING: Mapping[str, tuple[str, str]] = {
    "what to reorder": (f"products?{DAYS}", "There is no stock to take alerts from"),
    "margin by category": (f"profit?{DAYS}", "There are no costs to count profit from"),
    "discounts": (f"discounts?{DAYS}", "Nothing was sold with a discount in these days"),
    "payment methods": (
        f"sales-explorer?by=payment_method&{DAYS}",
        "No order line of these days says its payment method",
    ),
    "checkout by device": (
        f"funnel?step1=add_to_cart&step2=purchase&by=properties.device&{DAYS}",
        "No event has properties.device",
    ),
    "whom to write to": (f"write-to?people=carts&{DAYS}", "Addresses are not published here"),
}
"""The address of a question that these files cannot answer, and the sentence that says why."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the files and of the home into which they were run."""
    folder = tmp_path_factory.mktemp("exports")
    write_exports(folder / "shop", sends="id", days=40, visitors=120, traps=["refund_next_month"])
    by_terminal(folder / "shop", folder / "home")
    return folder


@pytest.fixture(scope="module")
def exports(shop: Path) -> Iterator[Client]:
    """The dashboard over the shop."""
    settings = Settings(home=shop / "home", api_timeout_s=300, adhoc_timeout_s=300)
    with served(build_dashboard_app(settings)) as answer:
        yield Client(answer.address)


def of_files(shop: Path, query: str) -> object:
    """Return what plain SQL over the files says."""
    with fresh_duckdb() as con:
        con.execute(f"SET file_search_path = '{shop / 'shop'}'")
        con.execute(FILES)
        row = con.execute(query).fetchone()
    assert row is not None
    return row[0] if isinstance(row[0], list) else [*row]


@each("name", ANSWERS)
def test_a_page_says_what_plain_sql_over_the_files_says(
    shop: Path, exports: Client, name: str
) -> None:
    address, shown, query = ANSWERS[name]
    answer = exports.get(f"/dashboard/{address}")
    assert answer.status_code == 200, answer.text
    assert shown(read(answer.text)) == of_files(shop, query)


@each("name", LACKING)
def test_a_page_says_what_the_files_lack(exports: Client, name: str) -> None:
    address, sentence = LACKING[name]
    assert sentence in exports.get(f"/dashboard/{address}").text


MAIN = """() => {
  const copy = document.querySelector("main").cloneNode(true);
  copy.querySelectorAll("svg, canvas").forEach((one) => one.remove());
  return copy.outerHTML;
}"""
"""Returns the page as it stands, without what is drawn."""


@pytest.mark.browser
@pytest.mark.parametrize(
    "name",
    ["revenue, orders and visits", "what ads bring", "landing pages that sell", "what sells"],
)
def test_a_browser_shows_it(browser: Browser, shop: Path, exports: Client, name: str) -> None:
    address, shown, query = ANSWERS[name]
    page, wrong = opened(browser, exports, address, 1440, "light")
    assert shown(read(page.evaluate(MAIN))) == of_files(shop, query)
    assert wrong == []
    page.close()
