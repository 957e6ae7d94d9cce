r"""A quote within quotes has a backslash before it, as Redshift, MySQL and Spark write CSV."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.ingestion.sources.files.lists import opened_list
from ecom_assets.ingestion.sources.files.mapping import EventMapping
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets_tests.fresh_duckdb import fresh_duckdb
from ecom_assets_tests.hypothesis_settings import examples

TEXTS = st.text(st.sampled_from('"\\, \nabé;'), max_size=8)


def write(path: Path, rows: Sequence[tuple[str, ...]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(
            file, quoting=csv.QUOTE_ALL, doublequote=False, escapechar="\\", lineterminator="\n"
        )
        writer.writerows(rows)
    return path


@examples(100)
@given(texts=st.lists(st.tuples(TEXTS, TEXTS), max_size=6))
def test_all_texts_are_what_python_reads(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str]]
) -> None:
    """The first text cannot be read with doubled quotes, and decides for all."""
    rows = [('5" wide', "a"), *texts]
    path = write(tmp_path_factory.mktemp("quotes") / "f.csv", [("one", "two"), *rows])
    with path.open(encoding="utf-8", newline="") as file:
        expected = [tuple(row) for row in csv.reader(file, doublequote=False, escapechar="\\")][1:]
    with opened_list(path) as listed:
        listed.require_whole()
        found = [(row["one"] or "", row["two"] or "") for row in listed.rows(["one", "two"])]
    assert found == expected == rows


def test_properties_of_events_are_the_json_that_was_written(tmp_path: Path) -> None:
    said = [{"plan": "a", "note": f'size {number} "wide", \\ and more'} for number in range(10)]
    rows = [("id", "kind", "at", "visit", "props")]
    rows += [
        (str(number), "product_view", "2026-02-03 10:00:00", "s1", json.dumps(each))
        for number, each in enumerate(said)
    ]
    mapping = EventMapping.model_validate(
        {
            "name": "own",
            "fields": {
                "event_id": "id",
                "event_type": "kind",
                "event_timestamp": "at",
                "session_id": "visit",
                "properties": "props",
            },
        }
    )
    path = write(tmp_path / "e.csv", rows)
    with fresh_duckdb() as con:
        files = RecordFiles.open(con, [path], mapping)
        columns = "properties, malformed_row"
        found = con.execute(f"SELECT {columns} FROM ({files.received_sql()})").fetchall()
    assert [malformed for _, malformed in found if malformed] == []
    assert sorted(json.loads(text)["note"] for text, _ in found) == sorted(
        each["note"] for each in said
    )


def test_a_text_that_ends_with_a_backslash_stays_as_it_is(tmp_path: Path) -> None:
    r"""`"C:\"` can be read, so nothing says that the backslash means anything."""
    path = tmp_path / "f.csv"
    path.write_text('one,two\n"C:\\","x, y"\n"say ""hi""","D:\\"\n')
    with opened_list(path) as listed:
        assert [tuple(row.values()) for row in listed.rows(["one", "two"])] == [
            ("C:\\", "x, y"),
            ('say "hi"', "D:\\"),
        ]


def test_one_damaged_line_does_not_change_how_the_others_are_read(tmp_path: Path) -> None:
    r"""Read with backslashes, both lines with `\` at the end of a text would be damaged."""
    path = tmp_path / "f.csv"
    path.write_text('one,two\n"C:\\","x"\n"D:\\","y"\n"broken \\" line,1\n')
    with opened_list(path) as listed:
        rows = [tuple(row.values()) for row in listed.rows(["one", "two"])]
        [copy] = listed.cells.copies.values()
    assert rows[:2] == [("C:\\", "x"), ("D:\\", "y")]
    assert copy is not None
    assert copy.damaged_count == 1
