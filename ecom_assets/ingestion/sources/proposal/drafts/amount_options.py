"""The options of an amount: what is taken off it, and its unit."""

from ecom_assets.ingestion.sources.proposal.drafts.cents import in_cents
from ecom_assets.ingestion.sources.proposal.drafts.draft import IN_CENTS, Draft, options_of
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


def goods_sql(draft: Draft) -> str:
    """Return the SQL of the amount of the goods of a row, over the columns of the file, in the
    units of the file.
    """
    plain = {value.name: draft.values.plain_sql(value) for value in draft.values.values}
    numbers = [f"({draft.values.plain_sql(one)})::DECIMAL(24, 6)" for one in draft.line_columns()]
    reading = draft.reading()
    signed = [("-", name) for name in reading.less] if reading else []
    signed += [("+", name) for name in reading.plus] if reading else []
    parts = (f" {sign} coalesce(({plain[n]})::DECIMAL(24, 6), 0)" for sign, n in signed)
    sql = f"({' * '.join(numbers)}{''.join(parts)})"
    if reading is None or reading.rate is None:
        return sql
    percent = f"coalesce(({draft.values.plain_sql(reading.rate)})::DECIMAL(24, 6), 0)"
    return f"({sql} * (100 - {percent}) / 100)"
