"""Which category a sold item without one has: that of its newest order line, of the catalogue, of a
list of costs, or of the views of its product.
docs/metrics/products.md#sold-items-and-their-products.

Orders and events may call a product differently: an order line has its SKU, or the id of its
variant or product in Shopify, of which GA4 has `shopify_DE_<product>_<variant>`, or only its title,
which the catalogue has, too, and events of tools that know no id.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.costs.contracts import RawCosts
from ecom_assets.commerce.orders.orders import NONE, WITHOUT_ITEM
from ecom_assets.commerce.products.contracts import ProductPerformance, RawStock
from ecom_assets.commerce.sales.contracts import Item
from ecom_assets.core.tables.portable import first_of_each, union_all

OF_SHOPIFY: Final = "^shopify_[A-Za-z]+_([0-9]+)_([0-9]+)$"
"""The id that Shopify gives a product in feeds and events, by country, product and variant."""
OF_CATEGORIES: Final = (Item, ProductPerformance, RawStock, RawCosts)
"""The tables of which `item_categories` takes all rows."""
CATALOGUE, COSTS, VIEWS = range(3)
"""Who says a category; the first counts."""
ID, PART, TITLE, TITLE_OF_ALL = range(4)
"""By what a product is named: its id, an id of Shopify's in it, its title, or, of a sold variant,
the title that its product has; the first counts.
"""
VARIANT: Final = " - [^-]+$"
"""What follows the title of a product in that of its variant in orders of Shopify: `Hat - Red`."""


def item_categories(
    items: ir.Table, performance: ir.Table, stock: ir.Table, costs: ir.Table
) -> ir.Table:
    """Return the `item_category` of items by `item_id`, of those only of which any is known.

    An id that products of several categories have is the id of none of them.

    Args:
        items: All rows of `Item`.
        performance: All rows of `ProductPerformance`.
        stock: All rows of `RawStock`, of which the newest day counts.
        costs: All rows of `RawCosts`, of which the newest counts that says a category of an item.
    """
    own = items.filter(items.item_category != NONE).select("item_id", "item_category")
    silent = items.filter(items.item_category == NONE, items.item_id.notin(WITHOUT_ITEM))
    title = silent.item_name
    called = union_all(
        *(
            silent.select("item_id", called=name, called_by=ibis.literal(by, "int64"))
            for by, name in (
                (ID, silent.item_id),
                (TITLE, title),
                (TITLE_OF_ALL, title.re_replace(VARIANT, "")),
            )
        )
    )
    names = _names(_products(performance, stock, costs), items)
    met = called.join(
        names,
        [
            called.called == names.name,
            (called.called_by == ID) == (names.named_by != TITLE),
        ],
    )
    # The catalogue before costs, and these before views; there the id itself before its parts, and
    # these before titles.
    met = first_of_each(met, "item_id", ["said_by", "named_by", "called_by"])
    met = met.filter(met.category.notnull()).select("item_id", item_category="category")
    return union_all(own, met)


def _products(performance: ir.Table, stock: ir.Table, costs: ir.Table) -> ir.Table:
    """Return the category of each product that has one, by who says it; of views the newest."""
    viewed = performance.filter(performance.product_category.notnull())
    viewed = viewed.group_by("product_id").agg(
        category=viewed.product_category.argmax(viewed.event_date)
    )
    # Some events name a product by its title, as they know no id.
    viewed = viewed.mutate(title=viewed.product_id)
    newest = stock.agg(newest_date=stock.received_date.max())
    listed = stock.join(newest, stock.received_date == newest.newest_date)
    listed = listed.filter(listed.product_id.notnull(), listed.product_category.notnull())
    listed = listed.select(
        "product_id", category="product_category", title="product_name"
    ).distinct()
    priced = costs.filter(
        costs.item_id.notnull(), costs.item_category.notnull(), costs.left_out.isnull()
    )
    in_order = [priced.received_date.desc(), priced.source_file.desc(), priced.item_category]
    priced = first_of_each(priced, "item_id", in_order)
    priced = priced.select(product_id="item_id", category="item_category", title="item_name")
    return union_all(
        listed.mutate(said_by=ibis.literal(CATALOGUE, "int64")),
        priced.mutate(said_by=ibis.literal(COSTS, "int64")),
        viewed.select(*listed.columns).mutate(said_by=ibis.literal(VIEWS, "int64")),
    )


def _names(products: ir.Table, items: ir.Table) -> ir.Table:
    """Return each `name` of products with their `category`, null where they have several; one by
    which events name an item has the item's id, too.
    """
    ids = [products.product_id.re_extract(OF_SHOPIFY, number) for number in (1, 2)]
    # Products by the id of the item that events name so, or name so in another country.
    learned = items.select(name="item_id", event_product_id="event_product_id")
    of_variant = _variant(learned.event_product_id)
    named = union_all(
        *(
            products.join(learned, is_named).drop("event_product_id")
            for is_named in (
                products.product_id == learned.event_product_id,
                _variant(products.product_id) == of_variant,
            )
        )
    )
    names = union_all(
        *(
            products.mutate(name=name.nullif(""), named_by=ibis.literal(by, "int64"))
            for by, name in (
                (ID, products.product_id),
                *((PART, part) for part in ids),
                (TITLE, products.title),
            )
        ),
        named.mutate(named_by=ibis.literal(PART, "int64")),
    )
    names = names.filter(names.name.notnull())
    grouped = names.group_by("name", "said_by", "named_by").agg(
        least=names.category.min(), greatest=names.category.max()
    )
    category = (grouped.least == grouped.greatest).ifelse(grouped.least, ibis.null("string"))
    return grouped.mutate(category=category).drop("least", "greatest")


def _variant(product_id: ir.StringValue) -> ir.StringValue:
    """Return the id of the variant in one of Shopify's, else null."""
    return product_id.re_extract(OF_SHOPIFY, 2).nullif("")


def viewed_products(performance: ir.Table) -> ir.Table:
    """Return the rows of `ProductPerformance` of products that events look at or put into carts."""
    return performance.filter(
        (performance.product_view_count > 0) | (performance.add_to_cart_count > 0)
    )


def sold_names(viewed: ir.Table, items: ir.Table) -> ir.Table:
    """Return the sold item that a viewed product is, as `viewed_id` and `item_id`: of an id of
    Shopify's by country, product and variant, the item that was sold by the id of its variant, else
    by that of its product; else what was bought by purchase events that name it so; else the one
    item with this title.

    Args:
        viewed: Rows with a `product_id`.
        items: All rows of `Item`.
    """
    unsold = viewed.select(viewed_id="product_id").distinct()
    unsold = unsold.anti_join(items, unsold.viewed_id == items.item_id)
    whole = unsold.filter(unsold.viewed_id.re_search(OF_SHOPIFY))
    variant, product = (whole.viewed_id.re_extract(OF_SHOPIFY, number) for number in (2, 1))
    learned = items.filter(items.event_product_id.notnull())
    of_variant = _variant(learned.event_product_id)
    titles = items.group_by(name="item_name").agg(
        item_id=items.item_id.min(), item_count=items.count()
    )
    # By the ids in it, its own, that of the same variant in another country, and its title.
    sides = (
        (whole.mutate(name=variant), items.select("item_id", name="item_id")),
        (whole.mutate(name=product), items.select("item_id", name="item_id")),
        (unsold.mutate(name=unsold.viewed_id), learned.select("item_id", name="event_product_id")),
        (whole.mutate(name=variant), learned.select("item_id", name=of_variant)),
        (
            unsold.mutate(name=unsold.viewed_id),
            titles.filter(titles.item_count == 1).select("item_id", "name"),
        ),
    )
    met = union_all(
        *(
            left.join(right, "name").select(
                "viewed_id", "item_id", rank=ibis.literal(rank, "int64")
            )
            for rank, (left, right) in enumerate(sides)
        )
    )
    return first_of_each(met, "viewed_id", ["rank", "item_id"]).select("viewed_id", "item_id")


def with_item_categories(sold: ir.Table, categories: ir.Table) -> ir.Table:
    """Return rows with the category of their item where they have none of their own.

    Args:
        sold: Rows of `Sales`, of `ProfitLines` or of `Item`.
        categories: Rows of `item_categories`.
    """
    found = categories.select(found_id="item_id", found_category="item_category")
    joined = sold.left_join(found, sold.item_id == found.found_id)
    category = ibis.coalesce(joined.item_category.nullif(NONE), joined.found_category, NONE)
    return joined.mutate(item_category=category).drop("found_id", "found_category")
