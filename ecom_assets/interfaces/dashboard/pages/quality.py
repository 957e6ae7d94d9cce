"""Data quality: outcomes of received rows, reject reasons, held days, failing checks,
and how fresh the tables are.
"""

from datetime import UTC, datetime
from typing import Any, Final

from ecom_assets.behaviour.events.contracts import DuplicateEvents
from ecom_assets.behaviour.events.queries import WHO
from ecom_assets.commerce.quality.queries import OUTCOMES
from ecom_assets.commerce.quality.reasons import sentence_of
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.rows import Row
from ecom_assets.core.tables.contract import HIDDEN
from ecom_assets.ingestion.uploads.store import name_as_sent
from ecom_assets.interfaces.api.routes import operation, quality
from ecom_assets.interfaces.dashboard import charts
from ecom_assets.interfaces.dashboard.blocks import (
    Block,
    Chart,
    Custom,
    DataTable,
    Notice,
    Several,
    TableColumn,
    Tiles,
)
from ecom_assets.interfaces.dashboard.formats import formatted, in_words
from ecom_assets.interfaces.dashboard.page import (
    Action,
    ActionRequest,
    DashboardPage,
    Filters,
    Section,
    View,
)

COUNTS: Final = ("received_count", *OUTCOMES, "residue_count")
DAYS: Final = TableColumn.from_fields(quality.DayCounts, "accounted_date", "source", *COUNTS)
OUTCOME_ROWS: Final = (
    *TableColumn.from_fields(quality.DayCounts, "accounted_date", "source"),
    TableColumn("outcome", "Outcome"),
    TableColumn.from_field(quality.Reason, "row_count"),
)
REASONS: Final = (
    TableColumn("label", "Reason", href="address"),
    TableColumn.from_field(quality.Reason, "source"),
    TableColumn.from_field(quality.Reason, "row_count", bar="share"),
    *TableColumn.from_fields(
        quality.Reason, "refused_amount", "unread_amount_count", "first_date", "last_date"
    ),
)
CONFLICTS: Final = (
    *TableColumn.from_fields(quality.ConflictingEvent, "event_date"),
    TableColumn("source_event_id", "Id as received"),
    TableColumn("event_id", "Counts as"),
    TableColumn("who", "Who"),
    *TableColumn.from_fields(
        quality.ConflictingEvent, "event_type", "product_id", "cart_amount", "sent_by"
    ),
)
CHECKS: Final = (
    TableColumn.from_field(operation.FailingCheck, "table_name"),
    TableColumn("label", "Check"),
    TableColumn("said", "What was seen"),
    *TableColumn.from_fields(operation.FailingCheck, "observed", "limit", "failing_since"),
)
TABLES: Final = (
    *TableColumn.from_fields(
        operation.TableState, "table_name", "row_count", "newest_date", "written_at"
    ),
    TableColumn("state", "Last run"),
)
HELD_REASONS: Final = {
    "too_few_customers": "Too few customers: {observed_count} of more than {limit_count}",
    "report_missing": "No order report came",
}
SAMPLE_COLUMNS: Final = {
    "events": (
        "event_id",
        "event_type",
        "event_timestamp",
        "user_id",
        "product_id",
        "cart_value",
        "source_file",
    ),
    "orders": (
        "uniq_id",
        "date_time",
        "customer_id",
        "item_id",
        "received_quantity",
        "received_payment_amount",
        "status",
        "source_file",
    ),
}
"""What is shown of a sample row; the CSV has all of its columns."""
NEWEST: Final = 14
"""Rows of days and sources that are shown; the CSV has all."""


class QualityFilters(Filters):
    """Which quarantined rows to show."""

    source: str | None = None
    reason: str | None = None


def totals(view: View) -> Block:
    """Return the numbers of received rows and of their outcomes, over both sources."""
    sources = view.answer(quality.row_accounting, limit=1)["sources"]
    known = {
        name: [source[name] for source in sources if source[name] is not None] for name in COUNTS
    }
    sums = {name: sum(counts) if counts else None for name, counts in known.items()}
    tiles, lost = Tiles.from_fields(quality.ReceivedRowCounts, sums, COUNTS), sums["residue_count"]
    if not lost:
        return tiles
    notice = Notice(
        f"{lost:,} rows are in no table. Run `ecom run` over these days, and see which check "
        "fails.",
        "bad",
    )
    return Several((notice, tiles))


def by_day(view: View) -> Block:
    """Return the outcomes of the rows of each day, as bars and as a table."""
    answer = view.answer(quality.row_accounting)
    outcomes = [
        {**day, "outcome": column.label, "row_count": day[column.name]}
        for day in answer["days"]
        for column in DAYS
        if column.name in OUTCOMES[1:] and day[column.name]
    ]
    day, count, outcome = (
        charts.days_of_bars("accounted_date"),
        charts.number("row_count", "count"),
        charts.names("outcome"),
    )
    return Several(
        (
            Chart(
                charts.coloured_bars(day, count, outcome, OUTCOME_ROWS),
                outcomes,
                OUTCOME_ROWS,
                "Bars of each day: rows that are refused, left out as copies, or held.",
                height=220,
                empty="Every received row of these days is clean.",
                note="Clean rows are left out of the chart; the table below has them.",
            ),
            DataTable(
                answer["days"][::-1][:NEWEST],
                DAYS,
                csv=view.csv("/analytics/quality"),
                definition=answer["definition"]["days"],
                note=(
                    f"{_newest(len(answer['days']))}received = counted + refused + copies left "
                    "out + held"
                ),
            ),
        )
    )


def _newest(count: int) -> str:
    return f"The newest {NEWEST} of {count:,}: " if count > NEWEST else ""


def reasons(view: View) -> Block:
    """Return the quarantined rows by reason; each reason leads to its rows."""
    answer = view.answer(quality.row_accounting, limit=1)
    most = max((row["row_count"] for row in answer["reasons"]), default=1)
    rows = [
        {
            **row,
            "label": in_words(row["reject_reason"]),
            "share": row["row_count"] / most,
            "address": view.here(source=row["source"], reason=row["reject_reason"])
            + SAMPLE_ROWS.anchor,
        }
        for row in answer["reasons"]
    ]
    return DataTable(
        rows,
        REASONS,
        empty="No row of these days is refused.",
        definition=answer["definition"]["reasons"],
    )


def samples(view: View) -> Block:
    """Return sample rows of the chosen reason."""
    if not view.filters.reason:
        return Notice("Choose a reason above to see some of its rows as they came.", "info")
    source = "orders" if view.filters.source == "orders" else "events"
    parameters: dict[str, Any] = {"source": source, "reason": view.filters.reason}
    home = view.request.app.state.settings.home
    rows = [
        {**row, "source_file": name_as_sent(home, row["source_file"] or "")}
        for row in view.answer(quality.quarantined_samples, **parameters)["samples"]
    ]
    day = "accounted_date" if source == "events" else "received_date"
    columns = [
        TableColumn(day, "Day", "date"),
        *(TableColumn(name, in_words(name)) for name in SAMPLE_COLUMNS[source]),
    ]
    if any(row["malformed_row"] for row in rows):
        columns.append(TableColumn("malformed_row", "Line as it came"))
    note = f"{sentence_of(view.filters.reason)} Shown are the first five rows of each day."
    hidden = (
        f" {HIDDEN} is personal data, which a key that may see people shows."
        if _has_hidden(rows)
        else ""
    )
    return DataTable(
        rows,
        columns,
        csv=view.csv("/analytics/quality/samples", **parameters, limit=1000),
        note=note + hidden,
    )


def conflicts(view: View) -> Block:
    """Return the events that share an id and disagree, each with who, what,
    the amount and its sender.
    """
    if DuplicateEvents.qualified_name() not in view.context.reading.published.tables:
        return Notice(
            "Postgres has the marts only; `ecom doctor` shows events that share an id.", "info"
        )
    answer = view.answer(quality.conflicting_events)
    rows = [
        {**row, "who": next((row[name] for name in WHO if row[name]), None)}
        for row in answer["conflicts"]
    ]
    return DataTable(
        rows,
        CONFLICTS,
        csv=view.csv("/analytics/quality/conflicts", limit=1000),
        definition=answer["definition"]["conflicts"],
        empty="No events of these days share an id and disagree.",
        note=(
            "All of them count. If one is not yours, look at who sent it; else give each "
            "event an id of its own."
        )
        + (
            f" {HIDDEN} is personal data, which a key that may see people shows."
            if _has_hidden(rows)
            else ""
        ),
    )


def _has_hidden(rows: list[Row]) -> bool:
    return any(value == HIDDEN for row in rows for value in row.values())


def held(view: View) -> Block:
    """Return the days that are held back, each with its release."""
    answer = view.answer(quality.held_days)
    requested = view.answer(operation.newest_requests)["requests"]
    newest = {
        (request["subject"], request["first_day"]): request
        for request in reversed(requested)
        if request["kind"] == "release"
    }
    rows = [
        {
            **row,
            "said": HELD_REASONS.get(row["reason"], row["reason"]).format(**row),
            "request": newest.get((row["source"], row["held_date"])),
        }
        for row in answer["held_days"]
    ]
    if not rows:
        return Notice("No day is held back.", "good")
    return Custom("held_days.html", {"days": rows})


def checks(view: View) -> Block:
    """Return the checks that failed or warned when they were evaluated last."""
    answer = view.answer(operation.failing_checks)
    if not answer["evaluated_count"]:
        return Notice(
            "No run has noted its checks yet; the next one does, if it shares ECOM_HOME with this "
            "server."
        )
    rows = [
        {
            **row,
            "label": in_words(row["check_name"]) + (" (warning)" if row["is_warning"] else ""),
            "said": row["sentence"] or row["description"],
        }
        for row in answer["checks"]
    ]
    passed = answer["evaluated_count"] - len(rows)
    if not rows:
        return Notice(f"All {passed:,} checks passed when they were evaluated last.", "good")
    return DataTable(
        rows, CHECKS, note=f"{passed:,} other checks passed when they were evaluated last."
    )


def freshness(view: View) -> Block:
    """Return when each table was written last, and its newest day."""
    answer = view.answer(operation.table_states)
    listed = [
        row
        for row in answer["tables"]
        if row["row_count"] is not None or row["is_written"] is False
    ]
    rows = [{**row, "state": _state(row)} for row in listed]
    rows.sort(key=lambda row: (row["is_written"] is not False, row["table_name"]))
    return DataTable(
        rows,
        TABLES,
        csv=view.csv("/operations/tables", with_days=False),
        definition=answer["definition"]["tables"],
        note=(
            f"What is published and what failed, of {len(answer['tables']):,} tables; the CSV "
            f"has all. Published {view.context.reading.published.published_at:%Y-%m-%d %H:%M} "
            "UTC."
        ),
    )


def _state(row: Row) -> str:
    if row["is_written"] is False:
        return f"Failed: {row['sentence']}"
    return f"Written, {_ago(row['written_at'])}" if row["written_at"] else "Not written yet"


def _ago(text: str) -> str:
    at = datetime.fromisoformat(text)
    past_s = (datetime.now(UTC) - (at if at.tzinfo else at.replace(tzinfo=UTC))).total_seconds()
    return f"{formatted(past_s, 'seconds')} ago"


def release(sent: ActionRequest) -> str:
    """Record the request to release a held day; return a sentence on what happens next."""
    with sent.request_context() as request_context:
        body = operation.ReleaseBody.model_validate(
            {name: sent.form.get(name) for name in ("source", "day")}
        )
        made = operation.request_release(request_context, body, sent.caller)
    return (
        f"The release of {made.first_day} is recorded. The next run over that day lets its rows "
        "in; where Dagster's daemon is on, that run starts within seconds."
    )


SAMPLE_ROWS: Final = Section("Sample rows", samples)
PAGE = DashboardPage(
    "quality",
    "Data quality",
    group="Operation",
    position=10,
    summary=(
        "Every received row and what became of it; what is held, what fails, and how fresh "
        "the tables are."
    ),
    asks=QualityFilters,
    actions=(Action("release", release, Scope.WRITE),),
    has_comparison=False,
    sections=(
        Section("Received rows", totals, is_titled=False),
        Section("Held days", held),
        Section("Failing checks", checks),
        Section("Refused rows by reason", reasons),
        SAMPLE_ROWS,
        Section("Events that share an id", conflicts),
        Section("By day", by_day),
        Section("Freshness", freshness),
    ),
)
