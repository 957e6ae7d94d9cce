"""Texts become UTC instants: by their offset, or in the mapping's zone, and never with an error."""

from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.core.warehouse.sql_text import instant
from ecom_assets.ingestion.sources.files.mapping import EventMapping
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets_tests.each import each
from ecom_assets_tests.fresh_duckdb import fresh_duckdb
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.ingestion.sources.conftest import (
    SHOP,
    csv_text,
    rows_of,
    write,
    write_parquet,
)

SESSION_ZONES = ["UTC", "America/New_York", "Asia/Kolkata"]


def read_instant(value: str | None, form: str = "iso", zone: str = "UTC") -> str | None:
    """The instant as text; the same whatever zone the session is in."""
    actual = set()
    for session in SESSION_ZONES:
        with fresh_duckdb() as con:
            con.execute(f"SET TimeZone = '{session}'")
            expression = instant("x", [form], zone)
            row = con.execute(
                f"SELECT ({expression})::VARCHAR FROM (SELECT ?::VARCHAR AS x)", [value]
            ).fetchone()
            actual.add(row[0] if row else None)
    [shown] = actual
    return shown


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "utc", "berlin"),  # Berlin is one hour ahead of UTC in January
    [
        ("2026-01-01T10:00:00+02:00", "2026-01-01 08:00:00", "2026-01-01 08:00:00"),
        ("2026-01-01T10:00:00+0200", "2026-01-01 08:00:00", "2026-01-01 08:00:00"),
        ("2026-01-01 10:00:00-05:30", "2026-01-01 15:30:00", "2026-01-01 15:30:00"),
        ("2026-01-01 10:00:00 +02:00", "2026-01-01 08:00:00", "2026-01-01 08:00:00"),
        ("2026-01-01T10:00:00Z", "2026-01-01 10:00:00", "2026-01-01 10:00:00"),
        ("2026-01-01T10:00:00z", "2026-01-01 10:00:00", "2026-01-01 10:00:00"),
        ("2026-01-01 10:00:00 UTC", "2026-01-01 10:00:00", "2026-01-01 10:00:00"),
        ("2026-01-01 10:00:00", "2026-01-01 10:00:00", "2026-01-01 09:00:00"),
        ("2026-01-01T10:00", "2026-01-01 10:00:00", "2026-01-01 09:00:00"),
        ("2026-01-01", "2026-01-01 00:00:00", "2025-12-31 23:00:00"),
        ("2026-01-01 10:00:00.5", "2026-01-01 10:00:00.5", "2026-01-01 09:00:00.5"),
        (
            "2026-01-01 10:00:00.123456789Z",
            "2026-01-01 10:00:00.123456",
            "2026-01-01 10:00:00.123456",
        ),
        ("2026-01-01T23:30:00.25-01:00", "2026-01-02 00:30:00.25", "2026-01-02 00:30:00.25"),
    ],
)
def test_iso_forms(value: str, utc: str, berlin: str) -> None:
    assert read_instant(value) == utc
    assert read_instant(value, zone="Europe/Berlin") == berlin


@pytest.mark.slow
@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "yesterday",
        "2026-13-01",
        "2026-02-30 10:00:00",
        "1767261600",
        "infinity",
        "-infinity",
        "epoch",
        "now",
        "99999-01-01",
        "290000-01-01 00:00:00",
        "2026-01-01 (BC)",
        "2026-01-01T25:00:00Z",
        "2026-01-01T10:00:00+99:00",
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_what_is_no_moment_is_null(value: str | None, zone: str) -> None:
    assert read_instant(value, zone=zone) is None


def test_days_of_23_and_25_hours() -> None:
    # In 2026 Berlin's clocks go forward on March 29 and back on October 25, both at 01:00 UTC.
    for wall, utc in [
        ("2026-03-29 01:59:59", "2026-03-29 00:59:59"),
        ("2026-03-29 03:00:00", "2026-03-29 01:00:00"),
        ("2026-10-25 01:59:59", "2026-10-24 23:59:59"),
        ("2026-10-25 03:00:00", "2026-10-25 02:00:00"),
    ]:
        assert read_instant(wall, zone="Europe/Berlin") == utc
    assert (
        read_instant("2026-03-29 02:30:00", zone="Europe/Berlin") is not None
    )  # does not exist: still a moment
    assert read_instant("2026-11-01 00:30:00", zone="America/New_York") == "2026-11-01 04:30:00"


@each(
    "form, value, expected",
    [
        ("epoch_s", "1659304800", "2022-07-31 22:00:00"),
        ("epoch_s", "1659304800.5", "2022-07-31 22:00:00.5"),
        ("epoch_ms", "1659304800025", "2022-07-31 22:00:00.025"),
        ("epoch_us", "1659304800000025", "2022-07-31 22:00:00.000025"),
        ("epoch_ms", "-1", "1969-12-31 23:59:59.999"),
        ("epoch_us", "9" * 30, None),
        ("epoch_s", "1e300", None),
        ("epoch_s", "soon", None),
        ("%d.%m.%Y %H:%M", "31.07.2022 22:00", "2022-07-31 22:00:00"),
        ("%d/%b/%Y:%H:%M:%S %z", "01/Aug/2022:00:00:00 +0200", "2022-07-31 22:00:00"),
        ("%d.%m.%Y %H:%M", "2022-07-31", None),
    ],
)
def test_numbers_and_own_formats(form: str, value: str, expected: str | None) -> None:
    assert read_instant(value, form) == expected


@examples(120)
@given(st.text(max_size=40), st.sampled_from(["iso", "epoch_s", "epoch_ms", "epoch_us", "%Y %z"]))
def test_no_text_raises(value: str, form: str) -> None:
    with fresh_duckdb() as con:
        con.execute(
            f"SELECT {instant('x', [form], 'Europe/Berlin')} FROM (SELECT ?::VARCHAR AS x)", [value]
        ).fetchall()


def test_several_formats_are_tried_in_their_order(
    tmp_path: Path, con: duckdb.DuckDBPyConnection
) -> None:
    fields = {name: name for name in SHOP[0]} | {
        "event_timestamp": {
            "column": "event_timestamp",
            "format": ["iso", "%d.%m.%Y %H:%M"],
            "timezone": "Europe/Berlin",
        }
    }
    mapping = EventMapping.model_validate({"name": "m", "fields": fields})
    texts = ["2026-07-01 12:00:00", "01.07.2026 12:00", "noon"]
    rows = [{**row, "event_timestamp": text} for row, text in zip(SHOP, texts, strict=True)]
    read = rows_of(
        con,
        RecordFiles.open(con, [write(tmp_path / "e.csv", csv_text(rows))], mapping).received_sql(),
    )
    assert [(str(row["event_at"]), row["event_timestamp"]) for row in read] == [
        ("2026-07-01 10:00:00", texts[0]),
        ("2026-07-01 10:00:00", texts[1]),
        ("None", texts[2]),
    ]


@pytest.mark.parametrize(
    ("typed", "utc"),
    [
        (
            "TIMESTAMP '2026-07-01 12:00:00.25'",
            "2026-07-01 10:00:00.250000",
        ),  # a wall clock in the mapping's zone
        ("TIMESTAMPTZ '2026-07-01 12:00:00+00'", "2026-07-01 12:00:00"),  # an instant
        ("TIMESTAMP_NS '2026-07-01 12:00:00.123456789'", "2026-07-01 10:00:00.123456"),
        ("DATE '2026-07-01'", "2026-06-30 22:00:00"),
        ("'2026-07-01T12:00:00Z'", "2026-07-01 12:00:00"),
    ],
)
@pytest.mark.parametrize("session", SESSION_ZONES)
def test_times_of_parquet(
    tmp_path: Path, con: duckdb.DuckDBPyConnection, typed: str, utc: str, session: str
) -> None:
    file = write_parquet(
        tmp_path / "e.parquet", f"SELECT 'e1' AS id, 'search' AS kind, {typed} AS at, 7 AS who"
    )
    fields = {
        "event_id": "id",
        "event_type": "kind",
        "event_timestamp": {"column": "at", "timezone": "Europe/Berlin"},
    }
    mapping = EventMapping.model_validate({"name": "m", "fields": {**fields, "user_id": "who"}})
    con.execute(f"SET TimeZone = '{session}'")
    [row] = rows_of(con, RecordFiles.open(con, [file], mapping).received_sql())
    assert (str(row["event_at"]), row["user_id"]) == (utc, "7")
