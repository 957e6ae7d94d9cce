"""Checks of what was spent on ads."""

import ibis.expr.types as ir

from ecom_assets.commerce.marketing.contracts import (
    REASON_MEANINGS,
    AdSpend,
    AdSpendDaily,
    QuarantinedAdSpend,
    RawAdSpend,
)
from ecom_assets.core.tables.check import (
    EXAMPLES,
    CheckResult,
    check,
    counted_by,
)
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import rows_of, union_all
from ecom_assets.core.tables.received import NO_FAULT

OF_ACCOUNT = ("spend_date", "platform", "account_id")


@check(AdSpend, reads=(RawAdSpend, QuarantinedAdSpend, AdSpend))
def received_spend_is_accounted_for(
    _days: Days | None, raw: ir.Table, quarantined: ir.Table, spend: ir.Table
) -> CheckResult:
    """Each received row of spend counts, is quarantined, or is of a load that a newer one replaced.

    So no account's day is without spend, and no more rows count than were received.
    """
    (row,) = rows_of(raw.agg(received=raw.count()))
    (refused,) = rows_of(quarantined.agg(quarantined=quarantined.count()))
    (counted,) = rows_of(spend.agg(counted=spend.row_count.sum().fill_null(0)))
    counts = {name: int(value) for name, value in {**row, **refused, **counted}.items()}
    replaced = counts["received"] - counts["quarantined"] - counts["counted"]
    ids = quarantined.select("spend_id", "source_file")
    clean = raw.anti_join(ids, ["spend_id", "source_file"])
    lost = clean.filter(clean.spend_date.notnull()).select(*OF_ACCOUNT).distinct()
    lost = lost.anti_join(spend, list(OF_ACCOUNT))
    days = rows_of(lost.order_by(*OF_ACCOUNT).limit(EXAMPLES))
    (number,) = rows_of(lost.agg(number=lost.count()))
    broken = int(number["number"]) + max(0, -replaced)
    metadata = {**counts, "replaced": replaced}
    return CheckResult(broken, counts["received"], days or [metadata] if broken else [])


@check(QuarantinedAdSpend, reads=(QuarantinedAdSpend,), warns=True)
def every_spend_is_read(_days: Days | None, quarantined: ir.Table) -> CheckResult:
    """Every row of spend counts, but totals of others."""
    return counted_by(
        quarantined.filter(quarantined.reject_reason.notin([*NO_FAULT, "total_line"])),
        "reject_reason",
        REASON_MEANINGS,
        "Rows of ad spend that do not count: {}. Correct the file or its mapping, and run again.",
    )


@check(AdSpendDaily, reads=(AdSpend, AdSpendDaily))
def spend_adds_up_to_its_loads(_days: Days | None, spend: ir.Table, daily: ir.Table) -> CheckResult:
    """On each day, what accounts spent is the sum of the rows that count."""
    rows = spend.filter(spend.is_counted)
    kind = daily.spend_amount.type()
    sides = union_all(
        rows.select(*OF_ACCOUNT, amount=rows.spend_amount.cast(kind)),
        daily.select(*OF_ACCOUNT, amount=(-daily.spend_amount).cast(kind)),
    )
    sums = sides.group_by(*OF_ACCOUNT).agg(residue=sides.amount.sum())
    broken = sums.filter(sums.residue != 0)
    (counts,) = rows_of(
        sums.agg(days=sums.count(), broken=(sums.residue != 0).ifelse(1, 0).sum().fill_null(0))
    )
    return CheckResult(int(counts["broken"]), int(counts["days"]), rows_of(broken.limit(EXAMPLES)))


AD_SPEND_CHECKS = [
    received_spend_is_accounted_for,
    every_spend_is_read,
    spend_adds_up_to_its_loads,
]
"""All checks of ad spend, in addition to the contracts."""
