"""A failed check is printed without Python's own notation, and the tables named are those that were written."""

from pathlib import Path

import pytest

from ecom_assets.cli.summary.lines import plain
from ecom_assets_tests.command import ecom, page_views


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([{"day": "2026-01-01", "rows": 1200}, {"day": "2026-01-02", "rows": None}],
         "day 2026-01-01, rows 1,200; day 2026-01-02, rows none"),
        ({"seen": True}, "seen yes"),
        ([], "none"),
        (1_000_000, "1,000,000"),
    ],
)  # fmt: skip
def test_values_of_checks_are_words(value: object, words: str) -> None:
    assert plain(value) == words


@pytest.mark.slow
def test_a_run_of_a_few_tables_names_these(tmp_path: Path) -> None:
    events = page_views(tmp_path / "clicks.csv", "2026-01-01")
    result = ecom("run", "--events", events, "--select", 'key:"raw/events"', home=tmp_path / "home")
    (line,) = [line for line in result.out.splitlines() if line.startswith("Tables in ")]
    assert line == f"Tables in duckdb://{tmp_path}/home/warehouse.duckdb: raw.events 1"
