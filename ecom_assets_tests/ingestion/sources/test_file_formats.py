"""Each format, packed or not, gives the same rows; files that are not what they say are refused."""

import gzip
import json
import zipfile
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecom_assets.core.errors import MappingError, SourceError
from ecom_assets.ingestion.sources.files.mapping import EVENT
from ecom_assets.ingestion.sources.files.sql import line_source
from ecom_assets_tests.ingestion.sources.conftest import (
    SHOP,
    Read,
    csv_text,
    ndjson_text,
    shop_parquet,
    write,
)

CSV, NDJSON = csv_text(SHOP), ndjson_text(SHOP)


@pytest.mark.parametrize(
    "name", ["e.csv", "e.csv.gz", "e.ndjson", "e.ndjson.gz", "e.jsonl", "e.jsonl.gz", "e.json.gz"]
)
def test_every_text_format_gives_the_rows_of_parquet(tmp_path: Path, read: Read, name: str) -> None:
    file = write(tmp_path / name, CSV if "csv" in name else NDJSON)
    expected = read(shop_parquet(tmp_path / "p" / "e.parquet"))
    rows = read(file)
    assert [tuple(row) for row in rows] == [tuple(EVENT.columns)] * 3
    assert [{**row, "source_file": ""} for row in rows] == [
        {**row, "source_file": ""} for row in expected
    ]
    assert [
        (row["event_id"], str(row["event_at"]), row["cart_amount"] and str(row["cart_amount"]))
        for row in rows
    ] == [
        ("e1", "2026-01-01 10:00:00", None),
        ("e2", "2026-01-01 10:00:00", "19.9000"),
        ("e3", "2026-01-02 10:00:00", None),
    ]


def test_lines_of_small_packed_files_take_little_memory(tmp_path: Path) -> None:
    """How long a packed file is nobody knows before, so that each reader of it has a whole block:
    a look at a file of other people gives the database 300 MB.
    """
    paths = [str(write(tmp_path / f"{number}.ndjson.gz", NDJSON)) for number in range(2)]
    lines = [f"SELECT line FROM {line_source([path], is_gzip=True)}" for path in paths]
    with closing(duckdb.connect(config={"memory_limit": "200MB"})) as con:
        count = con.execute(f"SELECT count(line) FROM ({' UNION ALL '.join(lines)})").fetchone()
    assert count == (2 * len(SHOP),)


@pytest.mark.parametrize("has_statistics", [True, False])
def test_empty_values_are_missing_whatever_footers_say(
    tmp_path: Path, read: Read, *, has_statistics: bool
) -> None:
    # In e1 no row group has an empty user, in e2 the second one, in e3 all values are null.
    users: dict[str, list[str | None]] = {
        "e1": ["ann", "ben", None, "cleo"],
        "e2": ["ann", "ben", "", "cleo"],
        "e3": [None] * 4,
    }
    for name, values in users.items():
        columns: dict[str, list[str | None]] = {
            column: [str(value)] * 4 for column, value in SHOP[0].items()
        }
        columns["event_id"], columns["user_id"] = [f"{name}-{n}" for n in range(4)], values
        table = pa.table(
            {column: pa.array(texts, pa.string()) for column, texts in columns.items()}
        )
        pq.write_table(
            table, tmp_path / f"{name}.parquet", row_group_size=2, write_statistics=has_statistics
        )
    for names in (["e1"], ["e2"], ["e3"], ["e1", "e2"], ["e2", "e1", "e3"]):
        rows = read([tmp_path / f"{name}.parquet" for name in names])
        assert [row["user_id"] for row in rows] == [
            user or None for name in sorted(names) for user in users[name]
        ]


def test_tab_separated_and_semicolons_by_ending_or_mapping(tmp_path: Path, read: Read) -> None:
    assert len(read(write(tmp_path / "e.tsv", CSV.replace(",", "\t")))) == 3
    assert len(read(write(tmp_path / "e.txt", CSV))) == 3
    mapping = tmp_path / "m.yaml"
    own = (
        Path(__file__).parents[3]
        / "ecom_assets"
        / "ingestion"
        / "sources"
        / "mappings"
        / "ecommerce.yaml"
    )
    for delimiter in (";", "|"):
        mapping.write_text(own.read_text() + f"delimiter: '{delimiter}'\n")
        assert len(read(write(tmp_path / "s" / "e.csv", CSV.replace(",", delimiter)), mapping)) == 3


def test_windows_line_ends_and_byte_order_mark_are_no_part_of_values(
    tmp_path: Path, read: Read
) -> None:
    rows = read(write(tmp_path / "e.csv", b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").encode()))
    assert [row["event_id"] for row in rows] == ["e1", "e2", "e3"]
    rows = read(
        write(tmp_path / "e.ndjson", b"\xef\xbb\xbf" + NDJSON.replace("\n", "\r\n").encode())
    )
    assert [row["event_id"] for row in rows] == ["e1", "e2", "e3"]
    assert {row["malformed_row"] for row in rows} == {None}


def test_a_folder_is_read_recursively_without_what_spark_leaves_beside(
    tmp_path: Path, read: Read
) -> None:
    write(tmp_path / "a" / "one.csv", csv_text(SHOP[:1]))
    write(tmp_path / "b" / "c" / "two.ndjson", ndjson_text(SHOP[1:]))
    for name in ("_SUCCESS", ".part-0.crc", "b/_temporary/x.txt", "x.parquet.crc"):
        write(tmp_path / name, "x")
    assert [row["source_file"] for row in read(tmp_path)] == [
        "a/one.csv",
        "b/c/two.ndjson",
        "b/c/two.ndjson",
    ]


def test_a_glob_and_several_paths_read_each_file_once(tmp_path: Path, read: Read) -> None:
    write(tmp_path / "2026" / "one.csv", csv_text(SHOP[:1]))
    write(tmp_path / "2026" / "two.csv", csv_text(SHOP[1:]))
    rows = read(
        [f"{tmp_path}/*/*.csv", tmp_path / "2026" / "one.csv", f"{tmp_path}/2026/../2026/one.csv"]
    )
    assert [row["event_id"] for row in rows] == ["e1", "e2", "e3"]
    assert {row["source_file"] for row in read(f"{tmp_path}/*/two*")} == {"2026/two.csv"}


def test_names_with_the_characters_of_globs_and_quotes_are_read_as_they_are(
    tmp_path: Path, read: Read
) -> None:
    file = write(tmp_path / "it's [1]*?" / "e[0].csv", CSV)
    write(tmp_path / "it's 1xx" / "e0.csv", "not,to,be,read\n")
    assert {row["source_file"] for row in read(file)} == {"e[0].csv"}
    assert len(read(file)) == 3


@pytest.mark.parametrize(
    ("name", "content", "result"),
    [
        ("e.csv", b"", "is empty"),
        ("e.parquet", b"", "is empty"),
        ("e.ndjson.gz", b"", "empty once unpacked"),
        ("e.csv", b"\x00\x01\x02binary", "is not text"),
        ("e.csv", b"PAR1....PAR1", "is not text"),
        ("e.csv", gzip.compress(CSV.encode(), mtime=0), "is gzip inside"),
        ("e.parquet", CSV.encode(), "is not a Parquet file"),
        ("e.parquet", b"PAR1" + b"x" * 100, "cut-off Parquet"),
        ("e.parquet", b"PAR1" + b"x" * 100 + b"PAR1", "damaged Parquet"),
        ("e.json", b'\n [{"event_id": "e1"}', "is not JSON to its end"),
        ("e.zip", b"PK", "zip archive that is damaged"),
        ("e.gz", gzip.compress(b"event_id,user_id", mtime=0), "is of a kind that is not read here"),
        ("e.csv", b"a,,c\n", "without a name"),
        ("e.xlsx", b"x", "is not a workbook that can be read"),
        ("e.docx", b"x", "is of a kind that is not read here"),
        ("e.parquet.gz", b"x", "is not a Parquet file"),
        ("e.xlsx.gz", b"x", "is of a kind that is not read here"),
    ],
)
def test_a_file_of_another_kind_is_refused(
    tmp_path: Path, read: Read, name: str, content: bytes, result: str
) -> None:
    file = write(tmp_path / name, content)
    for path in (file, tmp_path):
        with pytest.raises(SourceError, match=result) as refusal:
            read(path)
        assert name in str(refusal.value)
        assert "\n" not in str(refusal.value)


def test_a_name_that_is_read_and_stands_twice_is_refused_with_its_places(
    tmp_path: Path, read: Read
) -> None:
    file = write(tmp_path / "e.csv", b"event_id,user_id,event_id\n")
    with pytest.raises(
        MappingError, match=r"e\.csv has the name 'event_id' twice, in columns 1 and 3"
    ):
        read(file)


def test_gzip_that_is_none_or_cut_off_is_refused(tmp_path: Path, read: Read) -> None:
    file = tmp_path / "e.csv.gz"
    file.write_bytes(CSV.encode())
    with pytest.raises(SourceError, match="not gzip inside"):
        read(file)
    many = csv_text(
        [{**SHOP[0], "event_id": f"e{number * 7919 % 100_003}"} for number in range(20_000)]
    )
    packed = gzip.compress(many.encode())
    for length in (
        30,
        len(packed) // 2,
        len(packed) - 6,
    ):  # in the header, beyond the first look, in the checksum
        file.write_bytes(packed[:length])
        with pytest.raises(SourceError, match=r"e\.csv\.gz"):
            read(file)


def test_nothing_to_read_is_said(tmp_path: Path, read: Read) -> None:
    (tmp_path / "empty").mkdir()
    for path, result in [
        (tmp_path / "empty", "holds no files"),
        (tmp_path / "gone.csv", "does not exist"),
        (f"{tmp_path}/*.csv", "no file matches"),
    ]:
        with pytest.raises(SourceError, match=result):
            read(path)
    with pytest.raises(SourceError, match="no path"):
        read([])


def test_a_header_without_rows_is_a_quiet_hour(tmp_path: Path, read: Read) -> None:
    assert read(write(tmp_path / "e.csv", CSV.splitlines()[0])) == []
    assert read(write(tmp_path / "e.ndjson", "\n")) == []


def test_a_zip_archive_is_read_as_the_files_in_it(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/one.csv", csv_text(SHOP[:1]))
        archive.writestr("a/two.ndjson.gz", gzip.compress(ndjson_text(SHOP[1:]).encode()))
        archive.writestr("__MACOSX/a/._one.csv", "x")
        archive.writestr("a/.DS_Store", "x")
    rows = read(path)
    assert [row["event_id"] for row in rows] == ["e1", "e2", "e3"]
    assert {row["source_file"] for row in rows} == {
        "export.zip/a/one.csv",
        "export.zip/a/two.ndjson.gz",
    }


@pytest.mark.parametrize(
    ("names", "message"),
    [((), "holds no files"), (("a/report.pdf",), "holds a/report.pdf, which is not read here")],
)
def test_a_zip_archive_without_files_of_events_is_refused(
    tmp_path: Path, read: Read, names: tuple[str, ...], message: str
) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    with pytest.raises(SourceError, match=message):
        read(tmp_path / "export.zip")


@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_array_is_read_element_by_element(
    tmp_path: Path, read: Read, indent: int | None
) -> None:
    lines = ndjson_text(SHOP)
    expected = read(write(tmp_path / "lines" / "e.json", lines))
    array = json.dumps([json.loads(line) for line in lines.splitlines()], indent=indent)
    rows = read(write(tmp_path / "array" / "e.json", f"\ufeff {array}\n"))
    assert rows == expected
    with pytest.raises(SourceError, match="array without elements"):
        read(write(tmp_path / "none" / "e.json", "[]"))
