"""Which copy of an event counts is said once: tables, questions over files and real time follow
`EVENT_COPIES`, so that a change of it is a change of one file.
"""

import json
import os
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pytest

from ecom_assets.behaviour.events import clean
from ecom_assets.behaviour.events.contracts import CleanEvents, RawEvents
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.copies import CopyRule, counted_copies
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import connect
from ecom_assets.core.warehouse.table_statements import TABLE_STATEMENTS
from ecom_assets.ingestion.sources.files.events import FileEvents
from ecom_assets_tests.builders import as_table, at, received
from ecom_assets_tests.each import each
from ecom_assets_tests.outputs.serving.conftest import real_time
from ecom_assets_tests.platform import Platform

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
COPIES = {"2026-03-10T11:57:00": "11:40", "2026-03-10T11:59:00": "11:58"}
"""When each copy of an event arrived, and when it happened by its own words."""
EARLIER, LATER = COPIES.values()


def last_arrived_first(rows: ir.Table) -> list[ir.Value]:
    """Return sort keys of copies by which the last to arrive counts, not the first."""
    return [rows.received_at.desc(), rows.event_at]


def counted(folder: Path) -> dict[str, list[str]]:
    """Return when the event happened by tables, by a question over files, and by real time."""
    rows = [
        {
            "event_id": "e",
            "user_id": "anna",
            "event_type": "page_view",
            "event_timestamp": f"2026-03-10T{clock}:00",
            "received_at": arrived,
        }
        for arrived, clock in COPIES.items()
    ]
    path = folder / "events.ndjson"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    os.utime(path, (NOON.timestamp(), NOON.timestamp()))
    day = Days((NOON.date(),))
    arrivals = [
        received(
            "e",
            at(clock, day.first),
            received_date=day.first,
            received_at=datetime.fromisoformat(arrived),
        )
        for arrived, clock in COPIES.items()
    ]
    with closing(Platform()) as platform:
        platform.receive(arrivals, day)
        platform.run(day, only=("duplicate_events", "quarantined_events", "events"))
        in_tables = [row["event_at"] for row in platform.rows(CleanEvents)]
    files = FileEvents.open([str(path)], Settings(home=folder / "home")).clean()
    in_files = [row["event_at"] for row in files.select("event_at").to_pyarrow().to_pylist()]
    live = real_time(Settings(home=folder / "home", events=str(path)), NOON)
    return {
        "tables": [f"{moment:%H:%M}" for moment in in_tables],
        "files": [f"{moment:%H:%M}" for moment in in_files],
        "real time": [f"{live['newest_event_at']:%H:%M}"],
    }


@pytest.mark.slow
def test_every_face_counts_the_copy_that_the_rule_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is changed here is of the package's source, which kept statements go by.
    monkeypatch.setattr(TABLE_STATEMENTS, "is_on", False)
    monkeypatch.setattr(TABLE_STATEMENTS, "keep_statements", lambda **_: None)
    first = counted(tmp_path)
    assert first == {face: [EARLIER] for face in first}
    changed = CopyRule(clean.EVENT_COPIES.record, last_arrived_first)
    monkeypatch.setattr(clean, "EVENT_COPIES", changed)
    assert counted(tmp_path) == {face: [LATER] for face in first}


PUBLISHED = [
    name for name in (*clean.PAYLOAD, "received_at", "source_file", "sent_by") if name != "event_id"
]


@pytest.mark.slow
@each("name", PUBLISHED)
def test_copies_that_differ_in_one_column_are_decided_whatever_their_order(name: str) -> None:
    row = received("e", at("09:00"), received_at=at("09:01"), sent_by="key:1")
    other = row | {name: at("09:02") if name == "received_at" else "zzz"}
    kept = []
    for rows in ([row, other], [other, row]):
        con = connect()
        con.con.register("copies", as_table(rows, RawEvents))
        copies = con.table("copies").mutate(clean_event_id=ibis.literal("e"))
        result = counted_copies(copies, clean.EVENT_COPIES)
        kept.append(con.to_pyarrow(result.select(name)).to_pylist())
    assert len(kept[0]) == 1
    assert kept[0] == kept[1]
