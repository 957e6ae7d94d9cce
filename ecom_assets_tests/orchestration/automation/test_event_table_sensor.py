"""New rows in the table of events: runs are asked for, versions observed;
the command line takes such a table too.
"""

from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest

from ecom_assets.behaviour.events.assets import EVENT_TABLE
from ecom_assets.core.warehouse.engines.snowflake.engine import SnowflakeEngine
from ecom_assets.definitions import build_definitions
from ecom_assets.orchestration.automation.sensors import event_table_sensor
from ecom_assets_tests.command import ecom
from ecom_assets_tests.ingestion.sources.event_table_rows import (
    NOON,
    SECRET,
    address,
    settings_of,
    ship,
)


def test_doctor_reports_what_arrived(
    account: SnowflakeEngine, snowflake_url: str, home: Path
) -> None:
    ship(account)
    account.execute(
        "UPDATE sales.ecommerce_events SET received_at = SYSDATE() WHERE event_id = 'e1'"
    )
    result = ecom("doctor", home=home, env={"ECOM_EVENTS": address(snowflake_url)})
    assert "opens; 1 rows arrived from" in result.out
    assert SECRET not in result.out + result.err


def test_a_run_takes_the_days_asked_for(
    account: SnowflakeEngine, snowflake_url: str, home: Path
) -> None:
    ship(account)
    arguments = ("run", "--json", "--from", "2026-03-28", "--to", "2026-03-30")
    result = ecom(*arguments, home=home, env={"ECOM_EVENTS": address(snowflake_url)})
    assert result.exit_code == 0, result.err
    assert result.json["tables"]["raw.events"] == 3
    assert result.json["tables"]["staging.events"] == 3
    assert SECRET not in result.out + result.err


def test_a_run_without_days_takes_the_last_ones(
    account: SnowflakeEngine, snowflake_url: str, home: Path
) -> None:
    ship(account)
    account.execute(
        "UPDATE sales.ecommerce_events SET received_at = SYSDATE(), event_timestamp = SYSDATE()"
    )
    result = ecom("run", "--json", home=home, env={"ECOM_EVENTS": address(snowflake_url)})
    assert result.exit_code == 0, result.err
    assert result.json["tables"]["raw.events"] == 3
    first, last = (date.fromisoformat(result.json["days"][end]) for end in ("from", "to"))
    assert (last - first).days == 7


@pytest.mark.xdist_group("snowflake")
def test_the_sensor_asks_for_the_days_of_new_rows(
    account: SnowflakeEngine, snowflake_url: str, home: Path
) -> None:
    ship(account)
    sensor = event_table_sensor(settings_of(home, address(snowflake_url)), now=lambda: NOON)
    instance = dg.DagsterInstance.ephemeral()
    first = sensor(dg.build_sensor_context(instance))
    assert isinstance(first, dg.SensorResult)
    [run] = first.run_requests or []
    # Rows came on the 28th, 29th and 30th; those of the 28th may belong to the 22nd.
    assert run.tags["dagster/asset_partition_range_start"] == "2026-03-22"
    assert run.tags["dagster/asset_partition_range_end"] == "2026-03-30"
    answer = {
        str(event.partition): event.metadata["dagster/row_count"].value
        for event in first.asset_events
    }
    assert answer == {"2026-03-28": 1, "2026-03-29": 1, "2026-03-30": 1}
    again = sensor(dg.build_sensor_context(instance, cursor=first.cursor))
    assert isinstance(again, dg.SensorResult)
    assert not again.run_requests
    account.execute("UPDATE sales.ecommerce_events SET user_id = 'kim' WHERE event_id = 'e3'")
    later = sensor(dg.build_sensor_context(instance, cursor=first.cursor))
    assert isinstance(later, dg.SensorResult)
    assert [
        request.tags["dagster/asset_partition_range_start"] for request in later.run_requests or []
    ] == ["2026-03-24"]


def test_a_sensor_that_cannot_look_says_why(snowflake_url: str, home: Path) -> None:
    actual = event_table_sensor(settings_of(home, address(snowflake_url)))(
        dg.build_sensor_context()
    )
    assert isinstance(actual, dg.SensorResult)
    assert "there is no table" in str(actual.skip_reason)


def test_dagster_observes_each_day_s_version(
    account: SnowflakeEngine, snowflake_url: str, home: Path
) -> None:
    ship(account)
    account.execute(
        "UPDATE sales.ecommerce_events SET received_at = SYSDATE() WHERE event_id = 'e1'"
    )
    definitions = build_definitions(settings_of(home, address(snowflake_url)))
    graph = definitions.resolve_asset_graph()
    assert graph.get(dg.AssetKey(["raw", "events"])).parent_keys == {EVENT_TABLE}
    assert EVENT_TABLE not in graph.materializable_asset_keys
    look = dg.define_asset_job("look", selection=dg.AssetSelection.assets(EVENT_TABLE))
    source = [
        asset
        for asset in definitions.assets or ()
        if isinstance(asset, dg.AssetsDefinition) and EVENT_TABLE in asset.keys
    ]
    with dg.DagsterInstance.ephemeral() as instance:
        job = dg.Definitions(assets=source, jobs=[look]).resolve_job_def("look")
        assert job.execute_in_process(instance=instance).success
        today = datetime.now(UTC).date().isoformat()
        [seen] = [
            record
            for record in instance.fetch_observations(EVENT_TABLE, limit=5).records
            if record.partition_key
        ]
    assert seen.partition_key == today
    assert seen.asset_observation is not None
    assert seen.asset_observation.metadata["dagster/row_count"].value == 1
    assert (seen.asset_observation.tags or {})["dagster/data_version"].startswith("1-")
