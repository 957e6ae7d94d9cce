"""The person behind each event of a simulated shop.

Its files do not say that, as those of a real shop do not. The shop is simulated again instead,
which gives the same.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ecom_assets.ingestion.sources.sandbox_shop import (
    Truth,
    first_day,
    is_living,
    last_day,
    truth_of,
)
from ecom_sandbox.shop.files import user_ids
from ecom_sandbox.shop.living import LivingShop, months_between
from ecom_sandbox.shop.people import known_customer_id
from ecom_sandbox.shop.rows import Rows, joined
from ecom_sandbox.shop.shop import Shop, cast_of


def people_of_events(folder: Path) -> pa.Table:
    """Return one row per good event that has arrived in the shop of a folder.

    Columns: `event_id`, `person_id` (the user id that the person has in the end, whether or not the
    shop learns it), `user_id` and `anonymous_id` as in the event, and `is_bot`.

    Raises:
        FileNotFoundError: The folder has no `truth.json`.
    """
    truth = truth_of(folder)
    if truth is None:
        raise FileNotFoundError(folder / "truth.json")
    return pa.concat_tables([_people_in(shop) for shop in _shops(folder, truth)])


def ids_of_people(events: pa.Table) -> pa.Table:
    """Return one row per person in rows of `people_of_events`: `person_id`,
    `user_ids` and `anonymous_ids`, sorted.
    """
    people = events.filter(pc.invert(events["is_bot"])).group_by("person_id")
    ids = people.aggregate([("user_id", "distinct"), ("anonymous_id", "distinct")])
    lists = {
        name: pa.array(
            [sorted(filter(None, ids_of_person)) for ids_of_person in ids[column].to_pylist()],
            pa.list_(pa.string()),
        )
        for name, column in (
            ("user_ids", "user_id_distinct"),
            ("anonymous_ids", "anonymous_id_distinct"),
        )
    }
    return pa.table({"person_id": ids["person_id"], **lists}).sort_by("person_id")


def _shops(folder: Path, truth: Truth) -> Iterator[Shop]:
    """Yield the simulations that made the files: one, or one of each month."""
    settings = truth["settings"]
    if is_living(truth):
        living = LivingShop.in_folder(folder, last_day(truth))
        for month in months_between(first_day(truth), living.until):
            yield living.month(month)
    else:
        opened = date.fromisoformat(settings["first_day"])
        cast = cast_of(settings["days"], settings["visitors"], settings["seed"], opened)
        yield Shop(settings["seed"], cast)


def _people_in(shop: Shop) -> pa.Table:
    """Return the people of one simulation's events."""
    rows: Rows = joined([batch.arrived[batch.arrived["flaw"] == 0] for batch in shop.simulate()])
    rows = rows[np.unique(rows["number"], return_index=True)[1]]
    return pa.table(
        {
            "event_id": shop.columns.ids("event", rows["number"]),
            "person_id": pc.cast(pa.array(known_customer_id(rows["visitor"])), pa.string()),
            "user_id": user_ids(rows),
            "anonymous_id": shop.columns.ids("cookie", rows["cookie"]),
            "is_bot": rows["visitor"] >= shop.cast.first_bot,
        }
    )
