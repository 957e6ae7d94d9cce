"""Events read straight from Parquet, and statements kept for them: the answers of the full cleaning and of Ibis."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.cli.kept_events import KeptEvents
from ecom_assets.cli.options import OwnData
from ecom_assets.cli.retention import Scope, answer_retention
from ecom_assets.cli.trend_answer import answer_trend
from ecom_assets.errors import DefinitionError, UsageError
from ecom_assets.events.clean import NULL_LIKE_IDS
from ecom_assets.events.contracts import CleanEvents
from ecom_assets.retention.rule import RetentionRule
from ecom_assets.settings.settings import load_settings
from ecom_assets.sources.files import opened
from ecom_assets.sources.files.events import FileEvents
from ecom_assets.sources.files.footers import PLAIN_USERS, is_plain
from ecom_assets.sources.files.opened import OpenedFiles, checking
from ecom_assets.tables.bounds import MAX_AMOUNT
from ecom_assets.tables.days import DayRange
from ecom_assets.warehouse.kept_queries import KeptQueryRunner
from ecom_assets_tests.cli.test_quick_funnel import FILES, write
from ecom_assets_tests.hypothesis_settings import examples

Files = list[tuple[str, str, list[tuple[str | None, ...]]]]


def answered(
    folder: Path, names: Iterable[str], columns: list[str] | None
) -> tuple[list[dict[str, Any]], object, bool]:
    """The clean events with these columns, how many rows counted, and whether the files were read straight."""
    files = FileEvents.open([str(folder)], load_settings())
    files = files if columns is None else files.naming(columns)
    events = files.clean()
    rows = events.select(*(name for name in names if name in events.columns)).to_pyarrow().to_pylist()
    return sorted(rows, key=str), files.rows.as_json(), files.direct is not None


@given(files=FILES, is_named=st.booleans())
@examples(100)
def test_they_are_those_of_the_full_cleaning(files: Files, *, is_named: bool) -> None:
    columns = ["product_category", "cart_value"] if is_named else None
    names = ["event_id", "visitor_id", "event_at", "event_date", "event_type", "cart_amount", "source_session_id"]
    with TemporaryDirectory() as made:
        for number, (folder, _, rows) in enumerate(files):
            write(Path(made) / folder / f"{number}.parquet", rows)
        straight = answered(Path(made), names if is_named else CleanEvents.columns, columns)
        with patch.object(opened, "cleans_by_default", return_value=False):
            full = answered(Path(made), names if is_named else CleanEvents.columns, columns)
    assert (straight[2], full[2]) == (True, False)
    assert straight[:2] == full[:2]


def test_few_columns_keep_the_copy_that_arrived_first_by_all_columns(tmp_path: Path) -> None:
    """Of one day of arrival; the one of the 10th says that it was received on the 18th, the other does not say when."""
    copies = [
        ("a", "ann", "page_view", "2025-03-10T10:00:00Z", *[None] * 6, "2025-03-18T00:00:00Z"),
        ("a", "ann", "purchase", "2025-03-11T00:59:00Z", *[None] * 7),
    ]
    write(tmp_path / "received_date=2025-03-10" / "0.parquet", copies)
    with patch.object(opened, "cleans_by_default", return_value=False):
        for columns in (None, ["product_category"]):
            events, _, _ = answered(tmp_path, ["event_id", "event_type"], columns)
            assert events == [{"event_id": "a", "event_type": "purchase"}], columns


TYPED = {
    "event_id": ("VARCHAR", ("a", "b", "c", "d", "", None)),
    "product_id": ("VARCHAR", ("p", "q", "p", "", None)),
    "event_timestamp": (
        "TIMESTAMP",
        ("2025-03-10 10:00:00.000001", "2025-03-09", "2025-03-05", "2025-03-12", "1970-01-01", None),
    ),
    "cart_value": ("DECIMAL(38, 3)", ("0", "0.001", "100000000", "100000000.004", "-0.01", "1e30", None)),
}
CELLS = [
    st.one_of(*(st.lists(st.sampled_from(some), min_size=9, max_size=9) for some in (values[:3], values)))
    for _, values in TYPED.values()
]


@given(files=st.lists(st.tuples(*CELLS), min_size=1, max_size=3), zone=st.booleans(), number=st.booleans())
@examples(30)
def test_what_footers_say_leaves_out_only_rules_that_no_row_breaks(
    files: list[tuple[list[str | None], ...]], *, zone: bool, number: bool
) -> None:
    kinds = {name: kind for name, (kind, _) in TYPED.items()}
    kinds |= {"event_timestamp": "TIMESTAMPTZ"} if zone else {}
    kinds |= {"cart_value": "DOUBLE"} if number else {}
    with TemporaryDirectory() as made:
        for place, columns in enumerate(files):
            con = duckdb.connect()
            con.execute("SET TimeZone = 'Asia/Tokyo'")
            con.execute(f"CREATE TABLE rows ({', '.join(f'{name} {kind}' for name, kind in kinds.items())})")
            con.executemany("INSERT INTO rows VALUES (?, ?, ?, ?)", list(zip(*columns, strict=True)))
            folder = Path(made) / f"received_date=2025-03-1{place}"
            folder.mkdir()
            empty = ("session_id", "page_url", "product_category", "referrer_url")
            more = "'ann' AS user_id, ['product_view', 'page_view'][1 + rowid % 2] AS event_type"
            more += "".join(f", NULL::VARCHAR AS {name}" for name in empty)
            con.execute(f"COPY (SELECT *, {more} FROM rows) TO '{folder}/a.parquet' (ROW_GROUP_SIZE 2048)")
        straight = answered(Path(made), ["event_id", "event_at", "cart_amount"], None)
        with patch.object(opened, "cleans_by_default", return_value=False):
            full = answered(Path(made), ["event_id", "event_at", "cart_amount"], None)
    assert (straight[2], full[2]) == (True, False)
    assert straight[:2] == full[:2]


@given(users=st.lists(st.text("aAnNuUdDeElLtTsSkK\u212a\u0130iI0-1(/)_ zZ", max_size=5), min_size=1), word=st.data())
@examples(200)
def test_bounds_of_users_count_where_none_between_stands_for_nobody(users: list[str], word: st.DataObject) -> None:
    nobody = word.draw(st.sampled_from(NULL_LIKE_IDS))
    spelled = "".join(
        word.draw(st.sampled_from((one, one.upper(), *{"k": "\u212a", "i": "\u0130"}.get(one, ())))) for one in nobody
    )
    for odd in (spelled, word.draw(st.sampled_from(("anon-", "user-"))) + users[0]):
        known = sorted([*users, odd])
        assert not is_plain(known[0], known[-1]), (known, odd)
    assert is_plain("u000000001", "u000283999")
    assert is_plain("1", "9999")
    assert not is_plain("u000000001", "user-1")


def test_whether_users_are_looked_at_changes_no_answer(tmp_path: Path) -> None:
    day = "2025-03-10T10:00:00Z"
    for name, user, counted, is_plain_one in (
        ("plain", "u1", 2, True),
        ("null", "NuLL", 1, False),
        ("anonymous", "anon-9", 2, False),
        ("none", None, 2, False),
    ):
        rows = [("a", "u5"), ("b", user)]
        known = ("page_view", day, None, None, "s1", *[None] * 4)
        write(tmp_path / f"{name}.parquet", [(*one, *known) for one in rows])
        files = FileEvents.open([str(tmp_path / f"{name}.parquet")], load_settings())
        assert files.clean().count().to_pyarrow().as_py() == counted
        assert (PLAIN_USERS in files.files.rules_passed(7, MAX_AMOUNT)) is is_plain_one, name


@pytest.mark.slow
def test_the_full_cleaning_answers_where_a_setting_or_the_format_asks_for_it(tmp_path: Path) -> None:
    row = ("a", "ann", "page_view", "2025-03-10T10:00:00Z", *[None] * 7)
    for name, settings, is_straight in (
        ("a.parquet", {}, True),
        ("b.csv", {}, False),
        ("c.parquet", {"timezone": "Europe/Berlin"}, False),
        ("d.parquet", {"late_days": 3}, False),
        ("e.parquet", {"event_types": ("page_view",)}, False),
    ):
        write(tmp_path / name, [row])
        files = FileEvents.open([str(tmp_path / name)], load_settings().model_copy(update=settings))
        assert files.clean().event_id.to_pyarrow().to_pylist() == ["a"]
        assert (files.direct is not None) == is_straight, name
    with patch.object(opened, "may_hold_erased", return_value=True):
        assert FileEvents.open([str(tmp_path / "a.parquet")], load_settings()).direct is None


def test_a_check_in_another_thread_says_the_same_and_never_outlives_its_question(tmp_path: Path) -> None:
    rows = [(one, user, "page_view", "2025-03-10T10:00:00Z", *[None] * 7) for one, user in ("aa", "bb", "cb")]
    write(tmp_path / "events.parquet", [*rows, rows[0]])
    paths, settings, others = [str(tmp_path)], load_settings(), threading.active_count()
    with checking(paths, settings) as opened:
        assert opened.checked == OpenedFiles.open(paths, settings).checked
        assert FileEvents.of(opened).rows.as_json()["rejected"] == {"duplicate": 1}
    assert threading.active_count() == others
    with pytest.raises(UsageError), checking(paths, settings):
        raise UsageError("The question is wrong.")
    assert threading.active_count() == others


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 events of 11 visitors over 40 days, and one that no rule takes."""
    path = tmp_path_factory.mktemp("events") / "events.parquet"
    duckdb.connect().execute(f"""
        COPY (
            SELECT n::VARCHAR AS event_id, CASE WHEN n = 7 THEN 'null' ELSE 'v' || n * n % 11 END AS user_id,
                ['page_view', 'product_view', 'purchase'][1 + n * 7 % 3] AS event_type,
                TIMESTAMP '2025-03-01 00:00:01' + INTERVAL (n * 191) MINUTE AS event_timestamp,
                's' || n % 5 AS session_id, 'p' || n % 3 AS product_id, '/' AS page_url, NULL::VARCHAR AS referrer_url,
                ['shoes', 'hats', 'bags', NULL][1 + n % 4] AS product_category,
                CASE WHEN n % 3 = 0 THEN (n % 13)::DECIMAL(18, 2) END AS cart_value,
                '{{"plan": "' || ['pro', 'free'][1 + n % 2] || '"}}' AS properties
            FROM range(300) AS t(n)
        ) TO '{path}' (FORMAT parquet)
    """)
    return path


PURCHASE = {"event_type": "purchase", "measure": "sum", "of": "cart_amount", "where": ["cart_amount > 3"]}
TRENDS: tuple[dict[str, Any], ...] = (
    {"series": ["product_view"]},
    {"series": ["product_view:visitors", "nothing"], "period": "week"},
    {"series": ["purchase:p95(cart_amount)", PURCHASE], "period": "month"},
    {"series": ["*"], "by": "product_category", "limit": 2, "where": ["properties.plan = pro"]},
    {"series": ["*:visitors"], "by": ["product_category", "event_type"], "cumulative": True},
    {"series": ["purchase:wau", "product_view:mau"], "compare": True},
    {"series": ["purchase:visitors:first_ever", "purchase:mean_per_visitor"], "formula": "A / B", "moving_average": 2},
    {"series": ["purchase", "page_view:distinct(product_category)"], "where": ["product_category in shoes, hats"]},
    {"series": ["page_view"], "kind": "stickiness", "period": "week", "per": "properties.plan"},
    {"series": ["page_view"], "kind": "lifecycle", "period": "week"},
    {"series": ["page_view"], "where": ["received_date is set"]},
)


def answer_of(events: Path, definition: dict[str, Any], days: DayRange) -> dict[str, Any]:
    with checking([str(events)], load_settings()) as opened:
        return answer_trend(opened, definition, days)


@pytest.mark.parametrize("definition", TRENDS, ids=str)
def test_trends_are_those_of_ibis_written_and_kept(home: Path, events: Path, definition: dict[str, Any]) -> None:
    assert home
    days = DayRange(day_count=30)
    with patch.object(KeptEvents, "open", return_value=None):
        expected = answer_of(events, definition, days)
    assert answer_of(events, definition, days) == expected
    with patch.object(KeptQueryRunner, "_written", side_effect=AssertionError("it is kept")):
        assert answer_of(events, definition, days) == expected
    assert expected["rows"] == {"read": 300, "counted": 299, "rejected": {"missing_identity": 1}}


RETENTIONS: tuple[dict[str, Any], ...] = (
    {"period": "day"},
    {"period": "week", "start": "product_view", "returning": "purchase", "mode": "on_or_after"},
    {"period": "week", "by": "product_category", "limit": 2},
    {"period": "month", "by": "properties.plan", "start": "purchase"},
    {"period": "day", "clock": "rolling", "sum_of": "cart_amount", "last_period": 5},
    {"period": "day", "mode": "bracket", "brackets": ((0, 0), (1, 3), (4, 9)), "starting": "recurring"},
    {"period": "hour", "last_period": 3},
    {"period": "week", "start": "nothing"},
)


@pytest.mark.parametrize("rule", RETENTIONS, ids=str)
@pytest.mark.parametrize("range_of", [None, "starts", "events"])
def test_retention_is_always_that_of_ibis(home: Path, events: Path, rule: dict[str, Any], range_of: str | None) -> None:
    assert home
    scope = Scope(OwnData([str(events)], None, [], None), None, DayRange(day_count=20 if range_of else None), range_of)
    own = RetentionRule(**rule)
    with patch.object(KeptEvents, "open", return_value=None):
        expected = outcome(scope, own)
    assert outcome(scope, own) == expected
    with patch.object(KeptQueryRunner, "_written", side_effect=AssertionError("it is kept")):
        assert outcome(scope, own) == expected


def outcome(scope: Scope, rule: RetentionRule) -> object:
    """The answer, or why there is none."""
    try:
        return answer_retention(scope, rule)
    except DefinitionError as error:
        return str(error)


SCRIPT = """
import sys
sys.argv = ["ecom", *{words!r}]
from ecom_assets.cli.app import run
try:
    run()
finally:
    print([name for name in ("ibis", "sqlglot", "pandas") if name in sys.modules])
"""


@pytest.mark.parametrize("is_writable", [True, False])
def test_a_second_question_of_the_same_shape_loads_no_ibis(home: Path, events: Path, *, is_writable: bool) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("ECOM_")} | {"ECOM_HOME": str(home)}
    if not is_writable:
        (home / "statements.sqlite").mkdir(parents=True)
    printed = []
    for last in ("20d", "10d"):
        words = ["trend", "--series", "purchase", "--events", str(events), "--last", last, "--json"]
        script = SCRIPT.format(words=words)
        result = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, env=env)
        printed.append(result.stdout.splitlines())
    assert [len(json.loads(answer)["periods"]) for answer, _ in printed] == [20, 10]
    assert [loaded for _, loaded in printed] == ["['ibis', 'sqlglot']", "[]" if is_writable else "['ibis', 'sqlglot']"]
