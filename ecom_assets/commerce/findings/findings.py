"""Which numbers of the newest week are worth a look: METRICS "What to look at".

The engine reduces the tables to a count per day and subject; what is beyond chance is decided in
Python, so that every engine finds the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

import ibis.expr.types as ir
import pyarrow as pa

from ecom_assets.behaviour.events.same_order import NO_ORDERS
from ecom_assets.behaviour.identity.visitors import ANONYMOUS
from ecom_assets.commerce.attribution.order_visits import ReconciliationRule, events_of
from ecom_assets.commerce.attribution.queries import VisitCoverage, met_revenue
from ecom_assets.commerce.conversion.conversion import PURCHASE
from ecom_assets.commerce.findings.chance import WEEK, DailyNumber, NumberLook, looks_at
from ecom_assets.commerce.findings.contracts import NO_CAUSE, NO_FUNNEL, Kind, ShopFindings
from ecom_assets.commerce.sales.contracts import PurchaseRevenueDaily, RevenueDaily
from ecom_assets.core.rows import NamedValues, Row
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.coverage import LEAST_COVERAGE
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.core.tables.placeholders import known
from ecom_assets.core.tables.portable import arrow_schema_of, rows_of
from ecom_assets.core.tables.queries import ALL
from ecom_assets.core.tables.spellings import order_name
from ecom_assets.core.tables.usual import USUAL_WEEKS

LOOKED_AT_DAYS: Final = (USUAL_WEEKS + 1) * WEEK + WEEK
"""How many days are read: the newest week, and of each of its days eight weeks before."""
MEETING_DAYS: Final = 28
"""The newest days of which orders have to meet visits."""
DECIMALS: Final = 6
CENT_OF_CENT: Final = Decimal("0.0001")
Counts = dict[date, float]


@dataclass(frozen=True)
class Subject:
    """What a number is of."""

    kind: Kind
    dimension: str = ALL
    subject: str = ALL
    funnel_name: str = NO_FUNNEL
    step: int = 0


@dataclass(frozen=True)
class ComparedNumber:
    """A number that is looked at.

    Attributes:
        subject: What it is of.
        number: The number by day.
        worth: What one more visit, session that goes on, or item is worth; None where nothing has
            an amount.
    """

    subject: Subject
    number: DailyNumber
    worth: Decimal | None


@dataclass(frozen=True)
class Deviation:
    """A number that is further from what is usual than chance lets it be."""

    compared: ComparedNumber
    look: NumberLook
    bound: float

    @property
    def distance(self) -> float:
        """Return how far off it is, as a multiple of how far chance lets it be."""
        return self.look.distance(self.bound)

    @property
    def weekly_amount(self) -> Decimal | None:
        """Return what is missing, or paid back more than usual, in a week of such days."""
        if self.compared.worth is None:
            return None
        look = self.look
        size = look.number.size(look.days) if look.number.wholes is not None else 1
        daily = abs(look.value - look.usual) * size / len(look.days)
        return (self.compared.worth * Decimal(str(daily)) * WEEK).quantize(CENT_OF_CENT)


def looked_at_days(last: date) -> Days:
    """Return the days that are read of a source whose newest whole day is `last`."""
    return Days.through(last - (LOOKED_AT_DAYS - 1) * ONE_DAY, last)


def visits_by_day(touches: ir.Table, days: Days) -> ir.Table:
    """Return the sessions of people by `channel` and `day`, from rows of `Touches`."""
    people = touches.filter(days.contain(touches.started_date), ~touches.is_bot)
    return people.group_by("channel", day="started_date").agg(session_count=people.count())


def steps_by_day(conversion: ir.Table, days: Days) -> ir.Table:
    """Return the rows of `ConversionByDimension` of some days, without robots."""
    rows = conversion.filter(days.contain(conversion.cohort_date))
    return rows.filter((rows.dimension != "device") | (rows["value"] != "robot"))


def refunds_by_day(products: ir.Table, days: Days) -> ir.Table:
    """Return what was paid back of each `product_id` by `day`, from `ProductPerformance`."""
    rows = products.filter(days.contain(products.event_date), products.refunded_item_count > 0)
    return rows.select("product_id", "refunded_amount", "refunded_item_count", day="event_date")


def stock_that_runs_out(alerts: ir.Table) -> ir.Table:
    """Return the rows of `InventoryAlerts` of products that run out within their delivery time."""
    return alerts.filter(
        alerts.sold_item_count > 0,
        (alerts.stock_count <= 0) | (alerts.days_of_cover < alerts.lead_time_days),
    ).select("product_id", "as_of_date", "day_without_stock_amount")


def worth_of_sessions(
    engagement: ir.Table, revenue: ir.Table, purchases: ir.Table, days: Days
) -> ir.Table:
    """Return the sessions of some days, those with a purchase, and the revenue of orders and of
    purchase events, as one row, from `EngagementDaily`, `RevenueDaily` and `PurchaseRevenueDaily`.
    """
    visits = engagement.filter(days.contain(engagement.event_date))
    counts = visits.agg(
        session_count=visits.session_count.sum(),
        purchase_session_count=visits.purchase_session_count.sum(),
    )
    for name, table, contract in (
        ("order_amount", revenue, RevenueDaily),
        ("purchase_amount", purchases, PurchaseRevenueDaily),
    ):
        day = str(contract.day_column)
        totals = [table[column] == ALL for column in contract.key if column != day]
        total = table.filter(days.contain(table[day]), *totals)
        counts = counts.cross_join(total.agg(total.revenue_amount.sum().cast(MONEY).name(name)))
    return counts


def compared_visits(rows: Iterable[NamedValues], worth: Decimal | None) -> Iterator[ComparedNumber]:
    """Yield the visits of each channel, each of which is worth as much."""
    by_channel: dict[str, Counts] = defaultdict(dict)
    for row in rows:
        by_channel[row["channel"]][row["day"]] = row["session_count"]
    for channel, counts in sorted(by_channel.items()):
        yield ComparedNumber(Subject("visits", "channel", channel), DailyNumber(counts), worth)


def compared_steps(
    rows: Iterable[NamedValues], purchase_worth: Decimal | None
) -> Iterator[ComparedNumber]:
    """Yield the share of sessions that went on to each step of each funnel, of all and by value of
    each dimension. One that goes on is worth what a session with a purchase is, as often as those
    that go on buy.
    """
    reached: dict[tuple[str, str, str], dict[int, Counts]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(float))
    )
    last_types: dict[str, tuple[int, str]] = {}
    for row in rows:
        funnel, step = row["funnel_name"], row["step"]
        last_types[funnel] = max(last_types.get(funnel, (0, "")), (step, row["event_type"]))
        subjects = [(row["dimension"], row["value"])]
        subjects += [(ALL, ALL)] if row["dimension"] == "device" else []
        for dimension, value in subjects:
            reached[funnel, dimension, value][step][row["cohort_date"]] += row["unit_count"]
    for (funnel, dimension, value), steps in sorted(reached.items()):
        last, last_type = last_types[funnel]
        for step in range(2, last + 1):
            worth = None
            gone_on = int(sum(steps[step].values()))
            if purchase_worth is not None and last_type == PURCHASE and gone_on:
                worth = purchase_worth * int(sum(steps[last].values())) / gone_on
            subject = Subject("conversion", dimension, value, funnel, step)
            yield ComparedNumber(subject, DailyNumber(steps[step], steps[step - 1]), worth)


def compared_refunds(rows: Iterable[NamedValues]) -> Iterator[ComparedNumber]:
    """Yield the items of each product that were paid back, each worth what they are on average."""
    by_product: dict[str, Counts] = defaultdict(dict)
    paid: dict[str, Decimal | None] = defaultdict(Decimal)
    for row in rows:
        product, amount, so_far = row["product_id"], row["refunded_amount"], paid[row["product_id"]]
        by_product[product][row["day"]] = float(row["refunded_item_count"])
        paid[product] = None if amount is None or so_far is None else so_far - amount
    for product, counts in sorted(by_product.items()):
        amount = paid[product]
        worth = None if amount is None else amount / Decimal(str(sum(counts.values())))
        subject = Subject("refunds", "product", product)
        yield ComparedNumber(subject, DailyNumber(counts, is_rise=True), worth)


def deviations(numbers: Iterable[tuple[ComparedNumber, date, frozenset[date]]]) -> list[Deviation]:
    """Return which numbers are beyond chance, one look of each, the one furthest off; of
    conversion, whose numbers are of the same sessions, a single one.

    Args:
        numbers: Each number with its newest whole day and the days of which it is known.
    """
    looks = [
        (compared, look)
        for compared, last, known_dates in numbers
        for look in looks_at(
            compared.number, last, known_dates, each_day=compared.subject.kind != "refunds"
        )
    ]
    furthest: dict[Subject | str, Deviation] = {}
    for compared, look in looks:
        deviation = Deviation(compared, look, look.bound(len(looks)))
        if not look.is_beyond(deviation.bound):
            continue
        kind = compared.subject.kind
        same = kind if kind == "conversion" else compared.subject
        if same not in furthest or deviation.distance > furthest[same].distance:
            furthest[same] = deviation
    return list(furthest.values())


def finding_rows(beyond: Iterable[Deviation]) -> Iterator[Row]:
    """Yield the rows of `ShopFindings` for numbers beyond chance."""
    for deviation in beyond:
        subject, look = deviation.compared.subject, deviation.look
        yield {
            "kind": subject.kind,
            "funnel_name": subject.funnel_name,
            "step": subject.step,
            "dimension": subject.dimension,
            "subject": subject.subject,
            "first_date": look.days[0],
            "last_date": look.days[-1],
            "observed_number": round(look.value, DECIMALS),
            "expected_number": round(look.usual, DECIMALS),
            "bound_number": round(deviation.bound, DECIMALS),
            "weekly_amount": deviation.weekly_amount,
            **NO_CAUSE,
        }


def stock_rows(short: Iterable[NamedValues]) -> Iterator[Row]:
    """Yield the row of the products that run out; none if there is no such product.

    `short` has the rows of `stock_that_runs_out`.
    """
    products = list(short)
    if not products:
        return
    daily_amounts = [row["day_without_stock_amount"] for row in products]
    weekly_amounts = [amount * WEEK for amount in daily_amounts if amount is not None]
    as_of = max(row["as_of_date"] for row in products)
    yield {
        "kind": "stock",
        "funnel_name": NO_FUNNEL,
        "step": 0,
        "dimension": "product",
        "subject": ALL,
        "first_date": as_of,
        "last_date": as_of,
        "observed_number": float(len(products)),
        "expected_number": None,
        "bound_number": None,
        "weekly_amount": (
            sum(weekly_amounts, Decimal()).quantize(CENT_OF_CENT) if weekly_amounts else None
        ),
        **NO_CAUSE,
    }


def meeting_days(events: Set[date], orders: Set[date]) -> Days:
    """Return the newest days whose orders have to meet visits, of the days of which each is known:
    none where no day can be of both.
    """
    if not events or not orders:
        return Days(())
    last = min(max(events), max(orders))
    first = max(min(events), min(orders), last - (MEETING_DAYS - 1) * ONE_DAY)
    return Days.through(first, last)


def ids_of_purchases(
    events: ir.Table, order_visits: ir.Table, reconciliation_rule: ReconciliationRule, days: Days
) -> ir.Table:
    """Return how many purchase events of some days there are, how many say an order or a user, and
    how many are the event of an order, as one row.

    The tables are rows of `CleanEvents` and `OrderVisits`.
    """
    bought = events_of(events, reconciliation_rule, days)
    bought = bought.filter(bought.kind == PURCHASE)
    is_named = known(order_name(bought.named_order_id), NO_ORDERS).notnull()
    is_user = ~bought.visitor_id.startswith(ANONYMOUS)
    met = order_visits.filter(days.contain(order_visits.event_date), order_visits.kind == PURCHASE)
    counts = bought.agg(
        purchase_count=bought.count(), said_count=(is_named | is_user).ifelse(1, 0).sum()
    )
    return counts.cross_join(met.agg(met_count=met.count()))


SAME_IDS: Final = (
    "the number of the order, in GA4 as transaction_id, or the same id of the customer as orders "
    "have"
)


def cause_of_not_meeting(counts: NamedValues) -> tuple[str, str]:
    """Return why orders and visits do not meet, and what to do about it.

    `counts` is the row of `ids_of_purchases`.
    """
    if not counts["purchase_count"]:
        cause = "Events have no purchases."
        return cause, f"Send a purchase event for each order, with {SAME_IDS}."
    if counts["met_count"] >= LEAST_COVERAGE * counts["purchase_count"]:
        cause = "Most orders have no purchase event."
        return cause, "See whether the page after each purchase sends one, or send it elsewhere."
    if not counts["said_count"]:
        cause = "No purchase event names an order, and no buyer is signed in."
        return cause, f"Send {SAME_IDS}, with each purchase event."
    cause = "Purchase events have other ids of orders and customers than orders have."
    return cause, f"Send {SAME_IDS}: Data quality shows ids of both."


def meeting_rows(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    conversions: ir.Table,
    touches: ir.Table,
    events: ir.Table,
    order_visits: ir.Table,
    reconciliation_rule: ReconciliationRule,
    days: Days,
) -> Iterator[Row]:
    """Yield the row of `ShopFindings` of orders that hardly meet visits, if that is so: channels,
    ads and landing pages are credited with nothing then, whatever they brought.

    The tables are rows of `Conversions`, `Touches`, `CleanEvents` and `OrderVisits`.
    """
    if days.is_none:
        return
    sold = conversions.filter(days.contain(conversions.converted_date))
    coverage = VisitCoverage.of_row(rows_of(met_revenue(sold, touches))[0])
    if not coverage.is_too_low:
        return
    said = rows_of(ids_of_purchases(events, order_visits, reconciliation_rule, days))
    cause, remedy = cause_of_not_meeting(said[0])
    yield {
        "kind": "meeting",
        "funnel_name": NO_FUNNEL,
        "step": 0,
        "dimension": ALL,
        "subject": ALL,
        "first_date": days.first,
        "last_date": days.dates[-1],
        "observed_number": coverage.rate,
        "expected_number": LEAST_COVERAGE,
        "bound_number": LEAST_COVERAGE,
        "weekly_amount": None,
        "cause": cause,
        "remedy": remedy,
    }


def as_table(rows: Iterable[NamedValues]) -> pa.Table:
    """Return the rows of `ShopFindings` as a table."""
    ordered = sorted(rows, key=lambda row: tuple(row[name] for name in ShopFindings.key))
    return pa.Table.from_pylist(ordered, schema=arrow_schema_of(ShopFindings))
