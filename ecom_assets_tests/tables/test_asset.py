"""The days of the tables: the same as Dagster's own, whatever the time zone and the moment that is asked about."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.definitions.partitions.snap import PartitionsSnap

from ecom_assets.tables.asset import ListedDays

MIDNIGHT_IS_SKIPPED = datetime(2018, 11, 4)  # noqa: DTZ001 (of the time zone that each case is about)


@pytest.mark.parametrize("timezone", ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia"])
@pytest.mark.parametrize("end_offset", [0, 1])
def test_the_days_are_those_that_dagster_lists(timezone: str, end_offset: int) -> None:
    values: dict[str, Any] = {"start_date": "2018-10-30", "timezone": timezone, "end_offset": end_offset}
    listed, theirs = ListedDays(**values), dg.DailyPartitionsDefinition(**values)
    for hours in (-24 * 30, 0, 1, 23, 24, 24 * 400):
        now = MIDNIGHT_IS_SKIPPED.replace(tzinfo=ZoneInfo(timezone)) + timedelta(hours=hours)
        assert list(listed.get_partition_keys(now)) == list(theirs.get_partition_keys(now))


def test_dagster_takes_them_for_its_own() -> None:
    listed, theirs = ListedDays(start_date="2026-01-01"), dg.DailyPartitionsDefinition(start_date="2026-01-01")
    assert listed == theirs
    assert PartitionsSnap.from_def(listed) == PartitionsSnap.from_def(theirs)
