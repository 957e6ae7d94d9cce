"""What a run notes of itself, from real Dagster runs of a table with a check."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ecom_assets.core.errors import SourceError
from ecom_assets.core.operations.queries import failing_checks, noted_tables
from ecom_assets.core.operations.run_notes import note_run

KEY = dg.AssetKey(["mart", "hats"])


class Shop:
    """A shop whose table of hats is made by a run, with a check that sees how many are missing."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        self.home = home
        self.instance = instance

    def run(self, *, missing: int = 0, broken: str = "") -> str:
        """Run with so many hats missing, or with an asset that fails; return the run's id."""

        @dg.asset(key=KEY)
        def hats() -> None:
            if broken:
                raise SourceError(broken)

        @dg.asset_check(asset=KEY, description="No hat is missing.")
        def all_hats_are_there() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(
                passed=not missing, metadata={"observed": missing, "limit": 0}
            )

        job = dg.define_asset_job("all")
        definitions = dg.Definitions(assets=[hats], asset_checks=[all_hats_are_there], jobs=[job])
        result = definitions.resolve_job_def("all").execute_in_process(
            instance=self.instance, raise_on_error=False
        )
        note_run(self.instance, result.run_id, self.home)
        note_run(self.instance, result.run_id, self.home)  # twice is the same as once
        return result.run_id


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with dg.DagsterInstance.ephemeral(str(tmp_path / "dagster")) as instance:
        yield Shop(tmp_path, instance)


def test_a_check_that_failed_is_listed_until_it_passes_and_says_since_when(shop: Shop) -> None:
    first = shop.run(missing=2)
    [failed] = failing_checks(shop.home)["checks"]
    assert (
        failed["table_name"],
        failed["check_name"],
        failed["observed"],
        failed["limit"],
        failed["run_id"],
    ) == (
        "mart.hats",
        "all_hats_are_there",
        "2",
        "0",
        first,
    )
    since = failed["failing_since"]
    shop.run(missing=1)
    [again] = failing_checks(shop.home)["checks"]
    assert (again["observed"], again["failing_since"]) == ("1", since)
    assert again["evaluated_at"] > since
    shop.run()
    assert failing_checks(shop.home) == {"checks": [], "evaluated_count": 1}


def test_a_table_says_when_it_was_written_last_and_what_the_last_run_failed_with(
    shop: Shop,
) -> None:
    assert noted_tables(shop.home) == {}
    shop.run()
    written = noted_tables(shop.home)["mart.hats"]
    assert (written["is_written"], written["sentence"]) == (True, "")
    failed = shop.run(broken="There are no hats; order some.")
    now = noted_tables(shop.home)["mart.hats"]
    assert (now["is_written"], now["sentence"], now["run_id"]) == (
        False,
        "There are no hats; order some.",
        failed,
    )
    assert now["written_at"] == written["written_at"]
    shop.run()
    assert noted_tables(shop.home)["mart.hats"]["sentence"] == ""
