"""What the platform checks on every run, checked in pandas: contracts, accounting, sums that agree.

Part of the rival in `pandas_pipeline.py`. A check that fails ends the script.
"""

from collections.abc import Iterable

import pandas as pd

from benchmarks.orchestration.pandas_funnel import TOTAL


def check(  # noqa: PLR0913 (one parameter per table)
    *,
    received: pd.Series,
    clean: pd.DataFrame,
    quarantined: pd.DataFrame,
    duplicates: pd.DataFrame,
    numbered: pd.DataFrame,
    fragments: pd.DataFrame,
    sessions: pd.DataFrame,
    funnel: pd.DataFrame,
    engagement: pd.DataFrame,
) -> None:
    """Check everything."""
    _keeps(
        clean,
        ["event_id"],
        ["event_at", "event_date", "visitor_id", "event_type", "received_date"],
        [],
    )
    _keeps(
        numbered,
        ["event_id"],
        ["event_at", "visitor_id", "fragment_started_at"],
        ["event_number", "until_next_s"],
    )
    _keeps(
        duplicates,
        ["event_date", "event_id"],
        ["first_received_date", "last_received_date"],
        ["surplus_count"],
    )
    counts = _named(fragments, "_count")
    times = ["started_at", "ended_at"]
    _keeps(fragments, ["visitor_id", "started_at"], ["event_date", *times], counts)
    _keeps(
        sessions, ["session_id"], ["started_date", "ended_date", *times], [*counts, "duration_s"]
    )
    key = ["cohort_date", "unit", "product_category", "step"]
    _keeps(funnel, key, ["event_type"], ["unit_count"])
    _keeps(engagement, ["event_date"], [], _named(engagement, "")[1:])
    _within_one(funnel, _named(funnel, "_rate"))
    _within_one(engagement, _named(engagement, "_rate"))
    _keeps(quarantined, [], ["accounted_date", "reject_reason", "received_date", "source_file"], [])
    _accounts(received, clean, quarantined, duplicates)
    _adds_up(clean, numbered, fragments, sessions)
    _narrows(funnel)
    _agrees(fragments, sessions, engagement)


def _keeps(
    table: pd.DataFrame, key: list[str], present: Iterable[str], not_negative: Iterable[str]
) -> None:
    """A contract: keys unique, nothing missing, nothing below zero."""
    if key:
        _hold(
            f"{key} is unique",
            not (table[key[0]] if len(key) == 1 else table[key]).duplicated().any(),
        )
    for name in [*key, *present]:
        _hold(f"{name} is there", not table[name].isna().any())
    for name in not_negative:
        _hold(f"{name} is not negative", not (table[name] < 0).any())


def _named(table: pd.DataFrame, ending: str) -> list[str]:
    return [str(name) for name in table.columns if str(name).endswith(ending)]


def _within_one(table: pd.DataFrame, rates: Iterable[str]) -> None:
    for name in rates:
        _hold(f"{name} is at most 1", not (table[name] > 1).any())


def _accounts(
    received: pd.Series, clean: pd.DataFrame, quarantined: pd.DataFrame, duplicates: pd.DataFrame
) -> None:
    left = received.sub(clean["event_date"].value_counts(), fill_value=0)
    left = left.sub(quarantined["accounted_date"].value_counts(), fill_value=0)
    left = left.sub(duplicates.groupby("event_date")["surplus_count"].sum(), fill_value=0)
    _hold("received = clean + quarantined + surplus, per day", not left.any())


def _adds_up(
    clean: pd.DataFrame, numbered: pd.DataFrame, fragments: pd.DataFrame, sessions: pd.DataFrame
) -> None:
    per_day = clean["event_date"].value_counts()
    _hold(
        "numbered = clean",
        not per_day.sub(numbered["event_date"].value_counts(), fill_value=0).any(),
    )
    in_fragments = fragments.groupby("event_date")["event_count"].sum()
    _hold("fragments add up to clean events", not per_day.sub(in_fragments, fill_value=0).any())
    in_sessions = fragments.groupby("session")["event_count"].sum()
    _hold(
        "each session's fragments add up",
        bool((in_sessions.to_numpy() == sessions["event_count"].to_numpy()).all()),
    )


def _narrows(funnel: pd.DataFrame) -> None:
    units = ["cohort_date", "unit", "product_category"]
    in_order = funnel.sort_values([*units, "step"])
    _hold("steps never increase", not (in_order.groupby(units)["unit_count"].diff() > 0).any())
    keys = ["cohort_date", "unit", "step"]
    is_total = funnel["product_category"] == TOTAL
    total = funnel.loc[is_total].groupby(keys)["unit_count"].sum()
    parts = funnel.loc[~is_total].groupby(keys)["unit_count"].sum()
    _hold("categories add up", not total.sub(parts, fill_value=0).any())


def _agrees(fragments: pd.DataFrame, sessions: pd.DataFrame, engagement: pd.DataFrame) -> None:
    answer = engagement.set_index("event_date")
    started = sessions["started_date"].value_counts()
    _hold("sessions agree", not answer["session_count"].sub(started, fill_value=0).any())
    came = fragments.groupby("event_date")["who"].nunique()
    _hold("visitors agree", not answer["daily_visitor_count"].sub(came, fill_value=0).any())
    grows = (answer["daily_visitor_count"] <= answer["weekly_visitor_count"]) & (
        answer["weekly_visitor_count"] <= answer["monthly_visitor_count"]
    )
    _hold("DAU <= WAU <= MAU", bool(grows.all()))


def _hold(condition: str, holds: bool) -> None:  # noqa: FBT001 (a condition and whether it holds)
    if not holds:
        raise SystemExit(f"This does not hold: {condition}")
