"""The rival: the main tables of events that `ecom run` computes, as one vectorized pandas script.

`python -m benchmarks.orchestration.pandas_pipeline EVENTS OUT` writes nine tables as Parquet and
prints seconds per part. It keeps all in memory, knows no days to replace, no history and no
interface; these tables and their checks are the same.
"""

import json
import sys
import time
from pathlib import Path

import pandas as pd

from benchmarks.orchestration.pandas_checks import check
from benchmarks.orchestration.pandas_events import (
    classify,
    clean_events,
    copies_apart,
    name_visitors,
    read_events,
)
from benchmarks.orchestration.pandas_funnel import conversion_funnel
from benchmarks.orchestration.pandas_sessions import (
    engagement_daily,
    in_order,
    session_days,
    session_events,
    sessions,
)


class Clock:
    """The seconds that each part took."""

    def __init__(self) -> None:
        """Start."""
        self.took: dict[str, float] = {}
        self._begun = time.perf_counter()

    def done(self, part: str) -> None:
        """Note that a part ended now, and start the next."""
        now = time.perf_counter()
        self.took[part], self._begun = round(now - self._begun, 2), now


def run(events: Path, out: Path) -> dict[str, float]:
    """Compute, check and write every table; seconds per part."""
    clock = Clock()
    out.mkdir(parents=True, exist_ok=True)
    raw = read_events(events)
    clock.done("read")
    write(out, {"raw_events": raw})
    clock.done("write raw")
    received, tables = cleaned(raw, clock)
    del raw
    write(
        out,
        {name: table.drop(columns="cart_parts", errors="ignore") for name, table in tables.items()},
    )
    clock.done("write events")
    ordered = in_order(tables.pop("events"))
    clock.done("order")
    marts = computed(ordered, clock)
    write(
        out,
        {
            name: table.drop(columns=["who", "session"], errors="ignore")
            for name, table in marts.items()
        },
    )
    clock.done("write marts")
    check(
        received=received,
        clean=ordered,
        quarantined=tables["quarantined"],
        duplicates=tables["duplicates"],
        numbered=marts["session_events"],
        fragments=marts["session_days"],
        sessions=marts["sessions"],
        funnel=marts["funnel"],
        engagement=marts["engagement"],
    )
    clock.done("checks")
    return clock.took


def cleaned(raw: pd.DataFrame, clock: Clock) -> tuple["pd.Series[int]", dict[str, pd.DataFrame]]:
    """Return how many rows were received each day, and the quarantined, surplus and clean rows."""
    classified = classify(raw)
    refused = classified["reject_reason"].notna()
    quarantined = pd.concat([raw.loc[refused], classified.loc[refused]], axis=1)
    received = classified["accounted_date"].value_counts()
    copies = raw.loc[~refused]
    del raw, classified, refused
    clock.done("classify")
    unique, duplicates = copies_apart(copies)
    clock.done("duplicates")
    events = clean_events(unique, name_visitors(unique, copies))
    clock.done("visitors")
    return received, {"quarantined": quarantined, "duplicates": duplicates, "events": events}


def computed(ordered: pd.DataFrame, clock: Clock) -> dict[str, pd.DataFrame]:
    """Return the tables that are computed from clean events."""
    numbered = session_events(ordered)
    clock.done("session events")
    fragments = session_days(ordered)
    visits = sessions(ordered, fragments)
    clock.done("sessions")
    funnel = conversion_funnel(ordered, fragments, visits)
    clock.done("funnel")
    engagement = engagement_daily(visits, fragments)
    clock.done("engagement")
    return {
        "session_events": numbered,
        "session_days": fragments,
        "sessions": visits,
        "funnel": funnel,
        "engagement": engagement,
    }


def write(out: Path, tables: dict[str, pd.DataFrame]) -> None:
    """Write each table as a Parquet file."""
    for name, table in tables.items():
        table.to_parquet(out / f"{name}.parquet", compression="snappy", index=False)


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), Path(sys.argv[2]))))
