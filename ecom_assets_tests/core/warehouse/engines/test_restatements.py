"""Every engine logs a changed number once, with the slice that changes it, or not at all.

Not here: what is logged when (`reconciliation/test_restatements.py`).
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ecom_assets.commerce.reconciliation.contracts import PublishedDays, Restatements
from ecom_assets.core.settings.settings import Settings
from ecom_assets_tests.core.warehouse.engines.warehouses import (
    OTHERS,
    on_one_worker_each,
    opened,
    settings_of,
)
from ecom_assets_tests.published_numbers import FRIDAY, MONDAY, TUESDAY, PublishedShop, number


@pytest.fixture(scope="module", params=on_one_worker_each(OTHERS))
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_of(request.param, request, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def shop(settings: Settings) -> Iterator[PublishedShop]:
    engine = opened(settings)
    yield PublishedShop(engine)
    engine.close()


def test_a_changed_number_is_logged_once_beside_those_of_other_tables(shop: PublishedShop) -> None:
    shop.arrive(("e1", MONDAY, MONDAY))
    for run, visits in (("run 1", 10), ("run 2", 11)):
        shop.publish_others(run, (MONDAY, TUESDAY), visits)
        shop.publish(run, (MONDAY, TUESDAY), number(MONDAY, visits), number(TUESDAY, 4, "Rome"))
    shop.arrive(("e1", MONDAY, MONDAY), ("e2", MONDAY, TUESDAY), ("e3", TUESDAY, FRIDAY))
    for run in ("run 3", "run 4"):
        shop.publish(run, (MONDAY, TUESDAY), number(MONDAY, 12, share=0.25))
    logged = [
        (
            row["restated_date"],
            row["table_name"][5:],
            row["restatement_number"],
            row["row_key"][10:14],
            row["column_name"],
            row["before_value"],
            row["after_value"],
            row["difference"],
            row["cause"],
            row["late_row_count"],
            json.loads(row["late_row_ids"] or "[]"),
            row["run_id"],
        )
        for row in shop.rows(Restatements)
    ]
    none: tuple[Any, ...] = ("definition_changed", 0, [], "run 2")
    assert logged == [
        (MONDAY, "daily_numbers", 1, 'all"', "visits", 10, 11, 1, *none),
        (
            MONDAY,
            "daily_numbers",
            2,
            'all"',
            "share",
            0.5,
            0.25,
            -0.25,
            "late_rows",
            1,
            ["e2"],
            "run 3",
        ),
        (MONDAY, "daily_numbers", 2, 'all"', "visits", 11, 12, 1, "late_rows", 1, ["e2"], "run 3"),
        (MONDAY, "other_numbers", 1, 'all"', "visits", 10, 11, 1, *none),
        (
            TUESDAY,
            "daily_numbers",
            1,
            "Rome",
            "share",
            0.5,
            None,
            None,
            "late_rows",
            1,
            ["e3"],
            "run 3",
        ),
        (
            TUESDAY,
            "daily_numbers",
            1,
            "Rome",
            "visits",
            4,
            None,
            -4,
            "late_rows",
            1,
            ["e3"],
            "run 3",
        ),
        (TUESDAY, "other_numbers", 1, 'all"', "visits", 10, 11, 1, *none),
    ]
    assert [(row["published_date"], row["row_count"]) for row in shop.rows(PublishedDays)] == [
        (MONDAY, 1),
        (MONDAY, 1),
        (TUESDAY, 0),
        (TUESDAY, 1),
    ]


def test_what_breaks_off_before_the_commit_leaves_the_old_numbers_and_no_entry(
    shop: PublishedShop,
) -> None:
    shop.publish("run 1", (MONDAY,), number(MONDAY, 10))
    shop.fail_at("slice_written")
    with pytest.raises(KeyboardInterrupt):
        shop.publish("run 2", (MONDAY,), number(MONDAY, 12))
    assert (shop.restatements(), shop.numbers()) == ([], [(MONDAY, "all", 10)])
    shop.fail_at("")
    for run in ("run 3", "run 4"):
        shop.publish(run, (MONDAY,), number(MONDAY, 12))
    assert shop.restatements() == [(MONDAY, 1, "all", 10, 12, 2)]
