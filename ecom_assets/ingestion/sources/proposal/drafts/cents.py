"""Which amounts count the smallest units of their currency."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from ecom_assets.core.tables.currencies import digits_of, unusual_digits
from ecom_assets.core.warehouse.sql_text import select
from ecom_assets.ingestion.sources.proposal.drafts.draft import (
    AMOUNTS,
    CENTS,
    WHOLE_UNITS,
    Draft,
)
from ecom_assets.ingestion.sources.proposal.fields import MappingKind, has_decimals, numbers_left
from ecom_assets.ingestion.sources.proposal.parts import (
    Part,
    can_be_amount,
    is_total,
    part_of,
    says_cents,
)
from ecom_assets.ingestion.sources.proposal.questions import UNITS, quoted, shown
from ecom_assets.ingestion.sources.proposal.values import TABLE, Value


def find_cents(draft: Draft) -> None:
    """Find the amounts that count cents: by their names, or as asked where all are whole numbers.

    APIs of shops write 19.99 as 1999, and nothing else in their answers says so.
    """
    amounts = [match.value for name, match in draft.found.items() if name in AMOUNTS]
    draft.cents = frozenset(
        value for value in amounts if says_cents(value) or _has_divisor_of_units(draft, value)
    )
    left = [value for value in amounts if value not in draft.cents]
    currency = draft.found["currency"].value if "currency" in draft.found else None
    is_of_orders = draft.kind is MappingKind.ORDERS
    if not is_of_orders or not left or not _may_be_cents(draft, left, currency):
        return
    example = shown(draft.values.counts(left[0], 1)[0][0])
    option = f" ({{minor_units: {currency.path[0]}}} of the field)" if currency else ""
    sentence = (
        f"whether amounts such as {example} of {left[0].name} count {WHOLE_UNITS} or "
        f"{CENTS}{option}"
    )
    draft.ask(UNITS, sentence, (WHOLE_UNITS, CENTS), CENTS)
    if draft.answers.get(UNITS) == CENTS:
        draft.cents |= frozenset(left)


def _has_divisor_of_units(draft: Draft, value: Value) -> bool:
    """Return whether a number has a divisor beside it that gives whole units of its currency in
    all rows: 100, of yen 1, of dinars 1000. Note one that does not.
    """
    parent, _, _ = value.name.rpartition(".")
    beside = [column for column in draft.values.values if column.name == f"{parent}.divisor"]
    if not parent or not beside:
        return False
    currency = draft.found.get("currency")
    code = currency.value.column if currency and currency.value.is_column else "''"
    divisor = beside[0].column
    units = select(f"DISTINCT {code}, {divisor}", TABLE, f"{divisor} IS NOT NULL")
    if all(by == str(10 ** digits_of(unit or "")) for unit, by in draft.values.rows(units)):
        return True
    draft.notes.append(
        f"{shown(beside[0].name)} is not applied: it does not give whole units in all rows"
    )
    return False


def _may_be_cents(draft: Draft, amounts: Sequence[Value], currency: Value | None) -> bool:
    """Return whether amounts in currencies with digits are whole and none is below 1.00: of a
    JSON file, or beside a tax or a fee, whose shares of whole units are hardly ever whole.

    Prices of whole units are hundreds of cents: then a total, a tax or postage of a JSON file shows
    them. Spreadsheets often have whole amounts, so beside them these show nothing.
    """
    without_digits = unusual_digits().get(0, ())
    codes = draft.values.counts(currency) if currency else ()
    has_digits = not any(code.upper() in without_digits for code, _ in codes)
    if draft.values.packed or not has_digits:
        return False
    if draft.values.format != "ndjson":
        numbers = [value for value in numbers_left(draft.values, {}) if can_be_amount(value)]
        of_parts = [value for value in numbers if part_of(value) in {Part.TAX, Part.FEE}]
        of_parts = [value for value in of_parts if not _are_rates(draft, value)]
        of_parts += [value for value in numbers if _is_share_of(draft, value, amounts[0])]
        if not any(map(partial(_has_cents, draft), of_parts)) or any(
            has_decimals(draft.values, value) for value in (*of_parts, *amounts)
        ):
            return False
    are_large = all(
        draft.values.matching(value, r"-?[1-9]\d{2,}|0") == draft.values.filled(value)
        for value in amounts
    )
    telling = [*amounts, *(_amounts_beside(draft) if draft.values.format == "ndjson" else ())]
    return are_large and any(map(partial(_has_cents, draft), telling))


def _amounts_beside(draft: Draft) -> list[Value]:
    """Return totals and parts of amounts; none where one of them has decimals."""
    beside = [value for value in numbers_left(draft.values, {}) if can_be_amount(value)]
    beside = [value for value in beside if is_total(value) or part_of(value) is not None]
    has_units = any(has_decimals(draft.values, value) for value in beside)
    return [] if has_units else beside


def _are_rates(draft: Draft, value: Value) -> bool:
    """Return whether numbers are a few below 100, such as rates of taxes in percent."""
    most = draft.values.scalar(f"max({draft.values.number_sql(value)})")
    is_small = most is not None and most < _WHOLE
    return is_small and draft.values.different(value) <= _FEW_RATES


def _is_share_of(draft: Draft, value: Value, amount: Value) -> bool:
    """Return whether an amount is what a tax or a fee of few rates leaves of another one."""
    part, whole = map(draft.values.number_sql, (value, amount))
    share = f"round({part} / nullif({whole}, 0), 2)"
    measured = [f"min({share})", f"max({share})", f"count(DISTINCT {share})"]
    least, most, different = draft.values.rows(select(measured, TABLE))[0]
    is_share = least is not None and least > _LEAST_LEFT and most < 1
    return bool(is_share and different <= _FEW_RATES < draft.values.different(value))


_WHOLE: Final = 100
_FEW_RATES: Final = 3
_LEAST_LEFT: Final = 0.5
"""The least share that a tax or a fee leaves."""


def _has_cents(draft: Draft, value: Value) -> bool:
    """Return whether some whole numbers are no hundreds."""
    return bool(draft.values.matching(value, r"-?\d*([1-9]|[1-9]\d)"))


def in_cents(draft: Draft, value: Value) -> list[str]:
    """Return the option of an amount that counts cents, where a column has its currency."""
    currency = draft.found.get("currency")
    if value not in draft.cents or currency is None or not currency.value.is_column:
        return []
    return [f"minor_units: {quoted(currency.value.path[0])}"]
