"""The path from a number down to received rows, table by table,
with the result of each table's rows.

If the engine has a hash of texts, received rows are matched to clean rows by hashes of their ids,
as text takes several times as long to join and to keep; else the texts are joined. Where all rows
of some days are behind a number, fingerprints of each day are compared; else rows are joined by
day. Two different ids of a day have the same 64 bits with a chance of some 1 in 10^9 for 100,000
events a day.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from ecom_assets.core.rows import Answer, NamedValues
from ecom_assets.core.tables.contract import MONEY, Contract
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import dialect_of, union_all
from ecom_assets.core.tables.trace import (
    COUNTED_AS,
    PART,
    SIGN,
    Count,
    Query,
    Sum,
    TraceContext,
    UpstreamRows,
    carried,
)
from ecom_assets.interfaces.explain.question import UPSTREAM

BETWEEN: Final = " | "
HAPPENED: Final = ("event_at", "ordered_at")
"""The columns by which received rows are shown first."""
Number = int | Decimal | float | None


@dataclass(frozen=True)
class Level:
    """The rows of one table on the way down, and the number that they give.

    Attributes:
        contract: The table.
        rows: Its rows, with the columns that they carry.
        derivation: The part of the number that they are behind.
        whole: Returns some of the rows with all columns; None if `rows` has all columns.
        paged: Rows with the columns by which pages are cut, if `rows` lacks them.
        known_totals: `row_count` and `gives` of the rows, where they were counted already.
    """

    contract: Contract
    rows: ir.Table
    derivation: Count | Sum
    whole: Callable[[ir.Table], ir.Table] | None = None
    paged: ir.Table | None = None
    known_totals: NamedValues | None = None

    @property
    def is_received(self) -> bool:
        """Return whether these are received rows, the end of the path."""
        return self.contract.layer == "raw"

    def totals(self, ask: Query) -> NamedValues:
        """Return `row_count`, how many rows there are, and `gives`, the number that they give,
        null if they cannot.
        """
        if self.known_totals is not None:
            return self.known_totals
        (result,) = ask(self.rows.agg(row_count=self.rows.count(), gives=self._gives()))
        return result

    def page(self, limit: int, offset: int) -> ir.Table:
        """Return some of the rows, in an order that is the same every time."""
        names = [*self.contract.columns, *carried(self.rows)]
        paged = self.rows if self.paged is None else self.paged
        chosen = paged.order_by(self._order(paged.columns)).limit(limit, offset=offset)
        if self.whole is None:
            return chosen.select(*names)
        rows = self.whole(chosen).select(*names)
        return rows.order_by(self._order(names)).limit(limit)

    def _order(self, names: Sequence[str]) -> list[str]:
        first = [name for name in (*HAPPENED, *self.contract.key) if name in names]
        return [*first, *(name for name in names if name not in first)]

    def _gives(self) -> ir.Value:
        if isinstance(self.derivation, Count):
            return (
                self.rows[COUNTED_AS].nunique()
                if COUNTED_AS in self.rows.columns
                else self.rows.count()
            )
        if self.contract.layer == "mart":  # sums are those of clean and received rows
            return ibis.null("int64")
        value = self.rows[self.derivation.of]
        if PART in self.rows.columns:
            value = self.rows[PART].fill_null(value)
        signed = value * self.rows[SIGN] if SIGN in self.rows.columns else value
        return signed.sum() if value.type().is_integer() else signed.cast(MONEY).sum().cast(MONEY)


def walk(derivation: Count | Sum, context: Sequence[TraceContext]) -> Iterator[Level]:
    """Return the tables from the first below the number down to the received rows.

    `derivation` is how the number goes down, or one of its parts; `context` has an item for each
    row whose numbers are added up.
    """
    level = Level(derivation.to, _first_rows(derivation, context), derivation)
    while not level.is_received:
        upstream = UPSTREAM[level.contract]
        if (
            isinstance(derivation, Count)
            and upstream.candidates
            and dialect_of(level.rows.get_backend()).has_text_hash
        ):
            yield from _matched(upstream, level, context[0])
            return
        summed = (
            [derivation.of]
            if isinstance(derivation, Sum) and derivation.of in level.rows.columns
            else []
        )
        kept = context[0].keep(level.rows.select(*upstream.reads, *summed, *carried(level.rows)))
        counts, codes = coded(kept, context[0]) if isinstance(derivation, Count) else (None, kept)
        yield Level(level.contract, kept, derivation, known_totals=counts)
        if upstream.whole:
            of = derivation.of if isinstance(derivation, Sum) else ""
            codes = upstream.whole(codes, context[0], of)
        level = _next_level(upstream, codes, context[0], derivation)
    yield level


def _matched(upstream: UpstreamRows, level: Level, context: TraceContext) -> Iterator[Level]:
    """Return clean rows and the received rows that they came from,
    matched by hashes of their ids.
    """
    assert upstream.candidates is not None  # noqa: S101 (asked by the caller)
    rows = context.keep(thin(level.rows, upstream))
    above = Level(level.contract, rows, level.derivation)
    counts = above.totals(context.ask)
    yield replace(above, known_totals=counts)
    named = [*upstream.reads, *carried(rows)]
    at = [name for name in HAPPENED if name in level.rows.columns]

    def whole_rows(chosen: ir.Table) -> ir.Table:
        return _rows_of(upstream, context, context.keep(chosen.select(*named)), upstream.reads)

    is_whole = are_all_of_their_days(level.contract, rows, counts["row_count"], context)
    if is_whole and have_the_same_ids(rows, upstream, context):
        yield Level(
            upstream.to, rows, level.derivation, whole_rows, level.rows.select(*at, *named), counts
        )
        return
    result = joined(upstream.candidates(rows, context), rows, upstream)
    yield Level(upstream.to, context.keep(result.select(*at, *named)), level.derivation, whole_rows)


def _rows_of(
    upstream: UpstreamRows, context: TraceContext, few: ir.Table, names: Sequence[str]
) -> ir.Table:
    """Return the rows of the next table behind a few rows, with all columns;
    `names` find them in it.
    """

    def narrowed(contract: Contract) -> ir.Table:
        table = context.table(contract)
        if contract is not upstream.to or upstream.received_names:
            return table
        return table.semi_join(
            upstream.found_by(few, context) if upstream.found_by else few, list(names)
        )

    return upstream.rows(few, replace(context, table=narrowed))


def _next_level(
    upstream: UpstreamRows, kept: ir.Table, context: TraceContext, derivation: Count | Sum
) -> Level:
    """Return the next level.

    Received rows are kept with few columns, as a number can have millions of them.
    """
    rows = upstream.rows(kept, context)
    if upstream.to.layer != "raw":
        return Level(upstream.to, rows, derivation)
    found_by = [
        *(name for name in upstream.reads if name in rows.columns),
        *(name for name in carried(rows) if name != PART),
    ]
    also = [PART] if PART in rows.columns else []
    wanted = {*HAPPENED, *found_by, *also, derivation.of if isinstance(derivation, Sum) else ""}
    thin = context.keep(rows.select(name for name in rows.columns if name in wanted))

    def whole_rows(chosen: ir.Table) -> ir.Table:
        below = upstream.received_names(kept) if upstream.received_names else {}
        few = context.keep(
            kept.semi_join(
                chosen, [below.get(name, kept[name]) == chosen[name] for name in found_by]
            )
        )
        return _rows_of(
            upstream, context, few, [name for name in upstream.reads if name in rows.columns]
        )

    return Level(upstream.to, thin, derivation, whole_rows)


def _first_rows(derivation: Count | Sum, context: Sequence[TraceContext]) -> ir.Table:
    """Return the rows right behind rows of the table; those of each are kept,
    or one statement grows with them.
    """
    parts = _read_at_once(derivation, context)
    if len(parts) == 1:
        return _first(derivation, parts[0], 0)
    return union_all(
        *(part.keep(_first(derivation, part, position)) for position, part in enumerate(parts))
    )


def _read_at_once(derivation: Count | Sum, context: Sequence[TraceContext]) -> list[TraceContext]:
    """Return one for all rows that differ in their day only,
    where their days can be read at once.
    """
    if isinstance(derivation, Sum) or not derivation.day:
        return list(context)
    alike: dict[tuple[Any, ...], list[TraceContext]] = {}
    for part in context:
        alike.setdefault(
            tuple(part.row[name] for name in part.key or part.row if name != derivation.day), []
        ).append(part)
    return [
        replace(group[0], several=Days.from_dates(part.row[derivation.day] for part in group))
        for group in alike.values()
    ]


def _first(derivation: Count | Sum, context: TraceContext, position: int) -> ir.Table:
    """Return the rows right behind a row of the table;
    rows of several have their place beside them.
    """
    rows = derivation.rows(context)
    if isinstance(derivation, Count):
        rows = _counted(derivation, rows)
        if COUNTED_AS in rows.columns:
            rows = rows.mutate(
                counted_as=ibis.literal(f"{position}{BETWEEN}").concat(rows[COUNTED_AS])
            )
    return rows.select(*derivation.to.columns, *carried(rows))


def _counted(derivation: Count, rows: ir.Table) -> ir.Table:
    """Return rows with the key that they count as, if not every row counts by itself."""
    if derivation.unit:
        return rows.mutate(counted_as=rows[derivation.unit].cast("string"))
    if COUNTED_AS in rows.columns or _stays_one_to_one(derivation.to):
        return rows
    key = [rows[name].cast("string") for name in derivation.to.key]
    return rows.mutate(counted_as=ibis.literal(BETWEEN).join(key))


def _stays_one_to_one(contract: Contract) -> bool:
    while contract in UPSTREAM:
        if not UPSTREAM[contract].is_one_to_one:
            return False
        contract = UPSTREAM[contract].to
    return True


def as_number(value: Any) -> Number:  # noqa: ANN401 (as an engine returns it)
    """Return a number as a Python value, whole numbers as `int`."""
    if (
        isinstance(value, Decimal)
        and value == value.to_integral_value()
        and value.as_tuple().exponent == 0
    ):
        return int(value)
    result: Number = value
    return result


ID_HASH: Final = "id_hash"


def coded(rows: ir.Table, context: TraceContext) -> tuple[Answer | None, ir.Table]:
    """Count rows, and return them with hashes for the texts that they count as,
    unless two texts share one.

    Where there is nothing to hash, the rows are not counted.
    """
    dialect = dialect_of(rows.get_backend())
    if (
        not dialect.has_text_hash
        or COUNTED_AS not in rows.columns
        or not rows[COUNTED_AS].type().is_string()
    ):
        return None, rows
    texts, hashes = rows[COUNTED_AS], dialect.text_hash(rows[COUNTED_AS])
    (counts,) = context.ask(
        rows.agg(row_count=rows.count(), gives=texts.nunique(), hash_count=hashes.nunique())
    )
    return counts, rows.mutate(counted_as=hashes) if counts["gives"] == counts[
        "hash_count"
    ] else rows


def thin(rows: ir.Table, upstream: UpstreamRows) -> ir.Table:
    """Return rows with the days by which the next table is read, the hash of their id,
    and what they carry.
    """
    return _hashed(rows, upstream).select(*_days(upstream), ID_HASH, *carried(rows))


def joined(candidates: ir.Table, rows: ir.Table, upstream: UpstreamRows) -> ir.Table:
    """Return those of the candidates whose days and hash one of the thin rows has,
    with what that carries.
    """
    result = _hashed(candidates, upstream).join(rows, [*_days(upstream), ID_HASH])
    return result.select(*candidates.columns, *carried(rows))


def are_all_of_their_days(
    contract: Contract, rows: ir.Table, row_count: int, context: TraceContext
) -> bool:
    """Return whether some rows of a table are as many as the table has of their days."""
    days = context.span(rows, str(contract.day_column), str(contract.day_column))
    above = context.table(contract)
    above = above.filter(days.contain(above[str(contract.day_column)]))
    (stored,) = context.ask(above.agg(n=above.count()))
    return bool(stored["n"] == row_count)


def have_the_same_ids(rows: ir.Table, upstream: UpstreamRows, context: TraceContext) -> bool:
    """Return whether thin rows and those of the next table on their days have
    the same ids on each day.

    Copies that the next table has besides are added to the rows: leaving them out of millions takes
    longer.
    """
    assert upstream.copies is not None  # noqa: S101 (declared with `candidates`)
    copies, surplus = upstream.copies(rows, context)
    names = _days(upstream)
    expected = _fingerprints(_hashed(copies, upstream), names)
    actual = union_all(_fingerprints(rows, names), _fingerprints(_hashed(surplus, upstream), names))
    sums = {name: actual[name].sum() for name in ("row_count", "summed")}
    actual = (
        actual.group_by(names)
        .agg(**sums, mixed=actual.mixed.bit_xor())
        .select(expected.columns)
        .cast(expected.schema())
    )
    compared = union_all(actual, expected)
    # A day that both sides have alike is there twice.
    days = compared.group_by(compared.columns).agg(sides=compared.count())
    return not context.ask(days.filter(days.sides == 1).limit(1))


def _fingerprints(rows: ir.Table, names: Sequence[str]) -> ir.Table:
    hashes = rows[ID_HASH]
    low = hashes >> 33  # so few bits that no sum of them overflows
    return rows.group_by(list(names)).agg(
        row_count=rows.count(), mixed=hashes.bit_xor(), summed=low.sum()
    )


def _hashed(rows: ir.Table, upstream: UpstreamRows) -> ir.Table:
    (name,) = (name for name in upstream.reads if name not in _days(upstream))
    return rows.mutate(id_hash=dialect_of(rows.get_backend()).text_hash(rows[name]))


def _days(upstream: UpstreamRows) -> list[str]:
    return [name for name in upstream.reads if upstream.to.columns[name].type == "date"]
