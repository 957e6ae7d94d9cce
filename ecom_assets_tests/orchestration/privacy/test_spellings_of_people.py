"""A person is found by any spelling of their id."""

from pathlib import Path

import pytest

from ecom_assets.commerce.orders.contracts import RawUserOrderLog
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.ingestion.sources.erased_people import spellings_of
from ecom_assets.orchestration.privacy.person import Person
from ecom_assets_tests.builders import as_table, at
from ecom_assets_tests.each import each


@pytest.mark.slow
@pytest.mark.parametrize(
    ("named", "stored"),
    [
        ("ann@x.de", "Ann@X.de"),
        ("ann@x.de", " ann@x.de"),
        ("Ann@X.de", "ANN@x.de "),
        ("123", "'123"),
        ("123", "123.0"),
        ("'123", "123.0"),
        ("1001", "#1001"),
        ("#1001", "1001"),
        ("007", "'007"),
    ],
)
def test_rows_of_earlier_versions_are_found_by_any_spelling(
    tmp_path: Path, named: str, stored: str
) -> None:
    """Rows that came before ids had one spelling stay as they came until
    their days are computed again.
    """
    arrived = {"received_date": at("09:00").date(), "source": "files", "source_file": "orders.csv"}
    empty = dict.fromkeys(RawUserOrderLog.columns) | arrived
    lines = [empty | {"customer_id": id_} for id_ in (stored, "1234", "ben")]
    engine = DuckDBEngine(tmp_path / "warehouse.duckdb").open()
    try:
        engine.con.con.register("landed", as_table(lines, RawUserOrderLog))
        engine.replace(RawUserOrderLog, engine.con.table("landed"), None)
        users = Person.requested([], [named]).completed(engine).users
    finally:
        engine.close()
    assert stored in users
    assert not {"1234", "ben"} & {*users}


@each(
    "named, stored",
    [("Anna@X.de", "anna@x.de"), ("100.0", "100"), ("'100", "100"), ("cus_Ab", "cus_Ab")],
)
def test_the_requested_id_is_looked_for_as_tables_spell_it(named: str, stored: str) -> None:
    assert stored in Person.requested([], [named]).users
    assert stored in spellings_of(named)
