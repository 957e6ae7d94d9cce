"""Every row of the files is in raw, and a run that loses one on the way
stops and says of which file.
"""

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pytest

from ecom_assets.core.tables.check import CheckResult, TableCheck
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import schema_of
from ecom_assets.core.tables.received import FileRows
from ecom_assets.core.warehouse.day_notes import ErasedRows, Withdrawals
from ecom_assets.ingestion.sources.checks import file_row_checks
from ecom_assets.ingestion.sources.events import received_rows
from ecom_assets.ingestion.sources.files.mapping import load_mapping
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets_tests.command import FEW_SALES, FEW_TABLES, ecom, page_views
from ecom_assets_tests.fresh_duckdb import fresh_duckdb

NAME = "every_row_of_the_files_is_in_raw"
ONE, TWO = date(2026, 1, 1), date(2026, 1, 2)
ORDERS = (
    "id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,quantity,payment_amount\n"
    "1,l1,2026-01-01T10:00:00Z,1,Bern,c1,Ann,A,i1,Lamp,1,19.90\n"
    "2,l2,2026-01-01T11:00:00Z,1,Bern,c2,Bob,B,i1,Lamp,1,19.90\n"
)


class Files:
    """A source of files with certain rows."""

    def __init__(self, *files: FileRows) -> None:
        self.files = list(files)

    def file_rows(self, _days: Days | None) -> list[FileRows] | None:
        """Return them, whatever the days."""
        return self.files


class NoFiles:
    """A source that is a table, or an API."""

    @staticmethod
    def file_rows(_days: Days | None) -> list[FileRows] | None:
        """Return nothing to compare with."""
        return None


def raw(counts: Mapping[tuple[str, date], int]) -> ir.Table:
    rows = [
        {"source_file": file, "received_date": day}
        for (file, day), count in counts.items()
        for _ in range(count)
    ]
    return ibis.memtable(
        rows, schema=ibis.schema({"source_file": "string", "received_date": "date"})
    )


def held(*days: date) -> ir.Table:
    at = datetime(2026, 1, 3)  # noqa: DTZ001 (UTC without saying so)
    note = {
        "source_table": "raw.events",
        "stored_count": 5,
        "offered_count": 0,
        "noticed_at": at,
        "withdrawn_at": None,
    }
    return ibis.memtable(
        [{"received_date": day, "run_id": "r", **note} for day in days],
        schema=schema_of(Withdrawals),
    )


def left_out(counts: Mapping[tuple[str, date], int]) -> ir.Table:
    rows = [
        {
            "received_date": day,
            "source_table": "raw.events",
            "source_file": file,
            "erased_count": count,
        }
        for (file, day), count in counts.items()
    ]
    return ibis.memtable(rows, schema=schema_of(ErasedRows))


def result(
    source: object,
    rows: ir.Table,
    withdrawn: ir.Table | None = None,
    days: Days | None = None,
    erased: ir.Table | None = None,
) -> CheckResult:
    events: TableCheck = file_row_checks()[0]
    actual: CheckResult = events.evaluate(
        Days((ONE, TWO)) if days is None else days,
        rows,
        held() if withdrawn is None else withdrawn,
        left_out({}) if erased is None else erased,
        source,
    )
    return actual


def test_rows_of_erased_people_are_counted_with_those_that_came_in() -> None:
    source = Files(FileRows("a.csv", 5, {ONE: 3, TWO: 2}))
    came = raw({("a.csv", ONE): 1, ("a.csv", TWO): 2})
    assert result(source, came, erased=left_out({("a.csv", ONE): 2})) == CheckResult(0, 5)
    assert result(source, came, erased=left_out({("a.csv", ONE): 1})).broken_count == 1


def test_as_many_rows_of_each_file_and_day_as_were_counted() -> None:
    # 3 rows of a on 1 January, 2 of it and 4 of b on the 2nd: 9.
    source = Files(FileRows("a.csv", 5, {ONE: 3, TWO: 2}), FileRows("b.csv", 4, {TWO: 4}))
    actual = result(source, raw({("a.csv", ONE): 3, ("a.csv", TWO): 2, ("b.csv", TWO): 4}))
    assert (actual.broken_count, actual.looked_at_count) == (0, 9)


def test_a_row_that_is_lost_and_one_too_many_are_reported_per_file_and_day() -> None:
    source = Files(FileRows("a.csv", 5, {ONE: 3, TWO: 2}), FileRows("b.csv", 4, {TWO: 4}))
    actual = result(source, raw({("a.csv", ONE): 3, ("a.csv", TWO): 1, ("b.csv", TWO): 5}))
    assert [list(example.values()) for example in actual.examples] == [
        ["a.csv", TWO, 2, 1],
        ["b.csv", TWO, 4, 5],
    ]
    sentence = actual.metadata["sentence"]
    assert sentence.startswith(
        "a.csv has 2 rows of 2026-01-02, and raw.events has 1 (and 1 more differences); "
    )


def test_rows_without_an_arrival_day_and_rows_of_no_file_are_reported() -> None:
    actual = result(
        Files(FileRows("a.csv", 5, {ONE: 3})), raw({("a.csv", ONE): 3, ("gone.csv", ONE): 1})
    )
    assert [list(example.values()) for example in actual.examples] == [
        ["a.csv", None, 5, 3],
        ["gone.csv", ONE, 0, 1],
    ]
    assert actual.metadata["sentence"].startswith(
        "a.csv has 5 rows, and 3 of them have an arrival day (and 1 more"
    )


def test_days_of_other_runs_and_days_that_are_held_are_no_matter_of_it() -> None:
    source = Files(FileRows("a.csv", 5, {ONE: 3, TWO: 2}))
    assert result(source, raw({("a.csv", TWO): 2}), days=Days((TWO,))).looked_at_count == 2
    # The source has lost the rows of the 1st, so raw kept the 7 that it had.
    assert (
        result(source, raw({("old.csv", ONE): 7, ("a.csv", TWO): 2}), held(ONE)).broken_count == 0
    )
    assert result(source, raw({("old.csv", ONE): 7, ("a.csv", TWO): 2})).broken_count == 2


def test_a_source_without_files_has_nothing_to_compare() -> None:
    assert result(NoFiles(), raw({("snowflake", ONE): 7})) == CheckResult(0, 0)


def lossy(received: Callable[..., str]) -> Callable[..., str]:
    """Return a reading that loses Ann's first record on the way."""

    def read(*arguments: object) -> str:
        return (
            f"SELECT * FROM ({received(*arguments)}) QUALIFY row_number() OVER (ORDER BY "
            "source_file, received_at) > 1"
        )

    return read


@pytest.mark.slow
def test_a_run_stops_where_a_row_was_lost_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = page_views(tmp_path / "own.csv", "2026-01-01", "2026-01-01", "2026-01-01")
    monkeypatch.setattr("ecom_assets.ingestion.sources.events.received_rows", lossy(received_rows))
    output = ecom("run", "--json", "--events", events, *FEW_TABLES, home=tmp_path / "home")
    assert output.exit_code == 1
    assert "own.csv has 3 rows of 2026-01-01, and raw.events has 2; " in output.out + output.err
    assert not output.json["tables"].get("mart.sessions")
    monkeypatch.undo()
    again = ecom("run", "--json", "--events", events, *FEW_TABLES, home=tmp_path / "home")
    assert (again.exit_code, again.json["tables"]["raw.events"]) == (0, 3)


@pytest.mark.slow
def test_a_run_stops_where_an_order_line_was_lost_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = tmp_path / "o.csv"
    orders.write_text(ORDERS)
    monkeypatch.setattr(
        "ecom_assets.ingestion.sources.order_reports.source.received_rows", lossy(received_rows)
    )
    output = ecom("run", "--json", "--orders", orders, *FEW_SALES, home=tmp_path / "home")
    assert output.exit_code == 1
    assert (
        "o.csv has 2 rows of 2026-01-01, and raw.user_order_log has 1; " in output.out + output.err
    )


@pytest.mark.parametrize("damage", ["", "only,two\n", 'e9,"open\n', "\x00\n"])
def test_rows_are_counted_beside_damage_too(tmp_path: Path, damage: str) -> None:
    events = page_views(tmp_path / "own.csv", "2026-01-01", "2026-01-02")
    events.write_text(events.read_text() + damage)
    with fresh_duckdb() as con:
        [actual] = RecordFiles.open(con, [events], load_mapping("ecommerce")).file_rows()
    assert (actual.row_count, sum(actual.by_day.values())) == (2 + bool(damage), 2 + bool(damage))


@pytest.mark.parametrize("lists", [([1, 2, 3], [4]), ([1], []), ([1, 2], "none")])
@pytest.mark.parametrize("kind", ["ndjson", "parquet"])
def test_records_with_a_list_are_as_many_rows_as_it_has(
    tmp_path: Path, lists: tuple[object, ...], kind: str
) -> None:
    # OTTO's sessions: a list of events each. What is no list is one row, which is refused.
    events = [
        [{"aid": aid, "ts": 1659304800025, "type": "clicks"} for aid in part]
        if isinstance(part, list)
        else None
        for part in lists
    ]
    lines = [
        json.dumps({"session": number, "events": event}) for number, event in enumerate(events)
    ]
    (tmp_path / "o.ndjson").write_text("\n".join(lines) + "\n")
    with fresh_duckdb() as con:
        file = tmp_path / f"o.{kind}"
        if kind == "parquet":
            con.execute(f"COPY (SELECT * FROM read_json('{tmp_path / 'o.ndjson'}')) TO '{file}'")
        files = RecordFiles.open(con, [file], load_mapping("otto"))
        [actual], read = (
            files.file_rows(),
            con.execute(f"SELECT count(*) FROM ({files.received_sql()})").fetchone(),
        )
    expected = sum(len(part) if isinstance(part, list) else 1 for part in lists)
    assert (actual.row_count, sum(actual.by_day.values()), read) == (
        expected,
        expected,
        (expected,),
    )
