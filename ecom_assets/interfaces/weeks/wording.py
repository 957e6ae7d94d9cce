"""How the report writes numbers, names and sentences,
and the whole report as text for a terminal or a message.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import Any, Final

from ecom_assets.behaviour.funnels.measures import CartMeasures, ConversionMeasures
from ecom_assets.behaviour.sessions.measures import SessionMeasures
from ecom_assets.commerce.attribution.queries import coverage_sentence
from ecom_assets.commerce.costs.measures import HEADLINES, ProfitMeasures
from ecom_assets.commerce.customers.measures import CustomerMeasures
from ecom_assets.commerce.marketing.contracts import NO_PLATFORM
from ecom_assets.commerce.marketing.measures import AD_HEADLINES, MarketingMeasures
from ecom_assets.commerce.orders.held_days import hold_reason
from ecom_assets.commerce.sales.measures import SalesMeasures
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables import formats
from ecom_assets.core.tables.formats import change, rate
from ecom_assets.core.tables.measures import measures_of
from ecom_assets.core.tables.queries import provisional_lines
from ecom_assets.interfaces.weeks.causes import REST

MEASURES: Final = {
    name: measure
    for declared in (
        SalesMeasures,
        CustomerMeasures,
        SessionMeasures,
        ConversionMeasures,
        CartMeasures,
    )
    for name, measure in measures_of(declared).items()
} | {
    **{name: measures_of(ProfitMeasures)[name] for name in HEADLINES},
    **{name: measures_of(MarketingMeasures)[name] for name in AD_HEADLINES},
}
"""What the report has numbers of."""
DIMENSIONS: Final = {
    "marketing_channel": "By marketing channel",
    "item_category": "By category",
    "customers": "By new and returning customers",
    "device": "By device",
    "sales_channel": "By place of sale",
    "country": "By country",
    "channel": "By marketing channel",
}
IN_WORDS: Final = {
    "marketing_channel": "the channel {}",
    "item_category": "the category {}",
    "customers": "{} customers",
    "device": "the device {}",
    "sales_channel": "sales through {}",
    "country": "{}",
}
FACTORS: Final = {
    "session_count": SessionMeasures.session_count.label,
    "orders_per_session": "Orders per session",
    "revenue_per_order": SalesMeasures.average_order_value.label,
    "customer_count": CustomerMeasures.customer_count.label,
    "orders_per_customer": "Orders per customer",
}
"""What the factors of revenue are called; those that are measures as their measures are."""
PROFIT_CAUSES: Final = {
    "volume": "How much was sold",
    "mix": "Which products were sold",
    "price": "Prices before discounts",
    "discount": "Discounts",
    "cost": "What products cost",
    "returns": "Returns",
    "coverage": "Products whose cost is known in one of the weeks only",
}
"""What the causes of a change of gross profit are called."""
NAMES: Final = {"(none)": "not known", "other": "not known", "(others)": "all others"}
RESTS: Final = {"device": "orders unlike their purchase events"}
"""What a dimension's remainder is: `device` is known of purchase events,
and revenue is that of orders.
"""
SUBJECTS: Final = {
    "sales": "Sales",
    "customers": "Customers",
    "visits": "Visits",
    "conversion": "Conversion",
}
RECEIVED: Final = {"events": "Events", "orders": "Order lines"}
SOURCES: Final = {"orders": "order lines", "purchase_events": "purchase events", "events": "events"}
UNKNOWN: Final = "not known"


def number(name: str, value: Any, currency: str | None = None) -> str:  # noqa: ANN401 (a count, an amount or a share)
    """Write the number of a measure."""
    if value is None:
        return UNKNOWN
    shown_as = MEASURES[name].shown_as
    if shown_as == "quantity":
        return formats.quantity(value)
    if shown_as == "rate":
        return rate(value)
    return money(value, currency) if shown_as == "money" else f"{value:,}"


def amount(value: Decimal | None, currency: str | None) -> str:
    """Write an amount in the digits of its currency, without the currency."""
    return UNKNOWN if value is None else formats.with_minus(formats.amount(value, currency or ""))


def signed_amount(value: Decimal | None, currency: str | None) -> str:
    """Write a difference of amounts with its sign, without the currency."""
    return f"{'+' if value is not None and value > 0 else ''}{amount(value, currency)}"


def money(value: Decimal | None, currency: str | None) -> str:
    """Write an amount in the digits of its currency, and the currency."""
    return UNKNOWN if value is None else f"{amount(value, currency)} {currency or ''}".strip()


def signed_money(value: Decimal, currency: str | None) -> str:
    """Write a difference of amounts with its sign, and the currency."""
    return f"{'+' if value > 0 else ''}{money(value, currency)}"


def points(difference: Decimal) -> str:
    """Write a difference of shares in percentage points."""
    return formats.with_minus(f"{'+' if difference > 0 else ''}{difference * 100:,.3f}")


def factor(name: str, value: float, currency: str | None) -> str:
    """Write the value of a factor of revenue."""
    if name.endswith("_count"):
        return f"{value:,.0f}"
    return amount(Decimal(str(value)), currency) if name == "revenue_per_order" else f"{value:.4f}"


def part_name(dimension: str, value: str) -> str:
    """Return the name of a part of a dimension, as people read it."""
    if value == REST:
        return RESTS.get(dimension, "not assigned")
    return NAMES.get(value, value)


def span(first: date, last: date) -> str:
    """Write the days of a week, such as `19 to 25 January 2026`."""
    if first.year != last.year:
        return f"{_day(first)} {first.year} to {_day(last)} {last.year}"
    if first.month != last.month:
        return f"{_day(first)} to {_day(last)} {last.year}"
    return f"{first.day} to {_day(last)} {last.year}"


def _day(day: date) -> str:
    return f"{day.day} {day:%B}"


def headline(report: NamedValues) -> str:
    """Return the sentence that the report begins with: revenue, and how it changed."""
    result, currency = report["numbers"]["revenue_amount"], report["currency"]
    if result["value"] is None:
        return f"The data hold no revenue of {report['week']}: it is not known."
    sentence = f"Revenue was {money(result['value'], currency)}"
    difference = report["causes"]["revenue_change_amount"]
    if difference is None:
        return f"{sentence}; what it was a week before is not known in full."
    if not difference:
        return f"{sentence}, as much as in the week before."
    more = "more" if difference > 0 else "less"
    share = f" ({change(result['change'])})" if result["change"] is not None else ""
    return f"{sentence}, {money(abs(difference), currency)} {more} than in the week before{share}."


def cause_sentence(cause: NamedValues, currency: str | None) -> str:
    """Return a sentence about one of the largest causes."""
    more = "more" if cause["contribution_amount"] > 0 else "less"
    return f"{cause_name(cause)}: {money(abs(cause['contribution_amount']), currency)} {more}."


def cause_name(cause: NamedValues) -> str:
    """Return the name of a cause, such as `The channel Email`."""
    name = part_name(cause["dimension"], cause["value"])
    stands_alone = cause["value"] == "refunds" or name in RESTS.values()
    subject = name if stands_alone else IN_WORDS[cause["dimension"]].format(name)
    return f"{subject[0].upper()}{subject[1:]}"


LACKED: Final = {
    "held": "Of {days} {rows} are held back, wholly or in part: released, the numbers may change.",
    "missing": (
        "No {rows} of {days} were received, so what happened then is unknown and counts nowhere."
    ),
}
"""What is said of days that are lacking, by why they are."""


def caveats(report: NamedValues) -> list[str]:
    """Return what to know before the numbers are believed: unfinished, unknown and held days,
    and missing sources.
    """
    result = provisional_lines(report["provisional_from"])
    for source, coverage in report["known"].items():
        name = SOURCES[source]
        result += _of_week(
            coverage["data"], report["week"], name, (coverage["known_from"], coverage["known_to"])
        )
        result += _of_week(coverage["previous_data"], report["previous_week"], name, None)
        for kind, sentence in LACKED.items():
            if lacked := [*coverage[f"previous_{kind}_days"], *coverage[f"{kind}_days"]]:
                result.append(sentence.format(days=", ".join(map(str, lacked)), rows=name))
    missing = report["missing"].items()
    return [
        *result,
        *(
            f"{SUBJECTS[subject]}: {sentence[0].lower()}{sentence[1:]}"
            for subject, sentence in missing
        ),
    ]


def held_sentence(day: NamedValues) -> str:
    """Return a sentence about a day of arrival that is held back, and what lets it in."""
    why, command = hold_reason(day), f"ecom release {day['source']} {day['held_date']}"
    return (
        f"{day['held_row_count']:,} rows that arrived on {day['held_date']} are held back, as "
        f"{why}; better data let them in, or `{command}`."
    )


def received_sentence(rows: NamedValues) -> str:
    """Return a sentence about the rows that a source sent, and what became of them."""
    kinds = (
        ("clean", "clean"),
        ("quarantined", "quarantined"),
        ("surplus", "surplus copies"),
        ("held", "held back"),
    )
    parts = [
        f"{rows[f'{name}_count']:,} {sentence}" for name, sentence in kinds if rows[f"{name}_count"]
    ]
    return (
        f"{RECEIVED[rows['source']]}: {rows['received_count']:,} rows received, {', '.join(parts)}."
    )


def reason_sentence(reason: NamedValues) -> str:
    """Return a sentence about a reason for which rows were quarantined."""
    reason_text = reason["reject_reason"].replace("_", " ")
    return f"{RECEIVED[reason['source']]}: {reason['row_count']:,} quarantined, {reason_text}."


def _of_week(data: str, week: str, source: str, bounds: tuple[date, date] | None) -> list[str]:
    if data == "whole":
        return []
    if data == "none":
        return [f"The data hold no day of {source} in {week}."]
    span_known = f": they are known from {bounds[0]} to {bounds[1]}" if bounds else ""
    return [f"Of {source}, {week} is known in part only{span_known}."]


MOST_PARTS: Final = 5
MOST_FINDINGS: Final = 5
"""More than these nobody looks at."""


def text_lines(report: NamedValues) -> list[str]:
    """Return the lines of a report, see `weekly_report`."""
    days = span(report["start_date"], report["end_date"])
    return [
        f"{report['week']}, {days}, against {report['previous_week']}",
        headline(report),
        *caveats(report),
        *_findings(report),
        "",
        *_numbers(report),
        *_causes(report),
        *_profit(report),
        *_advertising(report),
        "",
        *(received_sentence(rows) for rows in report["rows"]["sources"]),
        *(held_sentence(day) for day in report["held_days"]),
        *_checks(report["checks"]),
    ]


def finding_sentence(finding: NamedValues, currency: str | None) -> str:
    """Return what to look at, why, and the money at stake."""
    weekly = finding["weekly_amount"]
    stake = "" if weekly is None else f" If it goes on: {money(weekly, currency)} a week."
    return f"{finding['title']}: {finding['reason']}{stake}"


def _findings(report: NamedValues) -> Iterator[str]:
    if report["findings"]:
        yield from ("", "What to look at")
        found = report["findings"][:MOST_FINDINGS]
        yield from (f"  {finding_sentence(finding, report['currency'])}" for finding in found)


def _numbers(report: NamedValues) -> Iterator[str]:
    more = [report[part]["numbers"] for part in ("profit", "advertising") if report[part]]
    for name, values in reduce(or_, [report["numbers"], *more]).items():
        now, before = (number(name, values[which]) for which in ("value", "previous"))
        yield (
            f"  {MEASURES[name].label:24}{now:>16}  {change(values['change']):>10}  before: "
            f"{before}"
        )


def _causes(report: NamedValues) -> Iterator[str]:
    causes, currency = report["causes"], report["currency"]
    if causes["revenue_change_amount"] is None:
        return
    yield from (
        "",
        f"Why revenue changed by {signed_money(causes['revenue_change_amount'], currency)}",
    )
    yield from (f"  {cause_sentence(cause, currency)}" for cause in report["largest_causes"])
    for parts in causes["factors"]:
        effects = (
            f"{FACTORS[effect['factor']].lower()} "
            f"{signed_amount(effect['contribution_amount'], currency)}"
            for effect in parts
        )
        yield f"  {', '.join(effects)}"
    for cause in causes["revenue"]:
        yield from ("", DIMENSIONS[cause["dimension"]])
        for part in cause["parts"][:MOST_PARTS]:
            added = signed_amount(part["contribution_amount"], currency)
            yield f"  {part_name(cause['dimension'], part['value']):32}{added:>14}"
        if (more := len(cause["parts"]) - MOST_PARTS) > 0:
            yield f"  and {more} more"


def _profit(report: NamedValues) -> Iterator[str]:
    profit, currency = report["profit"], report["currency"]
    if profit is None or profit["change_amount"] is None:
        return
    change_text = signed_money(profit["change_amount"], currency)
    yield from ("", f"Why gross profit changed by {change_text}")
    for part in profit["causes"]:
        added = signed_amount(part["contribution_amount"], currency)
        yield f"  {PROFIT_CAUSES[part['cause']]:54}{added:>14}"


def campaign_label(row: NamedValues) -> str:
    """Return what a campaign is called, with its platform where an account names one."""
    platform = row["platform"]
    return f"{row['campaign_name']}{'' if platform == NO_PLATFORM else f' ({platform})'}"


def campaign_sentence(row: NamedValues, currency: str | None) -> str:
    """Return by how much a campaign's spend and credited revenue changed."""
    spend, revenue = (
        signed_amount(row[name], currency) for name in ("spend_amount", "credited_revenue_amount")
    )
    return f"{campaign_label(row)}: spend {spend}, revenue credited {revenue}"


def _advertising(report: NamedValues) -> Iterator[str]:
    advertising, currency = report["advertising"], report["currency"]
    if advertising and (met := coverage_sentence(advertising["visit_coverage_rate"])):
        yield from ("", met)
    if advertising and advertising["causes"]:
        yield from ("", "What changed in ads")
        yield from (f"  {campaign_sentence(row, currency)}" for row in advertising["causes"])


def _checks(checks: NamedValues) -> Iterator[str]:
    if not checks["failing"]:
        yield (
            f"All {checks['evaluated']} checks held when they last ran."
            if checks["evaluated"]
            else "No check has run."
        )
    for check in checks["failing"]:
        yield (
            f"{'Warns' if check['is_warning'] else 'Fails'}: {check['table']}, {check['name']}: "
            f"{check['sentence']}"
        )
