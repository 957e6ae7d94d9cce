"""What `make bench` says of figures, by made-up ones: which are worse, better, new and missing."""

import subprocess
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from benchmarks import __main__ as bench
from benchmarks import figures
from benchmarks.commerce import marketing
from benchmarks.figures import Change, Comparison, Figure
from benchmarks.orchestration import handwritten, whole_run
from benchmarks.same_tables import MAY_BE_EMPTY, OF_THE_PLATFORM, differences
from ecom_assets.commerce.marketing.contracts import MarketingDaily
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.site_lists import VERSION
from ecom_assets.orchestration.registry import ALL
from ecom_assets_tests.each import each
from ecom_assets_tests.markdown import sections
from ecom_sandbox.shop.shop import generate

HERE, THERE = "2 cores and 24 GiB", "8 cores and 64 GiB"
BEFORE = [
    Figure("funnel", "funnel / chDB", 1.0, "x", 1.6, machine=HERE, commit="a1"),
    Figure("funnel", "start", 1.2, "s", 0.7, machine=HERE, commit="a1"),
    Figure("collect", "events a second", 50_000, "events/s", 20_000, at_most=False, machine=HERE),
    Figure("whole_run", "by the clock", 170, "s", 100, tolerance=0.1, is_gate=True, machine=HERE),
    Figure("whole_run", "CPU", 300, "CPU s", 195, tolerance=0.1, is_gate=True, machine=HERE),
]


def compared(*after: Figure, finished: tuple[str, ...] = ()) -> dict[str, Comparison]:
    found = figures.compare(after, BEFORE, finished)
    return {(each.before or after[-1]).name: each for each in found}


def measured(name: str, value: float, **more: Any) -> Figure:
    [before] = [figure for figure in BEFORE if figure.name == name]
    return replace(before, value=value, commit="b2", **more)


@each(
    "name, value, change, fails",
    [
        ("funnel / chDB", 1.14, Change.SAME, False),
        ("funnel / chDB", 1.16, Change.WORSE, False),  # and meets its target of 1.6 still
        ("funnel / chDB", 1.70, Change.WORSE, True),
        ("funnel / chDB", 0.80, Change.BETTER, False),
        ("start", 1.5, Change.WORSE, False),  # its target was missed before
        ("events a second", 45_000, Change.SAME, False),
        ("events a second", 40_000, Change.WORSE, False),
        ("events a second", 19_000, Change.WORSE, True),
        ("events a second", 60_000, Change.BETTER, False),
        ("by the clock", 186, Change.SAME, False),
        ("by the clock", 188, Change.WORSE, True),  # 1.1 times 170 are 187
        ("by the clock", 154, Change.BETTER, False),
        ("CPU", 329, Change.SAME, False),
        ("CPU", 331, Change.WORSE, True),
    ],
)
def test_a_figure_is_worse_beyond_its_tolerance_and_the_whole_run_fails_at_ten_percent(
    name: str, value: float, change: Change, *, fails: bool
) -> None:
    comparison = compared(measured(name, value))[name]
    assert (comparison.change, comparison.fails) == (change, fails)


def test_what_is_worse_is_said_first_with_both_figures_and_the_commit() -> None:
    found = compared(
        measured("start", 0.6), measured("funnel / chDB", 1.5, wall_s=2.0), finished=("collect",)
    )
    assert list(figures.differences(list(found.values()))) == [
        "worse: funnel / chDB, 1 before (a1), 1.5 (2 s) now, 50% worse (tolerance 15%)",
        "better: start, 1.2 s before (a1), 0.6 s now, 50% better (tolerance 15%)",
        "not measured again: events a second, 50,000 events/s",
    ]


def test_only_what_ran_to_its_end_can_miss_a_figure() -> None:
    assert "events a second" not in compared(measured("start", 1.2))
    assert (
        compared(measured("start", 1.2), finished=("funnel",))["funnel / chDB"].change
        is Change.MISSING
    )


def test_a_new_figure_is_new_and_never_fails() -> None:
    row = Figure("funnel", "20 steps", 9.0, "x", 4.0, is_gate=True, machine=HERE)
    comparison = compared(row)["20 steps"]
    assert (comparison.change, comparison.fails) == (Change.NEW, False)


def test_of_another_machine_only_ratios_are_compared() -> None:
    slow = compared(
        measured("by the clock", 400, machine=THERE), measured("funnel / chDB", 2.0, machine=THERE)
    )
    assert slow["by the clock"].change is Change.ELSEWHERE
    assert not slow["by the clock"].fails
    assert slow["funnel / chDB"].fails


def test_figures_of_zero_and_below_are_compared_too() -> None:
    below, zero, above = (replace(BEFORE[1], value=value) for value in (-0.5, 0.0, 1.2))
    for less, more in ((below, zero), (zero, above), (below, above)):
        assert less.worse_than(more) < 0 < more.worse_than(less)
    assert zero.worse_than(zero) == 0


def test_the_table_keeps_what_was_not_measured_and_drops_what_is_no_longer_reported() -> None:
    after = [measured("start", 1.0), Figure("funnel", "20 steps", 2.0, "x")]
    names = [figure.name for figure in figures.renewed(BEFORE, after, ["funnel"])]
    assert sorted(names) == ["20 steps", "CPU", "by the clock", "events a second", "start"]
    halfway = figures.renewed(BEFORE, after, [])  # the benchmark failed: what it had stays
    assert {figure.name for figure in halfway} == {figure.name for figure in BEFORE} | {"20 steps"}
    assert [figure.value for figure in halfway if figure.name == "start"] == [1.0]


def test_a_table_is_read_as_it_was_written() -> None:
    assert figures.read(figures.written(BEFORE)) == BEFORE
    assert "null" not in figures.written(BEFORE)


def test_the_page_shows_the_table_of_the_file() -> None:
    page = figures.PAGE.read_text(encoding="utf-8")
    assert figures.with_table(page, figures.read(figures.FILE.read_text(encoding="utf-8"))) == page


def test_a_line_of_the_page_says_target_outcome_and_commit() -> None:
    questions = [
        Figure("questions", f"a question, {name}", value, "x", 2.0, group="a question", commit="c3")
        for name, value in (("trend", 1.2), ("retention", 2.3))
    ]
    lines = figures.markdown([*BEFORE[:2], BEFORE[2], *questions]).splitlines()
    assert lines[1] == f"Measured on {HERE}."
    assert lines[5:8] == [
        "| funnel / chDB | 1 | ≤ 1.6 | met | a1 |",
        "| start | 1.2 s | ≤ 0.7 s | [missed](tried.md#funnel) | a1 |",
        "| events a second | 50,000 events/s | ≥ 20,000 events/s | met |  |",
    ]
    outcome = "[missed](tried.md#questions) by 1 of 2"
    assert lines[8] == f"| a question | 1.2 to 2.3; worst: retention | ≤ 2 | {outcome} | c3 |"


def test_each_missed_target_is_explained() -> None:
    kept = figures.read(figures.FILE.read_text(encoding="utf-8"))
    missed = {figure.subject.replace("_", " ") for figure in kept if figure.met is False}
    assert missed <= {heading.lower() for heading, _ in sections("benchmarks/tried.md")}


def test_each_kept_figure_is_of_a_benchmark_and_named_once() -> None:
    kept = figures.read(figures.FILE.read_text(encoding="utf-8"))
    assert {figure.subject for figure in kept} <= {*bench.FULL, *bench.HUGE}
    assert len({figure.name for figure in kept}) == len(kept)


def test_the_whole_run_has_gates_of_seconds_and_cpu_seconds() -> None:
    gates = whole_run.results("`ecom run`", 169.0, 298.0)
    assert [(gate.unit, gate.target, gate.tolerance, gate.is_gate) for gate in gates] == [
        ("s", 100.0, 0.1, True),
        ("CPU s", 195.0, 0.1, True),
    ]
    kept = figures.read(figures.FILE.read_text(encoding="utf-8"))
    assert [figure.unit for figure in kept if figure.is_gate] == ["s", "CPU s"]


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A committed table of made-up figures, and its page."""
    page = f"# Figures\n\n{figures.BEGIN}{figures.END}\n"
    monkeypatch.setattr(figures, "HERE", tmp_path)
    monkeypatch.setattr(figures, "FILE", tmp_path / "figures.json")
    monkeypatch.setattr(figures, "PAGE", tmp_path / "README.md")
    monkeypatch.setattr(figures, "machine", lambda: HERE)
    (tmp_path / "README.md").write_text(page, encoding="utf-8")
    figures.write(BEFORE)
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.com"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "Figures"]):
        subprocess.run([*git, *arguments], cwd=tmp_path, check=True)
    return tmp_path


def row(name: str, value: float, load: float = 0.1) -> dict[str, Any]:
    """A result as `python -m benchmarks` collects it: with fields that no table keeps."""
    kept = asdict(measured(name, value))
    del kept["machine"], kept["commit"]
    return {**kept, "load_before": load, "events": 1_000, "met": None}


def test_a_run_is_compared_with_the_commit_and_not_with_its_own_last_table(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = [row("by the clock", 250.0), row("CPU", 300.0)]
    assert bench.compared(slow, ["whole_run"])
    assert '"value": 250.0' in (table / "figures.json").read_text(encoding="utf-8")
    assert "| by the clock | 250 s | ≤ 100 s |" in (table / "README.md").read_text(encoding="utf-8")
    assert bench.compared(slow, ["whole_run"]), "the table that it wrote hides nothing"
    assert "worse: by the clock, 170 s before" in capsys.readouterr().out
    assert not bench.compared([row("by the clock", 171.0), row("CPU", 299.0)], ["whole_run"])


def test_a_machine_that_does_other_work_writes_no_table(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (table / "figures.json").read_bytes()
    assert not bench.compared([row("start", 0.5, load=99.0)], ["funnel"])
    assert "The machine was doing other work" in capsys.readouterr().out
    assert (table / "figures.json").read_bytes() == before


def test_a_benchmark_that_fails_loses_no_figure(table: Path) -> None:
    failed = {"name": "ended with code 1", "subject": "funnel", "value": None, "failed": True}
    assert not bench.compared([{**failed, "load_before": 0.1}], ["funnel"])
    assert figures.read((table / "figures.json").read_text(encoding="utf-8")) == sorted(
        BEFORE, key=lambda figure: figure.subject
    )


def database(file: Path, *statements: str) -> Path:
    with duckdb.connect(str(file)) as con:
        con.execute("CREATE SCHEMA mart; " + "; ".join(statements))
    return file


def test_each_row_that_only_one_side_has_is_counted(tmp_path: Path) -> None:
    touches = "CREATE TABLE mart.touches AS SELECT unnest([1, 2, 2]) AS n, 'Email' AS channel"
    rates = "CREATE TABLE mart.rates AS SELECT 0.1 + {}::DOUBLE AS rate"
    own = database(
        tmp_path / "own.duckdb",
        touches,
        rates.format(0.2),
        "CREATE TABLE mart.alone AS SELECT 7 AS n",
        "CREATE TABLE mart.empty (n INTEGER)",
        "CREATE TABLE mart.published_days AS SELECT 1 AS n",  # a note of the platform about itself
    )
    other = database(tmp_path / "other.duckdb", touches, rates.format(0.2000000000001))
    assert differences(own, other) == {
        "mart.alone": {"rows": 1, "differing": 1},  # by hand there is no such table
        "mart.rates": {"rows": 1, "differing": 0},  # apart by less than the rounding of a sum
        "mart.touches": {"rows": 3, "differing": 0},
    }
    with duckdb.connect(str(other)) as con:
        con.execute("UPDATE mart.touches SET channel = 'Direct' WHERE n = 1")
        con.execute("DELETE FROM mart.touches WHERE n = 2")
    # Ours has 1 by Email and twice 2, the other 1 by Direct: four rows are on one side alone.
    assert differences(own, other)["mart.touches"] == {"rows": 3, "differing": 4}


def test_hand_written_parts_are_tables_of_the_platform_and_what_they_share() -> None:
    names = [name for name, _ in handwritten.parts()]
    tables = [name for name in names if not name.startswith("(")]
    assert len({*names}) == len(names)
    assert {*tables} <= {table.qualified_name() for table in ALL}
    assert {*handwritten.MODELS} <= {*tables}


@pytest.mark.slow
def test_hand_written_tables_of_advertising_have_the_rows_of_the_platform() -> None:
    con = connect()
    marketing.make(con, spend_count=30_000, order_count=2_000)
    spent = marketing.run(con)  # which ends where two tables differ, or are empty
    assert [*spent] == [name for name, _ in marketing.parts_by_hand()]
    con.raw_sql("UPDATE own_marketing_daily SET new_customer_count = new_customer_count + 1")
    with pytest.raises(SystemExit, match="the tables marketing_daily differ"):
        marketing.check(con, MarketingDaily)


@pytest.mark.slow
def test_hand_written_sql_writes_the_rows_of_a_whole_run(tmp_path: Path) -> None:
    generate(tmp_path / "shop", days=9, visitors=600, first_day=date(2026, 1, 1))
    events = tmp_path / "shop" / "events"
    spent, written, checked = handwritten.platform(events, tmp_path / "home")
    hand = handwritten.write_tables(str(events), tmp_path / "by_hand.duckdb", VERSION)
    found = differences(tmp_path / "home" / "warehouse.duckdb", tmp_path / "by_hand.duckdb")
    assert {name: rows for name, rows in found.items() if rows["differing"]} == {}
    assert {name for name, rows in found.items() if not rows["rows"]} <= MAY_BE_EMPTY
    # Each table that the run wrote is there by hand, and costs on both sides.
    # One compares runs, of which there is one, the other notes which files were read.
    left = OF_THE_PLATFORM | {"mart.restatements", "landing.files"}
    assert {name for name in written if "." in name} - left <= {*hand}
    assert handwritten.PUBLICATION in written
    assert sum(written.values()) + sum(checked.values()) < spent.cpu_s
