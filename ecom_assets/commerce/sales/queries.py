"""Queries about sales: totals, revenue over time, by dimension, and customers by week."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Literal

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.sessions.contracts import SessionEvents
from ecom_assets.behaviour.sessions.devices import device
from ecom_assets.commerce.attribution.queries import (
    Model,
    Unit,
    VisitCoverage,
    compared_channels,
    credits_of,
    visit_coverage,
)
from ecom_assets.commerce.orders.orders import ALL, NONE
from ecom_assets.commerce.orders.queries import coverage
from ecom_assets.commerce.sales.contracts import (
    City,
    Customer,
    CustomerRetention,
    PurchaseRevenueDaily,
    RevenueDaily,
    Sales,
)
from ecom_assets.commerce.sales.coverage import (
    ORDERS,
    SalesSource,
    find_sales_source,
    knows_revenue,
    require_orders,
    sales_source,
)
from ecom_assets.commerce.sales.customer_retention import customers_of_days
from ecom_assets.commerce.sales.discounts import by_code, discounted, hidden
from ecom_assets.commerce.sales.measures import DiscountMeasures, SalesMeasures
from ecom_assets.commerce.sales.sales import (
    DIMENSIONS,
    PURCHASE,
    PURCHASE_DIMENSIONS,
    REFUND,
    added_up,
    purchase_totals,
)
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.days import HOUR_S, ONE_DAY, Days, day_start, hours_of
from ecom_assets.core.tables.measures import (
    completed,
    measures_of,
    summable,
    summed,
    sums,
    sums_of_periods,
)
from ecom_assets.core.tables.places import UNKNOWN
from ecom_assets.core.tables.portable import union_all
from ecom_assets.core.tables.queries import (
    END,
    START,
    ZERO,
    NoSourceError,
    Page,
    Period,
    Reading,
    by_revenue,
    compared,
    if_known,
    in_period,
    page_of,
    require,
    revenue_compared,
    revenue_of,
    rows_in_period,
    share,
    totals_by,
    with_previous,
)

NUMBERS: Final = tuple(summable(SalesMeasures))
Dimension = Literal["item_category", "sales_channel"]
"""The dimensions of sales; purchase events have only the category."""


def sales(reading: Reading, period: Period) -> Answer:
    """Return the numbers of a period and of the one before, and their change.

    Raises:
        NoOrdersError: There are neither order lines nor purchase events.
    """
    found = sums_of_periods(reading, daily_revenue(reading), "order_date", period, SalesMeasures)
    now, before = (completed(row, SalesMeasures) for row in found)
    return {
        "source": sales_source(reading),
        "sales": if_known(now, period),
        **compared(now, before, NUMBERS, period),
    }


def sales_by(reading: Reading, period: Period, dimension: Dimension) -> dict[str, Row]:
    """Return the numbers of each value of a dimension, and the change of its revenue.

    Raises:
        NoOrdersError: There are neither order lines nor purchase events.
    """
    rows = with_previous(daily_revenue(reading, dimension), "order_date")
    return _by_value(reading, period, added(rows, [dimension, "is_current"]), dimension)


def sales_by_category_of(reading: Reading, period: Period, sold: ir.Table) -> dict[str, Row]:
    """Return the same by the category of rows of `Sales`, in place of what is stored by day."""
    rows = added_up(with_previous(sold, "order_date"), ["item_category", "is_current"])
    return _by_value(reading, period, rows, "item_category")


def _by_value(
    reading: Reading, period: Period, added_rows: ir.Table, dimension: Dimension
) -> dict[str, Row]:
    """Return sums of a period and of the one before by each value of a dimension, compared."""
    result = reading.rows(added_rows, period)
    before = {row[dimension]: row for row in result if not row["is_current"]}
    current = {row[dimension]: row for row in result if row["is_current"]}
    whole = revenue_of(current.values())
    answers = {}
    for value in {**current, **before}:
        now, then = (
            completed(by_value.get(value), SalesMeasures) for by_value in (current, before)
        )
        answers[value] = {
            **if_known(now, period),
            "revenue_share": share(now["revenue_amount"], whole),
            **revenue_compared(now["revenue_amount"], then["revenue_amount"], period),
        }
    return answers


def daily_revenue(reading: Reading, dimension: Dimension | None = None) -> ir.Table:
    """Return daily rows of sales, in total or by a dimension, with the columns of `RevenueDaily`.

    Raises:
        NoOrdersError: There are neither order lines nor purchase events.
    """
    if sales_source(reading) == ORDERS:
        table, dimensions = reading.table(RevenueDaily), list(DIMENSIONS)
    else:
        purchases = reading.table(PurchaseRevenueDaily)
        table = purchases.rename(order_date="event_date", item_category="product_category")
        dimensions = [
            "item_category" if name == "product_category" else name for name in PURCHASE_DIMENSIONS
        ]
    return totals_by(table, dimensions, dimension)


def added(rows: ir.Table, unit: Sequence[str]) -> ir.Table:
    """Return the sums of daily rows per unit; an amount is null if no row has it."""
    return rows.group_by(*unit).agg(**sums(rows, SalesMeasures))


Granularity = Literal["hour", "day", "week", "month"]
MOST_HOURLY_DAYS: Final = 31


def revenue_trend(reading: Reading, period: Period, granularity: Granularity) -> list[Row]:
    """Return a point for each part of the period, in order.

    Raises:
        DefinitionError: The period has too many days for hourly points.
        NoOrdersError: There are neither order lines nor purchase events.
    """
    if granularity == "hour":
        return _by_hour(reading, period)
    table = daily_revenue(reading)
    total = table.filter(in_period(table.order_date))
    by_day = {row["order_date"]: row for row in reading.rows(added(total, ["order_date"]), period)}
    parts: dict[date, list[date]] = {}
    for day in period.days.dates:
        parts.setdefault(STARTS[granularity](day), []).append(day)
    return [
        _point_of_sales(period, (days[0], days[-1]), None, [by_day.get(day) for day in days])
        for days in parts.values()
    ]


def _point_of_sales(
    period: Period, ends: tuple[date, date], at: datetime | None, rows: list[Row | None]
) -> Row:
    part = replace(period, start_date=ends[0], end_date=ends[1])
    point = {"start_date": ends[0], "end_date": ends[1], "started_at": at, "data": part.data}
    return {
        **point,
        **if_known(summed([row for row in rows if row is not None], SalesMeasures), part),
    }


def _by_hour(reading: Reading, period: Period) -> list[Row]:
    if period.day_count > MOST_HOURLY_DAYS:
        raise DefinitionError(
            f"By the hour at most {MOST_HOURLY_DAYS} days can be asked for, not "
            f"{period.day_count}; ask for fewer, or with granularity=day."
        )
    is_of_orders = sales_source(reading) == ORDERS
    events = {"order_date": "event_date", "ordered_at": "event_at"}
    sold = reading.table(Sales) if is_of_orders else reading.events().rename(events)
    sold = sold.filter(period.contains(sold.order_date))
    sold = _ordered_once(sold) if is_of_orders else sold
    since_s = (
        sold.ordered_at.epoch_seconds()
        - day_start(sold.order_date, period.days, reading.timezone).epoch_seconds()
    )
    sold = sold.mutate(hour_number=(since_s.cast("int64") // HOUR_S).cast("int64"))
    counted = (added_up if is_of_orders else purchase_totals)(sold, ["order_date", "hour_number"])
    result = {(row["order_date"], row["hour_number"]): row for row in reading.rows(counted)}
    return [
        _point_of_sales(period, (day, day), at, [result.get((day, number))])
        for day in period.days.dates
        for number, at in enumerate(hours_of(day, reading.timezone))
    ]


def _ordered_once(sold: ir.Table) -> ir.Table:
    """Return lines of which only the first per order, status and day keeps its order id.

    So an order with lines in several hours counts in one hour, and the hours add up to the day.
    """
    first = ibis.window(
        group_by=["order_date", "order_id", "status"], order_by=["ordered_at", "uniq_id"]
    )
    placed = sold.mutate(place=ibis.row_number().over(first))
    return placed.mutate(order_id=(placed.place == 0).ifelse(placed.order_id, ibis.null("string")))


def _same_day(day: date) -> date:
    return day


def _monday(day: date) -> date:
    return day - day.weekday() * ONE_DAY


def _first_of_month(day: date) -> date:
    return day.replace(day=1)


STARTS: Final[dict[str, Callable[[date], date]]] = {
    "day": _same_day,
    "week": _monday,
    "month": _first_of_month,
}
"""For each granularity, a function that returns the first day of the part that a day is in."""
Level = Literal["country", "region", "city"]
PLACE_COLUMNS: Final = {
    "country": ["country"],
    "region": ["country", "region"],
    "city": ["country", "region", "city_id", "city_name"],
}
"""The columns that identify a place of each level."""


def geography(reading: Reading, period: Period, level: Level) -> Answer:
    """Return the sales of each place, highest revenue first.

    An order with lines in several cities counts once in each city, and once in their country.

    Raises:
        NoOrdersError: There are neither order lines nor purchase events.
        NoSourceError: There are no order lines, and no purchase event has a place.
    """
    source = sales_source(reading)
    columns = PLACE_COLUMNS[level]
    if source == ORDERS:
        sold = rows_in_period(reading, Sales).join(reading.table(City), "city_id")
        rows = reading.rows(added_up(sold, columns), period)
    else:
        purchases = _of_purchases(reading)
        rows = reading.rows(
            added(purchases.filter(in_period(purchases.order_date)), columns), period
        )
    whole = revenue_of(rows)
    places = [
        {
            **{name: row.get(name) for name in PLACE_COLUMNS["city"]},
            **completed(row, SalesMeasures),
            "revenue_share": share(row["revenue_amount"], whole),
        }
        for row in rows
    ]

    def by_revenue_and_name(place: Row) -> tuple[Any, ...]:
        return by_revenue(place), *(str(place[name]) for name in columns)

    places.sort(key=by_revenue_and_name)
    return {"source": source, "level": level, "places": places}


def _of_purchases(reading: Reading) -> ir.Table:
    """Return daily rows by place; events have no city id."""
    table = reading.table(PurchaseRevenueDaily)
    rows = table.filter(table.product_category == ALL, table.country != ALL)
    if not reading.state(rows.filter(rows.country != UNKNOWN).select("country").limit(1)):
        raise NoSourceError(
            "There are no order lines, and no purchase event says where it was made; set "
            "ECOM_ORDERS or ECOM_ORDER_API_URL, or name `country`, `region` and `city` among the "
            "properties of events."
        )
    return rows.rename(order_date="event_date").mutate(city_id=ibis.null("string"))


def customer_weeks(
    reading: Reading, period: Period, category: str | None, city_id: str | None, page: Page
) -> Answer:
    """Return the weeks of a period, for one category or city or for all, and the number of weeks.

    Raises:
        NoOrdersError: There is not a single order line.
    """
    table = reading.table(CustomerRetention)
    rows = table.filter(
        in_period(table.week_start_date),
        table.item_category == (category or ALL),
        table.city_id == (city_id or ALL),
    ).select(*CustomerRetention.columns)
    result, total = page_of(reading, rows, ["week_start_date"], page, period)
    if not result:
        require_orders(reading)
    return {"total_count": total, "weeks": result}


def customers_of_period(reading: Reading, period: Period) -> Row:
    """Return what `CustomerRetention` counts over all categories and cities, for the days of any
    period, with new and returning customers as all other numbers have them; zeros where nobody
    ordered. What is of new and of returning customers is None in data from before it was stored who
    paid.

    Raises:
        NoOrdersError: There is not a single order line.
    """
    sold, customers = rows_in_period(reading, Sales), reading.table(Customer)
    names = [name for name in CustomerRetention.columns if name.endswith(("_count", "_amount"))]
    counted = customers_of_days(sold, customers, START, END).select(names)
    rows = reading.rows(counted, period)
    if not rows:
        require_orders(reading)
        return {name: ZERO if "amount" in name else 0 for name in names}
    of_types = [name for name in names if name.startswith(("new_", "returning_"))]
    paid = customers.filter(customers.is_first_paid_renewal.notnull()).limit(1)
    return {**rows[0], **({} if reading.state(paid) else dict.fromkeys(of_types))}


def newest_customer_week(reading: Reading, period: Period) -> Row | None:
    """Return the newest week of a period with order lines, over all categories and cities."""
    monday = replace(period, start_date=STARTS["week"](period.start_date))
    weeks = totals_by(rows_in_period(reading, CustomerRetention), ("item_category", "city_id"))
    rows = reading.rows(weeks.order_by(weeks.week_start_date.desc()).limit(1), monday)
    return rows[0] if rows else None


def lines_by_category(reading: Reading, period: Period) -> tuple[int, int]:
    """Return how many order lines a period has, and how many of them have no category."""
    sold = rows_in_period(reading, Sales)
    without = (sold.item_category == NONE).ifelse(1, 0).sum().fill_null(0)
    (row,) = reading.rows(sold.agg(line_count=sold.count(), without_count=without), period)
    return int(row["line_count"]), int(row["without_count"])


def sales_totals(reading: Reading, period: Period, source: SalesSource) -> Row:
    """Return the numbers of a source's sales in a period, with the number of customers."""
    is_of_orders = source == ORDERS
    sold = rows_in_period(reading, Sales if is_of_orders else SessionEvents).mutate(whole=1)
    rows = reading.rows((added_up if is_of_orders else purchase_totals)(sold, ["whole"]), period)
    row = rows[0] if rows else None
    return completed(row, SalesMeasures) | {
        "customer_count": int(row["customer_count"]) if row else 0
    }


def sales_of_days(reading: Reading, days: Days) -> Row:
    """Return the numbers of `sales_totals` of order lines on some days, in a row or not."""
    sales = reading.table(Sales)
    sold = sales.filter(days.contain(sales[str(Sales.day_column)])).mutate(whole=1)
    rows = reading.state(added_up(sold, ["whole"]))
    row = rows[0] if rows else None
    return completed(row, SalesMeasures) | {
        "customer_count": int(row["customer_count"]) if row else 0
    }


def has_purchases(reading: Reading) -> bool:
    """Return whether any event is a purchase or a refund."""
    events = reading.table(SessionEvents)
    return bool(
        reading.state(
            events.filter(events.event_type.isin([PURCHASE, REFUND])).select("event_id").limit(1)
        )
    )


ORDER: Final[Unit] = "order"
ChannelDimension = Literal["marketing_channel", "sales_channel"]
MARKETING_CHANNEL: Final[ChannelDimension] = "marketing_channel"
SALES_CHANNEL: Final[Literal["sales_channel"]] = "sales_channel"
CHANNEL_NUMBERS: Final = (
    "order_count",
    "revenue_amount",
    "revenue_share",
    "previous_revenue_amount",
    "revenue_change",
)
OF_BEFORE: Final = ("previous_revenue_amount", "revenue_change")


def by_channel(reading: Reading, period: Period, model: Model) -> Answer:
    """Return each channel with credit in the period or the one before, highest revenue first.

    Raises:
        NoSourceError: There are no events to take channels from, or neither order lines nor
            purchase events.
    """
    require(reading, "events")
    source = sales_source(reading)
    unit: Unit = ORDER if source == ORDERS else "purchase"
    result = credits_of(reading, period, model, unit)
    channels = compared_channels(result, ZERO if knows_revenue(reading) else None, period)
    answer = {"source": source, "dimension": MARKETING_CHANNEL, "model": model, "unit": unit}
    met, met_before = (
        visit_coverage(reading, days) if unit == ORDER else VisitCoverage()
        for days in (period, period.previous)
    )
    return {
        **answer,
        "visit_coverage_rate": met.rate,
        "channel_data": coverage((row["channel"], row) for row in channels),
        "channels": [
            met.known(met_before.known(row, OF_BEFORE), CHANNEL_NUMBERS) for row in channels
        ],
    }


def by_sales_channel(reading: Reading, period: Period) -> Answer:
    """Return each sales channel with sales in the period or the one before, by revenue.

    Raises:
        NoSourceError: There are no order lines to take sales channels from.
    """
    if find_sales_source(reading) != ORDERS:
        raise NoSourceError(
            "There are no order lines, which have the sales channel; set ECOM_ORDERS or "
            "ECOM_ORDER_API_URL, and run `ecom run`."
        )
    result = sales_by(reading, period, SALES_CHANNEL)
    channels = [
        {"channel": name, **{number: row[number] for number in CHANNEL_NUMBERS}}
        for name, row in sorted(result.items(), key=lambda pair: (by_revenue(pair[1]), pair[0]))
    ]
    answer = {"source": ORDERS, "dimension": SALES_CHANNEL, "model": None, "unit": ORDER}
    return {
        **answer,
        "visit_coverage_rate": None,
        "channel_data": coverage(result.items()),
        "channels": channels,
    }


def discounts(reading: Reading, period: Period, *, may_see_people: bool) -> Answer:
    """Return what was sold with discounts in a period, in total and by code, most discounted first.

    Args:
        reading: What is published.
        period: The days.
        may_see_people: Whether codes of few customers are named; else they are one row.

    Nothing is known where no line says anything of discounts.

    Raises:
        NoOrdersError: There are no order lines.
    """
    require_orders(reading)
    sold = reading.table(Sales)
    is_said = sold.discount_amount.notnull() | sold.discount_codes.notnull()
    if not reading.rows(sold.filter(is_said).limit(1)):
        unknown = dict.fromkeys(measures_of(DiscountMeasures))
        return {"source": ORDERS, "total_count": None, "total": unknown, "discounts": []}
    lines = discounted(sold)
    coded = by_code(lines)
    if not may_see_people:
        coded = hidden(coded)
    total = lines.mutate(discount_code=ibis.literal(ALL))
    rows = union_all(total, coded)
    rows = rows.filter(in_period(rows.order_date))
    by_name = {
        row["discount_code"]: {**row, **completed(row, DiscountMeasures)}
        for row in reading.rows(added_up(rows, ["discount_code"], DiscountMeasures), period)
    }
    nothing = {"customer_count": 0, **completed(None, DiscountMeasures)}
    whole = by_name.pop(ALL, if_known(nothing, period))
    each = sorted(
        by_name.values(), key=lambda row: (-(row["discount_amount"] or 0), row["discount_code"])
    )
    return {"source": ORDERS, "total": whole, "discounts": each}


def device_revenue(reading: Reading, period: Period) -> dict[str, Decimal | None]:
    """Return the revenue of purchase and refund events of a period by device.

    Raises:
        NoSourceError: There are no events.
    """
    require(reading, "events")
    events = reading.events()
    events = events.filter(in_period(events.event_date))
    with_device = events.mutate(device=device(events.user_agent, ibis.literal(value=False)))
    rows = reading.rows(purchase_totals(with_device, ["device"]), period)
    return {row["device"]: row["revenue_amount"] for row in rows}
