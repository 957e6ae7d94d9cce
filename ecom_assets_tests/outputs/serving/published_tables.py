"""Two small tables to publish, one cut by day and one not, and what readers see of them."""

from datetime import date
from typing import Any

import pyarrow as pa

from ecom_assets.core.tables.contract import Table, text
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.engines.postgres.engine import PostgresEngine
from ecom_assets.core.warehouse.local import connect
from ecom_assets.outputs.serving.postgres import Published, publish
from ecom_assets_tests.core.warehouse.engines.visits_table import Visits, from_outside
from ecom_assets_tests.outputs.serving.publication_reader import SEEN


class Cities(Table):
    """One row per city."""

    layer = "mart"
    key = ("city",)

    city = text("Its name")


TABLES: tuple[type[Table], ...] = (Visits, Cities)


def fill(engine: Engine, visits: dict[date, list[str]], *cities: str) -> None:
    """Let the source have these visits on these days, whatever it has on others,
    and exactly these cities.
    """
    rows = [(a_day, who) for a_day, people in visits.items() for who in people]
    engine.replace(Visits, from_outside(*rows), Days.from_dates(visits))
    con = connect()
    con.con.register("cities", pa.table({"city": pa.array(cities, pa.string())}))
    engine.replace(Cities, con.table("cities"), None)


def seen(target: PostgresEngine) -> tuple[Any, ...]:
    """Return what a reader sees: the newest publication's number, the visits and the cities."""
    (row,) = target.con.con.execute(SEEN.encode()).fetchall()
    return tuple(row)


def places(target: PostgresEngine) -> dict[str, list[tuple[Any, ...]]]:
    """Return where each row of each table lies, and which transaction wrote it:
    any write changes it.
    """
    names = ("visits", "cities", "published_slices", "publication")
    return {
        name: sorted(
            target.con.con.execute(
                f"SELECT ctid::text, xmin::text FROM mart.{name}".encode()
            ).fetchall()
        )
        for name in names
    }


def published(source: Engine, target: PostgresEngine) -> Published:
    """Publish the tables."""
    return publish(source, target, TABLES, "run-1")
