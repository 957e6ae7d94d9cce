"""Uploads stand beside what settings bring: every file is read by its own mapping."""

from collections import Counter
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from ecom_assets.core.settings.settings import load_settings
from ecom_assets.ingestion.sources.files.currency import Currencies
from ecom_assets.ingestion.sources.first_partition import paths_of_last_run, remember_paths
from ecom_assets.ingestion.sources.order_reports.source import open_orders
from ecom_assets.ingestion.uploads.landed import fields_read_since, land
from ecom_assets.ingestion.uploads.store import LOADED, Uploads
from ecom_assets_tests.ingestion.uploads.shop_exports import (
    WEEK_1,
    WEEK_2,
    WEEK_3,
    export,
    sent,
    settings_of,
)

OWN_LAYOUT = (
    "id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,"
    "quantity,payment_amount,currency\n"
    "1,other-1,2026-03-02T09:00:00,1,Berlin,di,,,7,Hat,1,55.00,EUR\n"
)


def landed(home: Path, path: Path) -> None:
    """Land a file as an upload in Shopify's layout."""
    mapping = home / "uploads" / "mappings" / "orders-shopify.yaml"
    uploads = Uploads(home)
    upload = sent(home, path)
    mapping.parent.mkdir(exist_ok=True)
    mapping.write_text("extends: shopify\n")
    upload = uploads.choose(upload, kind="orders", mapping="orders-shopify", answers={})
    land(uploads, upload, settings_of(home))
    uploads.note(upload, state=LOADED)


def test_a_configured_file_of_another_layout_and_uploads_are_read_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, own = tmp_path / "home", tmp_path / "own.csv"
    own.write_text(OWN_LAYOUT)
    landed(home, export(tmp_path / "week1.csv", WEEK_1))
    landed(home, export(tmp_path / "week3.csv", WEEK_3))
    alone = settings_of(home)
    assert (alone.orders, alone.orders_mapping) == (
        str(home / "uploads" / "orders"),
        "user_order_log",
    )
    monkeypatch.setenv("ECOM_ORDERS", str(own))
    settings = load_settings(home=home)
    assert settings.orders == str(own)
    with closing(duckdb.connect()) as con:
        files = open_orders(con, settings)
        rows = con.execute(
            "SELECT order_date, source_file, payment_amount::INTEGER FROM ("
            "SELECT *, ordered_at::DATE AS order_date FROM ("
            f"{files.received_sql()})) ORDER BY 1, 2, 3"
        ).fetchall()
        assert [(str(day), name, amount) for day, name, amount in rows] == [
            ("2026-03-02", "own.csv", 55),
            ("2026-03-02", "upload-000001-001.parquet", 100),
            ("2026-03-03", "upload-000001-001.parquet", 80),
            ("2026-03-08", "upload-000001-001.parquet", 30),
            ("2026-03-17", "upload-000002-001.parquet", 60),
        ]
        counts = Counter[str]()
        for file in files.file_rows():
            counts[file.file] += file.row_count
        assert counts == {
            "own.csv": 1,
            "upload-000001-001.parquet": 3,
            "upload-000002-001.parquet": 1,
        }
        dated = f"SELECT *, ordered_at::DATE AS order_date FROM ({files.received_sql()})"
        assert Currencies().convert_orders(files, dated).names == {"EUR"}


def test_a_run_notes_paths_that_were_given_and_never_those_of_uploads(tmp_path: Path) -> None:
    home = tmp_path / "home"
    landed(home, export(tmp_path / "week2.csv", WEEK_2))
    remember_paths(settings_of(home))
    assert paths_of_last_run(settings_of(home)) == {}
    remember_paths(load_settings(home=home, orders=str(tmp_path / "own.csv")))
    # What an earlier run was given stays a source, and uploads stand beside it.
    remember_paths(settings_of(home))
    assert paths_of_last_run(settings_of(home)) == {"ECOM_ORDERS": str(tmp_path / "own.csv")}


def test_a_file_that_was_loaded_before_more_was_read_of_its_layout_is_named(
    tmp_path: Path,
) -> None:
    """Shopify's `Id`, by which events may name an order, was not read at first."""
    home = tmp_path / "home"
    landed(home, export(tmp_path / "week1.csv", WEEK_1))
    uploads = Uploads(home)
    (upload,) = uploads.every()
    assert fields_read_since(uploads, upload) == ()
    for path in (home / "uploads" / "orders").rglob("*.parquet"):
        pq.write_table(pq.read_table(path).drop_columns(["order_keys", "landing_page"]), path)
    # Its export of orders says no landing page.
    assert fields_read_since(uploads, upload) == ("order_keys",)
    land(uploads, upload, settings_of(home))
    assert fields_read_since(uploads, uploads.numbered(upload.number)) == ()
