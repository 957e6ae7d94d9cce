"""Sessions, their fragments by day, and engagement in pandas; stitching is free here,
all of history is at hand.

Part of the rival in `pandas_pipeline.py`.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.orchestration.pandas_events import ONE_DAY, TYPES

IDLE = np.timedelta64(1800, "s")
VIEWS = ["page_view", "product_view", "category_view"]
ROBOT_EVENTS, ROBOT_PACE_S = 300, 2.0
COUNTS = [
    "event_count",
    "view_count",
    "key_event_count",
    "purchase_parts",
    *(f"{kind}_count" for kind in TYPES),
]
EVENT_COLUMNS = [
    "event_date",
    "visitor_id",
    "fragment_started_at",
    "event_number",
    "event_at",
    "event_id",
    "event_type",
    "product_id",
    "product_category",
    "page_url",
    "cart_amount",
    "until_next_s",
    "is_bot",
]

Flags = npt.NDArray[np.bool_]


def in_order(clean: pd.DataFrame) -> pd.DataFrame:
    """Clean events by visitor, time and id, with `who` (a number per visitor),
    `session` and `fragment`.
    """
    visitor_numbers = pd.factorize(clean["visitor_id"])[0]
    at = clean["event_at"].to_numpy().astype("int64")
    order = np.lexsort((at, visitor_numbers))
    order = _ties_by_id(order, visitor_numbers[order], at[order], clean["event_id"])
    events = clean.take(order).reset_index(drop=True)
    events["who"] = visitor_numbers[order]
    at = events["event_at"].to_numpy()
    begins = np.ones(len(events), bool)
    begins[1:] = (events["who"].to_numpy()[1:] != events["who"].to_numpy()[:-1]) | (
        at[1:] > at[:-1] + IDLE
    )
    cut = begins.copy()
    days = events["event_date"].to_numpy()
    cut[1:] |= days[1:] != days[:-1]
    events["session"], events["fragment"] = np.cumsum(begins) - 1, np.cumsum(cut) - 1
    return events


def _ties_by_id(
    order: npt.NDArray[np.int64],
    visitor_numbers: npt.NDArray[np.int64],
    at: npt.NDArray[np.int64],
    ids: pd.Series,
) -> npt.NDArray[np.int64]:
    """Put events of one visitor and instant in the order of their ids: few,
    so that only they are sorted by text.
    """
    same = (visitor_numbers[1:] == visitor_numbers[:-1]) & (at[1:] == at[:-1])
    tied = np.zeros(len(order), bool)
    tied[1:] |= same
    tied[:-1] |= same
    positions = np.flatnonzero(tied)
    if not len(positions):
        return order
    rows = pd.DataFrame(
        {
            "who": visitor_numbers[positions],
            "at": at[positions],
            "id": ids.take(order[positions]).to_numpy(),
        }
    )
    order[positions] = order[positions][rows.sort_values(["who", "at", "id"]).index.to_numpy()]
    return order


def session_events(events: pd.DataFrame) -> pd.DataFrame:
    """Each event with its place in its fragment and the time until the next."""
    begins = _begins(events["fragment"])
    first = np.flatnonzero(begins)
    fragment = events["fragment"].to_numpy()
    at = events["event_at"].to_numpy()
    until = np.full(len(events), np.nan)
    until[:-1] = (at[1:] - at[:-1]) / np.timedelta64(1, "us") / 1e6
    until[np.append(first[1:] - 1, len(events) - 1)] = np.nan
    numbered = events.assign(
        fragment_started_at=at[first][fragment],
        event_number=np.arange(len(events)) - first[fragment] + 1,
        until_next_s=until,
    )
    return numbered[EVENT_COLUMNS]


def session_days(events: pd.DataFrame) -> pd.DataFrame:
    """One row per fragment: a session's events of one day."""
    first = np.flatnonzero(_begins(events["fragment"]))
    last = np.append(first[1:] - 1, len(events) - 1)
    fragments = events.take(first)[["session", "who", "visitor_id", "event_date"]].reset_index(
        drop=True
    )
    fragments["started_at"] = events["event_at"].to_numpy()[first]
    fragments["ended_at"] = events["event_at"].to_numpy()[last]
    fragments["event_count"] = last - first + 1
    fragments = pd.concat([fragments, _of_types(events, first)], axis=1)
    fragments["entry_page_url"] = events["page_url"].take(first).reset_index(drop=True)
    fragments["exit_page_url"] = events["page_url"].take(last).reset_index(drop=True)
    fragments["first_product_category"] = _first_category(events, "fragment", len(first))
    robot = np.add.reduceat(events["is_bot"].to_numpy().astype("int64"), first) > 0
    length_s = (fragments["ended_at"] - fragments["started_at"]).dt.total_seconds()
    at_pace = (fragments["event_count"] >= ROBOT_EVENTS) & (
        length_s <= fragments["event_count"] * ROBOT_PACE_S
    )
    fragments["is_bot"] = robot | at_pace
    fragments["is_near_previous_midnight"] = (
        fragments["started_at"] <= fragments["event_date"] + IDLE
    )
    fragments["is_near_next_midnight"] = (
        fragments["ended_at"] >= fragments["event_date"] + ONE_DAY - IDLE
    )
    return fragments


def _of_types(events: pd.DataFrame, first: npt.NDArray[np.int64]) -> pd.DataFrame:
    codes = pd.Categorical(events["event_type"], categories=TYPES).codes
    counts = {
        f"{kind}_count": np.add.reduceat((codes == n).astype("int64"), first)
        for n, kind in enumerate(TYPES)
    }
    parts = np.where(codes == TYPES.index("purchase"), events["cart_parts"].fillna(0), 0).astype(
        "int64"
    )
    views = sum((counts[f"{kind}_count"] for kind in VIEWS), np.zeros(len(first), "int64"))
    totals = {"view_count": views, "key_event_count": counts["purchase_count"]}
    return pd.DataFrame({**totals, **counts, "purchase_parts": np.add.reduceat(parts, first)})


def _first_category(events: pd.DataFrame, unit: str, size: int) -> pd.Series:
    with_one = events.loc[events["product_category"].notna(), [unit, "product_category"]]
    firsts = with_one.drop_duplicates(unit).set_index(unit)["product_category"]
    return firsts.reindex(np.arange(size))


def sessions(events: pd.DataFrame, fragments: pd.DataFrame) -> pd.DataFrame:
    """Sessions, whole, from their fragments."""
    first = np.flatnonzero(_begins(fragments["session"]))
    last = np.append(first[1:] - 1, len(fragments) - 1)
    actual = fragments.take(first)[
        ["who", "visitor_id", "event_date", "started_at", "entry_page_url"]
    ]
    actual = actual.rename(columns={"event_date": "started_date"}).reset_index(drop=True)
    actual["ended_date"] = fragments["event_date"].to_numpy()[last]
    actual["ended_at"] = fragments["ended_at"].to_numpy()[last]
    actual["exit_page_url"] = fragments["exit_page_url"].take(last).reset_index(drop=True)
    for name in COUNTS:
        actual[name] = np.add.reduceat(fragments[name].to_numpy(), first)
    actual["first_product_category"] = _first_category(events, "session", len(first))
    actual["is_bot"] = np.add.reduceat(fragments["is_bot"].to_numpy().astype("int64"), first) > 0
    actual["duration_s"] = (actual["ended_at"] - actual["started_at"]).dt.total_seconds()
    actual["is_engaged"] = (
        (actual["duration_s"] > 10) | (actual["key_event_count"] > 0) | (actual["view_count"] >= 2)
    )
    actual["is_single_page"] = actual["view_count"] <= 1
    epoch_s = actual["started_at"].astype("datetime64[s]").astype("int64").astype("str")
    actual["session_id"] = actual["visitor_id"] + "-" + epoch_s
    return actual


def engagement_daily(actual: pd.DataFrame, fragments: pd.DataFrame) -> pd.DataFrame:
    """Sessions, rates and DAU, WAU, MAU of each day."""
    came = _active(fragments)
    length_us = actual["ended_at"].astype("int64") - actual["started_at"].astype("int64")
    of_day = actual.assign(length_us=length_us).groupby("started_date")
    numbers = of_day.agg(
        session_count=("session_id", "size"),
        engaged_session_count=("is_engaged", "sum"),
        single_page_session_count=("is_single_page", "sum"),
        bot_session_count=("is_bot", "sum"),
        view_count=("view_count", "sum"),
        length_us=("length_us", "sum"),
        median_duration_s=("duration_s", "median"),
    )
    answer = came.join(numbers)
    counts = [
        "session_count",
        "engaged_session_count",
        "single_page_session_count",
        "bot_session_count",
    ]
    answer[counts] = answer[counts].fillna(0).astype("int64")
    total = answer["session_count"].where(answer["session_count"] > 0)
    answer["engagement_rate"] = answer["engaged_session_count"] / total
    answer["bounce_rate"] = 1 - answer["engagement_rate"]
    answer["single_page_rate"] = answer["single_page_session_count"] / total
    answer["pages_per_session"] = answer.pop("view_count") / total
    answer["mean_duration_s"] = answer.pop("length_us") / total / 1e6
    answer["stickiness_rate"] = answer["daily_visitor_count"] / answer["monthly_visitor_count"]
    return answer.rename_axis("event_date").reset_index()


def _active(fragments: pd.DataFrame) -> pd.DataFrame:
    """Distinct visitors of each day and of the 7 and 30 days that end with it;
    who comes counts until the next time.
    """
    came = fragments[["who", "event_date"]].drop_duplicates()  # already in order of visitor and day
    day = came["event_date"].to_numpy().astype("datetime64[D]").astype("int64")
    visitor_numbers = came["who"].to_numpy()
    start, size = int(day.min()), int(day.max() - day.min()) + 1
    following = np.full(len(day), np.iinfo("int64").max)
    following[:-1] = np.where(visitor_numbers[1:] == visitor_numbers[:-1], day[1:], following[:-1])
    columns = {}
    for name, length in (("daily", 1), ("weekly", 7), ("monthly", 30)):
        leaves = np.minimum(following, day + length) - start
        change = np.bincount(day - start, minlength=size + 30) - np.bincount(
            leaves, minlength=size + 30
        )
        columns[f"{name}_visitor_count"] = np.cumsum(change)[:size]
    days = pd.to_datetime(np.arange(start, start + size), unit="D").astype("datetime64[us]")
    active = pd.DataFrame(columns, index=days)
    return active.loc[active["daily_visitor_count"] > 0]


def _begins(numbers: pd.Series) -> Flags:
    """Where a running number takes a new value."""
    values = numbers.to_numpy()
    begins = np.ones(len(values), bool)
    begins[1:] = values[1:] != values[:-1]
    return begins
