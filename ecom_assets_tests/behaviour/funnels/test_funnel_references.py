"""The funnel against independent references: its definition tried out chain by chain,
and ClickHouse.

Random streams have what goes wrong in practice: ties, repeated and overlapping steps, gaps around
the window. Real files come from a folder beside the project that is not part of it.
"""

import random
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.funnels.definition import Funnel
from ecom_assets_tests.behaviour.funnels.definitions import funnel_of, step_of
from ecom_assets_tests.behaviour.funnels.funnel_reference import (
    SECOND,
    Event,
    by_clickhouse,
    by_definition,
    by_expression,
    by_kernel,
    table_of,
)
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples

REAL_FILES = Path(__file__).parents[3].parent / "shared" / "data"
REES46 = REAL_FILES / "rees46_2019_10_01.csv"
OTTO = REAL_FILES / "otto_sessions.jsonl"

CONDITIONS = (
    step_of("view"),
    step_of("view", {"category": "hats"}),
    step_of("view", {"category": "shoes"}),
    step_of("view", {"price": 1}),
    step_of("cart"),
    step_of("cart", {"category": "hats"}),
    step_of("purchase"),
)

funnels = st.builds(
    funnel_of,
    steps=st.lists(st.sampled_from(CONDITIONS), min_size=2, max_size=5).map(tuple),
    within_s=st.integers(1, 6),
    order=st.sampled_from(["ordered", "ordered", "strict_increase"]),
)


def random_streams(seed: int, streams: int, longest: int = 7, micros: int = 1) -> list[Event]:
    """Streams of a few events on few instants, so that many are tied;
    `micros` adds odd microseconds.
    """
    draw = random.Random(seed)  # noqa: S311  # streams, not secrets
    return [
        Event(
            who=f"visitor {number}",
            at=draw.randrange(8) * SECOND + draw.randrange(micros),
            event_type=draw.choice(["view", "view", "cart", "purchase", "other"]),
            category=draw.choice([None, "hats", "shoes"]),
            price=draw.choice([None, 1.0, 2.0]),
        )
        for number in range(streams)
        for _ in range(draw.randint(1, longest))
    ]


@examples(80)
@given(funnel=funnels, seed=st.integers(0, 2**32), micros=st.sampled_from([1, 3]))
def test_expression_and_kernel_find_the_longest_chains(
    funnel: Funnel, seed: int, micros: int
) -> None:
    events = random_streams(seed, streams=60, micros=micros)
    expected = by_definition(events, funnel)
    assert by_kernel(table_of(events), funnel) == expected
    assert by_expression(table_of(events), funnel) == expected


@pytest.mark.slow
@each("seed", range(4))
def test_clickhouse_strict_once_agrees_on_ties_duplicates_and_overlapping_steps(
    seed: int, tmp_path: Path
) -> None:
    draw = random.Random(seed)  # noqa: S311
    steps = tuple(draw.choices(CONDITIONS, k=draw.randint(2, 6)))
    funnel = funnel_of(steps, within_s=draw.randint(1, 7))
    table = table_of(random_streams(seed, streams=3_000, longest=14))
    expected = by_clickhouse(table, funnel, tmp_path, "strict_once")
    assert by_kernel(table, funnel) == expected
    assert by_expression(table, funnel) == expected


@pytest.mark.slow
@each("seed", range(4))
def test_clickhouse_default_agrees_where_no_event_matches_two_steps(
    seed: int, tmp_path: Path
) -> None:
    draw = random.Random(seed)  # noqa: S311
    steps = (
        step_of("view", {"category": "hats"}),
        step_of("view", {"category": "shoes"}),
        CONDITIONS[-1],
    )
    funnel = funnel_of(tuple(draw.sample(steps, k=3)), within_s=draw.randint(1, 7))
    table = table_of(random_streams(seed, streams=3_000, longest=14))
    expected = by_clickhouse(table, funnel, tmp_path)
    assert by_kernel(table, funnel) == expected
    assert by_expression(table, funnel) == expected


@pytest.mark.slow
@each("seed", range(4))
def test_clickhouse_strict_increase_agrees_on_streams_without_ties(
    seed: int, tmp_path: Path
) -> None:
    draw = random.Random(seed)  # noqa: S311
    funnel = funnel_of(
        tuple(draw.choices(CONDITIONS, k=4)), within_s=draw.randint(2, 7), order="strict_increase"
    )
    seen: set[tuple[str, int]] = set()
    untied = []
    for event in random_streams(seed, streams=3_000, longest=14, micros=SECOND):
        if (event.who, event.at) not in seen:
            untied.append(event)
        seen.add((event.who, event.at))
    table = table_of(untied)
    expected = by_clickhouse(table, funnel, tmp_path, "strict_once", "strict_increase")
    assert by_kernel(table, funnel) == expected
    assert by_expression(table, funnel) == expected


def test_strict_increase_finds_a_chain_that_clickhouse_misses_on_ties(tmp_path: Path) -> None:
    # Views at 0 and 1 µs, a cart at 1 µs: the view at 0 and the cart are a chain. ClickHouse keeps
    # the later view only, which has the cart's own time.
    events = [Event("Ana", 0, "view"), Event("Ana", 1, "view"), Event("Ana", 1, "cart")]
    funnel = funnel_of((step_of("view"), step_of("cart")), within_s=1, order="strict_increase")
    table = table_of(events)
    assert (
        by_definition(events, funnel)
        == by_kernel(table, funnel)
        == by_expression(table, funnel)
        == {"Ana": 2}
    )
    assert by_clickhouse(table, funnel, tmp_path, "strict_increase") == {"Ana": 1}


def rees46(unit: str) -> pa.Table:
    """The real clickstream with its five duplicate rows removed, counted per `unit`."""
    if not REES46.exists():
        pytest.skip(f"the real file {REES46.name} is not beside this project")
    return (
        duckdb.connect()
        .sql(f"""
        SELECT DISTINCT {unit}::VARCHAR AS visitor_id, event_time[:19]::TIMESTAMP AS event_at,
          event_type,
            product_id, price
        FROM read_csv('{REES46}', types = {{'event_time': 'VARCHAR'}})
    """)
        .to_arrow_table()
    )


REAL_FUNNELS = [
    (("view", "cart", "purchase"), 3_600),
    (("view", "purchase"), 120),
    (("view", "view", "purchase"), 600),
    (("view", "view", "view", "cart", "view", "purchase"), 7_200),
]


@pytest.mark.slow
@each(
    "unit, steps, within_s",
    [(unit, *of) for unit, of in zip(["user_id", "user_session"] * 2, REAL_FUNNELS, strict=True)],
)
def test_a_real_shop_counts_as_in_clickhouse(
    unit: str, steps: tuple[str, ...], within_s: int, tmp_path: Path
) -> None:
    table = rees46(unit)
    funnel = funnel_of(tuple(map(step_of, steps)), within_s)
    expected = by_clickhouse(table, funnel, tmp_path, "strict_once")
    assert by_kernel(table, funnel) == expected
    assert by_expression(table, funnel) == expected
    if len(set(steps)) == len(steps):
        assert by_clickhouse(table, funnel, tmp_path) == expected


def test_of_the_193_buyers_192_viewed_first_and_62_carted_first() -> None:
    table = rees46("user_id")
    for first, buyers in (("view", 192), ("cart", 62)):
        levels = by_kernel(table, funnel_of((step_of(first), step_of("purchase")), within_s=86_400))
        assert sum(level == 2 for level in levels.values()) == buyers


@each("steps, missed", [(("view", "cart"), 1), (("view", "view"), 2_814)])
def test_on_real_ties_clickhouse_strict_increase_alone_misses_chains(
    steps: tuple[str, ...], missed: int, tmp_path: Path
) -> None:
    # Of 4,504 visitors. It forgets an earlier start for a later one, and never finds the same step
    # twice.
    table = rees46("user_id")
    funnel = funnel_of(tuple(map(step_of, steps)), within_s=3_600, order="strict_increase")
    exact = by_kernel(table, funnel)
    greedy = by_clickhouse(table, funnel, tmp_path, "strict_increase")
    assert by_expression(table, funnel) == exact
    assert by_clickhouse(table, funnel, tmp_path, "strict_once", "strict_increase") == exact
    assert all(exact[who] >= level for who, level in greedy.items())
    assert sum(exact[who] > level for who, level in greedy.items()) == missed


@pytest.mark.parametrize(
    "steps", [("clicks", "carts", "orders"), ("clicks", "clicks", "orders", "orders")]
)
def test_real_sessions_in_milliseconds_count_as_in_clickhouse(
    steps: tuple[str, ...], tmp_path: Path
) -> None:
    if not OTTO.exists():
        pytest.skip(f"the real file {OTTO.name} is not beside this project")
    table = (
        duckdb.connect()
        .sql(f"""
        SELECT session::VARCHAR AS visitor_id, make_timestamp(event.ts * 1000) AS event_at,
            event.type AS event_type
        FROM (SELECT session, unnest(events) AS event FROM read_json('{OTTO}'))
    """)
        .to_arrow_table()
    )
    for within_s in (1, 600, 604_800):
        funnel = funnel_of(tuple(map(step_of, steps)), within_s)
        expected = by_clickhouse(table, funnel, tmp_path, "strict_once")
        assert by_kernel(table, funnel) == expected
        assert by_expression(table, funnel) == expected
