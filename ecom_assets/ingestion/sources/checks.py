"""Checks of every source: how many rows arrived, how many were rejected,
and which days the source has lost.

Events, orders, customers and stock share one set of thresholds (`tables/received.py`).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from operator import attrgetter
from typing import Any, Final, Protocol

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.clean import accounted_date, is_public, with_money
from ecom_assets.behaviour.events.contracts import QuarantinedEvents, RawEvents
from ecom_assets.commerce.costs.contracts import RawCosts
from ecom_assets.commerce.customers.contracts import QuarantinedCustomers, RawCustomers
from ecom_assets.commerce.marketing.contracts import RawAdSpend
from ecom_assets.commerce.orders.contracts import (
    QuarantinedOrders,
    RawCustomerResearch,
    RawPriceLog,
    RawUserActivityLog,
    RawUserOrderLog,
)
from ecom_assets.commerce.products.contracts import RawStock
from ecom_assets.commerce.quality.reasons import sentence_of
from ecom_assets.core.tables import formats
from ecom_assets.core.tables.check import EXAMPLES, CheckResult, TableCheck, rows_on_days
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.currencies import rounded
from ecom_assets.core.tables.days import Days, span_text
from ecom_assets.core.tables.portable import count_of, rows_of, value_of, values_of
from ecom_assets.core.tables.received import (
    NO_DAYS,
    NO_FAULT,
    FileRows,
    SourceGate,
    latest_count,
    usual_count,
)
from ecom_assets.core.tables.received_files import LARGE_SHARE
from ecom_assets.core.warehouse.day_notes import (
    AbsentDays,
    ErasedRows,
    UnansweredDays,
    Withdrawals,
)
from ecom_assets.core.warehouse.raw_slices import kind_of

FileDay = tuple[str, date]


class RowCountSource(Protocol):
    """A source that may be files."""

    def file_rows(self, days: Days | None) -> Sequence[FileRows] | None:
        """Return the row counts of the files that the rows of `days` come from;
        None if there are no files.
        """


def file_row_checks() -> list[TableCheck]:
    """Return the checks that every row of the files is in the raw tables;
    a failure blocks the downstream tables.
    """
    return [_rows_check(RawEvents, "event_source"), _rows_check(RawUserOrderLog, "order_source")]


def _rows_check(raw: Contract, source: str) -> TableCheck:
    return TableCheck(
        contract=raw,
        name="every_row_of_the_files_is_in_raw",
        description=(
            f"Per file and arrival day, {raw.qualified_name()} has as many rows as were "
            "counted in the file, less those of erased people."
        ),
        function=partial(_evaluate, raw),
        tables=(raw, Withdrawals, ErasedRows),
        blocking=True,
        source=source,
    )


def _evaluate(  # noqa: PLR0913, PLR0917 (each is a table or the source)
    contract: Contract,
    days: Days | None,
    raw: ir.Table,
    withdrawals: ir.Table,
    erased: ir.Table,
    source: RowCountSource | None = None,
) -> CheckResult:
    """Compare the counts, except for days that keep their old rows;
    `no_day_lost_its_rows` reports these.
    """
    raw = _own_rows(raw, getattr(source, "origin", ""))
    in_raw, held = (
        _by_file(raw, ibis._.count(), days),
        _received_dates(_held_days(contract, withdrawals)),
    )
    files = source.file_rows(days) if source else None
    if files is None:
        return CheckResult(0, 0)
    left_out = erased.filter(erased.source_table == contract.qualified_name())
    in_raw += _by_file(left_out, ibis._.erased_count.sum(), days)
    counted = {key: number for key, number in _in_files(files, days).items() if key[1] not in held}
    loaded = {key: number for key, number in in_raw.items() if key[1] not in held}
    wrong = [
        {
            "source_file": file,
            "received_date": day,
            "rows_in_file": counted.get((file, day), 0),
            "rows_in_raw": number,
        }
        for file, day in sorted({*counted, *loaded})
        if (number := loaded.get((file, day), 0)) != counted.get((file, day), 0)
    ]
    wrong = [*_without_a_day(files), *wrong]
    evidence = {"sentence": _sentence(contract, wrong)} if wrong else {}
    return CheckResult(len(wrong), sum(counted.values()), wrong[:EXAMPLES], metadata=evidence)


def _own_rows(raw: ir.Table, origin: str) -> ir.Table:
    """Return the rows that came from the kind of source that `origin` is;
    all rows if it names none.
    """
    if not origin:
        return raw
    sources = values_of(raw.select("source").distinct()["source"])
    return raw.filter(
        raw.source.isin([source for source in sources if kind_of(source) == kind_of(origin)])
    )


def _in_files(files: Sequence[FileRows], days: Days | None) -> Counter[FileDay]:
    # Files in two folders can have the same name; raw has the rows of both under this name.
    counts: Counter[FileDay] = Counter()
    checked = set(days.dates) if days else None
    for file in files:
        by_day = {
            day: n for day, n in file.by_day.items() if n and (checked is None or day in checked)
        }
        counts.update({(file.file, day): n for day, n in by_day.items()})
    return counts


def _by_file(rows: ir.Table, number: ir.IntegerScalar, days: Days | None) -> Counter[FileDay]:
    counts = (
        rows_on_days(rows, "received_date", days)
        .group_by("source_file", "received_date")
        .agg(number=number)
    )
    listed = rows_of(counts)
    return Counter(
        {(row["source_file"], row["received_date"]): int(row["number"]) for row in listed}
    )


def _without_a_day(files: Sequence[FileRows]) -> list[dict[str, Any]]:
    return [
        {
            "source_file": file.file,
            "received_date": None,
            "rows_in_file": file.row_count,
            "rows_in_raw": placed,
        }
        for file in files
        if (placed := sum(file.by_day.values())) != file.row_count
    ]


def _held_days(contract: Contract, withdrawals: ir.Table) -> ir.Table:
    """Return the days that keep their old rows although the source no longer has them."""
    return withdrawals.filter(
        withdrawals.source_table == contract.qualified_name(), withdrawals.withdrawn_at.isnull()
    )


def _sentence(contract: Contract, wrong: Sequence[Mapping[str, Any]]) -> str:
    first = wrong[0]
    more = f" (and {len(wrong) - 1:,} more differences)" if len(wrong) > 1 else ""
    file, day, file_rows = first["source_file"], first["received_date"], first["rows_in_file"]
    if day is None:
        result = (
            f"{file} has {file_rows:,} rows, and {first['rows_in_raw']:,} of them have an arrival "
            "day"
        )
    else:
        result = (
            f"{file} has {file_rows:,} rows of {day}, and {contract.qualified_name()} has "
            f"{first['rows_in_raw']:,}"
        )
    return (
        f"{result}{more}; if the file changed while it was read, run the day again, else report "
        "this with the file's format, because rows were lost or counted twice."
    )


LOOK_BACK = timedelta(weeks=12)
"""How far back days are counted for comparison."""
RECENT = timedelta(weeks=1)
"""How far back the shares of reasons are compared: a source that changed is noticed,
and few rows are read.
"""
RISEN_FACTOR, RISEN_SHARE = 3, 0.01
"""A reason has risen if its share is three times that of before, and a hundredth of the rows more.
"""
NOTHING_FROM = 10
"""From this usual row count on, a day without rows is an error;
for smaller shops it can be a quiet day.
"""
EndedDays = Callable[[Days], Days]
"""Returns the days that have ended; called when a check runs."""


@dataclass(frozen=True)
class _Money:
    """Rows with an amount, and what these come to."""

    rows: int = 0
    amount: Decimal = Decimal(0)

    def added(self, others: Iterable["_Money"]) -> "_Money":
        """Return the sum of these and others."""
        each = [self, *others]
        return _Money(
            sum(money.rows for money in each), sum((money.amount for money in each), Decimal(0))
        )


NO_MONEY: Final = _Money()
MONEY_SHARE: Final = Decimal("0.01")
"""The share of a day's money that may be refused without a warning."""


@dataclass(frozen=True)
class _RefusedDay:
    """The refused rows of a day: how many, those whose amount cannot be read,
    and the sum of the others.
    """

    day: date
    rows: int
    unread: int
    amount: Decimal

    def estimated(self, received: _Money) -> Decimal:
        """Return what these rows come to,
        if each that cannot be read is worth as much as the mean of the others.
        """
        return self.amount + (self.unread * received.amount / received.rows if received.rows else 0)

    def is_much(self, received: _Money) -> bool:
        """Return whether too large a part of the day's money was refused,
        or all of its rows if none can be read.
        """
        if not received.amount:
            return self.unread > 0 and not received.rows
        lost = self.estimated(received)
        return lost > MONEY_SHARE * (received.amount + lost - self.amount)


def _refused_of(row: Mapping[str, Any]) -> _RefusedDay:
    amount = Decimal(row["amount"] or 0)
    return _RefusedDay(row["refused_day"], int(row["row_count"]), int(row["unread_count"]), amount)


def _money_sentence(
    noun: str, over: Sequence[_RefusedDay], received: _Money, reason: str, currency: str
) -> str:
    """Return the warning about the days on which too much money was refused."""
    rows, unread = sum(day.rows for day in over), sum(day.unread for day in over)
    amount = sum((day.amount for day in over), Decimal(0))
    days = (
        str(over[0].day)
        if len(over) == 1
        else f"{over[0].day} to {over[-1].day}, on {len(over):,} days"
    )
    share = (
        f" ({amount / received.amount:.0%} of their money)" if received.amount and amount else ""
    )
    known = f"{formats.amount(amount, currency)}{share}"
    of_rows = formats.counted(rows, "row")
    lost = f"{known} in {of_rows}"
    if unread:
        lost = f"{known} and {formats.counted(unread, 'amount')} that cannot be read"
    if unread == rows:
        lost = f"the amounts of {of_rows}, which cannot be read,"
    return (
        f"Of the {noun} of {days}, {lost} were refused and count nowhere, most often {reason}. "
        f"{sentence_of(reason)} Fix the source or its mapping, and run again."
    )


@dataclass(frozen=True)
class GatedSource:
    """A source as its gate sees it; `brings_all` if each time it brings everything there is,
    as of that day.

    `resource` is the key of the resource that reads it, where it may be files. `amount` is the
    column of its money; empty if it has none.
    """

    noun: str
    raw: Contract
    quarantine: Contract | None = None
    brings_all: bool = False
    resource: str = ""
    amount: str = ""


SOURCES = (
    GatedSource(
        "events", RawEvents, QuarantinedEvents, resource="event_source", amount="cart_amount"
    ),
    GatedSource(
        "orders",
        RawUserOrderLog,
        QuarantinedOrders,
        resource="order_source",
        amount="payment_amount",
    ),
    GatedSource("customers", RawCustomers, QuarantinedCustomers, brings_all=True),
    GatedSource("stock", RawStock, brings_all=True),
)
LISTS: Final = (
    ("costs", RawCosts),
    ("spend on ads", RawAdSpend),
    ("activities", RawUserActivityLog),
    ("customer research", RawCustomerResearch),
    ("prices", RawPriceLog),
)
"""Other sources, of which nobody knows how many rows are usual."""


def source_checks(
    gate: SourceGate, late_days: int, ended: EndedDays, currency: Callable[[], str]
) -> list[TableCheck]:
    """Return the checks about each source; but for lost days,
    of which the table keeps the rows, they block.

    Args:
        gate: The thresholds.
        late_days: As in `CleaningRule`.
        ended: Returns those of some days that are over.
        currency: Returns that of all amounts, which loaded files may state; empty where it is not
            known.
    """
    gates = [_SourceChecks(source, gate, late_days, ended, currency) for source in SOURCES]
    lists = [_lost_check(noun, raw) for noun, raw in LISTS]
    return [*(check for each in gates for check in each.checks()), *lists]


def _lost_check(noun: str, raw: Contract) -> TableCheck:
    """Return the check that says which days keep rows that their source no longer has."""
    return TableCheck(
        contract=raw,
        name="no_day_lost_its_rows",
        description=f"The source of {noun} still has the rows of every day that it had rows of.",
        function=partial(_lost, noun, raw),
        tables=(Withdrawals,),
    )


def _lost(noun: str, raw: Contract, _days: Days | None, withdrawals: ir.Table) -> CheckResult:
    name = raw.qualified_name()
    held = _held_days(raw, withdrawals).order_by("received_date")
    rows = rows_of(held.select("received_date", "stored_count", "offered_count"))
    if not rows:
        return CheckResult(0, 0)
    first, last = rows[0]["received_date"], rows[-1]["received_date"]
    kept = sum(row["stored_count"] for row in rows)
    now = sum(row["offered_count"] for row in rows)
    span = str(first) if first == last else f"{len(rows)} days from {first} to {last}"
    sentence = (
        f"The source of {noun} has {now:,} of the {kept:,} rows that {name} has "
        f"of {span}, which were kept; put them back, or let them go with `ecom run --from "
        f"{first} --to {last} --allow-withdrawal`."
    )
    examples = [{name: str(value) for name, value in row.items()} for row in rows[:EXAMPLES]]
    return CheckResult(len(rows), len(rows), examples, metadata={"sentence": sentence})


@dataclass(frozen=True)
class _SourceChecks:
    """The checks of one source."""

    source: GatedSource
    gate: SourceGate
    late_days: int
    ended: EndedDays
    currency: Callable[[], str]

    def checks(self) -> Iterator[TableCheck]:
        source, raw = self.source, self.source.raw
        yield TableCheck(
            contract=raw,
            name="enough_came",
            description=(
                f"No day of {source.noun} has far fewer rows than is usual, and something "
                "came at all."
            ),
            function=self._check_snapshots if source.brings_all else self._check_days,
            tables=(raw, Withdrawals, AbsentDays),
            blocking=True,
            source=source.resource,
        )
        if "sent_by" in raw.columns:
            yield TableCheck(
                contract=raw,
                name="enough_came_of_public_keys",
                description=f"No day has far fewer {source.noun} of public keys than is usual.",
                function=self._check_public_days,
                tables=(raw, Withdrawals, AbsentDays),
                warns=True,
            )
        yield _lost_check(source.noun, raw)
        if source.quarantine:
            yield self._few_were_refused("few_were_refused", self.gate.refused_share, warns=False)
        yield self._few_were_refused("very_few_were_refused", LARGE_SHARE, warns=True)
        if source.amount:
            yield TableCheck(
                contract=source.quarantine or raw,
                name="little_money_was_refused",
                description=(
                    f"On no day more than {MONEY_SHARE:.0%} of the money of {source.noun} is "
                    "refused."
                ),
                function=self._check_refused_money,
                tables=(raw, source.quarantine or raw),
                warns=True,
            )
        if source.quarantine and not source.brings_all:
            yield TableCheck(
                contract=source.quarantine,
                name="reasons_are_usual",
                description=(
                    f"No reason takes far more of the {source.noun} than on the days before."
                ),
                function=self._check_reasons,
                tables=(raw, source.quarantine),
                warns=True,
            )
        if raw is RawStock:
            yield TableCheck(
                contract=raw,
                name="the_source_answered",
                description=f"The source of {source.noun} answered when it was asked.",
                function=self._check_answered,
                tables=(raw, UnansweredDays),
            )
        if raw is RawUserOrderLog:
            yield TableCheck(
                contract=raw,
                name="each_day_has_an_increment",
                description=(
                    "The order report API has an increment of each day that it was asked for."
                ),
                function=self._check_absent,
                tables=(AbsentDays,),
                warns=True,
            )

    def _few_were_refused(self, name: str, share: float, *, warns: bool) -> TableCheck:
        contract = self.source.quarantine or self.source.raw
        sees_parts = not self.source.brings_all
        return TableCheck(
            contract=contract,
            name=name,
            description=f"No more than a share of {share:g} of the {self.source.noun} is refused.",
            function=partial(self._check_refused, warns=warns),
            tables=(self.source.raw, contract),
            blocking=not warns,
            warns=warns,
            source=self.source.resource if sees_parts else "",
            sees_parts=sees_parts,
        )

    def _check_absent(self, days: Days | None, absent: ir.Table) -> CheckResult:
        """Name the days of the run without an increment, and what the table has of them;
        the other days go on.
        """
        rows = rows_of(self._absent_of(absent, days).order_by("received_date"))
        looked_at = len(days.dates) if days else len(rows)
        if not rows:
            return CheckResult(0, looked_at)
        kept = sum(row["kept_count"] for row in rows)
        days_named = ", ".join(str(row["received_date"]) for row in rows[:EXAMPLES])
        more = f" and {len(rows) - EXAMPLES} more days" if len(rows) > EXAMPLES else ""
        rest = (
            f"the {kept:,} rows that came of them otherwise stay"
            if kept
            else "they stay without rows"
        )
        sentence = (
            f"The source of {self.source.noun} has no increment of {days_named}{more}; {rest}, "
            "and all other days are built."
        )
        examples = [
            {"received_date": str(row["received_date"]), "kept_count": row["kept_count"]}
            for row in rows
        ]
        return CheckResult(
            len(rows), looked_at, examples[:EXAMPLES], metadata={"sentence": sentence}
        )

    def _check_answered(
        self, days: Days | None, raw: ir.Table, unanswered: ir.Table
    ) -> CheckResult:
        """Name the day for which the source did not answer, and of which day its rows are."""
        newest = value_of(raw.received_date.max())
        noted = self._absent_of(unanswered, days)
        asked = _received_dates(noted)
        if not asked:
            return CheckResult(0, 1)
        kept = f"that of {newest} is used instead" if newest else "there is none of other days"
        sentence = (
            f"The source of {self.source.noun} did not answer for {max(asked)}; {kept}, also for "
            "what items cost. See the run's log, and run the day again."
        )
        examples = [{"day": str(day)} for day in sorted(asked)]
        return CheckResult(len(asked), 1, examples[:EXAMPLES], metadata={"sentence": sentence})

    def _absent_of(self, absent: ir.Table, days: Days | None) -> ir.Table:
        return rows_on_days(
            absent.filter(absent.source_table == self.source.raw.qualified_name()),
            "received_date",
            days,
        )

    def _check_days(
        self,
        days: Days | None,
        raw: ir.Table,
        withdrawn: ir.Table,
        absent: ir.Table,
        files: RowCountSource | None = None,
    ) -> CheckResult:
        """Compare each day that has ended with the same weekday of earlier weeks;
        fail if no day has any rows.

        Rows of public keys do not count: more of them than usual would make the days after it look
        incomplete. Where there are only such rows, nothing is compared here; see
        `_check_public_days`.
        """
        if not days or not days.dates:
            return CheckResult(0, 0)
        counts = self._counts(_not_public(raw), days)
        if not counts and "sent_by" in raw.columns and self._counts(_public(raw), days):
            return CheckResult(0, len(days.dates))
        return self._compare_days(counts, days, _not_public(raw), withdrawn, absent, files)

    def _check_public_days(
        self, days: Days | None, raw: ir.Table, withdrawn: ir.Table, absent: ir.Table
    ) -> CheckResult:
        """Compare the rows of public keys as `_check_days` compares the others,
        where there are any.
        """
        counts = self._counts(_public(raw), days) if days and days.dates else {}
        if not days or not counts:
            return CheckResult(0, 0)
        return self._compare_days(counts, days, _public(raw), withdrawn, absent, None)

    def _compare_days(  # noqa: PLR0913, PLR0917 (each is a table, the source, days or their counts)
        self,
        counts: Mapping[date, int],
        days: Days,
        raw: ir.Table,
        withdrawn: ir.Table,
        absent: ir.Table,
        files: RowCountSource | None,
    ) -> CheckResult:
        # Days whose rows were withdrawn on purpose are not checked, nor those of which the source
        # says it has nothing.
        is_meant = (
            withdrawn.source_table == self.source.raw.qualified_name()
        ) & withdrawn.withdrawn_at.notnull()
        wanted = Days.from_dates({*days.dates} - _received_dates(withdrawn.filter(is_meant)))
        checked = Days.from_dates({*wanted.dates} - _received_dates(self._absent_of(absent, days)))
        usual = {day: usual_count(counts, day, days.first) for day in self.ended(checked).dates}
        if not any(counts.get(day) for day in days.dates) and (
            checked.dates or (wanted.dates and not counts)
        ):
            return self._check_nothing(
                raw, wanted, sum(number or 0 for number in usual.values()), files
            )
        return self._fallen(counts, usual, len(checked.dates))

    def _check_snapshots(
        self, days: Days | None, raw: ir.Table, _withdrawn: ir.Table, _absent: ir.Table
    ) -> CheckResult:
        """Compare each day that has a snapshot with the snapshots before it."""
        if not days or not days.dates:
            return CheckResult(0, 0)
        counts = self._counts(raw, days)
        usual = {day: latest_count(counts, day) for day in days.dates if counts.get(day)}
        return self._fallen(counts, usual, len(usual))

    def _check_nothing(
        self, raw: ir.Table, checked: Days, usual: float, files: RowCountSource | None
    ) -> CheckResult:
        is_empty = not count_of(raw)
        # A run is split where weeks have no rows, so an early part can be before the first day of
        # the source.
        begins_later = is_empty and any(
            file.row_count for file in (files and files.file_rows(None)) or ()
        )
        if (begins_later or not is_empty) and usual < NOTHING_FROM:
            return CheckResult(0, len(checked.dates), observed=0, limit=0)
        expected = f", where some {usual:,.0f} rows are usual" if usual else ""
        sentence = (
            f"No {self.source.noun} came for {_span(checked)}{expected}; look at where they come "
            "from (`ecom doctor`), and run these days again."
        )
        examples = [{"days": _span(checked)}]
        return CheckResult(
            1, len(checked.dates), examples, observed=0, limit=1, metadata={"sentence": sentence}
        )

    def _fallen(
        self, counts: Mapping[date, int], usual: Mapping[date, float | None], looked_at: int
    ) -> CheckResult:
        """Name the days with far fewer rows than usual."""
        fallen = {
            day: (counts.get(day, 0), number)
            for day, number in usual.items()
            if number and self.gate.is_fall(number, counts.get(day, 0))
        }
        if not fallen:
            return CheckResult(0, looked_at)
        day, (count, number) = min(fallen.items())
        least = round(number * (1 - self.gate.fall_share))
        more = f" (and {len(fallen) - 1} more days)" if len(fallen) > 1 else ""
        sentence = (
            f"Only {count:,} rows of {self.source.noun} came on {day}{more}, where {number:,.0f} "
            f"are usual, and {least:,} the least; fix the source and run the day again, or if "
            f"that is right set ECOM_GATE_FALL_SHARE above {self.gate.fall_share:g}."
        )
        examples = [
            {"day": str(day), "rows": rows, "usual": round(number)}
            for day, (rows, number) in fallen.items()
        ]
        evidence = {"sentence": sentence}
        return CheckResult(
            len(fallen),
            looked_at,
            examples[:EXAMPLES],
            observed=count,
            limit=least,
            metadata=evidence,
        )

    def _check_refused(  # noqa: PLR0913 (each is a table, the source, or days)
        self,
        days: Days | None,
        raw: ir.Table,
        refused: ir.Table,
        files: RowCountSource | None = None,
        *,
        warns: bool,
        parts: Days | None = None,
    ) -> CheckResult:
        """Compare the rows of a quarantine, or the raw rows with a reason,
        with those that were received.

        With the `parts` of a run that is split, those before this one count too, and what the files
        have for the later ones: a few bad rows far from all others are a part of their own, and few
        of the run's rows.
        """
        source = self.source
        quarantine = source.quarantine or source.raw
        days, later = _split(parts, days) if days and parts else (days, NO_DAYS)
        if quarantine is source.raw:
            refused = refused.filter(refused.reject_reason.notnull())
        refused = refused.filter(refused.reject_reason.notin(NO_FAULT))
        if not warns:
            raw, refused = _not_public(raw), _not_public(refused)
        count = count_of(rows_on_days(refused, quarantine.day_column, days))
        received = self._received_rows(raw, days)
        share = self.gate.refused_share
        exceeds = self._is_large if warns else self.gate.is_refused
        if later.dates and exceeds(received, count):
            received += sum(_in_files((files and files.file_rows(later)) or (), later).values())
        sender = ""
        if not exceeds(received, count):
            worst = None if warns else self._most_refused_sender(raw, refused, days)
            if worst is None:
                limit = int(received * (LARGE_SHARE if warns else share))
                return CheckResult(0, received, observed=count, limit=limit)
            sent_by, received, count = worst
            sender, refused = f" sent by {sent_by}", refused.filter(refused.sent_by == sent_by)
        limit = int(received * (LARGE_SHARE if warns else share))
        allowed = "" if warns else f", more than ECOM_GATE_REFUSED_SHARE={share:g} allows"
        sentence = (
            f"Of {received:,} rows of {source.noun}{sender}, {count:,} ({count / received:.0%}) "
            f"were refused{allowed}; {quarantine.qualified_name()} has the reasons, "
            f"{self._most_often(refused, days)}"
        ).replace("  ", " ")
        examples = [{"days": _span(days)}] if days else []
        return CheckResult(
            1, received, examples, observed=count, limit=limit, metadata={"sentence": sentence}
        )

    def _most_refused_sender(
        self, raw: ir.Table, refused: ir.Table, days: Days | None
    ) -> tuple[str, int, int] | None:
        """Return the key or topic of which too many rows were refused, and both counts;
        None if there is none.

        Good rows of one key do not hide that those of another are refused. One with few rows, such
        as that of a first attempt, stops nobody.
        """
        if not {"sent_by"} <= {*raw.columns} & {*refused.columns}:
            return None
        of_senders = refused.filter(refused.sent_by.notnull())
        counts = self._sender_counts(
            rows_on_days(of_senders, (self.source.quarantine or self.source.raw).day_column, days)
        )
        if not counts:
            return None
        received = self._sender_counts(
            self._accounted_rows(raw.filter(raw.sent_by.isin(sorted(counts))), days)
        )
        broken = [
            (number / received[sender], sender)
            for sender, number in counts.items()
            if received.get(sender, 0) >= self.gate.least_count
            and self.gate.is_refused(received[sender], number)
        ]
        _, worst = max(broken, default=(0, ""))
        return (worst, received[worst], counts[worst]) if worst else None

    @staticmethod
    def _sender_counts(rows: ir.Table) -> dict[str, int]:
        counted = rows_of(rows.group_by("sent_by").agg(number=rows.count()))
        return {row["sent_by"]: int(row["number"]) for row in counted}

    def _check_refused_money(
        self, days: Days | None, raw: ir.Table, refused: ir.Table
    ) -> CheckResult:
        """Compare the money of refused rows with that of all received ones, day by day."""
        source = self.source
        refused = rows_on_days(refused, (source.quarantine or source.raw).day_column, days)
        refused = self._with_money(refused.filter(refused.reject_reason.notin(NO_FAULT)))
        reasons = refused.group_by("reject_reason").agg(
            row_count=refused.count(),
            unread_count=refused.is_unread.sum(),
            amount=refused.amount.sum(),
        )
        by_day = refused.group_by(
            refused_day=refused[str((source.quarantine or source.raw).day_column)]
        ).agg(
            row_count=refused.count(),
            unread_count=refused.is_unread.sum(),
            amount=refused.amount.sum(),
        )
        lost = [_refused_of(row) for row in rows_of(by_day)]
        totals = self._received_money(raw, days)
        over = [
            day
            for day in sorted(lost, key=attrgetter("day"))
            if day.is_much(totals.get(day.day, NO_MONEY))
        ]
        if not over:
            return CheckResult(0, len(totals))
        most = max(
            rows_of(reasons),
            key=lambda row: (row["row_count"], row["reject_reason"]),
        )
        total = NO_MONEY.added(totals[day.day] for day in over if day.day in totals)
        currency = self.currency()
        sentence = _money_sentence(source.noun, over, total, str(most["reject_reason"]), currency)
        examples = [
            {"day": str(day.day), "rows": day.rows, "amount": str(rounded(day.amount, currency))}
            for day in over[:EXAMPLES]
        ]
        return CheckResult(len(over), len(totals), examples, metadata={"sentence": sentence})

    def _with_money(self, rows: ir.Table) -> ir.Table:
        """Return the rows that are about money,
        with their `amount` and whether it `is_unread`, as 1 or 0.
        """
        if "event_type" in rows.columns:
            rows = with_money(rows).filter(lambda event: event.is_about_money)
        amount = rows[self.source.amount]
        return rows.mutate(amount=amount.abs(), is_unread=amount.isnull().ifelse(1, 0))

    def _received_money(self, raw: ir.Table, days: Days | None) -> dict[date, "_Money"]:
        """Return the money of the received rows by the day that they count for."""
        rows = raw
        if self.source.quarantine is QuarantinedEvents:
            rows = rows_on_days(
                raw,
                RawEvents.day_column,
                days.widened(before=1, after=self.late_days) if days else None,
            )
            rows = rows.mutate(received_day=accounted_date(rows, self.late_days))
        else:
            rows = rows.mutate(received_day=rows[str(self.source.raw.day_column)])
        rows = rows_on_days(rows, "received_day", days)
        if "left_out" in rows.columns:
            rows = rows.filter(rows.left_out.isnull())
        rows = self._with_money(rows)
        by_day = rows.group_by("received_day").agg(
            read_count=rows.amount.count(), amount=rows.amount.sum()
        )
        return {
            row["received_day"]: _Money(int(row["read_count"]), Decimal(row["amount"] or 0))
            for row in rows_of(by_day)
        }

    @staticmethod
    def _is_large(received: int, refused: int) -> bool:
        return refused > int(received * LARGE_SHARE)

    def _most_often(self, refused: ir.Table, days: Days | None) -> str:
        reasons = self._reasons(refused, days)
        most = max(sorted(reasons), key=lambda reason: reasons[reason])
        remedy = "Fix the source or its mapping, and run again."
        return f"most often ({reasons[most]:,}) {most}. {sentence_of(most)} {remedy}"

    def _check_reasons(self, days: Days | None, raw: ir.Table, refused: ir.Table) -> CheckResult:
        """Compare the share that each reason takes of the rows of the run's days
        with that of the days before.
        """
        if not days or not days.dates:
            return CheckResult(0, 0)
        before = Days.between(days.first - RECENT, days.first)
        if "sent_by" in raw.columns and self._received_rows(_not_public(raw), days):
            # Where others send, too, rows of public keys are no reason to look at a source.
            raw, refused = _not_public(raw), _not_public(refused)
        received, earlier = (
            self._received_rows(raw, compared_days) for compared_days in (days, before)
        )
        if min(received, earlier) < self.gate.least_count:
            return CheckResult(0, received)
        counts, usual = (self._reasons(refused, compared_days) for compared_days in (days, before))
        risen = {
            reason: count
            for reason, count in sorted(counts.items())
            if count / received > RISEN_FACTOR * usual.get(reason, 0) / earlier + RISEN_SHARE
        }
        if not risen:
            return CheckResult(0, received)
        named = ", ".join(
            f"{reason} {count / received:.1%} instead of {usual.get(reason, 0) / earlier:.1%}"
            for reason, count in risen.items()
        )
        sentence = (
            f"Of the {self.source.noun}, other shares than on the days before are refused: "
            f"{named}; look at what their source has changed, and run these days again."
        )
        return CheckResult(
            len(risen),
            received,
            [{"reason": name} for name in risen],
            metadata={"sentence": sentence},
        )

    def _received_rows(self, raw: ir.Table, days: Days | None) -> int:
        """Return the number of rows that the days account for."""
        return count_of(self._accounted_rows(raw, days))

    def _accounted_rows(self, raw: ir.Table, days: Days | None) -> ir.Table:
        """Return the rows that the days account for."""
        if self.source.quarantine is not QuarantinedEvents:
            return rows_on_days(raw, self.source.raw.day_column, days)
        near = None if days is None else days.widened(before=1, after=self.late_days)
        raw = rows_on_days(raw, RawEvents.day_column, near)
        return rows_on_days(raw.mutate(day=accounted_date(raw, self.late_days)), "day", days)

    def _reasons(self, refused: ir.Table, days: Days | None) -> dict[str, int]:
        rows = rows_on_days(refused, (self.source.quarantine or self.source.raw).day_column, days)
        counted = rows_of(rows.group_by("reject_reason").agg(number=rows.count()))
        return {row["reject_reason"]: int(row["number"]) for row in counted}

    def _counts(self, raw: ir.Table, days: Days) -> dict[date, int]:
        """Return the row counts of the days,
        and of the earlier days that they are compared with.
        """
        day = raw[str(self.source.raw.day_column)]
        near = raw.filter(day >= days.first - LOOK_BACK, day < days.end)
        rows = rows_of(near.group_by(counted_day=day).agg(number=near.count()))
        return {row["counted_day"]: int(row["number"]) for row in rows}


def _not_public(rows: ir.Table) -> ir.Table:
    """Return the rows that no public key sent: whatever strangers send closes no gate."""
    return rows.filter(~is_public(rows)) if "sent_by" in rows.columns else rows


def _public(rows: ir.Table) -> ir.Table:
    """Return the rows that a public key sent."""
    return rows.filter(is_public(rows))


def _split(parts: Days, days: Days) -> tuple[Days, Days]:
    """Return the days of all parts of a run until the end of one part's days,
    and those after it.
    """
    until, after = (
        [day for day in parts.dates if (day < days.end) == is_before] for is_before in (True, False)
    )
    return Days.from_dates(until), Days.from_dates(after)


def _received_dates(rows: ir.Table) -> set[date]:
    return set(values_of(rows.received_date))


def _span(days: Days) -> str:
    return span_text(days.first, days.dates[-1])
