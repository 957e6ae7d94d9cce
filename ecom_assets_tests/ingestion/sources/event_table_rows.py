"""A table of events in Snowflake, as tests fill it."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.engines.snowflake.engine import SnowflakeEngine
from ecom_assets_tests.command import HEADER

ROOT = Path(__file__).parents[3]
NOON = datetime(2026, 3, 30, 12, tzinfo=UTC)
DAYS = Days.between(date(2026, 3, 24), date(2026, 3, 31))
SECRET = "hunter2"  # noqa: S105 (what must never be shown)

FIELDS = (*HEADER.split(","), "received_at", "anonymous_id", "user_agent", "properties")


def address(snowflake_url: str, path: str = "/SALES/ECOMMERCE_EVENTS") -> str:
    """Return the address of a table in the database."""
    base_url, _, query = snowflake_url.partition("?")
    return f"{base_url}{path}?{query}"


def rows_of(texts: str) -> list[dict[str, str]]:
    return [dict(zip(FIELDS, line.split("|"), strict=True)) for line in texts.strip().splitlines()]


def fill(
    account: SnowflakeEngine, rows: list[dict[str, str]], kinds: Mapping[str, str] | None = None
) -> None:
    """Make the table with columns of text, but for those in `kinds`, and put rows into it."""
    kinds = kinds or {}
    columns = ", ".join(f"{name} {kinds.get(name, 'VARCHAR')}" for name in FIELDS)
    account.execute("CREATE SCHEMA IF NOT EXISTS sales")
    account.execute(f"CREATE TABLE IF NOT EXISTS sales.ecommerce_events ({columns})")
    add(account, rows, kinds)


def add(
    account: SnowflakeEngine, rows: list[dict[str, str]], kinds: Mapping[str, str] | None = None
) -> None:
    for row in rows:
        values = [_value(row[name], (kinds or {}).get(name, "VARCHAR")) for name in FIELDS]
        account.execute(f"INSERT INTO sales.ecommerce_events SELECT {', '.join(values)}")


def _value(text: str, kind: str) -> str:
    quoted = "'" + text.replace("'", "''") + "'"
    if not text:
        return "NULL"
    return f"PARSE_JSON({quoted})" if kind == "VARIANT" else f"CAST({quoted} AS {kind})"


def settings_of(home: Path, events: str, **more: Any) -> Settings:
    return Settings(home=home, events=events, late_days=6, **more)


SHIPPED = {
    "event_timestamp": "TIMESTAMP_NTZ(6)",
    "cart_value": "NUMBER(18, 2)",
    "properties": "VARIANT",
    "received_at": "TIMESTAMP_NTZ(6)",
}
TYPED = """
e1|ann|product_view|2026-03-28 10:00:00|lamp|light|s1|https://shop.example|||\
2026-03-29 01:00:00|a-1|Opera|{"a":[1,2]}
e2|bob|purchase|2026-03-28 22:30:00.250|||s2|||20.00|2026-03-28 22:45:00.123456|||
e3|bob|page_view|2026-03-30 08:00:00|||s2||||2026-03-30 08:00:01|||
"""


def ship(account: SnowflakeEngine) -> None:
    """Make the table by the statement that is shipped, and put rows into it."""
    statement = (
        (ROOT / "deploy" / "snowflake" / "ecommerce_events.sql")
        .read_text()
        .strip()
        .removesuffix(";")
    )
    account.execute("CREATE SCHEMA IF NOT EXISTS sales")
    account.execute(statement.replace("EXISTS ECOMMERCE_EVENTS", "EXISTS SALES.ECOMMERCE_EVENTS"))
    names = ", ".join(FIELDS)
    for row in rows_of(TYPED):
        values = ", ".join(_value(row[name], SHIPPED.get(name, "VARCHAR")) for name in FIELDS)
        account.execute(f"INSERT INTO sales.ecommerce_events ({names}) SELECT {values}")
