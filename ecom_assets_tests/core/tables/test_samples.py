"""Samples of quarantined rows are the same in whatever order the rows lie."""

from datetime import date, datetime, timedelta

import ibis
import pyarrow as pa
import pytest

from ecom_assets.core.tables.contract import Table, count, day, instant, text
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.received import SAMPLES, sampled_rows

DAY, NOON = date(2026, 3, 1), datetime.fromisoformat("2026-03-01T12:00:00")


class RefusedSamples(Table):
    """One row per sample."""

    layer = "mart"
    day_column = "refused_date"
    key = ("refused_date", "reject_reason", "sample_number")

    refused_date = day("The day")
    reject_reason = text("Why it was refused")
    event_id = text("The id that was received", nullable=True)
    received_at = instant("When it arrived", nullable=True)
    sample_number = count("Its position among those of the day and reason")


@pytest.mark.parametrize("first", [0, 3, 7])
def test_rows_that_differ_in_their_times_only_are_sampled_by_their_times(first: int) -> None:
    """Eight rows are equal in all texts: seven arrived a second apart, and one has no time."""
    times = [None, *(NOON + timedelta(seconds=number) for number in range(7))]
    times = [*reversed(times[:first]), *times[first:]]
    rows = pa.table(
        {
            "refused_date": [DAY] * len(times),
            "reject_reason": ["missing_event_id"] * len(times),
            "event_id": pa.nulls(len(times), pa.string()),
            "received_date": [DAY] * len(times),
            "received_at": pa.array(times, pa.timestamp("us")),
            "money": pa.nulls(len(times), pa.decimal128(18, 4)),
            "is_about_money": [False] * len(times),
        }
    )
    samples = sampled_rows(ibis.memtable(rows), RefusedSamples, Days((DAY,))).to_pyarrow()
    in_order = samples.sort_by("sample_number")
    expected = [NOON + timedelta(seconds=number) for number in range(SAMPLES)]
    assert in_order["received_at"].to_pylist() == expected
