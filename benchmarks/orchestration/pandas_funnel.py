"""The daily five-step funnel in pandas, per session and per visitor-day, by category and in total.

Part of the rival in `pandas_pipeline.py`.
"""

import numpy as np
import pandas as pd

from benchmarks.orchestration.pandas_events import ONE_DAY

STEPS = ["page_view", "product_view", "add_to_cart", "checkout_start", "purchase"]
WINDOW = pd.Timedelta(days=7)
WINDOW_DAYS = 7
TOTAL, NO_CATEGORY = "(all)", "(none)"


def conversion_funnel(
    events: pd.DataFrame, fragments: pd.DataFrame, sessions: pd.DataFrame
) -> pd.DataFrame:
    """Units of each day that reached each step."""
    step = pd.Categorical(events["event_type"], categories=STEPS).codes + 1
    steps = events[["who", "session", "event_date", "event_at"]].assign(step=step).loc[step > 0]
    of_sessions = _session_levels(steps, sessions).assign(unit="session")
    of_visitors = _visitor_levels(steps, fragments).assign(unit="visitor")
    levels = pd.concat([of_sessions, of_visitors], ignore_index=True)
    names = levels["product_category"].astype("str")
    levels["product_category"] = names.mask(names == TOTAL).fillna(NO_CATEGORY).astype("category")
    total = levels.assign(product_category=TOTAL)
    return _steps(pd.concat([_reached(levels), _reached(total)], ignore_index=True))


def _session_levels(steps: pd.DataFrame, sessions: pd.DataFrame) -> pd.DataFrame:
    """The earliest time at which each session reached each step."""
    level = pd.Series(0, index=sessions.index)
    reached = steps.loc[steps["step"] == 1].groupby("session")["event_at"].min()
    level.loc[reached.index] = 1
    for number in range(2, len(STEPS) + 1):
        rows = steps.loc[
            (steps["step"] == number) & steps["session"].isin(reached.index),
            ["session", "event_at"],
        ]
        rows = rows.loc[rows["event_at"] >= rows["session"].map(reached)]
        reached = rows.groupby("session")["event_at"].min()
        level.loc[reached.index] = number
    actual = sessions[["started_date", "first_product_category"]].set_axis(
        ["cohort_date", "product_category"], axis=1
    )
    return actual.assign(level=level).query("level > 0")


def _visitor_levels(steps: pd.DataFrame, fragments: pd.DataFrame) -> pd.DataFrame:
    """Attempts are visitors' days with a first step; each later step keeps the latest
    start that still leads to it.
    """
    starts = steps.loc[steps["step"] == 1]
    attempts = starts.groupby(["who", "event_date"], as_index=False).agg(
        last_start_at=("event_at", "max")
    )
    attempts = attempts.rename(columns={"event_date": "cohort_date"})
    attempts["closes_at"] = attempts["last_start_at"] + WINDOW
    attempts["try"] = np.arange(len(attempts))
    rows = _rows_of_tries(steps, attempts)
    attempts["level"] = _latest_starts(rows, len(attempts))
    attempts["product_category"] = _categories(fragments, attempts)
    return attempts.drop(columns=["who", "last_start_at", "closes_at", "try"])


def _rows_of_tries(steps: pd.DataFrame, attempts: pd.DataFrame) -> pd.DataFrame:
    """Steps with each try that they can belong to: those of the same day and of
    the seven days before it.
    """
    actual = []
    for days in range(WINDOW_DAYS + 1):
        rows = steps if days == 0 else steps.loc[steps["step"] > 1]
        rows = rows[["who", "event_at", "step"]].assign(
            cohort_date=rows["event_date"] - days * ONE_DAY
        )
        joined = rows.merge(
            attempts[["who", "cohort_date", "closes_at", "try"]], on=["who", "cohort_date"]
        )
        actual.append(
            joined.loc[joined["event_at"] <= joined["closes_at"], ["try", "event_at", "step"]]
        )
    return pd.concat(actual, ignore_index=True)


def _latest_starts(rows: pd.DataFrame, size: int) -> pd.Series:
    level = pd.Series(0, index=np.arange(size))
    rows = rows.sort_values(["try", "event_at", "step"], ignore_index=True)
    start = rows["event_at"].where(rows["step"] == 1)
    level.loc[rows["try"][start.notna()].unique()] = 1
    for number in range(2, len(STEPS) + 1):
        latest = start.groupby(rows["try"]).ffill()
        is_hit = (rows["step"] == number) & (rows["event_at"] - latest <= WINDOW)
        reached = rows["try"][is_hit].unique()
        level.loc[reached] = number
        kept = rows["try"].isin(reached) & (is_hit | (rows["step"] > number))
        start = latest.where(is_hit).loc[kept].reset_index(drop=True)
        rows = rows.loc[kept].reset_index(drop=True)
    return level


def _categories(fragments: pd.DataFrame, attempts: pd.DataFrame) -> pd.Series:
    """The first category that a visitor saw from the day of the try until its window closed."""
    seen = fragments.loc[
        fragments["first_product_category"].notna(),
        ["who", "event_date", "started_at", "first_product_category"],
    ]
    seen = seen.drop_duplicates(["who", "event_date"])  # already in order of time
    actual = pd.Series(
        pd.Categorical(
            [None] * len(attempts), categories=seen["first_product_category"].cat.categories
        )
    )
    for days in range(WINDOW_DAYS + 1):
        rows = seen.assign(cohort_date=seen["event_date"] - days * ONE_DAY).drop(
            columns="event_date"
        )
        joined = attempts.merge(rows, how="left", on=["who", "cohort_date"])
        category = joined["first_product_category"].where(
            joined["started_at"] <= joined["closes_at"]
        )
        actual = actual.fillna(category)
    return actual


def _reached(levels: pd.DataFrame) -> pd.DataFrame:
    flags = {number: levels["level"] >= number for number in range(1, len(STEPS) + 1)}
    keys = [levels[name] for name in ("cohort_date", "unit", "product_category")]
    return pd.DataFrame(flags).groupby(keys, observed=True).sum().reset_index()


def _steps(reached: pd.DataFrame) -> pd.DataFrame:
    actual = []
    for number, event_type in enumerate(STEPS, start=1):
        rows = reached[["cohort_date", "unit", "product_category"]].astype(
            {"product_category": "str"}
        )
        rows = rows.assign(step=number, event_type=event_type, unit_count=reached[number])
        rows["conversion_from_start_rate"] = reached[number] / reached[1].where(reached[1] > 0)
        previous = reached[max(number - 1, 1)]
        rows["conversion_from_previous_rate"] = reached[number] / previous.where(previous > 0)
        actual.append(rows)
    return pd.concat(actual, ignore_index=True)
