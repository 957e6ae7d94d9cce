"""The living shop: a day is the same whenever it is made, and days are only ever added."""

import json
import shutil
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from ecom_assets.core.errors import UsageError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.ingestion.sources.sandbox_shop import opening_day, sandbox_days
from ecom_assets.orchestration.sandbox import ensure_sandbox
from ecom_assets_tests.command import small_shop
from ecom_assets_tests.sandbox.shop_recount import CHECKED
from ecom_sandbox.running import customers_of
from ecom_sandbox.services.orders import OrderService
from ecom_sandbox.shop.living import LivingShop

pytestmark = pytest.mark.xdist_group("living_shop")
PEOPLE = 25
"""New people a month, which makes some 80 events a day."""
MARCH_9 = date(2026, 3, 9)


def shop(folder: Path, *until: date) -> Path:
    """Let a shop grow to one day after another."""
    for day in until:
        LivingShop(folder, day, new_people=PEOPLE).grow()
    return folder


def copied(shop: Path, folder: Path) -> Path:
    return Path(shutil.copytree(shop, folder))


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def march(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shop(tmp_path_factory.mktemp("march") / "shop", MARCH_9)


@pytest.mark.slow
def test_a_shop_that_grew_is_the_one_that_is_made_at_once(march: Path, tmp_path: Path) -> None:
    grown = shop(tmp_path / "grown", date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 3), MARCH_9)
    assert files(grown) == files(march)


@pytest.mark.slow
def test_growing_touches_no_file_of_a_day_that_is_there(march: Path, tmp_path: Path) -> None:
    folder = copied(march, tmp_path / "shop")
    before = {
        path: path.stat().st_mtime_ns for path in folder.glob("*/*") if path.suffix or path.is_dir()
    }
    shop(folder, MARCH_9 + ONE_DAY)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (folder / "events" / "received_date=2026-03-10").exists()


@pytest.mark.slow
def test_a_day_is_the_same_in_shops_that_opened_in_other_months(
    march: Path, tmp_path: Path
) -> None:
    # This one opens on 1 February, the other on 1 January; 37 days are in both.
    later = shop(tmp_path / "later", date(2026, 4, 5))
    bodies, later_bodies = files(march), files(later)
    common = [name for name in bodies if name in later_bodies and "2026-" in name]
    assert sum(name.startswith("events/") for name in common) == 37
    differing = {name for name in common if bodies[name] != later_bodies[name]}

    # What platforms say on a day is of days before it, too: on the 1st of February of three, and on
    # the Mondays 2 and 9 of two weeks. That reaches into January, in which the later shop had no
    # ads. Of February they say the same, in the same order.
    assert differing == {
        f"ad_spend/received_date=2026-02-{day}/spend.parquet" for day in ("01", "02", "09")
    }
    for name in differing:
        said = pq.read_table(march / name).to_pylist()
        of_february = [row for row in said if row["spend_date"] >= "2026-02-01"]
        assert 0 < len(of_february) < len(said)
        assert pq.read_table(later / name).to_pylist() == of_february


@pytest.mark.slow
def test_a_new_shop_opens_on_the_first_of_a_month_at_least_sixty_days_before(march: Path) -> None:
    for until in Days.between(date(2027, 1, 1), date(2028, 1, 1)).dates:
        opened = opening_day(until)
        assert opened.day == 1
        assert timedelta(days=60) <= until - opened <= timedelta(days=91)
    landed = sorted(path.name for path in (march / "events").iterdir())
    assert landed == [
        f"received_date={day}" for day in Days.between(date(2026, 1, 1), MARCH_9 + ONE_DAY).dates
    ]


@pytest.mark.slow
def test_a_shop_that_was_killed_while_it_grew_goes_on_where_it_was(
    march: Path, tmp_path: Path
) -> None:
    def stop(done: int, _all: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    until = MARCH_9 + 3 * ONE_DAY
    killed, well = copied(march, tmp_path / "killed"), shop(copied(march, tmp_path / "well"), until)
    with pytest.raises(KeyboardInterrupt):
        LivingShop(killed, until, new_people=PEOPLE).grow(stop)
    assert (killed / "events" / "received_date=2026-03-11").exists()
    assert (killed / "truth.json").read_bytes() == (march / "truth.json").read_bytes(), (
        "the truth comes last"
    )
    assert files(shop(killed, until)) == files(well)


def test_the_truth_of_its_months_is_what_their_files_hold(march: Path) -> None:
    con = duckdb.connect()
    con.execute(CHECKED.format(out=march))
    months = json.loads((march / "truth.json").read_text())["months"]
    assert list(months) == ["2026-01", "2026-02", "2026-03"]
    for month, truth in months.items():
        counted = _counted(con, f"strftime(received_date, '%Y-%m') = '{month}'")
        events = truth["events"]
        assert counted == (events["rows"], events["clean"], sum(events["quarantined"].values()))
        lines = con.execute(
            "SELECT count(*), sum(CASE status WHEN 'refunded' THEN -payment_amount ELSE "
            f"payment_amount END) FROM '{march}/orders.parquet/{month}-*.parquet'"
        ).fetchone()
        orders = truth["orders"]
        assert lines == (orders["order_lines"] + orders["refund_lines"], Decimal(orders["revenue"]))


@pytest.mark.slow
def test_the_catalogue_has_the_prices_of_the_last_day(march: Path, tmp_path: Path) -> None:
    months = json.loads((march / "truth.json").read_text())["months"]
    changes = [change for truth in months.values() for change in truth["price_changes"]]
    earlier = copied(march, tmp_path / "shop")
    for until in (MARCH_9, MARCH_9 + 30 * ONE_DAY):
        catalogue = f"'{shop(earlier, until)}/catalogue.parquet'"
        prices = dict(
            duckdb.connect()
            .execute(f"SELECT product_id, price::VARCHAR FROM {catalogue}")
            .fetchall()
        )
        months = json.loads((earlier / "truth.json").read_text())["months"]
        last = {
            change["product_id"]: change["after"]
            for truth in months.values()
            for change in truth["price_changes"]
        }
        assert len(last) > 30
        assert {product: prices[product] for product in last} == last
    assert (
        changes
        == [change for month in list(months)[:3] for change in months[month]["price_changes"]][
            : len(changes)
        ]
    )


def _counted(con: duckdb.DuckDBPyConnection, which: str) -> tuple[Any, ...]:
    row = con.execute(
        f"SELECT (SELECT count(*) FROM checked WHERE {which}), (SELECT count(*) FROM clean WHERE "
        f"{which}), (SELECT count(*) FROM checked WHERE {which} AND reason IS NOT NULL)"
    ).fetchone()
    assert row is not None
    return row


def test_people_come_again_in_later_months_and_are_customers(march: Path) -> None:
    con = duckdb.connect()
    seen = con.execute(
        "SELECT DISTINCT user_id::BIGINT, month(received_date) "
        f"FROM read_parquet('{march}/events/*/*.parquet', hive_partitioning = true) "
        "WHERE try_cast(user_id AS BIGINT) > 0"
    ).fetchall()
    of_month = {month: {who for who, when in seen if when == month} for month in (1, 2, 3)}
    assert of_month[1] & of_month[2]
    assert of_month[2] & of_month[3]
    assert of_month[2] - of_month[1]
    customers = {record["id"] for record in customers_of(march).records}
    assert set().union(*of_month.values()) <= customers


def test_orders_of_a_day_are_served_and_a_day_to_come_has_none(march: Path) -> None:
    with OrderService(march / "orders.parquet") as service:
        rows = service.rows_of(date(2026, 3, 1))
        assert {row["date_time"].date() for row in rows} == {date(2026, 3, 1)}
        assert service.rows_of(MARCH_9 + ONE_DAY) == []


def test_the_shop_of_the_platform_ends_yesterday_in_the_reporting_zone(
    march: Path, tmp_path: Path
) -> None:
    copied(march, tmp_path / "sandbox")
    at = datetime(2026, 3, 11, 23, 30, tzinfo=UTC)
    for zone, last in (("UTC", date(2026, 3, 10)), ("Asia/Tokyo", date(2026, 3, 11))):
        settings = Settings(home=tmp_path, timezone=zone)
        ensure_sandbox(settings, lambda: at)
        assert sandbox_days(settings).dates[-1] == last


def test_a_setting_says_where_it_ends_and_takes_no_day_back(march: Path, tmp_path: Path) -> None:
    copied(march, tmp_path / "sandbox")
    ensure_sandbox(Settings(home=tmp_path, sandbox_until=date(2026, 3, 10)))
    assert sandbox_days(Settings(home=tmp_path)) == Days.between(
        date(2026, 1, 1), date(2026, 3, 11)
    )
    with pytest.raises(
        UsageError,
        match="goes on until 2026-03-10, after ECOM_SANDBOX_UNTIL=2026-02-27; set ECOM_HOME",
    ):
        ensure_sandbox(Settings(home=tmp_path, sandbox_until=date(2026, 2, 27)))


def test_a_setting_says_how_long_the_past_of_a_new_shop_is(march: Path, tmp_path: Path) -> None:
    assert opening_day(date(2026, 11, 20), 730) == date(2024, 11, 1)
    short = Settings(home=tmp_path / "short", sandbox_until=date(2026, 3, 2), sandbox_days=1)
    ensure_sandbox(short)
    assert sandbox_days(short) == Days.between(date(2026, 3, 1), date(2026, 3, 3))
    copied(march, tmp_path / "sandbox")
    settings = Settings(home=tmp_path, sandbox_until=MARCH_9, sandbox_days=730)
    ensure_sandbox(settings)
    assert sandbox_days(settings).dates[0] == date(2026, 1, 1), (
        "a shop that is there keeps its first day"
    )


def test_a_shop_that_was_simulated_at_once_stays_as_it_is(tmp_path: Path) -> None:
    small_shop(tmp_path, days=2, visitors=10)
    before = files(tmp_path)
    ensure_sandbox(Settings(home=tmp_path, sandbox_until=MARCH_9))
    assert files(tmp_path) == before
