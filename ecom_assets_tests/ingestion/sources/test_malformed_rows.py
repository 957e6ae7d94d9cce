"""A damaged line is kept as it came and costs no other line: rows + malformed = lines."""

import csv
import gzip
import io
import json
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.ingestion.sources.files.mapping import EventMapping, load_mapping
from ecom_assets.ingestion.sources.files.records import FileRowCounts, RecordFiles, rows_line
from ecom_assets_tests.fresh_duckdb import fresh_duckdb
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.ingestion.sources.conftest import (
    SHOP,
    Read,
    csv_text,
    ndjson_text,
    rows_of,
    write,
)

MAPPING = EventMapping.model_validate(
    {
        "name": "tiny",
        "fields": {
            "event_id": "a",
            "event_type": "b",
            "event_timestamp": "c",
            "user_id": "b",
            "page_url": "b",  # as it is, without what is done with ids and types
        },
    }
)
HEADER = ",".join(SHOP[0])


def read_tiny(path: Path) -> tuple[list[tuple[str | None, str | None, str | None]], list[str]]:
    """The values of sound rows and the malformed lines, of a file with the columns a, b, c."""
    with fresh_duckdb() as con:
        rows = rows_of(con, RecordFiles.open(con, [path], MAPPING).received_sql())
    for row in rows:
        if row["malformed_row"] is not None:
            assert {name for name, value in row.items() if value is not None} == {
                "malformed_row",
                "source_file",
                "received_date",
            }
    good = [
        (r["event_id"], r["page_url"], r["event_timestamp"])
        for r in rows
        if r["malformed_row"] is None
    ]
    return good, [row["malformed_row"] for row in rows if row["malformed_row"] is not None]


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b"1,2", "1,2"),  # too few columns
        (b"1,2,3,4", "1,2,3,4"),  # too many
        (b'"1,2,3', '"1,2,3'),  # a quote that never ends
        (b'1,"2"x,3', '1,"2"x,3'),  # text after the closing quote
        (b"1,\xff\xfe,3", "1,\\xff\\xfe,3"),  # invalid UTF-8: its bytes are written out
        (b"1,2,\xe2\x82", "1,2,\\xe2\\x82"),  # a character cut off
        (b"1,\x92,3", "1,\\x92,3"),  # Windows-1252
    ],
)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_damaged_csv_line_is_kept_and_others_are_read(
    tmp_path: Path, line: bytes, kept: str, ending: str
) -> None:
    file = write(
        tmp_path / f"t.csv{ending}", b'a,b,c\n7,"x,y",9\n' + line + b'\n\n8,"say ""hi""",9\n'
    )
    assert read_tiny(file) == ([("7", "x,y", "9"), ("8", 'say "hi"', "9")], [kept])


def test_line_breaks_in_quotes_survive_in_a_damaged_file(tmp_path: Path) -> None:
    # Lines: header, 2 + 2 of two records with a break (adjacent), 1 short, 1 record, 2 of a record.
    file = write(tmp_path / "t.csv", 'a,b,c\n1,"x\ny",3\n2,"x\ny",3\nshort\n3,q,3\n4,"p\nq",3\n')
    assert read_tiny(file) == (
        [("1", "x\ny", "3"), ("2", "x\ny", "3"), ("3", "q", "3"), ("4", "p\nq", "3")],
        ["short"],
    )


def test_mixed_line_ends_are_no_damage(tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", b"a,b,c\r\n1,2,3\n4,5,6\r\n")
    assert read_tiny(file) == ([("1", "2", "3"), ("4", "5", "6")], [])


def test_a_malformed_line_names_its_file_and_keeps_the_fallback_day(
    tmp_path: Path, read: Read
) -> None:
    file = write(tmp_path / "received_date=2026-02-03" / "e.csv", csv_text(SHOP) + "cut off he")
    [row] = [row for row in read(tmp_path) if row["malformed_row"]]
    assert (row["malformed_row"], row["source_file"]) == ("cut off he", f"{file.parent.name}/e.csv")
    assert str(row["received_date"]) == "2026-02-03"


@pytest.mark.parametrize(
    "bad", ["{", "[1]", "null", "12", '"text"', '{"event_id": "e9"', "nonsense", "{}}"]
)
def test_a_line_that_is_no_json_object_is_kept(tmp_path: Path, read: Read, bad: str) -> None:
    rows = read(
        write(tmp_path / "e.ndjson", ndjson_text(SHOP[:2]) + bad + "\n\n" + ndjson_text(SHOP[2:]))
    )
    assert [row["event_id"] for row in rows] == ["e1", "e2", "e3", None]
    assert rows[3]["malformed_row"] == bad


def test_invalid_utf8_in_ndjson_costs_its_line_only(tmp_path: Path, read: Read) -> None:
    lines = ndjson_text(SHOP).encode().replace(b"bob", b"b\xff\xc3")
    rows = read(write(tmp_path / "e.ndjson.gz", lines))
    assert [row["user_id"] for row in rows] == ["ann", "ann", None]
    assert '"user_id": "b\\xff\\xc3"' in rows[2]["malformed_row"]


def test_a_session_without_its_list_of_events_is_malformed(tmp_path: Path, read: Read) -> None:
    good = '{"session": 1, "events": [{"aid": 5, "ts": 1659304800025, "type": "clicks"}]}'
    empty, odd = '{"session": 2, "events": []}', '{"session": 3, "events": "none"}'
    rows = read(write(tmp_path / "s.jsonl", f'{good}\n{empty}\n{odd}\n{{"session": 4}}'), "otto")
    assert [row["malformed_row"] for row in rows] == [None, odd, '{"session": 4}']


def test_a_long_line_is_read_whole(tmp_path: Path, read: Read) -> None:
    long = {**SHOP[0], "page_url": "x" * 5_000_000}
    for file in (
        write(tmp_path / "e.csv", csv_text([long])),
        write(tmp_path / "e.ndjson", ndjson_text([long])),
    ):
        [row] = read(file)
        assert (row["malformed_row"], len(row["page_url"])) == (None, 5_000_000)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_line_of_forty_megabytes_at_the_end_is_counted(tmp_path: Path, ending: str) -> None:
    good, damaged = read_tiny(
        write(tmp_path / f"t.csv{ending}", b"a,b,c\n1,2,3\n" + b"x" * 40_000_000)
    )
    assert good == [("1", "2", "3")]
    [kept] = damaged
    assert kept.endswith("x (cut: the line has 40000000 bytes)")


VALUES = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00\r\n", exclude_categories=["Cs"]),
    max_size=6,
).filter(
    lambda value: not value.startswith((",", '",'))
)  # quoted, it would end a quote left open before: one record
DAMAGE = st.sampled_from(
    [b"1,2", b"x", b"1,2,3,4", b'"1,2,3', b'1,"2"x,3', b"1,\xff,3", b"\xc3", b",,,x", b'a""b"c",']
)


def csv_line(values: list[str]) -> bytes:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow(values)
    return written.getvalue().rstrip("\n").encode()


@examples(160)
@given(
    st.lists(st.one_of(st.lists(VALUES, min_size=3, max_size=3), DAMAGE), max_size=12),
    st.booleans(),
)
def test_rows_and_malformed_lines_are_the_lines_of_a_csv(
    tmp_path: Path,
    lines: list[list[str] | bytes],
    is_gzip: bool,  # noqa: FBT001 drawn
) -> None:
    encoded = [line if isinstance(line, bytes) else csv_line(line) for line in lines]
    file = write(tmp_path / ("t.csv.gz" if is_gzip else "t.csv"), b"\n".join([b"a,b,c", *encoded]))
    good, malformed = read_tiny(file)
    rows = [tuple(value or None for value in line) for line in lines if not isinstance(line, bytes)]
    assert sorted(good, key=repr) == sorted(rows, key=repr)
    assert len(malformed) == sum(isinstance(line, bytes) for line in lines)


@pytest.mark.slow
@examples(40)
@given(
    st.lists(
        st.one_of(
            st.fixed_dictionaries({"a": VALUES, "b": VALUES, "c": VALUES}),
            st.sampled_from([b"{", b"[]", b'{"a": "\xff"}', b"1", b"nul", b'{"a": 1}, x']),
        ),
        max_size=12,
    )
)
def test_rows_and_malformed_lines_are_the_lines_of_ndjson(
    tmp_path: Path, lines: list[dict[str, str] | bytes]
) -> None:
    lines = [{"a": "first", "b": "", "c": ""}, *lines]
    encoded = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    file = write(tmp_path / "t.ndjson", b"\n".join([*encoded, b""]))
    good, malformed = read_tiny(file)
    rows = [
        tuple(line[name] or None for name in "abc") for line in lines if not isinstance(line, bytes)
    ]
    assert sorted(good, key=repr) == sorted(rows, key=repr)
    assert len(malformed) == sum(isinstance(line, bytes) for line in lines)


@pytest.mark.slow
def test_a_large_damaged_file_keeps_its_count_on_every_number_of_threads(tmp_path: Path) -> None:
    # 200,000 lines, every 1,000th cut off: 200 malformed, 199,800 rows.
    lines = [
        f"{n},view" if n % 1000 == 0 else f'{n},"view, {n}",2026-01-01' for n in range(200_000)
    ]
    file = tmp_path / "t.csv.gz"
    file.write_bytes(gzip.compress("\n".join(["a,b,c", *lines]).encode(), 1))
    for threads in (1, 8):
        with duckdb.connect(config={"threads": threads}) as con:
            sql = RecordFiles.open(con, [file], MAPPING).received_sql()
            counted = con.execute(
                "SELECT count(event_id), count(DISTINCT event_id), count(malformed_row) FROM "
                f"({sql})"
            )
            assert counted.fetchone() == (199_800, 199_800, 200)


def test_the_shipped_layout_is_the_one_of_the_fixture() -> None:
    assert {name for name, _ in load_mapping("ecommerce").mapped()} >= set(HEADER.split(","))


def test_looking_for_damage_leaves_the_callers_transaction_alone(tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", "a,b,c\n1,2,3\nshort\n")
    with fresh_duckdb() as con:
        con.execute("BEGIN")
        con.execute("CREATE TABLE mine AS SELECT 1 AS x")
        sql = RecordFiles.open(con, [file], MAPPING).received_sql()
        con.execute(f"INSERT INTO mine SELECT count(*) FROM ({sql})")
        con.execute("COMMIT")
        assert con.execute("SELECT max(x) FROM mine").fetchone() == (2,)


@pytest.mark.slow
def test_what_is_malformed_is_said_in_bytes_with_its_file(tmp_path: Path) -> None:
    """Two lines of one file cannot be read, of 21 and 40,000,000 bytes; the other file is sound."""
    damaged = b"cut off, in the midst" + b"\n" + b"x" * 40_000_000 + b"\n"
    write(tmp_path / "a.csv", b"a,b,c\n1,2,3\n" + damaged)
    write(tmp_path / "b.csv", b"a,b,c\n4,5,6\n")
    expected = {"a.csv": sum(len(line) for line in damaged.splitlines())}
    with fresh_duckdb() as con:
        files = RecordFiles.open(con, [tmp_path], MAPPING)
        rows_of(con, files.received_sql())
        assert files.malformed_bytes == expected
    counts = FileRowCounts(4, {"malformed_row": 2}, malformed_bytes=files.malformed_bytes)
    line = rows_line(counts.as_json())
    assert f"malformed: {expected['a.csv']:,} bytes of a.csv" in line
    assert rows_line(FileRowCounts(4).as_json()) == "Rows: 4 read, all counted"
