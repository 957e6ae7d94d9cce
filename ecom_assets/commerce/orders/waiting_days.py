"""Which order lines wait: those of a day of which no run has loaded the rest,
so that they are only a part of it.

The lines of a day are expected to arrive on that day, or where nothing arrived on it, on the next
day on which something did, such as a history that arrived in one folder. Lines of the day that
arrive at another time wait until that is loaded.

Terms: docs/glossary.md#waiting.
"""

from bisect import bisect_left
from collections.abc import Collection, Container, Iterable
from datetime import date

import ibis.expr.types as ir

from ecom_assets.commerce.orders.orders import OrderRule, let_in
from ecom_assets.core.rows import Row, named_rows
from ecom_assets.core.tables.days import Days, listed_days


def late_lines(raw: ir.Table, held: ir.Table, rule: OrderRule, days: Days) -> ir.Table:
    """Count the lines that arrived on each of `days` and were ordered on another day, by both days.

    Args:
        raw: All rows of `RawUserOrderLog`.
        held: All rows of `HeldOrderDays`, whose lines are not counted.
        rule: Which lines are clean.
        days: Arrival days.
    """
    lines = let_in(raw.filter(days.contain(raw.received_date)), held, None, rule)
    late = lines.filter(lines.reject_reason.isnull(), lines.order_date != lines.received_date)
    return late.group_by("received_date", "order_date").agg(line_count=late.count())


def arrival_days(late: Collection[Row]) -> Days:
    """Return the days on which the rest of the days of some late lines can have arrived."""
    if not late:
        return Days(())
    first = min(row["order_date"] for row in late)
    return Days.through(first, max(max(row["received_date"], row["order_date"]) for row in late))


def waiting_rows(
    late: Iterable[Row],
    before: Iterable[Row],
    arrived: Iterable[date],
    loaded: Container[date],
    run: Days,
) -> list[Row]:
    """Return the rows of `WaitingOrderDays` of some days of arrival.

    Args:
        late: Rows of `late_lines`.
        before: The rows that the table has of these days.
        arrived: Days on which lines arrived as far as the source says, loaded or not.
        loaded: Days that runs have loaded, or of which the source said that it has nothing.
        run: Days of the run.
    """
    stored_rows = {(row["received_date"], row["order_date"]): row for row in before}
    waited_for = (row["waits_for_date"] for row in stored_rows.values() if row["waiting_row_count"])
    ordered = sorted({*arrived, *waited_for})
    rows = []
    for row in late:
        pair = row["received_date"], row["order_date"]
        missing, old = _missing_day(row["order_date"], ordered, loaded), stored_rows.get(pair)
        if missing:
            rows.append((*pair, missing, int(row["line_count"])))
        elif old:  # what follows in this run must see for which of its days the lines count now
            ended = (
                run.first
                if old["waiting_row_count"] and old["waits_for_date"] not in run.dates
                else None
            )
            rows.append((*pair, ended or old["waits_for_date"], 0))
    names = ("received_date", "order_date", "waits_for_date", "waiting_row_count")
    return named_rows(names, rows)


def _missing_day(ordered: date, arrived: list[date], loaded: Container[date]) -> date | None:
    """Return the day of arrival that must be loaded before lines of a day count;
    None if there is none.
    """
    index = bisect_left(arrived, ordered)
    if ordered in loaded or index == len(arrived) or arrived[index] in loaded:
        return None
    return arrived[index]


def with_waiting_lines(waiting: ir.Table) -> ir.Table:
    """Return the rows of `WaitingOrderDays` whose lines still wait, in order."""
    return waiting.filter(waiting.waiting_row_count > 0).order_by("received_date", "order_date")


def waiting_sentence(rows: Iterable[Row]) -> str:
    """Return how many lines wait for which days, and how to load those; nothing if none waits."""
    waiting = [row for row in rows if row["waiting_row_count"]]
    if not waiting:
        return ""
    count = sum(int(row["waiting_row_count"]) for row in waiting)
    ordered, missing = (
        Days.from_dates(row[name] for row in waiting) for name in ("order_date", "waits_for_date")
    )
    of_days = listed_days(ordered)
    lines = (
        f"1 order line of {of_days} waits"
        if count == 1
        else f"{count:,} order lines of {of_days} wait"
    )
    return (
        f"{lines} for the rest of {'that day' if len(ordered.dates) == 1 else 'those days'}; load "
        f"what arrived on {listed_days(missing)} with `ecom run --orders … --from "
        f"{missing.dates[0]} --to {missing.dates[-1]}`."
    )
