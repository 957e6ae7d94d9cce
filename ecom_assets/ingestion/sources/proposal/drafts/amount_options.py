"""The options of an amount: what is taken off it, and its unit."""

from collections.abc import Callable
from functools import partial

from ecom_assets.ingestion.sources.proposal.drafts.cents import in_cents
from ecom_assets.ingestion.sources.proposal.drafts.draft import (
    IN_CENTS,
    AmountReading,
    Draft,
    options_of,
)
from ecom_assets.ingestion.sources.proposal.questions import quoted
from ecom_assets.ingestion.sources.proposal.values import Value


def hundredth_of(
    draft: Draft, value: Value, times: Value | None = None, *, is_of_goods: bool = False
) -> str:
    """Return the origin of an amount in cents where no column has its currency; empty for
    others. Of the amount of the goods its parts are taken off.
    """
    if value not in draft.cents or in_cents(draft, value):
        return ""
    factor = f" * ({times.sql})::DECIMAL(30, 4)" if times else ""
    amount = f"({value.sql})::DECIMAL(30, 4){factor}"
    with_parts = amount_with_parts(draft, amount) if is_of_goods else amount
    sql = f"({with_parts}) / 100" if with_parts != amount else f"{amount} / 100"
    return f"{{expression: {quoted(sql)}, optional: true}}{IN_CENTS}"


def amount_with_parts(draft: Draft, sql: str) -> str:
    """Return the SQL of an amount that no column has, less and plus its parts."""
    reading = draft.reading()
    by_name = {value.name: value.sql for value in draft.values.values}
    signed = [("-", name) for name in reading.less] if reading else []
    signed += [("+", name) for name in reading.plus] if reading else []
    parts = [f" {sign} coalesce(({by_name[name]})::DECIMAL(30, 4), 0)" for sign, name in signed]
    return f"{sql}{''.join(parts)}"


def less_and_plus(draft: Draft) -> list[str]:
    """Return the options of the amount of the goods: what is taken off, and what is added."""
    reading = draft.reading()
    return options_of(reading) if reading else []


def goods_sql(
    draft: Draft,
    number: Callable[[Value], str] | None = None,
    reading: AmountReading | None = None,
) -> str:
    """Return the SQL of the amount of the goods of a row.

    Args:
        draft: The mapping that is written.
        number: Returns the SQL of the number in a column; without it that over the columns of the
            file, in the units of the file.
        reading: How the amount is read; without it as the draft reads it.
    """
    number = number or partial(plain_number, draft)
    reading = reading or draft.reading() or AmountReading("")
    by_name = {value.name: value for value in draft.values.values}
    sql = " * ".join(map(number, draft.line_columns()))
    for sign, names in (("-", reading.less), ("+", reading.plus)):
        sql += "".join(f" {sign} coalesce({number(by_name[name])}, 0)" for name in names)
    return f"(({sql}) * {reading.factor.sql(number)})" if reading.factor else f"({sql})"


def plain_number(draft: Draft, value: Value) -> str:
    """Return the SQL of the number in a column of the file."""
    return f"({draft.values.plain_sql(value)})::DECIMAL(24, 6)"


def multiplied(draft: Draft, reading: AmountReading, *options: str) -> str:
    """Return the origin of an amount that is multiplied, with further options."""
    cells, factor = draft.line_columns(), reading.factor
    units = in_cents(draft, cells[0])
    hundredth = "" if units or cells[0] not in draft.cents else " / 100"
    digits = factor.digits if factor else 0
    if units and factor and factor.is_of_tax:
        digits = 0  # cents have no decimals
    sql = f"round({goods_sql(draft, reading=reading)}{hundredth}, {digits})"
    return f"{{{', '.join([f'expression: {quoted(sql)}', *units, *options])}}}"
