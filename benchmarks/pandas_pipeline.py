"""The rival: everything that `ecom run` computes from landing folders, as one vectorized pandas script.

`python benchmarks/pandas_pipeline.py EVENTS OUT` writes nine tables as Parquet and prints seconds per part. It keeps
all in memory, knows no days to replace, no history and no interface; it computes the same numbers and checks the same
claims.
Not here: the comparison (`pipeline.py`).
"""

import json
import sys
import time
from pathlib import Path

import pandas as pd
from pandas_checks import check
from pandas_events import classify, clean_events, copies_apart, name_visitors, read_events
from pandas_funnel import conversion_funnel
from pandas_sessions import engagement_daily, in_order, session_days, session_events, sessions


def run(events: Path, out: Path) -> dict[str, float]:
    """Compute, check and write every table; seconds per part."""
    took: dict[str, float] = {}
    begun = time.perf_counter()

    def done(part: str) -> None:
        nonlocal begun
        took[part], begun = round(time.perf_counter() - begun, 2), time.perf_counter()

    def write(name: str, table: pd.DataFrame) -> None:
        table.to_parquet(out / f"{name}.parquet", compression="snappy", index=False)

    out.mkdir(parents=True, exist_ok=True)
    raw = read_events(events)
    done("read")
    write("raw_events", raw)
    done("write raw")
    verdict = classify(raw)
    refused = verdict["reject_reason"].notna()
    quarantined = pd.concat([raw.loc[refused], verdict.loc[refused]], axis=1)
    received = verdict["accounted_date"].value_counts()
    copies = raw.loc[~refused]
    del raw, verdict, refused
    done("classify")
    unique, duplicates = copies_apart(copies)
    done("duplicates")
    clean = clean_events(unique, name_visitors(unique, copies))
    del unique, copies
    done("visitors")
    for name, table in (("quarantined", quarantined), ("duplicates", duplicates), ("events", clean)):
        write(name, table.drop(columns="cart_cents", errors="ignore"))
    done("write events")
    ordered = in_order(clean)
    del clean
    done("order")
    numbered = session_events(ordered)
    write("session_events", numbered)
    done("session events")
    pieces = session_days(ordered)
    found = sessions(ordered, pieces)
    done("sessions")
    funnel = conversion_funnel(ordered, pieces, found)
    done("funnel")
    engagement = engagement_daily(found, pieces)
    done("engagement")
    for name, table in (("session_days", pieces), ("sessions", found), ("funnel", funnel), ("engagement", engagement)):
        write(name, table.drop(columns=["who", "session"], errors="ignore"))
    done("write marts")
    check(
        received=received,
        clean=ordered,
        quarantined=quarantined,
        duplicates=duplicates,
        numbered=numbered,
        pieces=pieces,
        sessions=found,
        funnel=funnel,
        engagement=engagement,
    )
    done("checks")
    return took


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), Path(sys.argv[2]))))
