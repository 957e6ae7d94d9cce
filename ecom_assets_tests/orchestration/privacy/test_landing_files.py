"""A person's records leave landing files, whatever their format, and nothing else does: not a byte.

Ann's records are those with her id, and those without a user of her session s1.
"""

import gzip
import json
import zipfile
from pathlib import Path

import duckdb
import pytest

from ecom_assets.core.errors import SourceError
from ecom_assets.ingestion.sources.files.mapping import (
    RecordMapping,
    load_mapping,
    load_order_mapping,
)
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.orchestration.privacy.landing_files import find_records, remove_records
from ecom_assets.orchestration.privacy.person import Person
from ecom_assets_tests.ingestion.sources.test_shop_orders import ANN as ANN_OF_SHOP
from ecom_assets_tests.ingestion.sources.test_shop_orders import ANN_2 as ANN_2_OF_SHOP
from ecom_assets_tests.ingestion.sources.test_shop_orders import BOB as BOB_OF_SHOP
from ecom_assets_tests.ingestion.sources.test_shop_orders import csv_text

ANN = Person(users=("7",), sessions=("s1",))
HEADER = (
    "event_id,user_id,event_type,event_timestamp,product_id,product_category,session_id,page_url,referrer_url,"
    "cart_value"
)
AT = "2026-01-01T10:00:00Z"


def files_of(path: Path, mapping: RecordMapping | None = None) -> RecordFiles:
    return RecordFiles.open(duckdb.connect(), [path], mapping or load_mapping("ecommerce"))


def removed(path: Path, mapping: RecordMapping | None = None, person: Person = ANN) -> int:
    actual = sum(record.record_count for record in find_records(files_of(path, mapping), person))
    assert (
        sum(record.record_count for record in remove_records(files_of(path, mapping), person))
        == actual
    )
    if path.exists():
        assert list(find_records(files_of(path, mapping), person)) == []
    return actual


def test_records_of_csv_leave_and_all_other_bytes_stay(tmp_path: Path) -> None:
    # The quoted URL of e4 goes over two lines. 7 is in the price of e3 and in the page of e6, which
    # are not Ann's.
    mine = [
        f'e1,7,page_view,{AT},,,s1,"https://x.example/?q=a,b",,\r\n',
        f"e2,,page_view,{AT},,,s1,,,\r\n",
    ]
    others = [
        f"e3,8,purchase,{AT},7,hats,s2,,,7\r\n",
        f'e4,8,page_view,{AT},,,s2,"https://x.example/\nand more",,\r\n',
        f"e5,8,page_view,{AT},,,s1,,,\n",
        f"e6,,page_view,{AT},,,s3,https://x.example/7,,",
    ]
    path = tmp_path / "events.csv"
    path.write_bytes(
        "".join([HEADER + "\r\n", mine[0], *others[:2], mine[1], *others[2:]]).encode()
    )
    before = path.stat()
    assert removed(path) == 2
    assert path.read_bytes() == "".join([HEADER + "\r\n", *others]).encode()
    after = path.stat()
    assert (after.st_mtime_ns, after.st_mode) == (before.st_mtime_ns, before.st_mode)


@pytest.mark.slow
@pytest.mark.parametrize("column", ["place", "record", "line", "c0", "candidates"])
@pytest.mark.parametrize("ending", [".csv", ".ndjson"])
def test_records_leave_whatever_the_column_of_the_user_is_called(
    tmp_path: Path, column: str, ending: str
) -> None:
    mapping = tmp_path / "mapping.yaml"
    fields = {"event_id": "id", "user_id": column, "event_type": "kind", "event_timestamp": "at"}
    mapping.write_text(json.dumps({"fields": fields}))  # JSON is YAML, too
    rows = [{"id": "e1", "kind": "page_view", "at": AT, column: user} for user in ("8", "7", "9")]
    path = tmp_path / f"events{ending}"
    lines = (
        [json.dumps(row) for row in rows]
        if ending == ".ndjson"
        else [",".join(row.values()) for row in rows]
    )
    header = [] if ending == ".ndjson" else [",".join(rows[0])]
    path.write_text("".join(f"{line}\n" for line in [*header, *lines]))
    assert removed(path, load_mapping(str(mapping))) == 1
    assert path.read_text().splitlines() == [*header, lines[0], lines[2]]


@pytest.mark.parametrize("user", ["7", "jürgen@shop.example"])
@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
def test_records_of_other_encodings_leave(
    tmp_path: Path, ending: str, encoding: str, user: str
) -> None:
    mine = f"e1,{user},page_view,{AT},,Küche,s1,,,\r\n"
    others = [f"e2,8,page_view,{AT},,Straße,s2,,,\r\n", f"e3,ö8,page_view,{AT},,Bücher,s2,,,\r\n"]
    path = tmp_path / f"events{ending}"
    opened = gzip.open if ending.endswith(".gz") else open
    with opened(path, "wb") as file:
        file.write("".join([HEADER + "\r\n", others[0], mine, others[1]]).encode(encoding))
    assert removed(path, person=Person(users=(user,))) == 1
    with opened(path, "rb") as file:
        assert file.read() == "".join([HEADER + "\r\n", *others]).encode(encoding)


def test_lines_that_cannot_be_read_leave_if_her_id_is_a_word_in_them(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    broken = ["e1,7,page_view\n", "e2,77,page_view\n"]
    good = f"e3,8,page_view,{AT},,,s2,,,\n"
    path.write_text(HEADER + "\n" + "".join(broken) + good)
    assert removed(path) == 1
    assert path.read_text() == HEADER + "\n" + broken[1] + good


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz"])
def test_records_of_ndjson_leave_zipped_or_not(tmp_path: Path, ending: str) -> None:
    def line(event: str, user: object, session: str) -> str:
        names = HEADER.split(",")
        values = {
            **dict.fromkeys(names),
            "event_id": event,
            "user_id": user,
            "event_type": "page_view",
        }
        return json.dumps({**values, "event_timestamp": AT, "session_id": session}) + "\n"

    lines = [
        line("e1", 7, "s1"),
        line("e2", "8", "s2"),
        line("e3", None, "s1"),
        "[7]\n",
        line("e4", "8", "s7"),
    ]
    path = tmp_path / f"events{ending}"
    packed = "".join(lines).encode()
    path.write_bytes(gzip.compress(packed) if ending.endswith("gz") else packed)
    assert removed(path) == 3, (
        "the number 7 is her id, too, and so it is in the line that is not an object"
    )
    left = gzip.decompress(path.read_bytes()) if ending.endswith("gz") else path.read_bytes()
    assert left == (lines[1] + lines[4]).encode()


def test_records_of_parquet_leave_and_the_order_and_types_stay(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    rows = """SELECT 'e' || i AS event_id, CASE i % 3 WHEN 0 THEN 7 WHEN 1 THEN 8 END AS user_id,
        'page_view' AS event_type, TIMESTAMP '2026-01-01' + INTERVAL (i) SECOND AS event_timestamp,
          NULL::VARCHAR
        AS product_id, NULL::VARCHAR AS product_category, 's' || (i % 2 + 1) AS session_id,
        NULL::VARCHAR AS page_url, NULL::VARCHAR AS referrer_url, NULL::DOUBLE AS cart_value
          FROM range(12) t(i)"""
    duckdb.execute(f"COPY ({rows}) TO '{path}' (FORMAT parquet)")
    kinds = duckdb.execute(f"DESCRIBE FROM '{path}'").fetchall()
    # Of 12 rows, i = 0, 3, 6, 9 are 7's; 2, 5, 8, 11 have no user, and 2 and 8 are of the session
    # s1.
    assert removed(path) == 6
    assert [event for (event,) in duckdb.execute(f"SELECT event_id FROM '{path}'").fetchall()] == [
        "e1",
        "e4",
        "e5",
        "e7",
        "e10",
        "e11",
    ]
    assert duckdb.execute(f"DESCRIBE FROM '{path}'").fetchall() == kinds


def test_ids_that_the_mapping_computes_are_found(tmp_path: Path) -> None:
    path = tmp_path / "sessions.jsonl"
    lines = [
        json.dumps(
            {"session": number, "events": [{"aid": 1, "ts": 1_700_000_000_000, "type": "clicks"}]}
        )
        + "\n"
        for number in (5, 6)
    ]
    path.write_text("".join(lines))
    assert removed(path, load_mapping("otto"), Person(sessions=("otto-5",))) == 1
    assert path.read_text() == lines[1]


def test_lines_of_orders_leave_by_their_customer(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    names = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
    lines = [
        f"5363,85123A,HAT,6,2010-12-01 08:26:00,2.55,{who},France\n"
        for who in ("17850.0", "13047.0")
    ]
    path.write_text(names + "".join(lines))
    assert removed(path, load_order_mapping("online_retail"), Person(users=("17850",))) == 1
    assert path.read_text() == names + lines[1]


def test_a_file_of_nobody_else_is_removed_if_it_would_be_empty(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(
        json.dumps({**dict.fromkeys(HEADER.split(",")), "event_id": "e1", "user_id": "7"}) + "\n"
    )
    assert removed(path) == 1
    assert not path.exists()


def test_files_of_both_kinds_are_read_over_one_connection(tmp_path: Path) -> None:
    con = duckdb.connect()
    (tmp_path / "b.csv").write_text(f"{HEADER}\ne1,7,page_view,{AT},,,s1,,,\n")
    con.execute(
        f"COPY (FROM read_csv('{tmp_path / 'b.csv'}', all_varchar = true)) TO "
        f"'{tmp_path / 'a.parquet'}'"
    )
    for name in ("a.parquet", "b.csv", "a.parquet"):
        files = RecordFiles.open(con, [tmp_path / name], load_mapping("ecommerce"))
        assert [record.record_count for record in find_records(files, ANN)] == [1]


def test_records_in_an_archive_are_found_and_cannot_be_removed_in_place(tmp_path: Path) -> None:
    path = tmp_path / "events.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("events.csv", f"{HEADER}\ne1,7,page_view,{AT},,,s1,,,\n")
    before = path.read_bytes()
    assert [record.record_count for record in find_records(files_of(path), ANN)] == [1]
    with pytest.raises(SourceError, match=r"events\.zip has 1 records of this person"):
        list(remove_records(files_of(path), ANN))
    assert path.read_bytes() == before


def test_an_order_of_several_lines_is_found_and_its_file_is_left_to_be_exported_again(
    tmp_path: Path,
) -> None:
    file = tmp_path / "orders_export.csv"
    file.write_text(csv_text([ANN_OF_SHOP, {**ANN_2_OF_SHOP, "Email": ""}, BOB_OF_SHOP]))
    before, ann = file.read_bytes(), Person(users=("ann@example.com",), sessions=())
    files = files_of(file, load_order_mapping("shopify"))
    assert [record.record_count for record in find_records(files, ann)] == [2], (
        "both lines, one has no address of hers"
    )
    with pytest.raises(
        SourceError, match=r"orders_export\.csv has orders of this person.*export it again"
    ):
        list(remove_records(files, ann))
    assert file.read_bytes() == before
    assert list(remove_records(files, Person(users=("carla@example.com",), sessions=()))) == []
