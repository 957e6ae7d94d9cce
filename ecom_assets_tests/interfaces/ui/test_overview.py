"""What the timeline of Dagster's Overview shows: it leaves out runs without a code location."""

from pathlib import Path

import dagster as dg
import pytest

from ecom_assets.orchestration.automation.instance.location import execute_in_location
from ecom_assets_tests.interfaces.ui.served_ui import DAGSTER_S_OWN, loaded

TIMELINE = """
{ runsOrError { ... on Runs { results {
    pipelineName status repositoryOrigin { repositoryName repositoryLocationName } } } } }"""


@pytest.mark.slow
@DAGSTER_S_OWN
def test_the_timeline_has_a_run_of_a_command(tmp_path: Path) -> None:
    @dg.op
    def step() -> None:
        """Do nothing."""

    @dg.job
    def everything() -> None:
        step()

    with loaded(tmp_path, {}) as location:
        result = execute_in_location(everything, location.instance, tags={"a": "b"})
        run = location.instance.get_run_by_id(result.run_id)
        (shown,) = location.ask(TIMELINE)["runsOrError"]["results"]
        assert "create_run_for_job" not in vars(location.instance)
    assert shown == {
        "pipelineName": "everything",
        "status": "SUCCESS",
        "repositoryOrigin": {
            "repositoryName": "__repository__",
            "repositoryLocationName": "ecom_assets",
        },
    }
    assert run is not None
    assert (run.tags["a"], run.tags["dagster/max_retries"]) == ("b", "0")
