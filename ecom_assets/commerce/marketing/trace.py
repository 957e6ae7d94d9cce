"""How what ads bring goes down to rows of spend, orders, visits, and events with a click id."""

from collections.abc import Mapping
from functools import partial, reduce
from operator import or_
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.commerce.attribution.contracts import Conversions, SessionSources, Touches
from ecom_assets.commerce.attribution.credit import SHARING, buyer_of
from ecom_assets.commerce.marketing.campaigns import CAMPAIGN, TAG, tagged
from ecom_assets.commerce.marketing.cohorts import first_customers, month_number
from ecom_assets.commerce.marketing.contracts import (
    CUTS,
    DEFAULT_MODEL,
    AdSpend,
    AdSpendDaily,
    CampaignCredit,
    CampaignTags,
    CustomerCohortValue,
    MarketingDaily,
    RawAdSpend,
    SpendReconciliationDaily,
)
from ecom_assets.commerce.marketing.measures import MarketingMeasures
from ecom_assets.commerce.marketing.renewals import only_renewals, without_renewals
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.orders.orders import ALL
from ecom_assets.commerce.sales.contracts import City, Sales
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.portable import first_of_each
from ecom_assets.core.tables.trace import (
    ByRow,
    Computed,
    Count,
    Derivation,
    TableTrace,
    TraceContext,
    UpstreamRows,
    keeping,
    ratios_of,
)

DAY: Final = "marketing_date"
OF_ROW: Final = (
    "spend_date",
    "platform",
    "account_id",
    "campaign_key",
    "ad_group_key",
    "source_file",
)


def received_spend(rows: ir.Table, context: TraceContext) -> ir.Table:
    """Return the received rows that some rows of spend add up."""
    raw = context.table(RawAdSpend)
    keyed = raw.mutate(
        campaign_key=ibis.coalesce(raw.campaign_id, raw.campaign_name.strip().lower()),
        ad_group_key=ibis.coalesce(
            raw.ad_group_id, raw.ad_group_name.strip().lower(), ibis.literal(ALL)
        ),
    )
    # By names: what is read of a few rows is made of these rows.
    return keeping(keyed, rows, list(OF_ROW)).drop("campaign_key", "ad_group_key")


UPSTREAM: Final[Mapping[Contract, UpstreamRows]] = {
    AdSpend: UpstreamRows(RawAdSpend, received_spend, OF_ROW),
}


def _spend(context: TraceContext, day: str = DAY) -> ir.Table:
    """Return the rows of spend of a row's campaign and day."""
    of_campaign = {name: context.row[name] for name in CAMPAIGN}
    spend = context.where(AdSpend, is_counted=True, **of_campaign)
    return spend.filter(context.days(day).contain(spend.spend_date))


def _tags(context: TraceContext) -> ir.Table:
    """Return what visits say that meets a row's campaign."""
    tags = context.where(CampaignTags, **{name: context.row[name] for name in CAMPAIGN})
    return tags.select(*TAG)


def _visits(context: TraceContext) -> ir.Table:
    """Return the visits of people from ads of a row's campaign and day."""
    touches = context.table(Touches)
    touches = touches.filter(context.days(DAY).contain(touches.started_date), ~touches.is_bot)
    ids = tagged(touches).semi_join(_tags(context), list(TAG)).select("session_id")
    return context.table(Sessions).semi_join(ids, "session_id")


def _credited(
    context: TraceContext, day: str = "converted_date", *, are_renewals: bool = False
) -> ir.Table:
    """Return the credit of a row's campaign, day and model that is not zero, of renewals or of all
    other orders.
    """
    chosen = only_renewals if are_renewals else without_renewals
    credit = chosen(context.table(CampaignCredit), context.table(Conversions))
    credit = credit.filter(context.days(DAY).contain(credit[day]))
    credit = credit.semi_join(_tags(context), list(TAG))
    model = context.row.get("model", DEFAULT_MODEL)
    parts = (credit[f"{model}_{name}"] != 0 for name in ("credit", "revenue_amount"))
    return credit.filter(reduce(or_, parts))


def _lines_of(credit: ir.Table, context: TraceContext) -> ir.Table:
    """Return the order lines of some credit."""
    lines = context.table(UserOrderLog)
    keys = credit.select(
        "conversion_id", "converted_date", "is_refund", buyer_id=buyer_of(credit)
    ).distinct()
    return lines.semi_join(
        keys,
        [
            lines.order_id == keys.conversion_id,
            lines.customer_id == keys.buyer_id,
            lines.order_date == keys.converted_date,
            (lines.status == "refunded") == keys.is_refund,
        ],
    )


def _purchases_of(credit: ir.Table, context: TraceContext) -> ir.Table:
    """Return the purchase and refund events of some credit."""
    events = context.table(CleanEvents)
    keys = credit.select("conversion_id", "converted_date").distinct()
    is_same = [events.event_id == keys.conversion_id, events.event_date == keys.converted_date]
    return events.semi_join(keys, is_same)


def _touched(credit: ir.Table, context: TraceContext) -> ir.Table:
    """Return the visits that some credit is of."""
    touches = tagged(context.table(Touches))
    keys = credit.select("visitor_id", *TAG, started_date="touched_date").distinct()
    ids = touches.semi_join(keys, ["visitor_id", *TAG, "started_date"]).select("session_id")
    return context.table(Sessions).semi_join(ids, "session_id")


def _clicks(credit: ir.Table, context: TraceContext) -> ir.Table:
    """Return the events with a click id or the tags of an ad with which these visits began."""
    sources = tagged(context.table(SessionSources))
    keys = credit.select("visitor_id", *TAG, event_date="touched_date").distinct()
    ids = sources.semi_join(keys, ["visitor_id", *TAG, "event_date"]).select(
        "event_id", "event_date"
    )
    return context.table(CleanEvents).semi_join(ids, ["event_id", "event_date"])


def _of_credit(how: str, day: str = "converted_date", *, are_renewals: bool = False) -> Computed:
    """Return that a number is shared by a model: orders, visits, and their first events."""
    credit = partial(_credited, day=day, are_renewals=are_renewals)
    return Computed(
        how,
        inputs=(
            Count(UserOrderLog, lambda context: _lines_of(credit(context), context)),
            Count(Sessions, lambda context: _touched(credit(context), context)),
            Count(CleanEvents, lambda context: _clicks(credit(context), context)),
        ),
        adds_up=True,
    )


def _of_spend(name: str, day: str = DAY) -> Computed:
    return Computed(
        f"the sum of {name} of the campaign's rows of spend",
        inputs=Count(AdSpend, partial(_spend, day=day)),
        adds_up=True,
    )


SPENT: Final = (
    "spend_amount",
    "impression_count",
    "click_count",
    "platform_conversion_count",
    "platform_conversion_amount",
)
SHARED: Final = (
    "each order of the day but renewals is shared among the visits before it by the model"
)
BY_VISIT: Final = (
    "each order but renewals is shared among the visits before it by the model, of the visit's day"
)
MARKETING: Final[Mapping[str, Derivation]] = {
    **{name: _of_spend(name) for name in SPENT},
    "session_count": Count(Sessions, _visits, day=DAY),
    "credited_order_count": _of_credit(f"{SHARED}; its part is added up"),
    "credited_revenue_amount": _of_credit(f"{SHARED}; its part of what was paid is added up"),
    "renewal_order_count": _of_credit(
        "each renewal of the day is shared in the same way; its part is added up",
        are_renewals=True,
    ),
    "renewal_revenue_amount": _of_credit(
        "each renewal of the day is shared in the same way; its part of what was paid is added up",
        are_renewals=True,
    ),
    "touched_order_count": _of_credit(f"{BY_VISIT}; its part is added up", "touched_date"),
    "touched_revenue_amount": _of_credit(f"{BY_VISIT}; its part is added up", "touched_date"),
    "new_customer_count": _of_credit(
        f"{SHARED}; its part of orders that are the customer's first paid one is added up"
    ),
    "first_order_revenue_amount": _of_credit(
        f"{SHARED}; its part of what first paid orders brought is added up"
    ),
    "contribution_revenue_amount": _of_credit(
        f"{SHARED}; its part of net sales of orders whose contribution is known is added up"
    ),
    "contribution_before_ads_amount": _of_credit(
        f"{SHARED}; its part of what orders leave in mart.profit_lines is added up"
    ),
    **ratios_of(MarketingMeasures),
}


def _sessions_of_tag(context: TraceContext) -> ir.Table:
    """Return the visits of people that say what a row of `CampaignTags` does."""
    touches = tagged(context.table(Touches))
    said = [touches[name] == context.row[name] for name in TAG]
    ids = touches.filter(*said, ~touches.is_bot).select("session_id")
    return context.table(Sessions).semi_join(ids, "session_id")


def _this_credit(context: TraceContext) -> ir.Table:
    key = {name: context.row[name] for name in CampaignCredit.key}
    credit = context.table(CampaignCredit)
    return credit.filter(*(credit[name] == value for name, value in key.items()))


def _by_unit(context: TraceContext) -> Derivation:
    how = (
        "the order is shared among the visits before it by the model; over campaigns its parts add "
        "up to it"
    )
    orders = Count(UserOrderLog, lambda part: _lines_of(_this_credit(part), part))
    events = Count(CleanEvents, lambda part: _purchases_of(_this_credit(part), part))
    return Computed(how, inputs=orders if context.row["unit"] == "order" else events)


def _cohort_lines(context: TraceContext, *, until: bool = False) -> ir.Table:
    """Return the sales of a cohort's customers in a row's month, or until its end."""
    row, sold = context.row, context.table(Sales)
    customers = first_customers(sold, context.table(City))
    month = row["cohort_month_date"]
    customers = customers.filter(customers.cohort_month_date == month)
    for name in CUTS:
        if row[name] != ALL and name != "discount_code":
            customers = customers.filter(customers[name] == row[name])
    number = month.year * 12 + month.month + row["months_since_count"]
    begun = customers.select(buyer_id="customer_id", begun_at="first_at")
    lines = sold.join(begun, sold.customer_id == begun.buyer_id)
    lines = lines.filter(lines.ordered_at >= lines.begun_at).select(*Sales.columns)
    ordered = month_number(lines.order_date)
    first = month.year * 12 + month.month if until else number
    return lines.filter(ordered >= first, ordered <= number)


def _customers_of(context: TraceContext) -> ir.Table:
    """Return the first sale of each customer of a cohort."""
    lines = _cohort_lines(
        TraceContext(
            {**context.row, "months_since_count": 0}, context.table, context.rules, context.ask
        )
    )
    shipped = lines.filter(lines.status == "shipped")
    return first_of_each(shipped, "customer_id", ["ordered_at", "uniq_id"])


IN_MONTH: Final = Count(Sales, _cohort_lines)
UNTIL: Final = Count(Sales, partial(_cohort_lines, until=True))


def _summed(what: str, inputs: Count, **more: Any) -> Computed:  # noqa: ANN401 (as `Computed`)
    return Computed(f"{what} of sales of the cohort's customers", inputs=inputs, **more)


COHORTS: Final[Mapping[str, Derivation]] = {
    "customer_count": Computed(
        "customers whose first paid order is of the month and value",
        inputs=Count(Sales, _customers_of),
    ),
    "order_count": _summed("the number of orders", IN_MONTH, adds_up=True),
    "revenue_amount": _summed("the sum of revenue_amount", IN_MONTH, adds_up=True),
    "renewal_order_count": _summed("the number of renewals", IN_MONTH, adds_up=True),
    "renewal_revenue_amount": _summed(
        "the sum of revenue_amount of renewals", IN_MONTH, adds_up=True
    ),
    "contribution_revenue_amount": _summed(
        "the sum, where the contribution is known,", IN_MONTH, adds_up=True
    ),
    "contribution_before_ads_amount": _summed(
        "the sum of what is left before advertising", IN_MONTH, adds_up=True
    ),
    "cumulative_order_count": _summed("the number of orders until the month's end", UNTIL),
    "cumulative_revenue_amount": _summed("the sum of revenue_amount until its end", UNTIL),
    "cumulative_contribution_amount": _summed(
        "the sum of what is left before advertising until its end", UNTIL
    ),
    **ratios_of(CustomerCohortValue),
}
RECONCILED: Final[Mapping[str, Derivation]] = {
    **{name: MARKETING[name] for name in SpendReconciliationDaily.columns if name in MARKETING},
    "click_without_session_count": Computed(
        "click_count - session_count", ("click_count", "session_count")
    ),
    "overclaimed_order_count": Computed(
        "platform_conversion_count - touched_order_count",
        ("platform_conversion_count", "touched_order_count"),
    ),
}
TRACES: Final = (
    TableTrace(
        AdSpendDaily,
        "ad-spend",
        {name: _of_spend(name, "spend_date") for name in ("account_spend_amount", *SPENT)},
    ),
    TableTrace(
        CampaignCredit,
        "credit-by-campaign",
        {
            f"{model}_{name}": ByRow(_by_unit)
            for model in SHARING
            for name in ("credit", "revenue_amount")
        },
    ),
    TableTrace(
        CampaignTags,
        "visits-and-campaigns",
        {"session_count": Count(Sessions, _sessions_of_tag)},
    ),
    TableTrace(MarketingDaily, "spend-and-what-it-brings", MARKETING),
    TableTrace(SpendReconciliationDaily, "clicks-and-claims", RECONCILED),
    TableTrace(CustomerCohortValue, "what-customers-are-worth", COHORTS),
)
