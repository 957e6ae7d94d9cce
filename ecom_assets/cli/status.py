"""`ecom status`: show each table's rows, newest data, last run and failing checks."""

from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ecom_assets.cli.options import Json
from ecom_assets.cli.terminal import print_answer
from ecom_assets.commerce.orders.contracts import UserOrderLog, WaitingOrderDays
from ecom_assets.commerce.orders.held_days import held_day_entry, held_days, held_line
from ecom_assets.commerce.orders.waiting_days import waiting_sentence, with_waiting_lines
from ecom_assets.core.errors import UsageError
from ecom_assets.core.operations.queries import failing_checks, noted_tables
from ecom_assets.core.rows import Row
from ecom_assets.core.settings.intake import STREAM_KINDS, StreamKind
from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.formats import aligned
from ecom_assets.core.warehouse.day_notes import AbsentDays, absent_lines, notes_of, run_writes
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.core.warehouse.raw_slices import held_withdrawals
from ecom_assets.ingestion.collector.segments import segments_folder, unsealed_bytes
from ecom_assets.ingestion.sources.landing import (
    dead_letter_counts,
    dead_letter_folder,
    is_stream,
    landing_folder,
    stream_folder,
    stream_folders,
)
from ecom_assets.ingestion.sources.stream_ledger import ledgers, noted_processes
from ecom_assets.orchestration.registry import ALL, MARTS
from ecom_assets.outputs.serving.places import PublicationStatus, published_state

RunWrite = tuple[datetime, str | None]
"""When a run wrote a table last, and its id."""


def status(as_json: Json = False) -> None:
    """Show each table: rows, newest data, last run, failing checks."""
    settings = load_settings()
    engine = new_engine(settings, read_only=True)
    if not engine.exists():
        lines = [
            f"There is no warehouse yet at {engine.address}; run `ecom run`.",
            *_landing_lines(settings),
        ]
        print_answer([], *lines, as_json=as_json)
        return
    # As runs noted them when they ended: to ask Dagster's storage takes two seconds of imports.
    runs: dict[str, RunWrite] = {
        # Of a later run that failed to write it, only that run is noted.
        name: (
            datetime.fromisoformat(run["written_at"]),
            run["run_id"] if run["is_written"] else None,
        )
        for name, run in noted_tables(settings.home).items()
        if run["written_at"]
    }
    failing = _failing_checks(settings.home)
    with closing(engine.open()):
        # A run that goes on, or was killed, has noted its writes only.
        for name, write in run_writes(engine).items():
            runs[name] = max(runs.get(name, write), write, key=lambda run: run[0])
        published = published_state(settings, MARTS)
        lost, absent = held_withdrawals(engine), notes_of(engine, AbsentDays)
        rows = [_state(engine, contract, runs, failing, published) for contract in ALL]
        for row in rows:
            row["lost_days"] = _days_of(row["table"], lost)
            row["absent_days"] = _days_of(row["table"], absent)
    if as_json:
        print_answer(rows, as_json=True)
        return
    held = [held_line(day) for row in rows for day in row["held_days"]]
    waiting = filter(None, [waiting_sentence(row["waiting_lines"]) for row in rows])
    # A line for each day whose rows a table keeps although the source no longer has them.
    lost_lines = [
        f"{note['source_table']} keeps {note['stored_count']:,} rows of {note['received_date']}, "
        f"of which its source has {note['offered_count']:,} since "
        f"{note['noticed_at']:%Y-%m-%d %H:%M} UTC; put them back, or let them go with `ecom run "
        f"--from {note['received_date']} --to {note['received_date']} --allow-withdrawal`."
        for note in lost
    ]
    lines = [*held, *lost_lines, *absent_lines(absent), *waiting, *_landing_lines(settings)]
    after = [*([""] if lines else []), *lines, *filter(None, [published.found])]
    print_answer(rows, *_drawn(rows), *after, as_json=False)


def _state(
    engine: Engine,
    contract: Contract,
    runs: dict[str, RunWrite],
    failing: dict[str, list[str]],
    published: PublicationStatus,
) -> dict[str, Any]:
    name = contract.qualified_name()
    written_at, run_id = runs.get(name, (None, None))
    row_count, newest, is_orders = None, None, contract is UserOrderLog
    if engine.has(contract):
        day_column = contract.day_column
        newest_day = f"max({engine.quoted(day_column)})" if day_column else "NULL"
        (row,) = engine.query(
            f"SELECT count(*) AS n, {newest_day} AS newest FROM {engine.name_of(contract)}"  # noqa: S608 (names come from contracts)
        )
        row_count, newest = int(row["n"]), row["newest"]
    return {
        "table": name,
        "rows": row_count,
        "newest_day": str(newest) if newest else None,
        "last_run_at": written_at.isoformat(timespec="seconds") if written_at else None,
        "last_run_id": run_id,
        "failing_checks": failing.get(name, []),
        "held_days": [held_day_entry(row) for row in held_days(engine)] if is_orders else [],
        "waiting_lines": engine.rows_of(with_waiting_lines(engine.table(WaitingOrderDays)))
        if is_orders and engine.has(WaitingOrderDays)
        else [],
        "published_rows": published.row_counts.get(name),
    }


def _days_of(table: str, notes: list[Row]) -> list[str]:
    return [str(note["received_date"]) for note in notes if note["source_table"] == table]


def _landing_lines(settings: Settings) -> list[str]:
    """Return lines on what lands here: how far streams are and what they lost,
    and what was refused.
    """
    kinds = [kind for kind in STREAM_KINDS if is_stream(settings, kind)]
    folders = set(stream_folders(settings))
    with suppress(UsageError):  # events are files that nothing lands beside
        folders.add(landing_folder(settings, is_sandbox=True))
    lines = [line for kind in kinds for line in _stream_lines_of(settings, kind)]
    if count := unsealed_bytes(segments_folder(settings.home)):
        lines.append(
            f"{count:,} bytes of collected events have not landed yet; `ecom collect` lands them."
        )
    for folder in sorted(folders):
        if counts := dead_letter_counts(folder).most_common():
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in counts)
            lines.append(f"Refused records are kept in {dead_letter_folder(folder)}: {reasons}.")
    return lines


def _stream_lines_of(settings: Settings, kind: StreamKind) -> list[str]:
    lines = []
    landing = stream_folder(settings, kind)
    for ledger, entry in ledgers(landing).items():
        lost = (
            f"; {entry.lost_count:,} messages were deleted by the broker unread"
            if entry.lost
            else ""
        )
        lines.append(
            f"{entry.topic}/{ledger.partition} is read up to offset {entry.next_offset:,}{lost}."
        )
    for state in noted_processes(landing):
        lag = sum(entry["lag"] for entry in state["partitions"])
        seen = datetime.fromtimestamp(state["at"], UTC).isoformat(timespec="seconds")
        fault = f"; it waits: {state['error']}" if state["error"] else ""
        lines.append(
            f"Process {state['process']} of `ecom stream` had a lag of {lag:,} messages at "
            f"{seen}{fault}."
        )
    command = "ecom stream" if kind == "events" else f"ecom stream --kind {kind}"
    return lines or [f"No message of the stream of {kind} has landed yet; run `{command}`."]


def _failing_checks(home: Path) -> dict[str, list[str]]:
    failing: dict[str, list[str]] = {}
    for check in failing_checks(home)["checks"]:
        name = check["check_name"]
        label = f"{name} (warning)" if check["is_warning"] else name
        failing.setdefault(check["table_name"], []).append(label)
    return failing


def _drawn(rows: list[Row]) -> list[str]:
    lines = [("table", "rows", "newest day", "last run (UTC)", "failing checks")]
    for row in rows:
        count = "-" if row["rows"] is None else f"{row['rows']:,}"
        failing = ", ".join(row["failing_checks"]) or "none"
        newest, last = row["newest_day"] or "-", row["last_run_at"] or "never"
        lines.append((row["table"], count, newest, last, failing))
    return [f" {line}" for line in aligned(lines, to_the_right=(1,))]
