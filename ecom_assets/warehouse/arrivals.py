"""How many rows of a day each clean table has by day of arrival, and what has come or gone since it was last noted.

Not here: what is made of the rows.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from ecom_assets.contracts.table import Table
from ecom_assets.transforms.days import Days
from ecom_assets.warehouse.engine import Engine

SAMPLE = 5
"""Ids that are named of the rows that came late."""

TYPE = "event_type"
Counts = dict[str, dict[str, int]]
"""Rows of one day, by table and ISO day of arrival."""


@dataclass(frozen=True)
class Movement:
    """Rows of one day that arrived or went since; `arrived_on` are the days of arrival of the former, by table."""

    arrived: int = 0
    withdrawn: int = 0
    arrived_on: Mapping[str, list[str]] = field(default_factory=dict)

    @classmethod
    def between(cls, old: Counts, new: Counts) -> "Movement":
        """Compare the counts of two moments."""
        gained = [
            (table, arrival, found - old.get(table, {}).get(arrival, 0))
            for table, by_arrival in new.items()
            for arrival, found in by_arrival.items()
        ]
        lost = sum(
            max(0, found - new.get(table, {}).get(arrival, 0))
            for table, by_arrival in old.items()
            for arrival, found in by_arrival.items()
        )
        arrived_on: dict[str, list[str]] = {}
        for table, arrival, more in gained:
            if more > 0:
                arrived_on.setdefault(table, []).append(arrival)
        return cls(sum(more for _, _, more in gained if more > 0), lost, arrived_on)


def as_text(counts: Counts) -> str:
    """Write counts in one way only."""
    return json.dumps(counts, sort_keys=True, separators=(",", ":"))


def counted(engine: Engine, source: type[Table], days: Days, types: tuple[str, ...]) -> dict[date, dict[str, int]]:
    """Return the rows of each day by day of arrival; of events, those of the types, where any are named."""
    if not days.dates:
        return {}
    day, arrival = engine.quoted(str(source.day_column)), engine.quoted("received_date")
    found: dict[date, dict[str, int]] = {}
    slices = f"SELECT * FROM {engine.name_of(source)}{engine.where(source, days)}"  # noqa: S608 (names come from contracts)
    for row in engine.query(
        f"SELECT {day} AS counted_day, {arrival} AS arrival, count(*) AS n FROM ({slices}) AS t "  # noqa: S608 (likewise)
        f"WHERE {_of_types(engine, source, types)} GROUP BY 1, 2"
    ):
        found.setdefault(row["counted_day"], {})[str(row["arrival"])] = int(row["n"])
    return found


def some_ids(
    engine: Engine, source: type[Table], arrivals: Mapping[date, Iterable[str]], types: tuple[str, ...]
) -> dict[date, list[str]]:
    """Return ids of a few rows of each day that arrived on the given days, the first in their order; likewise."""
    day, record = engine.quoted(str(source.day_column)), engine.quoted(source.key[-1])
    arrival = engine.quoted("received_date")
    dates = {one: ", ".join(f"DATE '{each}'" for each in on) for one, on in arrivals.items()}
    conditions = [f"({day} = DATE '{one}' AND {arrival} IN ({on}))" for one, on in dates.items()]
    if not conditions:
        return {}
    numbered = (
        f"SELECT {day} AS sampled_day, {record} AS id, "  # noqa: S608 (likewise)
        f"row_number() OVER (PARTITION BY {day} ORDER BY {record}) AS place "
        f"FROM {engine.name_of(source)} WHERE ({' OR '.join(conditions)}) AND {_of_types(engine, source, types)}"
    )
    found: dict[date, list[str]] = {}
    for row in engine.query(
        f"SELECT sampled_day, id FROM ({numbered}) AS t WHERE place <= {SAMPLE} ORDER BY 1, 2"  # noqa: S608 (likewise)
    ):
        found.setdefault(row["sampled_day"], []).append(str(row["id"]))
    return found


def _of_types(engine: Engine, source: type[Table], types: tuple[str, ...]) -> str:
    if not types or TYPE not in source.columns:
        return "1 = 1"
    names = ", ".join(f"'{one}'" for one in types)
    return f"{engine.quoted(TYPE)} IN ({names})"
