"""The sources of which a run's summary knows nothing in its period,
so that it says so instead of 0.
"""

from collections.abc import Container, Mapping
from typing import Final

from ecom_assets.commerce.sales.source_days import DAYS_OF, RAW, RECEIVED, days_with_rows
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.queries import NOTHING, Period
from ecom_assets.core.warehouse.engine import Engine

NOT_COMPUTED: Final = "not_computed"
NOT_KNOWN: Final = "not_known"
NAMES: Final = {"events": "Events", "orders": "Orders"}


def unknown_sources(
    engine: Engine, period: Period, missing: Container[str], written: Container[str]
) -> dict[str, dict[str, str | None]]:
    """Return why nothing is known of each source on the days of a period, and which days are known.

    Args:
        engine: The open warehouse.
        period: The days, with the known days of each source.
        missing: Sources that are neither set nor stored: they are left out.
        written: The names of the tables that the run wrote. Where it received rows and did not
            write the table that counts them, as a check stopped it, nothing was computed, even if
            the rows are accounted for.
    """
    dates = set(period.days.dates)
    unknown: dict[str, dict[str, str | None]] = {}
    for source, raw in RAW.items():
        known = period.known.get(source, NOTHING)
        if source in missing or not period.for_source(source).is_unknown:
            continue
        is_received = bool(dates & days_with_rows(engine, raw, str(raw.day_column)))
        is_computed = DAYS_OF[source][0].qualified_name() in written and is_accounted_for(
            engine, period, source
        )
        ends = {"known_from": known.first, "known_to": known.last}
        unknown[source] = {
            "reason": NOT_COMPUTED if is_received and not is_computed else NOT_KNOWN,
            **{name: None if day is None else str(day) for name, day in ends.items()},
        }
    return unknown


def is_accounted_for(engine: Engine, period: Period, source: str) -> bool:
    """Return whether it is computed how many rows of a source were received,
    refused and left out on some day.
    """
    return not days_with_rows(engine, *RECEIVED[source]).isdisjoint(period.days.dates)


def unknown_lines(unknown: Mapping[str, NamedValues], *, has_failed: bool) -> list[str]:
    """Return a line for each source of which nothing is known;
    `has_failed` if the run stopped at a fault.
    """
    return [_line(source, why, has_failed=has_failed) for source, why in unknown.items()]


def _line(source: str, why: NamedValues, *, has_failed: bool) -> str:
    if has_failed and why["reason"] == NOT_COMPUTED:
        return f"  {NAMES[source]}: not computed. The run failed; what stopped it stands at the end"
    if why["reason"] == NOT_COMPUTED:
        return (
            f"  {NAMES[source]}: not computed. {RAW[source].qualified_name()} has rows of these "
            "days, but the tables that are counted were not run; run without --select"
        )
    if why["known_from"] is None:
        return f"  {NAMES[source]}: not known. No {source} of these or other days count"
    return (
        f"  {NAMES[source]}: not known. No {source} were received of these days; there are some "
        f"from {why['known_from']} to {why['known_to']}"
    )
