"""Column lineage: exact on every table, and the same as sqlglot reads from SQL
where the two can be compared.
"""

from collections.abc import Callable, Set

import ibis
import ibis.expr.types as ir
import pytest
from sqlglot import exp
from sqlglot.lineage import lineage

from ecom_assets.behaviour.events.contracts import KeptEventIds
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import union_all
from ecom_assets.core.warehouse.lineage import Source, column_lineage
from ecom_assets.orchestration.registry import ALL
from ecom_assets_tests.builders import DAY_ONE
from ecom_assets_tests.each import each
from ecom_assets_tests.platform import Platform


def visits() -> ir.Table:
    return ibis.table(
        {"who": "string", "page": "string", "seconds": "int64"}, name="visits", database="mart"
    )


def orders() -> ir.Table:
    return ibis.table({"who": "string", "amount": "int64"}, name="orders", database="mart")


def renamed() -> ir.Table:
    return visits().select(visitor="who", page="page")


def computed() -> ir.Table:
    rows = visits()
    return rows.mutate(
        long=(rows.seconds > 10).ifelse(rows.page, "short"), day=ibis.literal("monday")
    )


def grouped() -> ir.Table:
    rows = visits()
    return rows.group_by("who").agg(
        total=rows.seconds.sum(where=rows.page != ""), pages=rows.page.nunique()
    )


def joined() -> ir.Table:
    left, right = visits(), orders()
    return left.left_join(right, "who").select("who", "page", spent=left.seconds + right.amount)


def joined_twice() -> ir.Table:
    left, right = visits(), orders().group_by("who").agg(amount=orders().amount.sum())
    return left.semi_join(right, "who").join(right.view(), "who").select("page", "amount")


def united() -> ir.Table:
    return union_all(
        visits().select(who="who", value="seconds"), orders().select(who="who", value="amount")
    )


def windowed() -> ir.Table:
    rows = visits()
    return rows.mutate(before=rows.seconds.lag().over(ibis.window(group_by="who", order_by="page")))


@each("expression", [renamed, computed, grouped, joined, joined_twice, united, windowed])
def test_lineage_is_what_sqlglot_reads_from_the_sql(expression: Callable[[], ir.Table]) -> None:
    table = expression()
    assert column_lineage(table) == by_sqlglot(table)


def by_sqlglot(table: ir.Table) -> dict[str, set[Source]]:
    sql = str(ibis.to_sql(table, dialect="duckdb"))
    schema = {
        table.get_name(): {name: str(kind) for name, kind in table.schema().items()}
        for table in (visits(), orders())
    }
    return {name: leaves(name, sql, {"mart": schema}) for name in table.columns}


def leaves(column: str, sql: str, schema: dict[str, dict[str, dict[str, str]]]) -> set[Source]:
    actual: set[Source] = set()
    for node in lineage(column, sql, schema=schema, dialect="duckdb").walk():
        if isinstance(node.expression, exp.Table) and not node.downstream:
            actual.add(
                (node.expression.db, node.expression.name, node.name.rpartition(".")[2].strip('"'))
            )
    return actual


def test_filters_and_join_conditions_are_no_source_of_a_value() -> None:
    left, right = visits(), orders()
    table = left.semi_join(right, "who").filter(left.page != "").select("seconds")
    assert column_lineage(table) == {"seconds": {("mart", "visits", "seconds")}}


@pytest.fixture(scope="module")
def traced() -> dict[str, dict[str, Set[Source]]]:
    """Lineage of every table of the platform, as a run reports it."""
    platform = Platform()
    days = Days((DAY_ONE,))
    platform.receive([], days)
    actual = {}
    for asset in platform.assets:
        actual[asset.contract.qualified_name()] = column_lineage(platform.output(asset, days).rows)
    platform.close()
    return actual


def contract_named(name: str) -> type[Table]:
    return next(contract for contract in ALL if contract.qualified_name() == name)


def test_every_column_is_traced_to_columns_that_exist(
    traced: dict[str, dict[str, Set[Source]]],
) -> None:
    contracts: list[type[Table]] = [*ALL, KeptEventIds]
    tables = {contract.qualified_name(): contract for contract in contracts}
    for name, columns in traced.items():
        assert set(columns) == set(contract_named(name).columns)
        for sources in columns.values():
            for layer, table, column in sources:
                assert column in tables[f"{layer}.{table}"].columns


@each(
    "table, column, sources",
    [
        ("staging.events", "event_at", {("raw", "events", "event_at")}),
        ("staging.events", "product_category", {("raw", "events", "product_category")}),
        ("staging.quarantined_events", "cart_value", {("raw", "events", "cart_value")}),
        ("mart.session_events", "event_id", {("staging", "events", "event_id")}),
        ("mart.sessions", "visitor_id", {("mart", "session_days", "visitor_id")}),
    ],
)
def test_some_columns_that_can_be_followed_by_hand(
    traced: dict[str, dict[str, Set[Source]]], table: str, column: str, sources: set[Source]
) -> None:
    assert traced[table][column] == sources
