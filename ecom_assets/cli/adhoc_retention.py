"""`ecom retention`: cohorts over files of events or orders. Not here: what retention is (`transforms/retention.py`)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.cli.file_events import FileEvents
from ecom_assets.cli.file_orders import FileOrders
from ecom_assets.errors import DefinitionError, UsageError, did_you_mean
from ecom_assets.settings import Settings, load_settings
from ecom_assets.transforms.days import ONE_DAY, day_starts_at
from ecom_assets.transforms.retention import Reach, event_activity, order_activity, period_number, retention, totals
from ecom_assets.transforms.retention_rule import RetentionRule

ACTIVITY = "activity"
ORDER_TYPES = ("purchase", "refund")


@dataclass(frozen=True)
class Asked:
    """Where events or orders come from, and the last day that they hold whole, if a person says so."""

    events: Sequence[str]
    events_mapping: str | None
    orders: Sequence[str]
    orders_mapping: str | None
    whole_until: date | None


def answer_retention(asked: Asked, rule: RetentionRule) -> dict[str, Any]:
    """Return INTERFACE's `retention`.

    Raises:
        UsageError: Neither or both of events and orders were given, or an event type is unknown.
    """
    if bool(asked.events) == bool(asked.orders):
        raise UsageError("Retention is asked of events or of orders; give one of --events PATH and --orders PATH.")
    if asked.orders:
        settings = load_settings(orders_mapping=asked.orders_mapping)
        con, rows, rule = _of_orders(asked.orders, settings, rule)
    else:
        settings = load_settings(events_mapping=asked.events_mapping)
        con, rows, rule = _of_events(asked.events, settings, rule)
    # Everything else is asked of this table, and files are read once.
    con.create_table(ACTIVITY, rows, temp=True)
    activity = con.table(ACTIVITY, database=("temp", "main"))
    reach, period_count, newest_date = _reach(activity, rule, asked.whole_until, settings.timezone)
    found = retention(activity, rule, period_count, reach)
    cells = found.order_by("cohort_date", "cell").to_pyarrow().to_pylist()
    sums = totals(found).order_by("cell").to_pyarrow().to_pylist()
    whole_until = asked.whole_until or (newest_date - ONE_DAY if newest_date else None)
    return {
        "definition": {
            **rule.to_mapping(),
            "timezone": settings.timezone,
            "newest_date": newest_date and str(newest_date),
            "whole_until_date": whole_until and str(whole_until),
        },
        "cohorts": _cohorts(cells),
        "totals": [_total(row) for row in sums],
    }


def _of_events(
    paths: Sequence[str], settings: Settings, rule: RetentionRule
) -> tuple[Backend, ir.Table, RetentionRule]:
    files = FileEvents.open(paths, settings)
    start, returning = (name and files.mapping.translate(name) for name in (rule.start, rule.returning))
    rule = replace(rule, start=start, returning=returning)
    known = [*settings.known_event_types, *files.mapping.event_types.values()]
    more = [name for name in (start, returning) if name and name not in known]
    if more:
        received = files.received()
        there = received.select("event_type").distinct().to_pyarrow()["event_type"].to_pylist()
        _check_types(more, [*known, *(name for name in there if name)])
    return files.con, event_activity(files.clean(more_types=more), rule), rule


def _of_orders(
    paths: Sequence[str], settings: Settings, rule: RetentionRule
) -> tuple[Backend, ir.Table, RetentionRule]:
    """Orders know purchases and refunds; what is not asked is about purchases."""
    rule = rule.changed(start=rule.start or "purchase", returning=rule.returning or "purchase")
    _check_types([name for name in (rule.start, rule.returning) if name], ORDER_TYPES)
    files = FileOrders.open(paths, settings)
    return files.con, order_activity(files.clean(), rule), rule


def _check_types(asked: Iterable[str], known: Iterable[str]) -> None:
    names = dict.fromkeys(known)
    for name in asked:
        if name not in names:
            raise DefinitionError(f"There is no event type {name!r} here; {did_you_mean(name, names)}.")


def _reach(
    activity: ir.Table, rule: RetentionRule, whole_until: date | None, timezone: str
) -> tuple[Reach, int, date | None]:
    """Return how far the data reach, in days and in periods from the first to the last."""
    numbers = period_number(activity.event_date, rule.period, rule.week_start)
    is_rolling = rule.clock == "rolling"
    newest = activity.event_at.max() if is_rolling else activity.event_date.max()
    row = activity.agg(
        span=numbers.max() - numbers.min(), days=activity.event_date.max().delta(activity.event_date.min(), unit="day"),
        newest_date=activity.event_date.max(), newest=newest,
    ).to_pyarrow().to_pylist()[0]  # fmt: skip
    newest_date: date | None = row["newest_date"]
    open_date = whole_until + ONE_DAY if whole_until else newest_date
    # Rolling months of 30 days may be more than those of the calendar.
    period_count = (row["span"] or 0) + 1 + (row["days"] or 0) // 365 + is_rolling
    reach = Reach(ibis.literal(newest_date, "date"), ibis.literal(open_date, "date"))
    if is_rolling:
        open_at = day_starts_at(open_date, timezone) if whole_until and open_date else row["newest"]
        reach = replace(reach, newest_at=_instant(row["newest"]), open_at=_instant(open_at))
    return reach, period_count, newest_date


def _instant(moment: datetime | None) -> ir.TimestampScalar:
    return ibis.literal(moment, "timestamp(6)")


def _cohorts(cells: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    cohorts: dict[date, dict[str, Any]] = {}
    for cell in cells:
        cohort = cohorts.setdefault(
            cell["cohort_date"],
            {"cohort": str(cell["cohort_date"]), "size": int(cell["visitor_count"]), "returned": [], "complete": []}
            | {"revenue": [], "lifetime_value": []},
        )
        cohort["returned"].append(int(cell["returned_count"]))
        cohort["complete"].append(bool(cell["is_complete"]))
        cohort["revenue"].append(f"{cell['cumulative_revenue_amount']:.2f}")
        cohort["lifetime_value"].append(float(cell["cumulative_revenue_amount"]) / int(cell["visitor_count"]))
    return list(cohorts.values())


def _total(row: dict[str, Any]) -> dict[str, Any]:
    first, last = int(row["first_period"]), int(row["last_period"])
    return {
        "period": str(first) if first == last else f"{first}-{last}",
        "cohorts": int(row["cohort_count"]),
        "size": int(row["visitor_count"]),
        "returned": int(row["returned_count"]),
        "rate": row["retention_rate"],
        "revenue": f"{row['cumulative_revenue_amount']:.2f}",
        "lifetime_value": row["lifetime_value"],
    }
