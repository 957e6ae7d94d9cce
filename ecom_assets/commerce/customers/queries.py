"""Numbers of customers: new, returning and retained ones, their records, segments and value."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from math import fsum
from typing import Any, Final

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from ecom_assets.behaviour.sessions.queries import has_paid_events
from ecom_assets.commerce.attribution.contracts import Conversions
from ecom_assets.commerce.attribution.queries import visit_coverage
from ecom_assets.commerce.customers.contracts import (
    ACTIVITY_STATUSES,
    CUSTOMER_TIERS,
    ENGAGEMENT_LEVELS,
    PROFILE_DIMENSIONS,
    QUALITY_BANDS,
    SEGMENTS,
    UNKNOWN,
    CustomerProfiles,
    Customers,
    CustomerSegments,
    DuplicateCustomers,
    LifetimeValue,
    QuarantinedCustomers,
    RawCustomers,
)
from ecom_assets.commerce.customers.measures import AT_RISK_BELOW, CustomerMeasures
from ecom_assets.commerce.orders.new_customers import (
    NEW,
    RETURNING,
    customer_type,
    with_first_paid,
)
from ecom_assets.commerce.sales.contracts import Customer, Sales
from ecom_assets.commerce.sales.coverage import ORDERS, sales_source
from ecom_assets.core.rows import Answer, NamedValues, Row
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.currencies import rounded
from ecom_assets.core.tables.measures import measures_of
from ecom_assets.core.tables.placeholders import UNKNOWN_CUSTOMER
from ecom_assets.core.tables.portable import can_be_null, rows_of
from ecom_assets.core.tables.queries import (
    BEFORE_START,
    DECIMALS,
    EARLIER_START,
    END,
    START,
    ZERO,
    Fetch,
    NoSourceError,
    Period,
    Reading,
    compared,
    if_known,
    mean,
    rejected_rows,
    rows_in_period,
    share,
)

COUNTS: Final = ("customer_count", "new_customer_count", "returning_customer_count")
NUMBERS: Final = tuple(measures_of(CustomerMeasures))


MILLIONTHS: Final = "decimal(18, 6)"


def customers(reading: Reading, period: Period) -> Answer:
    """Return the numbers of customers in a period and in the one before, their change,
    and the value of customers.

    Raises:
        NoOrdersError: There are neither order lines nor purchase events.
    """
    source = sales_source(reading)
    rows = reading.rows(_counted(reading), period)
    result = rows[0] if rows else {}
    now, before = (
        {name: _whole(result.get(f"{name}_{which}")) for name in COUNTS}
        if result.get(f"customer_count_{which}")
        else dict.fromkeys(COUNTS, 0)
        for which in ("now", "before")
    )
    kept, kept_before = (int(result.get(f"retained_{which}") or 0) for which in ("now", "before"))
    earlier = int(result.get("earlier_customer_count") or 0)
    rate = share(kept, before["customer_count"]) if period.is_comparable else None
    rate_before = share(kept_before, earlier) if period.previous.is_comparable else None
    current: Row = {**now, "retention_rate": rate}
    previous: Row = {**before, "retention_rate": rate_before}
    return {
        "source": source,
        "customers": if_known(current, period),
        **compared(current, previous, NUMBERS, period),
        "value": value(reading),
    }


def value(reading: Reading) -> Row:
    """Return the value of customers as of the newest day: expected revenue,
    past revenue and churn risk.
    """
    table = reading.table(LifetimeValue)
    chance = table.alive_probability.cast(MILLIONTHS)
    rows = reading.state(
        table.agg(
            customer_count=table.count(),
            alive_sum=chance.sum(),
            at_risk_customer_count=(table.alive_probability < AT_RISK_BELOW).ifelse(1, 0).sum(),
            lifetime_sum=table.lifetime_value_amount.sum(),
            no_model_reason=table.no_model_reason.max(),
            no_order_value_reason=table.no_order_value_reason.max(),
        )
    )
    result, segments = rows[0], reading.table(CustomerSegments)
    (past,) = reading.state(
        segments.agg(customers=segments.count(), revenue=segments.revenue_amount.sum().cast(MONEY))
    )
    count, alive, lifetime = (
        int(result["customer_count"]),
        result["alive_sum"],
        result["lifetime_sum"],
    )
    return {
        "customer_count": count,
        "revenue_per_customer_amount": mean(past["revenue"], int(past["customers"]))
        if _knows_purchases(reading)
        else None,
        "lifetime_value_amount": None if lifetime is None else mean(Decimal(lifetime), count),
        "churn_risk_rate": None if alive is None else round(1 - float(alive) / count, DECIMALS),
        "at_risk_customer_count": None if alive is None else int(result["at_risk_customer_count"]),
        "no_model_reason": result["no_model_reason"],
        "no_order_value_reason": result["no_order_value_reason"],
    }


def segments(reading: Reading) -> list[Row]:
    """Return every segment, best first, with its customers, orders and revenue so far.

    Raises:
        NoOrdersError: There are neither order lines nor purchase events.
    """
    is_known = _knows_purchases(reading)
    rows = _by_segment(reading.table(CustomerSegments), reading.rows)
    customers_of_all = sum(row["customer_count"] for row in rows.values())
    revenue_of_all = sum((row["revenue_amount"] or ZERO for row in rows.values()), ZERO)
    unknown = {} if is_known else dict.fromkeys(("revenue_amount", "revenue_share"))
    return [
        _segment(name, rows.get(name), customers_of_all, revenue_of_all) | unknown
        for name in SEGMENTS
    ]


def _knows_purchases(reading: Reading) -> bool:
    """Return whether it is known what customers bought for: order lines say it,
    purchase events if one has an amount.

    Refunds among events are in no customer's revenue.
    """
    return sales_source(reading) == ORDERS or has_paid_events(reading.events(), reading.state)


def _by_segment(segmented: ir.Table, fetch: Fetch) -> dict[str, NamedValues]:
    sums = segmented.group_by("segment").agg(
        customer_count=segmented.count(),
        order_count=segmented.order_count.sum(),
        revenue_amount=segmented.revenue_amount.sum().cast(MONEY),
        recency_days_sum=segmented.recency_days.sum(),
    )
    return {row["segment"]: row for row in fetch(sums)}


def _segment(
    name: str, row: NamedValues | None, customers_of_all: int, revenue_of_all: Decimal
) -> Row:
    count = int(row["customer_count"]) if row else 0
    revenue = row["revenue_amount"] if row else ZERO
    return {
        "segment": name,
        "customer_count": count,
        "customer_share": share(count, customers_of_all),
        "order_count": _whole(row["order_count"]) if row else 0,
        "revenue_amount": revenue,
        "revenue_share": share(revenue, revenue_of_all),
        "mean_recency_days": share(row["recency_days_sum"], count) if row else None,
    }


def _whole(value: Any) -> int | None:  # noqa: ANN401 (a sum, as an engine returns it)
    """Return a sum of whole numbers; None if it is not known."""
    return None if value is None else int(value)


def _counted(reading: Reading) -> ir.Table:
    """Return one row with the numbers of customers in the period and the two before it,
    and of those retained.
    """
    sold, buyers = _bought(reading)
    lines = sold.filter(sold.order_date >= EARLIER_START, sold.order_date <= END)
    day = lines.order_date
    each = lines.group_by("customer_id").agg(
        is_now=(day >= START).ifelse(1, 0).max(),
        is_before=((day >= BEFORE_START) & (day < START)).ifelse(1, 0).max(),
        is_earlier=(day < BEFORE_START).ifelse(1, 0).max(),
    )
    by_customer = each.join(buyers, "customer_id")
    last_before = (START - ibis.interval(days=1)).cast("date")
    now = customer_type(by_customer, START, END)
    before = customer_type(by_customer, BEFORE_START, last_before)
    return by_customer.agg(
        customer_count_now=by_customer.is_now.sum(),
        new_customer_count_now=_of_type(by_customer.is_now, now, NEW),
        returning_customer_count_now=_of_type(by_customer.is_now, now, RETURNING),
        customer_count_before=by_customer.is_before.sum(),
        new_customer_count_before=_of_type(by_customer.is_before, before, NEW),
        returning_customer_count_before=_of_type(by_customer.is_before, before, RETURNING),
        retained_now=(by_customer.is_now * by_customer.is_before).sum(),
        retained_before=(by_customer.is_before * by_customer.is_earlier).sum(),
        earlier_customer_count=by_customer.is_earlier.sum(),
    )


def _of_type(has_ordered: ir.IntegerValue, types: ir.StringValue, name: str) -> ir.IntegerScalar:
    """Return how many customers with an order are of a type; null where no type is known."""
    of_type = ibis.cases(
        (types.isnull(), ibis.null("int64")), (types == name, has_ordered), else_=0
    )
    return of_type.sum()


def _bought(reading: Reading) -> tuple[ir.Table, ir.Table]:
    """Return the days on which each customer bought something,
    and a table with the columns of `with_first_paid` of each.
    """
    if sales_source(reading) == ORDERS:
        sold = reading.table(Sales)
        known = sold.filter(sold.status == "shipped", sold.customer_id != UNKNOWN_CUSTOMER)
        return known, reading.table(Customer)
    events = reading.table(Conversions)
    events = events.filter(events.unit == "purchase", ~events.is_refund)
    bought = events.select(customer_id="visitor_id", order_date="converted_date")
    orders = events.select(
        *("is_refund", "is_renewal", "revenue_amount"),
        customer_id="visitor_id",
        order_id="conversion_id",
        order_date="converted_date",
        ordered_at="converted_at",
    )
    return bought, with_first_paid(bought.select("customer_id").distinct(), orders)


NO_CUSTOMERS: Final = {
    "customer_count": 0,
    "order_count": 0,
    "revenue_amount": ZERO,
    "recency_days_sum": 0,
}
"""The numbers of an empty segment."""


def segment_totals(
    segmented: ir.Table, fetch: Fetch, *, has_money: bool = True, currency: str = ""
) -> Answer:
    """Return the numbers of each segment, including empty ones,
    with revenue in the digits of its currency.

    Means are null for an empty segment, shares if there are no customers at all, and revenue if no
    purchase has an amount.
    """
    result = _by_segment(segmented, fetch)
    customers = sum(row["customer_count"] for row in result.values())

    def segment_numbers(name: str) -> Answer:
        row = result.get(name, NO_CUSTOMERS)
        count = int(row["customer_count"])
        revenue = str(rounded(row["revenue_amount"], currency)) if has_money else None
        return {
            "segment": name,
            "customers": count,
            "share": count / customers if customers else None,
            "orders": int(row["order_count"]),
            "revenue_amount": revenue,
            "mean_recency_days": int(row["recency_days_sum"]) / count if count else None,
        }

    return {"customers": customers, "segments": [segment_numbers(name) for name in SEGMENTS]}


def value_totals(rows: pa.Table, currency: str) -> Answer:
    """Return sums over rows of `LifetimeValue`;
    expected values are null without a model or without customers.
    """
    amounts = rows["lifetime_value_amount"].drop_null().to_pylist()
    return {
        "customers": rows.num_rows,
        "repeat_customers": pc.sum(pc.greater(rows["repeat_order_count"], 0)).as_py() or 0,
        "expected_alive": _sum(rows["alive_probability"]),
        "expected_orders": _sum(rows["expected_order_count"]),
        "lifetime_value_amount": str(rounded(sum(amounts, ZERO), currency)) if amounts else None,
    }


def _sum(column: pa.ChunkedArray) -> float | None:
    # `fsum` is exact, so the order of rows does not matter.
    return (
        round(fsum(column.drop_null().to_pylist()), 6) if len(column) > column.null_count else None
    )


MILLION: Final = 1_000_000
COUNTED_VALUES: Final = {
    "quality_band": QUALITY_BANDS,
    "customer_tier": CUSTOMER_TIERS,
    "market_segment": (),
    "activity_status": ACTIVITY_STATUSES,
    "engagement_level": ENGAGEMENT_LEVELS,
}
"""The columns to count, with the values to list even if no customer has them.

Market segments depend on the shop.
"""
NO_SOURCE = "none"
"""Stands for a null engagement source, because a JSON key cannot be null."""


def customer_counts(
    customers: ir.Table, segments: tuple[str, ...], fetch: Fetch = rows_of
) -> Answer:
    """Return the counts of current customers in rows of `Customers`;
    `segments` are all market segments.
    """
    current = customers.filter(customers.is_current)
    # Points are whole numbers, so their sum does not depend on the order of rows.
    result = current.group_by(*COUNTED_VALUES, "engagement_source", "flawed_fields").agg(
        n=current.count(), points=current.data_quality_score.sum().cast("int64")
    )
    rows = fetch(result)
    total = sum(row["n"] for row in rows)
    flaws: Counter[str] = Counter()
    for row in rows:
        fields = row["flawed_fields"].split(",") if row["flawed_fields"] else ()
        flaws.update(dict.fromkeys(fields, row["n"]))
    points = sum(int(row["points"]) for row in rows)
    return {
        "total_customers": total,
        "mean_data_quality_score": round(points / total, 2) if total else None,
        "flawed_fields": dict(sorted(flaws.items(), key=lambda pair: (-pair[1], pair[0]))),
        **{
            name: _by_value(rows, name, segments if name == "market_segment" else values)
            for name, values in COUNTED_VALUES.items()
        },
        "engagement_source": _by_value(
            [{**row, "engagement_source": row["engagement_source"] or NO_SOURCE} for row in rows],
            "engagement_source",
            ("sessions", "api", NO_SOURCE),
        ),
    }


def _by_value(rows: Sequence[NamedValues], name: str, names: tuple[str, ...]) -> dict[str, int]:
    """Count customers by the values of a column: the known values first,
    then old values that the table still has.
    """
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row[name] or UNKNOWN] += row["n"]
    return {value: counts[value] for value in (*names, *sorted(counts.keys() - set(names)))}


def customer_records(reading: Reading, segments: tuple[str, ...], period: Period) -> Answer:
    """Return the counts of customers as of the newest fetch,
    and of the records fetched in a period.

    `segments` are all market segments.
    """
    table = reading.table(Customers)
    current = can_be_null(table.filter(table.is_current), ["as_of_date"])
    (row,) = reading.state(current.agg(as_of_date=current.as_of_date.max()))
    raw = rows_in_period(reading, RawCustomers)
    (received,) = reading.rows(raw.agg(n=raw.count()), period)
    return {
        **row,
        **customer_counts(table, segments, reading.state),
        "received": int(received["n"]),
        **rejected_rows(reading, QuarantinedCustomers, DuplicateCustomers, period),
    }


def customer_profiles(reading: Reading, dimension: str | None = None) -> Answer:
    """Return the current customers by the values of each dimension, or of one,
    including known values without any; with levels of engagement, for how much of what was ordered
    visits are known.

    Raises:
        NoSourceError: No customers were fetched.
    """
    rows = reading.state(reading.table(CustomerProfiles))
    if not rows:
        raise NoSourceError(
            "No list of customers was loaded, and orders alone do not say this of them; set "
            "ECOM_CUSTOMER_API_URL, and run `ecom run`."
        )
    dimensions = [name for name in PROFILE_DIMENSIONS if dimension in {None, name}]
    of_visits = "engagement_level" in dimensions
    return {
        "as_of_date": max(row["as_of_date"] for row in rows),
        "visit_coverage_rate": visit_coverage(reading, None).rate if of_visits else None,
        "profiles": [profile for name in dimensions for profile in _profiles(rows, name)],
    }


def _profiles(rows: Sequence[NamedValues], name: str) -> list[Row]:
    matches = [
        {name: row["value"], "n": int(row["customer_count"])}
        for row in rows
        if row["dimension"] == name
    ]
    total = sum(row["n"] for row in matches)
    return [
        {
            "dimension": name,
            "value": value,
            "customer_count": count,
            "customer_share": share(count, total),
        }
        for value, count in _by_value(matches, name, COUNTED_VALUES[name]).items()
    ]


def expected_value(reading: Reading) -> Row:
    """Return the sums of the expected values of all customers; null without a model."""
    table = reading.table(LifetimeValue)
    table = can_be_null(table, table.columns)
    sums = table.agg(
        as_of_date=table.as_of_date.max(),
        horizon_days=table.horizon_days.max(),
        value_months=table.value_months.max(),
        no_model_reason=table.no_model_reason.max(),
        no_order_value_reason=table.no_order_value_reason.max(),
        expected_alive=_in_millionths(table.alive_probability),
        expected_orders=_in_millionths(table.expected_order_count),
        lifetime_value_amount=table.lifetime_value_amount.sum(),
    )
    (row,) = reading.state(sums)
    expected = {name: row[name] for name in ("expected_alive", "expected_orders")}
    return dict(row) | {
        name: None if sum_ is None else int(sum_) / MILLION for name, sum_ in expected.items()
    }


def _in_millionths(numbers: ir.FloatingColumn) -> ir.IntegerScalar:
    # The numbers have six decimals, so millionths are whole; a sum of floats would depend on the
    # order of rows.
    return (numbers * MILLION).round().cast("int64").sum()
