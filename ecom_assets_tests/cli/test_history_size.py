"""What runs add to Dagster's files, of which there may be one every five minutes."""

from itertools import pairwise
from pathlib import Path

import pytest

from ecom_assets_tests.command import ecom, page_views

DAYS = [f"2026-03-0{day}" for day in range(1, 7)]


@pytest.mark.slow
def test_a_run_over_two_days_adds_at_most_one_megabyte(tmp_path: Path) -> None:
    home, events = tmp_path / "home", page_views(tmp_path / "events.csv", *DAYS)

    def size_after(first: str, last: str) -> int:
        result = ecom("run", "--events", events, "--from", first, "--to", last, home=home)
        assert result.exit_code == 0, result.err
        return sum(path.stat().st_size for path in (home / "dagster").rglob("*") if path.is_file())

    sizes = [size_after(*days) for days in (DAYS[:2], DAYS[2:4], DAYS[4:])]
    assert sizes[0] > 5_000_000, "the newest run is whole"
    for before, after in pairwise(sizes):
        assert after - before <= 1_000_000, sizes
