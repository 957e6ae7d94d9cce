"""A person's records leave files of customers, and nothing else does: not a byte."""

import gzip
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecom_assets.core.errors import SourceError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.orchestration.privacy.customer_files import (
    find_customer_records,
    remove_customer_records,
)
from ecom_assets.orchestration.privacy.person import Person

# By their addresses, as Shopify's orders know customers; one note has Ann's address, and one a line
# end.
HEADER = "Customer ID,First Name,Last Name,Email,Default Address City,Note\r\n"
ANN = "'17,Jörg,Müller,Ann@Example.com,Köln,\r\n"
BOB = '18,Bob,,bob@example.com,Köln,"knows ann@example.com,\r\nand more"\r\n'
CID = "19,Cid,,cid@example.com,Köln,x"


def settings_for(path: Path, mapping: str = "shopify") -> Settings:
    return Settings(home=path.parent / "home", customers=str(path), customers_mapping=mapping)


def removed(path: Path, mapping: str = "shopify", user: str = "ann@example.com") -> int:
    """Return how many records left the files, after which none is found."""
    settings, person = settings_for(path, mapping), Person(users=(user,))
    found = sum(file.record_count for file in find_customer_records(settings, person))
    assert sum(file.record_count for file in remove_customer_records(settings, person)) == found
    assert list(find_customer_records(settings, person)) == []
    return found


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_a_customer_leaves_a_csv_file(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "customers.csv"
    path.write_bytes((HEADER + BOB + ANN + CID).encode(encoding))
    before = path.stat()
    assert removed(path) == 1
    assert path.read_bytes() == (HEADER + BOB + CID).encode(encoding)
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_a_customer_leaves_a_compressed_file(tmp_path: Path) -> None:
    path = tmp_path / "customers.csv.gz"
    path.write_bytes(gzip.compress((HEADER + ANN + CID).encode()))
    assert removed(path, "shopify_ids", "17") == 1
    assert gzip.decompress(path.read_bytes()) == (HEADER + CID).encode()


def test_a_customer_leaves_a_file_with_backslashes_before_quotes(tmp_path: Path) -> None:
    """Each reading by doubled quotes would find another cell where the address is."""
    bob = '"18","the \\"Bob\\", or Rob","bob@example.com"\n'
    ann = '"17","one \\" only, Ann","ann@example.com"\n'
    cid = '"19","a \\"\nb","cid@example.com"\n'
    path = tmp_path / "customers.csv"
    path.write_text(f"Customer ID,First Name,Email\n{bob}{ann}{cid}")
    assert removed(path) == 1
    assert path.read_text() == f"Customer ID,First Name,Email\n{bob}{cid}"


def test_customers_in_parquet_must_be_exported_again(tmp_path: Path) -> None:
    path = tmp_path / "customers.parquet"
    pq.write_table(pa.table({"Email": ["Ann@example.com", "bob@example.com"]}), path)
    before = path.read_bytes()
    with pytest.raises(SourceError, match=r"customers\.parquet has 1 records of this person"):
        list(remove_customer_records(settings_for(path), Person(users=("ann@example.com",))))
    assert path.read_bytes() == before


def own_mapping(tmp_path: Path) -> str:
    mapping = tmp_path / "own.yaml"
    mapping.write_text(
        "fields: {id: who.id, email: {path: who.mail, optional: true}}\nrecords: customers\n"
    )
    return str(mapping)


def test_a_customer_leaves_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "customers.ndjson"
    lines = [
        json.dumps({"who": {"id": number, "mail": f"{number}@example.com"}}) for number in (17, 18)
    ]
    path.write_text("\n".join([*lines, "not JSON of 17"]) + "\n")
    assert removed(path, own_mapping(tmp_path), "17") == 1
    assert path.read_text().splitlines() == [lines[1], "not JSON of 17"]


def test_one_document_and_an_archive_must_be_exported_again(tmp_path: Path) -> None:
    document = json.dumps({"customers": [{"who": {"id": 17}}, {"who": {"id": 18}}]})
    path, packed = tmp_path / "customers.json", tmp_path / "customers.zip"
    path.write_text(document)
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("customers.csv", HEADER + ANN)
    for file, mapping, user in (
        (path, own_mapping(tmp_path), "17"),
        (packed, "shopify", "ann@example.com"),
    ):
        person, before = Person(users=(user,)), file.read_bytes()
        with pytest.raises(
            SourceError, match=r"has 1 records of this person and cannot be changed in place"
        ):
            list(remove_customer_records(settings_for(file, mapping), person))
        assert file.read_bytes() == before
