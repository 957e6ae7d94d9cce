"""What each table declares of the way down from its numbers: all of them, by names that exist."""

import re

from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.trace import Computed, Count, Sum
from ecom_assets.interfaces.explain.answer import adds_up_over_rows
from ecom_assets.interfaces.explain.question import TRACES, UPSTREAM
from ecom_assets.orchestration.registry import ALL, MARTS
from ecom_assets_tests.each import each
from ecom_assets_tests.markdown import sections
from ecom_assets_tests.test_docs import anchor_of


@each("contract", MARTS)
def test_every_number_of_a_mart_goes_down_or_says_how_it_is_computed(contract: type[Table]) -> None:
    numbers = {} if contract not in TRACES else TRACES[contract].numbers
    assert sorted(numbers) == sorted(contract.numbers()), (
        f"declare in {contract.group}'s trace.py how each number of {contract.qualified_name()} "
        "goes down"
    )


def test_definitions_are_in_the_document_that_says_what_numbers_mean() -> None:
    for contract, trace in TRACES.items():
        page = f"docs/metrics/{contract.group}.md"
        assert trace.anchor in {anchor_of(heading) for heading, _ in sections(page)}, (
            f"{contract.__name__}: {page}"
        )


def test_a_computed_number_names_columns_of_its_table_and_says_how_it_is_computed() -> None:
    for contract, trace in TRACES.items():
        for name, derivation in trace.numbers.items():
            if isinstance(derivation, Computed):
                number_name = f"{contract.qualified_name()}.{name}"
                assert set(derivation.columns) <= set(contract.columns), number_name
                assert len(derivation.how.split()) > 2, number_name
                assert (
                    derivation.columns
                    or derivation.inputs
                    or re.search(r"setting|model|logged", derivation.how)
                ), number_name


def test_every_way_ends_at_received_rows_through_tables_of_the_platform() -> None:
    tops = {
        part.to
        for trace in TRACES.values()
        for derivation in trace.numbers.values()
        for part in (derivation if isinstance(derivation, tuple) else (derivation,))
        if isinstance(part, Count | Sum)
    }
    for top in tops:
        seen = [top]
        while seen[-1].layer != "raw":
            seen.append(UPSTREAM[seen[-1]].to)
            assert len(seen) < 10, f"{top.name} goes round in circles"
        assert set(seen) <= set(ALL)
    assert {table.layer for table in tops} == {"mart", "staging", "raw"}


def test_what_a_table_is_read_by_on_the_way_down_is_among_its_columns() -> None:
    for contract, upstream in UPSTREAM.items():
        assert set(upstream.reads) <= set(contract.columns), contract.name


def test_what_is_added_up_over_rows_adds_up() -> None:
    """Profit of days does; what a piece costs does not."""
    values = set()
    for contract, trace in TRACES.items():
        for name, derivation in trace.numbers.items():
            column = contract.columns[name]
            if isinstance(derivation, Computed) and derivation.adds_up:
                assert column.is_additive, f"{contract.qualified_name()}.{name}"
            if isinstance(derivation, Sum) and not adds_up_over_rows(derivation, column):
                values.add(f"{contract.name}.{name}")
    assert values == {"sales.unit_cost_amount"}
