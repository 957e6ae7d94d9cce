"""Erasing a person from uploads: their rows, lines that could not be read, and each file as it was
sent that names them.
"""

import gzip
import io
import zipfile
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecom_assets.core.clock import now_utc_without_zone
from ecom_assets.core.settings.home import open_to_others, platform_files_in
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import choose_shop
from ecom_assets.ingestion.sources.files.sql import MALFORMED
from ecom_assets.ingestion.uploads.landed import land
from ecom_assets.ingestion.uploads.store import LOADED, Uploads
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets.orchestration.privacy.landing_files import (
    find_records,
    landing_files,
    remove_records,
)
from ecom_assets.orchestration.privacy.other_files import clean, naming
from ecom_assets.orchestration.privacy.person import Person
from ecom_assets_tests.command import ecom
from ecom_assets_tests.ingestion.sources.workbook import write_xlsx
from ecom_assets_tests.ingestion.uploads.shop_exports import (
    WEEK_1,
    Order,
    chosen,
    export,
    sent,
    settings_of,
)

ANN, BOB = "c1003@shop.example", "c1001@shop.example"


def names_of(home: Path) -> list[str]:
    """Return the customers in landed rows, and the lines that could not be read."""
    paths = sorted((home / "uploads" / "orders").rglob("*.parquet"))
    rows = [row for path in paths for row in pq.read_table(path, partitioning=None).to_pylist()]
    return sorted(row["customer_id"] or row[MALFORMED] for row in rows)


def erased(settings: Settings, person: Person) -> int:
    """Remove the person's rows; return how many there were."""
    with closing(duckdb.connect()) as con:
        return sum(
            found.record_count
            for files in landing_files(con, settings)
            for found in remove_records(files, person)
        )


def test_a_person_goes_from_the_rows_of_uploads(tmp_path: Path) -> None:
    home = tmp_path / "home"
    path = export(tmp_path / "orders.csv", WEEK_1)
    path.write_text(f'{path.read_text()}"{ANN} cut off\n"{BOB} cut off\n')
    uploads = Uploads(home)
    upload = sent(home, path)
    mapping = home / "uploads" / "mappings" / "orders-shopify.yaml"
    mapping.parent.mkdir()
    mapping.write_text("extends: shopify\n")
    upload = uploads.choose(upload, kind="orders", mapping="orders-shopify", answers={})
    landed = land(uploads, upload, settings_of(home))
    uploads.note(upload, state=LOADED)
    assert landed.counted_count == 3
    before = names_of(home)
    assert len([name for name in before if ANN in name]) >= 2
    settings, person = settings_of(home), Person(users=(ANN,))
    assert settings.orders == str(home / "uploads" / "orders")
    assert erased(settings, person) == len([name for name in before if ANN in name])
    assert names_of(home) == [name for name in before if ANN not in name]
    with closing(duckdb.connect()) as con:
        assert [*find_records(next(iter(landing_files(con, settings))), person)] == []
    assert (home / "uploads" / "orders" / "000001").is_dir()
    # What is written there only its owner reads, and `ecom doctor` looks at it.
    assert home / "uploads" in platform_files_in(home)
    assert oct(uploads.original(upload).parent.stat().st_mode & 0o777) == "0o700"
    uploads.original(upload).chmod(0o644)
    assert uploads.original(upload) in open_to_others([home / "uploads"])


@pytest.mark.slow
def test_rows_of_old_days_go_and_lists_stay(tmp_path: Path) -> None:
    home = tmp_path / "home"
    new_day = now_utc_without_zone().date().isoformat()
    orders = export(tmp_path / "orders.csv", [*WEEK_1, Order(1009, new_day, 50)])
    people = tmp_path / "people.csv"
    people.write_text("Email,First Name,Last Name,City\nann@shop.example,Ann,Lee,Ulm\n")
    uploads = Uploads(home)
    choose_shop(home, {"timezone": "UTC", "currency": "EUR"})
    for path in (orders, people):
        upload = chosen(home, path)
        land(uploads, upload, settings_of(home))
        uploads.note(upload, state=LOADED)
    shown = ecom("retain", "--dry-run", "--json", home=home, env={"ECOM_RETENTION_DAYS": "60"})
    rows_of = home / "uploads" / "orders" / "000001"
    assert shown.json["files"] == [
        str(rows_of / f"received_date={day}" / "upload-000001-001.parquet")
        for day in ("2026-03-02", "2026-03-03", "2026-03-08")
    ]
    done = ecom("retain", "--yes", home=home, env={"ECOM_RETENTION_DAYS": "60"})
    assert done.exit_code == 0, done.err
    assert [path.name for path in rows_of.iterdir()] == [f"received_date={new_day}"]
    assert len([*(home / "uploads" / "customers").rglob("*.parquet")]) == 1


def test_files_as_they_were_sent_are_looked_into_unpacked(tmp_path: Path) -> None:
    home = tmp_path / "home"
    text = f"Email\n{ANN}\n".encode()
    archive, table = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("orders.csv", text)
    pq.write_table(pa.table({"Email": [ANN]}), table)
    book = write_xlsx(tmp_path / "book.xlsx", {"orders": [["Email"], [ANN]]})
    contents = {
        "plain.csv": text,
        "packed.csv.gz": gzip.compress(text),
        "archive.zip": archive.getvalue(),
        "table.parquet": table.getvalue(),
        "book.xlsx": book.read_bytes(),
        "locked.xlsx": b"\xd0\xcf\x11\xe0 nobody can look into it",
        "others.csv": f"Email\n{BOB}\n".encode(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        sent(home, tmp_path / name)
    uploads, settings = Uploads(home), Settings(home=home)
    person, kept = Person(users=(ANN,)), BoardStore(settings)
    found = naming(settings, person, kept)
    by_folder = {uploads.original(upload).parent.name: upload for upload in uploads.every()}
    named = {by_folder[Path(path).name].name for path in found.cleaned if "originals" in path}
    assert named == contents.keys() - {"others.csv"}
    changed = clean(settings, person, kept)
    assert sum("originals" in path for path in changed) == 6, "the receipt lists them"
    left = {upload.name: upload.has_original for upload in uploads.every()}
    assert left == {name: name == "others.csv" for name in contents}
    assert naming(settings, person, kept).cleaned == []
