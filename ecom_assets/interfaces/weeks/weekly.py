"""The numbers of a week, of the week before, and the causes of the difference:
what the page and the text render.

Weeks are written as ISO 8601 does, `2026-W04`, and begin on the weekday of `ECOM_WEEK_START`.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Self

from ecom_assets.behaviour.sessions.queries import engagement
from ecom_assets.commerce.conversion.queries import conversion
from ecom_assets.commerce.costs import queries as costs
from ecom_assets.commerce.costs.measures import HEADLINES
from ecom_assets.commerce.marketing import queries as ads
from ecom_assets.commerce.marketing.contracts import AdCampaigns
from ecom_assets.commerce.marketing.measures import AD_HEADLINES
from ecom_assets.commerce.quality.queries import held, row_accounting
from ecom_assets.commerce.sales.queries import customers_of_period, revenue_trend, sales
from ecom_assets.core.errors import UsageError
from ecom_assets.core.rows import Answer, NamedValues, Row
from ecom_assets.core.tables.currencies import rounded
from ecom_assets.core.tables.days import FIRST_DATE, LAST_DATE, ONE_DAY, first_day_of
from ecom_assets.core.tables.queries import (
    NoOrdersError,
    NoSourceError,
    NotPublishedError,
    Page,
    Period,
    Reading,
    compared,
    if_known,
    require,
    unfinished_day_of_sources,
)
from ecom_assets.interfaces.api.store.store import NothingPublishedError
from ecom_assets.interfaces.weeks.causes import (
    conversion_causes,
    of_sources,
    order_value_causes,
    revenue_causes,
    revenue_factors,
)
from ecom_assets.interfaces.weeks.profit_causes import profit_causes

_WRITTEN = re.compile(r"(\d{4})-W(\d{2})")
WEEK_DAYS: Final = 7
DAYS_AFTER_FIRST: Final = WEEK_DAYS - 1
DAYS_BEFORE_MIDDLE: Final = 3


@dataclass(frozen=True)
class Week:
    """Seven days, by the first of them.

    It is named by the ISO week that has most of its days: that of its fourth day.
    """

    first: date

    @classmethod
    def parse(cls, text: str, week_start: str = "monday") -> Self:
        """Return the week that a text such as `2026-W04` names, where weeks begin on a weekday.

        Raises:
            UsageError: It names none.
        """
        match = _WRITTEN.fullmatch(text)
        try:
            thursday = date.fromisocalendar(int(match[1]), int(match[2]), 4) if match else None
        except ValueError:
            thursday = None
        if thursday is None:
            raise UsageError(f"--week {text!r} is not an ISO week; use YYYY-Www, such as 2026-W04.")
        week = cls.containing(thursday, week_start)
        if week.first < FIRST_DATE or week.last > LAST_DATE:
            raise UsageError(
                f"--week {text} is outside of {FIRST_DATE} to {LAST_DATE}; ask for a week of the "
                "data."
            )
        return week

    @classmethod
    def newest_whole(cls, newest: date, week_start: str = "monday") -> Self:
        """Return the newest week of which all days are up to a day."""
        return cls.containing(newest - DAYS_AFTER_FIRST * ONE_DAY, week_start)

    @classmethod
    def containing(cls, day: date, week_start: str) -> Self:
        """Return the week that a day is in."""
        return cls(first_day_of(day, "week", week_start))

    @property
    def last(self) -> date:
        """Return the last day."""
        return self.first + DAYS_AFTER_FIRST * ONE_DAY

    @property
    def before(self) -> "Week":
        """Return the week right before."""
        return Week(self.first - WEEK_DAYS * ONE_DAY)

    def __str__(self) -> str:
        """Write it as ISO 8601 does."""
        year, number, _ = (self.first + DAYS_BEFORE_MIDDLE * ONE_DAY).isocalendar()
        return f"{year}-W{number:02}"


SALES: Final = (
    "revenue_amount",
    "order_count",
    "average_order_value",
    "sold_item_count",
    "shipped_amount",
    "refunded_amount",
)
CUSTOMERS: Final = {
    "customer_count": "customers_count",
    "new_customer_count": "new_customers_count",
    "returning_customer_count": "returning_customers_count",
}
VISITS: Final = ("session_count", "weekly_visitor_count", "bounce_rate")
CONVERSION: Final = ("conversion_rate", "cart_abandonment_rate")
NUMBERS: Final = (*SALES, *CUSTOMERS, *VISITS, *CONVERSION)
MOST_NAMED: Final = 5
Numbers = dict[str, Row]


def weekly_report(
    reading: Reading, week: Week, published_at: datetime, *, with_costs: bool = False
) -> Answer:
    """Return the report of a week from one state published at an instant,
    as `ecom report --json` prints it.

    A number that is not known is None, with its reason under `missing`. Profit is there for readers
    who may see costs, if the shop has costs.
    """
    period = Period("custom", week.first, week.last)
    known_period = of_sources(reading, period, "sales", "events")
    changed, received = changes_of(reading, period), row_accounting(reading, period)
    return {
        "week": str(week),
        "start_date": week.first,
        "end_date": week.last,
        "previous_week": str(week.before),
        "timezone": reading.timezone,
        "currency": reading.currency or None,
        "data_as_of": reading.newest_date,
        "provisional_from": unfinished_day_of_sources(known_period, reading.timezone, published_at),
        "known": {name: known_period.for_source(name).coverage for name in known_period.known},
        "numbers": changed["numbers"],
        "days": _days(reading, period),
        "causes": changed["causes"],
        "largest_causes": changed["largest_causes"],
        "profit": _profit(reading, period) if with_costs else None,
        "advertising": _advertising(reading, period) if with_costs else None,
        "rows": {
            "sources": [source for source in received["sources"] if source["received_count"]],
            "reasons": received["reasons"],
        },
        "held_days": held(reading),
        "missing": changed["missing"],
    }


def changes_of(reading: Reading, period: Period) -> Answer:
    """Return the numbers of some days beside those of as many days before, why others are missing,
    and what changed revenue and conversion; any days may be asked about.
    """
    numbers, missing = _numbers(reading, period)
    causes = _causes(reading, period, numbers)
    return {
        "numbers": numbers,
        "missing": missing,
        "causes": causes,
        "largest_causes": largest_causes(causes),
    }


def _numbers(reading: Reading, period: Period) -> tuple[Numbers, dict[str, str]]:
    """Return each number with that of the week before and the change,
    and why others are missing.
    """
    result: Numbers = {}
    missing: dict[str, str] = {}
    for subject, (names, numbers) in PARTS.items():
        try:
            result |= numbers(reading, period)
        except NoSourceError as error:
            missing[subject] = str(error)
            result |= {name: dict.fromkeys(("value", "previous", "change")) for name in names}
    return {name: _in_digits(result[name], reading.currency) for name in NUMBERS}, missing


def _in_digits(number: Row, currency: str) -> Row:
    """Return a number whose amounts are rounded to the digits of their currency."""
    return {
        part: rounded(value, currency) if isinstance(value, Decimal) else value
        for part, value in number.items()
    }


def _numbers_in(answer: Row, part: str, names: Iterable[str]) -> Numbers:
    """Return numbers in a part of an answer, with those of the period before and their change."""
    previous = answer["previous"] or {}
    return {
        name: {
            "value": answer[part][name],
            "previous": previous.get(name),
            "change": answer["change"][name],
        }
        for name in names
    }


def _beside(now: Row, before: Row, names: Iterable[str], period: Period) -> Numbers:
    answer = {"now": if_known(now, period), **compared(now, before, names, period)}
    return _numbers_in(answer, "now", names)


def _sales(reading: Reading, period: Period) -> Numbers:
    return _numbers_in(sales(reading, of_sources(reading, period, "sales")), "sales", SALES)


def _customers(reading: Reading, period: Period) -> Numbers:
    known_period = of_sources(reading, period, "sales")
    now, before = (customer_counts(reading, days) for days in (known_period, known_period.previous))
    return _beside(now, before, CUSTOMERS, known_period)


def customer_counts(reading: Reading, period: Period) -> Row:
    """Return the customers of any days; zeros where nobody ordered, None where it is not known who
    is new.

    Raises:
        NoOrdersError: There is not a single order line.
    """
    counted = customers_of_period(reading, period)
    return {
        name: None if counted[column] is None else int(counted[column])
        for name, column in CUSTOMERS.items()
    }


def _visits(reading: Reading, period: Period) -> Numbers:
    require(reading, "events")
    known_period = of_sources(reading, period, "events")
    now, before = (_visits_of(reading, days) for days in (known_period, known_period.previous))
    return _beside(now, before, VISITS, known_period)


def _visits_of(reading: Reading, period: Period) -> Row:
    result = engagement(reading, period, Page(WEEK_DAYS))
    last = [day for day in result["days"] if day["event_date"] == period.end_date]
    visitors = int(last[0]["weekly_visitor_count"]) if last else None
    return {**result["engagement"], "weekly_visitor_count": visitors}


def _conversion(reading: Reading, period: Period) -> Numbers:
    known_period = of_sources(reading, period, "events")
    result = conversion(reading, known_period, None, "session", None)
    before = result["previous"] or {}
    now = {"conversion_rate": result["conversion_rate"], **result["abandonment"]}
    then = {"conversion_rate": before.get("conversion_rate"), **before.get("abandonment", {})}
    answer = {"now": if_known(now, known_period), "previous": then, "change": result["change"]}
    return _numbers_in(answer, "now", CONVERSION)


PARTS: Final[Mapping[str, tuple[tuple[str, ...], Callable[[Reading, Period], Numbers]]]] = {
    "sales": (SALES, _sales),
    "customers": (tuple(CUSTOMERS), _customers),
    "visits": (VISITS, _visits),
    "conversion": (CONVERSION, _conversion),
}
"""The names of the numbers of each subject, and what returns them."""


def _profit(reading: Reading, period: Period) -> Answer | None:
    """Return the profit of a week, and what changed it; None for a shop without costs, or over what
    was published before there was profit.
    """
    known_period = of_sources(reading, period, "sales")
    try:
        result = costs.profit(reading, known_period)
    except (NoSourceError, NothingPublishedError):
        return None
    currency, numbers = reading.currency, _numbers_in(result, "profit", HEADLINES)
    numbers = {name: _in_digits(number, currency) for name, number in numbers.items()}
    now, before = (numbers["gross_profit_amount"][which] for which in ("value", "previous"))
    if not known_period.is_comparable or now is None or before is None:
        return {"numbers": numbers, "change_amount": None, "causes": []}
    items, items_before = (
        costs.sold_items(reading, days) for days in (known_period, known_period.previous)
    )
    return {
        "numbers": numbers,
        "change_amount": now - before,
        "causes": profit_causes(items, items_before, now - before, currency),
    }


OF_CAMPAIGNS: Final = ("spend_amount", "credited_revenue_amount")


def _advertising(reading: Reading, period: Period) -> Answer | None:
    """Return what ads of a week cost and brought, and which campaigns changed most; None for a shop
    without ad spend, or over what was published before there was any.
    """
    known_period = of_sources(reading, period, "sales")
    try:
        result = ads.marketing(reading, known_period)
        lacked = ads.lacking(reading, known_period.previous)
        before = ads.parts(reading, known_period.previous, result["model"], "campaign", lacked)
    except (NoSourceError, NothingPublishedError, NotPublishedError):
        return None
    currency, numbers = reading.currency, _numbers_in(result, "ads", AD_HEADLINES)
    numbers = {name: _in_digits(number, currency) for name, number in numbers.items()}
    causes = (
        changes_of_campaigns(result["parts"], before, currency)
        if known_period.is_comparable
        else []
    )
    coverage = result["visit_coverage_rate"]
    return {"numbers": numbers, "causes": causes, "visit_coverage_rate": coverage}


def changes_of_campaigns(now: Sequence[Row], before: Sequence[Row], currency: str) -> list[Row]:
    """Return by how much spend and credited revenue of each campaign changed, the most first; None
    where neither week's is known.
    """
    rows: dict[tuple[str, ...], Row] = {}
    for sign, parts in ((1, now), (-1, before)):
        for part in parts:
            named = {name: part[name] for name in ("platform", "campaign_name")}
            key = tuple(str(part[name]) for name in AdCampaigns.key)
            row = rows.setdefault(key, {**named, **dict.fromkeys(OF_CAMPAIGNS)})
            for name in OF_CAMPAIGNS:
                if part[name] is not None:
                    row[name] = (row[name] or Decimal(0)) + sign * part[name]
    changed = [_in_digits(row, currency) for row in rows.values()]
    changed = [row for row in changed if any(row[name] for name in OF_CAMPAIGNS)]
    return sorted(
        changed,
        key=lambda row: (-abs(row["spend_amount"] or 0), row["platform"], row["campaign_name"]),
    )[:MOST_NAMED]


def _days(reading: Reading, period: Period) -> list[Row]:
    """Return the sales of each day beside those of the same weekday of the week before;
    null where unknown.
    """
    known_period = of_sources(reading, period, "sales")
    try:
        now, before = (
            revenue_trend(reading, days, "day") for days in (known_period, known_period.previous)
        )
    except NoOrdersError:
        return []
    return [
        {
            "date": point["start_date"],
            "data": point["data"],
            "revenue_amount": point["revenue_amount"],
            "order_count": point["order_count"],
            "previous_revenue_amount": other["revenue_amount"],
            "previous_order_count": other["order_count"],
        }
        for point, other in zip(now, before, strict=True)
    ]


def _causes(reading: Reading, period: Period, numbers: Numbers) -> Answer:
    """Return the decompositions; None for each whose weeks are not both known in full."""
    now, before = (
        {name: values[which] for name, values in numbers.items()} for which in ("value", "previous")
    )
    values: Answer = dict.fromkeys(
        ("revenue_change_amount", "factors", "revenue", "average_order_value")
    )
    is_comparable = of_sources(reading, period, "sales").is_comparable
    if is_comparable and now["revenue_amount"] is not None and before["revenue_amount"] is not None:
        knows_visits = of_sources(reading, period, "sales", "events").is_comparable
        bases = ["session_count"] if knows_visits else []
        factors = {
            base: revenue_factors(now, before, base, reading.currency)
            for base in [*bases, "customer_count"]
        }
        values |= {
            "revenue_change_amount": now["revenue_amount"] - before["revenue_amount"],
            "factors": [parts for parts in factors.values() if parts],
            "revenue": revenue_causes(
                reading, period, now["revenue_amount"], before["revenue_amount"]
            ),
            "average_order_value": order_value_causes(reading, period, now, before),
        }
    try:
        rate = conversion_causes(reading, period)
    except NoSourceError:
        rate = []
    return {**values, "conversion_rate": rate or None}


def largest_causes(causes: NamedValues) -> list[Row]:
    """Return the parts of any dimension that add most to the change of revenue in its direction,
    the largest first.
    """
    change: Decimal | None = causes["revenue_change_amount"]
    if not change:
        return []
    parts = [
        {"dimension": cause["dimension"], **part}
        for cause in causes["revenue"] or []
        for part in cause["parts"]
        if (part["contribution_amount"] > 0) == (change > 0) and part["contribution_amount"]
    ]
    ordered = sorted(
        parts,
        key=lambda part: (-abs(part["contribution_amount"]), part["dimension"], part["value"]),
    )
    return ordered[:MOST_NAMED]
