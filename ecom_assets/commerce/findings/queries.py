"""What to look at, in the order of the money at stake, each with its reason as a sentence."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from math import ceil, floor
from typing import Final, Literal

from ecom_assets.commerce.attribution.queries import visit_coverage
from ecom_assets.commerce.conversion.contracts import ConversionByDimension
from ecom_assets.commerce.findings import ads
from ecom_assets.commerce.findings.chance import WEEK
from ecom_assets.commerce.findings.contracts import KINDS, Kind, ShopFindings
from ecom_assets.commerce.marketing.contracts import DEFAULT_MODEL, AdCampaigns, MarketingDaily
from ecom_assets.commerce.marketing.queries import publishes_spend
from ecom_assets.commerce.products.queries import product_names
from ecom_assets.commerce.sales.coverage import ORDERS
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables import formats
from ecom_assets.core.tables.days import ONE_DAY
from ecom_assets.core.tables.queries import (
    ALL,
    EVENTS,
    NOTHING,
    STOCK,
    KnownDays,
    Period,
    Reading,
    StateRow,
)
from ecom_assets.core.tables.usual import FEWEST_WEEKS

NEAR: Final = {"device": "on", "channel": "from", "category": "in"}
"""What stands before a value of each dimension."""


FoundKind = Literal["visits", "conversion", "refunds", "stock", "meeting", "ads"]
"""What can be looked at; ads only by who may see costs. `meeting`: whether orders have visits."""


def findings(
    reading: Reading, period: Period | None = None, *, with_costs: bool = False
) -> list[Row]:
    """Return the rows of `mart.findings` with `title` and `reason`, the most money at stake first;
    for who may see costs, campaigns below their break-even, too. Of a period, those of which a day
    is in it.

    Raises:
        NotPublishedError: What is published is of a release without them.
    """
    stored = reading.state(reading.table(ShopFindings).select(*ShopFindings.columns))
    rows = [
        row
        for row in (*stored, *(_of_ads(reading) if with_costs else ()))
        if _overlaps(period, row["first_date"], row["last_date"])
    ]
    types = _event_types(reading, rows)
    names = product_names(reading, {row["subject"] for row in rows if row["kind"] == "refunds"})
    return sorted(
        ({**row, **_described(row, types, names)} for row in rows),
        key=lambda row: (
            row["kind"] != "meeting",  # it makes numbers of channels and ads unknown
            row["weekly_amount"] is None,
            -(row["weekly_amount"] or 0),
            *(row[name] for name in ShopFindings.key),
        ),
    )


def _overlaps(period: Period | None, first: date, last: date) -> bool:
    """Return whether a period has one of some days; without a period, yes."""
    return period is None or (first <= period.end_date and last >= period.start_date)


def _newest_week(last: date) -> tuple[date, date]:
    """Return the first and the last of the seven days up to one."""
    return last - (WEEK - 1) * ONE_DAY, last


def _last_of_ads(reading: Reading) -> date:
    return reading.newest_date - ONE_DAY  # the newest day may not be over


def _of_ads(reading: Reading) -> list[Row]:
    """Return the campaigns that are below their break-even, in the week before the newest day."""
    if not publishes_spend(reading):
        return []
    last = _last_of_ads(reading)
    first = last - (ads.LOOKED_AT_DAYS - 1) * ONE_DAY
    daily, campaigns = reading.table(MarketingDaily), reading.table(AdCampaigns)
    rows = daily.filter(
        daily.model == DEFAULT_MODEL, daily.marketing_date >= first, daily.marketing_date <= last
    )
    named = rows.join(campaigns, list(AdCampaigns.key)).select(rows, campaigns.campaign_name)
    if visit_coverage(reading, Period("custom", first, last)).is_too_low:
        return []  # what campaigns are credited with is not known
    return list(ads.ad_findings(ads.looked_at(reading.state(named), last), last))


def late_sources(known: Mapping[str, KnownDays], newest: date, today: date) -> dict[str, date]:
    """Return the last day of events and of orders, of those that lack days up to the newest one of
    the data; today is not over, so nobody lacks it.
    """
    whole = min(newest, today - ONE_DAY)
    lasts = {source: known.get(source, NOTHING).last for source in (EVENTS, ORDERS)}
    return {source: last for source, last in lasts.items() if last is not None and last < whole}


def compared_kinds(
    known: Mapping[str, KnownDays], period: Period | None = None, today: date = date.max
) -> list[Kind]:
    """Return what has days enough to be compared, or stock at all: of the others nobody knows
    whether there is anything to look at. Whether orders meet visits is never among them: it is a
    row, or not.

    Args:
        known: The known days of each source.
        period: The days that are asked for, of which one has to be among those looked at.
        today: When the data were published; this day was not over.
    """
    has_events, has_orders = (
        _is_compared(known.get(source, NOTHING), period, today) for source in (EVENTS, ORDERS)
    )
    stock_date = known.get(STOCK, NOTHING).last
    has_stock = stock_date is not None and _overlaps(period, stock_date, stock_date)
    is_compared: dict[Kind, bool] = {
        "visits": has_events,
        "conversion": has_events,
        "refunds": has_orders if known.get(ORDERS, NOTHING).first else has_events,
        "stock": has_stock,
        # Publications of earlier releases have no row of it, whether orders meet visits or not.
        "meeting": False,
    }
    return [kind for kind in KINDS if is_compared[kind]]


def _is_compared(days: KnownDays, period: Period | None, today: date) -> bool:
    """Return whether there are days of the newest week and of enough weeks before, and a period
    has one of that week.
    """
    if days.first is None or days.last is None:
        return False
    if days.last - days.first < timedelta(days=WEEK * (FEWEST_WEEKS + 1) - 1):
        return False
    last = max((day for day in days.dates if day < today), default=days.last)
    return _overlaps(period, *_newest_week(last))


def compares_ads(reading: Reading, period: Period | None) -> bool:
    """Return whether campaigns were looked at, on a day of a period."""
    return publishes_spend(reading) and _overlaps(period, *_newest_week(_last_of_ads(reading)))


def _event_types(reading: Reading, rows: Iterable[StateRow]) -> Mapping[tuple[str, int], str]:
    """Return the event type of each step of the funnels that are named."""
    funnels = sorted({row["funnel_name"] for row in rows if row["kind"] == "conversion"})
    if not funnels:
        return {}
    steps = reading.table(ConversionByDimension)
    chosen = steps.filter(steps.funnel_name.isin(funnels))
    named = reading.state(chosen.select("funnel_name", "step", "event_type").distinct())
    return {(row["funnel_name"], row["step"]): row["event_type"] for row in named}


def _described(
    row: StateRow, types: Mapping[tuple[str, int], str], names: Mapping[str, str]
) -> Answer:
    """Return the title and the reason of a row."""
    kind, subject = row["kind"], row["subject"]
    if kind == "stock":
        count = int(row["observed_number"])
        run = "runs" if count == 1 else "run"
        title = f"{formats.counted(count, 'product')} {run} out before more can arrive"
        return {"title": title, "reason": "Reorder them; the list says how many of each."}
    if kind == "meeting":
        return {"title": "Orders and visits do not meet", "reason": _reason_of_meeting(row)}
    if kind == "conversion":
        before, after = (
            types.get((row["funnel_name"], step), "an earlier step").replace("_", " ")
            for step in (row["step"] - 1, row["step"])
        )
        of = "" if row["dimension"] == ALL else f" {NEAR[row['dimension']]} {subject}"
        title = f"Fewer went from {before} to {after}{of}"
        return {"title": title, "reason": _reason(row, formats.rate, "lower")}
    if kind == "ads":
        title = f"{subject} costs more than its orders leave"
        return {"title": title, "reason": _reason_of_ads(row)}
    if kind == "refunds":
        title = f"More of {names.get(subject, subject)} was paid back"
        return {"title": title, "reason": _reason(row, formats.number, "higher")}
    title = f"Fewer visits from {subject}"
    return {"title": title, "reason": _reason(row, formats.number, "lower")}


def _reason_of_meeting(row: StateRow) -> str:
    """Return how much revenue has a visit, why, and what to do, as sentences."""
    share = (
        f"Visits are known for {formats.rate(row['observed_number'])} of the revenue from "
        f"{row['first_date']} to {row['last_date']}: what channels and ads brought is not known."
    )
    return " ".join(filter(None, (share, row["cause"], row["remedy"])))


def _reason_of_ads(row: StateRow) -> str:
    """Return the ROAS beside the break-even, and how far chance goes, as a sentence."""
    roas, even, bound = (
        f"{row[name]:.2f}" for name in ("observed_number", "expected_number", "bound_number")
    )
    return (
        f"ROAS {roas} from {row['first_date']} to {row['last_date']}; orders pay for ads from "
        f"{even} on, and chance alone goes no lower than {bound}."
    )


def _reason(row: StateRow, shown: Callable[[float], str], further: str) -> str:
    """Return the number, what is usual, and how far chance goes, as a sentence."""
    first, last = row["first_date"], row["last_date"]
    days = f"on {first:%A}, {first}" if first == last else f"from {first} to {last}"
    number, usual, bound = (
        row[name] for name in ("observed_number", "expected_number", "bound_number")
    )
    if usual is None or bound is None:  # of a publication that lacks them
        return f"{shown(number)} {days}."
    if row["kind"] != "conversion":  # of counts, the last that chance lets be
        bound = floor(bound) if further == "higher" else ceil(bound)
    return (
        f"{shown(number)} {days}; usually {shown(usual)}, and chance alone goes no {further} than "
        f"{shown(bound)}."
    )
