"""Events from a table of Snowflake: the same rows as from a file, fetched by day, and again only where they changed."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ecom_assets.assets.raw import EVENT_TABLE
from ecom_assets.automation.event_table_sensor import event_table_sensor
from ecom_assets.contracts.events import RawEvents
from ecom_assets.definitions import build_definitions
from ecom_assets.errors import ConnectionLostError, SettingError, SourceError, WarehouseError
from ecom_assets.settings import Settings
from ecom_assets.sources.event_files import EventFiles
from ecom_assets.sources.event_mapping import load_mapping
from ecom_assets.sources.event_table import EventTable, opened_table
from ecom_assets.transforms.days import Days
from ecom_assets.warehouse.day_by_day import DayByDay, replace_day_by_day
from ecom_assets.warehouse.duckdb import connect
from ecom_assets.warehouse.engine import Engine
from ecom_assets.warehouse.opening import new_engine
from ecom_assets.warehouse.snowflake import SnowflakeEngine
from ecom_assets_tests.command import HEADER, ecom
from ecom_assets_tests.engines.snowflake_server import plan_fault

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 3, 30, 12, tzinfo=UTC)
DAYS = Days.between(date(2026, 3, 24), date(2026, 3, 31))
SECRET = "hunter2"  # noqa: S105 (what must never be told)

FIELDS = (*HEADER.split(","), "received_at", "anonymous_id", "user_agent", "properties")
# Ann on the 28th, told a day later; Bob with an offset that makes it the 29th in Berlin; texts that are no times.
TEXTS = """
e1|ann|product_view|2026-03-28T10:00:00Z|lamp|light|s1|https://a.io|||2026-03-29T01:00:00Z|a|Opera|{"b": 1,  "a": 2.50}
e2|bob|purchase|2026-03-28T23:30:00+01:00|||s2|||19.999|2026-03-28T22:45:00.123456Z|||
e3|bob|purchase|2026-03-28 23:30:00|||s2|||1e2|2026-03-28 23:59:59|||
e3|bob|purchase|2026-03-28 23:30:00|||s2|||1e2|2026-03-28 23:59:59|||
e4|Zoë|page_view|yesterday|||s3||||2026-03-30T09:00:00-05:30|||
|eva|page_view|2026-03-29T00:00:00.5Z|||s3|||twelve|2026-03-29T00:00:01Z|||
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def account(snowflake_url: str) -> Iterator[SnowflakeEngine]:
    """The account's own connection, by which tests put rows into tables."""
    engine = new_engine(Settings(warehouse=snowflake_url))
    assert isinstance(engine, SnowflakeEngine)
    yield engine.open()
    engine.close()


def address(snowflake_url: str, path: str = "/SALES/ECOMMERCE_EVENTS") -> str:
    """Return the address of a table in the database."""
    place, _, query = snowflake_url.partition("?")
    return f"{place}{path}?{query}"


def rows_of(texts: str) -> list[dict[str, str]]:
    return [dict(zip(FIELDS, line.split("|"), strict=True)) for line in texts.strip().splitlines()]


def fill(account: SnowflakeEngine, rows: list[dict[str, str]], kinds: Mapping[str, str] | None = None) -> None:
    """Make the table with columns of text, but for those in `kinds`, and put rows into it."""
    kinds = kinds or {}
    columns = ", ".join(f"{name} {kinds.get(name, 'VARCHAR')}" for name in FIELDS)
    account.execute("CREATE SCHEMA IF NOT EXISTS sales")
    account.execute(f"CREATE TABLE IF NOT EXISTS sales.ecommerce_events ({columns})")
    add(account, rows, kinds)


def add(account: SnowflakeEngine, rows: list[dict[str, str]], kinds: Mapping[str, str] | None = None) -> None:
    for row in rows:
        values = [_value(row[name], (kinds or {}).get(name, "VARCHAR")) for name in FIELDS]
        account.execute(f"INSERT INTO sales.ecommerce_events SELECT {', '.join(values)}")


def _value(text: str, kind: str) -> str:
    quoted = "'" + text.replace("'", "''") + "'"
    if not text:
        return "NULL"
    return f"PARSE_JSON({quoted})" if kind == "VARIANT" else f"CAST({quoted} AS {kind})"


def from_file(folder: Path, rows: list[dict[str, str]], timezone: str) -> list[dict[str, Any]]:
    """Return what the file reader makes of the same rows."""
    lines = ["|".join(FIELDS), *("|".join(row.values()) for row in rows)]
    file = folder / "events.csv"
    file.write_text("\n".join(lines).replace('"', '""').replace("|", '"|"').replace("\n", '"\n"').join('""') + "\n")
    mapping = load_mapping("ecommerce").model_copy(update={"delimiter": "|"})
    con = connect().con
    found = con.execute(EventFiles.open(con, [file], mapping, timezone).received_sql())
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def settings_of(home: Path, events: str, **more: Any) -> Settings:
    return Settings(home=home, events=events, late_days=6, **more)


def stored(engine: Engine) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = engine.table(RawEvents).to_pyarrow().to_pylist()
    return found


def in_order(rows: list[dict[str, Any]]) -> list[list[Any]]:
    ignored = {"source", "source_file", "event_date"}
    return sorted(([value for name, value in row.items() if name not in ignored] for row in rows), key=repr)


@pytest.mark.parametrize("timezone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_texts_become_the_rows_that_a_file_of_them_gives(
    account: SnowflakeEngine, snowflake_url: str, home: Path, tmp_path: Path, timezone: str
) -> None:
    fill(account, rows_of(TEXTS))
    settings = settings_of(home, address(snowflake_url), timezone=timezone)
    with opened_table(settings, now=lambda: NOON) as table:
        found = table.rows(DAYS).to_pyarrow().to_pylist()
    expected = from_file(tmp_path, rows_of(TEXTS), timezone)
    assert len(expected) == 6
    names = list(expected[0])
    assert in_order([{name: row[name] for name in names} for row in found]) == in_order(expected)
    assert {row["source_file"] for row in found} == {f"{account.place.database}.SALES.ECOMMERCE_EVENTS"}
    assert {row["source"] for row in found} == {address(snowflake_url).replace(f":{SECRET}", "").partition("?")[0]}


SHIPPED = {
    "event_timestamp": "TIMESTAMP_NTZ(6)",
    "cart_value": "NUMBER(18, 2)",
    "properties": "VARIANT",
    "received_at": "TIMESTAMP_NTZ(6)",
}
TYPED = """
e1|ann|product_view|2026-03-28 10:00:00|lamp|light|s1|https://shop.example|||2026-03-29 01:00:00|a-1|Opera|{"a":[1,2]}
e2|bob|purchase|2026-03-28 22:30:00.250|||s2|||20.00|2026-03-28 22:45:00.123456|||
e3|bob|page_view|2026-03-30 08:00:00|||s2||||2026-03-30 08:00:01|||
"""


def ship(account: SnowflakeEngine) -> None:
    """Make the table by the statement that is shipped, and put rows into it."""
    statement = (ROOT / "deploy" / "snowflake" / "ecommerce_events.sql").read_text().strip().removesuffix(";")
    account.execute("CREATE SCHEMA IF NOT EXISTS sales")
    account.execute(statement.replace("EXISTS ECOMMERCE_EVENTS", "EXISTS SALES.ECOMMERCE_EVENTS"))
    names = ", ".join(FIELDS)
    for row in rows_of(TYPED):
        values = ", ".join(_value(row[name], SHIPPED.get(name, "VARCHAR")) for name in FIELDS)
        account.execute(f"INSERT INTO sales.ecommerce_events ({names}) SELECT {values}")


def test_the_table_that_is_shipped_gives_times_money_and_json_as_text_too(
    account: SnowflakeEngine, snowflake_url: str, home: Path
) -> None:
    ship(account)
    with opened_table(settings_of(home, address(snowflake_url)), now=lambda: NOON) as table:
        found = {row["event_id"]: row for row in table.rows(DAYS).to_pyarrow().to_pylist()}
    assert found["e2"]["event_timestamp"] == "2026-03-28 22:30:00.25"
    assert found["e2"]["event_at"] == datetime(2026, 3, 28, 22, 30, 0, 250_000)  # noqa: DTZ001 (instants are UTC without saying so)
    assert (found["e2"]["cart_value"], str(found["e2"]["cart_amount"])) == ("20.00", "20.00")
    assert found["e1"]["properties"] == '{"a":[1,2]}'
    assert (found["e1"]["event_date"], found["e1"]["received_date"]) == (date(2026, 3, 28), date(2026, 3, 29))


@pytest.mark.parametrize("kind", ["TIMESTAMP_TZ", "TIMESTAMP_LTZ"])
def test_times_with_a_zone_are_told_with_it(
    account: SnowflakeEngine, snowflake_url: str, home: Path, kind: str
) -> None:
    row = dict.fromkeys(FIELDS, "") | {"event_id": "e1", "event_timestamp": "2026-03-28 10:00:00+02:00"}
    fill(account, [row], {"event_timestamp": kind})
    with opened_table(settings_of(home, address(snowflake_url)), now=lambda: NOON) as table:
        [found] = table.rows(DAYS).to_pyarrow().to_pylist()
    assert found["event_timestamp"] == "2026-03-28 08:00:00+00"
    assert found["event_at"] == datetime(2026, 3, 28, 8)  # noqa: DTZ001 (likewise)


def fetch(settings: Settings, engine: Engine) -> int:
    """Fetch the days into a warehouse elsewhere; return how many rows were fetched."""
    with opened_table(settings, now=lambda: NOON) as table:
        return replace_day_by_day(engine, RawEvents, DayByDay(table, DAYS)).row_count


@pytest.fixture
def warehouse(home: Path) -> Iterator[Engine]:
    engine = new_engine(Settings(home=home)).open()
    yield engine
    engine.close()


def test_a_day_is_fetched_once_and_again_when_a_row_of_it_changed(
    account: SnowflakeEngine, snowflake_url: str, home: Path, warehouse: Engine
) -> None:
    ship(account)
    settings = settings_of(home, address(snowflake_url))
    assert fetch(settings, warehouse) == 3
    before = stored(warehouse)
    assert fetch(settings, warehouse) == 0
    assert stored(warehouse) == before
    account.execute("UPDATE sales.ecommerce_events SET page_url = 'https://shop.example/x' WHERE event_id = 'e2'")
    assert fetch(settings, warehouse) == 1
    assert {row["page_url"] for row in stored(warehouse) if row["event_id"] == "e2"} == {"https://shop.example/x"}
    account.execute("DELETE FROM sales.ecommerce_events WHERE event_id = 'e1'")
    assert fetch(settings, warehouse) == 0
    assert sorted(row["event_id"] for row in stored(warehouse)) == ["e2", "e3"]


def test_a_day_whose_rows_went_missing_here_is_fetched_again(
    account: SnowflakeEngine, snowflake_url: str, home: Path, warehouse: Engine
) -> None:
    ship(account)
    settings = settings_of(home, address(snowflake_url))
    assert fetch(settings, warehouse) == 3
    warehouse.clear([RawEvents])
    assert fetch(settings, warehouse) == 3


def test_a_run_that_was_killed_goes_on_where_it_stopped(
    account: SnowflakeEngine, snowflake_url: str, home: Path, warehouse: Engine
) -> None:
    ship(account)
    settings = settings_of(home, address(snowflake_url))
    commits = 0

    def stop_at_the_second_day_with_rows(step: str) -> None:
        nonlocal commits
        if step == "slice_written" and warehouse.row_count(RawEvents) == 2:
            raise KeyboardInterrupt

    warehouse.on_step = stop_at_the_second_day_with_rows
    with pytest.raises(KeyboardInterrupt):
        fetch(settings, warehouse)
    warehouse.on_step = lambda _step: None
    assert warehouse.row_count(RawEvents) == 1, "the 28th was done, the 29th was not"
    assert fetch(settings, warehouse) == 2
    assert warehouse.row_count(RawEvents) == 3


def test_a_connection_that_breaks_off_is_mended_and_each_day_is_whole(  # noqa: PLR0913, PLR0917 (fixtures)
    account: SnowflakeEngine,
    snowflake_url: str,
    snowflake_server_port: int,
    home: Path,
    warehouse: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ecom_assets.warehouse.day_by_day.RETRY_PAUSES_S", (0.0,))
    ship(account)
    settings = settings_of(home, address(snowflake_url))
    plan_fault(snowflake_server_port, "^SELECT.*received_date.*2026-03-29.*malformed", gone=True)
    assert fetch(settings, warehouse) == 3
    assert sorted(row["event_id"] for row in stored(warehouse)) == ["e1", "e2", "e3"]


def test_a_connection_that_stays_lost_and_a_refusal_are_said(  # noqa: PLR0913, PLR0917 (fixtures)
    account: SnowflakeEngine,
    snowflake_url: str,
    snowflake_server_port: int,
    home: Path,
    warehouse: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ecom_assets.warehouse.day_by_day.RETRY_PAUSES_S", (0.0,))
    ship(account)
    settings = settings_of(home, address(snowflake_url))
    plan_fault(snowflake_server_port, "^SELECT", errno=606, message="No active warehouse selected.")
    with pytest.raises(WarehouseError, match=r"resume the warehouse that ECOM_EVENTS names") as refusal:
        fetch(settings, warehouse)
    assert SECRET not in str(refusal.value)
    plan_fault(snowflake_server_port, "TO_VARCHAR", gone=True, times=2)
    with pytest.raises(ConnectionLostError, match="the connection was lost"):
        fetch(settings, warehouse)


def test_in_the_same_account_nothing_is_fetched(account: SnowflakeEngine, snowflake_url: str, home: Path) -> None:
    ship(account)
    settings = settings_of(home, address(snowflake_url), warehouse=snowflake_url)
    table = EventTable(settings, warehouse=account, now=lambda: NOON)
    assert table.is_in_warehouse
    assert table.con is account.con
    written = account.replace(RawEvents, table.rows(DAYS), DAYS)
    assert written.row_count == 3
    assert "COPY" not in written.sql
    table.close()
    assert account.row_count(RawEvents) == 3, "closing the source leaves the warehouse open"


def test_an_account_elsewhere_is_not_the_warehouse_s(snowflake_url: str, account: SnowflakeEngine, home: Path) -> None:
    other = address(snowflake_url).replace("@standin", "@elsewhere")
    assert not EventTable(settings_of(home, other), warehouse=account).is_in_warehouse


@pytest.mark.parametrize(
    ("path", "more", "why"),
    [
        ("", {}, "names no table; write snowflake://"),
        ("/A/B/C", {}, "names no table; write snowflake://"),
        ("/EVENTS", {"events_mapping": "rees46"}, "ECOM_EVENTS_MAPPING='rees46' is for files"),
    ],
)
def test_an_address_without_a_table_is_refused(
    snowflake_url: str, home: Path, path: str, more: dict[str, Any], why: str
) -> None:
    with pytest.raises(SettingError, match=why):
        EventTable(settings_of(home, address(snowflake_url, path), **more))


def test_a_table_that_is_not_there_or_lacks_a_column_is_said(
    account: SnowflakeEngine, snowflake_url: str, home: Path
) -> None:
    settings = settings_of(home, address(snowflake_url))
    with opened_table(settings) as table, pytest.raises(SourceError, match=r"no table .*SALES\.ECOMMERCE_EVENTS that"):
        table.rows(DAYS)
    fill(account, [])
    account.execute("ALTER TABLE sales.ecommerce_events RENAME COLUMN user_id TO user_idx")
    with opened_table(settings) as table, pytest.raises(SourceError, match=r"has no column 'user_id'.*'user_idx'"):
        table.rows(DAYS)


def test_doctor_tells_what_arrived(account: SnowflakeEngine, snowflake_url: str, home: Path) -> None:
    ship(account)
    account.execute("UPDATE sales.ecommerce_events SET received_at = SYSDATE() WHERE event_id = 'e1'")
    said = ecom("doctor", home=home, env={"ECOM_EVENTS": address(snowflake_url)})
    assert "opens; 1 rows arrived from" in said.out
    assert SECRET not in said.out + said.err


def test_a_run_takes_the_days_asked_for(account: SnowflakeEngine, snowflake_url: str, home: Path) -> None:
    ship(account)
    words = ("run", "--json", "--from", "2026-03-28", "--to", "2026-03-30")
    said = ecom(*words, home=home, env={"ECOM_EVENTS": address(snowflake_url)})
    assert said.exit_code == 0, said.err
    assert said.json["tables"]["raw.events"] == 3
    assert said.json["tables"]["staging.events"] == 3
    assert SECRET not in said.out + said.err


def test_a_run_without_days_takes_the_last_ones(account: SnowflakeEngine, snowflake_url: str, home: Path) -> None:
    ship(account)
    account.execute("UPDATE sales.ecommerce_events SET received_at = SYSDATE(), event_timestamp = SYSDATE()")
    said = ecom("run", "--json", home=home, env={"ECOM_EVENTS": address(snowflake_url)})
    assert said.exit_code == 0, said.err
    assert said.json["tables"]["raw.events"] == 3
    first, last = (date.fromisoformat(said.json["days"][end]) for end in ("from", "to"))
    assert (last - first).days == 7


def test_the_sensor_asks_for_the_days_that_new_rows_belong_to(
    account: SnowflakeEngine, snowflake_url: str, home: Path
) -> None:
    ship(account)
    sensor = event_table_sensor(settings_of(home, address(snowflake_url)), now=lambda: NOON)
    first = sensor(dg.build_sensor_context())
    assert isinstance(first, dg.SensorResult)
    [run] = first.run_requests or []
    # Rows came on the 28th, 29th and 30th; those of the 28th may belong to the 22nd.
    assert run.tags["dagster/asset_partition_range_start"] == "2026-03-22"
    assert run.tags["dagster/asset_partition_range_end"] == "2026-03-30"
    told = {str(one.partition): one.metadata["dagster/row_count"].value for one in first.asset_events}
    assert told == {"2026-03-28": 1, "2026-03-29": 1, "2026-03-30": 1}
    again = sensor(dg.build_sensor_context(cursor=first.cursor))
    assert isinstance(again, dg.SensorResult)
    assert not again.run_requests
    account.execute("UPDATE sales.ecommerce_events SET user_id = 'kim' WHERE event_id = 'e3'")
    later = sensor(dg.build_sensor_context(cursor=first.cursor))
    assert isinstance(later, dg.SensorResult)
    assert [one.tags["dagster/asset_partition_range_start"] for one in later.run_requests or []] == ["2026-03-24"]


def test_a_sensor_that_cannot_look_says_why(snowflake_url: str, home: Path) -> None:
    found = event_table_sensor(settings_of(home, address(snowflake_url)))(dg.build_sensor_context())
    assert isinstance(found, dg.SensorResult)
    assert "there is no table" in str(found.skip_reason)


def test_dagster_observes_each_day_s_version(account: SnowflakeEngine, snowflake_url: str, home: Path) -> None:
    ship(account)
    account.execute("UPDATE sales.ecommerce_events SET received_at = SYSDATE() WHERE event_id = 'e1'")
    definitions = build_definitions(settings_of(home, address(snowflake_url)))
    graph = definitions.resolve_asset_graph()
    assert graph.get(dg.AssetKey(["raw", "events"])).parent_keys == {EVENT_TABLE}
    assert EVENT_TABLE not in graph.materializable_asset_keys
    look = dg.define_asset_job("look", selection=dg.AssetSelection.assets(EVENT_TABLE))
    source = [
        one for one in definitions.assets or () if isinstance(one, dg.AssetsDefinition) and EVENT_TABLE in one.keys
    ]
    with dg.DagsterInstance.ephemeral() as instance:
        job = dg.Definitions(assets=source, jobs=[look]).resolve_job_def("look")
        assert job.execute_in_process(instance=instance).success
        today = datetime.now(UTC).date().isoformat()
        [seen] = [one for one in instance.fetch_observations(EVENT_TABLE, limit=5).records if one.partition_key]
    assert seen.partition_key == today
    assert seen.asset_observation is not None
    assert seen.asset_observation.metadata["dagster/row_count"].value == 1
    assert (seen.asset_observation.tags or {})["dagster/data_version"].startswith("1-")
