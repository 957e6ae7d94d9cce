"""A funnel over Parquet files, whose rows are checked once, says exactly what the full
cleaning says of any rows.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import cache
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any
from unittest.mock import patch

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.events import clean, contracts
from ecom_assets.behaviour.funnels.answer import FUNNEL
from ecom_assets.behaviour.funnels.question import FunnelQuestion
from ecom_assets.behaviour.questions.answer import answer
from ecom_assets.core.settings.settings import load_settings
from ecom_assets.core.tables import days, values
from ecom_assets.ingestion.sources.files import events as file_events
from ecom_assets.ingestion.sources.files import footers, row_check, sql
from ecom_assets.ingestion.sources.files.events import FileEvents
from ecom_assets.ingestion.sources.files.question_source import EventFileSource
from ecom_assets.ingestion.sources.files.row_check import RowCheck
from ecom_assets_tests.hypothesis_settings import examples

COLUMNS = (
    "event_id",
    "user_id",
    "event_type",
    "event_timestamp",
    "product_id",
    "product_category",
    "session_id",
    "page_url",
    "referrer_url",
    "cart_value",
    "received_at",
)
USERS = (
    "ann",
    "ann",
    "bob",
    "bob",
    "7",
    "0",
    "NULL",
    "Test",
    "(no consent)",
    "",
    None,
    None,
    "anon-s1",
    "user-anon-s1",
)
TYPES = (
    ("page_view",) * 4
    + ("product_view",) * 3
    + ("purchase",) * 2
    + ("", None, " page_view", "own type", "x" * 256)
)
# Around the folder's day: the same day, the last one that is not too late, too late, ahead, far
# ahead, unreadable.
TIMES = (
    *(f"2025-03-10T10:0{minute}:00Z" for minute in range(6)),
    "2025-03-10T00:00:00Z",
    "2025-03-10T23:59:59.999Z",
    "2025-03-11T00:00:00Z",
    "2025-03-11T00:59:00Z",
    "2025-03-11T01:00:01Z",
    "2025-03-12T00:00:00Z",
    "2025-03-03T00:00:00Z",
    "2025-03-02T23:59:59.5Z",
    "1970-01-01T00:00:00Z",
    "1989-12-31T12:00:00Z",
    "2150-01-01T00:00:00Z",
    "9999-12-31T00:00:00Z",
    "soon",
    "",
    None,
)
ARRIVALS = (
    *(None,) * 6,
    "2025-03-10T10:03:00Z",
    "2025-03-18T00:00:00Z",
    "1980-01-01T00:00:00Z",
    "2150-01-01T00:00:00Z",
)
ROW = st.tuples(
    st.sampled_from(("a", "b", "c", "d", "e", *map(str, range(20)), "", None)),
    st.sampled_from(USERS),
    st.sampled_from(TYPES),
    st.sampled_from(TIMES),
    st.sampled_from(("p", "p", "p", None)),
    st.none(),
    st.sampled_from(("s1", "s1", "s2", "0", None)),
    st.none(),
    st.none(),
    st.sampled_from((None, None, None, "5", "-1", "1e12", "many")),
    st.sampled_from(ARRIVALS),
)
FOLDERS = (".", "received_date=2025-03-10", "received_date=2025-03-11", "received_date=2025-03-19")
FILES = st.lists(
    st.tuples(
        st.sampled_from(FOLDERS),
        st.sampled_from(("csv", "parquet")),
        st.lists(ROW, min_size=1, max_size=12),
    ),
    min_size=1,
    max_size=4,
)
STEPS = st.sampled_from(
    (
        ["page_view", "product_view", "purchase"],
        ["page_view", "own type"],
        ["purchase", "nothing"],
        ["page_view"],
    )
)
KEPT_AT_ONCE = patch.object(row_check, "TICK", timedelta(-1))
"""As if files had been written a while ago."""
KEPT_LATER = patch.object(row_check, "TICK", timedelta(hours=1))
"""As if files had been written just now, however slow the machine is."""


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache folder of these tests, in which checks are kept."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("ECOM_CACHE", "on")
        patched.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@cache
def writer() -> duckdb.DuckDBPyConnection:
    """A database for the length of the process: opening one takes longer than writing a file."""
    return duckdb.connect()


def write(
    path: Path, rows: Sequence[tuple[str | None, ...]], columns: Sequence[str] = COLUMNS
) -> None:
    path.parent.mkdir(exist_ok=True)
    placeholders = f"({', '.join('?' * len(columns))})"
    writer().execute(
        f"CREATE OR REPLACE TABLE rows ({', '.join(f'{name} VARCHAR' for name in columns)})"
    )
    writer().execute(
        f"INSERT INTO rows VALUES {', '.join([placeholders] * len(rows))}",
        [*chain.from_iterable(rows)],
    )
    writer().execute(f"COPY rows TO '{path}'")


def question(folder: Path, steps: list[Any], within: str = "1h", **more: Any) -> dict[str, Any]:
    asked = FunnelQuestion.from_mapping({"steps": steps, "within": within} | more)
    result = answer(FUNNEL, asked, EventFileSource(FileEvents.open([str(folder)], load_settings())))
    return result.model_dump(mode="json", by_alias=True)


@pytest.mark.slow
@given(files=FILES, steps=STEPS, within=st.sampled_from(("1m", "1h", "30d")))
@examples(60)
def test_it_answers_as_the_full_cleaning_does(
    files: list[tuple[str, str, list[tuple[str | None, ...]]]], steps: list[str], within: str
) -> None:
    with TemporaryDirectory() as made:
        for number, (folder, kind, rows) in enumerate(files):
            write(Path(made) / folder / f"{number}.{kind}", rows)
        with patch.object(
            RowCheck,
            "_check",
            autospec=True,
            side_effect=RowCheck._check,  # noqa: SLF001
        ) as checked:
            quick = question(Path(made), steps, within)
        assert checked.called is all(kind == "parquet" for _, kind, _ in files)
        with KEPT_AT_ONCE:
            assert quick == question(Path(made), steps, within)
            assert quick == question(Path(made), steps, within), (
                "by the check that was kept, if it can be"
            )
        with patch.object(file_events, "MOST_ROWS", 0):
            assert quick == question(Path(made), steps, within)


@pytest.mark.slow
@pytest.mark.parametrize("is_settled", [True, False])
def test_rows_are_checked_once_until_the_file_changes(tmp_path: Path, *, is_settled: bool) -> None:
    file, steps = tmp_path / "a.parquet", ["page_view", "purchase"]
    view = ("a", "ann", "page_view", "2025-03-10T10:00:00Z", *[None] * 7)
    purchase = ("b", "ann", "purchase", "2025-03-10T10:01:00Z", *[None] * 7)
    write(file, [view, purchase])
    with patch.object(RowCheck, "_surplus", autospec=True, side_effect=RowCheck._surplus) as looked:  # noqa: SLF001
        with KEPT_AT_ONCE if is_settled else KEPT_LATER:
            for _ in range(3):
                assert [step["count"] for step in question(tmp_path, steps)["steps"]] == [1, 1]
        assert looked.call_count == (1 if is_settled else 3), (
            "a file may be written twice within a tick of its clock"
        )
        write(file, [view, view])
        with KEPT_AT_ONCE:
            again = question(tmp_path, steps)
            assert question(tmp_path, steps) == again
        assert [step["count"] for step in again["steps"]] == [1, 0]
        assert again["rows"] == {"read": 2, "counted": 1, "rejected": {"duplicate": 1}}
    assert looked.call_count == (2 if is_settled else 4), "which ids repeat is kept, too"


@pytest.mark.parametrize(
    "module",
    [clean, contracts, days, footers, sql, values],
    ids=lambda module: str(module.__name__),
)
def test_a_check_by_other_rules_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType
) -> None:
    before = row_check._source_digest.__wrapped__()  # noqa: SLF001
    edited = tmp_path / "edited.py"
    edited.write_bytes(Path(str(module.__file__)).read_bytes() + b"MORE = 1")
    monkeypatch.setattr(module, "__file__", str(edited))
    assert row_check._source_digest.__wrapped__() != before  # noqa: SLF001


@pytest.mark.slow
def test_conditions_periods_and_days_are_counted_over_files_too(tmp_path: Path) -> None:
    rows = [
        ("a", "ann", "page_view", "2025-03-10T10:00:00Z"),
        ("b", "ann", "purchase", "2025-03-10T10:01:00Z"),
    ]
    write(tmp_path / "a.parquet", [(*row, *[None] * 7) for row in rows])
    steps: list[Any] = ["page_view", "purchase"]
    questions: tuple[dict[str, Any], ...] = (
        {"where": ["page_url is not set"]},
        {"steps": ["page_view", {"event_type": "purchase", "where": "product_id is not set"}]},
        {"over": "day"},
        {"last": "1d"},
    )
    for more in questions:
        actual = question(tmp_path, **{"steps": steps} | more)
        assert [step["count"] for step in actual["steps"]] == [1, 1], more


def test_integer_ids_and_times_of_microseconds_are_counted_as_they_are(tmp_path: Path) -> None:
    # Visitor 0 is nobody. The others view, and every second one buys one microsecond later.
    con = duckdb.connect()
    con.execute(f"""
        COPY (
            SELECT i::VARCHAR AS event_id, i // 2 AS user_id, CASE i % 2 WHEN 0 THEN 'page_view'
              ELSE 'purchase' END AS
                event_type, make_timestamp(1741600000000000 + i // 2 + (i // 2 % 2 = i % 2)::BIGINT)
                  AS event_timestamp,
                NULL::VARCHAR AS product_id, NULL::VARCHAR AS product_category, NULL::VARCHAR
                  AS session_id,
                NULL::VARCHAR AS page_url, NULL::VARCHAR AS referrer_url, NULL::VARCHAR
                  AS cart_value
            FROM range(2000) AS t(i)
        ) TO '{tmp_path}/events.parquet'
    """)
    actual = question(tmp_path, ["page_view", "purchase"])
    assert [step["count"] for step in actual["steps"]] == [999, 500]
    assert actual["rows"] == {"read": 2000, "counted": 1998, "rejected": {"missing_identity": 2}}
    assert actual["steps"][1]["p90_s_from_previous"] == 1e-6
