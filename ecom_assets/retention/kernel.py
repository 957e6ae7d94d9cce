"""The fast kernel on DuckDB: retention on the calendar clock in one pass, with one bit per visitor and period.

The bits of a visitor are in as many words as the periods need. Visitors of a cohort with equal bits are counted
together, and the bits rotated so that the first one is the period in which they started. The portable expression
(`retention/cells.py`) is the definition, and tests require that both give equal results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Any, Final

import duckdb
import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
from ibis.backends.sql import SQLBackend

from ecom_assets.errors import WorkError
from ecom_assets.retention.activity import shown_labels
from ecom_assets.retention.question import Bracket, RetentionQuestion
from ecom_assets.tables.contract import MONEY
from ecom_assets.tables.days import AHEAD_WEEKS, EPOCH_WEEKDAY, period_number
from ecom_assets.tables.portable import has_kernels, rows_of
from ecom_assets.tables.values import WEEKDAYS

WORD_BITS: Final = 64
MOST_WORDS: Final = 16
"""The most words of bits of a visitor; each makes the pass a fifteenth longer. More are left to the expression."""
MOST_ROWS: Final = 20_000
"""Visitors whose bits are taken apart at a time, into a byte each."""
VISITORS, LABELS, CAME = "visitor_periods", "visitor_labels", "came_"
Paid = dict[tuple[int, int], Decimal]
"""Revenue by cohort and cell."""
Bits = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]
Arrays = dict[str, npt.NDArray[Any]]
"""Columns by name."""


@dataclass(frozen=True)
class CohortCounts:
    """The result of the pass: `cohorts` and `counts` in the form of `retention.cells_of`, and facts about the data.

    For a breakdown also both by label, and the labels to show.
    """

    cohorts: ir.Table
    counts: ir.Table
    by_label: tuple[ir.Table, ir.Table] | None
    labels: list[str]
    newest_date: date
    period_count: int
    has_money: bool


def cohort_counts(
    con: SQLBackend, activity: ir.Table, rule: RetentionQuestion, most_periods: int
) -> CohortCounts | None:
    """Return the counts of activity; None if the data have no visitors, or more periods than there are bits.

    Args:
        con: The DuckDB connection of `activity`.
        activity: One row or more per visitor and day, in the form of `retention`.
        rule: The retention rule, on the calendar clock.
        most_periods: At least the number of periods that the data cover.
    """
    words = -(-most_periods // WORD_BITS)
    if words > MOST_WORDS:
        return None
    _pass_over(con, activity, rule, words)
    visitors = _temp_table(con, VISITORS)
    (known,) = rows_of(span_of(visitors, rule))
    if known["newest"] is None or known["length"] >= words * WORD_BITS:
        return None
    begun = begun_of(visitors, rule)
    labels, begun = shown_labels(_with_labels(con, activity, begun) if rule.by else begun, rule)
    alike = alike_of(begun, _names(words))
    count, has_money = known["length"] + 1, known["paying"] > 0
    rows: Arrays = _duckdb(con).execute(con.compile(alike)).fetchnumpy()
    paid = _paid(con, begun, rule.cells(count)) if has_money else {}
    tables = partial(_tables, rule=rule, newest=known["number"], cells=rule.cells(count))
    by_label = None
    if labels:
        parts = [
            tables({name: values[rows["label"] == label] for name, values in rows.items()}, paid.get(label, {}))
            for label in labels
        ]
        by_label = _stored(con, f"{VISITORS}_by_label", *(_labelled(labels, some) for some in zip(*parts, strict=True)))
    whole = _stored(con, VISITORS, *tables(rows, paid.get(None, {})))
    return CohortCounts(*whole, by_label, labels, known["newest"], count, has_money)


def _duckdb(con: SQLBackend) -> duckdb.DuckDBPyConnection:
    if not has_kernels(con):
        raise WorkError("The kernel of retention needs DuckDB; use the expression.")
    result: duckdb.DuckDBPyConnection = con.con
    return result


def _temp_table(con: SQLBackend, name: str) -> ir.Table:
    return con.table(name, database=("temp", "main"))


def span_of(visitors: ir.Table, rule: RetentionQuestion) -> ir.Table:
    """Return the newest day, the number of its period, the length in periods, and how many paid, as a row."""
    span = visitors.agg(
        first=visitors.first_date.min(), newest=visitors.newest_date.max(), paying=visitors.paid.count()
    )
    return span.mutate(number=_number(span.newest, rule), length=_number(span.newest, rule) - _number(span.first, rule))


def begun_of(visitors: ir.Table, rule: RetentionQuestion) -> ir.Table:
    """Return the visitors who started, with the number of their cohort."""
    begun = visitors.filter(visitors.start_date.notnull())
    return begun.mutate(cohort_number=_number(begun.start_date, rule))


def alike_of(begun: ir.Table, words: Sequence[str]) -> ir.Table:
    """Return how many visitors of a cohort, or of a label and cohort, have equal bits, and the first day of a start."""
    unit = [name for name in ("label", "cohort_number") if name in begun.columns]
    start_day = period_number(begun.start_date.min(), "day")
    return begun.group_by(*unit, *words).agg(visitor_count=begun.count(), start_day=start_day)


def _tables(
    rows: Arrays, paid: Paid, rule: RetentionQuestion, newest: int, cells: tuple[Bracket, ...]
) -> tuple[Arrays, Arrays]:
    """Return cohorts and counts of visitors with equal bits."""
    order = np.argsort(rows["cohort_number"], kind="stable")
    cohorts, firsts = np.unique(rows["cohort_number"][order], return_index=True)
    visitors, days = rows["visitor_count"][order], rows["start_day"][order]
    words = [values.astype("<u8") for name, values in rows.items() if name.startswith(CAME)]
    came = np.stack(words, axis=1)[order].view(np.uint8)
    parts = [slice(first, end) for first, end in pairwise([*firsts, len(order)])] if len(order) else []
    counts = np.zeros((len(cohorts), len(cells)), np.int64)
    for position, whole in enumerate(parts):
        for begin in range(whole.start, whole.stop, MOST_ROWS):
            some = slice(begin, min(begin + MOST_ROWS, whole.stop))
            bits, cohort = np.unpackbits(came[some], axis=1, bitorder="little"), int(cohorts[position])
            # One bit per visitor and period, from that of the cohort to the newest one.
            since = np.roll(bits, -(cohort % bits.shape[1]), axis=1)[:, : newest - cohort + 1]
            counts[position] += _in_cells(since, visitors[some], cells, rule.mode)
    sizes, starts = [visitors[part].sum() for part in parts], [days[part].min() for part in parts]
    table = {"cohort_number": cohorts, "visitor_count": np.array(sizes, int), "start_day": np.array(starts, int)}
    return table, _as_table(cohorts, counts, rule.mode, paid)


def _labelled(labels: Sequence[str], parts: Sequence[Arrays]) -> Arrays:
    """Return the rows of all labels, with their label."""
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    sizes = [len(next(iter(part.values()))) for part in parts]
    return columns | {"label": np.repeat(np.array(labels, object), sizes)}


def _stored(con: SQLBackend, name: str, cohorts: Arrays, counts: Arrays) -> tuple[ir.Table, ir.Table]:
    """Return cohorts and counts as tables; without Arrow, which would load pandas to make them."""

    def table(kind: str, arrays: Arrays, columns: str) -> ir.Table:
        duckdb_con = _duckdb(con)
        duckdb_con.register("given_arrays", arrays)
        duckdb_con.execute(f"CREATE OR REPLACE TEMP TABLE {name}_{kind} AS SELECT {columns} FROM given_arrays")  # noqa: S608 (names of this module)
        duckdb_con.unregister("given_arrays")
        return _temp_table(con, f"{name}_{kind}")

    return (
        table("cohorts", cohorts, "* EXCLUDE (start_day), DATE '1970-01-01' + start_day::INT AS start_date"),
        table("counts", counts, f"* EXCLUDE (cents), (cents * 0.01::DECIMAL(3, 2))::{MONEY} AS revenue_amount"),
    )


def _with_labels(con: SQLBackend, activity: ir.Table, begun: ir.Table) -> ir.Table:
    """Return visitors with the label of their first start; events at one time are in the order of ids, then labels."""
    _duckdb(con).execute(f"""
        CREATE OR REPLACE TEMP TABLE {LABELS} AS
        SELECT visitor_id, arg_min(label, {{'event_id': event_id, 'label': label}}) AS label
        FROM ({con.compile(activity)}) AS a JOIN {VISITORS} AS v USING (visitor_id)
        WHERE is_start = 1 AND a.event_at = v.first_at GROUP BY visitor_id
    """)  # noqa: S608 (compiled by Ibis)
    return begun.join(_temp_table(con, LABELS), "visitor_id")


def _number(day: ir.DateValue, rule: RetentionQuestion) -> ir.IntegerValue:
    return period_number(day, rule.period, rule.week_start)


def _names(words: int) -> list[str]:
    """Return the columns of the bits of a visitor."""
    return [f"{CAME}{word}" for word in range(words)]


def _pass_over(con: SQLBackend, activity: ir.Table, rule: RetentionQuestion, words: int) -> None:
    # A filter costs as much as the aggregate, so leave it out if every row counts.
    starts = "" if rule.has_any_start else "FILTER (is_start = 1)"
    came = ", ".join(f"{_bits_sql(rule, word, words)} AS {name}" for word, name in enumerate(_names(words)))
    first_at = f"min(event_at) {starts} AS first_at," if rule.by else ""
    _duckdb(con).execute(f"""
        CREATE OR REPLACE TEMP TABLE {VISITORS} AS
        SELECT visitor_id, {first_at} min(event_date) {starts} AS start_date, min(event_date) AS first_date,
            max(event_date) AS newest_date, {came},
            list({{'number': number, 'amount': amount}}) FILTER (amount IS NOT NULL) AS paid
        FROM (SELECT *, {_number_sql(rule)} AS number FROM ({con.compile(activity)})) GROUP BY visitor_id
    """)  # noqa: S608 (compiled by Ibis)


def _bits_sql(rule: RetentionQuestion, word: int, words: int) -> str:
    """Return the SQL of a word of a visitor's bits, 0 without any; period n has the bit n modulo all bits."""
    conditions = ([] if rule.has_any_return else ["is_return = 1"]) + (
        [f"number // {WORD_BITS} % {words} = {word}"] if words > 1 else []
    )
    only = f"FILTER ({' AND '.join(conditions)})" if conditions else ""
    return f"coalesce(bit_or(1::UBIGINT << (number % {WORD_BITS})::UBIGINT) {only}, 0)"


def _number_sql(rule: RetentionQuestion) -> str:
    """Return the same as `_number` in integer arithmetic; Ibis divides in floating point, which is slower."""
    if rule.period == "month":
        return "year(event_date) * 12 + month(event_date)"
    days = "(event_date - DATE '1970-01-01')"
    if rule.period == "day":
        return days
    return f"({days} + {EPOCH_WEEKDAY - WEEKDAYS.index(rule.week_start) + 7 * AHEAD_WEEKS}) // 7"


def _in_cells(came: Bits, visitors: Counts, cells: tuple[Bracket, ...], mode: str) -> Counts:
    """Return the number of visitors per cell: who came in it, or with `on_or_after` for the last time."""
    if mode == "bracket":
        return np.array([visitors @ came[:, first : last + 1].any(axis=1) for first, last in cells])
    if mode == "on_or_after":
        lasts = np.minimum(came.shape[1] - 1 - np.argmax(came[:, ::-1], axis=1), len(cells) - 1)
        return np.bincount(lasts, weights=visitors * came.any(axis=1), minlength=len(cells)).astype(np.int64)
    counts = visitors.astype(np.float64) @ came[:, : len(cells)]  # many times as fast as of integers
    return np.pad(counts, (0, len(cells) - len(counts))).astype(np.int64)


def _paid(con: SQLBackend, begun: ir.Table, cells: tuple[Bracket, ...]) -> dict[str | None, Paid]:
    """Return the revenue by cohort and cell, of each label and (None) of all.

    A payment counts in the first cell that has not ended by then.
    """
    label = begun.label if "label" in begun.columns else ibis.null("string")
    rows = con.compile(begun.select("cohort_number", "paid", label=label))
    sql = f"""
        SELECT label, cohort_number, one.number - cohort_number AS place, sum(one.amount)
        FROM (SELECT label, cohort_number, unnest(paid) AS one FROM ({rows})) WHERE place >= 0 GROUP BY ALL
    """  # noqa: S608 (compiled by Ibis)
    values: dict[str | None, Paid] = {}
    for name, cohort, position, amount in _duckdb(con).execute(sql).fetchall():
        cell = next((n for n, (_, last) in enumerate(cells) if position <= last), None)
        if cell is None:
            continue
        for label in {name, None}:
            own = values.setdefault(label, {})
            own[cohort, cell] = own.get((cohort, cell), Decimal(0)) + amount
    return values


def _as_table(cohorts: Counts, counts: Counts, mode: str, paid: Paid) -> Arrays:
    """Return on_count, last_count and cents of revenue by cohort and cell, where there are any."""
    is_filled = counts != 0
    for cohort, cell in paid:
        is_filled[np.searchsorted(cohorts, cohort), cell] = True
    positions, cells = np.nonzero(is_filled)
    filled, nobody = counts[positions, cells], np.zeros(len(positions), np.int64)
    is_last = mode == "on_or_after"
    filled_cells = zip(cohorts[positions].tolist(), cells.tolist(), strict=True)
    return {
        "cohort_number": cohorts[positions],
        "cell": cells,
        "on_count": nobody if is_last else filled,
        "last_count": filled if is_last else nobody,
        "cents": np.array([int(paid.get(cell, Decimal(0)) * 100) for cell in filled_cells], np.int64),
    }
