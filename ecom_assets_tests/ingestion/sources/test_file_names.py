"""Names of files as people gave them: any letters are kept, and none decides what is on a disk."""

import unicodedata
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecom_assets.ingestion.sources.files.file_names import (
    DIRECTIONS,
    MOST_LETTERS,
    ending_of,
    shown_name,
)
from ecom_assets.ingestion.sources.files.formats import find_files
from ecom_assets.ingestion.sources.files.unpacked import unpacked
from ecom_assets.ingestion.uploads.store import Uploads, name_on_disk, safe_name
from ecom_assets_tests.each import each
from ecom_assets_tests.ingestion.uploads.shop_exports import MOST_BYTES

ENDINGS = st.sampled_from([".csv", ".xlsx", ".CSV", ".ndjson.gz", ".parquet", ".tsv"])


@each(
    "given_name, shown, on_disk",
    [
        ("заказы.csv", "заказы.csv", "file-000007.csv"),
        ("订单.xlsx", "订单.xlsx", "file-000007.xlsx"),
        ("😀.csv", "😀.csv", "file-000007.csv"),
        ("Bestellungen März (2).CSV", "Bestellungen März (2).CSV", "file-000007.csv"),
        ("C:\\Users\\ann\\orders.csv", "orders.csv", "file-000007.csv"),
        ("../../etc/orders.csv", "orders.csv", "file-000007.csv"),
        ("orders\u202evsc.xlsx", "ordersvsc.xlsx", "file-000007.xlsx"),
        ("or\x00de\nrs.csv\x7f", "orders.csv", "file-000007.csv"),
        ("1596732132.s3.json.gz", "1596732132.s3.json.gz", "file-000007.json.gz"),
        ("é" * 300 + ".csv", "é" * (MOST_LETTERS - 4) + ".csv", "file-000007.csv"),
        ("\u200e", "file", "file-000007"),
    ],
)
def test_a_name_is_shown_as_it_was_given_and_is_a_number_on_the_disk(
    given_name: str, shown: str, on_disk: str
) -> None:
    assert safe_name(given_name) == shown
    assert name_on_disk(7, safe_name(given_name)) == on_disk


@settings(deadline=None)
@given(st.text(), ENDINGS)
def test_any_name_with_a_known_ending_is_kept_and_shown_in_its_own_order(
    stem: str, ending: str
) -> None:
    shown = shown_name(stem + ending)
    assert shown.endswith(ending)
    assert len(shown) <= MOST_LETTERS
    assert not set(shown) & DIRECTIONS
    assert not {"Cc", "Cs"} & set(map(unicodedata.category, shown))
    assert "/" not in shown
    assert ending_of(shown).endswith(ending.lower())
    assert name_on_disk(1, shown).isascii()
    assert shown_name(shown) == shown


@settings(deadline=None, max_examples=40)  # the disk of a busy machine
@given(st.text(min_size=1, max_size=300), st.sampled_from([".csv", ".tsv", ".ndjson"]))
def test_a_file_of_any_name_is_kept_and_found_again(
    tmp_path_factory: pytest.TempPathFactory, stem: str, ending: str
) -> None:
    uploads = Uploads(tmp_path_factory.mktemp("home"))
    with uploads.begin(stem + ending, "ann", most_bytes=MOST_BYTES) as writer:
        writer.write(b"a,b\n1,2\n")
        upload = writer.finish()
    assert upload.name == safe_name(stem + ending)
    assert uploads.original(upload).read_bytes() == b"a,b\n1,2\n"


@pytest.mark.parametrize("name", ["заказы.csv", "😀/订单.csv", "й" * 120 + ".csv", "a\u202eb.csv"])
def test_files_of_an_archive_have_names_of_people(name: str, tmp_path: Path) -> None:
    path = tmp_path / "архив.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, "a,b\n1,2\n")
    (file,) = unpacked(find_files([str(path)]))
    parts = [shown_name(part) for part in name.split("/")]
    assert file.name == "/".join(["архив.zip", *parts])
    assert Path(file.path).name == "member.csv"
    assert Path(file.path).read_text() == "a,b\n1,2\n"


def test_a_file_of_before_is_found_by_its_name(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    with uploads.begin("orders.csv", "ann", most_bytes=MOST_BYTES) as writer:
        writer.write(b"a,b\n1,2\n")
        upload = writer.finish()
    path = uploads.original(upload)
    path.rename(path.with_name("orders.csv"))
    assert uploads.original(upload).name == "orders.csv"
