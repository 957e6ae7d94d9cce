"""The dimensions of sales, each declared once: what it is called, what it needs, and how order
lines have it.

What a late line would change for ever, such as the number of a customer's order, is computed with
the question and not stored.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.questions.source import OrderTables
from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.commerce.attribution.contracts import Conversions, Touches
from ecom_assets.commerce.attribution.credit import AttributionRule, order_touches
from ecom_assets.commerce.costs.profit import with_customer_type, with_order
from ecom_assets.commerce.customers.contracts import CustomerSegments, CustomerVisitors
from ecom_assets.commerce.customers.visitors import with_customers
from ecom_assets.commerce.orders.orders import NONE, landing_page_of
from ecom_assets.commerce.products.item_categories import (
    OF_CATEGORIES,
    item_categories,
    with_item_categories,
)
from ecom_assets.commerce.sales.contracts import City, Customer, Item, Sales
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import Days, clock_hour, weekday_number
from ecom_assets.core.tables.placeholders import UNKNOWN_CUSTOMER
from ecom_assets.core.tables.places import UNKNOWN
from ecom_assets.core.tables.portable import first_of_each

DISCOUNT_CODE: Final = "discount_code"
"""The dimension of which one order line may have several values."""
ORDER: Final = ("order_date", "order_id", "customer_id", "status")
WEEKDAYS: Final = (
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
)
"""The labels of weekdays 1 to 7."""


@dataclass(frozen=True)
class Dimension:
    """A dimension of sales.

    Attributes:
        label: What people call it.
        meaning: What its values are.
        needs: The table, beside those of order lines, that it cannot be computed without.
        has_order: Whether its values have an order of their own, as hours have.
        is_number: Whether its values are numbers, with which conditions compare it.
        names: The table whose column has the names of its values, and that column.
        is_of_lines: Whether only order lines say it, and no purchase event.
        is_stated: Whether order lines may say it where there is nothing that it needs.
        reads: The columns of `UserOrderLog` that it is computed from, or named by, beside those
            that every question about sales reads.
    """

    label: str
    meaning: str
    needs: Contract | None = None
    has_order: bool = False
    is_number: bool = False
    names: tuple[Contract, str, str] | None = None
    is_of_lines: bool = False
    is_stated: bool = False
    reads: tuple[str, ...] = ()


PLACE: Final = ("city_id", "city_name", "region", "country")
"""What order lines say of their place."""
DIMENSIONS: Final[Mapping[str, Dimension]] = {
    "product": Dimension(
        "Product",
        "The item",
        names=(Item, "item_id", "item_name"),
        reads=("item_name", "item_category"),
    ),
    "category": Dimension(
        "Category",
        "The item's category when it was ordered; without one, that of the catalogue, else of its "
        "views",
        reads=("item_category",),
    ),
    "vendor": Dimension("Vendor", "Whose product it is", is_of_lines=True, reads=("vendor",)),
    "city": Dimension(
        "City",
        "The city of the order",
        names=(City, "city_id", "city_name"),
        is_of_lines=True,
        reads=PLACE,
    ),
    "region": Dimension("Region", "The region of the city", is_of_lines=True, reads=PLACE),
    "country": Dimension("Country", "The country of the city", is_of_lines=True, reads=PLACE),
    "sales_channel": Dimension(
        "Sales channel", "Where it was sold", is_of_lines=True, reads=("sales_channel",)
    ),
    "payment_method": Dimension(
        "Payment method",
        "How it was paid; a refund that does not say it has that of its order",
        is_of_lines=True,
        reads=("payment_method",),
    ),
    DISCOUNT_CODE: Dimension(
        "Discount code",
        "Code of a discount; lines with two are in both",
        is_of_lines=True,
        reads=("discount_codes",),
    ),
    "channel": Dimension(
        "Channel", "Channel of the last visit before the order that is not direct", Touches
    ),
    "campaign": Dimension("Campaign", "Campaign of that visit", Touches),
    "landing_page": Dimension(
        "Landing page",
        "First page of that visit, without query, or its pattern; without a visit, what the order "
        "says",
        Touches,
        is_stated=True,
        reads=("landing_page",),
    ),
    "first_channel": Dimension("First channel", "Channel of the customer's first visit", Touches),
    "customer_type": Dimension(
        "New or returning",
        "Whether the order is of the day of the customer's first paid order, which is no renewal; "
        "`unpaid` has paid for nothing yet",
        reads=("is_renewal",),
    ),
    "order_number": Dimension(
        "Number of the order",
        "1 for the customer's first order ever, paid or not",
        has_order=True,
        is_number=True,
    ),
    "weekday": Dimension("Weekday", "Day of the week, Monday is 1", has_order=True, is_number=True),
    "hour": Dimension("Hour", "Hour on the clocks, from 0 to 23", has_order=True, is_number=True),
    "cohort_month": Dimension(
        "Month of the first order ever",
        "Month of the customer's first order, paid or not",
        has_order=True,
        reads=("is_renewal",),
    ),
    "first_category": Dimension(
        "First category",
        "Category of the customer's first line, found as `category` is",
        reads=("item_category",),
    ),
    "rfm_segment": Dimension(
        "Customer segment", "The customer's segment as of the newest day", CustomerSegments
    ),
}
"""The dimensions, by the names of their columns."""
ALL_SHOWN: Final = {"weekday": 7, "hour": 24}
"""The dimensions whose values are all shown, with their number."""


@dataclass(frozen=True)
class SalesContext:
    """What the dimensions of order lines are computed from.

    Attributes:
        tables: The tables of orders, and those beside them that there are.
        days: All days of order lines, in the reporting zone.
        timezone: The time zone of clocks.
        rule: Which touches count for an order.
        landing_pages: Patterns of pages that are one landing page.
    """

    tables: OrderTables = field(repr=False)
    days: Days
    timezone: str
    rule: AttributionRule
    landing_pages: tuple[str, ...] = ()

    @property
    def sold(self) -> ir.Table:
        """All rows of `Sales`."""
        return self.tables.table(Sales)


OF_PLACE: Final = frozenset({"city", "region", "country"})
"""The dimensions that purchase events say, too, where their properties are there."""
AddDimensions = Callable[[ir.Table, SalesContext], ir.Table]
"""Adds dimensions to rows of `Sales` that have `event_date`, their day in the time zone."""


def with_dimensions(lines: ir.Table, names: Collection[str], context: SalesContext) -> ir.Table:
    """Return order lines with the dimensions of some names, but the codes of discounts.

    A value that is not known is `(none)`, or `unknown` of places.
    """
    for of_function, add in ADDED_BY:
        if not of_function.isdisjoint(names):
            lines = add(lines, context)
    return lines


COLUMNS: Final[Mapping[str, str]] = {
    "product": "item_id",
    "category": "item_category",
    "city": "city_id",
    "vendor": "vendor",
    "payment_method": "payment_method",
    "sales_channel": "sales_channel",
}
"""The dimensions that are columns of order lines as they are received, with these columns."""


def _of_line(lines: ir.Table, _context: SalesContext) -> ir.Table:
    named = {name: lines[column] for name, column in COLUMNS.items() if name != column}
    return lines.mutate(**named, vendor=lines.vendor.fill_null(NONE))


def _of_category(lines: ir.Table, context: SalesContext) -> ir.Table:
    lines = _with_item_categories(lines, context)
    return lines.mutate(category=lines.item_category)


def _with_item_categories(lines: ir.Table, context: SalesContext) -> ir.Table:
    """Return lines with the category of their item where they have none and more is known of items
    than order lines say.
    """
    tables = context.tables
    if tables.of_purchases or not all(tables.has(contract) for contract in OF_CATEGORIES):
        return lines
    said = item_categories(*(tables.table(contract) for contract in OF_CATEGORIES))
    return with_item_categories(lines, said)


def _of_payment(lines: ir.Table, context: SalesContext) -> ir.Table:
    """Add how a line was paid. A refund that does not say it has what its order's sales say, where
    these do not differ.
    """
    is_silent = (lines.status == "refunded") & lines.payment_method.isnull()
    silent = lines.filter(is_silent).select(silent_order="order_id").distinct()
    sold = context.sold.filter(context.sold.status == "shipped")
    paid = sold.semi_join(silent, sold.order_id == silent.silent_order)
    least, greatest = paid.payment_method.min(), paid.payment_method.max()
    methods = paid.group_by(paid_order="order_id").agg(least=least, greatest=greatest)
    methods = methods.filter(methods.least == methods.greatest).select(
        "paid_order", order_method="least"
    )
    joined = lines.left_join(methods, lines.order_id == methods.paid_order)
    of_order = (joined.status == "refunded").ifelse(joined.order_method, ibis.null("string"))
    method = ibis.coalesce(joined.payment_method, of_order, NONE)
    return joined.mutate(payment_method=method).drop("paid_order", "order_method")


def _of_place(lines: ir.Table, context: SalesContext) -> ir.Table:
    cities = context.tables.table(City).select("region", "country", place_id="city_id")
    joined = lines.left_join(cities, lines.city_id == cities.place_id).drop("place_id")
    return joined.mutate(
        region=joined.region.fill_null(UNKNOWN), country=joined.country.fill_null(UNKNOWN)
    )


def _of_clock(lines: ir.Table, context: SalesContext) -> ir.Table:
    days = context.days.widened(before=2, after=2)
    return lines.mutate(
        weekday=weekday_number(lines.event_date),
        hour=clock_hour(lines.ordered_at, days, context.timezone),
    )


def _of_channel(lines: ir.Table, context: SalesContext) -> ir.Table:
    """Add the channel of purchase events; order lines have it."""
    if not context.tables.of_purchases:
        return lines
    joined = _with_touches(lines.drop("channel"), context)
    return joined.mutate(channel=joined.touch_channel.fill_null(NONE)).drop(*TOUCH)


TOUCH: Final = ("touch_session", "touch_channel")
"""The columns of `_with_touches`."""


def _with_touches(lines: ir.Table, context: SalesContext) -> ir.Table:
    """Add the session and the channel of the touch that led to the order of a line."""
    tables = context.tables
    unit: Literal["order", "purchase"] = "purchase" if tables.of_purchases else "order"
    touched = order_touches(
        tables.table(Conversions), tables.table(Touches), context.rule, context.days, unit
    )
    touched = touched.select(
        touch_session="session_id",
        touch_channel="channel",
        **{f"touched_{name}": name for name in ORDER},
    )
    joined = lines.left_join(touched, [lines[name] == touched[f"touched_{name}"] for name in ORDER])
    return joined.drop(*(f"touched_{name}" for name in ORDER))


def _of_touch(lines: ir.Table, context: SalesContext) -> ir.Table:
    """Add the campaign and the landing page of the touch that `channel` of a line is from; the page
    that the order states where there is no such touch.
    """
    tables, patterns = context.tables, context.landing_pages
    stated = landing_page_of(lines.landing_page, patterns)
    if not tables.has(Touches):
        return lines.mutate(landing_page=stated.fill_null(NONE))
    campaigns = tables.table(Touches).select("campaign", campaign_session="session_id")
    pages = tables.table(Sessions).select("entry_page_url", page_session="session_id")
    joined = _with_touches(lines, context)
    joined = joined.left_join(campaigns, joined.touch_session == campaigns.campaign_session)
    joined = joined.left_join(pages, joined.touch_session == pages.page_session)
    page = joined.touch_session.isnull().ifelse(
        landing_page_of(joined.landing_page, patterns),
        landing_page_of(joined.entry_page_url, patterns),
    )
    return joined.mutate(
        campaign=joined.campaign.fill_null(NONE), landing_page=page.fill_null(NONE)
    ).drop(*TOUCH, "campaign_session", "page_session", "entry_page_url")


def _of_first_touch(lines: ir.Table, context: SalesContext) -> ir.Table:
    """Add the channel of the first visit of each customer: their own, and those of the visitors who
    are them.
    """
    visits = context.tables.table(Touches)
    if context.tables.has(CustomerVisitors):
        visits = with_customers(visits, context.tables.table(CustomerVisitors))
    first = first_of_each(visits, "visitor_id", ["started_at", "session_id"])
    channels = first.select("visitor_id", first_channel="channel")
    return _of_customer(lines, channels, "first_channel")


def _of_customer_type(lines: ir.Table, context: SalesContext) -> ir.Table:
    typed = with_customer_type(with_order(context.sold), context.tables.table(Customer))
    typed = typed.select("customer_type", typed_line="uniq_id")
    return lines.left_join(typed, lines.uniq_id == typed.typed_line).drop("typed_line")


def _of_order_number(lines: ir.Table, context: SalesContext) -> ir.Table:
    """Add the number of an order among those of its customer; a refund has that of the order.

    Orders of one moment are in the order of their ids. It is null for unknown customers, and where
    no line says what was refunded.
    """
    shipped = context.sold.filter(
        context.sold.status == "shipped", context.sold.customer_id != UNKNOWN_CUSTOMER
    )
    orders = shipped.group_by("customer_id", "order_date", "order_id").agg(
        first_at=shipped.ordered_at.min()
    )
    in_order = ibis.window(group_by="customer_id", order_by=["first_at", "order_date", "order_id"])
    numbered = orders.select(
        buyer_id="customer_id",
        numbered_date="order_date",
        numbered_id="order_id",
        order_number=(ibis.row_number().over(in_order) + 1).cast("int64"),
    )
    pairs = lines.join(
        numbered,
        [lines.customer_id == numbered.buyer_id, lines.order_id == numbered.numbered_id],
    )
    pairs = pairs.filter(pairs.numbered_date <= pairs.order_date)
    # Of lines that were shipped it is their own day's order, the latest one up to that day.
    found = pairs.group_by("uniq_id").agg(order_number=pairs.order_number.max())
    found = found.select("order_number", found_line="uniq_id")
    return lines.left_join(found, lines.uniq_id == found.found_line).drop("found_line")


def _of_cohort(lines: ir.Table, context: SalesContext) -> ir.Table:
    customers = context.tables.table(Customer)
    month = customers.first_order_date.cast("string").substr(0, len("2026-01"))
    return _of_customer(
        lines, customers.select(visitor_id="customer_id", cohort_month=month), "cohort_month"
    )


def _of_first_line(lines: ir.Table, context: SalesContext) -> ir.Table:
    shipped = context.sold.filter(context.sold.status == "shipped")
    first = first_of_each(shipped, "customer_id", ["ordered_at", "uniq_id"])
    first = _with_item_categories(first, context)
    first = first.select(visitor_id="customer_id", first_category="item_category")
    return _of_customer(lines, first, "first_category")


def _of_segment(lines: ir.Table, context: SalesContext) -> ir.Table:
    segments = context.tables.table(CustomerSegments)
    return _of_customer(
        lines, segments.select(visitor_id="customer_id", rfm_segment="segment"), "rfm_segment"
    )


def _of_customer(lines: ir.Table, values: ir.Table, name: str) -> ir.Table:
    """Add a value of each customer, by `visitor_id`; `(none)` of those without it.

    An unknown customer is any number of people, and has none.
    """
    values = values.filter(values.visitor_id != UNKNOWN_CUSTOMER)
    values = values.select(name, valued_id="visitor_id")
    joined = lines.left_join(values, lines.customer_id == values.valued_id).drop("valued_id")
    return joined.mutate(**{name: joined[name].fill_null(NONE)})


ADDED_BY: Final[tuple[tuple[frozenset[str], AddDimensions], ...]] = (
    (frozenset({"product", "category", "vendor", "city"}), _of_line),
    (frozenset({"category"}), _of_category),
    (frozenset({"payment_method"}), _of_payment),
    (frozenset({"region", "country"}), _of_place),
    (frozenset({"weekday", "hour"}), _of_clock),
    (frozenset({"channel"}), _of_channel),
    (frozenset({"campaign", "landing_page"}), _of_touch),
    (frozenset({"first_channel"}), _of_first_touch),
    (frozenset({"customer_type"}), _of_customer_type),
    (frozenset({"order_number"}), _of_order_number),
    (frozenset({"cohort_month"}), _of_cohort),
    (frozenset({"first_category"}), _of_first_line),
    (frozenset({"rfm_segment"}), _of_segment),
)
"""The functions that add dimensions; `sales_channel` is a column of lines."""
