"""Gates in front of the sales tables, and the accounting of order lines. Not here: the star schema (`sales.py`)."""

from collections.abc import Callable
from functools import partial

import ibis
import ibis.expr.types as ir

from ecom_assets.checks.claim import Claim, Verdict, claim, of_days, verdict_of
from ecom_assets.contracts.orders import DuplicateOrders, QuarantinedOrders, RawUserOrderLog, UserOrderLog
from ecom_assets.transforms.days import Days
from ecom_assets.transforms.stacking import stacked

JudgedDays = Callable[[Days], Days]
TERMS = ("received_count", "clean_count", "quarantined_count", "surplus_count")


def order_claims(customers_over: int, judged: JudgedDays) -> list[Claim]:
    """Return the claims that hold back what is built on order lines.

    Args:
        customers_over: How many customers a report must exceed.
        judged: Returns those of a run's days whose lines must be there; asked when a check runs.
    """
    return [
        Claim(
            contract=RawUserOrderLog,
            name="report_was_generated",
            description="The order report is there and holds lines.",
            judge=partial(_is_there, judged),
            tables=(RawUserOrderLog,),
            blocking=True,
        ),
        Claim(
            contract=RawUserOrderLog,
            name="report_has_enough_customers",
            description=f"The order report holds more than {customers_over} customers.",
            judge=partial(_has_customers, customers_over, judged),
            tables=(RawUserOrderLog,),
            blocking=True,
        ),
        received_is_clean_plus_quarantined_plus_surplus,
    ]


def order_accounting(
    days: Days | None, raw: ir.Table, clean: ir.Table, quarantined: ir.Table, surplus: ir.Table
) -> ir.Table:
    """One row per day of arrival, in `day`, with the four counts and the `residue` that they leave; zero is well."""
    terms = stacked(
        _counted(raw, days, "received_count", lambda rows: rows.count()),
        _counted(clean, days, "clean_count", lambda rows: rows.count()),
        _counted(quarantined, days, "quarantined_count", lambda rows: rows.count()),
        _counted(surplus, days, "surplus_count", lambda rows: rows.surplus_count.sum()),
    )
    per_day = terms.group_by("day").agg(**{term: terms[term].sum() for term in TERMS})
    left = per_day.received_count - per_day.clean_count - per_day.quarantined_count - per_day.surplus_count
    return per_day.mutate(residue=left)


def _counted(rows: ir.Table, days: Days | None, term: str, number: Callable[[ir.Table], ir.IntegerScalar]) -> ir.Table:
    rows = of_days(rows, "received_date", days)
    counts = rows.group_by(day="received_date").agg(number=number(rows))
    zero = ibis.literal(0, "int64")
    return counts.select("day", **{name: counts.number.cast("int64") if name == term else zero for name in TERMS})


@claim(UserOrderLog, reads=(RawUserOrderLog, UserOrderLog, QuarantinedOrders, DuplicateOrders), blocking=True)
def received_is_clean_plus_quarantined_plus_surplus(days: Days | None, raw: ir.Table, *others: ir.Table) -> Verdict:
    """Per day of arrival, received lines = clean lines + quarantined lines + surplus copies."""
    if days is not None:
        # A line that came again takes its place from a copy that came on another day.
        copies = raw.semi_join(of_days(raw, "received_date", days), "uniq_id").select("received_date").distinct()
        days = Days.of([*days.dates, *copies.received_date.to_pyarrow().to_pylist()])
    per_day = order_accounting(days, raw, *others)
    return verdict_of(per_day.filter(per_day.residue != 0), per_day)


def _is_there(judged: JudgedDays, days: Days | None, raw: ir.Table) -> Verdict:
    asked = judged(days) if days else None
    found = int(of_days(raw, "received_date", asked).count().to_pyarrow().as_py())
    return Verdict(int(found == 0), found, _missing(asked) if not found else [], observed=found, limit=1)


def _has_customers(over: int, judged: JudgedDays, days: Days | None, raw: ir.Table) -> Verdict:
    asked = judged(days) if days else None
    report = of_days(raw, "received_date", asked)
    found = int(report.customer_id.nunique().to_pyarrow().as_py())
    return Verdict(int(found <= over), found, _missing(asked) if found <= over else [], observed=found, limit=over)


def _missing(days: Days | None) -> list[dict[str, object]]:
    return [{"newest_day": days.dates[-1].isoformat()}] if days else []
