"""What customers are worth by the month of their first paid order: METRICS "Advertising".

docs/metrics/marketing.md.
"""

from collections.abc import Sequence
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.costs.measures import PROFIT
from ecom_assets.commerce.marketing.contracts import CUTS, CustomerCohortValue
from ecom_assets.commerce.orders.new_customers import first_paid_orders, renewal_orders
from ecom_assets.commerce.orders.orders import ALL
from ecom_assets.commerce.sales.discounts import by_code
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.placeholders import UNKNOWN_CUSTOMER
from ecom_assets.core.tables.portable import ratio, union_all

MONTHS_OF_YEAR: Final = 12
UNKNOWN: Final = "unknown"
COHORT: Final = ("cohort_month_date", "cohort_month")
COUNTS: Final = ("order_count", "renewal_order_count")
AMOUNTS: Final = {
    "revenue_amount": MONEY,
    "renewal_revenue_amount": MONEY,
    "contribution_revenue_amount": PROFIT,
    "contribution_before_ads_amount": PROFIT,
}
SUMMED: Final = {**dict.fromkeys(COUNTS, "int64"), **AMOUNTS}
"""What is added up of orders, with its type."""
OWN_CUTS: Final = tuple(cut for cut in CUTS if cut != "discount_code")
"""The cuts of which each customer has one value."""


def customer_cohort_value(
    sold: ir.Table, profit_lines: ir.Table, cities: ir.Table, calendar: ir.Table
) -> ir.Table:
    """Return rows of `CustomerCohortValue`.

    Args:
        sold: All rows of `Sales`.
        profit_lines: All rows of `ProfitLines`.
        cities: All rows of `City`.
        calendar: All rows of `Calendar`: its days are known, and a month is over with its last.
    """
    customers = first_customers(sold, cities)
    # Each customer once for each code of the first paid order.
    lines = sold.filter(sold.status == "shipped").select("order_id", "order_date", "discount_codes")
    joined = customers.join(
        lines,
        [customers.first_order == lines.order_id, customers.first_date == lines.order_date],
    )
    codes = by_code(joined.drop("order_id", "order_date"))
    codes = codes.drop("discount_codes").distinct()
    orders = _by_order(sold, profit_lines, customers)
    # Cells of all cuts first, which are few: customers would be added up once for each cut.
    cell = [*COHORT, *OWN_CUTS]
    sizes = _by_cut(
        customers.group_by(*cell).agg(customer_count=customers.count()),
        codes.group_by(*COHORT, "discount_code").agg(customer_count=codes.count()),
    )
    # The sides change places, since Ibis would write the orders twice.
    members, of_codes = customers.join(orders, "customer_id"), orders.join(codes, "customer_id")
    sums = _by_cut(
        members.group_by(*cell, "months_since_count").agg(**_sums(members)),
        of_codes.group_by(*COHORT, "discount_code", "months_since_count").agg(**_sums(of_codes)),
    )
    return _by_month(sizes, sums, calendar)


def _sums(rows: ir.Table) -> dict[str, ir.Value]:
    return {name: rows[name].sum().cast(kind) for name, kind in SUMMED.items()}


def _by_cut(cells: ir.Table, codes: ir.Table) -> ir.Table:
    """Return sums of customers once for each cut, and once for all customers.

    Args:
        cells: Sums by `OWN_CUTS`, of which each customer is in one cell.
        codes: The same sums by code, of which a customer may have several.
    """
    parts = []
    for cut in (None, *CUTS):
        rows = codes if cut == "discount_code" else cells
        values = {name: rows[name] if name == cut else ibis.literal(ALL) for name in CUTS}
        parts.append(rows.select(*(set(rows.columns) - {*CUTS}), **values))
    return union_all(*parts)


def month_number(day: ir.DateValue) -> ir.IntegerValue:
    """Return the number of the month of a day, counted from the year 0."""
    return (day.year() * MONTHS_OF_YEAR + day.month()).cast("int64")


def first_customers(sold: ir.Table, cities: ir.Table) -> ir.Table:
    """Return each known customer who paid for an order, with the cuts of the first of these but the
    code, which may be several; none of those of whom that is a renewal.
    """
    known = sold.filter(sold.status == "shipped", sold.customer_id != UNKNOWN_CUSTOMER)
    first = first_paid_orders(sold.mutate(is_refund=sold.status == "refunded"))
    first = first.filter(~first.is_renewal).select(
        "customer_id", first_at="ordered_at", first_order="order_id", first_date="order_date"
    )
    lines = known.join(first, "customer_id")
    lines = lines.filter(lines.order_id == lines.first_order, lines.order_date == lines.first_date)
    largest_first = ibis.window(
        group_by="customer_id", order_by=[lines.revenue_amount.desc(), lines.uniq_id]
    )
    lines = lines.mutate(line_place=ibis.row_number().over(largest_first))
    of_cities = cities.select("country", placed_in="city_id")
    lines = lines.left_join(of_cities, lines.city_id == of_cities.placed_in)
    is_largest = lines.line_place == 0
    # An aggregate, since Ibis would write all that a plain selection is from each time it is read.
    return lines.group_by(
        "customer_id",
        "first_at",
        "first_order",
        "first_date",
        cohort_month_date=lines.first_date.truncate("M").cast("date"),
        cohort_month=month_number(lines.first_date),
    ).agg(
        first_channel=lines.channel.max(where=is_largest),
        item_category=lines.item_category.max(where=is_largest),
        country=lines.country.max(where=is_largest).fill_null(UNKNOWN),
    )


def _by_order(sold: ir.Table, profit_lines: ir.Table, customers: ir.Table) -> ir.Table:
    """Return the orders and refunds of customers of each day from the first paid order on, by month
    since, with what they left.
    """
    left = profit_lines.select(
        "contribution_revenue_amount", "contribution_before_ads_amount", line_id="uniq_id"
    )
    lines = sold.left_join(left, sold.uniq_id == left.line_id).drop("line_id")
    renewals = renewal_orders(sold, "order_id")
    lines = lines.left_join(renewals, lines.order_id == renewals.renewal_id)
    months = customers.select("customer_id", "cohort_month", "first_at")
    lines = lines.join(months, "customer_id")
    lines = lines.filter(lines.ordered_at >= lines.first_at)
    is_shipped, is_renewal = lines.status == "shipped", lines.renewal_id.notnull()
    renewed = is_renewal.ifelse(lines.revenue_amount.cast(MONEY), ibis.literal(0, MONEY))
    lines = lines.mutate(renewal_revenue_amount=renewed)
    return lines.group_by(
        "customer_id",
        "order_id",
        "order_date",
        months_since_count=month_number(lines.order_date) - lines.cohort_month,
    ).agg(
        order_count=is_shipped.ifelse(1, 0).max(),
        renewal_order_count=(is_shipped & is_renewal).ifelse(1, 0).max(),
        **{name: lines[name].sum().cast(kind) for name, kind in AMOUNTS.items()},
    )


def _by_month(sizes: ir.Table, sums: ir.Table, calendar: ir.Table) -> ir.Table:
    """Return each month since of each cohort and cut, with orders or without.

    Args:
        sizes: How many customers some of each cohort and cut are.
        sums: What some of these ordered, by month since.
        calendar: All rows of `Calendar`.
    """
    cohort: Sequence[str] = [*COHORT, *CUTS]
    sizes = sizes.group_by(*cohort).agg(customer_count=sizes.customer_count.sum().cast("int64"))
    known = calendar.agg(newest_date=calendar.calendar_date.max())
    months = calendar.select(
        month=month_number(calendar.calendar_date),
        month_start_date=calendar.calendar_date.truncate("M").cast("date"),
    ).distinct()
    months = months.cross_join(known)
    dense = sizes.join(months, [months.month >= sizes.cohort_month])
    next_start = (dense.month_start_date + ibis.interval(months=1)).cast("date")
    dense = dense.mutate(
        months_since_count=dense.month - dense.cohort_month,
        is_complete=next_start <= (dense.newest_date + ibis.interval(days=1)).cast("date"),
    )
    summed = sums.group_by(*cohort, "months_since_count").agg(**_sums(sums))
    on = [*cohort, "months_since_count"]
    renamed = summed.rename({f"sum_{name}": name for name in on})
    rows = dense.left_join(renamed, [dense[name] == renamed[f"sum_{name}"] for name in on])
    rows = rows.mutate(
        **{name: rows[name].fill_null(0) for name in COUNTS},
        **{
            name: rows[name].fill_null(ibis.literal(0, MONEY))
            for name, kind in AMOUNTS.items()
            if kind == MONEY
        },
    )
    so_far = ibis.cumulative_window(group_by=cohort, order_by="months_since_count")
    rows = rows.mutate(
        cumulative_order_count=rows.order_count.sum().over(so_far).cast("int64"),
        cumulative_revenue_amount=rows.revenue_amount.sum().over(so_far).cast(MONEY),
        cumulative_contribution_amount=rows.contribution_before_ads_amount.sum()
        .over(so_far)
        .cast(PROFIT),
        # Of a month without orders nothing is unknown.
        has_lines=rows.sum_months_since_count.notnull(),
    )
    nothing = rows.cumulative_contribution_amount.notnull().ifelse(
        ibis.literal(0, PROFIT), ibis.null(PROFIT)
    )
    return rows.mutate(
        **{
            name: rows.has_lines.ifelse(rows[name], nothing)
            for name, kind in AMOUNTS.items()
            if kind == PROFIT
        },
        revenue_per_customer=ratio(rows.cumulative_revenue_amount, rows.customer_count),
        contribution_per_customer=ratio(rows.cumulative_contribution_amount, rows.customer_count),
    ).select(*CustomerCohortValue.columns)
