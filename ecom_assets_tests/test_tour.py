"""The tour of the code: each line that it shows is in the file that it names,
and each row and tile is what the run that it describes makes.
"""

import re
import shlex
from pathlib import Path

import duckdb
import pytest
import requests

from ecom_assets.core.settings.settings import load_settings
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets_tests.command import ecom
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.markdown import ROOT, Line, Section, section, sections
from ecom_assets_tests.patience import PATIENCE_S

TOUR = "docs/tour.md"
STOPS = {
    match[2]: body
    for heading, body in sections(TOUR)
    if (match := re.fullmatch(r"(\d)\. .*: `(.+)`", heading))
}
"""The text of each stop, by its file."""
TABLE = re.compile(r"`(\w+\.\w+)`[^\n]*:\n\n((?:\|.*\n)+)")


def test_the_tour_passes_eight_files_for_the_event_and_eight_for_the_order() -> None:
    numbers = [
        match[1] for heading, _ in sections(TOUR) if (match := re.match(r"(\d)\. ", heading))
    ]
    assert numbers == [*"12345678", *"12345678"]
    assert len(STOPS) == 16


@each("file", STOPS)
def test_the_line_that_a_stop_shows_is_in_its_file(file: str) -> None:
    shown = Section(STOPS[file]).code[0]
    text = (ROOT / file).read_text(encoding="utf-8")
    for part in shown.split("…"):
        assert part.strip() in text, f"{file} has no longer: {shown}"


def test_the_event_of_the_tour_is_in_the_file_of_events() -> None:
    (line,) = section(TOUR, "One event").code
    assert line in (ROOT / "docs" / "example_events.csv").read_text(encoding="utf-8")


def shown_rows() -> list[tuple[str, Line]]:
    """Return each row that the tour shows, with the name of its table."""
    text = (ROOT / TOUR).read_text(encoding="utf-8")
    return [(table, row) for table, rows in TABLE.findall(text) for row in Section(rows).tables[0]]


@pytest.mark.slow
def test_the_run_of_the_tour_makes_the_rows_and_the_tiles(tmp_path: Path) -> None:
    orders, commands, _ = section(TOUR, "Run it").code
    (tmp_path / "orders.csv").write_text(orders)
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    home = tmp_path / "home"
    arguments = shlex.split(commands.splitlines()[-1])[1:]
    result = ecom(*arguments, home=home, cwd=tmp_path)
    assert result.exit_code == 0, result.err

    rows = shown_rows()
    assert len({table for table, _ in rows}) == 11
    with duckdb.connect(home / "warehouse.duckdb", read_only=True) as con:
        for table, row in rows:
            assert row in stored_rows(con, table, list(row)), table
        assert con.execute("SELECT count(*) FROM staging.held_order_days").fetchone() == (0,)

    settings = load_settings(home=home, events=str(ROOT / "docs" / "example_events.csv"))
    with served(build_dashboard_app(settings)) as answer:
        for file, day in zip(
            ("board_tiles.py", "pages/overview.py"), ("2026-03-03", "2026-03-02"), strict=True
        ):
            (stop,) = (body for name, body in STOPS.items() if name.endswith(file))
            url = f"{answer.address}/dashboard/overview?start_date={day}&end_date={day}"
            page = requests.get(url, timeout=PATIENCE_S).text
            words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
            for tile in Section(stop).tables[0]:
                assert f" {tile['tile']} {tile['shows']} " in words


def stored_rows(con: duckdb.DuckDBPyConnection, table: str, columns: list[str]) -> list[Line]:
    """Return columns of all rows of a table, as text."""
    result = con.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()
    return [{name: str(value) for name, value in zip(columns, row, strict=True)} for row in result]
