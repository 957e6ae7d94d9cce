"""One spelling of an id: what Python, DuckDB's SQL and the warehouse say of the same text."""

import duckdb
import ibis
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.core.tables.spellings import (
    KeyKind,
    order_name,
    spelled,
    spelled_sql,
    spelled_value,
)
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples

KEYS: tuple[KeyKind | None, ...] = (None, "address", "number", "text", "order_name")
EXPRESSION = f"coalesce({'nullif(v, v), ' * 20}v)"
IDS = st.text("019.#'@=+- \t\u00a0aAbBéÉ", max_size=8)


@each(
    "value, key, expected",
    [
        ("100.0", None, "100"),
        ("100.0", "text", "100.0"),
        ("007", None, "007"),
        ("007.0", "number", "007"),
        (" 100 ", None, "100"),
        ("'100", None, "100"),
        ("'t Hooft", None, "'t Hooft"),
        ("#1001", "order_name", "1001"),
        ("#1001", None, "#1001"),
        ("Anna@X.de", "address", "anna@x.de"),
        ("Anna@X.de", None, "Anna@X.de"),
        ("cus_Ab1", "address", "cus_Ab1"),
    ],
)
def test_what_is_no_part_of_a_key_is_left_out(
    value: str, key: KeyKind | None, expected: str
) -> None:
    assert spelled(value, key) == expected


@pytest.mark.slow
@examples(100)
@given(values=st.lists(IDS, min_size=1, max_size=30), key=st.sampled_from(KEYS))
def test_sql_spells_ids_as_python_does(values: list[str], key: KeyKind | None) -> None:
    con = duckdb.connect()
    of_expression = spelled_sql(EXPRESSION, key)
    rows = con.execute(
        f"SELECT v, {spelled_sql('v', key)}, {of_expression} FROM (SELECT unnest(?) AS v)", [values]
    ).fetchall()
    assert [(value, result or "", other or "") for value, result, other in rows] == [
        (value, spelled(value, key), spelled(value, key)) for value in values
    ]
    assert of_expression.count(EXPRESSION) == 1, "it takes as long as all others together"


@examples(100)
@given(values=st.lists(IDS, min_size=1, max_size=30), key=st.sampled_from(KEYS))
def test_warehouses_spell_ids_as_python_does(values: list[str], key: KeyKind | None) -> None:
    rows = ibis.memtable(pa.table({"id": values}))
    actual = rows.select(spelled=spelled_value(rows.id, key)).to_pyarrow()["spelled"].to_pylist()
    assert actual == [spelled(value, key) for value in values]


@each("written", ["#1001", "'1001", "'#1001", " 1001 ", "1001.0", "# 1001", "1001"])
def test_names_of_orders_are_compared_without_decoration(written: str) -> None:
    names = ibis.memtable(pa.table({"name": [written]}))
    assert names.select(name=order_name(names.name)).to_pyarrow()["name"].to_pylist() == ["1001"]


@each("name", ["1001-US", "01001", "A1001", "10010"])
def test_other_names_of_orders_are_others(name: str) -> None:
    names = ibis.memtable(pa.table({"name": [name]}))
    assert names.select(name=order_name(names.name)).to_pyarrow()["name"].to_pylist() == [name]
