"""What every engine promises of slices: whole or not at all, the same once or twice,
kept if a source loses a day.
"""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import ibis
import pyarrow as pa
import pytest

from ecom_assets.commerce.products.contracts import RawStock
from ecom_assets.core.errors import ContractError, SourceError, WarehouseError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import count, text
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import arrow_schema_of
from ecom_assets.core.tables.received import NO_DAYS, SourceGate, VisitorRows
from ecom_assets.core.warehouse.day_notes import (
    AbsentDays,
    EmptyDays,
    Withdrawals,
    note_absent,
    notes_of,
)
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.local import in_memory
from ecom_assets.core.warehouse.migration import changes, migrate
from ecom_assets.core.warehouse.raw_losses import LostRows, StoredRows, declared_loss, lost_rows
from ecom_assets.core.warehouse.raw_slices import WithdrawalGuard, held_withdrawals
from ecom_assets.ingestion.sources.stock import stock_rows, stock_values
from ecom_assets_tests.core.warehouse.engines.visits_table import (
    ONE,
    THREE,
    TWO,
    SessionSources,
    Visits,
    from_outside,
    from_within,
    grown,
    stored,
)
from ecom_assets_tests.core.warehouse.engines.warehouses import (
    ALL_ENGINES,
    SEVERAL_WRITERS,
    on_one_worker_each,
    opened,
    settings_of,
)


@pytest.fixture(scope="module", params=on_one_worker_each(ALL_ENGINES))
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_of(request.param, request, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = opened(settings)
    for contract in (Visits, SessionSources):
        engine.drop(contract)
    yield engine
    engine.close()


def test_a_slice_replaces_its_own_days_and_no_others(engine: Engine) -> None:
    engine.replace(Visits, from_outside((ONE, "ann"), (TWO, "bob")), Days((ONE, TWO)))
    written = engine.replace(Visits, from_within(engine, (TWO, "eva"), (TWO, "kim")), Days((TWO,)))
    assert written.row_count == 2
    assert stored(engine) == [(ONE, "ann"), (TWO, "eva"), (TWO, "kim")]


@pytest.mark.parametrize("fault", ["", "slice_written"])
def test_rows_of_a_visitor_on_other_days_are_replaced_with_a_slice(
    engine: Engine, fault: str
) -> None:
    """Bob of the first day turns out to be eva; ann of the same day is not written again."""
    if not engine.replaces_visitors:
        return  # it writes whole days instead
    engine.replace(
        Visits,
        from_outside((ONE, "ann"), (ONE, "bob"), (TWO, "bob"), (THREE, "bob")),
        Days((ONE, TWO, THREE)),
    )
    rows = from_within(engine, (ONE, "eva"), (TWO, "kim"))
    concerned = (
        rows.mutate(visitor_id=(rows.visitor_id == "eva").ifelse("eva", "bob"))
        .select("visitor_id")
        .distinct()
    )
    also = VisitorRows(rows.filter(rows.visitor_id == "eva"), concerned, Days((ONE,)), Days((ONE,)))
    if fault:
        engine.on_step = lambda step: fail_at(step, fault)
        with pytest.raises(RuntimeError):
            engine.replace(Visits, rows.filter(rows.visitor_id == "kim"), Days((TWO,)), also=also)
        assert stored(engine) == [(ONE, "ann"), (ONE, "bob"), (TWO, "bob"), (THREE, "bob")]
        return
    written = engine.replace(Visits, rows.filter(rows.visitor_id == "kim"), Days((TWO,)), also=also)
    assert written.row_count == 2
    assert stored(engine) == [(ONE, "ann"), (ONE, "eva"), (TWO, "kim"), (THREE, "bob")]


def fail_at(step: str, fault: str) -> None:
    if step == fault:
        raise RuntimeError(fault)


def test_writing_twice_equals_writing_once(engine: Engine) -> None:
    for _ in range(2):
        engine.replace(Visits, from_within(engine, (ONE, "ann")), Days((ONE,)))
    assert stored(engine) == [(ONE, "ann")]


def test_an_empty_slice_clears_what_was_there(engine: Engine) -> None:
    engine.replace(
        Visits, from_outside((ONE, "ann"), (TWO, "bob"), (THREE, "eva")), Days((ONE, TWO, THREE))
    )
    assert engine.replace(Visits, from_within(engine), Days((ONE,))).row_count == 0
    assert engine.replace(Visits, from_outside(), Days((THREE,))).row_count == 0
    assert stored(engine) == [(TWO, "bob")]


def test_a_slice_of_no_days_replaces_nothing_and_one_without_days_all(engine: Engine) -> None:
    engine.replace(Visits, from_outside((ONE, "ann")), Days((ONE,)))
    engine.replace(Visits, from_outside(), Days(()))
    assert stored(engine) == [(ONE, "ann")]
    engine.replace(Visits, from_within(engine, (THREE, "bob")), None)
    assert stored(engine) == [(THREE, "bob")]


def test_days_with_a_gap_leave_the_day_between_alone(engine: Engine) -> None:
    engine.replace(
        Visits, from_outside((ONE, "ann"), (TWO, "bob"), (THREE, "eva")), Days((ONE, TWO, THREE))
    )
    engine.replace(Visits, from_outside(), Days((ONE, THREE)))
    assert stored(engine) == [(TWO, "bob")]


@pytest.mark.parametrize("step", ["slice_begun", "slice_written"])
@pytest.mark.parametrize("where", ["outside", "within"])
def test_a_fault_at_any_step_before_the_commit_keeps_the_old_slice(
    engine: Engine, step: str, where: str
) -> None:
    def fail(reached: str) -> None:
        if reached == step:
            raise KeyboardInterrupt

    engine.replace(Visits, from_outside((ONE, "ann")), Days((ONE,)))
    rows = from_outside((ONE, "bob")) if where == "outside" else from_within(engine, (ONE, "bob"))
    engine.on_step = fail
    with pytest.raises(KeyboardInterrupt):
        engine.replace(Visits, rows, Days((ONE,)))
    assert stored(engine) == [(ONE, "ann")]


class ReadingHooks:
    """Note who is in the table before and after its slice is replaced; then fail, if `fails`."""

    def __init__(self, engine: Engine, *, fails: bool) -> None:
        self.engine, self.fails = engine, fails
        self.seen: list[list[str]] = []

    def before(self) -> None:
        """Look at the old rows."""
        self._look()

    def after(self) -> None:
        """Look at the new rows."""
        self._look()
        if self.fails:
            raise KeyboardInterrupt

    def _look(self) -> None:
        rows = self.engine.rows_of(self.engine.table(Visits).select("visitor_id"))
        self.seen.append(sorted(row["visitor_id"] for row in rows))


def test_hooks_read_the_new_rows_after_the_slice_and_nobody_does_if_they_fail(
    engine: Engine,
) -> None:
    """What late rows change is found by reading the table before and after."""
    engine.replace(Visits, from_outside((ONE, "ann"), (TWO, "eva")), Days((ONE, TWO)))
    reading, failing = ReadingHooks(engine, fails=False), ReadingHooks(engine, fails=True)
    engine.replace(Visits, from_outside((ONE, "bob")), Days((ONE,)), reading)
    assert reading.seen == [["ann", "eva"], ["bob", "eva"]]
    with pytest.raises(KeyboardInterrupt):
        engine.replace(Visits, from_outside((ONE, "mia")), Days((ONE,)), failing)
    assert failing.seen == [["bob", "eva"], ["eva", "mia"]]
    assert stored(engine) == [(ONE, "bob"), (TWO, "eva")]


def test_steps_are_announced_in_order(engine: Engine) -> None:
    engine.ensure(Visits)
    steps: list[str] = []
    engine.on_step = steps.append
    engine.replace(Visits, from_outside(), None)
    assert steps == ["slice_begun", "slice_written", "committed"]


@pytest.mark.parametrize("where", ["outside", "within"])
def test_a_missing_value_breaks_the_contract_and_the_old_rows_stay(
    engine: Engine, where: str
) -> None:
    engine.replace(Visits, from_outside((ONE, "ann")), Days((ONE,)))
    rows = from_outside((ONE, None)) if where == "outside" else from_within(engine, (ONE, None))
    with pytest.raises(ContractError, match=r"break the table's contract.*old rows were kept"):
        engine.replace(Visits, rows, Days((ONE,)))
    assert stored(engine) == [(ONE, "ann")]
    engine.replace(Visits, from_outside((ONE, "eva")), Days((ONE,)))
    assert stored(engine) == [(ONE, "eva")], "the engine goes on after a failure"


def test_texts_come_back_as_they_were(engine: Engine) -> None:
    odd = [
        "",
        " ",
        '"',
        "''",
        "a,b",
        "a\\nb",
        "a\nb\r\n",
        "\\.",
        "\\N",
        "NULL",
        "日本 ü 🎩",
        "%s",
        "{x}",
        "`",
        "$$",
    ]
    engine.replace(Visits, from_outside(*((ONE, visitor) for visitor in odd)), None)
    assert stored(engine) == sorted((ONE, visitor) for visitor in odd)


def test_texts_sort_by_their_characters_whatever_language_a_server_speaks(engine: Engine) -> None:
    engine.replace(
        Visits,
        from_outside(*((ONE, letter) for letter in ("b", "B", "a", "_", "Z", "ä", "é", "1"))),
        None,
    )
    table = engine.table(Visits)
    ordered = (
        table.mutate(place=ibis.row_number().over(order_by=table.visitor_id))
        .to_pyarrow()
        .to_pylist()
    )
    assert [row["visitor_id"] for row in sorted(ordered, key=lambda row: row["place"])] == sorted(
        "bBa_Zäé1"
    )
    assert table.visitor_id.max().to_pyarrow().as_py() == "é"


def test_a_column_that_the_contract_gained_is_added_by_itself(
    engine: Engine, settings: Settings
) -> None:
    engine.replace(Visits, from_outside((ONE, "ann")), Days((ONE,)))
    wider = grown(city=text("Where from", nullable=True))
    again = opened(settings)
    again.replace(wider, from_outside((TWO, "bob")).mutate(city=ibis.literal("Riga")), Days((TWO,)))
    assert stored(again, wider) == [(ONE, "ann", None), (TWO, "bob", "Riga")]
    again.close()


@pytest.mark.parametrize(
    ("change", "becomes", "left"),
    [
        ({}, "dropped, with its values", [(ONE, "7")]),
        ({"city": text("Where from", nullable=True)}, None, [(ONE, "7", "Riga")]),
        (
            {"city": text("Where from", nullable=True), "shop": text("Which", nullable=True)},
            "added, null in the rows that are there",
            [(ONE, "7", "Riga", None)],
        ),
        (
            {"city": text("Where from", nullable=True), "shop": text("Which")},
            "added, never null, so the table is emptied",
            [],
        ),
    ],
    ids=["dropped", "same", "added", "emptied"],
)
def test_any_other_change_waits_for_ecom_migrate(
    engine: Engine,
    settings: Settings,
    change: dict[str, object],
    becomes: str | None,
    left: list[object],
) -> None:
    before = grown(city=text("Where from", nullable=True))
    engine.replace(before, from_outside((ONE, "7")).mutate(city=ibis.literal("Riga")), None)
    engine.close()
    after, again = grown(**change), opened(settings)
    planned = changes(again, after)
    assert [planned_change.becomes for planned_change in planned] == ([becomes] if becomes else [])
    if any(not planned_change.is_automatic for planned_change in planned):
        with pytest.raises(WarehouseError, match="run `ecom migrate` to see the changes"):
            again.table(after)
    assert migrate(again, after) == len(left)
    assert stored(again, after) == left
    assert changes(again, after) == []
    again.close()


def test_a_column_that_may_be_null_now_takes_null_without_a_command(
    engine: Engine, settings: Settings
) -> None:
    before, after = grown(city=text("Where from")), grown(city=text("Where from", nullable=True))
    engine.replace(before, from_outside((ONE, "7")).mutate(city=ibis.literal("Riga")), None)
    engine.close()
    again = opened(settings)
    assert all(
        change.becomes == "may be null" and change.is_automatic for change in changes(again, after)
    )
    unknown = from_outside((ONE, "7"), (TWO, "8")).mutate(city=ibis.null("string"))
    again.replace(after, unknown, None)
    assert stored(again, after) == [(ONE, "7", None), (TWO, "8", None)]
    assert changes(again, after) == []
    again.close()


def test_a_type_that_changed_is_cast_or_everything_stays(
    engine: Engine, settings: Settings
) -> None:
    engine.replace(Visits, from_outside((ONE, "7"), (TWO, "8")), None)
    engine.close()
    numbered = grown(visitor_id=count("Which visitor"))
    again = opened(settings)
    (change,) = changes(again, numbered)
    assert change.becomes == "int64 instead of string, values cast"
    assert migrate(again, numbered) == 2
    assert stored(again, numbered) == [(ONE, 7), (TWO, 8)]
    again.close()


@pytest.mark.parametrize("name", on_one_worker_each(SEVERAL_WRITERS))
def test_what_another_process_made_after_the_first_look_is_met(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    settings = settings_of(name, request, tmp_path)
    mine, other = opened(settings), opened(settings)
    for contract in (Visits, SessionSources):
        other.drop(contract)
    mine.ensure(SessionSources)  # looks at all tables
    assert not mine.has(Visits)
    other.replace(Visits, from_outside((ONE, "ann")), None)
    assert mine.has(Visits)
    assert mine.row_counts([Visits, SessionSources]) == {"mart.visits": 1, "raw.session_sources": 0}
    mine.replace(Visits, from_outside((TWO, "bob")), Days((TWO,)))
    assert stored(other) == [(ONE, "ann"), (TWO, "bob")]
    mine.close()
    other.close()


@pytest.mark.parametrize("name", on_one_worker_each(SEVERAL_WRITERS))
def test_of_two_writers_of_one_slice_one_wins_whole(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    settings = settings_of(name, request, tmp_path)
    writers = [opened(settings) for _ in range(2)]
    writers[0].drop(Visits)
    both = threading.Barrier(2)

    def write(engine: Engine, who: str) -> None:
        both.wait()
        for _ in range(5):
            engine.replace(
                Visits, from_outside(*((ONE, f"{who}{n}") for n in range(500))), Days((ONE,))
            )

    threads = [
        threading.Thread(target=write, args=(writer, who))
        for writer, who in zip(writers, "ab", strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    left = [who for _, who in stored(writers[0])]
    assert len(left) == 500
    assert len({who[0] for who in left}) == 1
    for writer in writers:
        writer.close()


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="there is one process only")
def test_tests_of_one_engine_run_in_one_process(
    engine: Engine, request: pytest.FixtureRequest
) -> None:
    assert request.node.nodeid.endswith(
        f"@{engine.address.partition(':')[0].removesuffix('ql')}"
    ), "pytest-xdist no longer groups tests, so each process would fill each warehouse"


FIRST_DAY, SECOND_DAY = date(2026, 1, 1), date(2026, 1, 2)
BOTH = Days((FIRST_DAY, SECOND_DAY))


@pytest.fixture
def tracked(settings: Settings) -> Iterator[Engine]:
    tracked = opened(settings)
    for contract in (RawStock, Withdrawals, AbsentDays, EmptyDays, StoredRows):
        tracked.drop(contract)
    yield tracked
    tracked.close()


def bring(  # noqa: PLR0913 (each is a fact of a story)
    tracked: Engine,
    first_count: int,
    second_count: int,
    *,
    allowed: bool = False,
    whole: tuple[date, ...] = (),
    days: Days = BOTH,
    origin: str = "",
    supersedes: Days = NO_DAYS,
) -> list[date]:
    """Bring so many rows of each of two days; return the days that were replaced."""
    source = origin or "shop"
    rows = stock_rows(
        ({"product_id": str(number), "stock": "1"} for number in range(first_count + second_count)),
        FIRST_DAY,
        source,
    )
    day = (rows.record_number <= first_count).ifelse(
        ibis.literal(FIRST_DAY), ibis.literal(SECOND_DAY)
    )
    # Rows of several sources share a table only where none has a number that another has.
    rows = rows.mutate(
        received_date=day, record_number=rows.record_number + (1_000 if "://" in origin else 0)
    )
    rows = rows.filter(days.contain(rows.received_date))
    gate = SourceGate(least_count=10)
    guard = WithdrawalGuard(
        tracked, gate, lambda _contract: whole, "run", allowed, origin, supersedes
    )
    return list(guard.replace(RawStock, rows, days)[1].dates)


def counts(tracked: Engine) -> list[int]:
    actual = tracked.day_counts(RawStock, BOTH)
    return [actual.get(FIRST_DAY, 0), actual.get(SECOND_DAY, 0)]


def held(tracked: Engine) -> list[tuple[date, int, int]]:
    return [
        (row["received_date"], row["stored_count"], row["offered_count"])
        for row in held_withdrawals(tracked)
    ]


def test_notes_about_a_table_are_replaced_and_those_about_others_stay(tracked: Engine) -> None:
    """Three days of no rows, noted of two tables: those of one change on the first two days."""
    days = Days.between(FIRST_DAY, date(2026, 1, 4))
    noted = [
        {"received_date": day, "source_table": table}
        for day in days.dates
        for table in ("raw.events", "raw.stock")
    ]
    tracked.replace(EmptyDays, in_memory(noted, EmptyDays), None)
    with tracked.transaction():
        fresh = [{"received_date": SECOND_DAY, "source_table": "raw.stock"}]
        rows = pa.Table.from_pylist(fresh, schema=arrow_schema_of(EmptyDays))
        tracked.rewrite_about(EmptyDays, BOTH, {"source_table": "raw.stock"}, rows)
    left = {"raw.events": list(days.dates), "raw.stock": [SECOND_DAY, days.dates[-1]]}
    for table, of_table in left.items():
        rows_of_table = notes_of(tracked, EmptyDays, table)
        assert [row["received_date"] for row in rows_of_table] == of_table, table


def test_a_lost_day_keeps_its_rows_and_its_neighbour_goes_on(tracked: Engine) -> None:
    assert bring(tracked, 3, 3) == [FIRST_DAY, SECOND_DAY]
    assert bring(tracked, 5, 0) == [FIRST_DAY]
    assert (counts(tracked), held(tracked)) == ([5, 3], [(SECOND_DAY, 3, 0)])
    since = held_withdrawals(tracked)[0]["noticed_at"]
    assert bring(tracked, 5, 0) == [FIRST_DAY]
    assert held_withdrawals(tracked)[0]["noticed_at"] == since


def test_a_day_is_loaded_if_it_has_rows_or_was_found_without_any(tracked: Engine) -> None:
    third = date(2026, 1, 3)
    assert tracked.loaded_days(RawStock, BOTH).dates == ()
    bring(tracked, 3, 0, days=Days((FIRST_DAY,)))
    assert tracked.loaded_days(RawStock, BOTH).dates == (FIRST_DAY,)
    bring(tracked, 3, 0)
    bring(tracked, 3, 0)  # noted once
    assert tracked.loaded_days(RawStock, Days((*BOTH.dates, third))) == BOTH
    assert tracked.loaded_days(RawStock, None) == BOTH
    assert tracked.row_count(EmptyDays) == 1


def test_rows_that_are_back_end_it_by_themselves(tracked: Engine) -> None:
    bring(tracked, 3, 3)
    bring(tracked, 3, 0)
    assert bring(tracked, 3, 4) == [FIRST_DAY, SECOND_DAY]
    assert (counts(tracked), notes_of(tracked, Withdrawals)) == ([3, 4], [])


def test_a_part_of_a_day_that_is_gone_ends_the_write_and_a_newer_version_does_not(
    tracked: Engine,
) -> None:
    bring(tracked, 30, 3)
    with pytest.raises(
        SourceError, match=r"raw\.stock would lose 6 of the 30 rows of 2026-01-01, "
    ):
        bring(tracked, 24, 5)
    assert (counts(tracked), lost_rows(tracked, RawStock)) == ([30, 3], [])
    assert bring(tracked, 24, 5, supersedes=Days((FIRST_DAY,))) == [FIRST_DAY, SECOND_DAY]
    with declared_loss(tracked, RawStock):
        tracked.replace(RawStock, tracked.table(RawStock).limit(0), Days((SECOND_DAY,)))
    assert (counts(tracked), lost_rows(tracked, RawStock)) == ([24, 0], [])
    tracked.replace(RawStock, tracked.table(RawStock).limit(0), Days((FIRST_DAY,)))
    assert lost_rows(tracked, RawStock) == [LostRows(FIRST_DAY, 24, 0)]
    with pytest.raises(SourceError, match="would lose 4 of the 24 rows"):
        bring(tracked, 20, 0)
    assert bring(tracked, 20, 0, allowed=True) == [FIRST_DAY, SECOND_DAY]
    assert lost_rows(tracked, RawStock) == []


def test_a_run_that_allows_it_lets_them_go_and_it_is_noted(tracked: Engine) -> None:
    bring(tracked, 3, 3)
    bring(tracked, 3, 0)
    assert bring(tracked, 3, 0, allowed=True) == [FIRST_DAY, SECOND_DAY]
    assert (counts(tracked), held(tracked)) == ([3, 0], [])
    (note,) = notes_of(tracked, Withdrawals)
    assert (note["received_date"], note["stored_count"], note["withdrawn_at"] is None) == (
        SECOND_DAY,
        3,
        False,
    )


def test_a_day_that_lost_most_of_many_rows_is_kept_too(tracked: Engine) -> None:
    bring(tracked, 100, 9)
    assert bring(tracked, 19, 1, supersedes=BOTH) == [SECOND_DAY]
    assert (counts(tracked), held(tracked)) == ([100, 1], [(FIRST_DAY, 100, 19)])
    assert bring(tracked, 20, 1, supersedes=BOTH) == [FIRST_DAY, SECOND_DAY]
    assert (counts(tracked), held(tracked)) == ([20, 1], [])


def test_a_day_that_its_source_says_is_whole_may_end_within_the_gate(tracked: Engine) -> None:
    bring(tracked, 100, 9)
    assert bring(tracked, 100, 0, whole=(SECOND_DAY,)) == [FIRST_DAY, SECOND_DAY]
    assert bring(tracked, 0, 0, whole=(FIRST_DAY,)) == [SECOND_DAY]
    assert counts(tracked) == [100, 0]


def origins(tracked: Engine) -> list[tuple[str, date, int]]:
    rows = tracked.slice_rows(RawStock, BOTH).to_pylist()
    return sorted(
        (*key, n)
        for key, n in Counter((row["source"], row["received_date"]) for row in rows).items()
    )


def test_a_source_withdraws_only_what_that_kind_of_source_brought(tracked: Engine) -> None:
    bring(tracked, 3, 2, origin="history.csv")
    api, moved = "https://api.example.com", "https://api.example.org"
    assert bring(tracked, 0, 4, origin=api) == [FIRST_DAY, SECOND_DAY]
    both = [("history.csv", FIRST_DAY, 3), ("history.csv", SECOND_DAY, 2), (api, SECOND_DAY, 4)]
    assert (origins(tracked), held(tracked)) == (both, [])
    assert bring(tracked, 0, 0, origin=api) == [FIRST_DAY]
    assert (origins(tracked), held(tracked)) == (both, [(SECOND_DAY, 4, 0)])
    assert bring(tracked, 0, 0, origin=moved, allowed=True) == [FIRST_DAY, SECOND_DAY]
    assert (origins(tracked), held(tracked)) == (both[:2], [])
    assert bring(tracked, 1, 1, origin="other.csv", supersedes=BOTH) == [FIRST_DAY, SECOND_DAY], (
        "files replace files"
    )
    assert origins(tracked) == [("other.csv", FIRST_DAY, 1), ("other.csv", SECOND_DAY, 1)]


def test_uploads_are_replaced_alone_on_a_day_that_another_source_lists_too(
    tracked: Engine,
) -> None:
    assert bring(tracked, 3, 2) == [FIRST_DAY, SECOND_DAY]
    first = Days((FIRST_DAY,))

    def upload(count: int) -> None:
        lines = ({"product_id": f"U{number}", "stock": "1"} for number in range(count))
        values = stock_values(lines, FIRST_DAY, "uploads", "upload-000001-001.parquet", 1_000_000)
        guard = WithdrawalGuard(
            tracked,
            SourceGate(least_count=10),
            lambda _contract: (),
            "run",
            is_allowed=False,
            supersedes=first,
            taken_back=lambda: ["upload-000001-"],
            only_uploads=first,
        )
        assert guard.replace(RawStock, in_memory(values, RawStock), first)[1] == first

    upload(2)
    assert counts(tracked) == [5, 2]
    upload(4)
    assert counts(tracked) == [7, 2], "three of the other source, and four of the upload"
    upload(0)
    assert counts(tracked) == [3, 2], "the upload is taken back"


def test_days_of_which_a_source_has_nothing_are_noted_until_it_has_rows(tracked: Engine) -> None:
    bring(tracked, 3, 0)
    note_absent(tracked, RawStock, Days(()), BOTH, "first")
    assert [(row["received_date"], row["kept_count"]) for row in notes_of(tracked, AbsentDays)] == [
        (FIRST_DAY, 3),
        (SECOND_DAY, 0),
    ]
    since = notes_of(tracked, AbsentDays, RawStock.qualified_name())[0]["noticed_at"]
    note_absent(tracked, RawStock, Days((SECOND_DAY,)), Days((FIRST_DAY,)), "second")
    [row] = notes_of(tracked, AbsentDays, RawStock.qualified_name())
    assert (row["received_date"], row["noticed_at"], row["run_id"]) == (FIRST_DAY, since, "second")
    note_absent(tracked, RawStock, BOTH, Days(()), "third")
    assert notes_of(tracked, AbsentDays) == []


def test_days_that_a_run_is_not_about_are_not_looked_at(tracked: Engine) -> None:
    bring(tracked, 3, 3)
    assert bring(tracked, 3, 0, days=Days((FIRST_DAY,))) == [FIRST_DAY]
    assert bring(tracked, 0, 0, days=Days(())) == []
    assert (counts(tracked), notes_of(tracked, Withdrawals)) == ([3, 3], [])
