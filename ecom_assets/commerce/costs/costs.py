"""What items cost and since when: received rows become versions, and versions days.

METRICS "Profit"; docs/metrics/costs.md.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.costs.contracts import CostVersions, ItemCosts, QuarantinedCosts
from ecom_assets.core.tables.contract import UNIT_COST
from ecom_assets.core.tables.copies import CopyRule, numbered_copies
from ecom_assets.core.tables.portable import NO, union_all
from ecom_assets.core.tables.received import BROKEN_PROOF, breaks_proof
from ecom_assets.core.tables.values import FIRST_PLAUSIBLE

BEFORE_ALL: Final = FIRST_PLAUSIBLE
"""The first day of a cost that stands in for the days before any is known."""
LONG_AGO: Final = ibis.timestamp("0001-01-01 00:00:00")
NO_COST: Final = ibis.null(UNIT_COST)
SAYS_NOTHING: Final = (
    "malformed_row",
    BROKEN_PROOF,
    "left_out",
    "missing_item",
    "unparseable_valid_from",
    "unparseable_valid_until",
)
"""Why a row is no version of a cost; rows that are refused for other reasons say that the cost of
their item is not known from their day on.
"""


def classified(raw: ir.Table) -> ir.Table:
    """Add `reject_reason` to received rows; null for a clean one."""
    received = raw.received_unit_cost_amount.strip().nullif("")
    reason = ibis.cases(
        (raw.malformed_row.notnull(), "malformed_row"),
        (breaks_proof(raw), BROKEN_PROOF),
        (raw.left_out.notnull(), "left_out"),
        (raw.item_id.isnull(), "missing_item"),
        (_is_unread(raw, "valid_from_date"), "unparseable_valid_from"),
        (_is_unread(raw, "valid_until_date"), "unparseable_valid_until"),
        (received.isnull(), "missing_cost"),
        (raw.unrated_currency.notnull(), "currency_without_rate"),
        (_has_no_pieces(raw), "unparseable_piece_count"),
        (raw.unit_cost_amount.isnull(), "unparseable_cost"),
        (raw.unit_cost_amount < 0, "negative_cost"),
        else_=ibis.null("string"),
    )
    return raw.mutate(reject_reason=reason)


def _is_unread(raw: ir.Table, name: str) -> ir.BooleanValue:
    return raw[f"received_{name}"].strip().nullif("").notnull() & raw[name].isnull()


def _has_no_pieces(raw: ir.Table) -> ir.BooleanValue:
    has_some = (raw.piece_count > 0).fill_null(NO)
    return raw.received_piece_count.strip().nullif("").notnull() & ~has_some


def quarantined_costs(raw: ir.Table) -> ir.Table:
    """Return the received rows that say no cost, with the first reason."""
    rows = classified(raw)
    return rows.filter(rows.reject_reason.notnull()).select(*QuarantinedCosts.columns)


def _newest_first(rows: ir.Table) -> list[ir.Value]:
    """Return the order of versions: the last that arrived, and of these the highest cost."""
    return [
        rows.received_date.desc(),
        rows.received_at.fill_null(LONG_AGO).desc(),
        rows.unit_cost_amount.fill_null(-1).desc(),
        rows.valid_until_date.fill_null(ibis.literal(BEFORE_ALL)).desc(),
        rows.source_file,
        rows.cost_id.fill_null(""),
    ]


COST_COPIES: Final = CopyRule(("item_id", "valid_from_date"), _newest_first)
"""Of rows about one item and first day, the newest counts; of several at once, the highest cost."""


def cost_versions(raw: ir.Table) -> ir.Table:
    """Return the newest version of each item's cost from a day on, from all rows of `RawCosts`."""
    rows = classified(raw)
    is_clean = rows.reject_reason.isnull()
    rows = rows.filter(is_clean | rows.reject_reason.notin(SAYS_NOTHING))
    is_clean = rows.reject_reason.isnull()
    versions = rows.mutate(
        is_dated=rows.valid_from_date.notnull(),
        valid_from_date=rows.valid_from_date.fill_null(rows.received_date),
        unit_cost_amount=is_clean.ifelse(rows.unit_cost_amount, ibis.null(UNIT_COST)),
        is_clean=is_clean.ifelse(1, 0),
    )
    of_version = ibis.window(group_by=list(COST_COPIES.record))
    numbered = numbered_copies(versions, COST_COPIES)
    numbered = numbered.mutate(
        version_count=numbered.is_clean.sum().over(of_version).cast("int64"),
        newest_date=numbered.received_date.max().over(of_version),
        highest=(numbered.copy_number == 0)
        .ifelse(numbered.unit_cost_amount, ibis.null(UNIT_COST))
        .max()
        .over(of_version),
        newest_at=(numbered.copy_number == 0)
        .ifelse(numbered.received_at.fill_null(LONG_AGO), ibis.null("timestamp"))
        .max()
        .over(of_version),
    )
    is_other = (
        (numbered.received_date == numbered.newest_date)
        & (numbered.received_at.fill_null(LONG_AGO) == numbered.newest_at)
        & (numbered.unit_cost_amount != numbered.highest)
    ).fill_null(NO)
    numbered = numbered.mutate(
        other_cost_count=is_other.ifelse(1, 0).sum().over(of_version).cast("int64")
    )
    return numbered.filter(numbered.copy_number == 0).select(*CostVersions.columns)


def catalogue_versions(stock: ir.Table) -> ir.Table:
    """Return what the catalogue says of the costs of its products, as rows of `CostVersions`, from
    all rows of `RawStock`.

    A cost of 0 is one that nobody has set. A product that once had a cost has a row of each day.
    """
    named = stock.filter(stock.product_id.notnull())
    costed = named.filter(named.received_unit_cost_amount.notnull()).select("product_id").distinct()
    rows = named.semi_join(costed, "product_id")
    cost = (rows.unit_cost_amount > 0).fill_null(NO).ifelse(rows.unit_cost_amount, NO_COST)
    rows = rows.mutate(item_id=rows.product_id, valid_from_date=rows.received_date, cost=cost)
    days = rows.group_by("item_id", "valid_from_date").agg(
        unit_cost_amount=rows.cost.max(),
        lowest=rows.cost.min(),
        item_name=rows.product_name.max(),
        source_file=rows.source.max(),
        version_count=rows.count().cast("int64"),
    )
    is_other = (days.lowest < days.unit_cost_amount).fill_null(NO)
    return days.mutate(
        valid_until_date=ibis.null("date"),
        is_dated=NO,
        received_date=days.valid_from_date,
        cost_id=ibis.null("string"),
        other_cost_count=is_other.ifelse(1, 0).cast("int64"),
    ).select(*CostVersions.columns)


def item_costs(versions: ir.Table, stock: ir.Table) -> ir.Table:
    """Return the days on which each cost of an item holds, from all rows of `CostVersions`, and on
    the days of which these know none, those of the catalogue, from all rows of `RawStock`.
    """
    of_costs = _days_of_costs(versions, "costs")
    of_catalogue = _days_of_costs(catalogue_versions(stock), "catalogue")
    return union_all(of_costs, _on_other_days(of_catalogue, of_costs))


def _on_other_days(costs: ir.Table, others: ir.Table) -> ir.Table:
    """Return the parts of the days of costs on which no other cost of the item holds."""
    of_item = ibis.window(group_by="item_id", order_by="valid_from_date")
    placed = others.mutate(
        place=ibis.row_number().over(of_item), next_from=others.valid_from_date.lead().over(of_item)
    )
    first, ended = placed.filter(placed.place == 0), placed.filter(placed.valid_to_date.notnull())
    gaps = union_all(
        first.select(
            gap_item="item_id", gap_from=ibis.literal(BEFORE_ALL), gap_to="valid_from_date"
        ),
        ended.select(gap_item="item_id", gap_from="valid_to_date", gap_to="next_from"),
    )
    inside = costs.join(
        gaps,
        [
            costs.item_id == gaps.gap_item,
            gaps.gap_to.isnull() | (costs.valid_from_date < gaps.gap_to),
            costs.valid_to_date.isnull() | (gaps.gap_from < costs.valid_to_date),
            gaps.gap_to.isnull() | (gaps.gap_from < gaps.gap_to),
        ],
    )
    starts_later = inside.valid_from_date < inside.gap_from
    ends_sooner = (inside.gap_to < inside.valid_to_date).fill_null(inside.gap_to.notnull())
    inside = inside.mutate(
        valid_from_date=starts_later.ifelse(inside.gap_from, inside.valid_from_date),
        valid_to_date=ends_sooner.ifelse(inside.gap_to, inside.valid_to_date),
    )
    alone = costs.anti_join(others, "item_id")
    return union_all(inside.select(*ItemCosts.columns), alone.select(*ItemCosts.columns))


def _days_of_costs(versions: ir.Table, source: str) -> ir.Table:
    """Return the days on which each cost of an item holds, from all versions of a source.

    A cost holds from its first day until the next first day of the item, or until its own last day
    where that lies between. An end before its start does not count. The first cost of an item whose
    source names no day holds for all days before, too, and is estimated there.
    """
    known = _with_ends(_without_repeats(versions))
    known = known.filter(known.unit_cost_amount.notnull())
    of_item = ibis.window(group_by="item_id", order_by="valid_from_date")
    first = known.mutate(place=ibis.row_number().over(of_item))
    first = first.filter(first.place == 0, ~first.is_dated).drop("place")
    before = first.mutate(
        valid_to_date=first.valid_from_date,
        valid_from_date=ibis.literal(BEFORE_ALL),
        is_estimated=ibis.literal(value=True),
        contradiction=ibis.null("string"),
    )
    before = before.filter(before.valid_from_date < before.valid_to_date)
    rows = known.mutate(is_estimated=NO)
    both = (part.mutate(cost_source=ibis.literal(source)) for part in (rows, before))
    return union_all(*(part.select(*ItemCosts.columns) for part in both))


def _without_repeats(versions: ir.Table) -> ir.Table:
    """Leave out rows without a day that repeat the cost before them: a file that arrives each day
    says the same of most items.
    """
    of_item = ibis.window(group_by="item_id", order_by="valid_from_date")
    rows = versions.mutate(
        cost_before=versions.unit_cost_amount.lag().over(of_item),
        end_before=versions.valid_until_date.lag().over(of_item),
        start_before=versions.valid_from_date.lag().over(of_item),
    )
    is_same = (rows.unit_cost_amount == rows.cost_before).fill_null(NO) | (
        rows.unit_cost_amount.isnull() & rows.cost_before.isnull() & rows.start_before.notnull()
    )
    repeats = (
        is_same
        & ~rows.is_dated
        & rows.end_before.isnull()
        & rows.valid_until_date.isnull()
        & (rows.other_cost_count == 0)
    )
    return rows.filter(~repeats)


def _with_ends(versions: ir.Table) -> ir.Table:
    """Add `valid_to_date`, and what a row says against itself or the next."""
    of_item = ibis.window(group_by="item_id", order_by="valid_from_date")
    rows = versions.mutate(next_from=versions.valid_from_date.lead().over(of_item))
    day_after = (rows.valid_until_date + ibis.interval(days=1)).cast("date")
    ends_before = (rows.valid_until_date < rows.valid_from_date).fill_null(NO)
    own_end = ends_before.ifelse(ibis.null("date"), day_after)
    has_next = rows.next_from.notnull()
    ends_sooner = (own_end < rows.next_from).fill_null(own_end.notnull() & ~has_next)
    valid_to = ends_sooner.ifelse(own_end, rows.next_from)
    contradiction = ibis.cases(
        (rows.other_cost_count > 0, "two_costs"),
        (ends_before, "ends_before_start"),
        # A last day that is the next first day is how half-open days are written.
        ((~ends_before & (rows.valid_until_date > rows.next_from)).fill_null(NO), "overlaps_next"),
        ((ends_sooner & has_next).fill_null(NO), "gap_after"),
        else_=ibis.null("string"),
    )
    return rows.mutate(
        valid_to_date=valid_to, contradiction=contradiction, cost_start_date=rows.valid_from_date
    )
