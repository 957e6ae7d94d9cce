"""What advertising brings: spend, visits, claims and credit by day, campaign and model.

METRICS "Advertising"; docs/metrics/marketing.md.
"""

from collections.abc import Callable, Mapping
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.attribution.contracts import CREDIT
from ecom_assets.commerce.attribution.credit import SHARING, buyer_of
from ecom_assets.commerce.costs.measures import PROFIT
from ecom_assets.commerce.marketing.campaigns import CAMPAIGN, TAG, of_sold_unit, tagged
from ecom_assets.commerce.marketing.contracts import (
    DEFAULT_MODEL,
    MarketingDaily,
    SpendReconciliationDaily,
)
from ecom_assets.commerce.marketing.measures import MarketingMeasures, SpendMeasures
from ecom_assets.commerce.marketing.renewals import only_renewals, without_renewals
from ecom_assets.commerce.orders.new_customers import first_paid_orders
from ecom_assets.core.tables.contract import MONEY, Ratio
from ecom_assets.core.tables.days import Days, OtherDays
from ecom_assets.core.tables.measures import aggregates, measures_of, with_ratios
from ecom_assets.core.tables.portable import NO, union_all

SomeDays = Days | OtherDays
KINDS: Final = {name: measure.type for name, measure in measures_of(MarketingMeasures).items()}
UNIT: Final = ("marketing_date", *CAMPAIGN)
OF_VISITS: Final = tuple(
    name
    for name, measure in measures_of(MarketingMeasures).items()
    if measure.needs and not isinstance(measure.counted_as, Ratio)
)
"""The measures that are counted from visits and what they are credited."""
MICRO: Final = 1_000_000


def marketing_daily(  # noqa: PLR0913, PLR0917 (each is a table)
    spend: ir.Table,
    touches: ir.Table,
    credit: ir.Table,
    conversions: ir.Table,
    profit_lines: ir.Table,
    tags: ir.Table,
    *,
    days: SomeDays,
) -> ir.Table:
    """Return rows of `MarketingDaily` of `days`.

    Args:
        spend: All rows of `AdSpendDaily`.
        touches: All rows of `Touches`.
        credit: All rows of `CampaignCredit`.
        conversions: All rows of `Conversions`.
        profit_lines: All rows of `ProfitLines`.
        tags: All rows of `CampaignTags`.
        days: The days.
    """
    of_days = credit.filter(days.contain(credit.converted_date))
    ordered = without_renewals(of_days, conversions)
    worth = _credited(_with_worth(ordered, conversions, profit_lines), tags)
    renewed = _credited(only_renewals(of_days, conversions), tags)
    of_touches = credit.filter(days.contain(credit.touched_date))
    touched = _credited(without_renewals(of_touches, conversions), tags)
    parts = [
        _by_all_models(_spent(spend, days)),
        _by_all_models(_visited(touches, tags, days)),
        _by_own_model(worth, "converted_date", PARTS_OF_ORDER),
        _by_own_model(renewed, "converted_date", PARTS_OF_RENEWAL),
        _by_own_model(touched, "touched_date", PARTS_OF_TOUCH),
    ]
    rows = union_all(*(_with_all_columns(part) for part in parts))
    sums = rows.group_by(*UNIT, "model").agg(**aggregates(rows, MarketingMeasures))
    is_any = sums.spend_amount != 0
    for name in OF_VISITS:
        is_any |= (sums[name] != 0).fill_null(NO)
    has_claim = sums.platform_conversion_count.notnull() | sums.impression_count.notnull()
    kept = sums.filter(is_any | has_claim | sums.click_count.notnull())
    return with_ratios(kept, MarketingMeasures).select(*MarketingDaily.columns)


def _spent(spend: ir.Table, days: SomeDays) -> ir.Table:
    rows = spend.filter(days.contain(spend.spend_date))
    names = [name for name in measures_of(SpendMeasures) if name != "session_count"]
    return rows.select(*CAMPAIGN, *names, marketing_date="spend_date")


def _visited(touches: ir.Table, tags: ir.Table, days: SomeDays) -> ir.Table:
    """Return the visits of people from ads, by day and campaign."""
    people = touches.filter(days.contain(touches.started_date), ~touches.is_bot)
    rows = tagged(people)
    rows = rows.join(tags.select(*TAG, *(_met(tags))), list(TAG))
    visits = rows.group_by(*(f"met_{name}" for name in CAMPAIGN), marketing_date="started_date")
    return _named(visits.agg(session_count=rows.count()))


def _met(tags: ir.Table) -> list[ir.Value]:
    """Return the campaign of a tag under names that credit does not have."""
    return [tags[name].name(f"met_{name}") for name in CAMPAIGN]


def _named(rows: ir.Table) -> ir.Table:
    return rows.rename({name: f"met_{name}" for name in CAMPAIGN})


OF_ORDERS: Final = {
    "order_id": "conversion_id",
    "order_date": "converted_date",
    "ordered_at": "converted_at",
}
"""What orders have, by what conversions call it."""


def new_customers(conversions: ir.Table) -> ir.Table:
    """Return the first paid order of each new customer, as `first_paid_orders` does.

    Args:
        conversions: All rows of `of_sold_unit`.
    """
    first = first_paid(conversions)
    return first.filter(~first.is_renewal)


def first_paid(conversions: ir.Table) -> ir.Table:
    """Return the same of all known customers: who begins with a renewal was a customer before."""
    return first_paid_orders(conversions.rename(OF_ORDERS))


def _with_worth(credit: ir.Table, conversions: ir.Table, profit_lines: ir.Table) -> ir.Table:
    """Add to credit whether it is of a first paid order, and what the order leaves.

    A refund has no credit, so its part of the contribution is that of what was paid back.
    """
    first = new_customers(of_sold_unit(conversions)).select(
        first_date="order_date", first_id="order_id", first_customer="customer_id"
    )
    rows = credit.left_join(
        first,
        [
            credit.converted_date == first.first_date,
            credit.conversion_id == first.first_id,
            buyer_of(credit) == first.first_customer,
        ],
    )
    rows = rows.mutate(is_first=rows.first_id.notnull() & ~rows.is_refund)
    by = ("order_id", "order_date", "status")
    left = profit_lines.group_by(*by, paying_customer="customer_id").agg(
        order_contribution=profit_lines.contribution_before_ads_amount.sum().cast(PROFIT),
        order_revenue=profit_lines.contribution_revenue_amount.sum().cast(PROFIT),
        paid=profit_lines.revenue_amount.sum().cast(PROFIT),
    )
    status = rows.is_refund.ifelse("refunded", "shipped")
    joined = rows.left_join(
        left,
        [
            rows.conversion_id == left.order_id,
            rows.converted_date == left.order_date,
            buyer_of(rows) == left.paying_customer,
            status == left.status,
        ],
    )
    return joined.drop("first_date", "first_id", "first_customer", *by, "paying_customer")


def _credited(credit: ir.Table, tags: ir.Table) -> ir.Table:
    """Return credit of ads, with the campaign."""
    return credit.join(tags.select(*TAG, *_met(tags)), list(TAG))


def _part(rows: ir.Table, amount: str, model: str) -> ir.DecimalValue:
    """Return a model's part of an amount of an order, in six digits; of a refund by its money.

    Doubles are rounded, so that all engines have the same.
    """
    money = rows[f"{model}_revenue_amount"].cast("float64")
    of_refund = money / rows.paid.cast("float64").nullif(0)
    share = rows.is_refund.ifelse(of_refund, rows[f"{model}_credit"].cast("float64"))
    micro = (rows[amount].cast("float64") * MICRO * share + 0.5).floor().cast("int64")
    one = ibis.literal("0.000001").cast(PROFIT)
    return (micro.cast("decimal(38, 0)") * one).cast(PROFIT)


def _of_first(rows: ir.Table, model: str, part: str, kind: str) -> ir.DecimalValue:
    nothing = ibis.literal(0, kind)
    return rows.is_first.ifelse(rows[f"{model}_{part}"].cast(kind), nothing)


PartOfOrder = Callable[[ir.Table, str], ir.NumericValue]
"""Returns what a model gives of the orders of some rows."""
PARTS_OF_ORDER: Final[Mapping[str, PartOfOrder]] = {
    "credited_order_count": lambda rows, model: rows[f"{model}_credit"],
    "credited_revenue_amount": lambda rows, model: rows[f"{model}_revenue_amount"],
    "new_customer_count": lambda rows, model: _of_first(rows, model, "credit", CREDIT),
    "first_order_revenue_amount": lambda rows, model: _of_first(
        rows, model, "revenue_amount", MONEY
    ),
    "contribution_revenue_amount": lambda rows, model: _part(rows, "order_revenue", model),
    "contribution_before_ads_amount": lambda rows, model: _part(rows, "order_contribution", model),
}
"""What a model gives of an order or refund, by measure."""
PARTS_OF_RENEWAL: Final[Mapping[str, PartOfOrder]] = {
    "renewal_order_count": PARTS_OF_ORDER["credited_order_count"],
    "renewal_revenue_amount": PARTS_OF_ORDER["credited_revenue_amount"],
}
PARTS_OF_TOUCH: Final[Mapping[str, PartOfOrder]] = {
    "touched_order_count": PARTS_OF_ORDER["credited_order_count"],
    "touched_revenue_amount": PARTS_OF_ORDER["credited_revenue_amount"],
}


def _by_own_model(rows: ir.Table, day: str, parts: Mapping[str, PartOfOrder]) -> ir.Table:
    """Return the sums of parts of orders by day, campaign and model."""
    sums = {
        f"{model}_{name}": part(rows, model).sum().cast(KINDS[name])
        for model in SHARING
        for name, part in parts.items()
    }
    wide = rows.group_by(*(f"met_{name}" for name in CAMPAIGN), marketing_date=day).agg(**sums)
    long = _named(wide).cross_join(models())
    return long.select(
        *UNIT,
        "model",
        **{
            name: ibis.cases(*((long.model == model, long[f"{model}_{name}"]) for model in SHARING))
            for name in parts
        },
    )


def models() -> ir.Table:
    """Return the models that share each order among its touches, a row each."""
    return union_all(*(ibis.literal(model).name("model").as_table() for model in SHARING))


def _by_all_models(rows: ir.Table) -> ir.Table:
    return rows.cross_join(models())


def _with_all_columns(part: ir.Table) -> ir.Table:
    """Return a part with the columns that measures are added up from: those that it lacks are 0, or
    null where a measure may be unknown.
    """
    columns = {}
    for name, measure in measures_of(MarketingMeasures).items():
        if isinstance(measure.counted_as, Ratio):
            continue
        kind = measure.type
        if name in part.columns:
            columns[name] = part[name].cast(kind)
        else:
            columns[name] = ibis.null(kind) if measure.nullable else ibis.literal(0, kind)
    return part.select(*UNIT, "model", **columns)


def spend_reconciliation_daily(marketing: ir.Table, days: SomeDays) -> ir.Table:
    """Return rows of `SpendReconciliationDaily` of `days`, from all rows of `MarketingDaily`."""
    rows = marketing.filter(
        marketing.model == DEFAULT_MODEL, days.contain(marketing.marketing_date)
    )
    return with_gaps(rows).select(*SpendReconciliationDaily.columns)


def with_gaps(rows: ir.Table) -> ir.Table:
    """Add what platforms count beyond the shop, to rows of a day or to their sums."""
    claimed, credited = rows.platform_conversion_count, rows.touched_order_count.cast(PROFIT)
    return rows.mutate(
        click_without_session_count=rows.click_count - rows.session_count,
        overclaimed_order_count=(claimed - credited).cast(PROFIT),
    )
