"""What the tests of file sources share: a connection, the real files,
and writing events in every format.
"""

import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ecom_assets.ingestion.sources.files.mapping import load_mapping
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets_tests.fresh_duckdb import fresh_duckdb
from ecom_assets_tests.services import SIX, people
from ecom_sandbox.services.pages import CustomerService

REAL_FILES = Path(__file__).parents[4] / "shared" / "data"
Row = dict[str, Any]
Read = Callable[..., list[Row]]

# Ann views and buys a lamp, Bob views it: 3 events.
SHOP = [
    {
        "event_id": f"e{number}",
        "user_id": user,
        "event_type": kind,
        "event_timestamp": f"2026-01-0{day}T10:00:00Z",
        "product_id": "lamp",
        "product_category": "light",
        "session_id": f"s-{user}",
        "page_url": "https://shop.example/lamp",
        "referrer_url": "",
        "cart_value": value,
    }
    for number, user, kind, day, value in [
        (1, "ann", "product_view", 1, ""),
        (2, "ann", "purchase", 1, "19.90"),
        (3, "bob", "product_view", 2, ""),
    ]
]


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with fresh_duckdb() as connection:
        yield connection


@pytest.fixture
def read(con: duckdb.DuckDBPyConnection) -> Read:
    """All rows of files under a mapping, as dicts in the order of event_id and raw line."""

    def _read(
        paths: str | Path | Sequence[str | Path], mapping: str | Path = "ecommerce", **more: Any
    ) -> list[Row]:
        files = RecordFiles.open(
            con, [paths] if isinstance(paths, str | Path) else paths, load_mapping(mapping), **more
        )
        return rows_of(con, files.received_sql())

    return _read


@pytest.fixture
def real_file() -> Callable[[str], Path]:
    def _path(name: str) -> Path:
        if not (REAL_FILES / name).exists():
            pytest.skip(f"the real file {name} is not beside this checkout")
        return REAL_FILES / name

    return _path


def rows_of(con: duckdb.DuckDBPyConnection, sql: str) -> list[Row]:
    cursor = con.execute(
        f"SELECT * FROM ({sql}) ORDER BY event_id, source_file, malformed_row, event_at"
    )
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def csv_text(rows: Sequence[Row]) -> str:
    lines = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
    return "\n".join(lines) + "\n"


def ndjson_text(rows: Sequence[Row]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def write(path: Path, content: str | bytes) -> Path:
    """Write a file, packed if its name ends in .gz, and with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def write_parquet(path: Path, select: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with fresh_duckdb() as connection:
        connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    return path


def shop_parquet(path: Path) -> Path:
    rows = ", ".join("(" + ", ".join(f"'{value}'" for value in row.values()) + ")" for row in SHOP)
    return write_parquet(path, f"SELECT * FROM (VALUES {rows}) AS t({', '.join(SHOP[0])})")


@pytest.fixture
def customer_api() -> Iterator[CustomerService]:
    """A stand-in of the customer API with six customers."""
    with CustomerService(people(*SIX)) as service:
        yield service
