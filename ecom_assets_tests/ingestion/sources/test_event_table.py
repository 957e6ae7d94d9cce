"""Events from a table of Snowflake: the rows that a file of them gives,
whatever types the columns have.
"""

import re
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.cli.run_days import DaysOfRun
from ecom_assets.core.errors import SettingError, SourceError
from ecom_assets.core.tables.days import DayRange
from ecom_assets.core.warehouse.engines.snowflake.engine import SnowflakeEngine
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.event_table import EventTable
from ecom_assets.ingestion.sources.files.mapping import load_mapping
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.first_partition import remember_sources
from ecom_assets_tests.ingestion.sources.event_table_rows import (
    DAYS,
    FIELDS,
    NOON,
    SECRET,
    address,
    fill,
    rows_of,
    settings_of,
    ship,
)
from ecom_assets_tests.outputs.serving.conftest import real_time

pytestmark = pytest.mark.xdist_group("snowflake")

# Ann on the 28th, received a day later; Bob with an offset that makes it the 29th in Berlin; texts
# that are no times.
TEXTS = """
e1|ann|product_view|2026-03-28T10:00:00Z|lamp|light|s1|https://a.io|||\
2026-03-29T01:00:00Z|a|Opera|{"b": 1,  "a": 2.50}
e2|bob|purchase|2026-03-28T23:30:00+01:00|||s2|||19.999|2026-03-28T22:45:00.123456Z|||
e3|bob|purchase|2026-03-28 23:30:00|||s2|||1e2|2026-03-28 23:59:59|||
e3|bob|purchase|2026-03-28 23:30:00|||s2|||1e2|2026-03-28 23:59:59|||
e4|Zoë|page_view|yesterday|||s3||||2026-03-30T09:00:00-05:30|||
|eva|page_view|2026-03-29T00:00:00.5Z|||s3|||twelve|2026-03-29T00:00:01Z|||
e5|Ann@X.de|page_view|2026-03-29T00:00:00Z| 7.0||s4||||2026-03-29T00:00:01Z|||
e6|'0123|page_view|2026-03-29T00:00:00Z|'A7||s5||||2026-03-29T00:00:01Z|||
e7| 100.0 |page_view|2026-03-29T00:00:00Z|007||s6||||2026-03-29T00:00:01Z|||
"""


def from_file(folder: Path, rows: list[dict[str, str]], timezone: str) -> list[dict[str, Any]]:
    """Return what the file reader makes of the same rows."""
    lines = ["|".join(FIELDS), *("|".join(row.values()) for row in rows)]
    file = folder / "events.csv"
    file.write_text(
        "\n".join(lines).replace('"', '""').replace("|", '"|"').replace("\n", '"\n"').join('""')
        + "\n"
    )
    mapping = load_mapping("ecommerce").model_copy(update={"delimiter": "|"})
    con = connect().con
    actual = con.execute(RecordFiles.open(con, [file], mapping, timezone).received_sql())
    names = [column[0] for column in actual.description or ()]
    return [dict(zip(names, row, strict=True)) for row in actual.fetchall()]


def in_order(rows: list[dict[str, Any]]) -> list[list[Any]]:
    ignored = {"source", "source_file", "event_date"}
    return sorted(
        ([value for name, value in row.items() if name not in ignored] for row in rows), key=repr
    )


@pytest.mark.slow
@pytest.mark.parametrize("timezone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_texts_become_the_rows_that_a_file_of_them_gives(
    account: SnowflakeEngine, snowflake_url: str, home: Path, tmp_path: Path, timezone: str
) -> None:
    fill(account, rows_of(TEXTS))
    settings = settings_of(home, address(snowflake_url), timezone=timezone)
    with closing(EventTable(settings, now=lambda: NOON)) as table:
        actual = table.rows(DAYS).to_pyarrow().to_pylist()
    expected = from_file(tmp_path, rows_of(TEXTS), timezone)
    assert len(expected) == 9
    names = list(expected[0])
    assert in_order([{name: row[name] for name in names} for row in actual]) == in_order(expected)
    assert {row["source_file"] for row in actual} == {
        f"{account.location.database}.SALES.ECOMMERCE_EVENTS"
    }
    assert {row["source"] for row in actual} == {
        address(snowflake_url).replace(f":{SECRET}", "").partition("?")[0]
    }


@pytest.mark.slow
def test_amounts_of_a_table_in_a_currency_without_a_rate_are_not_known(
    account: SnowflakeEngine, snowflake_url: str, home: Path
) -> None:
    """20 euros, and twice 100 dollars."""

    def amounts(currency: str = "") -> dict[Any, list[Any]]:
        settings = settings_of(home, address(snowflake_url), currency=currency)
        with closing(EventTable(settings, now=lambda: NOON)) as table:
            rows = table.rows(DAYS).to_pyarrow().to_pylist()
        assert len(rows) == 9
        names = sorted({row["unrated_currency"] for row in rows} - {None})
        unrated = [sum(row["unrated_currency"] == name for row in rows) for name in names]
        known = sorted(str(row["cart_amount"]) for row in rows if row["cart_amount"] is not None)
        return {"known": known, **dict(zip(names, unrated, strict=True))}

    fill(account, rows_of(TEXTS))
    account.execute("ALTER TABLE sales.ecommerce_events ADD COLUMN currency VARCHAR")
    account.execute(
        "UPDATE sales.ecommerce_events SET currency = CASE event_id WHEN 'e2' THEN 'eur' ELSE "
        "'USD' END"
    )
    assert amounts("EUR") == {"known": ["19.9990"], "USD": 2}
    assert amounts("USD") == {"known": ["100.0000", "100.0000"], "EUR": 1}
    by_itself = amounts()
    assert by_itself in (
        {"known": ["19.9990"], "USD": 2},
        {"known": ["100.0000", "100.0000"], "EUR": 1},
    )
    account.execute(
        "UPDATE sales.ecommerce_events SET currency = 'EUR' WHERE cart_value IS NOT NULL"
    )
    assert amounts() == {"known": ["100.0000", "100.0000", "19.9990"]}


def test_the_shipped_table_gives_times_money_and_json(
    account: SnowflakeEngine, snowflake_url: str, home: Path
) -> None:
    ship(account)
    with closing(EventTable(settings_of(home, address(snowflake_url)), now=lambda: NOON)) as table:
        actual = {row["event_id"]: row for row in table.rows(DAYS).to_pyarrow().to_pylist()}
    assert actual["e2"]["event_timestamp"] == "2026-03-28 22:30:00.25"
    assert actual["e2"]["event_at"] == datetime(2026, 3, 28, 22, 30, 0, 250_000)  # noqa: DTZ001 (instants are UTC without saying so)
    assert (actual["e2"]["cart_value"], str(actual["e2"]["cart_amount"])) == ("20.00", "20.0000")
    assert actual["e1"]["properties"] == '{"a":[1,2]}'
    assert (actual["e1"]["event_date"], actual["e1"]["received_date"]) == (
        date(2026, 3, 28),
        date(2026, 3, 29),
    )


def test_what_snowflakes_kafka_connector_fills_is_read_by_the_view_of_the_page(
    account: SnowflakeEngine, snowflake_url: str, home: Path
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "stream.md").read_text(encoding="utf-8")
    (view,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    account.execute("CREATE SCHEMA IF NOT EXISTS sales")
    account.execute(
        "CREATE TABLE sales.shop_events (record_metadata VARIANT, record_content VARIANT)"
    )
    account.execute(
        """INSERT INTO sales.shop_events SELECT PARSE_JSON(column1), PARSE_JSON(column2)
        FROM VALUES (
        '{"topic": "shop.events", "partition": 0, "offset": 7, "CreateTime": 1774744500000}',
        '{"event_id": "e1", "user_id": "ann", "event_type": "purchase", \
"event_timestamp": "2026-03-28T10:00:00+02:00",
          "cart_value": 19.99, "properties": {"a": [1, 2]}}')"""
    )
    account.execute(
        view.replace("ECOMMERCE_EVENTS", "sales.ecommerce_events").replace("SHOP", "sales.SHOP")
    )
    with closing(EventTable(settings_of(home, address(snowflake_url)), now=lambda: NOON)) as table:
        [row] = table.rows(DAYS).to_pyarrow().to_pylist()
    assert (row["event_id"], row["user_id"], str(row["cart_amount"])) == ("e1", "ann", "19.9900")
    assert (row["event_at"].hour, row["received_at"].isoformat()) == (8, "2026-03-29T00:35:00")
    assert row["properties"] == '{"a":[1,2]}'


@pytest.mark.parametrize("kind", ["TIMESTAMP_TZ", "TIMESTAMP_LTZ"])
def test_times_with_a_zone_keep_it(
    account: SnowflakeEngine, snowflake_url: str, home: Path, kind: str
) -> None:
    row = dict.fromkeys(FIELDS, "") | {
        "event_id": "e1",
        "event_timestamp": "2026-03-28 10:00:00+02:00",
    }
    fill(account, [row], {"event_timestamp": kind})
    with closing(EventTable(settings_of(home, address(snowflake_url)), now=lambda: NOON)) as table:
        [actual] = table.rows(DAYS).to_pyarrow().to_pylist()
    assert actual["event_timestamp"] == "2026-03-28 08:00:00+00"
    assert actual["event_at"] == datetime(2026, 3, 28, 8)  # noqa: DTZ001 (as above)


def test_an_account_elsewhere_is_not_the_warehouse_s(
    snowflake_url: str, account: SnowflakeEngine, home: Path
) -> None:
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
def test_addresses_need_a_table(
    snowflake_url: str, home: Path, path: str, more: dict[str, Any], why: str
) -> None:
    with pytest.raises(SettingError, match=why):
        EventTable(settings_of(home, address(snowflake_url, path), **more))


def test_a_missing_table_or_column_is_reported(
    account: SnowflakeEngine, snowflake_url: str, home: Path
) -> None:
    settings = settings_of(home, address(snowflake_url))
    with (
        closing(EventTable(settings)) as table,
        pytest.raises(SourceError, match=r"no table .*SALES\.ECOMMERCE_EVENTS that"),
    ):
        table.rows(DAYS)
    fill(account, [])
    account.execute("ALTER TABLE sales.ecommerce_events RENAME COLUMN user_id TO user_idx")
    with (
        closing(EventTable(settings)) as table,
        pytest.raises(SourceError, match=r"has no column 'user_id'.*'user_idx'"),
    ):
        table.rows(DAYS)


@pytest.mark.slow
def test_real_time_has_the_newest_rows_of_the_table(
    account: SnowflakeEngine, snowflake_url: str, home: Path
) -> None:
    nothing = dict.fromkeys(FIELDS, "")
    reported = (
        ("e1", "ann", "page_view", 40),
        ("e2", "ann", "product_view", 20),
        ("e3", "bob", "purchase", 4),
    )
    rows = []
    for name, who, kind, minutes_ago in reported:
        at = (NOON - timedelta(minutes=minutes_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
        event = {
            "event_id": name,
            "user_id": who,
            "event_type": kind,
            "event_timestamp": at,
            "received_at": at,
        }
        rows.append(
            nothing
            | event
            | {"product_id": "lamp", "cart_value": "20.00" if kind == "purchase" else ""}
        )
    fill(account, rows)
    answer = real_time(settings_of(home, address(snowflake_url)), NOON)
    five, thirty = answer["windows"]
    assert (five["event_count"], thirty["event_count"], thirty["visitor_count"]) == (1, 2, 2)
    assert (thirty["purchase_count"], str(thirty["revenue_amount"])) == (1, "20.0000")
    assert answer["lag_s"] == 240


def test_the_first_read_says_how_many_older_rows_wait_and_the_command(
    account: SnowflakeEngine, snowflake_url: str, home: Path
) -> None:
    fill(account, rows_of(TEXTS))
    settings = settings_of(home, address(snowflake_url))
    said: list[str] = []
    DaysOfRun(settings, DayRange(), said.append).covered()
    (sentence,) = said
    assert sentence.startswith("9 rows of 2026-03-28 to 2026-03-30 in snowflake://")
    assert sentence.endswith(", and wait: `ecom run --from 2026-03-28` takes them in.")
    assert SECRET not in sentence
    DaysOfRun(settings, DayRange(first=date(2026, 3, 28)), said.append).covered()
    remember_sources(settings, ["events"])
    DaysOfRun(settings, DayRange(), said.append).covered()
    assert said == [sentence]
