"""Which values of a breakdown contributed most to what an alert found,
against the period that it is compared with.

A sum's change is the sum of the changes of its parts. A rate's change is split so that it adds up
exactly, too: the part of a value is its own numerator less its share of the denominator times the
rate before, in this period less in that.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from ecom_assets.behaviour.funnels.question import FunnelQuestion
from ecom_assets.behaviour.trends.question import ADDITIVE, TrendQuestion
from ecom_assets.commerce.conversion.queries import By, conversion
from ecom_assets.commerce.costs import queries as costs
from ecom_assets.commerce.custom_sales.dimensions import DIMENSIONS as DIMENSIONS_OF_SALES
from ecom_assets.commerce.custom_sales.dimensions import DISCOUNT_CODE
from ecom_assets.commerce.custom_sales.measures import is_sum
from ecom_assets.commerce.custom_sales.question import SalesQuestion
from ecom_assets.commerce.products.queries import sales_by_category
from ecom_assets.commerce.sales.coverage import known_days
from ecom_assets.commerce.sales.queries import Dimension, sales_by
from ecom_assets.core.errors import EcomError
from ecom_assets.core.rows import NamedValues, Row
from ecom_assets.core.tables.contract import Column, Ratio
from ecom_assets.core.tables.days import ONE_DAY
from ecom_assets.core.tables.queries import Period
from ecom_assets.core.tables.values import by_columns, named_columns
from ecom_assets.interfaces.boards.model import PERSONAL, NumberAlert, shop_numbers
from ecom_assets.interfaces.watching.numbers import Watched, share_at, source_of
from ecom_assets.interfaces.watching.rule import AlertFinding

MOST: Final = 3
DIMENSIONS: Final[Mapping[Dimension, str]] = {
    "item_category": "category",
    "sales_channel": "sales channel",
}
OF_PROFIT: Final[Mapping[costs.Dimension, str]] = {
    "item_category": DIMENSIONS["item_category"],
    "sales_channel": DIMENSIONS["sales_channel"],
    "channel": "channel",
}
OF_FUNNELS: Final[tuple[By, ...]] = ("device", "channel", "category")
OF_SALES: Final = ("product", "category", "channel", "sales_channel", "city")
"""Dimensions of questions about sales whose values a message may name."""
ALL_VALUES: Final = 1_000
"""Values of a breakdown; with fewer, the rest would be one of them."""
Fraction = tuple[float, float]
"""Numerator and denominator; of a sum, the denominator is 1 in all."""


@dataclass(frozen=True)
class Cause:
    """What a value of a breakdown contributed to a change, `change`,
    and its own number `now` and `before`.
    """

    by: str
    value: str
    now: float
    before: float
    change: float


def causes(watched: Watched, finding: AlertFinding) -> list[Cause]:
    """Return the three largest contributions in the direction of the change;
    none where the number has no parts.
    """
    if finding.base is None or finding.point.value is None:
        return []
    parts = list(_of_question(watched, finding) if watched.saved else _of_shop(watched, finding))
    by_dimension: dict[str, list[Cause]] = {}
    for cause in parts:
        by_dimension.setdefault(cause.by, []).append(cause)
    whole = max(
        (sum(cause.change for cause in group) for group in by_dimension.values()),
        key=abs,
        default=0.0,
    )
    same_way = [cause for cause in parts if cause.change * whole > 0]
    return sorted(same_way, key=lambda cause: (-abs(cause.change), cause.by, cause.value))[:MOST]


def split_sums(by: str, now: Mapping[str, float], before: Mapping[str, float]) -> Iterator[Cause]:
    """Yield what each value contributed to the change of a sum."""
    for value in {**now, **before}:
        new, old = now.get(value, 0.0), before.get(value, 0.0)
        yield Cause(by, value, new, old, new - old)


def split_rates(
    by: str, now: Mapping[str, Fraction], before: Mapping[str, Fraction]
) -> Iterator[Cause]:
    """Yield what each value contributed to the change of a rate; they add up to it."""
    total_now, total_before = _total(now), _total(before)
    if not total_now[1] or not total_before[1]:
        return
    usual = total_before[0] / total_before[1]
    for value in {**now, **before}:
        new, old = now.get(value, (0.0, 0.0)), before.get(value, (0.0, 0.0))
        change = (new[0] - usual * new[1]) / total_now[1] - (
            old[0] - usual * old[1]
        ) / total_before[1]
        yield Cause(by, value, _rate(new), _rate(old), change)


def _total(parts: Mapping[str, Fraction]) -> Fraction:
    return sum(part[0] for part in parts.values()), sum(part[1] for part in parts.values())


def _rate(part: Fraction) -> float:
    return part[0] / part[1] if part[1] else 0.0


def _of_shop(watched: Watched, finding: AlertFinding) -> Iterator[Cause]:
    name = watched.alert.measure or ""
    number = shop_numbers()[name]
    days_by_source = known_days(watched.reading, [source_of(number.subject)])
    now, before = (
        Period("custom", start.date(), _last_day(watched, start), days_by_source)
        for start in _starts(finding)
    )
    if number.subject == "sales" and number.measure.is_additive and watched.alert.every != "hour":
        for dimension, called in DIMENSIONS.items():
            sales_now, sales_before = (
                sales_by_category(watched.reading, period)
                if dimension == "item_category"
                else sales_by(watched.reading, period, dimension)
                for period in (now, before)
            )
            yield from split_sums(
                called,
                *(
                    {value: float(row[name] or 0) for value, row in rows.items()}
                    for rows in (sales_now, sales_before)
                ),
            )
    elif number.subject == "profit":
        for by_profit, called in OF_PROFIT.items():
            profits = (costs.parts(watched.reading, period, by_profit) for period in (now, before))
            yield from _of_profit(called, name, number.measure, *profits)
    elif name == "conversion_rate":
        for by in OF_FUNNELS:
            parts = (
                conversion(watched.reading, period, None, "session", by)["breakdown"]
                for period in (now, before)
            )
            yield from split_rates(
                by, *({part["value"]: _ends(part["steps"]) for part in rows} for rows in parts)
            )


def _of_profit(
    by: str, name: str, measure: Column, now: Sequence[Row], before: Sequence[Row]
) -> Iterator[Cause]:
    """Yield what each value of a dimension contributed to the change of a number of profit."""
    of = measure.counted_as
    if isinstance(of, Ratio):
        yield from split_rates(
            by,
            *(
                {
                    row["value"]: (float(row[of.part] or 0), float(row[of.whole] or 0))
                    for row in rows
                }
                for rows in (now, before)
            ),
        )
    else:
        yield from split_sums(
            by, *({row["value"]: float(row[name] or 0) for row in rows} for rows in (now, before))
        )


def _of_question(watched: Watched, finding: AlertFinding) -> Iterator[Cause]:
    """Yield the causes by each column of the alert; of the number of all, by those of the
    question's breakdown, too.
    """
    question = watched.saved.question if watched.saved else None
    if isinstance(question, SalesQuestion):
        yield from _of_sales(watched, finding, question)
        return
    own = named_columns(by_columns("`by`", getattr(question, "by", None)))
    is_of_all = watched.alert.value is None
    columns = dict.fromkeys((*(own if is_of_all else ()), *watched.alert.by))
    for column in columns:
        if column in PERSONAL:  # a message goes to readers of whom nobody knows what they may see
            continue
        with suppress(
            EcomError
        ):  # a column that the events lack, or by which the question cannot be broken down
            yield from _of_column(watched, finding, () if is_of_all else tuple(own), column)


def _of_sales(watched: Watched, finding: AlertFinding, question: SalesQuestion) -> Iterator[Cause]:
    """Yield the causes of a sum over all order lines by each dimension that may be named."""
    name, alert = watched.alert.number or question.measures[0], watched.alert
    if alert.value is not None or alert.every == "hour" or not is_sum(name):
        return
    for dimension in dict.fromkeys((*question.by, *OF_SALES)):
        if dimension == DISCOUNT_CODE:  # which may name a person
            continue
        with suppress(EcomError):  # a dimension that needs what is not there
            sums_now, sums_before = (
                _sold(watched, name, dimension, start) for start in _starts(finding)
            )
            yield from split_sums(DIMENSIONS_OF_SALES[dimension].label, sums_now, sums_before)


def _sold(watched: Watched, name: str, dimension: str, start: datetime) -> dict[str, float]:
    document = watched.ask(
        start.date(),
        _last_day(watched, start),
        measures=(name,),
        by=(dimension,),
        over=None,
        compare=None,
        cumulative=False,
        limit=ALL_VALUES,
    )
    return {row["label"]: float(row["numbers"][name] or 0) for row in document["sales"]}


def _of_column(
    watched: Watched, finding: AlertFinding, own: tuple[str, ...], column: str
) -> list[Cause]:
    question = watched.saved.question if watched.saved else None
    if isinstance(question, FunnelQuestion) and column not in own:
        now, before = (_entered(watched, (*own, column), start) for start in _starts(finding))
        return list(split_rates(column, now, before))
    if isinstance(question, TrendQuestion) and _adds_up(question, watched.alert):
        sums_now, sums_before = (_summed(watched, column, start) for start in _starts(finding))
        return list(split_sums(column, sums_now, sums_before))
    return []


def _ends(steps: Sequence[NamedValues]) -> Fraction:
    return (float(steps[-1]["unit_count"]), float(steps[0]["unit_count"])) if steps else (0.0, 0.0)


def _adds_up(question: TrendQuestion, alert: NumberAlert) -> bool:
    return question.series[0].measure in ADDITIVE and not question.formula and alert.value is None


def _starts(finding: AlertFinding) -> tuple[datetime, datetime]:
    assert finding.base is not None  # noqa: S101 (`causes` looks)
    return finding.point.starts_at, finding.base


def _last_day(watched: Watched, start: datetime) -> date:
    return start.date() + (6 * ONE_DAY if watched.alert.every == "week" else timedelta(0))


def _entered(watched: Watched, by: tuple[str, ...], start: datetime) -> dict[str, Fraction]:
    """Return how many of those who entered in a period got to the two steps of
    the watched share, by value.
    """
    document = watched.ask(
        start.date(), _last_day(watched, start), over=watched.alert.every, by=by, limit=ALL_VALUES
    )
    cohort = next(
        (cohort for cohort in document["cohorts"] if _is_at(cohort["start"], start)), None
    )
    parts = cohort["breakdown"] or () if cohort else ()
    if watched.alert.value is not None:
        parts = [part for part in parts if part["values"][:-1] == [watched.alert.value]]
    return {
        part["values"][-1]: share_at(part["steps"], watched.path)
        for part in parts
        if part["values"]
    }


def _summed(watched: Watched, column: str, start: datetime) -> dict[str, float]:
    document = watched.ask(
        start.date(), _last_day(watched, start), period=watched.alert.every, by=(column,)
    )
    position = document["periods"].index(
        next(text for text in document["periods"] if _is_at(text, start))
    )
    lines = [
        line
        for line in document["series"]
        if line["name"] == (watched.alert.number or line["name"])
    ]
    first = lines[0]["name"] if lines else ""
    return {
        str(line["breakdown"]): line["values"][position] or 0.0
        for line in lines
        if line["name"] == first
    }


def _is_at(text: str, start: datetime) -> bool:
    return datetime.fromisoformat(text).replace(tzinfo=None) == start
