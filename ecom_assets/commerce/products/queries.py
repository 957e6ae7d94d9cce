"""Numbers of products: the top products of a period, one product in detail, categories,
and inventory alerts.

Most are sums of `mart.product_performance`, whose purchases come from orders, or from purchase
events without orders.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.recorded import not_recorded
from ecom_assets.behaviour.journeys.contracts import CategoryPerformance
from ecom_assets.behaviour.journeys.measures import CategoryMeasures
from ecom_assets.commerce.orders.orders import NONE, WITHOUT_ITEM
from ecom_assets.commerce.orders.queries import coverage
from ecom_assets.commerce.products import performance
from ecom_assets.commerce.products.contracts import (
    ALERTS,
    Alert,
    InventoryAlerts,
    ProductPerformance,
    ProductsBoughtTogether,
    RawStock,
)
from ecom_assets.commerce.products.item_categories import (
    OF_CATEGORIES,
    item_categories,
    sold_names,
    viewed_products,
    with_item_categories,
)
from ecom_assets.commerce.products.measures import ProductMeasures, SoldMeasures, ViewMeasures
from ecom_assets.commerce.products.stock import newest_stock
from ecom_assets.commerce.products.together import (
    FEWEST_ORDERS,
    MOST_PRODUCTS,
    ORDER,
    baskets,
    pairs_of,
    with_measures,
)
from ecom_assets.commerce.sales.contracts import Item, Sales
from ecom_assets.commerce.sales.coverage import (
    ORDERS,
    PURCHASES,
    SalesSource,
    find_sales_source,
    require_orders,
)
from ecom_assets.commerce.sales.customer_retention import by_category_or_item
from ecom_assets.commerce.sales.measures import SalesMeasures
from ecom_assets.commerce.sales.queries import NUMBERS, sales_by, sales_by_category_of
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.coverage import LEAST_COVERAGE, coverage_note
from ecom_assets.core.tables.measures import completed, measures_added, summable, summed, sums
from ecom_assets.core.tables.places import UNKNOWN
from ecom_assets.core.tables.portable import NO, can_be_null, ratio
from ecom_assets.core.tables.queries import (
    EVENTS,
    ZERO,
    Page,
    Period,
    Reading,
    by_revenue,
    changes,
    if_known,
    require,
    rows_in_period,
    share,
    with_previous,
)

SOURCES: Final[dict[str, SalesSource]] = {performance.ORDERS: ORDERS, performance.EVENTS: PURCHASES}
"""The source of sales by its name in the rows of `ProductPerformance`."""
SortBy = Literal["revenue", "units", "conversion", "views", "profit", "margin", "loss"]
SORTED_BY: Final[Mapping[str, str]] = {
    "revenue": "revenue_amount",
    "units": "sold_item_count",
    "conversion": "purchases_per_view",
    "views": "product_view_count",
}
MOST_RELATED: Final = 10
NAMED: Final = ("product_id", "product_name", "product_category")


def top_products(  # noqa: PLR0913 (each is a parameter of the request)
    reading: Reading,
    period: Period,
    sort_by: SortBy,
    category: str | None,
    page: Page,
    *,
    search: str = "",
    numbers: ir.Table | None = None,
) -> Answer:
    """Return the top products of a period, sorted by a number, and the count of all products.

    With `search`, only those whose name or id contains it, in upper or lower case. `numbers` has
    the `number` of products by `product_id`, where the mart does not have the one that they are
    sorted by; products without one come last.
    """
    rows = _as_sold(reading, rows_in_period(reading, ProductPerformance))
    sold = _Sold.from_reading(reading, period)
    ranked = _ranked(reading, rows, sort_by, category, search, numbers=numbers)
    counted = ranked.mutate(total_count=ranked.count().over(ibis.window()))
    first = counted.order_by(counted.number.desc(nulls_first=False), counted.product_id)
    first = first.limit(page.limit, offset=page.offset)
    # Summing one number of all products, and then all numbers of the top ones, is several times
    # faster than summing all numbers of all products.
    sums = _added(rows.join(first, "product_id"), ["product_id", "number", "total_count"])
    named = sums.left_join(_items(reading), sums.product_id == _items(reading).item_id)
    named = named.mutate(
        product_category=ibis.coalesce(named.product_category, named.item_category),
        product_name=named.item_name,
    )
    result = reading.rows(
        named.order_by(named.number.desc(nulls_first=False), named.product_id), period
    )
    total = (
        result[0]["total_count"]
        if result
        else reading.rows(ranked.agg(n=ranked.count()), period)[0]["n"]
    )
    products = [
        {"rank_number": rank, **{name: row[name] for name in NAMED}, **sold.numbers(row, period)}
        for rank, row in enumerate(result, start=page.offset + 1)
    ]
    return {
        "source": sold.source,
        "sort_by": sort_by,
        "total_count": None if period.is_unknown else int(total),
        "view_coverage_rate": sold.view_rate,
        "products": products,
    }


def _ranked(  # noqa: PLR0913 (as above)
    reading: Reading,
    rows: ir.Table,
    sort_by: SortBy,
    category: str | None,
    search: str,
    *,
    numbers: ir.Table | None,
) -> ir.Table:
    """Return each product, or each of a category or a search,
    with the `number` that it is ranked by.
    """
    names: tuple[str, ...] = ()
    if numbers is None:
        is_ratio = sort_by == "conversion"
        names = ("purchase_count", "product_view_count") if is_ratio else (SORTED_BY[sort_by],)
    sums: dict[str, ir.Value] = {name: rows[name].sum() for name in names}
    if category is not None:
        sums["product_category"] = _last_category(rows)
    short = rows.group_by("product_id").agg(**sums)
    if category is not None or search:
        items = _items(reading)
        short = short.left_join(items, short.product_id == items.item_id)
    if category is not None:
        short = short.filter(ibis.coalesce(short.product_category, short.item_category) == category)
    if search:
        sought = search.lower()
        is_named = short.item_name.lower().contains(sought).fill_null(ibis.literal(value=False))
        short = short.filter(is_named | short.product_id.lower().contains(sought))
    if numbers is not None:
        return short.select("product_id").left_join(numbers, "product_id").drop("product_id_right")
    if sort_by == "conversion":
        return short.select(
            "product_id", number=ratio(short.purchase_count, short.product_view_count)
        )
    return short.select("product_id", number=short[SORTED_BY[sort_by]])


def _items(reading: Reading) -> ir.Table:
    """Return items with their names, and their category or that of `item_categories`."""
    items = reading.table(Item).select("item_id", "item_name", "item_category")
    silent = items.filter(items.item_category == NONE, items.item_id.notin(WITHOUT_ITEM))
    if not reading.state(silent.select("item_id").limit(1)):
        return items
    return with_item_categories(items, categories_of_items(reading))


def product(reading: Reading, period: Period, product_id: str) -> Answer | None:
    """Return a product's numbers in the period, the one before and by day, and related products;
    None if unknown.
    """
    table, items = _as_sold(reading, reading.table(ProductPerformance)), reading.table(Item)
    product_rows = table.filter(table.product_id == product_id)
    days = reading.rows(
        _added(with_previous(product_rows, "event_date"), ["event_date", "is_current"]), period
    )
    item = next(iter(reading.rows(items.filter(items.item_id == product_id).limit(1))), None)
    if not days and item is None and not reading.rows(product_rows.select("product_id").limit(1)):
        return None
    sold = _Sold.from_reading(reading, period)
    current, previous = (
        _sum([row for row in days if row["is_current"] == which]) for which in (1, 0)
    )
    by_day, whole = {row["event_date"]: row for row in days if row["is_current"]}, _sum(days)
    categorized = sorted(
        (row for row in days if row["product_category"]), key=lambda row: row["event_date"]
    )
    category = categorized[-1]["product_category"] if categorized else None
    return {
        "product_id": product_id,
        "product_name": item and item["item_name"],
        "product_category": category or (item and item["item_category"]),
        "source": sold.source,
        "view_coverage_rate": sold.view_rate,
        "product": sold.numbers(current, period, whole),
        "previous": None
        if period.previous.is_unknown
        else sold.numbers(previous, period.previous, whole),
        "change": sold.changes(current, previous, period),
        "trend": [
            {
                "event_date": day,
                **sold.numbers(
                    by_day.get(day), replace(period, start_date=day, end_date=day), whole
                ),
            }
            for day in period.days.dates
        ],
        "related": related(reading, product_id),
    }


def related(reading: Reading, product_id: str) -> list[Row]:
    """Return the products that are most often in the same orders, of all time; ties are sorted by
    id.
    """
    sold = reading.table(Sales)
    orders = sold.filter(sold.item_id == product_id).select(*ORDER).distinct()
    bought = baskets(sold.semi_join(orders, ORDER))
    with_it = bought.filter(bought.product_id == product_id).select(*ORDER)
    together = bought.semi_join(with_it, ORDER)
    counted = together.group_by(item_id="product_id").agg(order_count=together.count())
    # The product itself is in all of its orders and thus comes first; this extra row has the number
    # of its orders.
    first = counted.order_by(
        counted.order_count.desc(), counted.item_id != product_id, counted.item_id
    )
    named = first.limit(MOST_RELATED + 1).left_join(reading.table(Item), "item_id")
    named = named.select(
        "order_count",
        product_id="item_id",
        product_name="item_name",
        product_category="item_category",
    )
    rows = reading.rows(named.order_by(named.order_count.desc(), named.product_id))
    whole = max((row["order_count"] for row in rows if row["product_id"] == product_id), default=0)
    return [
        {
            **row,
            "order_count": int(row["order_count"]),
            "order_share": share(row["order_count"], whole),
        }
        for row in rows
        if row["product_id"] != product_id
    ]


def bought_together(reading: Reading, product_id: str) -> Answer | None:
    """Return the products that are bought with one, by leverage; None if nobody ever ordered it.

    Raises:
        NoOrdersError: There are no order lines.
    """
    require_orders(reading)
    sold, items = reading.table(Sales), _items(reading)
    if not reading.rows(sold.filter(sold.item_id == product_id).select("item_id").limit(1)):
        return None
    first_days = sold.group_by(sold_id=sold.item_id).agg(first_date=sold.order_date.min())
    pairs = pairs_of(reading.table(ProductsBoughtTogether), first_days, product_id)
    named = pairs.left_join(items, pairs.other_product_id == items.item_id).drop("item_id")
    rows = reading.rows(named.rename(product_name="item_name", product_category="item_category"))
    ranked = with_measures(rows)
    return {
        "product_id": product_id,
        "fewest_joint_count": FEWEST_ORDERS,
        "most_product_count": MOST_PRODUCTS,
        "pairs": [{**row, "product_id": row["other_product_id"]} for row in ranked],
    }


def _sum(rows: list[Row]) -> Row | None:
    """Return the sums of the known numbers, each None if none is known; None without rows."""
    return summed(rows, ProductMeasures) if rows else None


def _added(rows: ir.Table, unit: list[str]) -> ir.Table:
    return rows.group_by(*unit).agg(
        product_category=_last_category(rows), **sums(rows, ProductMeasures)
    )


def _last_category(rows: ir.Table) -> ir.Value:
    """Return the product's category on the newest day, because it can change over time."""
    return rows.product_category.argmax(rows.event_date, where=rows.product_category.notnull())


def _as_sold(reading: Reading, rows: ir.Table) -> ir.Table:
    """Return rows of `ProductPerformance` in which a product that is sold by another id, as
    `sold_names` says, has that.
    """
    viewed = viewed_products(reading.table(ProductPerformance))
    names = sold_names(viewed, reading.table(Item))
    if not reading.state(names.limit(1)):
        return rows
    joined = rows.left_join(names, rows.product_id == names.viewed_id)
    named = joined.mutate(product_id=joined.item_id.fill_null(joined.product_id))
    return named.drop("viewed_id", "item_id")


def view_coverage(reading: Reading, period: Period) -> float | None:
    """Return the share of what was paid in a period, before refunds, for products of which events
    know a view or a cart on any day; null where nothing was sold on days with events.
    """
    rows = _as_sold(reading, rows_in_period(reading, ProductPerformance))
    looked = viewed_products(_as_sold(reading, reading.table(ProductPerformance)))
    looked = looked.select(looked_id="product_id").distinct()
    rows = rows.filter(rows.product_view_count.notnull() | rows.add_to_cart_count.notnull())
    joined = rows.left_join(looked, rows.product_id == looked.looked_id)
    met = joined.looked_id.notnull().ifelse(joined.shipped_amount, ibis.null(MONEY))
    sums = joined.agg(paid=joined.shipped_amount.sum().cast(MONEY), met=met.sum().cast(MONEY))
    (row,) = reading.rows(sums, period)
    return share(row["met"] or ZERO, row["paid"]) if row["paid"] else None


def view_sentence(rate: float | None) -> str:
    """Return how much of what was sold is of products that were looked at, as a sentence; empty
    where all is, or nothing was sold.
    """
    return coverage_note(
        rate,
        "Events know by its id {share} of what was sold",
        too_few="too few to say how often products that were sold are viewed, or those that were "
        "viewed are sold",
        partly="views of a product, and what it sold, are lower bounds",
    )


@dataclass(frozen=True)
class _Sold:
    """The source of purchases; `is_product_row` is whether the source names the products, `lacks`
    what events do not record, and `view_rate` that of `view_coverage`, if orders are the source.
    """

    source: SalesSource | None
    is_product_row: bool
    lacks: frozenset[str]
    view_rate: float | None = None

    @classmethod
    def from_reading(cls, reading: Reading, period: Period) -> "_Sold":
        """Read the source from the rows.

        Purchase events can be of whole carts, without a product.
        """
        days = reading.table(ProductPerformance)
        named_sources = reading.state(
            days.agg(sales_source=days.sales_source.max())
        )  # all rows have the same
        source = SOURCES.get(named_sources[0]["sales_source"]) or find_sales_source(reading)
        if source != PURCHASES:
            rate = view_coverage(reading, period) if source else None
            return cls(source, source is not None, not_recorded(reading), rate)
        named = days.filter((days.purchase_count > 0) | (days.refunded_item_count > 0))
        is_product_row = bool(reading.state(named.select("product_id").limit(1)))
        return cls(source, is_product_row, not_recorded(reading))

    def numbers(self, row: Row | None, period: Period, whole: Row | None = None) -> Row:
        """Return a product's numbers in a period;
        None for numbers whose source has none of the days, or, where hardly anything that was sold
        is known to events by its id, for those of the source that does not know the product.

        Args:
            row: Its sums.
            period: Their days.
            whole: Those of more days, by which its sources know it.
        """
        views = if_known(completed(row, ViewMeasures, self.lacks), period.for_source(EVENTS))
        sales = completed(row, SoldMeasures)
        sales = if_known(sales, self._days(period)) if self.is_product_row else dict.fromkeys(sales)
        if self.view_rate is not None and self.view_rate < LEAST_COVERAGE:
            known = whole or row or {}
            views = views if any(known.get(name) for name in views) else dict.fromkeys(views)
            sales = sales if any(known.get(name) for name in sales) else dict.fromkeys(sales)
        return completed(views | sales, ProductMeasures, self.lacks)

    def changes(self, now: Row | None, before: Row | None, period: Period) -> Row:
        """Return the change of each number;
        None if its source does not have all days of both periods.
        """
        current, previous = self.numbers(now, period), self.numbers(before, period.previous)
        sources = ((ViewMeasures, period.for_source(EVENTS)), (SoldMeasures, self._days(period)))
        unknown = {
            name
            for measures, days in sources
            if not days.is_comparable
            for name in summable(measures)
        }
        parts = {
            name: measures_added(name, measure)
            for name, measure in summable(ProductMeasures).items()
        }
        return changes(current, previous, current) | {
            name: None for name in current if parts[name] & unknown
        }

    def _days(self, period: Period) -> Period:
        return period.for_source(self.source or ORDERS)


def categories(reading: Reading, period: Period) -> Answer:
    """Return each category that was viewed or sold, sorted by revenue,
    then by sessions that viewed it.

    Order lines without a category have that of their item, see `item_categories`; an item of which
    none is known stands for it, and no views are counted of it. Where hardly any category is known,
    what those come to that were only looked at is not known.
    """
    source = find_sales_source(reading)
    of_sales = period.for_source(source) if source else period
    named = sales_by(reading, of_sales, "item_category") if source else {}
    sold, known = named, named.keys() - {NONE}
    if NONE in named and source == ORDERS:
        said = categories_of_items(reading)
        lines = with_item_categories(reading.table(Sales), said)
        sold = sales_by_category_of(reading, of_sales, by_category_or_item(lines))
        known |= _names_of(reading, said)
    lacks, of_events = not_recorded(reading), period.for_source(EVENTS)
    items = _item_names(reading, sold.keys() - known - {NONE} if source == ORDERS else ())
    rows = rows_in_period(reading, CategoryPerformance)
    added = rows.group_by("product_category").agg(**sums(rows, CategoryMeasures))
    looked = {row["product_category"]: row for row in reading.rows(added, period)}
    rate = _known_share(sold, known)
    is_unknown = rate is not None and rate < LEAST_COVERAGE
    result = [
        {
            **_category(name, sold.get(name), period.for_source(source or ORDERS)),
            **(dict.fromkeys(OF_SALES) if is_unknown and name not in sold else {}),
            **if_known(completed(looked.get(name), CategoryMeasures, lacks), of_events),
            **(dict.fromkeys(OF_LOOKS) if name in items and name not in looked else {}),
            "product_name": items.get(name),
        }
        for name in {**sold, **looked}
    ]
    result.sort(
        key=lambda row: (
            by_revenue(row),
            -(row["viewing_session_count"] or 0),
            row["product_category"],
        )
    )
    total = None if period.is_unknown else len(result)
    of_names = [(name if name in known else NONE, row) for name, row in sold.items()]
    answer = {"source": source, "category_data": coverage(of_names), "total_count": total}
    return {**answer, "category_coverage_rate": rate, "categories": result}


def sales_by_category(reading: Reading, period: Period) -> dict[str, Row]:
    """Return the numbers of each category in a period, and the change of its revenue.

    Order lines without a category have that of their item, see `item_categories`, and `(none)`
    where none is known of it, as the sales explorer and profit by category have them.

    Raises:
        NoOrdersError: There are neither order lines nor purchase events.
    """
    named = sales_by(reading, period, "item_category")
    if NONE not in named or find_sales_source(reading) != ORDERS:
        return named
    lines = with_item_categories(reading.table(Sales), categories_of_items(reading))
    return sales_by_category_of(reading, period, lines)


def categories_of_items(reading: Reading) -> ir.Table:
    """Return the category of each item of which any is known, see `item_categories`."""
    return item_categories(*(reading.table(contract) for contract in OF_CATEGORIES))


def _names_of(reading: Reading, categories: ir.Table) -> set[str]:
    """Return the categories in rows of `item_categories`."""
    rows = reading.state(categories.select("item_category").distinct())
    return {row["item_category"] for row in rows}


def _known_share(sold: Mapping[str, Row], known: Collection[str]) -> float | None:
    """Return the share of what was paid, before refunds, for lines whose category is known."""
    paid = {name: row["shipped_amount"] or ZERO for name, row in sold.items()}
    return share(sum(paid[name] for name in paid.keys() & known), sum(paid.values()))


def category_sentence(rate: float | None) -> str:
    """Return how much of what was sold has a category, as a sentence; empty where all has, or
    nothing was sold.
    """
    return coverage_note(
        rate,
        "A category is known for {share} of what was sold",
        too_few="too few to say what categories sell",
        partly="revenue of a category is a lower bound",
    )


OF_SALES: Final = (*NUMBERS, "revenue_share", "revenue_change")
OF_LOOKS: Final = tuple(summable(CategoryMeasures))


def _item_names(reading: Reading, ids: Collection[str]) -> dict[str, str | None]:
    """Return the names of some items by their ids."""
    if not ids:
        return {}
    items = reading.table(Item)
    rows = reading.state(
        items.filter(items.item_id.isin(sorted(ids))).select("item_id", "item_name")
    )
    return dict.fromkeys(ids) | {row["item_id"]: row["item_name"] for row in rows}


def _category(name: str, sold: Row | None, of_sales: Period) -> Row:
    sales = (
        {name: sold[name] for name in NUMBERS}
        if sold
        else if_known(completed(None, SalesMeasures), of_sales)
    )
    return {
        "product_category": name,
        **sales,
        "revenue_share": sold["revenue_share"] if sold else if_known({"": 0.0}, of_sales)[""],
        "revenue_change": sold["revenue_change"] if sold else None,
    }


AlertOrder = Literal["urgency", "money"]
TO_REORDER: Final = ("out_of_stock", "low")
"""The alerts of products that are ordered again, where the quantity is not known."""


def _alert_rows(
    reading: Reading, alert: Alert | None, sort_by: AlertOrder, *, to_reorder: bool
) -> ir.Table:
    """Return the alerts of a kind, or all, in order: by urgency of the kind and then by days of
    cover, or what costs most for a day without stock first.

    With `to_reorder`, only products of which something is to be ordered, and those that are low or
    out of stock without it being known how many are.
    """
    rows = reading.table(InventoryAlerts)
    rows = rows if alert is None else rows.filter(rows.alert == alert)
    if to_reorder:
        is_unknown = rows.reorder_item_count.isnull() & rows.alert.isin(TO_REORDER)
        rows = rows.filter((rows.reorder_item_count > 0).fill_null(NO) | is_unknown)
    rows = rows.select(*InventoryAlerts.columns)
    if sort_by == "money":
        return rows.order_by(
            rows.day_without_stock_amount.desc(nulls_first=False),
            rows.reorder_item_count.desc(nulls_first=False),
            rows.product_id,
        )
    urgency = ibis.cases(*((rows.alert == name, rank) for rank, name in enumerate(ALERTS)))
    return rows.order_by(urgency, rows.days_of_cover.asc(nulls_first=False), rows.product_id)


def inventory_alerts(
    reading: Reading,
    alert: Alert | None,
    page: Page,
    *,
    sort_by: AlertOrder = "urgency",
    to_reorder: bool = False,
) -> Answer:
    """Return the alerts of `_alert_rows`, how many there are of them, and the count of each kind.

    Raises:
        NoSourceError: There are no stock data.
    """
    require(reading, "stock")
    chosen = _alert_rows(reading, alert, sort_by, to_reorder=to_reorder)
    counts = _alert_counts(reading)
    total = counts[alert] if alert else sum(counts.values())
    if to_reorder:
        total = int(reading.rows(chosen.agg(n=chosen.count()))[0]["n"])
    return {
        "counts": counts,
        "total_count": total,
        "alerts": reading.rows(chosen.limit(page.limit, offset=page.offset)),
    }


def _alert_counts(reading: Reading) -> dict[str, int]:
    table = reading.table(InventoryAlerts)
    counts = {
        row["alert"]: int(row["n"])
        for row in reading.rows(table.group_by("alert").agg(n=table.count()))
    }
    return {name: counts.get(name, 0) for name in ALERTS}


def stock_totals(reading: Reading) -> Answer:
    """Return the counts of products in the newest stock, of alerts by kind,
    and of unreadable lines.
    """
    raw = reading.table(RawStock)
    stock = can_be_null(newest_stock(raw), ["received_date"])
    (counted,) = reading.state(
        stock.agg(as_of_date=stock.received_date.max(), products=stock.count())
    )
    unreadable = raw.filter(
        raw.reject_reason.notnull() & (raw.reject_reason != "left_out"),
        raw.received_date == raw.received_date.max().as_scalar(),
    )
    (lines,) = reading.state(unreadable.agg(n=unreadable.count()))
    return {**counted, "alerts": _alert_counts(reading), "unreadable_lines": int(lines["n"])}


def product_names(reading: Reading, product_ids: Collection[str]) -> dict[str, str]:
    """Return the names of some products by their ids, as far as an order line has them.

    Raises:
        NotPublishedError: There are no order lines.
    """
    if not product_ids:
        return {}
    items = reading.table(Item)
    named = items.filter(items.item_id.isin(sorted(product_ids)), items.item_name != UNKNOWN)
    return {
        row["item_id"]: row["item_name"]
        for row in reading.state(named.select("item_id", "item_name"))
    }
