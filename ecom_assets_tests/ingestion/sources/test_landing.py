"""The landing folder of events: where it is, and that a name is taken once."""

import threading
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from ecom_assets.core.errors import UsageError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.events import open_events
from ecom_assets.ingestion.sources.landing import (
    LANDED,
    NEXT_OFFSET,
    day_folder,
    dead_letter_folder,
    footer_of,
    land,
    landing_folder,
    stream_file_name,
)

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def events(*ids: str) -> pa.Table:
    row = {
        "user_id": "ann",
        "event_type": "page_view",
        "event_timestamp": "2026-11-24T11:59:58Z",
        "received_at": NOON,
    }
    optional = {
        "anonymous_id": "device-1",
        "user_agent": "Firefox",
        "properties": '{"colour": "red"}',
    }
    return pa.Table.from_pylist(
        [{**row, **optional, "event_id": event_id} for event_id in ids], schema=LANDED
    )


def settings_with(home: Path, **values: str) -> Settings:
    return Settings(home=home, **values)  # type: ignore[arg-type]  # pydantic reads texts


def test_a_stream_lands_in_the_home_and_files_in_their_own_folder(tmp_path: Path) -> None:
    streamed = settings_with(tmp_path, events="kafka://broker:9092/shop.events")
    assert landing_folder(streamed) == tmp_path / "landing" / "events"
    assert (
        landing_folder(settings_with(tmp_path, events=str(tmp_path / "shop"))) == tmp_path / "shop"
    )
    sandbox = settings_with(tmp_path)
    assert landing_folder(sandbox, is_sandbox=True) == sandbox.sandbox_folder / "events"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, "ECOM_EVENTS is not set"),
        ({"events": "shop,archive"}, "one local folder"),
        ({"events": "shop/*.parquet"}, "one local folder"),
        ({"events": "snowflake://SHOP.PUBLIC.EVENTS"}, "one local folder"),
        ({"events": "shop", "events_mapping": "posthog"}, "folder of their own"),
    ],
)
def test_events_do_not_land_where_they_would_not_be_read(
    tmp_path: Path, values: dict[str, str], reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        landing_folder(settings_with(tmp_path, **values))


def test_the_platform_reads_what_landed_and_no_dead_letters(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, events=str(tmp_path / "shop"))
    folder = landing_folder(settings)
    name = stream_file_name("Qx1", 0, 100)
    assert land(
        events("a", "b"), day_folder(folder, date(2026, 11, 24)) / name, {NEXT_OFFSET: "102"}
    )
    assert land(events("bad"), day_folder(dead_letter_folder(folder), date(2026, 11, 24)) / name)
    con = duckdb.connect()
    files = open_events(con, settings, [str(folder)])
    columns = "event_id, anonymous_id, user_agent, properties, received_at, received_date"
    rows = con.execute(
        f"SELECT {columns} FROM ({files.received_sql()}) ORDER BY event_id"
    ).fetchall()
    rest = (
        "device-1",
        "Firefox",
        '{"colour": "red"}',
        NOON.replace(tzinfo=None),
        date(2026, 11, 24),
    )
    assert rows == [("a", *rest), ("b", *rest)]


def test_the_second_writer_of_a_start_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / stream_file_name("Qx1", 3, 100)
    assert target.name == "kafka-Qx1-3-00000000000000000100.parquet"
    assert land(events("a", "b"), target, {NEXT_OFFSET: "102"})
    assert not land(events("a"), target, {NEXT_OFFSET: "101"})
    assert footer_of(target)[NEXT_OFFSET] == "102"
    assert list(tmp_path.iterdir()) == [target]


def test_of_many_writers_at_the_same_moment_exactly_one_publishes(tmp_path: Path) -> None:
    target, together, outcomes = tmp_path / "day" / "x.parquet", threading.Barrier(8), []

    def write(number: int) -> None:
        together.wait()
        outcomes.append((land(events("a"), target, {NEXT_OFFSET: str(number)}), number))

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    published = [number for is_published, number in outcomes if is_published]
    assert [footer_of(target)[NEXT_OFFSET]] == [str(number) for number in published]
    assert list(target.parent.iterdir()) == [target]
