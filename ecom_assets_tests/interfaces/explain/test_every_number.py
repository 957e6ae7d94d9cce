"""Every number that the marts of the sandbox shop declare, down to its received rows,
which give it again.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import ibis
import ibis.expr.types as ir
import pytest

from ecom_assets.cli.explain import reader_of
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.trace import ByRow, Computed, Derivation, TraceContext
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.interfaces.explain.answer import ExplainReader
from ecom_assets.interfaces.explain.question import TRACES
from ecom_assets.interfaces.explain.walk import walk
from ecom_assets.orchestration.registry import MARTS
from ecom_assets_tests.command import SMALL, ecom, small_shop
from ecom_assets_tests.each import each

pytestmark = pytest.mark.slow
KINDS_OF_ROWS = 12
"""The most rows of different kinds, such as units and dimensions, of which a number is walked."""
NOTHING_ADDS_UP = {
    "session_sources",
    "touches",
    "first_touches",
    "city",
    "item",
    "item_prices",
    "calendar",
    "channel_removal_effects",
    "conversion_credit",
    "channel_attribution",
    "restatements",
    "visitor_segments",
    "visitor_segments_daily",
    "quarantined_order_samples",
    "customer_profiles",
    "funnel_entries",
    "other_costs_daily",
    "ad_spend_daily",
    "ad_campaigns",
    "campaign_credit",
    "customer_cohort_value",
    "order_visits",
    "customer_visitors",
    "order_event_reconciliation",
    "findings",
}
"""Marts without a number, whose numbers all say how they are computed instead,
or without rows in this shop.
"""


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExplainReader]:
    """The warehouse of a shop that was run once."""
    home = tmp_path_factory.mktemp("explained") / "home"
    small_shop(home, days=8, visitors=300)
    costs = home / "sandbox" / "costs.csv"
    assert ecom("run", "--json", "--costs", costs, home=home, env=SMALL).exit_code == 0
    settings = Settings(home=home, order_customers_over=0)
    with closing(new_engine(settings, read_only=True).open()) as engine:
        yield reader_of(engine, settings)


def largest(reader: ExplainReader, contract: type[Table], name: str) -> list[dict[str, Any]]:
    """Return the row with the largest value of a number, of each kind of row that the table has."""
    table = reader.table(contract)
    table = table.filter(table[name].notnull())
    kinds = [column for column, definition in contract.columns.items() if definition.one_of]
    order = ibis.window(group_by=kinds or None, order_by=[table[name].abs().desc(), *contract.key])
    placed = table.mutate(nth=ibis.row_number().over(order))
    return reader.ask(
        placed.filter(placed.nth == 0).drop("nth").order_by(list(contract.key)).limit(KINDS_OF_ROWS)
    )


def chosen(derivation: Derivation, context: TraceContext) -> Derivation:
    """Return how a number of this row goes down."""
    return (
        chosen(derivation.choose(context), context) if isinstance(derivation, ByRow) else derivation
    )


def received(reader: ExplainReader, derivation: Derivation, context: TraceContext) -> Any:
    """Return what the received rows behind a number come to."""
    assert not isinstance(derivation, Computed | ByRow)
    total: Any = 0
    for part in derivation if isinstance(derivation, tuple) else (derivation,):
        *_, last = walk(part, [context])
        assert last.is_received
        total += last.totals(reader.ask)["gives"] or 0
    return total


@each("contract", MARTS)
def test_the_received_rows_behind_each_number_give_it_again(
    reader: ExplainReader, contract: type[Table]
) -> None:
    walked = 0
    for name, declared in TRACES[contract].numbers.items() if contract in TRACES else ():
        for row in largest(reader, contract, name):
            context = TraceContext(row, reader.table, reader.rules, reader.ask, reader.keep)
            derivation = chosen(declared, context)
            if not isinstance(derivation, Computed):
                assert received(reader, derivation, context) == row[name], f"{name} of {row}"
                walked += 1
    assert (walked == 0) == (contract.name in NOTHING_ADDS_UP)


def test_a_walk_that_leaves_rows_out_is_seen(reader: ExplainReader) -> None:
    contract = next(mart for mart in MARTS if mart.name == "engagement_daily")
    (row,) = largest(reader, contract, "session_count")
    context = TraceContext(row, lambda table: half(reader.table(table)), reader.rules, reader.ask)
    assert (
        received(reader, chosen(TRACES[contract].numbers["session_count"], context), context)
        < row["session_count"]
    )


def half(table: ir.Table) -> ir.Table:
    """Return about half of the received events, and all of other tables."""
    return (
        table.filter(table.event_id.hash() % 2 == 0) if "malformed_row" in table.columns else table
    )
