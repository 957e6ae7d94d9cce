"""Statements that serve all days: the days get in, and nothing else does."""

from datetime import date
from typing import Any

import ibis
import pytest

from ecom_assets.api.store import sql_cache as compiled
from ecom_assets.api.store.sql_cache import Compiled
from ecom_assets.tables.queries import LAST_DATE, Period, in_period, with_previous
from ecom_assets.warehouse.local import connect

DAYS = ibis.table({"day": "date", "name": "string"}, name="days")
WEEKS = (
    Period("custom", date(2026, 3, 2), date(2026, 3, 8)),
    Period("custom", date(1900, 1, 1), date(1900, 1, 7)),
    Period("custom", date(2200, 12, 25), LAST_DATE),
)


@pytest.mark.parametrize("period", WEEKS)
def test_a_kept_statement_is_the_one_that_would_be_written_again(period: Period) -> None:
    con, kept = connect(), Compiled()
    for other in WEEKS:
        kept.sql(con, with_previous(DAYS, "day"), other)
    answer = kept.sql(con, with_previous(DAYS, "day"), period)
    assert answer == con.compile(with_previous(DAYS, "day"), params=period.parameters)
    assert f"MAKE_DATE({period.start_date.year}, {period.start_date.month}, {period.start_date.day})" in answer


def test_one_statement_is_written_for_all_days(monkeypatch: pytest.MonkeyPatch) -> None:
    con, kept, written = connect(), Compiled(), []
    plain = con.compile

    def counted(*given: Any, **named: Any) -> Any:
        written.append(1)
        return plain(*given, **named)

    monkeypatch.setattr(con, "compile", counted)
    for period in WEEKS:
        kept.sql(con, DAYS.filter(in_period(DAYS.day)), period)
    assert len(written) == 1
    kept.sql(con, DAYS.filter(in_period(DAYS.day), DAYS.name == "anna"), WEEKS[0])
    assert len(written) == 2


def test_a_text_that_looks_like_the_place_of_a_day_stays_a_text() -> None:
    text = f"MAKE_DATE({LAST_DATE.year + 1}, 1, 1)"
    question = DAYS.filter(in_period(DAYS.day), DAYS.name == text)
    con, kept = connect(), Compiled()
    for _ in range(2):
        assert f"'{text}'" in kept.sql(con, question, WEEKS[0])


def test_no_more_statements_are_kept_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "MOST", 3)
    con, kept = connect(), Compiled()
    for number in range(10):
        question = DAYS.filter(DAYS.name == str(number))
        assert f"'{number}'" in kept.sql(con, question, None)
        assert len(kept) <= 3
