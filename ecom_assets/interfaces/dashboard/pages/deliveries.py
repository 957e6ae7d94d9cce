"""Deliveries: what each tool was due, what became of it, and what could not be delivered."""

from typing import Final

from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.contract import HIDDEN
from ecom_assets.core.tables.days import span_text
from ecom_assets.interfaces.api.routes import operation, reconciliation
from ecom_assets.interfaces.dashboard import charts
from ecom_assets.interfaces.dashboard.blocks import (
    Block,
    Chart,
    Custom,
    DataTable,
    Notice,
    TableColumn,
    Tiles,
)
from ecom_assets.interfaces.dashboard.page import (
    Action,
    ActionRequest,
    DashboardPage,
    Section,
    View,
)

OUTCOMES: Final = TableColumn.from_fields(
    reconciliation.DeliveredDay,
    "accepted_count",
    "unacknowledged_count",
    "rejected_count",
    "refused_count",
    "in_doubt_count",
    "pending_count",
)
COUNTS: Final = ("due_count", *(column.name for column in OUTCOMES))
DAYS: Final = TableColumn.from_fields(
    reconciliation.DeliveredDay, "reconciled_date", "destination", *COUNTS
)
TOOLS: Final = (*DAYS[1:], TableColumn("newest_date", "Newest day", "date"))
SHARES: Final = (
    TableColumn("destination", "Destination"),
    TableColumn("outcome", "Outcome"),
    TableColumn("record_count", "Records", "count"),
    TableColumn("share", "Share of due", "rate"),
)
REQUESTS: Final = (
    TableColumn("asked_at", "Asked (UTC)", "instant"),
    TableColumn("what", "What"),
    TableColumn("days", "Days"),
    TableColumn.from_field(operation.RequestState, "asked_by"),
    TableColumn("state", "State"),
)


def totals(view: View) -> Block:
    """Return the sums over all destinations."""
    sums = view.answer(reconciliation.deliveries, limit=1)["totals"]
    return Tiles.from_fields(reconciliation.DeliveredDay, sums, COUNTS)


def by_tool(view: View) -> Block:
    """Return the sums of each destination, as bars of shares and as a table."""
    rows = _by_tool(view)
    shares = [
        {
            "destination": row["destination"],
            "outcome": column.label,
            "record_count": row[column.name],
            "share": row[column.name] / max(row["due_count"], 1),
        }
        for row in rows
        for column in OUTCOMES
        if row[column.name]
    ]
    return Chart(
        _stacked(),
        shares,
        SHARES,
        (
            "A bar per destination: the shares of due records that were accepted, rejected, in "
            "doubt and so on."
        ),
        csv=view.csv("/analytics/deliveries.csv"),
        height=max(120, 34 * len(rows)),
        empty="Nothing was due on these days.",
    )


def tools(view: View) -> Block:
    """Return the sums of each destination as a table."""
    return DataTable(_by_tool(view), TOOLS, empty="Nothing was due on these days.")


def dead_letters(view: View) -> Block:
    """Return the records that could not be delivered, by reason;
    those that a tool has rejected can be sent again.
    """
    answer = view.answer(operation.dead_letters)
    rows = answer["dead_letters"]
    if not rows:
        return Notice("Every record of these days could be delivered, or still waits.", "good")
    waiting = {
        request["subject"]: request
        for request in view.answer(operation.newest_requests)["requests"]
        if request["kind"] == "retry" and not request["is_taken"]
    }
    return Custom("dead_letters.html", {"letters": rows, "waiting": waiting, "hidden": HIDDEN})


def requests_to_runs(view: View) -> Block:
    """Return the requests of people to runs."""
    result = view.answer(operation.newest_requests)["requests"]
    rows = [
        {
            **request,
            "what": _action_text(request),
            "days": span_text(request["first_day"], request["last_day"]),
            "state": _state(request),
        }
        for request in result
    ]
    return DataTable(rows, REQUESTS, empty="No release and no retry was requested yet.")


def by_day(view: View) -> Block:
    """Return each day and destination."""
    rows = _all_days(view)
    return DataTable(
        rows[::-1][:100],
        DAYS,
        csv=view.csv("/analytics/deliveries.csv"),
        note=f"The newest 100 of {len(rows):,} rows." if len(rows) > 100 else "",  # noqa: PLR2004 (as cut above)
        empty="Nothing was due on these days.",
    )


def _all_days(view: View) -> list[Row]:
    rows: list[Row] = view.answer(reconciliation.deliveries, limit=1000)["deliveries"]
    return rows


def _by_tool(view: View) -> list[Row]:
    sums: dict[str, Answer] = {}
    for day in sorted(
        _all_days(view), key=lambda day: (day["destination"], day["reconciled_date"])
    ):
        name = day["destination"]
        total = sums.setdefault(name, {"destination": name, **dict.fromkeys(COUNTS, 0)})
        total |= {
            **{count: total[count] + day[count] for count in COUNTS},
            "newest_date": day["reconciled_date"],
        }
    return list(sums.values())


def _stacked() -> charts.Spec:
    order = [column.label for column in OUTCOMES]
    share = charts.number("share", "rate", stack="zero", scale={"domain": [0, 1]})
    destination = charts.names("destination", axis=charts.NAME_AXIS)
    outcome = charts.names("outcome", sort=order, scale={"domain": order})
    return charts.coloured_bars(
        share, destination, outcome, SHARES, order={"field": "outcome", "sort": "ascending"}
    )


def _action_text(request: Row) -> str:
    return (
        f"Release {request['subject']}"
        if request["kind"] == "release"
        else f"Send again to {request['subject']}"
    )


def _state(request: Row) -> str:
    if not request["is_taken"]:
        return "Waits for a run over these days"
    return f"Done {request['taken_at']:%Y-%m-%d %H:%M}"


def retry(sent: ActionRequest) -> str:
    """Record the request to send rejected records again; return a sentence on what happens next."""
    with sent.request_context() as request_context:
        texts = {name: sent.form.get(name) for name in ("destination", "start_date", "end_date")}
        fields = {name: text for name, text in texts.items() if text}
        body = operation.RetryBody.model_validate(fields)
        made = operation.request_retry(request_context, body, sent.caller)
    return (
        f"What {made.subject} refused from {made.first_day} to {made.last_day} is sent "
        "again by the next run over these days; where Dagster's daemon is on, that run starts "
        "within seconds."
    )


PAGE = DashboardPage(
    "deliveries",
    "Deliveries",
    group="Operation",
    position=20,
    summary="What each tool was due, what it took, and what could not be delivered.",
    actions=(Action("retry", retry, Scope.WRITE),),
    has_comparison=False,
    sections=(
        Section("All destinations", totals, is_titled=False),
        Section("By destination", by_tool),
        Section("Numbers of each destination", tools),
        Section("What could not be delivered", dead_letters),
        Section("By day", by_day),
        Section("Requests to runs", requests_to_runs),
    ),
)
