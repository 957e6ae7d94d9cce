"""Runs as OpenLineage events, at a real receiver: from `ecom run`, from the daemon's sensor,
and when it fails.
"""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.sessions.contracts import EngagementDaily, SessionDays, Sessions
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.engine import DatasetNames
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.definitions import lineage_tables, sensors
from ecom_assets.orchestration.automation import openlineage
from ecom_assets.orchestration.automation.openlineage import Lineage, lineage_sensor
from ecom_assets_tests.command import FEW_TABLES, CommandResult, ecom, page_views
from ecom_assets_tests.orchestration.automation.lineage_receiver import Event, Receiver, receiving
from ecom_assets_tests.ports import free_port

pytestmark = pytest.mark.xdist_group("openlineage")
KEY = "receivers-key"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture(scope="module")
def reported(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[CommandResult, Receiver, Path]]:
    """A run of a few tables, over two page views, with a receiver."""
    folder = tmp_path_factory.mktemp("lineage")
    events = page_views(folder / "events.csv", "2026-03-01", "2026-03-02")
    with receiving() as server:
        env = {"ECOM_OPENLINEAGE_URL": server.url, "ECOM_OPENLINEAGE_API_KEY": KEY}
        result = ecom(
            "run", "--events", events, *FEW_TABLES, "--json", home=folder / "home", env=env
        )
        yield result, server, folder / "home"


def states(events: list[Event]) -> list[str]:
    return [event["eventType"] for event in events]


def lineage_to(url: str) -> Lineage:
    settings = Settings(openlineage_url=url)
    return Lineage.from_settings(
        settings, DatasetNames("duckdb:////data/shop.duckdb"), lineage_tables(settings)
    )


@pytest.mark.slow
def test_a_run_begins_has_its_tables_and_ends_and_the_daemon_has_no_news(
    reported: tuple[CommandResult, Receiver, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    result, receiver, home = reported
    assert result.exit_code == 0
    assert (receiver.paths, receiver.keys) == ({"/api/v1/lineage"}, {f"Bearer {KEY}"})
    first, *of_tables, last = receiver.events
    assert [(row["eventType"], row["job"]["name"]) for row in (first, last)] == [
        ("START", "everything"),
        ("COMPLETE", "everything"),
    ]
    assert {row["run"]["runId"] for row in (first, last)} == {result.json["run_id"]}
    assert {table["job"]["name"] for table in of_tables} == set(result.json["written"])
    for name in result.json["written"]:
        began, ended = receiver.named(name)
        assert states([began, ended]) == ["START", "COMPLETE"]
        assert began["run"]["runId"] == ended["run"]["runId"] != result.json["run_id"]
        assert ended["run"]["facets"]["parent"]["run"]["runId"] == result.json["run_id"]
        assert began["eventTime"] <= ended["eventTime"]
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    with dg.DagsterInstance.get() as instance:
        assert looked(receiver.url, instance) == "No news."


@pytest.mark.slow
def test_tables_have_inputs_schema_rows_and_column_lineage(
    reported: tuple[CommandResult, Receiver, Path],
) -> None:
    _, receiver, home = reported
    ended = receiver.named("mart.engagement_daily")[-1]
    assert {input_["name"] for input_ in ended["inputs"]} == {
        Sessions.qualified_name(),
        SessionDays.qualified_name(),
    }
    (written,) = ended["outputs"]
    assert (written["namespace"], written["name"]) == (
        f"duckdb://{home}/warehouse.duckdb",
        "mart.engagement_daily",
    )
    fields = written["facets"]["schema"]["fields"]
    assert {field["name"]: (field["type"], field["description"]) for field in fields} == {
        name: (column.type, column.description) for name, column in EngagementDaily.columns.items()
    }
    assert written["outputFacets"]["outputStatistics"]["rowCount"] == 2
    lineage = written["facets"]["columnLineage"]["fields"]["engaged_session_count"]["inputFields"]
    assert ("mart.sessions", "is_engaged") in {(row["name"], row["field"]) for row in lineage}


def test_the_daemon_sends_nothing_that_a_run_sent_itself(receiver: Receiver) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = small_run(instance)
        assert lineage_to(receiver.url).deliver_run(instance, run, 50.0).count == 4
        assert looked(receiver.url, instance) == "No news."
    assert len(receiver.events) == 4


def looked(url: str, instance: dg.DagsterInstance) -> str:
    """Return what the sensor says, when it looks as if it had last looked an hour ago."""
    since = datetime.now(UTC) - timedelta(hours=1)
    sensor = lineage_sensor(lineage_to(url))
    actual = sensor.evaluate_tick(
        dg.build_sensor_context(instance=instance, cursor=since.isoformat())
    )
    return actual.skip_message or ""


def small_run(instance: dg.DagsterInstance, *, fails: bool = False) -> dg.DagsterRun:
    """Run an asset with the key of a table."""

    @dg.asset(key=["mart", "sessions"])
    def sessions() -> dg.MaterializeResult[None]:
        if fails:
            raise RuntimeError("the disk is full")
        deps = {
            "session_id": [dg.TableColumnDep(dg.AssetKey(["mart", "session_days"]), "visitor_id")]
        }
        lineage = dg.TableColumnLineage(deps_by_column=deps)
        return dg.MaterializeResult(metadata={"rows_written": 7, "dagster/column_lineage": lineage})

    actual = dg.materialize([sessions], instance=instance, raise_on_error=False)
    run = instance.get_run_by_id(actual.run_id)
    assert run is not None
    return run


def test_a_receiver_that_was_down_gets_everything_later_and_once(receiver: Receiver) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = small_run(instance)
        receiver.answers = [201, 201, 503]
        assert looked(receiver.url, instance) == (
            f"{receiver.url} did not take all events of run {run.run_id}, as it answered 503."
        )
        assert states(receiver.events) == ["START", "START"]
        assert looked(receiver.url, instance) == "Sent 2 events."
        assert states(receiver.events) == ["START", "START", "COMPLETE", "COMPLETE"]
        assert looked(receiver.url, instance) == "No news."
    assert len(receiver.events) == 4


def test_an_event_that_is_not_wanted_is_passed_over(receiver: Receiver) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        small_run(instance)
        receiver.answers = [201, 400]
        assert looked(receiver.url, instance) == "Sent 4 events."
    assert states(receiver.events) == ["START", "COMPLETE", "COMPLETE"]


def test_a_failed_run_says_what_failed(receiver: Receiver) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        small_run(instance, fails=True)
        looked(receiver.url, instance)
    assert states(receiver.events) == ["START", "START", "FAIL", "FAIL"]
    assert states(receiver.named("mart.sessions")) == ["START", "FAIL"]
    failed = receiver.named("mart.sessions")[-1]
    assert failed["run"]["facets"]["errorMessage"]["message"] == "mart/sessions: the disk is full"
    assert failed["outputs"][0]["outputFacets"] == {}


def test_a_slow_receiver_is_given_up_in_time(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openlineage, "REQUEST_TIMEOUT_S", 0.2)
    is_given_up = threading.Event()
    receiver.before_answer = lambda: is_given_up.wait(60)
    with dg.DagsterInstance.ephemeral() as instance:
        run = small_run(instance)
        began = time.monotonic()
        actual = lineage_to(receiver.url).deliver_run(instance, run, 50.0)
        took_s = time.monotonic() - began
    is_given_up.set()
    assert (actual.count, actual.trouble) == (0, "it was not reached (ReadTimeout)")
    assert receiver.request_count <= 1, "the first event, once"
    assert took_s < 40, "less than the time for the run, and than the time of the answer"


def test_what_takes_too_long_altogether_is_left_to_the_next_look(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds: list[float] = []
    receiver.before_answer = lambda: seconds.append(0.15)
    with dg.DagsterInstance.ephemeral() as instance:
        run = small_run(instance)
        monkeypatch.setattr(openlineage, "time", SimpleNamespace(monotonic=lambda: sum(seconds)))
        actual = lineage_to(receiver.url).deliver_run(instance, run, 0.2)
    assert (actual.count, actual.trouble) == (2, "it took more than 0.2 s")
    assert states(receiver.events) == ["START", "START"]


@pytest.mark.slow
def test_a_dead_receiver_neither_fails_nor_holds_up_a_run(tmp_path: Path) -> None:
    events = page_views(tmp_path / "events.csv", "2026-03-01")
    env = {"ECOM_OPENLINEAGE_URL": "http://127.0.0.1:9"}
    result = ecom("run", "--events", events, *FEW_TABLES, home=tmp_path / "home", env=env)
    assert result.exit_code == 0
    assert (
        "ECOM_OPENLINEAGE_URL=http://127.0.0.1:9 does not answer; the daemon, if it runs, sends "
        "the rest." in result.err
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "namespace", "name"),
    [
        ("duckdb:///data/shop.duckdb", "duckdb:///data/shop.duckdb", "staging.events"),
        ("postgres://shop@db.example/shop", "postgres://db.example:5432", "shop.staging.events"),
        ("snowflake://me@acme-eu/SHOP/MAIN", "snowflake://acme-eu", "SHOP.staging.events"),
    ],
)
def test_tables_are_named_as_the_standard_names_them(
    address: str, namespace: str, name: str
) -> None:
    settings = Settings(warehouse=address, snowflake_password="p")  # noqa: S106 (of nobody)
    names = new_engine(settings).dataset_names()
    assert (names.namespace, names.name_of(CleanEvents.layer, CleanEvents.name)) == (
        namespace,
        name,
    )


def test_without_a_receiver_there_is_no_sensor() -> None:
    assert "openlineage" not in {sensor.name for sensor in sensors(Settings())}
    assert "openlineage" in {
        sensor.name for sensor in sensors(Settings(openlineage_url="http://127.0.0.1:5000"))
    }


def lineage_line(home: Path, **env: str) -> str:
    """Return the line of `ecom doctor` about lineage."""
    result = ecom("doctor", "--json", home=home, env=env)
    (actual,) = (load for load in json.loads(result.out) if load["subject"] == "lineage")
    return f"{'ok' if actual['ok'] else 'FAIL'} {actual['found']}"


def test_doctor_says_in_a_line_whether_the_receiver_can_be_reached(
    tmp_path: Path, receiver: Receiver
) -> None:
    home, at = tmp_path / "home", {"ECOM_OPENLINEAGE_URL": receiver.url}
    assert lineage_line(home) == "ok none set; runs are not reported as OpenLineage events"
    assert lineage_line(home, **at) == f"ok {receiver.url} answers; each run is reported to it"
    assert receiver.paths == {"/api/v1/lineage"}, "where events go to"
    refused = lineage_line(home, **at, ECOM_OPENLINEAGE_API_KEY="wrong")
    assert refused == f"FAIL {receiver.url} refuses the key (401)"
    nobody = f"http://127.0.0.1:{free_port()}"
    assert (
        lineage_line(home, ECOM_OPENLINEAGE_URL=nobody)
        == f"FAIL {nobody} was not reached (ConnectionError)"
    )
    assert receiver.events == [], "a look sends no event"
