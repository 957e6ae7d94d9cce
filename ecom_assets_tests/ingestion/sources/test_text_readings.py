"""Text files are read as Python's `csv` and `json` read them, whether or not another
line of the file is damaged.
"""

import csv
import gzip
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.core.errors import MappingError, SourceError
from ecom_assets.ingestion.sources.files import damage as file_damage
from ecom_assets.ingestion.sources.files.mapping import EventMapping
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.files.text_blocks import MAX_LINE_BYTES
from ecom_assets_tests.fresh_duckdb import fresh_duckdb
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.ingestion.sources.conftest import (
    SHOP,
    Read,
    csv_text,
    ndjson_text,
    shop_parquet,
    write,
)
from ecom_assets_tests.ingestion.sources.test_malformed_rows import MAPPING, read_tiny

Values = tuple[str | None, ...]

# What lies between the delimiters: bare, in quotes, with line breaks and doubled quotes, blank, or
# no CSV at all.
CELLS = st.lists(
    st.sampled_from(
        [
            "1",
            "x",
            " ",
            "é",
            '""',
            '"',
            '"q,r"',
            '"a\nb"',
            '"a\r\nb"',
            '"a\rb"',
            '"a""b"',
            '"7,8,9"',
            "\t",
        ]
    ),
    max_size=2,
).map("".join)
LINES = st.lists(
    st.tuples(
        st.lists(CELLS, min_size=2, max_size=5).map(",".join),
        st.sampled_from(["\n", "\r\n", "\r", "\r\r\n"]),
    ),
    max_size=6,
)


def as_csv_reads(text: str) -> list[Values] | None:
    """Return the rows of three columns after the header; None where a line is none,
    or quotes do not fit.
    """
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error:
        return None
    # Empty values beyond the last column count for nothing.
    rows = [row[:3] if not any(row[3:]) else row for row in rows[1:]]
    return (
        [tuple(value or None for value in row) for row in rows]
        if all(len(row) == 3 for row in rows)
        else None
    )


@examples(100)
@given(
    LINES,
    st.sampled_from(["", "\n", "\r\n\n", "\ufeff"]),
    st.sampled_from([",", "bad"]),
    st.booleans(),
)
def test_a_csv_is_read_as_python_reads_it_with_and_without_a_damaged_line(
    tmp_path_factory: pytest.TempPathFactory,
    lines: list[tuple[str, str]],
    start: str,
    last: str,
    is_gzip: bool,  # noqa: FBT001 drawn
) -> None:
    body = "a,b,c\n" + "".join(line + end for line, end in lines)
    expected = as_csv_reads(body)
    if (
        expected is None or ' "' in body or '" ' in body
    ):  # blanks around quotes are no part of a value here
        return
    folder = tmp_path_factory.mktemp("csv")
    name = "t.csv.gz" if is_gzip else "t.csv"
    assert _sorted(read_tiny(write(folder / name, start + body))) == _sorted((expected, []))
    damaged = write(folder / "damaged" / name, f"{start}{body}\n{last}\n")
    assert _sorted(read_tiny(damaged)) == _sorted((expected, [last]))


def _sorted(read: tuple[Sequence[Values], list[str]]) -> tuple[list[Values], list[str]]:
    return sorted(read[0], key=repr), read[1]


@examples(100)
@given(LINES)
def test_a_copy_is_read_as_the_file(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, str]]
) -> None:
    # All of the engine's readings, blanks around quotes too: what it takes as it is, it takes the
    # same from a copy.
    file = write(
        tmp_path_factory.mktemp("csv") / "t.csv",
        "a,b,c\n" + "".join(line + end for line, end in lines),
    )
    with fresh_duckdb() as con:
        files = RecordFiles.open(con, [file], MAPPING)
        copies, _ = file_damage.copied_files(con, files.layouts[0][1], files.files())
    if copies[str(file)] is None:
        plain = read_tiny(file)
        assert plain[1] == []
        write(file, file.read_bytes().rstrip(b"\r\n") + b"\nbad")
        assert _sorted(read_tiny(file)) == _sorted((plain[0], ["bad"]))


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(codec="utf-8", exclude_characters="\x00[{"), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2)
    ),
    max_leaves=4,
)


@examples(80)
@given(
    st.lists(
        st.fixed_dictionaries({"a": JSON_VALUES, "b": JSON_VALUES, "c": JSON_VALUES}),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(["\n", "\r\n", "\r", "\r\r\n"]),
    st.sampled_from(["", "\ufeff"]),
    st.booleans(),
)
def test_ndjson_is_read_as_python_reads_it_with_and_without_a_damaged_line(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, object]],
    end: str,
    start: str,
    is_gzip: bool,  # noqa: FBT001 drawn
) -> None:
    rows = [{"a": "first", "b": "x", "c": "y"}, *rows]
    body = "".join(json.dumps(row, ensure_ascii=len(rows) % 2 == 0) + end for row in rows)
    folder = tmp_path_factory.mktemp("json")
    name = "t.ndjson.gz" if is_gzip else "t.ndjson"
    expected = sorted([tuple(as_text(row[name]) for name in "abc") for row in rows], key=repr)
    mapping = MAPPING.model_copy(update={"other_columns": "ignore"})
    assert _json_rows(write(folder / name, start + body), mapping) == (expected, 0)
    assert _json_rows(write(folder / "damaged" / name, start + body + "{bad" + end), mapping) == (
        expected,
        1,
    )


def as_text(value: object) -> str | None:
    """Return a JSON value as the text that is kept of it; lists and objects in one way
    of the many to write them.
    """
    if isinstance(value, str):
        return value or None
    return None if value is None else json.dumps(value, sort_keys=True)


def _json_rows(file: Path, mapping: EventMapping) -> tuple[list[Values], int]:
    with fresh_duckdb() as con:
        sql = RecordFiles.open(con, [file], mapping).received_sql()
        rows = con.execute(
            f"SELECT event_id, event_type, event_timestamp, malformed_row FROM ({sql})"
        ).fetchall()
    good = [tuple(_same_way(value) for value in row[:3]) for row in rows if row[3] is None]
    return sorted(good, key=repr), sum(row[3] is not None for row in rows)


def _same_way(value: str | None) -> str | None:
    is_nested = value is not None and value.startswith(("[", "{"))
    return as_text(json.loads(value)) if value is not None and is_nested else value


def test_a_lone_carriage_return_costs_no_byte_of_the_next_record(tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", "a,b,c\r\ne1,x,1\r\ne2,x,1\re3,x,1\r\nbad\r\ne4,x,1\r\n")
    assert read_tiny(file) == ([(f"e{n}", "x", "1") for n in (1, 2, 3, 4)], ["bad"])


def test_a_record_over_several_lines_stays_whole_beside_a_damaged_line(tmp_path: Path) -> None:
    # The second line of the first record looks like a record of its own.
    file = write(tmp_path / "t.csv", 'a,b,c\n1,"x\n7,8,9\r\ny",3\nbad\n4," z ",5\n')
    assert read_tiny(file) == ([("1", "x\n7,8,9\r\ny", "3"), ("4", " z ", "5")], ["bad"])


@pytest.mark.parametrize("columns", [3, 1001, 3000])
def test_a_damaged_line_among_many_columns_is_kept(tmp_path: Path, columns: int) -> None:
    more = [f"c{number}" for number in range(columns - 3)]
    mapping = tmp_path / "m.yaml"
    mapping.write_text(
        "other_columns: ignore\n"
        "fields: {event_id: a, event_type: b, event_timestamp: c, user_id: b}\n"
    )
    lines = [
        ",".join(["a", "b", "c", *more]),
        *(",".join([f"e{n}", '"x"', "1", *more]) for n in (1, 2)),
        "bad",
    ]
    with fresh_duckdb() as con:
        sql = RecordFiles.open(
            con, [write(tmp_path / "t.csv", "\n".join(lines))], _own(mapping)
        ).received_sql()
        assert con.execute(
            f"SELECT event_id, malformed_row FROM ({sql}) ORDER BY 1"
        ).fetchall() == [
            ("e1", None),
            ("e2", None),
            (None, "bad"),
        ]


def _own(mapping: Path) -> EventMapping:
    from ecom_assets.ingestion.sources.files.mapping import load_mapping  # noqa: PLC0415 (only here)

    return load_mapping(str(mapping))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.ndjson"])
def test_a_line_of_17_mb_is_quarantined_with_its_start_and_its_length(
    tmp_path: Path, read: Read, name: str
) -> None:
    written = csv_text(SHOP) if "csv" in name else ndjson_text(SHOP)
    rows = read(write(tmp_path / name, written + "x" * 17_000_000 + "\n"))
    assert [row["event_id"] for row in rows] == ["e1", "e2", "e3", None]
    kept = rows[3]["malformed_row"]
    assert kept == "x" * (1 << 20) + " (cut: the line has 17000000 bytes)"
    assert MAX_LINE_BYTES == 16_777_216


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.ndjson", "t.ndjson.gz"])
def test_nul_costs_its_line_only(tmp_path: Path, read: Read, name: str) -> None:
    written = csv_text(SHOP) if "csv" in name else ndjson_text(SHOP)
    rows = read(write(tmp_path / name, written.replace("bob", "b\0b")))
    assert [row["event_id"] for row in rows] == ["e1", "e2", None]
    assert "b\\x00b" in rows[2]["malformed_row"]


@pytest.mark.slow
@pytest.mark.parametrize("position", [0, 2])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"k":', "}")])
def test_a_deep_line_is_quarantined_alone(
    tmp_path: Path, read: Read, position: int, opening: str, closing: str
) -> None:
    lines = ndjson_text(SHOP).splitlines()
    for depth, expected in ((499, 0), (500, 1), (1000, 1), (100_000, 1)):
        inner = opening * depth + "1" + closing * depth
        deep = lines[position][:-1] + f', "properties": {inner}' + "}"
        rows = read(
            write(
                tmp_path / "t.ndjson", "\n".join([*lines[:position], deep, *lines[position + 1 :]])
            )
        )
        assert [row["malformed_row"] for row in rows if row["malformed_row"]] == [deep] * expected
        assert len(rows) == 3


def test_many_brackets_side_by_side_are_not_deep(tmp_path: Path, read: Read) -> None:
    wide = {**SHOP[0], "properties": [{"n": n, "text": "[[["} for n in range(2000)]}
    deep = ndjson_text(SHOP[1:2])[:-2] + ', "properties": ' + "[" * 600 + "]" * 600 + "}"
    rows = read(write(tmp_path / "t.ndjson", ndjson_text([wide]) + deep + "\n"))
    assert [(row["event_id"], row["malformed_row"]) for row in rows] == [("e1", None), (None, deep)]


@pytest.mark.slow
@pytest.mark.parametrize("rows", [10, 60_000])
@pytest.mark.parametrize("name", ["t.csv.gz", "t.ndjson.gz"])
def test_a_gzip_file_that_gunzip_refuses_is_refused_too(
    tmp_path: Path, read: Read, name: str, rows: int
) -> None:
    many = [{**SHOP[0], "event_id": f"e{number * 7919 % 100_003}"} for number in range(rows)]
    packed = gzip.compress(
        (csv_text(many) if "csv" in name else ndjson_text(many)).encode(), mtime=0
    )
    read(_placed(tmp_path / name, packed))
    for position in (len(packed) // 3, len(packed) * 4 // 5, len(packed) - 7, len(packed) - 2):
        flipped = bytearray(packed)
        flipped[position] ^= 4
        for broken in (bytes(flipped), packed[:position]):
            with pytest.raises(SourceError, match=f"{name} is a damaged or cut-off gzip file"):
                read(_placed(tmp_path / name, broken))
    assert (
        len(read(_placed(tmp_path / name, packed + gzip.compress(b"\n")))) == rows
    )  # of two members


def _placed(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_quotes_that_never_end_cost_time_that_grows_with_the_file_only(tmp_path: Path) -> None:
    # Each of 30,000 lines opens quotes that close in the next line, so each record would reach to
    # the end of the file.
    file = write(tmp_path / "t.csv", "a,b,c\n" + 'a","b\n' * 30_000 + "1,2,3\n")
    good, damaged = read_tiny(file)
    assert (len(good), len(damaged)) == (1, 30_000)


def test_ids_that_a_type_would_round_are_refused(tmp_path: Path, read: Read) -> None:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    table = pq.read_table(shop_parquet(tmp_path / "e.parquet"))

    def with_users(users: pa.Array) -> Path:
        position = table.column_names.index("user_id")
        pq.write_table(table.set_column(position, "user_id", users), tmp_path / "u.parquet")
        return tmp_path / "u.parquet"

    big = [10**59 + 1, 10**59 + 2, None]
    with pytest.raises(MappingError, match=r"'user_id' of u.parquet is DECIMAL\(60, 0\)"):
        read(
            with_users(
                pa.array([None if number is None else str(number) for number in big]).cast(
                    pa.decimal256(60, 0)
                )
            )
        )
    for kind, first in ((pa.float64(), 2.0**53), (pa.float32(), 2.0**24)):
        assert len(read(with_users(pa.array([first, None, 5.0], kind)))) == 3
        with pytest.raises(
            MappingError, match=r"is (DOUBLE|FLOAT) and holds numbers that this type rounds"
        ):
            read(with_users(pa.array([first * 4, None, 5.0], kind)))
    for whole, largest in ((pa.uint64(), 2**64 - 1), (pa.int64(), 2**63 - 1)):
        rows = read(with_users(pa.array([largest, largest - 1, None], whole)))
        assert [row["user_id"] for row in rows] == [str(largest), str(largest - 1), None]


def test_a_file_whose_name_is_not_utf8_is_refused_by_that_name(tmp_path: Path, read: Read) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.csv")).write_text(csv_text(SHOP))
    with pytest.raises(SourceError, match=r"caf\\xe9\.csv is not UTF-8; rename it"):
        read(tmp_path)


@pytest.mark.parametrize("columns", ["x" * 140_000, "x" * 400_000, '"never closed'])
def test_a_header_that_cannot_be_read_is_refused(tmp_path: Path, read: Read, columns: str) -> None:
    file = write(
        tmp_path / "e.csv", csv_text(SHOP).replace("cart_value", f"cart_value,{columns}", 1)
    )
    with pytest.raises((SourceError, MappingError), match=r"e\.csv") as refusal:
        read(file)
    assert len(str(refusal.value)) < 500
