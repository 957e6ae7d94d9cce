"""The partitions of every table that is cut by day. Not here: which days there are (definitions)."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

import dagster as dg
from dagster._core.definitions.partitions.context import partition_loading_context  # what Dagster's own override takes


class ListedDays(dg.DailyPartitionsDefinition):
    """Dagster's daily partitions, whose keys are listed once and not for every step.

    Dagster lists all keys whenever a step reads a partitioned table as a whole, as every check does, and walks a cron
    schedule to do it: some 30 ms for fifteen years, twice what most checks take.
    """

    def get_partition_keys(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: Any = None,  # noqa: ANN401 (Dagster's own, which days have no use for)
    ) -> Sequence[str]:
        """Return every day's key, from the first to the newest."""
        with partition_loading_context(current_time, dynamic_partitions_store):
            first, last = self.get_first_partition_key(), self.get_last_partition_key()
        return list(_keys(first, last)) if first and last else []


@lru_cache(maxsize=16)
def _keys(first: str, last: str) -> tuple[str, ...]:
    start = date.fromisoformat(first)
    count = (date.fromisoformat(last) - start).days + 1
    return tuple((start + timedelta(days=number)).isoformat() for number in range(count))
