"""The DuckDB kernel of the funnel where it differs from the expression: packing, batches,
types, imports.

What a funnel means is tested in `tests/transforms`, where every story runs through the kernel too.
"""

import datetime as dt

import duckdb
import numpy as np
import pytest

from ecom_assets.behaviour.funnels.definition import Funnel
from ecom_assets.behaviour.funnels.kernel import counts as funnel_kernel
from ecom_assets.behaviour.funnels.kernel.passes import FunnelPlan
from ecom_assets.core.errors import DefinitionError
from ecom_assets_tests.behaviour.funnels.definitions import FIVE_STEP_FUNNEL, funnel_of, step_of
from ecom_assets_tests.behaviour.funnels.funnel_reference import (
    Event,
    by_expression,
    by_kernel,
    funnel_counts,
    kernel_levels,
    levels_of,
    table_of,
)
from ecom_assets_tests.behaviour.funnels.test_funnel_references import random_streams

VIEW_CART = funnel_of((step_of("view"), step_of("cart")), within_s=60)
VIEW_VIEW_CART = funnel_of((step_of("view"), step_of("view"), step_of("cart")), within_s=3)


def con_with(*rows: tuple[str | None, str | None, str]) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("CREATE TABLE events (visitor_id VARCHAR, event_at TIMESTAMP, event_type VARCHAR)")
    if rows:
        con.executemany("INSERT INTO events VALUES (?, ?, ?)", rows)
    return con


def test_counts_say_how_many_got_through_each_step_and_rows_say_who() -> None:
    con = con_with(
        ("Ana", "2026-01-01 00:00:00", "view"),
        ("Ana", "2026-01-01 00:01:00", "cart"),
        ("Bo", "2026-01-01 00:00:00", "view"),
        ("Cleo", "2026-01-01 00:00:00", "cart"),
    )
    assert funnel_counts(con, "SELECT * FROM events", VIEW_CART) == [2, 1]
    rows = kernel_levels(con, "SELECT * FROM events", VIEW_CART).sort_by("visitor_id").to_pylist()
    assert rows == [{"visitor_id": "Ana", "level": 2}, {"visitor_id": "Bo", "level": 1}]


def test_no_events_are_a_funnel_of_zeros() -> None:
    con = con_with()
    assert funnel_counts(con, "SELECT * FROM events", VIEW_CART) == [0, 0]
    assert kernel_levels(con, "SELECT * FROM events", VIEW_CART).num_rows == 0


def test_rows_without_a_unit_or_a_time_take_no_part() -> None:
    con = con_with(
        (None, "2026-01-01", "view"), ("Ana", None, "view"), ("Bo", "2026-01-01", "view")
    )
    assert funnel_counts(con, "SELECT * FROM events", VIEW_CART) == [1, 0]


def test_nothing_stays_behind_in_the_connection_after_success_or_failure() -> None:
    con = con_with(("Ana", "2026-01-01", "view"))
    funnel_counts(con, "SELECT * FROM events", VIEW_CART)
    with pytest.raises(duckdb.Error):
        funnel_counts(con, "SELECT *, error('broken') AS x FROM events WHERE x", VIEW_CART)
    assert con.execute("SELECT count(*) FROM duckdb_tables() WHERE temporary").fetchone() == (0,)


def test_dates_before_1970_and_after_2038_count_like_any_other() -> None:
    con = con_with(
        ("Ana", "1969-12-31 23:59:59.5", "view"),
        ("Ana", "1970-01-01 00:00:59.5", "cart"),
        ("Bo", "2140-01-01 00:00:00", "view"),
        ("Bo", "2140-01-01 00:01:00.000001", "cart"),
    )
    assert funnel_counts(con, "SELECT * FROM events", VIEW_CART) == [2, 1]


def test_integer_and_uuid_units_work_as_texts_do() -> None:
    con = con_with(
        ("1", "2026-01-01", "view"), ("1", "2026-01-01", "cart"), ("2", "2026-01-01", "cart")
    )
    for unit in ("visitor_id", "visitor_id::BIGINT", "md5(visitor_id)::UUID"):
        sql = f"SELECT * REPLACE ({unit} AS visitor_id) FROM events"
        assert funnel_counts(con, sql, VIEW_CART) == [1, 1]


def test_event_types_and_units_with_quotes_are_data_not_sql() -> None:
    answer = funnel_of((step_of("it's"), step_of('say "b"')))
    con = con_with(("O'Hara", "2026-01-01", "it's"), ("O'Hara", "2026-01-02", 'say "b"'))
    assert funnel_counts(
        con, 'SELECT visitor_id AS "who""s", * FROM events', answer, unit='who"s'
    ) == [1, 1]


@pytest.mark.parametrize("answer", [VIEW_CART, VIEW_VIEW_CART])
def test_small_batches_give_the_same_levels_as_one(
    answer: Funnel, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = table_of(random_streams(7, streams=500))
    expected = by_kernel(table, answer)
    monkeypatch.setattr(funnel_kernel, "BATCH_EVENTS", 100)
    assert by_kernel(table, answer) == expected == by_expression(table, answer)


def test_the_levels_do_not_need_a_connection_that_keeps_the_order_of_rows() -> None:
    con = duckdb.connect()
    con.execute("SET preserve_insertion_order = false")
    con.register("events", table_of(random_streams(11, streams=20_000)))
    con.execute("CREATE TABLE kept AS SELECT * FROM events")
    counts = funnel_counts(con, "SELECT * FROM kept", VIEW_CART)
    con.execute("SET preserve_insertion_order = true")
    assert funnel_counts(con, "SELECT * FROM kept", VIEW_CART) == counts


@pytest.mark.parametrize("step_us", [1_000_000, 1_000, 1])
def test_units_that_do_not_fit_one_number_are_counted_in_coarser_time_or_in_halves(
    step_us: int,
) -> None:
    # 4,096 units over 40 years: 12 bits for the unit and 51 for microseconds leave none for the
    # step.
    century = 40 * 366 * 86_400 * 1_000_000
    start = np.array([0, century], dtype=np.int64).repeat(2_048)
    gap = 60_000_000
    view, cart, late = start * 4 + 1, (start + gap) * 4 + 2, (start + gap + step_us) * 4 + 2
    packed = np.stack([view, np.where(np.arange(4_096) % 2 == 0, cart, late)], axis=1).ravel()
    levels = levels_of(
        packed, np.arange(4_096).repeat(2), 4_096, FunnelPlan(2, window=gap, scale_bits=2)
    )
    assert levels.tolist() == [2, 1] * 2_048


def test_an_unknown_column_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DefinitionError, match="did you mean 'visitor_id'"):
        funnel_counts(con_with(), "SELECT * FROM events", VIEW_CART, unit="visitor")


def test_a_value_of_another_type_than_its_column_is_refused_as_in_the_expression() -> None:
    answer = funnel_of((step_of("view", {"visitor_id": 1}), step_of("cart")))
    with pytest.raises(DefinitionError, match="holds text, with the number 1"):
        funnel_counts(con_with(), "SELECT * FROM events", answer)


def test_more_than_six_overlapping_conditions_are_refused_but_not_where_times_must_increase() -> (
    None
):
    many = tuple(step_of("view", {f"properties.k{n}": 1}) for n in range(7))
    table = table_of([Event("Ana", n, "view", properties={f"k{n}": 1}) for n in range(7)])
    with pytest.raises(DefinitionError, match="7 different conditions"):
        by_kernel(table, funnel_of(many))
    assert by_kernel(table, funnel_of(many, order="strict_increase")) == {"Ana": 7}
    assert by_kernel(table, funnel_of(many[:6])) == {"Ana": 6}


def test_time_zones_do_not_shift_instants() -> None:
    con = con_with(("Ana", "2026-01-01", "view"), ("Ana", "2026-01-01 00:01:00", "cart"))
    con.execute("SET TimeZone = 'America/New_York'")
    sql = "SELECT * REPLACE (event_at::TIMESTAMPTZ AS event_at) FROM events"
    assert funnel_counts(con, sql, VIEW_CART) == [1, 1]


def test_a_day_that_a_zone_repeats_is_no_tie() -> None:
    hour = dt.timedelta(hours=1)
    first = dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC)
    con = duckdb.connect()
    con.execute(
        "CREATE TABLE events (visitor_id VARCHAR, event_at TIMESTAMPTZ, event_type VARCHAR)"
    )
    con.executemany(
        "INSERT INTO events VALUES ('Ana', ?, ?)", [(first, "view"), (first + hour, "cart")]
    )
    assert funnel_counts(con, "SELECT * FROM events", VIEW_CART) == [1, 0]


def test_the_five_step_funnel_names_the_columns_it_needs() -> None:
    with pytest.raises(DefinitionError, match="no column 'event_at'"):
        funnel_counts(
            duckdb.connect(), "SELECT 'Ana' AS visitor_id, 'x' AS event_type", FIVE_STEP_FUNNEL
        )
