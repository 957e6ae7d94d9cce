"""Checks of every source: how many rows arrived, how many were rejected, and which days the source has lost.

Events, orders, customers and stock share one set of thresholds (`tables/received.py`).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any, Protocol

import ibis.expr.types as ir

from ecom_assets.customers.contracts import QuarantinedCustomers, RawCustomers
from ecom_assets.events.clean import accounted_date
from ecom_assets.events.contracts import QuarantinedEvents, RawEvents
from ecom_assets.orders.contracts import QuarantinedOrders, RawUserOrderLog
from ecom_assets.products.contracts import RawStock
from ecom_assets.tables.check import EXAMPLES, CheckResult, TableCheck, of_days
from ecom_assets.tables.contract import Table
from ecom_assets.tables.days import Days
from ecom_assets.tables.received import LARGE_SHARE, FileRows, SourceGate, latest_count, usual_count
from ecom_assets.warehouse.day_notes import AbsentDays, ErasedRows, Withdrawals
from ecom_assets.warehouse.raw_slices import kind_of

FileDay = tuple[str, date]


class RowCountSource(Protocol):
    """A source that may be files."""

    def file_rows(self, days: Days | None) -> Sequence[FileRows] | None:
        """Return the row counts of the files that the rows of `days` come from; None if there are no files."""


def file_row_checks() -> list[TableCheck]:
    """Return the checks that every row of the files is in the raw tables; a failure blocks the downstream tables."""
    return [_rows_check(RawEvents, "event_source"), _rows_check(RawUserOrderLog, "order_source")]


def _rows_check(raw: type[Table], source: str) -> TableCheck:
    return TableCheck(
        contract=raw,
        name="every_row_of_the_files_is_in_raw",
        description=f"Per file and arrival day, {raw.qualified_name()} has as many rows as were counted in the file, "
        "less those of erased people.",
        evaluate=partial(_evaluate, raw),
        tables=(raw, Withdrawals, ErasedRows),
        blocking=True,
        source=source,
    )


def _evaluate(  # noqa: PLR0913, PLR0917 (each is a table or the source)
    contract: type[Table],
    days: Days | None,
    raw: ir.Table,
    withdrawals: ir.Table,
    erased: ir.Table,
    source: RowCountSource | None = None,
) -> CheckResult:
    """Compare the counts, except for days that keep their old rows; `no_day_lost_its_rows` reports these."""
    raw = _own_rows(raw, getattr(source, "origin", ""))
    in_raw, held = _in_raw(raw, days), set(_held(contract, withdrawals).received_date.to_pyarrow().to_pylist())
    files = source.file_rows(days) if source else None
    if files is None:
        return CheckResult(0, 0)
    in_raw += _left_out(contract, erased, days)
    counted = {key: number for key, number in _in_files(files, days).items() if key[1] not in held}
    loaded = {key: number for key, number in in_raw.items() if key[1] not in held}
    wrong = [
        {"source_file": file, "received_date": day, "rows_in_file": counted.get((file, day), 0), "rows_in_raw": number}
        for file, day in sorted({*counted, *loaded})
        if (number := loaded.get((file, day), 0)) != counted.get((file, day), 0)
    ]
    wrong = [*_without_a_day(files), *wrong]
    evidence = {"sentence": _sentence(contract, wrong)} if wrong else {}
    return CheckResult(len(wrong), sum(counted.values()), wrong[:EXAMPLES], metadata=evidence)


def _own_rows(raw: ir.Table, origin: str) -> ir.Table:
    """Return the rows that came from the kind of source that `origin` is; all rows if it names none."""
    if not origin:
        return raw
    sources = raw.select("source").distinct().to_pyarrow()["source"].to_pylist()
    return raw.filter(raw.source.isin([source for source in sources if kind_of(source) == kind_of(origin)]))


def _in_files(files: Sequence[FileRows], days: Days | None) -> Counter[FileDay]:
    # Files in two folders can have the same name; raw has the rows of both under this name.
    counts: Counter[FileDay] = Counter()
    checked = set(days.dates) if days else None
    for file in files:
        counts.update(
            {(file.file, day): n for day, n in file.by_day.items() if n and (checked is None or day in checked)}
        )
    return counts


def _in_raw(raw: ir.Table, days: Days | None) -> Counter[FileDay]:
    rows = of_days(raw, "received_date", days)
    counts = rows.group_by("source_file", "received_date").agg(number=rows.count()).to_pyarrow().to_pylist()
    return Counter({(row["source_file"], row["received_date"]): int(row["number"]) for row in counts})


def _left_out(contract: type[Table], erased: ir.Table, days: Days | None) -> Counter[FileDay]:
    rows = of_days(erased.filter(erased.source_table == contract.qualified_name()), "received_date", days)
    result = rows.select("source_file", "received_date", "erased_count").to_pyarrow().to_pylist()
    return Counter({(row["source_file"], row["received_date"]): int(row["erased_count"]) for row in result})


def _without_a_day(files: Sequence[FileRows]) -> list[dict[str, Any]]:
    return [
        {"source_file": file.file, "received_date": None, "rows_in_file": file.row_count, "rows_in_raw": placed}
        for file in files
        if (placed := sum(file.by_day.values())) != file.row_count
    ]


def _held(contract: type[Table], withdrawals: ir.Table) -> ir.Table:
    """Return the days that keep their old rows although the source no longer has them."""
    return withdrawals.filter(withdrawals.source_table == contract.qualified_name(), withdrawals.withdrawn_at.isnull())


def _sentence(contract: type[Table], wrong: Sequence[Mapping[str, Any]]) -> str:
    first = wrong[0]
    more = f" (and {len(wrong) - 1:,} more differences)" if len(wrong) > 1 else ""
    file, day, there = first["source_file"], first["received_date"], first["rows_in_file"]
    if day is None:
        result = f"{file} has {there:,} rows, and {first['rows_in_raw']:,} of them have an arrival day"
    else:
        result = f"{file} has {there:,} rows of {day}, and {contract.qualified_name()} has {first['rows_in_raw']:,}"
    return (
        f"{result}{more}; if the file changed while it was read, run the day again, else report this with the file's "
        "format, because rows were lost or counted twice."
    )


LOOK_BACK = timedelta(weeks=12)
"""How far back days are counted for comparison."""
NOTHING_FROM = 10
"""From this usual row count on, a day without rows is an error; for smaller shops it can be a quiet day."""
EndedDays = Callable[[Days], Days]
"""Returns the days that have ended; called when a check runs."""


@dataclass(frozen=True)
class GatedSource:
    """A source as its gate sees it; `brings_all` if each time it brings everything there is, as of that day.

    `resource` is the key of the resource that reads it, where it may be files.
    """

    noun: str
    raw: type[Table]
    quarantine: type[Table] | None = None
    brings_all: bool = False
    resource: str = ""


SOURCES = (
    GatedSource("events", RawEvents, QuarantinedEvents, resource="event_source"),
    GatedSource("orders", RawUserOrderLog, QuarantinedOrders, resource="order_source"),
    GatedSource("customers", RawCustomers, QuarantinedCustomers, brings_all=True),
    GatedSource("stock", RawStock, brings_all=True),
)


def source_checks(gate: SourceGate, late_days: int, ended: EndedDays) -> list[TableCheck]:
    """Return the checks about each source; but for lost days, of which the table keeps the rows, they block."""
    checks = []
    for source in SOURCES:
        checks += [_enough_came(source, gate, ended), _nothing_is_lost(source)]
        checks += _few_were_refused(source, gate, late_days)
    return [*checks, _each_day_has_an_increment()]


def _enough_came(source: GatedSource, gate: SourceGate, ended: EndedDays) -> TableCheck:
    evaluate = partial(_check_snapshots if source.brings_all else _check_days, source, gate, ended)
    return TableCheck(
        contract=source.raw,
        name="enough_came",
        description=f"No day of {source.noun} has far fewer rows than is usual, and something came at all.",
        evaluate=evaluate,
        tables=(source.raw, Withdrawals, AbsentDays),
        blocking=True,
        source=source.resource,
    )


def _nothing_is_lost(source: GatedSource) -> TableCheck:
    return TableCheck(
        contract=source.raw,
        name="no_day_lost_its_rows",
        description=f"The source of {source.noun} still has the rows of every day that it had rows of.",
        evaluate=partial(_check_lost, source),
        tables=(Withdrawals,),
    )


def _each_day_has_an_increment() -> TableCheck:
    """Return the check of days of which the order report API says that it has nothing; the other days go on."""
    orders = next(source for source in SOURCES if source.noun == "orders")
    return TableCheck(
        contract=orders.raw,
        name="each_day_has_an_increment",
        description="The order report API has an increment of each day that it was asked for.",
        evaluate=partial(_check_absent, orders),
        tables=(AbsentDays,),
        warns=True,
    )


def _check_absent(source: GatedSource, days: Days | None, absent: ir.Table) -> CheckResult:
    """Name the days of the run without an increment, and what the table has of them."""
    rows = _absent_of(source, absent, days).order_by("received_date").to_pyarrow().to_pylist()
    if not rows:
        return CheckResult(0, len(days.dates) if days else 0)
    kept = sum(row["kept_count"] for row in rows)
    days_named = ", ".join(str(row["received_date"]) for row in rows[:EXAMPLES])
    more = f" and {len(rows) - EXAMPLES} more days" if len(rows) > EXAMPLES else ""
    rest = f"the {kept:,} rows that came of them otherwise stay" if kept else "they stay without rows"
    sentence = (
        f"The source of {source.noun} has no increment of {days_named}{more}; {rest}, and all other days are built."
    )
    examples = [{"received_date": str(row["received_date"]), "kept_count": row["kept_count"]} for row in rows]
    looked_at = len(days.dates) if days else len(rows)
    return CheckResult(len(rows), looked_at, examples[:EXAMPLES], metadata={"sentence": sentence})


def _absent_of(source: GatedSource, absent: ir.Table, days: Days | None) -> ir.Table:
    return of_days(absent.filter(absent.source_table == source.raw.qualified_name()), "received_date", days)


def _few_were_refused(source: GatedSource, gate: SourceGate, late_days: int) -> list[TableCheck]:
    """Return the check that blocks, if the source has a quarantine, and the one that warns from a lower share on."""
    contract = source.quarantine or source.raw
    limits = [("few_were_refused", gate.refused_share, False)] if source.quarantine else []
    return [
        TableCheck(
            contract=contract,
            name=name,
            description=f"No more than a share of {share:g} of the {source.noun} is refused.",
            evaluate=partial(_check_refused, source, gate, late_days, warns=warns),
            tables=(source.raw, contract),
            blocking=not warns,
            warns=warns,
        )
        for name, share, warns in (*limits, ("very_few_were_refused", LARGE_SHARE, True))
    ]


def _check_days(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    source: GatedSource,
    gate: SourceGate,
    ended: EndedDays,
    days: Days | None,
    raw: ir.Table,
    withdrawn: ir.Table,
    absent: ir.Table,
    files: RowCountSource | None = None,
) -> CheckResult:
    """Compare each day that has ended with the same weekday of earlier weeks; fail if no day has any rows."""
    if not days or not days.dates:
        return CheckResult(0, 0)
    counts = _counts(raw, str(source.raw.day_column), days)
    # Days whose rows were withdrawn on purpose are not checked, nor those of which the source says it has nothing.
    meant = withdrawn.filter(withdrawn.source_table == source.raw.qualified_name(), withdrawn.withdrawn_at.notnull())
    wanted = Days.from_dates({*days.dates} - {*meant.received_date.to_pyarrow().to_pylist()})
    checked = Days.from_dates(
        {*wanted.dates} - {*_absent_of(source, absent, days).received_date.to_pyarrow().to_pylist()}
    )
    usual = {day: usual_count(counts, day, days.first) for day in ended(checked).dates}
    if not any(counts.get(day) for day in days.dates) and (checked.dates or (wanted.dates and not counts)):
        return _check_nothing(source, raw, wanted, sum(number or 0 for number in usual.values()), files)
    fallen = [day for day, number in usual.items() if number and gate.is_fall(number, counts.get(day, 0))]
    return _fallen(source, gate, {day: (counts.get(day, 0), usual[day] or 0) for day in fallen}, len(checked.dates))


def _check_snapshots(
    source: GatedSource,
    gate: SourceGate,
    _ended: EndedDays,
    days: Days | None,
    raw: ir.Table,
    _withdrawn: ir.Table,
    _absent: ir.Table,
) -> CheckResult:
    """Compare each day that has a snapshot with the snapshots before it."""
    if not days or not days.dates:
        return CheckResult(0, 0)
    counts = _counts(raw, str(source.raw.day_column), days)
    usual = {day: latest_count(counts, day) for day in days.dates if counts.get(day)}
    fallen = [day for day, number in usual.items() if number and gate.is_fall(number, counts[day])]
    return _fallen(source, gate, {day: (counts[day], usual[day] or 0) for day in fallen}, len(usual))


def _check_nothing(
    source: GatedSource, raw: ir.Table, checked: Days, usual: float, files: RowCountSource | None
) -> CheckResult:
    is_empty = not int(raw.count().to_pyarrow().as_py())
    # A run is split where weeks have no rows, so an early part can be before the first day of the source.
    begins_later = is_empty and any(file.row_count for file in (files and files.file_rows(None)) or ())
    if (begins_later or not is_empty) and usual < NOTHING_FROM:
        return CheckResult(0, len(checked.dates), observed=0, limit=0)
    expected = f", where some {usual:,.0f} rows are usual" if usual else ""
    sentence = (
        f"No {source.noun} came for {_span(checked)}{expected}; look at where they come from (`ecom doctor`), and run "
        "these days again."
    )
    return CheckResult(
        1, len(checked.dates), [{"days": _span(checked)}], observed=0, limit=1, metadata={"sentence": sentence}
    )


def _fallen(
    source: GatedSource, gate: SourceGate, fallen: dict[date, tuple[int, float]], looked_at: int
) -> CheckResult:
    if not fallen:
        return CheckResult(0, looked_at)
    day, (result, usual) = min(fallen.items())
    least = round(usual * (1 - gate.fall_share))
    more = f" (and {len(fallen) - 1} more days)" if len(fallen) > 1 else ""
    sentence = (
        f"Only {result:,} rows of {source.noun} came on {day}{more}, where {usual:,.0f} are usual, and {least:,} the "
        "least; fix the source and run the day again, or if that is right set ECOM_GATE_FALL_SHARE above "
        f"{gate.fall_share:g}."
    )
    examples = [{"day": str(day), "rows": counts[0], "usual": round(counts[1])} for day, counts in fallen.items()]
    return CheckResult(
        len(fallen), looked_at, examples[:EXAMPLES], observed=result, limit=least, metadata={"sentence": sentence}
    )


def _check_refused(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    source: GatedSource,
    gate: SourceGate,
    late_days: int,
    days: Days | None,
    raw: ir.Table,
    refused: ir.Table,
    *,
    warns: bool,
) -> CheckResult:
    """Compare the rows of a quarantine, or the raw rows with a reason, with those that were received."""
    quarantine = source.quarantine or source.raw
    if quarantine is source.raw:
        refused = refused.filter(refused.reject_reason.notnull())
    count = int(of_days(refused, quarantine.day_column, days).count().to_pyarrow().as_py())
    if quarantine is QuarantinedEvents:
        near = None if days is None else days.widened(before=1, after=late_days)
        raw = of_days(raw, RawEvents.day_column, near)
        raw = of_days(raw.select(day=accounted_date(raw, late_days)), "day", days)
    else:
        raw = of_days(raw, source.raw.day_column, days)
    received = int(raw.count().to_pyarrow().as_py())
    limit = int(received * (LARGE_SHARE if warns else gate.refused_share))
    if not (count > limit if warns else gate.is_refused(received, count)):
        return CheckResult(0, received, observed=count, limit=limit)
    allowed = "" if warns else f", more than ECOM_GATE_REFUSED_SHARE={gate.refused_share:g} allows"
    sentence = (
        f"Of {received:,} rows of {source.noun}, {count:,} ({count / received:.0%}) were refused{allowed}; "
        f"{quarantine.qualified_name()} has the reasons: fix the source or its mapping, and run again."
    )
    return CheckResult(
        1,
        received,
        [{"days": _span(days)}] if days else [],
        observed=count,
        limit=limit,
        metadata={"sentence": sentence},
    )


def _check_lost(source: GatedSource, _days: Days | None, withdrawals: ir.Table) -> CheckResult:
    name = source.raw.qualified_name()
    shown = (
        _held(source.raw, withdrawals)
        .order_by("received_date")
        .select("received_date", "stored_count", "offered_count")
    )
    rows = shown.to_pyarrow().to_pylist()
    if not rows:
        return CheckResult(0, 0)
    first, last = rows[0]["received_date"], rows[-1]["received_date"]
    kept = sum(row["stored_count"] for row in rows)
    now = sum(row["offered_count"] for row in rows)
    span = str(first) if first == last else f"{len(rows)} days from {first} to {last}"
    sentence = (
        f"The source of {source.noun} has {now:,} of the {kept:,} rows that {name} has of {span}, which were kept; put "
        f"them back, or let them go with `ecom run --from {first} --to {last} --allow-withdrawal`."
    )
    examples = [{name: str(value) for name, value in row.items()} for row in rows[:EXAMPLES]]
    return CheckResult(len(rows), len(rows), examples, metadata={"sentence": sentence})


def _counts(raw: ir.Table, column: str, days: Days) -> dict[date, int]:
    """Return the row counts of the days, and of the earlier days that they are compared with."""
    near = raw.filter(raw[column] >= days.first - LOOK_BACK, raw[column] < days.end)
    rows = near.group_by(counted_day=near[column]).agg(number=near.count()).to_pyarrow().to_pylist()
    return {row["counted_day"]: int(row["number"]) for row in rows}


def _span(days: Days) -> str:
    first, last = days.first, days.dates[-1]
    return str(first) if first == last else f"{first} to {last}"
