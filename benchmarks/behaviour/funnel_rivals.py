"""The funnel of `benchmarks/behaviour/funnel.py` in other tools: ClickHouse in a wheel,
Polars and pandas.

Each function opens its tool and gives the function that counts, so that starting up and counting
can be measured separately.
"""
# A contender measured as a whole process must not pay for the others' imports.
# ruff: noqa: PLC0415

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ecom_assets.behaviour.funnels.definition import FIVE_STEPS, Funnel

Count = Callable[[], list[int]]

FUNNEL = Funnel.from_mapping({"steps": FIVE_STEPS})
STEPS = list(FIVE_STEPS)
WINDOW_S = FUNNEL.within


def clickhouse(
    file: Path,
    clock: str = "toUInt64(toUnixTimestamp64Micro(event_at))",
    unit: int = 1_000_000,
    modes: str = "",
) -> Count:
    """ClickHouse's windowFunnel, in microseconds as ours; `modes` are more of its
    parameters, after a comma.
    """
    from chdb import session as chdb_session

    session: Any = chdb_session
    conditions = ", ".join(f"event_type = '{step}'" for step in STEPS)
    sql = f"""
        SELECT level, count() FROM (
            SELECT windowFunnel({WINDOW_S * unit}{modes})({clock}, {conditions}) AS level
            FROM file('{file}', Parquet) GROUP BY visitor_id
        ) GROUP BY level SETTINGS max_threads = {os.cpu_count()}"""
    opened = session.Session()

    def count() -> list[int]:
        lines = [line.split(",") for line in str(opened.query(sql, "CSV")).split()]
        return [
            sum(int(n) for level, n in lines if int(level) >= k) for k in range(1, len(STEPS) + 1)
        ]

    return count


def clickhouse_seconds(file: Path) -> Count:
    """The same in whole seconds, which is less precise and a little faster."""
    return clickhouse(file, "toDateTime(event_at)", 1)


def polars(file: Path) -> Count:
    """Polars: one sort of a packed key (milliseconds), then forward fills."""
    import polars as pl

    def count() -> list[int]:
        clock = pl.col("event_at").dt.epoch("ms")
        frame = pl.scan_parquet(file).select(
            pl.col("visitor_id").cast(pl.Categorical).to_physical().cast(pl.Int64).alias("who"),
            (clock - clock.min()).alias("at"),
            pl.col("event_type")
            .replace_strict(STEPS, range(1, 6), return_dtype=pl.Int64)
            .alias("step"),
        )
        bits = 36
        key = (((pl.col("who") * 2**bits) + pl.col("at")) * 8 + pl.col("step")).sort().alias("key")
        at, step_of = (pl.col("key") // 8).alias("at"), (pl.col("key") % 8).alias("step")
        start = pl.when(pl.col("step") == 1).then(pl.col("at")).alias("start")
        rows: Any = frame.select(key).select(at, step_of).with_columns(start).collect()
        reached = []
        for step in range(1, len(STEPS) + 1):
            if step > 1:
                rows = rows.with_columns(pl.col("start").forward_fill()).filter(
                    pl.col("step") >= step
                )
                in_time = (pl.col("step") == step) & (
                    pl.col("at") - pl.col("start") <= WINDOW_S * 1000
                )
                rows = rows.with_columns(start=pl.when(in_time).then(pl.col("start")))
            hits = rows.filter(pl.col("start").is_not_null())
            reached.append(hits.select((pl.col("at") // 2**bits).n_unique()).item())
            rows = rows.filter((pl.col("step") > step) | pl.col("start").is_not_null())
        return reached

    return count


def pandas(file: Path) -> Count:
    """Pandas, vectorised: one sort, then forward fills per visitor."""
    import pandas as pd

    def count() -> list[int]:
        events = pd.read_parquet(file)
        visitor_numbers = pd.Series(pd.factorize(events["visitor_id"])[0])
        rows = pd.DataFrame(
            {
                "who": visitor_numbers,
                "at": events["event_at"].astype("datetime64[us]").astype("int64"),
                "step": events["event_type"]
                .map({step: n for n, step in enumerate(STEPS, start=1)})
                .astype("int8"),
            }
        ).sort_values(["who", "at", "step"], ignore_index=True)
        start = rows["at"].where(rows["step"] == 1)
        reached = [rows["who"][start.notna()].nunique()]
        for step in range(2, len(STEPS) + 1):
            latest = start.groupby(rows["who"]).ffill()
            start = latest.where(
                (rows["step"] == step) & (rows["at"] - latest <= WINDOW_S * 1_000_000)
            )
            reached.append(rows["who"][start.notna()].nunique())
        return reached

    return count
