"""Days between the first and the last of a source: those without rows cost nothing;
a span nobody means is refused.
"""

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from ecom_assets.commerce.marketing.contracts import RawAdSpend
from ecom_assets.core.errors import UsageError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.ingestion.sources.day_spans import (
    GAP_DAYS,
    DayOfFile,
    days_of_files,
    parts_of,
    require_span,
    whole_days,
)
from ecom_assets.ingestion.sources.extraction.landing import STATE
from ecom_assets.ingestion.sources.files.mapping import load_mapping
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets_tests.command import page_views

STRAY, FIRST, LAST = date(2012, 1, 3), date(2026, 1, 1), date(2026, 1, 5)
SPAN = Days.between(STRAY, LAST + ONE_DAY)


def spans(parts: list[Days]) -> list[tuple[date, date]]:
    return [(part.first, part.dates[-1]) for part in parts]


def test_a_stray_day_is_a_part_of_its_own_and_the_years_between_are_none() -> None:
    assert spans(parts_of(SPAN, [STRAY, FIRST, LAST])) == [(STRAY, STRAY), (FIRST, LAST)]


def test_a_few_weeks_without_rows_are_not_worth_a_part() -> None:
    after = FIRST + timedelta(days=GAP_DAYS)
    assert spans(parts_of(Days.between(FIRST, after + ONE_DAY), [FIRST, after])) == [(FIRST, after)]
    later = after + ONE_DAY
    assert spans(parts_of(Days.between(FIRST, later + ONE_DAY), [FIRST, later])) == [
        (FIRST, FIRST),
        (later, later),
    ]


def test_the_first_and_the_last_day_that_were_asked_for_stay_whatever_has_rows() -> None:
    assert spans(parts_of(SPAN, [])) == [(STRAY, STRAY), (LAST, LAST)]
    assert spans(parts_of(Days((FIRST,)), [LAST])) == [(FIRST, FIRST)]


def test_the_row_that_is_far_from_all_others_is_named_by_its_file_and_day() -> None:
    """It lies 5,117 days back, where 1,830 may be spanned."""
    actual = [
        DayOfFile(day, "a.csv", 20, day, day) for day in Days.between(FIRST, LAST + ONE_DAY).dates
    ]
    actual.append(DayOfFile(STRAY, "old.csv", 1, STRAY, STRAY))
    require_span(LAST - 1829 * ONE_DAY, LAST, actual)
    with pytest.raises(UsageError, match="span 1,831 days"):
        require_span(LAST - 1830 * ONE_DAY, LAST, actual)
    with pytest.raises(UsageError) as refused:
        require_span(STRAY, LAST, actual)
    assert str(refused.value) == (
        "The data span 5,117 days, from 2012-01-03 to 2026-01-05, more than 1,830: 1 row of "
        "old.csv of 2012-01-03 is far from all others; if they are right, confirm them with "
        "--from 2012-01-03 --to 2026-01-05; otherwise remove them, or leave them out with --from "
        "and --to."
    )


def test_files_say_what_arrived_when_and_which_days_it_counts_for(tmp_path: Path) -> None:
    page_views(tmp_path / "loose.csv", "2026-01-01", "2026-01-01", "2012-01-03")
    folder = tmp_path / "received_date=2026-01-04"
    folder.mkdir()
    page_views(folder / "landed.csv", "2026-01-02", "2010-01-01")
    files = RecordFiles.open(duckdb.connect(), [tmp_path], load_mapping("ecommerce"), "UTC")
    assert sorted(days_of_files(files, late_days=7), key=lambda span: span.received) == [
        DayOfFile(STRAY, "loose.csv", 1, STRAY, STRAY),
        DayOfFile(FIRST, "loose.csv", 2, FIRST, FIRST),
        # The row of 2010 comes too late to count for its day.
        DayOfFile(
            date(2026, 1, 4),
            "received_date=2026-01-04/landed.csv",
            2,
            date(2026, 1, 2),
            date(2026, 1, 2),
        ),
    ]


def test_days_of_extracted_ad_spend_are_whole_and_those_of_other_files_are_not(
    tmp_path: Path,
) -> None:
    """A day whose rows landed again elsewhere is empty on purpose."""
    for name in ("extracted", "exports"):
        (tmp_path / name / "campaigns" / "received_date=2026-06-10").mkdir(parents=True)
    (tmp_path / "extracted" / STATE).touch()
    paths = f"google_ads_api={tmp_path}/extracted,native={tmp_path}/exports"
    settings = Settings(home=tmp_path / "home", ad_spend=paths)
    assert whole_days(settings, RawAdSpend) == {date(2026, 6, 10)}
    others = Settings(home=tmp_path / "home", ad_spend=f"native={tmp_path}/exports")
    assert whole_days(others, RawAdSpend) == frozenset()
