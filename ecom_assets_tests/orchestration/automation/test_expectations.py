"""What Dagster's UI knows of assets: owners, tags, kinds, descriptions,
and when one of them is out of date.
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.definitions.freshness_evaluator import CronFreshnessPolicyEvaluator
from dagster._core.loader import LoadingContextForTest
from dagster._core.test_utils import freeze_time

from ecom_assets.behaviour.sessions.assets import SESSION_ASSETS
from ecom_assets.core.settings.settings import Settings
from ecom_assets.definitions import build_definitions, without_source

BERLIN = Settings(timezone="Europe/Berlin")
NIGHT = datetime(2026, 3, 10, 1, 20, tzinfo=UTC)
"""Twenty past two in Berlin, when a nightly run writes the tables."""
SESSIONS = SESSION_ASSETS[0].key


@pytest.fixture(scope="module")
def graph() -> AssetGraph:
    return build_definitions(BERLIN).resolve_asset_graph()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance in which the sessions were written at night."""
    with dg.DagsterInstance.ephemeral() as instance, freeze_time(NIGHT):
        instance.report_runless_asset_event(dg.AssetMaterialization(SESSIONS))
        yield instance


def test_every_asset_has_an_owner_a_meaning_a_kind_and_tags(graph: AssetGraph) -> None:
    for key in graph.materializable_asset_keys:
        node = graph.get(key)
        assert (bool(node.owners), bool(node.description), bool(node.kinds)) == (
            True,
            True,
            True,
        ), key
        assert node.tags["layer"] == key.path[0], key


@pytest.mark.parametrize(
    ("table", "tags"),
    [
        ("mart/sessions", {"layer": "mart", "partitions": "daily", "personal_data": "yes"}),
        ("mart/revenue_daily", {"layer": "mart", "partitions": "daily", "personal_data": "no"}),
        ("mart/lifetime_value", {"layer": "mart", "partitions": "none", "personal_data": "yes"}),
    ],
)
def test_tags_say_which_tables_name_people(
    graph: AssetGraph, table: str, tags: dict[str, str]
) -> None:
    actual = graph.get(dg.AssetKey(table.split("/"))).tags
    assert {name: actual[name] for name in tags} == tags


def test_what_has_no_source_is_not_expected(graph: AssetGraph) -> None:
    unexpected = {
        key for key in graph.materializable_asset_keys if graph.get(key).freshness_policy is None
    }
    assert unexpected == without_source(BERLIN) & graph.materializable_asset_keys
    own = Settings(events="some/events")
    of_own = build_definitions(own).resolve_asset_graph()
    assert of_own.get(dg.AssetKey(["mart", "sales"])).freshness_policy is None
    assert of_own.get(SESSIONS).freshness_policy is not None


@pytest.mark.parametrize(
    ("later", "state"),
    [
        (timedelta(hours=20), FreshnessState.PASS),
        (timedelta(days=1), FreshnessState.PASS),
        (timedelta(days=1, hours=1, minutes=39), FreshnessState.PASS),
        (timedelta(days=1, hours=1, minutes=41), FreshnessState.FAIL),
        (timedelta(days=9), FreshnessState.FAIL),
    ],
)
def test_a_table_that_a_night_left_out_fails_at_four_in_the_reporting_zone(
    graph: AssetGraph, instance: dg.DagsterInstance, later: timedelta, state: FreshnessState
) -> None:
    with freeze_time(NIGHT + later):
        context = LoadingContextForTest(instance)
        evaluated = CronFreshnessPolicyEvaluator().evaluate_freshness(context, graph.get(SESSIONS))
        assert asyncio.run(evaluated) is state
