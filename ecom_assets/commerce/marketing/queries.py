"""Queries about advertising: what it costs and brings, by campaign and model, and what customers
are worth.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any, Final, Literal, get_args

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.recorded import ADDRESSES, ORDER_VISITS, not_recorded
from ecom_assets.commerce.attribution.contracts import MODELS, Conversions
from ecom_assets.commerce.attribution.credit import SHARING
from ecom_assets.commerce.attribution.queries import VisitCoverage, visit_coverage
from ecom_assets.commerce.costs.contracts import ProfitDaily
from ecom_assets.commerce.costs.measures import PROFIT
from ecom_assets.commerce.costs.profit import DIMENSIONS
from ecom_assets.commerce.customers.contracts import LifetimeValue
from ecom_assets.commerce.marketing.account_zones import (
    ACCOUNT_ZONE,
    days_of_zones,
    in_other_zones,
)
from ecom_assets.commerce.marketing.campaigns import CAMPAIGN, of_sold_unit
from ecom_assets.commerce.marketing.cohorts import MONTHS_OF_YEAR
from ecom_assets.commerce.marketing.contracts import (
    CUTS,
    DEFAULT_MODEL,
    NO_PLATFORM,
    AdCampaigns,
    AdSpendDaily,
    CustomerCohortValue,
    MarketingDaily,
    SpendReconciliationDaily,
)
from ecom_assets.commerce.marketing.measures import PLATFORM_CLAIMS, MarketingMeasures
from ecom_assets.commerce.marketing.performance import (
    MICRO,
    first_paid,
    new_customers,
    with_gaps,
)
from ecom_assets.commerce.marketing.renewals import only_renewals
from ecom_assets.commerce.orders.orders import NONE
from ecom_assets.commerce.sales.contracts import PurchaseRevenueDaily, RevenueDaily
from ecom_assets.commerce.sales.coverage import ORDERS, require_orders, sales_source
from ecom_assets.commerce.sales.discounts import MOST_HIDDEN, OF_FEW
from ecom_assets.core.rows import Answer, NamedValues, Row
from ecom_assets.core.tables.contract import MONEY, Contract, Ratio
from ecom_assets.core.tables.currencies import rounded
from ecom_assets.core.tables.measures import (
    completed,
    numbers_over_time,
    plain_value,
    summable,
    sums,
    sums_of_periods,
)
from ecom_assets.core.tables.portable import NO
from ecom_assets.core.tables.queries import (
    ZERO,
    NoSourceError,
    NotPublishedError,
    Period,
    Reading,
    compared,
    if_known,
    in_period,
    mean,
    rows_in_period,
    share,
    totals_by,
)

Model = Literal["first", "last", "last_non_direct", "linear", "position", "j", "time_decay"]
assert get_args(Model) == SHARING  # noqa: S101 (the models that share each order)
Dimension = Literal["campaign", "platform", "channel"]
"""By what advertising is broken down."""
Cut = Literal["first_channel", "item_category", "discount_code", "country"]
"""By what customers are cut."""
NUMBERS: Final = tuple(summable(MarketingMeasures))
OF_MODEL: Final = (
    "credited_order_count",
    "credited_revenue_amount",
    "renewal_order_count",
    "renewal_revenue_amount",
    "new_customer_count",
    "roas",
    "cost_per_new_customer",
)


class NoSpendError(NoSourceError):
    """The query is about advertising, and the shop has no ad spend."""


def has_spend(reading: Reading) -> bool:
    """Return whether anything was spent on ads."""
    return bool(reading.state(reading.table(AdSpendDaily).select("spend_date").limit(1)))


def publishes_spend(reading: Reading) -> bool:
    """Return whether spend is published; it is not where another version published the data."""
    try:
        return has_spend(reading)
    except NotPublishedError:
        return False


def require_spend(reading: Reading) -> None:
    """Refuse a shop without ad spend.

    Raises:
        NoSpendError: There is none.
    """
    if not has_spend(reading):
        raise NoSpendError(
            "There is no ad spend; set ECOM_AD_SPEND, or give `ecom run` --ad-spend NAME=PATH, "
            "where NAME is a mapping, such as google_ads."
        )


def marketing(
    reading: Reading,
    period: Period,
    model: Model = DEFAULT_MODEL,
    dimension: Dimension = "campaign",
) -> Answer:
    """Return what ads cost and brought in a period, by a model and by a dimension.

    Raises:
        NoSpendError: There is no ad spend.
        NoOrdersError: There are neither order lines nor purchase events.
    """
    require_spend(reading)
    now, before = sums_of_periods(
        reading, _daily(reading, model), "marketing_date", period, MarketingMeasures
    )
    coverage = visit_coverage(reading, period)
    lacks = _lacking(reading, period, coverage)
    campaigns = parts(reading, period, model, "campaign", lacks)
    named = (
        campaigns if dimension == "campaign" else parts(reading, period, model, dimension, lacks)
    )
    current = _with_after(_as_known(now, lacks))
    previous = _with_after(_as_known(before, lacking(reading, period.previous)))
    whole = shop(reading, period)
    return {
        "model": model,
        "visit_coverage_rate": coverage.rate,
        "ads": if_known(current, period),
        **compared(current, previous, (*NUMBERS, AFTER), period),
        "shop": if_known(whole, period),
        "models": by_model(reading, period, lacks),
        "dimension": dimension,
        "parts": named,
        "spend_without_visits": [_named(row) for row in campaigns if _lacks_visits(row)],
        "visits_without_spend": [_named(row) for row in campaigns if _lacks_spend(row)],
        "other_zones": other_zones(reading, period),
        "claims": claims(reading, period, lacks),
    }


AFTER: Final = "contribution_after_ads_amount"


def lacking(reading: Reading, period: Period) -> frozenset[str]:
    """Return what events do not record, and the visits of orders if too few of those of a period
    meet any; and the claims of platforms if an account with spend makes none.
    """
    return _lacking(reading, period, visit_coverage(reading, period))


def _lacking(reading: Reading, period: Period, coverage: VisitCoverage) -> frozenset[str]:
    lacks = not_recorded(reading) | ({ORDER_VISITS} if coverage.is_too_low else set())
    return lacks | ({PLATFORM_CLAIMS} if _accounts_without_claims(reading, period) else set())


def _accounts_without_claims(reading: Reading, period: Period) -> list[tuple[str, str]]:
    """Return the accounts with spend in a period that never say there what their ads brought, each
    with its platform: what others claim, divided by all spend, is no ROAS.
    """
    rows = rows_in_period(reading, AdSpendDaily)
    accounts = rows.group_by("platform", "account_id").agg(
        spend=rows.spend_amount.sum(), claim_count=rows.platform_conversion_amount.count()
    )
    return sorted(
        (row["platform"], row["account_id"])
        for row in reading.rows(accounts, period)
        if row["spend"] and not row["claim_count"]
    )


def _as_known(row: Row | None, lacks: frozenset[str]) -> Row:
    """Return all measures of sums; None for those of visits where no event says where any came
    from, and for those of orders where too few meet a visit: not that nobody came, or bought.
    """
    return completed(row, MarketingMeasures, lacks)


def _with_after(numbers: Row) -> Row:
    """Add what is left of the contribution after spend; None where the contribution is unknown."""
    before = numbers["contribution_before_ads_amount"]
    spend = numbers["spend_amount"]
    return numbers | {AFTER: None if before is None or spend is None else before - spend}


def _daily(reading: Reading, model: str) -> ir.Table:
    daily = reading.table(MarketingDaily)
    return daily.filter(daily.model == model)


def marketing_over_time(
    reading: Reading, period: Period, by: Literal["day", "week"]
) -> Mapping[date, Row]:
    """Return what ads cost and brought by the default model, of each day of a period or of each
    week by its Monday; zeros where nothing happened.

    Raises:
        NoSpendError: There is no ad spend.
    """
    require_spend(reading)
    daily, lacks = _daily(reading, DEFAULT_MODEL), lacking(reading, period)
    return numbers_over_time(reading, daily, "marketing_date", period, by, MarketingMeasures, lacks)


def by_model(reading: Reading, period: Period, lacks: frozenset[str]) -> list[Row]:
    """Return what each model credits to ads in a period; `lacks` as `lacking` returns it."""
    rows = rows_in_period(reading, MarketingDaily)
    added = rows.group_by("model").agg(**sums(rows, MarketingMeasures))
    numbers = {row["model"]: _as_known(row, lacks) for row in reading.rows(added, period)}
    return [
        {"model": name, "label": MODELS[name], **{of: numbers[name][of] for of in OF_MODEL}}
        for name in SHARING
        if name in numbers
    ]


UNIT_OF: Final[Mapping[Dimension, tuple[str, ...]]] = {
    "campaign": (*CAMPAIGN, "campaign_name", "is_brand", "channel"),
    "platform": ("platform",),
    "channel": ("channel",),
}


def parts(
    reading: Reading, period: Period, model: Model, dimension: Dimension, lacks: frozenset[str]
) -> list[Row]:
    """Return what ads cost and brought by a dimension, the most spend first; `lacks` as `lacking`
    returns it.
    """
    daily = _daily(reading, model)
    rows = daily.filter(in_period(daily.marketing_date))
    campaigns = reading.table(AdCampaigns)
    rows = rows.join(campaigns, list(CAMPAIGN))
    unit = UNIT_OF[dimension]
    has_account = (rows.account_id != NO_PLATFORM).ifelse(1, 0)
    # A campaign is of one account, and without its claim a ratio has none.
    accounts = [] if dimension == "campaign" else _accounts_without_claims(reading, period)
    silent = [
        (rows.platform == platform) & (rows.account_id == account) for platform, account in accounts
    ]
    is_silent = (rows.spend_amount != 0) & ibis.or_(NO, *silent)
    added = rows.group_by(*unit).agg(
        account_count=has_account.max(),
        silent_count=is_silent.ifelse(1, 0).max(),
        **sums(rows, MarketingMeasures),
    )
    result = [
        {name: row.get(name) for name in UNIT_OF["campaign"]} | _of_part(row, lacks)
        for row in reading.rows(added, period)
    ]
    return sorted(result, key=partial(_most_spend, unit))


def _of_part(row: Row, lacks: frozenset[str]) -> Row:
    """Return what is known of a campaign; not what orders brought of one that was clicked and has
    no visit: its visits are not recognised, and not what it cost where no account ever said that.
    """
    is_without_visits = bool(row["click_count"]) and not row["session_count"]
    lacks -= {PLATFORM_CLAIMS}  # of other parts
    lacks |= {ORDER_VISITS} if is_without_visits else set()
    lacks |= {PLATFORM_CLAIMS} if row["silent_count"] else set()
    numbers = _with_after(_as_known(row, lacks))
    return numbers | ({} if row["account_count"] else dict.fromkeys(OF_SPEND))


OF_SPEND: Final = ("spend_amount", "cost_per_new_customer", AFTER)
"""What rests on the spend of a campaign alone."""


def _most_spend(unit: Sequence[str], row: Row) -> tuple[Any, ...]:
    return (
        -(row["spend_amount"] or 0),
        -(row["session_count"] or 0),
        *(str(row[name]) for name in unit),
    )


def _lacks_visits(row: Row) -> bool:
    return bool(row["spend_amount"] and row["session_count"] == 0)


def _lacks_spend(row: Row) -> bool:
    return bool(not row["spend_amount"] and row["session_count"])


def _named(row: Row) -> Row:
    names = (*CAMPAIGN, "campaign_name", "spend_amount", "click_count", "session_count")
    return {name: row[name] for name in (*names, "credited_revenue_amount")}


CLAIMS: Final = (
    "click_count",
    "session_count",
    "click_without_session_count",
    "platform_conversion_count",
    "touched_order_count",
    "overclaimed_order_count",
)
"""What platforms say of a campaign, beside what the shop knows of it."""


CREDITED_CLAIMS: Final = ("touched_order_count", "overclaimed_order_count")
"""Those of them that rest on the visits of orders."""


def claims(reading: Reading, period: Period, lacks: frozenset[str]) -> list[Row]:
    """Return clicks beside visits, and orders that platforms claim beside those credited by the
    day of the visit, by campaign that was spent on, the most spend first; none without events.

    What is credited is None where `lacks`, as `lacking` returns it, has the visits of orders.
    """
    if ADDRESSES in lacks:
        return []
    rows = rows_in_period(reading, SpendReconciliationDaily)
    rows = rows.filter(rows.platform != NO_PLATFORM)
    names = reading.table(AdCampaigns).select(*CAMPAIGN, "campaign_name")
    added = rows.group_by(*CAMPAIGN).agg(
        spend_amount=rows.spend_amount.sum(),
        **{name: rows[name].sum().cast(rows[name].type()) for name in CLAIMS},
    )
    # Gaps of the sums: a day without a word of the platform has visits, and no gap.
    of_campaigns = reading.rows(with_gaps(added).join(names, list(CAMPAIGN)), period)
    unknown = dict.fromkeys(CREDITED_CLAIMS if ORDER_VISITS in lacks else ())
    return sorted(
        (_as_said(row) | unknown for row in of_campaigns if row["spend_amount"] > 0),
        key=lambda row: (-row["spend_amount"], *(row[name] for name in CAMPAIGN)),
    )


def _as_said(row: Row) -> Row:
    columns = SpendReconciliationDaily.columns
    return {**row, **{name: plain_value(row[name], columns[name]) for name in CLAIMS}}


def other_zones(reading: Reading, period: Period) -> list[Row]:
    """Return the accounts with spend in a period whose days are known to be those of another zone
    than the shop's, one row for each of its zones.
    """
    accounts = days_of_zones(rows_in_period(reading, AdSpendDaily))
    others = in_other_zones(reading.rows(accounts, period), reading.timezone)
    return [{name: row[name] for name in ACCOUNT_ZONE} for row in others]


def shop(reading: Reading, period: Period) -> Row:
    """Return the revenue of the whole shop beside all spend, and what its new customers cost.

    No ratio of spend has revenue of renewals.

    Raises:
        NoOrdersError: There are neither order lines nor purchase events.
    """
    revenue = _revenue(reading, period)
    spend = _spend(reading, period)
    renewal_count, renewal_revenue = _renewals(reading, period)
    ordered = None if revenue is None else revenue - renewal_revenue
    new, first_revenue = _new_customers(reading, period)
    before = _contribution(reading, period)
    cost = mean(spend, new)
    return {
        "revenue_amount": revenue,
        "renewal_order_count": renewal_count,
        "renewal_revenue_amount": renewal_revenue,
        "spend_amount": spend,
        "mer": share(ordered, spend) if spend > 0 else None,
        "spend_share": share(spend, ordered) if ordered and ordered > 0 else None,
        "new_customer_count": new,
        "first_order_revenue_amount": first_revenue,
        "acquisition_mer": share(first_revenue, spend) if spend > 0 else None,
        "cost_per_new_customer": cost,
        "payback_months": payback_months(reading, period, cost),
        "contribution_before_ads_amount": before,
        AFTER: None if before is None else before - spend,
    }


def _spend(reading: Reading, period: Period) -> Decimal:
    rows = rows_in_period(reading, AdSpendDaily)
    (row,) = reading.rows(rows.agg(spend=rows.spend_amount.sum()), period)
    spend: Decimal | None = row["spend"]
    return spend or ZERO


def _revenue(reading: Reading, period: Period) -> Decimal | None:
    contract: Contract = RevenueDaily if sales_source(reading) == ORDERS else PurchaseRevenueDaily
    rows = rows_in_period(reading, contract)
    rows = totals_by(rows, (name for name in contract.key if name != contract.day_column))
    (row,) = reading.rows(rows.agg(revenue=rows.revenue_amount.sum().cast(MONEY)), period)
    revenue: Decimal | None = row["revenue"]
    return ZERO if revenue is None and sales_source(reading) == ORDERS else revenue


def _renewals(reading: Reading, period: Period) -> tuple[int, Decimal]:
    """Return how many orders of a period subscriptions made by themselves, and what renewals
    brought, less refunds.
    """
    conversions = of_sold_unit(reading.table(Conversions))
    rows = only_renewals(conversions, conversions)
    rows = rows.filter(in_period(rows.converted_date))
    counted = rows.agg(
        n=rows.is_refund.ifelse(0, 1).sum(), revenue=rows.revenue_amount.sum().cast(MONEY)
    )
    (row,) = reading.rows(counted, period)
    return int(row["n"] or 0), row["revenue"] or ZERO


def _new_customers(reading: Reading, period: Period) -> tuple[int, Decimal]:
    """Return how many customers paid for their first order in a period, and how much."""
    first = new_customers(of_sold_unit(reading.table(Conversions)))
    rows = first.filter(in_period(first.order_date))
    counted = rows.agg(n=rows.count(), revenue=rows.revenue_amount.sum().cast(MONEY))
    (row,) = reading.rows(counted, period)
    return int(row["n"]), row["revenue"] or ZERO


def _contribution(reading: Reading, period: Period) -> Decimal | None:
    """Return what all orders of a period left before advertising, as far as it is known."""
    rows = rows_in_period(reading, ProfitDaily)
    rows = totals_by(rows, DIMENSIONS)
    total = rows.contribution_before_ads_amount.sum().cast(PROFIT)
    (row,) = reading.rows(rows.agg(contribution=total), period)
    contribution: Decimal | None = row["contribution"]
    return contribution


def steps_after_ads(reading: Reading, period: Period) -> list[Row]:
    """Return the steps from the contribution before advertising to that after it, in the digits of
    the currency; none without ad spend, or where the contribution is not known.
    """
    before = _contribution(reading, period) if publishes_spend(reading) else None
    if before is None:
        return []
    after = rounded(before - _spend(reading, period), reading.currency)
    common = {"is_shared": False, "estimated_amount": None}
    return [
        {
            "step": "ad_spend",
            "label": "Ad spend",
            "measure": "spend_amount",
            "is_total": False,
            "step_amount": after - rounded(before, reading.currency),
            **common,
        },
        {
            "step": "contribution_after_ads",
            "label": "Contribution after advertising",
            "measure": AFTER,
            "is_total": True,
            "step_amount": after,
            **common,
        },
    ]


def payback_months(reading: Reading, period: Period, cost: Decimal | None) -> int | None:
    """Return after how many months customers of the months of a period have left what each cost;
    None if they have not yet, or what they leave is not known.
    """
    if cost is None:
        return None
    months = reading.table(CustomerCohortValue)
    first, last = period.start_date.replace(day=1), period.end_date
    rows = totals_by(months, CUTS).filter(
        months.cohort_month_date >= first, months.cohort_month_date <= last
    )
    names = ("cohort_month_date", "months_since_count", "customer_count", "is_complete")
    cells = reading.rows(rows.select(*names, "cumulative_contribution_amount"), period)
    cohorts = {row["cohort_month_date"] for row in cells}
    by_month: dict[int, list[Row]] = {}
    for row in cells:
        if row["is_complete"] and row["cumulative_contribution_amount"] is not None:
            by_month.setdefault(int(row["months_since_count"]), []).append(row)
    for month, of_cohorts in sorted(by_month.items()):
        size = sum(int(row["customer_count"]) for row in of_cohorts)
        left = sum((row["cumulative_contribution_amount"] for row in of_cohorts), Decimal(0))
        if len(of_cohorts) == len(cohorts) and left >= cost * size:
            return month
    return None


def cohort_value(
    reading: Reading,
    dimension: Cut | None = None,
    period: Period | None = None,
    *,
    shows_people: bool = True,
) -> Answer:
    """Return what customers of each month are worth, of all or by the value of a cut.

    Args:
        reading: The published state.
        dimension: The cut; None for all customers.
        period: The days whose months the customers are of, and up to whose last month they are
            followed; None for all.
        shows_people: Whether codes of few customers, which may name one, have rows of their own.

    Raises:
        NoOrdersError: There are no order lines.
        NoSourceError: Neither costs nor ad spend are known.
    """
    require_orders(reading)
    months = reading.table(CustomerCohortValue)
    value = dimension or CUTS[0]
    chosen = totals_by(months, CUTS, dimension)
    rows = reading.state(chosen.mutate(value=chosen[value]))
    if not rows:
        raise NoSourceError(
            "What customers are worth needs costs or ad spend; set ECOM_COSTS or ECOM_AD_SPEND."
        )
    cells: list[Row] = [
        {name: row[name] for name in ("value", *CELL)}
        for row in rows
        if _is_in_months(row["cohort_month_date"], period)
    ]
    expected = [] if dimension else expected_contribution(reading, cells)
    cells = [row for row in cells if _is_begun(row, period)]
    if dimension == "discount_code" and not shows_people:
        cells = _without_few(cells)
    met = VisitCoverage()
    if dimension == "first_channel":
        met = visit_coverage(reading, period)
        cells = [met.known(row, CustomerCohortValue.numbers()) for row in cells]
    return {
        "dimension": dimension,
        "visit_coverage_rate": met.rate,
        "earlier_customer_count": _earlier_customers(reading, period),
        "expected": expected,
        "cohorts": sorted(
            cells,
            key=lambda row: (row["value"], row["cohort_month_date"], row["months_since_count"]),
        ),
    }


def _is_in_months(month: date, period: Period | None) -> bool:
    """Return whether a month, by its first day, has a day of a period; all do without one."""
    return period is None or period.start_date.replace(day=1) <= month <= period.end_date


def _is_begun(cell: Row, period: Period | None) -> bool:
    """Return whether the month of a cell begins before a period ends; all do without one."""
    if period is None:
        return True
    cohort: date = cell["cohort_month_date"]
    end = period.end_date
    months_to_end = (end.year - cohort.year) * MONTHS_OF_YEAR + end.month - cohort.month
    return int(cell["months_since_count"]) <= months_to_end


def _earlier_customers(reading: Reading, period: Period | None) -> int:
    """Return how many customers begin with a renewal in the months of a period, or in any: they
    were customers before.
    """
    conversions = of_sold_unit(reading.table(Conversions))
    first = first_paid(conversions)
    earlier = first.filter(first.is_renewal)
    by_month = earlier.group_by(**_month_of(earlier.order_date)).agg(n=earlier.count())
    return sum(
        int(row["n"]) for row in reading.state(by_month) if _is_in_months(_first_day(row), period)
    )


def _month_of(day: ir.DateColumn) -> dict[str, ir.IntegerColumn]:
    """Return the month of a day as two numbers: DuckDB has the first day of it as an instant."""
    return {"cohort_year": day.year(), "cohort_month": day.month()}


def _first_day(row: NamedValues) -> date:
    """Return the first day of the month of a row with these two numbers."""
    return date(int(row["cohort_year"]), int(row["cohort_month"]), 1)


def expected_contribution(reading: Reading, cells: Iterable[Row]) -> list[Row]:
    """Return what customers of each month are expected to leave: orders to expect, at the value to
    expect, times the contribution rate of their cohort; none without a model.

    No model is fitted to contributions: it would leave those out who lose money.

    Args:
        reading: The published state.
        cells: The months of the cohorts of all customers.
    """
    value = reading.table(LifetimeValue)
    first = new_customers(of_sold_unit(reading.table(Conversions)))
    first = first.select(buyer_id="customer_id", **_month_of(first.order_date))
    rows = value.join(first, value.customer_id == first.buyer_id)
    # A sum of doubles depends on the order of rows.
    micro = (rows.expected_order_count * rows.expected_order_value * MICRO).round().cast("int64")
    month = ("cohort_year", "cohort_month")
    by_month = rows.group_by(month).agg(
        customer_count=rows.count(), horizon_days=rows.horizon_days.max(), micro=micro.sum()
    )
    rates = _contribution_rates(cells)
    return [
        {
            "cohort_month_date": _first_day(row),
            "customer_count": int(row["customer_count"]),
            "horizon_days": int(row["horizon_days"]),
            "contribution_rate": share(*rates[_first_day(row)]),
            "expected_contribution_amount": _times(
                Decimal(int(row["micro"])) / MICRO, *rates[_first_day(row)]
            ),
        }
        for row in reading.state(by_month.order_by(month))
        if row["micro"] is not None and _first_day(row) in rates
    ]


def _times(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    return amount * part / whole


def _contribution_rates(cells: Iterable[Row]) -> dict[date, tuple[Decimal, Decimal]]:
    """Return the contribution and the net sales that it is of, of each month with any."""
    rates: dict[date, tuple[Decimal, Decimal]] = {}
    for row in cells:
        left, of = row["contribution_before_ads_amount"], row["contribution_revenue_amount"]
        if left is not None and of is not None:
            so_far = rates.get(row["cohort_month_date"], (Decimal(0), Decimal(0)))
            rates[row["cohort_month_date"]] = (so_far[0] + left, so_far[1] + of)
    return {month: (left, of) for month, (left, of) in rates.items() if of > 0}


def _without_few(cells: Iterable[Row]) -> list[Row]:
    """Return cells in which codes of few customers are one; one of two of these counts in each."""
    sizes: dict[str, int] = {}
    by_code = list(cells)
    for row in by_code:
        if row["months_since_count"] == 0:
            sizes[row["value"]] = sizes.get(row["value"], 0) + int(row["customer_count"])
    merged: dict[tuple[Any, ...], Row] = {}
    for row in by_code:
        is_few = row["value"] != NONE and sizes.get(row["value"], 0) <= MOST_HIDDEN
        named = row | {"value": OF_FEW if is_few else row["value"]}
        key = (named["value"], row["cohort_month_date"], row["months_since_count"])
        merged[key] = _added(merged[key], named) if key in merged else named
    return list(merged.values())


SUMMED: Final = tuple(
    name
    for name in CustomerCohortValue.numbers()
    if CustomerCohortValue.columns[name].type != "float64"
)


def _added(one: Row, other: Row) -> Row:
    """Return two cells of a month as one."""
    known = {name: [row[name] for row in (one, other) if row[name] is not None] for name in SUMMED}
    total = one | {name: sum(values) if values else None for name, values in known.items()}
    for name in ("revenue_per_customer", "contribution_per_customer"):
        ratio = CustomerCohortValue.columns[name].counted_as
        assert isinstance(ratio, Ratio)  # noqa: S101 (as declared)
        whole = total[ratio.part]
        total[name] = None if whole is None else float(whole) / int(total[ratio.whole])
    return total


CELL: Final = tuple(name for name in CustomerCohortValue.columns if name not in CUTS)
