"""The fast kernel on DuckDB: retention on the calendar clock in one pass, with one bit per visitor and period.

The bits of a visitor are rotated so that the first bit is the period in which they started. Visitors with equal bits
are then counted together. The portable expression (`retention/cells.py`) is the definition, and tests require that both
give equal results.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial
from itertools import pairwise

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from ibis.backends.duckdb import Backend

from ecom_assets.retention.activity import shown_labels
from ecom_assets.retention.rule import Bracket, RetentionRule
from ecom_assets.tables.contract import MONEY
from ecom_assets.tables.days import AHEAD_WEEKS, EPOCH_WEEKDAY, WEEKDAYS, period_number

BITS = 62
"""The number of periods that fit into a 64-bit integer without its sign bit."""
VISITORS, LABELS = "visitor_periods", "visitor_labels"
Paid = dict[tuple[int, int], Decimal]
"""Revenue by cohort and cell."""
Bits = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CohortCounts:
    """The result of the pass: `cohorts` and `counts` in the form of `retention.cells_of`, and facts about the data.

    For a breakdown also both by label, and the labels to show.
    """

    cohorts: pa.Table
    counts: pa.Table
    by_label: tuple[pa.Table, pa.Table] | None
    labels: list[str]
    newest_date: date
    period_count: int
    has_money: bool


def cohort_counts(con: Backend, activity: ir.Table, rule: RetentionRule) -> CohortCounts | None:
    """Return the counts; None if the data have no visitors, or more periods than there are bits.

    Args:
        con: The DuckDB connection of `activity`.
        activity: One row or more per visitor and day, in the form of `retention`.
        rule: The retention rule, on the calendar clock.
    """
    _pass_over(con, activity, rule)
    visitors = con.table(VISITORS, database=("temp", "main"))
    span = visitors.agg(
        first=visitors.first_date.min(), newest=visitors.newest_date.max(), paying=visitors.paid.count()
    )
    numbers = span.mutate(
        number=_number(span.newest, rule), length=_number(span.newest, rule) - _number(span.first, rule)
    )
    (known,) = numbers.to_pyarrow().to_pylist()
    if known["newest"] is None or known["length"] >= BITS:
        return None
    begun = visitors.filter(visitors.start_date.notnull())
    begun = begun.mutate(cohort_number=_number(begun.start_date, rule))
    labels, begun = shown_labels(_with_labels(con, activity, begun) if rule.by else begun, rule)
    unit = ["label", "cohort_number"] if rule.by else ["cohort_number"]
    alike = begun.group_by(*unit, "came").agg(visitor_count=begun.count(), start_date=begun.start_date.min())
    count, has_money = known["length"] + 1, known["paying"] > 0
    rows, paid = alike.to_pyarrow(), _paid(con, begun, rule.cells(count)) if has_money else {}
    tables = partial(_tables, rule=rule, newest=known["number"], cells=rule.cells(count))
    by_label = None
    if rule.by:
        names = rows["label"].to_numpy()
        parts = {label: tables(rows.filter(pa.array(names == label)), paid.get(label, {})) for label in labels}
        by_label = _labelled(parts)
    return CohortCounts(*tables(rows, _added(paid.values())), by_label, labels, known["newest"], count, has_money)


def _tables(
    rows: pa.Table, paid: Paid, rule: RetentionRule, newest: int, cells: tuple[Bracket, ...]
) -> tuple[pa.Table, pa.Table]:
    """Return cohorts and counts of visitors with equal bits."""
    cohorts = rows.group_by("cohort_number").aggregate([("visitor_count", "sum"), ("start_date", "min")])
    cohorts = cohorts.rename_columns(["cohort_number", "visitor_count", "start_date"])
    return cohorts, _as_table(_counts(rows, cells, newest, rule.mode), paid)


def _added(parts: Iterable[Paid]) -> Paid:
    total: Paid = {}
    for part in parts:
        total |= {key: total.get(key, Decimal(0)) + amount for key, amount in part.items()}
    return total


def _labelled(parts: Mapping[str, tuple[pa.Table, pa.Table]]) -> tuple[pa.Table, pa.Table]:
    """Return the cohorts of all labels, and the counts of all labels."""
    rows: tuple[list[pa.Table], list[pa.Table]] = ([], [])
    for label, tables in parts.items():
        for table, found in zip(tables, rows, strict=True):
            found.append(table.append_column("label", pa.array([label] * len(table), pa.string())))
    nothing = pa.table({"label": pa.array([], pa.string())})
    cohorts, counts = (pa.concat_tables(found) if found else nothing for found in rows)
    return cohorts, counts


def _with_labels(con: Backend, activity: ir.Table, begun: ir.Table) -> ir.Table:
    """Return visitors with the label of their first start; events at one time are in the order of ids, then labels."""
    con.raw_sql(f"""
        CREATE OR REPLACE TEMP TABLE {LABELS} AS
        SELECT visitor_id, arg_min(label, {{'event_id': event_id, 'label': label}}) AS label
        FROM ({con.compile(activity)}) AS a JOIN {VISITORS} AS v USING (visitor_id)
        WHERE is_start = 1 AND a.event_at = v.first_at GROUP BY visitor_id
    """)  # noqa: S608 (compiled by Ibis)
    return begun.join(con.table(LABELS, database=("temp", "main")), "visitor_id")


def _number(day: ir.DateValue, rule: RetentionRule) -> ir.IntegerValue:
    return period_number(day, rule.period, rule.week_start)


def _pass_over(con: Backend, activity: ir.Table, rule: RetentionRule) -> None:
    # A filter costs as much as the aggregate, so leave it out if every row counts.
    starts = "" if rule.has_any_start else "FILTER (is_start = 1)"
    returns = "" if rule.has_any_return else "FILTER (is_return = 1)"
    first_at = f"min(event_at) {starts} AS first_at," if rule.by else ""
    con.raw_sql(f"""
        CREATE OR REPLACE TEMP TABLE {VISITORS} AS
        SELECT visitor_id, {first_at} min(event_date) {starts} AS start_date, min(event_date) AS first_date,
            max(event_date) AS newest_date, bit_or(1::BIGINT << (number % {BITS})::INT) {returns} AS came,
            list({{'number': number, 'amount': amount}}) FILTER (amount IS NOT NULL) AS paid
        FROM (SELECT *, {_number_sql(rule)} AS number FROM ({con.compile(activity)})) GROUP BY visitor_id
    """)  # noqa: S608 (compiled by Ibis)


def _number_sql(rule: RetentionRule) -> str:
    """Return the same as `_number` in integer arithmetic; Ibis divides in floating point, which is slower."""
    if rule.period == "month":
        return "year(event_date) * 12 + month(event_date)"
    days = "(event_date - DATE '1970-01-01')"
    if rule.period == "day":
        return days
    return f"({days} + {EPOCH_WEEKDAY - WEEKDAYS.index(rule.week_start) + 7 * AHEAD_WEEKS}) // 7"


def _counts(rows: pa.Table, cells: tuple[Bracket, ...], newest: int, mode: str) -> dict[tuple[int, int], list[int]]:
    """Return on_count and last_count by cohort and cell."""
    cohorts, place_of = np.unique(rows["cohort_number"].to_numpy(), return_inverse=True)
    visitors: Counts = rows["visitor_count"].to_numpy()
    came = _turned(rows["came"].fill_null(0).to_numpy().astype(np.uint64), cohorts[place_of], newest)

    def added(who: npt.NDArray[np.bool_]) -> Counts:
        return np.bincount(place_of, weights=visitors * who, minlength=len(cohorts)).astype(np.int64)

    counts: dict[tuple[int, int], list[int]] = {}
    nobody = np.zeros(len(cohorts), dtype=np.int64)
    if mode == "on_or_after":
        since = [added(came >> np.uint64(first) > 0) for first, _ in cells]
        columns = [(nobody, now - later) for now, later in pairwise([*since, nobody])]
    else:
        columns = [(added(came >> np.uint64(first) & _ones(last - first + 1) > 0), nobody) for first, last in cells]
    for cell, (on, last) in enumerate(columns):
        for n, cohort in enumerate(cohorts):
            counts[int(cohort), cell] = [int(on[n]), int(last[n])]
    return counts


def _turned(came: Bits, cohorts: Counts, newest: int) -> Bits:
    """Rotate the bits so that the period of each cohort comes first, and clear the bits of earlier periods."""
    by = (cohorts % BITS).astype(np.uint64)
    turned = (came >> by) | (came << (np.uint64(BITS) - by))
    known = (newest - cohorts + 1).astype(np.uint64)
    kept: Bits = turned & ((np.uint64(1) << known) - np.uint64(1))
    return kept


def _ones(count: int) -> np.uint64:
    return np.uint64((1 << min(count, BITS)) - 1)


def _paid(con: Backend, begun: ir.Table, cells: tuple[Bracket, ...]) -> dict[str | None, Paid]:
    """Return the revenue by label, cohort and cell; a payment counts in the first cell that has not ended by then."""
    labels = ["label"] if "label" in begun.columns else []
    rows = con.compile(begun.select("cohort_number", "paid", *labels))
    label = "label" if labels else "NULL::VARCHAR AS label"
    sql = f"""
        SELECT label, cohort_number, one.number - cohort_number AS place, sum(one.amount)
        FROM (SELECT {label}, cohort_number, unnest(paid) AS one FROM ({rows})) WHERE place >= 0 GROUP BY ALL
    """  # noqa: S608 (compiled by Ibis)
    values: dict[str | None, Paid] = {}
    for name, cohort, place, amount in con.con.execute(sql).fetchall():
        cell = next((n for n, (_, last) in enumerate(cells) if place <= last), None)
        if cell is not None:
            own = values.setdefault(name, {})
            own[cohort, cell] = own.get((cohort, cell), Decimal(0)) + amount
    return values


def _as_table(counts: dict[tuple[int, int], list[int]], paid: Paid) -> pa.Table:
    rows = [
        {
            "cohort_number": cohort,
            "cell": cell,
            "on_count": on,
            "last_count": last,
            "revenue_amount": paid.get((cohort, cell), Decimal(0)),
        }
        for (cohort, cell), (on, last) in counts.items()
    ]
    names = ("cohort_number", "cell", "on_count", "last_count")
    money = pa.decimal128(*(int(part) for part in MONEY.removeprefix("decimal(").removesuffix(")").split(",")))
    schema = pa.schema([*((name, pa.int64()) for name in names), ("revenue_amount", money)])
    return pa.Table.from_pylist(rows, schema=schema)
