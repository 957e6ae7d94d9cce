"""Orders of shops' APIs land page by page, go on after a failure,
and count in their newest version only.
"""

import json
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ecom_assets.core.http import session
from ecom_assets.core.settings.settings import Settings
from ecom_assets.definitions import checks
from ecom_assets.ingestion.sources.extraction.definition import FOLDER
from ecom_assets.ingestion.sources.extraction.landing import STATE, ApiDocument, LandingFolder
from ecom_assets.ingestion.sources.files.mapping import load_order_mapping
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.mapping_file import shipped_text
from ecom_assets_tests.builders import Row
from ecom_assets_tests.command import FEW_SALES, CommandResult, ecom
from ecom_assets_tests.fresh_duckdb import fresh_duckdb
from ecom_assets_tests.ingestion.sources.shop_apis import (
    ShopApi,
    basic,
    prestashop,
    serving,
    shopify,
    stripe,
    woocommerce,
)
from ecom_assets_tests.ingestion.sources.test_order_files import read
from ecom_assets_tests.ingestion.sources.test_shop_order_documents import (
    PRESTA_ORDER,
    PRESTA_SLIP,
    SHOPIFY_ORDER,
)
from ecom_assets_tests.ingestion.sources.test_shop_orders import totals


def order(number: int, modified: str, total: str = "12.00", **fields: Any) -> Row:
    """Return an order of one mug: 10.00, and 2.00 of taxes."""
    items = [
        {
            "id": number,
            "product_id": 7,
            "sku": "MUG",
            "name": "Mug",
            "quantity": 1,
            "total": "10.00",
        }
    ]
    return {
        "id": number,
        "status": "completed",
        "currency": "EUR",
        "total": total,
        "total_tax": "2.00",
        "shipping_total": "0.00",
        "date_created_gmt": "2026-10-01T10:00:00",
        "date_paid_gmt": "2026-10-01T10:00:00",
        "date_modified_gmt": modified,
        "customer_id": number,
        "billing": {"email": f"{number}@example.com"},
        "line_items": items,
        "refunds": [],
        **fields,
    }


def refund(number: int, of: int) -> Row:
    """Return the refund of a mug with its taxes, two days later."""
    items = [
        {
            "id": number,
            "product_id": 7,
            "sku": "MUG",
            "quantity": -1,
            "total": "-10.00",
            "total_tax": "-2.00",
        }
    ]
    return {
        "id": number,
        "parent_id": of,
        "amount": "12.00",
        "date_created_gmt": "2026-10-03T09:00:00",
        "line_items": items,
    }


@pytest.fixture
def shop() -> Iterator[ShopApi]:
    """250 orders, ten a minute, of which the third was refunded."""
    orders = [order(n, f"2026-10-01T{10 + n // 600}:{n // 10:02}:00") for n in range(1, 251)]
    orders[2]["refunds"] = [{"id": 900, "reason": "", "total": "-12.00"}]
    documents = {"orders": orders, "refunds": [refund(900, of=3)]}
    with serving(ShopApi(woocommerce, basic("ck_1", "cs_1"), documents)) as api:
        yield api


def extract(shop: ShopApi, to: Path, *arguments: str, key: str = "cs_1") -> CommandResult:
    env = {
        "ECOM_SOURCE_RETRY_BASE_S": "0.01",
        "WOOCOMMERCE_URL": shop.url,
        "WOOCOMMERCE_KEY": "ck_1",
        "WOOCOMMERCE_SECRET": key,
    }
    return ecom("extract", "woocommerce", "--to", to, *arguments, home=to.parent / "home", env=env)


def counts(result: CommandResult) -> tuple[int, int]:
    landed = result.json["landed"]["orders"]
    return landed["new"], landed["changed"]


def landed(folder: Path) -> list[Row]:
    return [
        json.loads(line)
        for path in folder.glob("*/*/*.jsonl")
        for line in path.read_text().splitlines()
    ]


@pytest.mark.slow
def test_orders_with_refunds_become_sales_figures(shop: ShopApi, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    shop.documents["orders"] = shop.documents["orders"][:20]
    first = extract(shop, folder)
    assert first.out.splitlines() == [
        "orders: 20 new, 0 in a newer version",
        f"Next: ecom run --orders {folder} --orders-mapping woocommerce",
    ]
    run = ecom(
        "run",
        "--orders",
        folder,
        "--orders-mapping",
        "woocommerce",
        *FEW_SALES,
        home=tmp_path / "home",
    )
    assert run.exit_code == 0
    with duckdb.connect(str(tmp_path / "home" / "warehouse.duckdb"), read_only=True) as con:
        lines = con.table("staging.user_order_log")
        by_day = (
            lines.aggregate("status, order_date::VARCHAR, sum(payment_amount)")
            .order("status")
            .fetchall()
        )
    # 20 mugs of 10.00, of which one came back two days later.
    assert by_day == [("refunded", "2026-10-03", 10), ("shipped", "2026-10-01", 200)]


def test_the_next_time_only_what_changed_is_asked_for(shop: ShopApi, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    assert counts(extract(shop, folder, "--json")) == (250, 0)
    shop.asked.clear()
    assert counts(extract(shop, folder, "--json")) == (0, 0)
    assert all("modified_after=2026-10-01T10%3A24%3A59" in each for each in shop.asked), (
        "a second before the newest"
    )


@pytest.mark.slow
def test_an_order_that_changed_twice_counts_once_by_its_own_time(
    shop: ShopApi, tmp_path: Path
) -> None:
    folder = tmp_path / "shop"
    extract(shop, folder)
    orders = shop.documents["orders"]
    for minute in ("01", "02"):
        orders[0] = order(1, f"2026-10-02T08:{minute}:00")
        orders[0]["line_items"][0]["total"] = f"{minute}.00"
        orders[0]["total"] = str(int(minute) + 2)
        assert counts(extract(shop, folder, "--json")) == (0, 1)
    orders[1] = order(2, "2026-10-02T09:00:00", status="cancelled")
    assert counts(extract(shop, folder, "--json")) == (0, 1)
    assert [len(path.read_text().splitlines()) for path in sorted(folder.glob("*/*/*.jsonl"))] == [
        248,
        1,
        1,
        1,
    ]
    # 247 mugs that stay of 10.00, one of 2.00, one cancelled and so left out, one sold and
    # returned.
    assert str(totals(read(folder, "woocommerce"))["net"]) == "2472.0000"


@pytest.mark.slow
def test_it_waits_when_it_is_told_to(shop: ShopApi, tmp_path: Path) -> None:
    shop.faults = {2: (429, {"Retry-After": "1"}), 3: (503, {})}
    began = time.monotonic()
    assert counts(extract(shop, tmp_path / "shop", "--json")) == (250, 0)
    assert time.monotonic() - began >= 1


def test_a_run_after_a_failure_goes_on_where_it_broke_off(shop: ShopApi, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    shop.faults = {4: (400, {})}
    failed = extract(shop, folder)
    assert failed.exit_code == 1
    assert "answers 400" in failed.sentence
    landed_count = len(landed(folder))
    assert 0 < landed_count < 250
    shop.asked.clear()
    assert counts(extract(shop, folder, "--json")) == (250 - landed_count, 0)
    assert "1970" not in shop.asked[0]
    assert sorted(each["id"] for each in landed(folder)) == list(range(1, 251))


def test_orders_that_change_while_pages_are_read_hide_no_others(
    shop: ShopApi, tmp_path: Path
) -> None:
    """Ten orders of the first page change once it is read: by number,
    the next page would begin ten orders too late.
    """
    answer = shop.answer

    def changing(api: ShopApi, path: str, params: dict[str, str]) -> Any:
        result = answer(api, path, params)
        if len(api.asked) == 1:
            api.documents["orders"][:10] = [order(n, "2026-10-02T08:00:00") for n in range(1, 11)]
        return result

    shop.answer = changing
    folder = tmp_path / "shop"
    extract(shop, folder)
    assert sorted(each["id"] for each in landed(folder)) == list(range(1, 251))
    assert [each["date_modified_gmt"] for each in landed(folder) if each["id"] == 5] == [
        "2026-10-02T08:00:00"
    ]


def test_more_orders_than_a_page_may_change_in_one_second(shop: ShopApi, tmp_path: Path) -> None:
    shop.documents["orders"] = [order(n, "2026-10-01T10:00:00") for n in range(1, 251)]
    folder = tmp_path / "shop"
    assert counts(extract(shop, folder, "--json")) == (250, 0)
    assert counts(extract(shop, folder, "--json")) == (0, 0)


def test_what_a_crash_left_is_put_right(shop: ShopApi, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    extract(shop, folder)
    [file] = folder.glob("orders/*/*.jsonl")
    before = file.read_text()
    # A file whose batch the state does not know yet, and one that should have been written without
    # an older version.
    file.with_name("2.jsonl").write_text(json.dumps(order(1, "2026-10-05T00:00:00")) + "\n")
    with closing(sqlite3.connect(folder / STATE)) as state, state:
        state.execute("UPDATE files SET is_outdated = 1")
    file.write_text(before + json.dumps(order(1, "2026-09-01T00:00:00")) + "\n")
    assert counts(extract(shop, folder, "--json")) == (0, 0)
    assert [path.name for path in folder.glob("orders/*/*.jsonl")] == [file.name]
    assert file.read_text() == before


def test_what_is_wrong_is_said_in_a_sentence(shop: ShopApi, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    refused = extract(shop, folder, key="cs_2")
    assert refused.exit_code == 1
    assert refused.sentence.endswith(
        "does not take the key; set WOOCOMMERCE_KEY and WOOCOMMERCE_SECRET to one that it takes."
    )
    assert "cs_2" not in refused.err
    missing = ecom(
        "extract",
        "woocommerce",
        "--to",
        folder,
        home=tmp_path / "home",
        env={"WOOCOMMERCE_URL": ""},
    )
    assert missing.exit_code == 2
    assert missing.sentence.startswith("WOOCOMMERCE_URL is not set")
    unknown = ecom("extract", "wocommerce", "--to", folder, home=tmp_path / "home")
    assert (unknown.exit_code, "did you mean 'woocommerce'?" in unknown.sentence) == (2, True)
    extract(shop, folder)
    with serving(ShopApi(woocommerce, shop.authorization, shop.documents)) as other:
        assert "give" in extract(other, folder).sentence
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "orders.csv").touch()
    assert "files of something else" in extract(shop, tmp_path / "mine").sentence
    with LandingFolder.opened(folder, f"{shop.url}/wp-json/wc/v3/"):
        assert "in use by another" in extract(shop, folder).sentence


@contextmanager
def dripping(every_s: float) -> Iterator[str]:
    """A server that accepts connections,
    and sends a byte of its answer every so often, or nothing.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def serve() -> None:
            with suppress(OSError):
                while True:
                    held.append(server.accept()[0])
                    threading.Thread(target=drip, args=(held[-1],), daemon=True).start()

        def drip(connection: socket.socket) -> None:
            with suppress(OSError):
                connection.recv(65_536)
                while every_s:
                    connection.sendall(b"H")
                    time.sleep(every_s)

        threading.Thread(target=serve, daemon=True).start()
        yield "http://{}:{}".format(*server.getsockname())
        for connection in held:
            connection.close()


@pytest.mark.parametrize(
    ("every_s", "message", "advice"),
    [
        (
            0,
            "does not answer within the 0.2 s of ECOM_SOURCE_READ_TIMEOUT_S; see that it runs and ",
            ", or raise that if it is slow.",
        ),
        (0.05, "did not end its answer within 0.3 s; see that ", "."),
    ],
)
def test_a_server_that_never_answers_is_given_up_with_advice(
    tmp_path: Path, every_s: float, message: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "RESPONSE_TIMEOUT_S", 0.3)
    with dripping(every_s) as url:
        env = {
            "WOOCOMMERCE_URL": url,
            "WOOCOMMERCE_KEY": "ck",
            "WOOCOMMERCE_SECRET": "cs",
            "ECOM_SOURCE_RETRY_BASE_S": "0.01",
            "ECOM_SOURCE_READ_TIMEOUT_S": "0.2",
        }
        refused = ecom(
            "extract", "woocommerce", "--to", tmp_path / "shop", home=tmp_path / "home", env=env
        )
    assert refused.exit_code == 1
    assert refused.sentence.endswith(f"{message}WOOCOMMERCE_URL is right{advice}")


def test_without_its_package_the_command_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [
        name
        for name in sys.modules
        if name.split(".")[0] == "dlt" or name.endswith("extraction.rest_client")
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "dlt", None)
    result = ecom("extract", "woocommerce", "--to", tmp_path / "shop", home=tmp_path / "home")
    assert result.exit_code == 2
    assert result.sentence.endswith("pip install -e '.[dlt]'.")


def test_stripe_s_balance_lands_from_the_newest_to_the_oldest(tmp_path: Path) -> None:
    rows = [
        {
            "id": f"txn_{n}",
            "amount": 1000,
            "currency": "eur",
            "created": 1782950400 + n,
            "reporting_category": "charge",
            "source": f"ch_{n}",
            "description": "Order",
            "fee": 50,
            "net": 950,
        }
        for n in range(150)
    ]
    definition = tmp_path / "balance.yaml"
    with serving(ShopApi(stripe, "Bearer rk_1", {"balance_transactions": rows})) as api:
        definition.write_text(
            shipped_text(FOLDER, "stripe_balance").replace("https://api.stripe.com", api.url)
        )

        def landing() -> CommandResult:
            arguments = ("extract", definition, "--to", tmp_path / "stripe", "--json")
            return ecom(*arguments, home=tmp_path / "home", env={"STRIPE_KEY": "rk_1"})

        api.faults = {2: (400, {})}
        assert landing().exit_code == 1
        assert len(landed(tmp_path / "stripe")) == 100, (
            "the newest, and the older ones are asked for again"
        )
        assert landing().json["landed"] == {
            "balance_transactions": {"new": 50, "changed": 0, "removed": 0}
        }
        rows.append(
            {
                **rows[0],
                "id": "txn_150",
                "amount": -400,
                "reporting_category": "refund",
                "created": 1783000000,
            }
        )
        assert landing().json["landed"] == {
            "balance_transactions": {"new": 1, "changed": 0, "removed": 0}
        }
        assert len(api.asked) == 5, "one page, once the rest is known"
    assert str(totals(read(tmp_path / "stripe", "stripe_balance"))["net"]) == "1496.0000"


def test_prestashop_s_orders_and_slips_land_beside_each_other(tmp_path: Path) -> None:
    orders = [
        {**PRESTA_ORDER, "id": n, "date_upd": f"2026-07-02 10:{n // 50:02}:00"}
        for n in range(1, 121)
    ]
    rows: list[Row] = PRESTA_ORDER["associations"]["order_rows"]  # type: ignore[index]  # a document of many types
    for each in orders:
        each["associations"] = {
            "order_rows": [{**row, "id": f"{each['id']}-{row['id']}"} for row in rows]
        }
    slips = [{**PRESTA_SLIP, "date_upd": "2026-07-04 10:00:00"}]
    folder = tmp_path / "presta"
    with serving(
        ShopApi(prestashop, basic("KEY", ""), {"orders": orders, "order_slips": slips})
    ) as api:
        arguments = ("extract", "prestashop", "--to", folder, "--json")
        env = {"PRESTASHOP_URL": api.url, "PRESTASHOP_KEY": "KEY"}
        first = ecom(*arguments, home=tmp_path / "home", env=env)
        assert first.json["landed"] == {
            "orders": {"new": 120, "changed": 0, "removed": 0},
            "order_slips": {"new": 1, "changed": 0, "removed": 0},
        }
        orders[0]["date_upd"], orders[0]["valid"] = "2026-07-05 00:00:00", "0"
        assert ecom(*arguments, home=tmp_path / "home", env=env).json["landed"]["orders"] == {
            "new": 0,
            "changed": 1,
            "removed": 0,
        }
    # 119 orders of 24.00 are left, and 8.00 came back.
    assert str(totals(read(folder, "prestashop"))["net"]) == "2848.0000"


@pytest.mark.slow
def test_a_day_of_which_nothing_is_left_is_still_a_day(tmp_path: Path) -> None:
    """A run over the folder must load the first day again, so that what was there is taken back."""
    days = (date(2026, 10, 2), date(2026, 10, 5))
    with LandingFolder.opened(tmp_path, "https://shop.example.com") as folder:
        for day, status in zip(days, ("completed", "cancelled"), strict=True):
            content = order(1, f"{day}T08:00:00", status=status)
            folder.land(
                "orders",
                [ApiDocument.from_content("1", content["date_modified_gmt"], content)],
                day,
                None,
            )
    assert [path.read_text() for path in tmp_path.glob(f"orders/received_date={days[0]}/*")] == [
        "\n"
    ]
    with fresh_duckdb() as con:
        files = RecordFiles.open(con, [tmp_path], load_order_mapping("woocommerce"))
        assert files.received_days() == days
        assert con.execute(files.received_sql(days[0], days[1])).fetchall() == []
    assert [row["left_out"] for row in read(tmp_path, "woocommerce")] == ["not_a_sale"]


@pytest.mark.slow
def test_shopify_s_orders_land_with_a_token_over_the_end_of_summer_time(tmp_path: Path) -> None:
    """On 25 October 2026 at 3:00 clocks go back an hour: 2:10 in winter time is later
    than 2:30 in summer time.
    """
    orders = [
        {**SHOPIFY_ORDER, "id": n, "updated_at": "2026-10-25T02:30:00+02:00"} for n in range(1, 261)
    ]
    folder = tmp_path / "shopify"
    api = ShopApi(shopify, "shpat_1", {"orders": orders}, key_header="X-Shopify-Access-Token")
    with serving(api):
        env = {
            "SHOPIFY_URL": api.url,
            "SHOPIFY_CLIENT_ID": "id_1",
            "SHOPIFY_CLIENT_SECRET": "secret_1",
        }
        arguments = ("extract", "shopify_admin", "--to", folder, "--json")
        assert ecom(*arguments, home=tmp_path / "home", env=env).json["landed"]["orders"] == {
            "new": 260,
            "changed": 0,
            "removed": 0,
        }
        assert api.token_asked == [
            "client_id=id_1&client_secret=secret_1&grant_type=client_credentials"
        ]
        orders[0] = {**orders[0], "updated_at": "2026-10-25T02:10:00+01:00", "test": True}
        assert ecom(*arguments, home=tmp_path / "home", env=env).json["landed"]["orders"] == {
            "new": 0,
            "changed": 1,
            "removed": 0,
        }
    # Each order is 27.50 after its returns, and one turned out to be a test.
    assert totals(read(folder, "shopify_admin"))["net"] == 259 * Decimal("27.50")


def test_what_changes_while_a_list_in_another_order_is_read_is_asked_for_again(
    tmp_path: Path,
) -> None:
    """The latest order changes once its page is read, and then one of the next page,
    which is thus the newest seen.
    """
    orders = [
        {**SHOPIFY_ORDER, "id": n, "updated_at": "2026-10-01T10:00:00+02:00"} for n in range(1, 261)
    ]

    def changing(api: ShopApi, path: str, params: dict[str, str]) -> Any:
        result = shopify(api, path, params)
        if len(api.asked) == 1:
            for index, hour in ((259, 11), (0, 12)):
                orders[index] = {**orders[index], "updated_at": f"2026-10-01T{hour}:00:00+02:00"}
        return result

    folder = tmp_path / "shopify"
    with serving(
        ShopApi(changing, "shpat_1", {"orders": orders}, key_header="X-Shopify-Access-Token")
    ) as api:
        env = {
            "SHOPIFY_URL": api.url,
            "SHOPIFY_CLIENT_ID": "id_1",
            "SHOPIFY_CLIENT_SECRET": "secret_1",
        }
        arguments = ("extract", "shopify_admin", "--to", folder, "--json")
        assert ecom(*arguments, home=tmp_path / "home", env=env).json["landed"]["orders"] == {
            "new": 260,
            "changed": 0,
            "removed": 0,
        }
        assert ecom(*arguments, home=tmp_path / "home", env=env).json["landed"]["orders"] == {
            "new": 0,
            "changed": 1,
            "removed": 0,
        }


def test_a_list_that_is_not_in_the_order_of_changes_is_read_to_its_end(
    shop: ShopApi, tmp_path: Path
) -> None:
    """As WooCommerce's in the hour in which its local clock goes back,
    or one that ignores the order asked for.
    """

    def by_id(api: ShopApi, path: str, params: dict[str, str]) -> list[Row]:
        found = woocommerce(api, path, {**params, "per_page": "1000", "page": "1"})
        size, page = int(params["per_page"]), int(params["page"])
        return sorted(found, key=lambda row: -row["id"])[(page - 1) * size : page * size]

    shop.answer = by_id
    folder = tmp_path / "shop"
    assert counts(extract(shop, folder, "--json")) == (250, 0)
    assert counts(extract(shop, folder, "--json")) == (0, 0)


def test_a_quiet_night_is_no_incomplete_report(tmp_path: Path) -> None:
    """Three customers or fewer would hold a report back; here only two orders have changed."""
    with LandingFolder.opened(tmp_path / "shop", "https://shop.example.com") as folder:
        for number in (1, 2):
            content = order(number, "2026-10-02T08:00:00")
            document = ApiDocument.from_content(str(number), content["date_modified_gmt"], content)
            folder.land("orders", [document], date(2026, 10, 2), None)

    def gates(landing: Path) -> set[str]:
        found = checks(Settings(home=tmp_path, orders=str(landing), orders_mapping="woocommerce"))
        return {"report_has_enough_customers", "no_order_day_is_held"} & {
            check.name for check in found
        }

    assert gates(tmp_path / "shop") == set()
    (tmp_path / "shop" / STATE).unlink()
    assert gates(tmp_path / "shop") == {"report_has_enough_customers"}


def test_what_was_removed_as_too_old_does_not_come_back(shop: ShopApi, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    extract(shop, folder)
    for path in folder.glob("*/*/*.jsonl"):
        path.unlink()
    shop.documents["orders"][0] = order(1, "2026-10-02T09:00:00")
    assert counts(extract(shop, folder, "--json")) == (0, 1)
    assert [each["id"] for each in landed(folder)] == [1]
