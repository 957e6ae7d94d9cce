"""Events in pandas: reading landing folders, refusing rows, leaving out copies, naming visitors.

Part of the rival in `pandas_pipeline.py`, written as somebody would who knows pandas well: Arrow
strings for ids, categories for what repeats, whole numbers for time and money, no Python per row.
It shares no code with the platform.
"""

import re
from functools import reduce
from hashlib import md5
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.dataset as ds

LATE_DAYS = 7
SKEW = pd.Timedelta(hours=1)
ONE_DAY = pd.Timedelta(days=1)
REPEATING = [
    "event_type",
    "product_id",
    "product_category",
    "page_url",
    "referrer_url",
    "user_agent",
    "properties",
]
TEXT = [
    "event_id",
    "user_id",
    "session_id",
    "cart_value",
    "event_timestamp",
    "received_at",
    "anonymous_id",
]
PAYLOAD = [
    "event_id",
    "user_id",
    "event_type",
    "event_timestamp",
    "product_id",
    "product_category",
    "session_id",
    "page_url",
    "referrer_url",
    "cart_value",
    "anonymous_id",
    "user_agent",
    "properties",
]
TYPES = [
    "page_view",
    "product_view",
    "category_view",
    "search",
    "add_to_cart",
    "remove_from_cart",
    "checkout_start",
    "purchase",
    "refund",
]
NOBODY = [
    "",
    "null",
    "(null)",
    "<null>",
    "[null]",
    r"\n",
    "nil",
    "<nil>",
    "nan",
    "n/a",
    "#n/a",
    "na",
    "<na>",
    "undefined",
    "(undefined)",
    "[object object]",
    "none",
    "(none)",
    "-",
    "--",
    "(not set)",
    "(not provided)",
    "unknown",
    "-1",
    "0",
    "anonymous",
    "anon",
    "test",
    "testuser",
    "test_user",
    "test-user",
    "(no consent)",
    "00000000-0000-0000-0000-000000000000",
    "00000000000000000000000000000000",
]
MOST_PARTS = 100_000_000 * 10_000
ROBOTS = r"(?:^|[^u])bots?(?:[^a-z]|$)|crawl(?:er|ing)|spider|slurp|headless"
NOT_WELL_FORMED = r"^ | $|[\x00-\x1f\x7f]"
LONGEST_TYPE = 255
SPAN = pd.Timedelta(days=LATE_DAYS + 1)
ID_MARK = "~"
HASH_LENGTH = 16
IDS = ["user_id", "session_id", "anonymous_id", "event_date", "received_date"]
CLEAN_COLUMNS = [
    "event_id",
    "event_at",
    "event_date",
    "visitor_id",
    "event_type",
    "user_id",
    "source_session_id",
    "product_id",
    "product_category",
    "page_url",
    "referrer_url",
    "cart_amount",
    "user_agent",
    "properties",
    "is_bot",
    "received_date",
    "source_file",
]


def read_events(folder: Path) -> pd.DataFrame:
    """Every landing folder as one frame, with the values read from its text columns;
    money in parts: 10,000 of one.
    """
    options = ds.ParquetReadOptions(dictionary_columns=REPEATING)
    files = ds.dataset(
        folder, format=ds.ParquetFileFormat(read_options=options), partitioning="hive"
    )
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
    raw["received_date"] = pd.Series(
        days.to_numpy("datetime64[us]")[raw["received_date"].cat.codes], index=raw.index
    )
    raw["event_at"] = _instants(raw["event_timestamp"])
    raw["event_date"] = raw["event_at"].dt.normalize()
    raw["cart_parts"] = _known_parts(raw)
    raw["received_at_text"] = raw["received_at"]
    raw["received_at"] = _instants(raw["received_at_text"])
    return raw.drop(columns="received_at_text")


def _known_parts(raw: pd.DataFrame) -> pd.Series:
    """Amounts that can be: what was paid back is positive, and what is looked at is
    not worth less than nothing.
    """
    parts = (pd.to_numeric(raw["cart_value"], errors="coerce") * 10_000).round()
    parts = parts.mask(raw["event_type"] == "refund", parts.abs())
    impossible = (parts < 0) & raw["event_type"].isin(TYPES[:-2])
    return parts.mask((parts.abs() > MOST_PARTS) | impossible)


def _known(ids: pd.Series) -> pd.Series:
    """Ids without placeholders."""
    return ids.mask(ids.str.lower().isin(NOBODY))


def _is_malformed(types: pd.Series) -> pd.Series:
    wrong = [
        name
        for name in types.cat.categories
        if len(name) > LONGEST_TYPE or re.search(NOT_WELL_FORMED, name)
    ]
    return types.isna() | types.isin(wrong)


def _instants(texts: pd.Series) -> pd.Series:
    read = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True)
    return read.dt.tz_localize(None).astype("datetime64[us]")


def classify(raw: pd.DataFrame) -> pd.DataFrame:
    """The reason to refuse each row (missing for a clean one) and the day that it counts for."""
    known_by = raw["received_at"].fillna(raw["received_date"] + ONE_DAY) + SKEW
    in_time = (raw["event_date"] <= raw["received_date"] + ONE_DAY) & (
        raw["received_date"] <= raw["event_date"] + pd.Timedelta(days=LATE_DAYS)
    )
    has_nobody = _known(raw["user_id"]).isna()
    ids = raw.loc[has_nobody, ["session_id", "anonymous_id"]]
    has_nobody.loc[has_nobody] = (
        _known(ids["session_id"]).isna() & _known(ids["anonymous_id"]).isna()
    )
    reasons = {
        "missing_event_id": raw["event_id"].isna(),
        "unparseable_timestamp": raw["event_at"].isna(),
        "future_timestamp": (raw["event_at"] > known_by)
        | (raw["event_date"] > raw["received_date"] + ONE_DAY),
        "missing_identity": has_nobody,
        "malformed_event_type": _is_malformed(raw["event_type"]),
        "too_late": ~in_time,
    }
    conditions = [condition.fillna(value=False).to_numpy(bool) for condition in reasons.values()]
    code = np.select(conditions, list(range(len(reasons))), default=-1)
    return pd.DataFrame(
        {
            "reject_reason": pd.Categorical.from_codes(
                code.astype(np.int8), pd.Index(list(reasons))
            ),
            "accounted_date": raw["event_date"].where(in_time, raw["received_date"]),
        },
        index=raw.index,
    )


def copies_apart(copies: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Clean rows without their surplus copies, and a row per day and event with such,
    or that shares its id.

    Rows of one id are copies if they agree in who, what and amount; others are different events.
    """
    is_marked = copies["event_id"].str.get(-HASH_LENGTH - 1) == ID_MARK
    repeated = copies.loc[copies["event_id"].duplicated(keep=False) | is_marked]
    in_order = repeated.assign(content=_contents(repeated), texts=_hashed(repeated, PAYLOAD))
    in_order = in_order.sort_values(["received_date", "received_at", "texts", "source_file"])
    previous = in_order.groupby(["event_id", "content"], sort=False)["received_date"].shift()
    in_order["surplus"] = in_order["received_date"] <= previous + SPAN
    first = in_order[["event_date", "event_id"]].merge(_first_contents(in_order), how="left")[
        "first_content"
    ]
    first = first.set_axis(in_order.index)
    is_other = (first.notna() & (first != in_order["content"])) | is_marked.loc[in_order.index]
    marked = in_order["event_id"] + ID_MARK + in_order["content"]
    in_order["clean_event_id"] = in_order["event_id"].mask(is_other, marked)
    in_order["disagrees"] = first.notna() | is_other
    grouped = in_order.groupby(["event_date", "clean_event_id"], sort=False)
    in_order["is_first"] = grouped.cumcount() == 0
    per_day = grouped.agg(
        surplus_count=("surplus", "sum"),
        copy_count=("surplus", "size"),
        disagrees=("disagrees", "any"),
        first_received_date=("received_date", "min"),
        last_received_date=("received_date", "max"),
    ).reset_index()
    per_day["has_kept_copy"] = per_day["surplus_count"] < per_day.pop("copy_count")
    per_day = per_day.loc[(per_day["surplus_count"] > 0) | per_day.pop("disagrees")]
    kept = per_day[["event_date", "clean_event_id", "has_kept_copy"]]
    answer = in_order[["event_date", "clean_event_id", "is_first"]].merge(kept, how="left")
    leaves = answer["has_kept_copy"].notna() & ~(
        answer["has_kept_copy"].eq(other=True) & answer["is_first"]
    )
    unique = copies.drop(index=in_order.index[leaves.to_numpy()])
    renamed = in_order.loc[is_other & ~leaves.to_numpy(), "clean_event_id"]
    unique.loc[renamed.index, "event_id"] = renamed
    return unique, per_day.rename(columns={"clean_event_id": "event_id"})


def _contents(rows: pd.DataFrame) -> pd.Series:
    """The hash of who, what and amount of each row."""
    who = "user " + _known(rows["user_id"])
    who = who.fillna("device " + _known(rows["anonymous_id"])).fillna(
        "session " + rows["session_id"]
    )
    parts = rows["cart_parts"].astype("Int64")
    amount = (
        (parts // 100)
        .astype("string")
        .mask(parts % 100 != 0, parts.astype("string") + "e-4")
        .fillna("")
    )
    product = ("product " + rows["product_id"].astype("string")).fillna("")
    hashed = [
        part.astype("object").map(_md5) for part in (who, rows["event_type"], product, amount)
    ]
    whole = reduce(lambda text, part: text + part, hashed) + _md5("")
    return whole.map(_md5).str[:HASH_LENGTH]


def _hashed(rows: pd.DataFrame, columns: list[str]) -> pd.Series:
    texts = rows[columns].astype("object").fillna("").agg("\x1f".join, axis=1)
    return texts.map(_md5).astype("object")


def _md5(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def _first_contents(in_order: pd.DataFrame) -> pd.DataFrame:
    """Of each day and id near which rows of the id disagree, the content that arrived first."""
    several = in_order.groupby("event_id")["content"].transform("nunique") > 1
    rows = in_order.loc[several, ["event_id", "content", "received_date", "received_at"]]
    near = in_order.loc[several, ["event_date", "event_id"]].drop_duplicates().merge(rows)
    first, last = (
        near["event_date"] - SPAN - ONE_DAY,
        near["event_date"] + pd.Timedelta(days=LATE_DAYS),
    )
    near = near.loc[near["received_date"].between(first, last)]
    in_turn = near.sort_values(["received_date", "received_at", "content"])
    of_day = in_turn.groupby(["event_date", "event_id"])["content"]
    contents = of_day.agg(first_content="first", content_count="nunique").reset_index()
    return contents.loc[contents.pop("content_count") > 1]


def name_visitors(events: pd.DataFrame, copies: pd.DataFrame) -> pd.Series:
    """The user, else the user of the same source session on the day,
    the day after or the day before, else `anon-`.
    """
    events, copies = (
        rows.assign(
            **{name: _known(rows[name]) for name in ("user_id", "session_id", "anonymous_id")}
        )
        for rows in (events[IDS], copies[IDS])
    )
    nameless = events.loc[events["user_id"].isna(), ["session_id", "anonymous_id", "event_date"]]
    seen = copies.loc[
        copies["user_id"].notna() & copies["session_id"].isin(nameless["session_id"].unique()),
        ["session_id", "user_id", "event_date", "received_date"],
    ]
    timely = seen["received_date"] <= seen["event_date"] + pd.Timedelta(days=LATE_DAYS - 1)
    punctual = seen["received_date"] >= seen["event_date"]
    actual = []
    for near, shift in ((seen, 0), (seen.loc[timely], -1), (seen.loc[punctual], 1)):
        rows = near.assign(event_date=near["event_date"] + shift * ONE_DAY)
        users = rows.groupby(["session_id", "event_date"], as_index=False, sort=False)[
            "user_id"
        ].min()
        merged = nameless.merge(users, how="left", on=["session_id", "event_date"])
        actual.append(merged["user_id"].set_axis(nameless.index))
    nobody = nameless["session_id"].fillna(nameless["anonymous_id"])
    users_of_nameless = reduce(lambda best, other: best.fillna(other), actual)
    return events["user_id"].fillna(users_of_nameless).fillna("anon-" + nobody)


def clean_events(events: pd.DataFrame, visitors: pd.Series) -> pd.DataFrame:
    """Unique copies in the layout of the clean events."""
    agents = events["user_agent"].cat.categories
    robots = agents[agents.str.lower().str.contains(ROBOTS)]
    ids = {name: _known(events[name]) for name in ("user_id", "session_id")}
    named = events.assign(**ids).rename(columns={"session_id": "source_session_id"})
    named = named.assign(
        visitor_id=visitors,
        is_bot=events["user_agent"].isin(robots),
        cart_amount=named["cart_parts"] / 10_000,
    )
    return named[[*CLEAN_COLUMNS, "cart_parts"]]
