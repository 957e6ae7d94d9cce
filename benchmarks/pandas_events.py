"""Events in pandas: reading landing folders, refusing rows, leaving out copies, naming visitors.

Part of the rival in `pandas_pipeline.py`, written as somebody would who knows pandas well: Arrow strings for ids,
categories for what repeats, whole numbers for time and money, no Python per row. It shares no code with the platform.
"""

from functools import reduce
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.dataset as ds

LATE_DAYS = 7
SKEW = pd.Timedelta(hours=1)
ONE_DAY = pd.Timedelta(days=1)
REPEATING = ["event_type", "product_id", "product_category", "page_url", "referrer_url", "user_agent", "properties"]
TEXT = ["event_id", "user_id", "session_id", "cart_value", "event_timestamp", "received_at", "anonymous_id"]
ARRIVAL_ORDER = [
    "received_date", "received_at", "event_at", "event_type", "user_id", "session_id", "product_id", "product_category",
    "page_url", "referrer_url", "cart_value", "anonymous_id", "user_agent", "properties", "source_file",
]  # fmt: skip
TYPES = [
    "page_view", "product_view", "category_view", "search", "add_to_cart", "remove_from_cart", "checkout_start",
    "purchase", "refund",
]  # fmt: skip
NOBODY = [
    "", "0", "-1", "null", "(null)", "none", "nil", "nan", "n/a", "na", "undefined", "unknown", "anonymous", "anon",
    "test", "testuser", "test_user", "test-user", "00000000-0000-0000-0000-000000000000",
]  # fmt: skip
ROBOTS = "bot|crawl|spider|slurp|headless"
CLEAN_COLUMNS = [
    "event_id", "event_at", "event_date", "visitor_id", "event_type", "user_id", "source_session_id", "product_id",
    "product_category", "page_url", "referrer_url", "cart_amount", "user_agent", "properties", "is_bot",
    "received_date", "source_file",
]  # fmt: skip


def read_events(folder: Path) -> pd.DataFrame:
    """Every landing folder as one frame, with the values read from its text columns; money in cents."""
    options = ds.ParquetReadOptions(dictionary_columns=REPEATING)
    files = ds.dataset(folder, format=ds.ParquetFileFormat(read_options=options), partitioning="hive")
    table = files.to_table(columns=[*files.schema.names, "__filename"])
    for name in ("received_date", "__filename"):
        at = table.column_names.index(name)
        table = table.set_column(at, name, table[name].dictionary_encode())
    raw: pd.DataFrame = table.to_pandas(self_destruct=True)
    raw = raw.rename(columns={"__filename": "source_file"})
    raw["source"] = pd.Categorical.from_codes(np.zeros(len(raw), np.int8), pd.Index([str(folder)]))
    for name in TEXT:
        raw[name] = raw[name].mask(raw[name] == "")
    for name in REPEATING:
        raw[name] = raw[name].cat.remove_categories([c for c in raw[name].cat.categories if not c])
    days = pd.to_datetime(pd.Series(raw["received_date"].cat.categories))
    raw["received_date"] = pd.Series(days.to_numpy("datetime64[us]")[raw["received_date"].cat.codes], index=raw.index)
    raw["event_at"] = _instants(raw["event_timestamp"])
    raw["event_date"] = raw["event_at"].dt.normalize()
    raw["cart_cents"] = (pd.to_numeric(raw["cart_value"], errors="coerce") * 100).round()
    raw["received_at_text"] = raw["received_at"]
    raw["received_at"] = _instants(raw["received_at_text"])
    return raw.drop(columns="received_at_text")


def _instants(texts: pd.Series) -> pd.Series:
    read = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True)
    return read.dt.tz_localize(None).astype("datetime64[us]")


def classify(raw: pd.DataFrame) -> pd.DataFrame:
    """The reason to refuse each row (missing for a clean one) and the day that it counts for."""
    known_by = raw["received_at"].fillna(raw["received_date"] + ONE_DAY) + SKEW
    in_time = (raw["event_date"] <= raw["received_date"] + ONE_DAY) & (
        raw["received_date"] <= raw["event_date"] + pd.Timedelta(days=LATE_DAYS)
    )
    identity = raw["user_id"].fillna(raw["session_id"])
    reasons = {
        "missing_event_id": raw["event_id"].isna(),
        "unparseable_timestamp": raw["event_at"].isna(),
        "future_timestamp": (raw["event_at"] > known_by) | (raw["event_date"] > raw["received_date"] + ONE_DAY),
        "missing_identity": identity.isna() | identity.str.lower().isin(NOBODY),
        "malformed_event_type": ~raw["event_type"].isin(TYPES),
        "too_late": ~in_time,
    }
    conditions = [condition.fillna(value=False).to_numpy(bool) for condition in reasons.values()]
    code = np.select(conditions, list(range(len(reasons))), default=-1)
    return pd.DataFrame(
        {
            "reject_reason": pd.Categorical.from_codes(code.astype(np.int8), pd.Index(list(reasons))),
            "accounted_date": raw["event_date"].where(in_time, raw["received_date"]),
        },
        index=raw.index,
    )


def copies_apart(copies: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Clean rows without their surplus copies, and one row per day and id of which there are such."""
    repeated = copies.loc[copies["event_id"].duplicated(keep=False)]
    in_order = repeated.sort_values(["event_id", *ARRIVAL_ORDER], na_position="first")
    previous = in_order.groupby("event_id", sort=False)["received_date"].shift()
    in_order["surplus"] = previous >= in_order["event_date"] - ONE_DAY
    grouped = in_order.groupby(["event_date", "event_id"], sort=False)
    in_order["is_first"] = grouped.cumcount() == 0
    per_day = grouped.agg(
        surplus_count=("surplus", "sum"),
        copy_count=("surplus", "size"),
        first_received_date=("received_date", "min"),
        last_received_date=("received_date", "max"),
    ).reset_index()
    per_day["has_kept_copy"] = per_day["surplus_count"] < per_day.pop("copy_count")
    answer = in_order.merge(per_day[["event_date", "event_id", "surplus_count", "has_kept_copy"]], how="left")
    stays = (answer["surplus_count"] == 0) | (answer["has_kept_copy"] & answer["is_first"])
    leaving = in_order.index[~stays.to_numpy()]
    return copies.drop(index=leaving), per_day.loc[per_day["surplus_count"] > 0]


def name_visitors(events: pd.DataFrame, copies: pd.DataFrame) -> pd.Series:
    """The user, else the user of the same source session on the day, the day after or the day before, else `anon-`."""
    nameless = events.loc[events["user_id"].isna(), ["session_id", "event_date"]]
    seen = copies.loc[
        copies["user_id"].notna() & copies["session_id"].isin(nameless["session_id"].unique()),
        ["session_id", "user_id", "event_date", "received_date"],
    ]
    timely = seen["received_date"] <= seen["event_date"] + pd.Timedelta(days=LATE_DAYS - 1)
    punctual = seen["received_date"] >= seen["event_date"]
    actual = []
    for near, shift in ((seen, 0), (seen.loc[timely], -1), (seen.loc[punctual], 1)):
        rows = near.assign(event_date=near["event_date"] + shift * ONE_DAY)
        users = rows.groupby(["session_id", "event_date"], as_index=False, sort=False)["user_id"].min()
        merged = nameless.merge(users, how="left", on=["session_id", "event_date"])
        actual.append(merged["user_id"].set_axis(nameless.index))
    users_of_nameless = reduce(lambda best, other: best.fillna(other), actual)
    return events["user_id"].fillna(users_of_nameless).fillna("anon-" + nameless["session_id"])


def clean_events(events: pd.DataFrame, visitors: pd.Series) -> pd.DataFrame:
    """Unique copies in the layout of the clean events."""
    agents = events["user_agent"].cat.categories
    robots = agents[agents.str.lower().str.contains(ROBOTS)]
    named = events.rename(columns={"session_id": "source_session_id"})
    named = named.assign(
        visitor_id=visitors, is_bot=events["user_agent"].isin(robots), cart_amount=named["cart_cents"] / 100
    )
    return named[[*CLEAN_COLUMNS, "cart_cents"]]
