"""Numbers of funnels: the daily ones with abandoned carts, and answers to custom ones."""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final, Literal, get_args

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.errors import DefinitionError, did_you_mean
from ecom_assets.events.missing_types import Words, missing_type_warnings
from ecom_assets.funnels.answers import NO_VALUE, step_answers, step_row, types_in_doubt
from ecom_assets.funnels.chains import SEPARATOR, funnel_chains
from ecom_assets.funnels.columns import with_firsts, with_flags
from ecom_assets.funnels.contracts import CARTS, CartAbandonment, ConversionByDimension, ConversionFunnel
from ecom_assets.funnels.conversion_time import conversion_times, counted_times
from ecom_assets.funnels.daily import ALL_CATEGORIES, DEFAULT_NAME
from ecom_assets.funnels.definition import UNIT, Funnel
from ecom_assets.funnels.entries import COHORT, Cohort, Entries, Limits, by_cohort, cohorts_of, key_of, with_entries
from ecom_assets.funnels.kernel.counts import funnel_times, suits, times_of_periods
from ecom_assets.funnels.kernel.passes import StepTimes
from ecom_assets.funnels.missing_properties import missing_property_warnings
from ecom_assets.funnels.report import OTHER, key_columns, labelled, step_numbers
from ecom_assets.retention.contracts import ReturningVisitorsDaily
from ecom_assets.sessions.rule import SessionRule
from ecom_assets.sessions.sessions import session_events, source_session_of
from ecom_assets.tables.columns import text_of
from ecom_assets.tables.contract import MONEY
from ecom_assets.tables.portable import has_kernels
from ecom_assets.tables.queries import (
    CHANGE,
    Period,
    Reading,
    Row,
    compared,
    if_known,
    in_period,
    require,
    share,
    with_previous,
)
from ecom_assets.tables.values import json_path


def fast_numbers(con: SQLBackend, events: ir.Table, funnel: Funnel, unit: Sequence[str]) -> list[Row] | None:
    """What `step_numbers` finds, by the kernel; None where that does not count this funnel, or not in this engine."""
    times = fast_times(con, events, funnel, unit)
    return None if times is None else _step_rows(times, funnel)


def fast_times(con: SQLBackend, events: ir.Table, funnel: Funnel, unit: Sequence[str]) -> StepTimes | None:
    """The times of the kernel; None where that does not count this funnel, or not in this engine."""
    if not has_kernels(con) or not suits(funnel):
        return None
    flagged, plain = with_flags(events, funnel)
    return funnel_times(con.con, str(con.compile(flagged)), plain, unit)


def _step_rows(times: StepTimes, funnel: Funnel) -> list[Row]:
    return [step_row(step, times) for step in range(1, len(funnel.steps) + 1)]


Unit = Literal["session", "visitor"]
By = Literal["device", "channel", "category"]
CART_COUNTS: Final = ("cart_count", "abandoned_cart_count", "checkout_count", "abandoned_checkout_count")
CART_AMOUNTS: Final = ("cart_amount", "abandoned_cart_amount")
ABANDONMENT: Final = ("cart_abandonment_rate", "checkout_abandonment_rate")
DEFINITION: Final = {
    "conversion_rate": "Units at the last step, among those at the first",
    "funnel": "The daily funnel of mart.conversion_funnel: units by the day on which they started, in order of steps",
    "abandonment": "Per session: carts (sessions with an add_to_cart) without a purchase in the session; checkouts "
    "(sessions with a checkout_start) also",
    "cart_amount": CartAbandonment.columns["cart_amount"].description,
    "change": CHANGE,
    "device": "Told by the browser of the session's first event; `other` where it says nothing",
    "channel": "The session's, see mart.touches; `(none)` without one",
    "category": "The first that the session saw; `(none)` without one",
}


def conversion(reading: Reading, period: Period, funnel: str | None, unit: Unit, by: By | None) -> dict[str, Any]:
    """Return the funnel and the abandoned carts of a period, of the one before, and by a dimension.

    Raises:
        DefinitionError: There is no such funnel, or the dimension is not counted for the unit.
        NoSourceError: There are no events.
    """
    require(reading, "events")
    if by in {"device", "channel"} and unit != "session":
        raise DefinitionError(f"by={by} is counted per session; ask with unit=session, or by=category.")
    name = _known_funnel(reading, funnel)
    steps, before = _totals(reading, period, name, unit)
    carts, carts_before = _carts(reading, period)
    now, then = (
        {"conversion_rate": _rate(one), **abandoned} for one, abandoned in ((steps, carts), (before, carts_before))
    )
    beside = compared(now, then, ("conversion_rate", *ABANDONMENT), period)
    previous = {"steps": before, "conversion_rate": then["conversion_rate"], "abandonment": carts_before}
    return {
        "funnel_name": name,
        "unit": unit,
        "by": by,
        "steps": steps,
        "conversion_rate": now["conversion_rate"],
        "abandonment": if_known(carts, period),
        **beside,
        "previous": beside["previous"] and previous,
        "breakdown": _by_dimension(reading, period, name, unit, by) if by else [],
    }


def _known_funnel(reading: Reading, funnel: str | None) -> str:
    table = reading.table(ConversionFunnel)
    rows = reading.state(table.select("funnel_name").distinct().order_by("funnel_name"))
    names = [row["funnel_name"] for row in rows]
    if funnel is None:
        return DEFAULT_NAME if DEFAULT_NAME in names or not names else names[0]
    if funnel not in names:
        raise DefinitionError(f"There is no daily funnel {funnel!r}; {did_you_mean(funnel, names)}.")
    return funnel


def _totals(reading: Reading, period: Period, funnel: str, unit: Unit) -> tuple[list[Row], list[Row]]:
    table = reading.table(ConversionFunnel)
    rows = table.filter(table.funnel_name == funnel, table.unit == unit, table.product_category == ALL_CATEGORIES)
    result = reading.rows(_added(with_previous(rows, "cohort_date"), ["is_current"]), period)
    return tuple(_steps(row for row in result if row["is_current"] == which) for which in (1, 0))  # type: ignore[return-value]  # two, as there are two


def daily_conversion(reading: Reading, period: Period, funnel: str | None = None, unit: Unit = "session") -> list[Row]:
    """Return the conversion of a daily funnel on each day of a period, as `conversion` returns it for the whole.

    Raises:
        DefinitionError: There is no such funnel.
    """
    table, name = reading.table(ConversionFunnel), _known_funnel(reading, funnel)
    rows = table.filter(table.funnel_name == name, table.unit == unit, table.product_category == ALL_CATEGORIES)
    days: dict[date, list[Row]] = {}
    for row in reading.rows(_added(rows.filter(in_period(rows.cohort_date)), ["cohort_date"]), period):
        days.setdefault(row["cohort_date"], []).append(row)
    return [{"event_date": day, "conversion_rate": _rate(_steps(days[day]))} for day in sorted(days)]


def _by_dimension(reading: Reading, period: Period, funnel: str, unit: Unit, by: By) -> list[Row]:
    values = _funnel_rows(reading, period, funnel, unit, by)
    table = reading.table(ConversionByDimension)
    rows = table.filter(table.dimension == by, table.funnel_name.isin(list(CARTS)), in_period(table.cohort_date))
    carts: dict[str, list[Row]] = {}
    if unit == "session":
        for row in reading.rows(_added(rows, ["funnel_name", "value"]), period):
            carts.setdefault(row["value"], []).append(row)
    parts = [
        {
            "value": value,
            "steps": _steps(values.get(value, ())),
            "conversion_rate": _rate(_steps(values.get(value, ()))),
            **_left_behind(carts.get(value, []), unit),
        }
        for value in {**values, **carts}
    ]
    return sorted(parts, key=lambda part: (-(part["steps"][0]["unit_count"] if part["steps"] else 0), part["value"]))


def _funnel_rows(reading: Reading, period: Period, funnel: str, unit: Unit, by: By) -> dict[str, list[Row]]:
    if by == "category":
        table = reading.table(ConversionFunnel)
        rows = table.filter(table.unit == unit, table.product_category != ALL_CATEGORIES)
        rows = rows.mutate(value=rows.product_category)
    else:
        table = reading.table(ConversionByDimension)
        rows = table.filter(table.dimension == by)
    rows = rows.filter(rows.funnel_name == funnel, in_period(rows.cohort_date))
    values: dict[str, list[Row]] = {}
    for row in reading.rows(_added(rows, ["value"]), period):
        values.setdefault(row["value"], []).append(row)
    return values


def _added(rows: ir.Table, unit: list[str]) -> ir.Table:
    return rows.group_by(*unit, "step", "event_type").agg(unit_count=rows.unit_count.sum().cast("int64"))


def _steps(rows: Iterable[Row]) -> list[Row]:
    counted = sorted(rows, key=lambda row: (row["step"], row["event_type"]))
    counts = [int(row["unit_count"]) for row in counted]
    return [
        {
            "step": int(row["step"]),
            "event_type": row["event_type"],
            "unit_count": count,
            "conversion_from_start_rate": share(count, counts[0]),
            "conversion_from_previous_rate": share(count, counts[max(place - 1, 0)]),
        }
        for place, (row, count) in enumerate(zip(counted, counts, strict=True))
    ]


def _rate(steps: list[Row]) -> float | None:
    return share(steps[-1]["unit_count"], steps[0]["unit_count"]) if steps else None


def _carts(reading: Reading, period: Period) -> tuple[Row, Row]:
    """Return abandoned carts and checkouts of sessions, of the period and of the one before."""
    table = reading.table(CartAbandonment)
    rows = with_previous(table.filter(table.unit == "session"), "cart_date")
    sums: dict[str, ir.Value] = {name: rows[name].sum().cast("int64") for name in CART_COUNTS}
    sums |= {name: rows[name].sum().cast(MONEY) for name in CART_AMOUNTS}
    result = {row["is_current"]: row for row in reading.rows(rows.group_by("is_current").agg(**sums), period)}
    return _abandonment(result.get(1)), _abandonment(result.get(0))


def _abandonment(row: Row | None) -> Row:
    counts = {name: int(row[name]) if row else 0 for name in CART_COUNTS}
    return {
        **counts,
        "cart_abandonment_rate": share(counts["abandoned_cart_count"], counts["cart_count"]),
        "checkout_abandonment_rate": share(counts["abandoned_checkout_count"], counts["checkout_count"]),
        **{name: row[name] if row else None for name in CART_AMOUNTS},
    }


def _left_behind(rows: list[Row], unit: Unit) -> Row:
    """Return abandonment from the two-step funnels of carts and checkouts, which are counted of sessions alone."""
    counts = {(CARTS[row["funnel_name"]], row["step"]): int(row["unit_count"]) for row in rows}
    totals: Row = {}
    for name in CARTS.values():
        if unit != "session":
            totals |= dict.fromkeys((f"{name}_count", f"abandoned_{name}_count", f"{name}_abandonment_rate"))
            continue
        begun, paid = counts.get((name, 1), 0), counts.get((name, 2), 0)
        totals[f"{name}_count"] = begun
        totals[f"abandoned_{name}_count"] = begun - paid
        totals[f"{name}_abandonment_rate"] = share(begun - paid, begun)
    return totals


def funnel_answer(
    con: SQLBackend, events: ir.Table, definition: Funnel, rule: SessionRule, limits: Limits | None = None
) -> dict[str, Any]:
    """Return INTERFACE's `funnel` of some events, by a connection to where they are."""
    return answer_funnel(con, events, definition, rule=rule, limits=limits)


MOST_COMPILED_STEPS: Final = 16
"""Steps of a funnel that the kernel does not count: the statement grows with their square, and has to be planned."""


def is_small_enough(definition: Funnel, *, has_kernel: bool) -> bool:
    """Return whether an engine can compute the funnel: long ones only where the kernel counts them."""
    is_plain = definition.by is None and definition.over is None and definition.time_to_convert is None
    is_counted = has_kernel and is_plain and suits(definition)
    return is_counted or len(definition.steps) <= MOST_COMPILED_STEPS


def check_columns(definition: Funnel, lacking: Collection[str]) -> None:
    """Refuse a funnel over columns that are not there: it would come out as nothing, which is no answer.

    Raises:
        DefinitionError: The first of them.
    """
    for column in definition.columns:
        name = "source_session_id" if column == "session_id" else column.partition(".")[0]
        if name in lacking:
            raise DefinitionError(f"What is published in Postgres has no {column!r} of events; ask without it.")


Keep = Callable[[ir.Table], object]
Rows = list[dict[str, Any]]
SESSION = ("visitor_id", "session_started_at")


def answer_funnel(  # noqa: PLR0913 (each is a part of the question)
    con: SQLBackend,
    events: ir.Table,
    funnel: Funnel,
    *,
    rule: SessionRule | None = None,
    keep: Keep | None = None,
    words: Words | None = None,
    limits: Limits | None = None,
) -> dict[str, Any]:
    """Answer with the definition, a number and times per step, what else is asked for, and warnings.

    Args:
        con: The engine in which the events are.
        events: Rows of `CleanEvents`.
        funnel: The definition.
        rule: When a session ends, for a funnel per session; GA4's by default.
        keep: Called with the list of who is at each step: a row per unit and step, in order.
        words: The source's own words for event types, for the warnings.
        limits: The days of entry, and the time zone of days; by default all days, in UTC.

    Raises:
        DefinitionError: A column is unknown, or the funnel cannot be computed.
    """
    limits = limits or Limits()
    known = _entries(con, events, limits) if limits.are_given or funnel.over else None
    counted = _counted(con, events, funnel, rule or SessionRule.preset("ga4"))
    cohorts = cohorts_of(funnel, known) if known and funnel.over else []
    fast = _times_by_entry(counted, known, cohorts) if known else None
    entered = replace(counted, events=with_entries(counted.events, known)) if known else counted
    numbers, parts = _numbers(entered, keep, fast[0] if fast else None)
    by_entry = _cohorts(counted, known, cohorts, fast) if known and cohorts else []
    return {
        "definition": json.loads(json.dumps(funnel.to_mapping())),
        "steps": step_answers(funnel, numbers),
        **parts,
        **({"entries": known.as_json(funnel)} if known else {}),
        **({"cohorts": by_entry} if funnel.over else {}),
        "warnings": [*(known.warnings() if known else []), *_missing(con, counted.events, funnel, numbers, words)],
    }


def _missing(con: SQLBackend, events: ir.Table, funnel: Funnel, numbers: Rows, words: Words | None) -> list[str]:
    of_types = missing_type_warnings(con, events, types_in_doubt(funnel, numbers), words)
    return [*of_types, *missing_property_warnings(con, events, funnel)]


@dataclass(frozen=True)
class _Counted:
    """The engine, the events, the funnel, in which being a first event is a column of the events, and the unit."""

    con: SQLBackend
    events: ir.Table
    funnel: Funnel
    unit: list[str]


def _counted(con: SQLBackend, events: ir.Table, funnel: Funnel, rule: SessionRule) -> _Counted:
    events, unit = funnel_events(events, funnel, rule)
    return _Counted(con, *with_firsts(events, funnel), unit)


def _entries(con: SQLBackend, events: ir.Table, limits: Limits) -> Entries | None:
    """Return the days of entry; None if there are no events."""
    days, times = events.event_date, events.event_at
    (row,) = con.to_pyarrow(events.agg(first=days.min(), last=days.max(), newest_at=times.max())).to_pylist()
    if row["first"] is None:
        return None
    return Entries.of_question((row["first"], row["last"]), row["newest_at"], limits)


def _times_by_entry(counted: _Counted, entries: Entries, cohorts: Sequence[Cohort]) -> list[StepTimes] | None:
    """Return the times of all entries, then those of each cohort, by the kernel; None where that does not count it."""
    con, funnel = counted.con, counted.funnel
    if not cohorts or funnel.by or not has_kernels(con) or not suits(funnel):
        return None
    flagged, plain = with_flags(counted.events, funnel)
    return times_of_periods(con.con, str(con.compile(flagged)), plain, counted.unit, entries.bounds_us(cohorts))


def _cohorts(counted: _Counted, entries: Entries, cohorts: Sequence[Cohort], fast: Sequence[StepTimes] | None) -> Rows:
    """Return the funnel of each period of entry, in order; `fast` is what `_times_by_entry` returns."""
    con, funnel, unit, optional = counted.con, counted.funnel, counted.unit, counted.funnel.optional_steps
    by_key: dict[object, Rows] = {}
    by_label: dict[object, Rows] = {}
    if fast:
        by_key = {one.key: _step_rows(times, funnel) for one, times in zip(cohorts, fast[1:], strict=True)}
    else:
        chains = funnel_chains(by_cohort(counted.events, funnel, unit, entries), funnel, [*unit, COHORT])
        with (labelled(chains, funnel) if funnel.by else chains).cache() as result:
            by_key = _by_cohort(found_rows(con, step_numbers(result, [COHORT], optional)))
            if funnel.by:
                by_label = _by_cohort(found_rows(con, step_numbers(result, [COHORT, "label"], optional)))
    return [
        {
            "start": one.start,
            "complete": entries.are_complete(funnel, one.end),
            "steps": step_answers(funnel, by_key.get(one.key, ())),
            **({"breakdown": _breakdown(funnel, by_label.get(one.key, []))} if funnel.by else {}),
        }
        for one in cohorts
    ]


def _by_cohort(rows: Rows) -> dict[object, Rows]:
    by_key: dict[object, Rows] = {}
    for row in rows:
        by_key.setdefault(key_of(row[COHORT]), []).append(row)
    return by_key


def _numbers(counted: _Counted, keep: Keep | None, fast: StepTimes | None) -> tuple[Rows, dict[str, Any]]:
    """Return a row per step, and the breakdown and times; let `keep` have the list of who is at each step."""
    con, events, funnel, unit = counted.con, counted.events, counted.funnel, counted.unit
    times = None if funnel.by or keep else fast or fast_times(con, events, funnel, unit)
    converted = counted_times(times, funnel.time_to_convert) if times and funnel.time_to_convert else None
    if times and (converted or not funnel.time_to_convert):
        return _step_rows(times, funnel), {"breakdown": [], **({"time_to_convert": converted} if converted else {})}
    chains = funnel_chains(events, funnel, unit)
    with (labelled(chains, funnel) if funnel.by else chains).cache() as result:
        by_label = found_rows(con, step_numbers(result, ["label"], funnel.optional_steps)) if funnel.by else []
        parts: dict[str, Any] = {"breakdown": _breakdown(funnel, by_label)}
        if funnel.time_to_convert:
            parts["time_to_convert"] = conversion_times(con, result, funnel.time_to_convert)
        if keep:
            keep(result.order_by("step", *key_columns(result)))
        return found_rows(con, step_numbers(result, (), funnel.optional_steps)), parts


def funnel_events(events: ir.Table, funnel: Funnel, rule: SessionRule) -> tuple[ir.Table, list[str]]:
    """Clean events with the columns that a funnel may name, and the columns of its unit.

    `session_id` and `cart_value` are there under the names that a shop gave them in, too.
    """
    events = events.mutate(session_id=events.source_session_id, cart_value=events.cart_amount)
    if json_path(funnel.per):
        return events.mutate(**{UNIT: text_of(events, funnel.per)}), [UNIT]
    if funnel.per != "session":
        return events, [funnel.unit_column]
    events = session_events(events, rule, by_day=False).rename(session_started_at="fragment_started_at")
    if not rule.trust_source_session_id:
        return events, [*SESSION]
    # Two sessions of one visitor may begin at one instant.
    return events.mutate(source_session=source_session_of(events)), [*SESSION, "source_session"]


def found_rows(con: SQLBackend, table: ir.Table) -> Rows:
    """The rows of a small table."""
    values: Rows = con.to_pyarrow(table).to_pylist()
    return values


def _breakdown(funnel: Funnel, rows: Rows) -> Rows:
    """An entry per value, the most frequent first, "Other" last."""
    by_label: dict[str, Rows] = {}
    for row in rows:
        by_label.setdefault(row["label"], []).append(row)
    sizes = {label: sum(row["count"] for row in result if row["step"] == 1) for label, result in by_label.items()}
    in_order = sorted(by_label, key=lambda label: (label == OTHER, -sizes[label], label))
    return [
        {"value": " / ".join(values), "values": values, "steps": step_answers(funnel, by_label[label])}
        for label in in_order
        for values in [_values(funnel, label)]
    ]


def _values(funnel: Funnel, label: str) -> list[str]:
    """Return the values of a label: one for each column of `by`, or "Other" alone."""
    if label == NO_VALUE:
        return [NO_VALUE] * len(funnel.by_columns)
    return label.split(SEPARATOR) if len(funnel.by_columns) > 1 else [label]


def funnel_steps(event_types: Sequence[str], counts: Sequence[int]) -> list[dict[str, Any]]:
    """Return the steps of a funnel; a share is null where nobody could have gone on."""
    steps = []
    for place, (event_type, count) in enumerate(zip(event_types, counts, strict=True), start=1):
        previous = counts[max(place - 2, 0)]
        steps.append(
            {
                "step": place,
                "event_type": event_type,
                "count": count,
                "conversion_from_start": count / counts[0] if counts[0] else None,
                "conversion_from_previous": count / previous if previous else None,
                "median_s_from_previous": None,
            }
        )
    return steps


UNITS: Final = get_args(Unit)


def daily_funnels(reading: Reading, period: Period) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return the steps of each daily funnel, by its name and unit, over the days of a period."""
    table = reading.table(ConversionFunnel)
    mine = table.filter(in_period(table.cohort_date), table.product_category == ALL_CATEGORIES)
    keys = ["funnel_name", "unit", "step", "event_type"]
    sums = reading.rows(mine.group_by(keys).agg(units=mine.unit_count.sum()).order_by(keys), period)
    by_unit: dict[tuple[str, str], list[Row]] = {}
    for row in sums:
        by_unit.setdefault((row["funnel_name"], row["unit"]), []).append(row)
    return {
        name: {unit: _daily_steps(by_unit.get((name, unit), ())) for unit in UNITS}
        for name in sorted({row["funnel_name"] for row in sums})
    }


def _daily_steps(rows: Iterable[Row]) -> list[dict[str, Any]]:
    counts = [(row["event_type"], int(row["units"])) for row in rows]
    return funnel_steps([name for name, _ in counts], [count for _, count in counts])


def final_carts(reading: Reading, period: Period) -> list[dict[str, Any]]:
    """Return the carts of a period by unit and horizon, those whose horizon is over in the data."""
    table = reading.table(CartAbandonment)
    newest_date = reading.table(ReturningVisitorsDaily).event_date.max().as_scalar()
    carts = table.filter(in_period(table.cart_date), table.final_from_date <= newest_date)
    sums = carts.group_by("unit", "horizon_s").agg(
        carts=carts.cart_count.sum(),
        abandoned=carts.abandoned_cart_count.sum(),
        recovered=carts.recovered_cart_count.sum(),
        abandoned_amount=carts.abandoned_cart_amount.sum(),
    )
    rows = reading.rows(sums.order_by("horizon_s"), period)
    return [row | {"rate": row["abandoned"] / row["carts"] if row["carts"] else None} for row in rows]
