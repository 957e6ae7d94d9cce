"""The shop that everybody has: Shopify's orders, GA4's rows and Google Ads' report meet by the
order alone, and what a run says of them is the truth to the cent.
"""

import csv
import shlex
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import duckdb
import pytest

from ecom_assets.core.errors import UsageError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.uploads.asking import ask_load, ask_undo, waiting_requests
from ecom_assets.ingestion.uploads.store import Uploads
from ecom_assets.interfaces.boards.model import Board, BoardTile
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets.interfaces.report.board_mail import board_page
from ecom_assets.interfaces.report.report import build_report
from ecom_assets.interfaces.weeks.wording import text_lines
from ecom_assets.orchestration.automation.upload_runs import RunEnd, UploadRun
from ecom_assets.orchestration.empty_home import emptied
from ecom_assets_tests.command import ecom
from ecom_assets_tests.each import each
from ecom_assets_tests.ingestion.uploads.shop_exports import chosen
from ecom_assets_tests.interfaces.api.conftest import Api, served
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.html import Node, read, tiles_of
from ecom_assets_tests.interfaces.dashboard.test_daily_questions import table_of
from ecom_assets_tests.interfaces.dashboard.test_one_number import labels_in_several_places
from ecom_sandbox.shop.exports import MODELS, SECOND_SHOP, TRAPS, Sends, write_exports

Row = dict[str, Any]
DAYS, VISITORS = 40, 120
LAST_CLICK = "session_traffic_source_last_click"
COSTS = "costs.csv"


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_exports(tmp_path / name, days=10, visitors=30)
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("one", "two")
    )
    assert one == two


def test_an_unknown_trap_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no trap 'tills'"):
        write_exports(tmp_path / "shop", traps=["tills"])


@each("model", MODELS)
def test_every_model_credits_all_revenue(model: str, tmp_path: Path) -> None:
    truth = write_exports(tmp_path / model, days=10, visitors=60, traps=["till", "late_order"])
    credited = sum(Decimal(amount) for amount in truth["credited"][model].values())
    assert credited == Decimal(truth["revenue_amount"]) > 0


def test_a_direct_visit_after_an_ad_is_no_touch_of_the_ad(tmp_path: Path) -> None:
    """Who came by an ad buys in a direct visit: the last touch is direct, as if GA4 said nothing
    more of it, and only the last that is not direct is the ad.
    """
    before, after = (
        write_exports(tmp_path / f"{len(traps)}", days=DAYS, visitors=VISITORS, traps=traps)
        for traps in ((), ("direct_after_ad",))
    )
    last, sold_by = (after["credited"][model] for model in ("last", "last_non_direct"))
    assert sold_by == before["credited"]["last_non_direct"]
    assert Decimal(last["Direct"]) > Decimal(before["credited"]["last"]["Direct"])
    assert Decimal(last.get("Paid Search", 0)) < Decimal(sold_by["Paid Search"])
    said = [(tmp_path / f"{n}/ga4_events.jsonl").read_text().count(LAST_CLICK) for n in (0, 1)]
    assert said[0] < said[1]


Load = Callable[[Path, Path], str]
"""Loads the files of a folder into a home, and returns what is printed."""


def run_of(folder: Path) -> list[str]:
    """Return the arguments of `ecom` by which all files are run."""
    orders = sorted(folder.glob("shopify_orders*.csv"))
    return [
        *("run", "--events", f"{folder / 'ga4_events.jsonl'}", "--events-mapping", "ga4_export"),
        *(word for path in orders for word in ("--orders", f"{path}")),
        *("--orders-mapping", "shopify"),
        *("--ad-spend", f"google_ads={folder / 'google_ads.csv'}"),
    ]


def test_the_command_says_how_its_files_are_run(tmp_path: Path) -> None:
    for traps, count in (((), 1), (("--trap", "two_shops"), 2)):
        out = tmp_path / f"{count} shops"
        result = ecom("sandbox", "exports", "--out", out, "--days", "5", *traps, home=tmp_path)
        following = shlex.split(result.err.partition("Next: ")[2])
        assert following == ["ecom", *run_of(out)]
        assert following.count("--orders") == count


def with_costs(folder: Path) -> None:
    """Let each item that was sold cost 1.00."""
    orders = [path.read_text(encoding="utf-8") for path in folder.glob("shopify_orders*.csv")]
    items = {line["Lineitem sku"] for text in orders for line in csv.DictReader(StringIO(text))}
    rows = [f"{item},1.00" for item in sorted(items)]
    (folder / COSTS).write_text("\n".join(["item_id,unit_cost_amount", *rows]) + "\n")


def by_terminal(folder: Path, home: Path) -> str:
    costs = ("--costs", folder / COSTS) if (folder / COSTS).exists() else ()
    result = ecom(*run_of(folder), *costs, home=home)
    assert result.exit_code == 0, result.err
    return result.out


def by_page(folder: Path, home: Path) -> str:
    """As somebody who drops all files and presses *Load it*, as the page needs no answer."""
    for path in sorted(path for path in folder.iterdir() if path.name != "truth.json"):
        ask_load(home, chosen(home, path), "ann")
    return work_off(home)


def work_off(home: Path, *tables: str) -> str:
    """Do what was asked on the page, with all tables or some, and return what is printed."""
    printed = []

    def run(settings: Settings, first: date, last: date | None) -> RunEnd:
        days = ("--from", f"{first}", *(("--to", f"{last}") if last else ()))
        done = ecom("run", *days, *tables, home=settings.home)
        printed.append(done.out)
        return RunEnd(done.exit_code == 0, done.err)

    assert UploadRun(home, "a-run", run, emptied).do(waiting_requests(home)) == []
    return printed[-1]


LOADS: dict[str, Load] = {"by page": by_page, "by terminal": by_terminal}


@contextmanager
def answering(home: Path, **more: Any) -> Iterator[Api]:
    """Serve the API and the pages of a home; `more` are settings."""
    settings = Settings(home=home, api_timeout_s=300, adhoc_timeout_s=300, **more)
    with served(build_dashboard_app(settings)) as api:
        yield api


ALL_DAYS = {"start_date": "2022-01-01", "end_date": "2026-12-31"}
COHORTS = "/v1/analytics/customers/cohort-value"


def by_visits(api: Api, by: str) -> Row:
    """Ask for revenue by what visits say."""
    answer = api.post(
        "/v1/analytics/sales", {"by": [by], "measures": ["revenue_amount"], "limit": 100}
    )
    assert answer.status_code == 200, answer.text
    body: Row = answer.json()
    return body


def known(sums: Row) -> dict[str, Decimal]:
    """Return amounts by name, without zeros and what is not known."""
    return {name: Decimal(amount) for name, amount in sums.items() if amount and Decimal(amount)}


def check(home: Path, truth: Row) -> None:
    """Compare the tables and the answers of a home with the truth."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as tables:
        check_tables(tables, truth)
    with answering(home) as api:
        check_visits(api, truth)
        check_customers(api, truth)
        check_ads(api, truth)
        check_categories(api, truth)


def check_tables(tables: duckdb.DuckDBPyConnection, truth: Row) -> None:
    met = "SELECT count(*) FROM mart.order_visits WHERE kind = 'purchase'"
    assert tables.execute(met).fetchone() == (truth["orders_met"],)
    credited: dict[str, Row] = {}
    sql = """SELECT model, channel, sum(revenue_amount) FROM mart.channel_attribution
        WHERE unit = 'order' GROUP BY ALL"""
    for model, channel, amount in tables.execute(sql).fetchall():
        credited.setdefault(model, {})[channel] = amount
    assert {model: known(credited[model]) for model in MODELS} == {
        model: known(sums) for model, sums in truth["credited"].items()
    }
    sql = """SELECT campaign_key, model, sum(credited_revenue_amount), sum(spend_amount)
        FROM mart.marketing_daily WHERE platform = 'google_ads' GROUP BY ALL"""
    of_campaigns = {
        (campaign, model): (revenue, spend)
        for campaign, model, revenue, spend in tables.execute(sql).fetchall()
    }
    assert of_campaigns == {
        (campaign, model): (
            Decimal(said[model]["credited_revenue_amount"]),
            Decimal(said["spend_amount"]),
        )
        for campaign, said in truth["campaigns"].items()
        for model in MODELS
    }
    sql = """SELECT c.customer_id, count(*) FROM mart.customer_visitors c
        JOIN mart.sessions s USING (visitor_id) GROUP BY ALL"""
    assert dict(tables.execute(sql).fetchall()) == truth["visits_by_customer"]


def check_visits(api: Api, truth: Row) -> None:
    """Compare what is by landing page, channel and first channel, each with its share."""
    share = pytest.approx(truth["visit_coverage_rate"], abs=1e-6)
    for by, named in (
        ("landing_page", truth["landing_pages"]),
        ("channel", truth["credited"]["last_non_direct"]),
        ("first_channel", truth["first_visits"]),
    ):
        answer = by_visits(api, by)
        assert answer["visit_coverage_rate"] == share
        rows = {row["by"][by]: row["numbers"]["revenue_amount"] for row in answer["sales"]}
        assert known(rows) == known(named)
    answer = api.json(COHORTS, dimension="first_channel", limit=1000)
    assert answer["visit_coverage_rate"] == share
    firsts: dict[str, Decimal] = {}
    for row in answer["cohorts"]:
        of_channel = firsts.get(row["value"], Decimal(0))
        firsts[row["value"]] = of_channel + Decimal(row["revenue_amount"])
    assert known(firsts) == known(truth["first_channels"])


def check_customers(api: Api, truth: Row) -> None:
    """Compare what a customer's own page says with the truth: how often each came."""
    visits = truth["visits_by_customer"]
    for customer in sorted(visits)[:: max(len(visits) // 5, 1)]:
        page = read(api.get(f"/dashboard/person?{urlencode({'visitor': customer})}").text)
        assert tiles_of(page)["Visits"] == str(visits[customer]), customer


def check_ads(api: Api, truth: Row) -> None:
    """Compare what each model credits to ads, and their ROAS, with the share that is known."""
    share = pytest.approx(truth["visit_coverage_rate"], abs=1e-6)
    for model in MODELS:
        answer = api.json("/v1/analytics/marketing", **ALL_DAYS, model=model)
        assert answer["visit_coverage_rate"] == share
        parts = {row["campaign_key"]: row["roas"] for row in answer["parts"]}
        for campaign, said in truth["campaigns"].items():
            roas = said[model]["roas"]
            # Of a campaign that was clicked and has no visit, nothing is known.
            if roas or parts[campaign] is not None:
                assert parts[campaign] == pytest.approx(roas, abs=1e-6), (model, campaign)


def check_categories(api: Api, truth: Row) -> None:
    """Compare what is said of categories with the truth, in all days."""
    body = api.json("/v1/analytics/categories", **ALL_DAYS, limit=1000)
    assert body["category_coverage_rate"] == pytest.approx(
        truth["category_coverage_rate"], abs=1e-6
    )
    rows = {row["product_category"]: row for row in body["categories"]}
    # An item of which no category is known stands for it there, and is in `(none)` elsewhere.
    named = {row["product_category"] for row in body["categories"] if not row["product_name"]}
    sold: dict[str, Decimal] = defaultdict(Decimal)
    for name, amount in truth["categories"].items():
        sold[name if name in named else "(none)"] += Decimal(amount)
    explored = by_visits(api, "category")["sales"]
    by_category = {row["by"]["category"]: row["numbers"]["revenue_amount"] for row in explored}
    assert known(by_category) == known(sold)
    profit = api.json("/v1/analytics/profit", **ALL_DAYS, dimension="item_category", limit=1000)
    assert known({row["value"]: row["revenue_amount"] for row in profit["parts"]}) == known(sold)
    assert profit["category_source"] == "items"
    page = read(api.get(f"/dashboard/profit?{urlencode(ALL_DAYS)}").text)
    assert "Order lines without a category have that of their item." in page.text
    name = next(name for name, amount in known(sold).items() if name != "(none)" and amount > 0)
    (address,) = {a.attributes["href"] for a in page.all("a") if a.text == name}
    shown = table_of(read(api.get(address).text), "Rows")
    # No stored row has the category's numbers, so that its name leads to its products.
    assert sum(Decimal(row[1].lstrip("€").replace(",", "")) for row in shown) == sold[name]
    assert known({name: row["revenue_amount"] for name, row in rows.items()}) == known(
        truth["categories"]
    )
    assert {
        name: row["viewing_session_count"]
        for name, row in rows.items()
        if row["viewing_session_count"]
    } == truth["category_visits"]


def check_tools(home: Path) -> None:
    """Look for addresses in what tools would be sent of events, which know devices only."""
    key = {"ECOM_AMPLITUDE_API_KEY": "asked by nobody"}
    result = ecom("export", "--to", "amplitude", "--dry-run", home=home, env=key)
    assert result.exit_code == 0, result.err
    payloads = list((home / "dry_run" / "amplitude_events").glob("*.ndjson"))
    events = "".join(path.read_text(encoding="utf-8") for path in payloads)
    assert "purchase" in events.lower()
    assert "@mail.example" not in events
    assert '"user_id"' not in events


@pytest.mark.slow
@pytest.mark.parametrize(("sends", "load"), [("name", "by page"), ("id", "by terminal")])
def test_orders_meet_visits_by_what_ga4_sends_of_them(
    sends: Sends, load: str, tmp_path: Path
) -> None:
    truth = write_exports(tmp_path / "shop", sends=sends, days=DAYS, visitors=VISITORS)
    assert truth["orders_met"] == truth["orders"] > 20
    assert truth["visit_coverage_rate"] == 1
    with_costs(tmp_path / "shop")
    LOADS[load](tmp_path / "shop", tmp_path / "home")
    check(tmp_path / "home", truth)
    check_tools(tmp_path / "home")


TOO_FEW = "Visits are known for 0.0% of the revenue of orders: too few to say what brought them."


UNNAMED = (
    "No purchase event names an order, and no buyer is signed in. Send the number of the order"
)


def check_what_to_look_at(api: Api, settings: Settings) -> None:
    """Look for the cause and the remedy as the first row of the first page, the report and the
    assistants, with how it is counted.
    """
    answer = api.json("/v1/analytics/findings")
    first = answer["findings"][0]
    assert (first["kind"], first["observed_number"]) == ("meeting", 0)
    assert UNNAMED in first["reason"]
    page = read(api.get("/dashboard/").text)
    row = page.one("ul", class_="findings").all("li")[0]
    assert UNNAMED in row.text
    (why,) = [link.attributes["href"] for link in row.all("a") if link.text == "Why this number"]
    assert "revenue of these orders of whose visitors any visit is known" in api.get(why).text
    report = build_report(settings, None)
    assert UNNAMED in report["findings"][0]["reason"]
    assert any(UNNAMED in line for line in text_lines(report))


DASHES = {
    "marketing?start_date=2026-01-01&end_date=2026-02-09": {"Claimed beyond credit"},
    "attribution?start_date=2026-01-01&end_date=2026-02-09": {"Change"},
    "products?start_date=2026-01-01&end_date=2026-02-09": set[str](),
    # Nothing of these steps and parts is estimated.
    "profit?start_date=2026-01-01&end_date=2026-02-09": {"Estimated", "Estimated cost"},
    "cohort-value?cut=first_channel": set[str](),
    "sales-explorer?by=landing_page&start_date=2026-01-01&end_date=2026-02-09": set[str](),
}
"""Pages with numbers that are not known, and the labels of those that no page fills."""
DASH = "\N{EN DASH}"


def dashes_of(page: Node) -> Iterator[tuple[str, str]]:
    """Yield the label of each number that is not known, with the address that it leads to."""
    shown = [
        (tile.one("h3").text, tile.one("p", class_="number"))
        for tile in page.all("li", class_="tile")
    ]
    for table in page.all("table"):
        labels = [cell.text for cell in table.all("th")]
        shown += [
            pair for row in table.all("tr")[1:] for pair in zip(labels, row.all("td"), strict=True)
        ]
    for label, number in shown:
        if number.text == DASH:
            links = [link.attributes["href"] for link in number.all("a")]
            yield label, links[0] if links else ""


def check_dashes(api: Api) -> None:
    """Look where each number that is not known leads: to a page that fills it."""
    filling = set()
    for address, unfilled in DASHES.items():
        dashes = list(dashes_of(read(api.get(f"/dashboard/{address}").text)))
        assert dashes, address
        assert {label for label, href in dashes if not href} <= unfilled, address
        filling |= {href for _, href in dashes if href}
    pages = {href.removeprefix("/dashboard/").partition("?")[0] for href in filling}
    assert pages == {"quality", "profit", "mapping", "mapping-costs"}
    assert {api.get(href).status_code for href in filling} == {200}


@pytest.mark.slow
def test_where_ga4_sends_nothing_of_orders_nothing_is_known(tmp_path: Path) -> None:
    """The revenue is; what brought it is not, in each place that says it, with the cause."""
    truth = write_exports(tmp_path / "shop", sends="nothing", days=DAYS, visitors=VISITORS)
    assert truth["visit_coverage_rate"] == 0
    with_costs(tmp_path / "shop")
    costs = (tmp_path / "shop" / COSTS).read_text().splitlines()
    (tmp_path / "shop" / COSTS).write_text("\n".join([*costs[: len(costs) // 2], ""]))
    printed = by_terminal(tmp_path / "shop", tmp_path / "home")
    assert f"Revenue by channel: {TOO_FEW[0].lower()}{TOO_FEW[1:-1]}" in printed
    with answering(tmp_path / "home") as api:
        ads = api.json("/v1/analytics/marketing", **ALL_DAYS)
        assert {row["model"]: row["roas"] for row in ads["models"]} == dict.fromkeys(MODELS)
        assert [row["credited_revenue_amount"] for row in ads["models"]] == [None] * len(MODELS)
        for by in ("landing_page", "channel", "first_channel"):
            answer = by_visits(api, by)
            assert answer["visit_coverage_rate"] == 0
            assert answer["warnings"][0] == TOO_FEW
            assert {row["numbers"]["revenue_amount"] for row in answer["sales"]} == {None}
            assert answer["total"]["numbers"]["revenue_amount"] == truth["revenue_amount"]
        channels = api.json("/v1/analytics/revenue/by-channel", **ALL_DAYS)
        assert {row["revenue_amount"] for row in channels["channels"]} == {None}
        firsts = api.json(COHORTS, dimension="first_channel", limit=1000)
        assert {row["revenue_amount"] for row in firsts["cohorts"]} == {None}
        assert {row["customer_count"] for row in firsts["cohorts"]} == {None}
        settings = Settings(home=tmp_path / "home")
        tiles = [BoardTile(measure="roas"), BoardTile(table="channels")]
        board = BoardStore(settings).save_new(Board(name="Ads", tiles=tiles), "ann").slug
        mail = board_page(settings, board, with_costs=True)
        assert mail.html(mail.embedded_pictures, "").count(TOO_FEW) == 2
        check_what_to_look_at(api, settings)
        check_dashes(api)
        days = "start_date=2026-01-01&end_date=2026-02-09"
        for page in (
            f"marketing?{days}",
            f"attribution?{days}",
            f"overview?{days}",
            f"board-tile?board={board}&tile=0&{days}",
            "cohort-value?cut=first_channel",
            "sales-explorer?by=landing_page&start_date=2026-01-01&end_date=2026-02-09",
        ):
            assert TOO_FEW in api.get(f"/dashboard/{page}").text, page
        shown = read(api.get(f"/dashboard/marketing?{days}").text)
        assert "See which costs are not known" in [link.text for link in shown.all("a")]
    with duckdb.connect(str(tmp_path / "home/warehouse.duckdb"), read_only=True) as tables:
        assert tables.execute("FROM mart.order_visits").fetchall() == []
        assert tables.execute("FROM mart.customer_visitors").fetchall() == []


def test_what_ga4_says_of_two_shops_is_known_by_the_id_only(tmp_path: Path) -> None:
    """Of `#1002`, which both shops have, nothing says whose it is; of an `Id`, that says it."""
    options: Row = {"days": 10, "visitors": 60, "traps": ["two_shops"]}
    by_name, by_id = (
        write_exports(tmp_path / sends, sends=sends, **options) for sends in ("name", "id")
    )
    lines = (tmp_path / "id" / SECOND_SHOP).read_text(encoding="utf-8").splitlines()
    twins = len(lines) - 1
    assert by_id["orders"] == by_name["orders"]
    assert by_id["orders_met"] == by_id["orders"] - twins
    assert by_name["orders_met"] == by_id["orders_met"] - twins < by_id["orders_met"]


@pytest.mark.slow
@pytest.mark.parametrize(("sends", "load"), [("name", "by terminal"), ("id", "by page")])
def test_each_trap_is_right(sends: Sends, load: str, tmp_path: Path) -> None:
    """All at once: they are of different orders, or change what all of them come to."""
    truth = write_exports(tmp_path / "shop", sends=sends, traps=TRAPS, days=DAYS, visitors=VISITORS)
    assert 0 < truth["orders_met"] < truth["orders"]
    assert 0.2 < truth["visit_coverage_rate"] < 1
    with_costs(tmp_path / "shop")
    LOADS[load](tmp_path / "shop", tmp_path / "home")
    check(tmp_path / "home", truth)
    check_names(tmp_path / "home", tmp_path / "shop" / "ga4_events.jsonl")


ALONE = [trap for trap in TRAPS if trap != "feed_ids"]
"""The traps that change what orders and visits come to, and not only categories of items."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trap", "sends"),
    [*((trap, "name") for trap in ALONE), ("other_number", "id"), ("two_shops", "id")],
)
def test_each_trap_alone_is_right(trap: str, sends: Sends, tmp_path: Path) -> None:
    """What several come to could be right by faults that make up for each other."""
    truth = write_exports(
        tmp_path / "shop", sends=sends, traps=[trap], days=DAYS, visitors=VISITORS
    )
    without = write_exports(tmp_path / "without", sends=sends, days=DAYS, visitors=VISITORS)
    changed = {name for name in truth if truth[name] != without[name]} - {"settings"}
    assert (changed == set()) == (trap in CHANGING_NOTHING)
    assert texts_of(tmp_path / "shop") != texts_of(tmp_path / "without")
    only = " or ".join(f'+key:"mart/{name}"' for name in (*JOINED, "marketing_daily"))
    made = ecom(*run_of(tmp_path / "shop"), "--select", only, home=tmp_path / "home")
    assert made.exit_code == 0, made.err
    with duckdb.connect(str(tmp_path / "home/warehouse.duckdb"), read_only=True) as tables:
        check_tables(tables, truth)


CHANGING_NOTHING = {"named_twice", "other_number"}
"""The traps that no number may fall into."""


def texts_of(folder: Path) -> dict[str, str]:
    """Return the files of a shop, without the truth."""
    return {
        path.name: path.read_text(encoding="utf-8")
        for path in folder.iterdir()
        if path.name != "truth.json"
    }


def check_names(home: Path, events: Path) -> None:
    """Look whether what pages and answers call alike has one value, in all days of the events."""
    days = {"time_range": "custom", "start_date": "2026-01-01", "end_date": "2026-02-09"}
    with answering(home, events=str(events), events_mapping="ga4_export") as api:
        met = labels_in_several_places(Client(api.address), days)
    assert {"Revenue", "Orders", "New customers", "Ad spend", "Sessions"} <= met


JOINED = ("order_visits", "customer_visitors", "conversions", "channel_attribution")
"""The marts in which orders and visits meet."""


def joined_rows(home: Path) -> dict[str, list[str]]:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as tables:
        return {
            name: sorted(map(str, tables.execute(f"FROM mart.{name}").fetchall()))
            for name in JOINED
        }


@pytest.mark.slow
def test_any_order_of_files_and_an_undo_of_either_side_give_equal_tables(tmp_path: Path) -> None:
    """Orders first and their events later, or the other way round; each taken back and loaded again
    after that.
    """
    truth = write_exports(tmp_path / "shop", days=6, visitors=400)
    assert truth["orders_met"] > 20
    files = {
        "orders": tmp_path / "shop" / "shopify_orders.csv",
        "events": tmp_path / "shop" / "ga4_events.jsonl",
    }
    tables = ("--select", " or ".join(f'+key:"mart/{name}"' for name in JOINED))
    ends = {}
    for first, second in (("orders", "events"), ("events", "orders")):
        home = tmp_path / first
        for kind in (first, second):
            ask_load(home, chosen(home, files[kind]), "ann")
            work_off(home, *tables)
        ends[first] = joined_rows(home)
    assert ends["orders"] == ends["events"]
    assert len(ends["orders"]["order_visits"]) == truth["orders_met"]
    for kind in files:
        (upload,) = [one for one in Uploads(home).every() if one.kind == kind]
        ask_undo(home, upload, "ann")
        work_off(home, *tables)
        assert joined_rows(home)["order_visits"] == []
        ask_load(home, Uploads(home).numbered(upload.number), "ann")
        work_off(home, *tables)
        assert joined_rows(home) == ends["orders"]
