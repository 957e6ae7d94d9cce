"""Events read straight from Parquet are those of the full cleaning."""

from collections.abc import Collection, Iterable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.core.tables.placeholders import NOBODY
from ecom_assets.core.tables.values import MAX_AMOUNT
from ecom_assets.core.warehouse.local import DuckDB
from ecom_assets.ingestion.sources.files import events as file_events
from ecom_assets.ingestion.sources.files import row_check
from ecom_assets.ingestion.sources.files.events import FileEvents
from ecom_assets.ingestion.sources.files.footers import PLAIN_USERS, is_plain
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.ingestion.sources.test_funnel_of_files import (
    ARRIVALS,
    COLUMNS,
    FILES,
    FOLDERS,
    TIMES,
    TYPES,
    write,
)

Files = list[tuple[str, str, list[tuple[str | None, ...]]]]


def answered(
    folder: Path,
    names: Iterable[str],
    columns: list[str] | None,
    settings: Settings | None = None,
) -> tuple[list[dict[str, Any]], object, bool]:
    """The clean events with these columns, how many rows counted, and whether the
    files were read straight.
    """
    files = FileEvents.open([str(folder)], settings or load_settings())
    files = files if columns is None else files.naming(columns)
    events = files.clean()
    rows = (
        events.select(*(name for name in names if name in events.columns)).to_pyarrow().to_pylist()
    )
    return sorted(rows, key=str), files.rows.as_json(), files.checked is not None


@pytest.mark.slow
@given(files=FILES, is_named=st.booleans())
@examples(60)
def test_they_are_those_of_the_full_cleaning(files: Files, *, is_named: bool) -> None:
    columns = ["product_category", "cart_value"] if is_named else None
    names = [
        "event_id",
        "visitor_id",
        "event_at",
        "event_date",
        "event_type",
        "cart_amount",
        "source_session_id",
    ]
    with TemporaryDirectory() as made:
        for number, (folder, _, rows) in enumerate(files):
            write(Path(made) / folder / f"{number}.parquet", rows)
        straight = answered(Path(made), names if is_named else CleanEvents.columns, columns)
        with patch.object(file_events, "MOST_ROWS", 0):
            full = answered(Path(made), names if is_named else CleanEvents.columns, columns)
    assert (straight[2], full[2]) == (True, False)
    assert straight[:2] == full[:2]


DEVICE_COLUMNS = (*COLUMNS, "anonymous_id", "user_agent")
# Around midnight in Berlin, which is 23:00 UTC, and in Apia, and when their clocks change.
AROUND = (
    *TIMES,
    "2025-03-09T23:00:00Z",
    "2025-03-09T22:59:59Z",
    "2025-03-10T23:30:00Z",
    "2025-03-30T00:30:00Z",
    "2025-03-30T01:30:00Z",
    "2025-03-29T10:59:59Z",
)
PERSON = st.sampled_from(("ann", "ann", "bob", "0", "NULL", "(No consent)", "anon-s1", None, None))
DEVICE = st.sampled_from(("d1", "d1", "d2", "s1", "0", "unknown", None, None))
SESSION = st.sampled_from(("s1", "s1", "s2", "d1", "-1", "(no consent)", None, None))
OF_SHOP = st.tuples(
    st.sampled_from(("a", "b", "c", *map(str, range(40)), f"x~{'0' * 16}", None)),
    PERSON,
    st.sampled_from((*TYPES, "own type", "sign_up")),
    st.sampled_from(AROUND),
    st.sampled_from(("p", "null", None)),
    st.none(),
    SESSION,
    st.none(),
    st.none(),
    st.sampled_from((None, None, "5", "50.01", "-1", "1e12", "many")),
    st.sampled_from((*ARRIVALS, "2025-03-10T23:30:00Z", "2025-04-05T22:30:00Z")),
    DEVICE,
    st.sampled_from((None, None, "Googlebot/2.1")),
)
SHOPS = st.lists(
    st.tuples(
        st.sampled_from((*FOLDERS, "received_date=2025-03-30")),
        st.lists(OF_SHOP, min_size=1, max_size=14),
    ),
    min_size=1,
    max_size=3,
)
RULES = st.fixed_dictionaries(
    {
        "timezone": st.sampled_from(("UTC", "Europe/Berlin", "Pacific/Apia", "America/St_Johns")),
        "late_days": st.sampled_from((7, 7, 0, 1, 30)),
        "max_amount": st.sampled_from((None, None, Decimal(50))),
        "event_types": st.sampled_from(((), (), ("page_view", "purchase", "own type"))),
        "identity": st.sampled_from(("stitched", "stitched", "user", "ga4_observed", "posthog")),
    }
)


@pytest.mark.slow
@given(files=SHOPS, chosen=RULES, is_named=st.booleans(), most=st.sampled_from((50_000, 3)))
@examples(40)
def test_they_are_those_of_the_full_cleaning_by_any_rule(
    files: list[tuple[str, list[tuple[str | None, ...]]]],
    chosen: dict[str, Any],
    *,
    is_named: bool,
    most: int,
) -> None:
    """Of random shops: their zones and rules, placeholders beside devices and sessions of people,
    copies, and late rows; asked a second time by the check that was kept.
    """
    columns = ["product_category", "cart_value", "joined_by"] if is_named else None
    settings = load_settings().model_copy(update={"cache": "on", **chosen})
    with (
        TemporaryDirectory() as made,
        TemporaryDirectory() as cache,
        patch.object(row_check, "TICK", timedelta(-1)),
    ):
        for number, (folder, rows) in enumerate(files):
            write(Path(made) / folder / f"{number}.parquet", rows, DEVICE_COLUMNS)
        with (
            patch.object(row_check, "MOST_SPECIAL", most),
            pytest.MonkeyPatch.context() as patched,
        ):
            patched.setenv("XDG_CACHE_HOME", cache)
            straight = [
                answered(Path(made), CleanEvents.columns, columns, settings) for _ in range(2)
            ]
        with patch.object(file_events, "MOST_ROWS", 0):
            full = answered(Path(made), CleanEvents.columns, columns, settings)
            with patch.object(file_events, "FEW_ROWS", -1):
                of_many = answered(Path(made), CleanEvents.columns, columns, settings)
    assert not full[2]
    assert straight[0] == straight[1], "by the check that was kept"
    assert full == of_many, "whether few rows are stored after each step"
    common = straight[0][0][0].keys() & full[0][0].keys() if full[0] else set()
    assert straight[0][1] == full[1]
    assert cut(straight[0][0], common) == cut(full[0], common)


def test_sessions_of_the_source_are_cut_on_no_device_where_each_event_has_a_user(
    tmp_path: Path,
) -> None:
    """By the rule `user`, of rows that are read straight and of those that are cleaned in full."""
    common = ("ann", "page_view", "2025-03-10T10:00:00Z", "p", None, "s1", *[None] * 4)
    rows = [("1", *common, "d1", None), ("2", *common, "d2", None)]
    write(tmp_path / "0.parquet", rows, DEVICE_COLUMNS)
    settings = load_settings().model_copy(update={"identity": "user"})
    straight = answered(tmp_path, CleanEvents.columns, None, settings)
    with patch.object(file_events, "MOST_ROWS", 0):
        full = answered(tmp_path, CleanEvents.columns, None, settings)
    assert (straight[2], full[2]) == (True, False)
    for events, _, _ in (straight, full):
        assert [row["session_device_id"] for row in events] == ["", ""]


def cut(rows: list[dict[str, Any]], names: Collection[str]) -> list[dict[str, Any]]:
    return sorted(({name: row[name] for name in names} for row in rows), key=str)


@pytest.mark.slow
def test_few_columns_keep_the_copy_that_arrived_first_by_all_columns(tmp_path: Path) -> None:
    """Of one day of arrival; the one of the 10th says when it was received, the other does not,
    and so comes last.
    """
    copies = [
        ("a", "ann", "page_view", "2025-03-10T10:00:00Z", *[None] * 6, "2025-03-18T00:00:00Z"),
        ("a", "ann", "page_view", "2025-03-11T00:59:00Z", *[None] * 7),
    ]
    write(tmp_path / "received_date=2025-03-10" / "0.parquet", copies)
    with patch.object(file_events, "MOST_ROWS", 0):
        for columns in (None, ["product_category"]):
            events, _, _ = answered(tmp_path, ["event_id", "event_at"], columns)
            assert [(row["event_id"], f"{row['event_at']:%d %H:%M}") for row in events] == [
                ("a", "10 10:00")
            ], columns


TYPED = {
    "event_id": ("VARCHAR", ("a", "b", "c", "d", "", None)),
    "product_id": ("VARCHAR", ("p", "q", "p", "", None)),
    "event_timestamp": (
        "TIMESTAMP",
        (
            "2025-03-10 10:00:00.000001",
            "2025-03-09",
            "2025-03-05",
            "2025-03-12",
            "1970-01-01",
            None,
        ),
    ),
    "cart_value": (
        "DECIMAL(38, 3)",
        ("0", "0.001", "100000000", "100000000.004", "-0.01", "1e30", None),
    ),
}
CELLS = [
    st.one_of(
        *(st.lists(st.sampled_from(some), min_size=9, max_size=9) for some in (values[:3], values))
    )
    for _, values in TYPED.values()
]


@pytest.mark.slow
@given(
    files=st.lists(st.tuples(*CELLS), min_size=1, max_size=3),
    zone=st.booleans(),
    number=st.booleans(),
)
@examples(30)
def test_what_footers_say_leaves_out_only_rules_that_no_row_breaks(
    files: list[tuple[list[str | None], ...]], *, zone: bool, number: bool
) -> None:
    kinds = {name: kind for name, (kind, _) in TYPED.items()}
    kinds |= {"event_timestamp": "TIMESTAMPTZ"} if zone else {}
    kinds |= {"cart_value": "DOUBLE"} if number else {}
    with TemporaryDirectory() as made:
        for file_number, columns in enumerate(files):
            con = duckdb.connect()
            con.execute("SET TimeZone = 'Asia/Tokyo'")
            con.execute(
                f"CREATE TABLE rows ({', '.join(f'{name} {kind}' for name, kind in kinds.items())})"
            )
            con.executemany(
                "INSERT INTO rows VALUES (?, ?, ?, ?)", list(zip(*columns, strict=True))
            )
            folder = Path(made) / f"received_date=2025-03-1{file_number}"
            folder.mkdir()
            empty = ("session_id", "page_url", "product_category", "referrer_url")
            more = "'ann' AS user_id, ['product_view', 'page_view'][1 + rowid % 2] AS event_type"
            more += "".join(f", NULL::VARCHAR AS {name}" for name in empty)
            con.execute(
                f"COPY (SELECT *, {more} FROM rows) TO '{folder}/a.parquet' (ROW_GROUP_SIZE 2048)"
            )
        straight = answered(Path(made), ["event_id", "event_at", "cart_amount"], None)
        with patch.object(file_events, "MOST_ROWS", 0):
            full = answered(Path(made), ["event_id", "event_at", "cart_amount"], None)
    assert (straight[2], full[2]) == (True, False)
    assert straight[:2] == full[:2]


@given(
    users=st.lists(st.text("aAnNuUdDeElLtTsSkK\u212a\u0130iI0-1(/)_ zZ", max_size=5), min_size=1),
    word=st.data(),
)
@examples(200)
def test_bounds_of_users_count_where_none_between_stands_for_nobody(
    users: list[str], word: st.DataObject
) -> None:
    nobody = word.draw(st.sampled_from(NOBODY))
    spelled = "".join(
        word.draw(
            st.sampled_from(
                (letter, letter.upper(), *{"k": "\u212a", "i": "\u0130"}.get(letter, ()))
            )
        )
        for letter in nobody
    )
    for odd in (spelled, word.draw(st.sampled_from(("anon-", "user-"))) + users[0]):
        bounds = sorted([*users, odd])
        assert not is_plain(bounds[0], bounds[-1]), (bounds, odd)
    assert is_plain("u000000001", "u000283999")
    assert not is_plain("1", "9999"), "the hash of no id may be among them"
    assert not is_plain("u000000001", "user-1")


@pytest.mark.slow
def test_whether_users_are_looked_at_changes_no_answer(tmp_path: Path) -> None:
    day = "2025-03-10T10:00:00Z"
    for name, user, counted, is_plain_one in (
        ("plain", "u1", 2, True),
        ("null", "NuLL", 2, False),
        ("anonymous", "anon-9", 2, False),
        ("none", None, 2, False),
    ):
        rows = [("a", "u5"), ("b", user)]
        common = ("page_view", day, None, None, "s1", *[None] * 4)
        write(tmp_path / f"{name}.parquet", [(*row, *common) for row in rows])
        files = FileEvents.open([str(tmp_path / f"{name}.parquet")], load_settings())
        assert files.clean().count().to_pyarrow().as_py() == counted
        assert (PLAIN_USERS in files.files.rules_passed(7, MAX_AMOUNT)) is is_plain_one, name


@pytest.mark.slow
def test_the_full_cleaning_answers_where_the_format_or_the_identity_rule_asks_for_it(
    tmp_path: Path,
) -> None:
    row = ("a", "ann", "page_view", "2025-03-10T10:00:00Z", *[None] * 7)
    for name, settings, is_straight in (
        ("a.parquet", {}, True),
        ("b.csv", {}, False),
        ("c.parquet", {"timezone": "Europe/Berlin"}, True),
        ("d.parquet", {"late_days": 3}, True),
        ("e.parquet", {"event_types": ("page_view",)}, True),
        ("f.parquet", {"max_amount": Decimal(50)}, True),
        ("g.parquet", {"identity": "segment_dbt"}, False),
    ):
        write(tmp_path / name, [row])
        files = FileEvents.open([str(tmp_path / name)], load_settings().model_copy(update=settings))
        assert files.clean().event_id.to_pyarrow().to_pylist() == ["a"]
        assert (files.checked is not None) == is_straight, name
    with patch.object(file_events, "may_hold_erased", return_value=True):
        assert FileEvents.open([str(tmp_path / "a.parquet")], load_settings()).checked is None


@pytest.mark.slow
def test_who_is_nobody_beside_a_person_is_found_by_the_full_definitions(tmp_path: Path) -> None:
    """By `user`, a session has the user whom any of its events names, on whatever device;
    and session s2, in which nobody signs in, is a visitor itself.
    """
    at = "2025-03-10T10:00:00Z"
    rows = [
        ("a", "0", "page_view", at, None, None, "s1", *[None] * 4, "d1", None),
        ("b", "ann", "page_view", at, None, None, "s1", *[None] * 4, "d2", None),
        ("c", "0", "page_view", at, None, None, "s2", *[None] * 4, "d3", None),
    ]
    write(tmp_path / "a.parquet", rows, DEVICE_COLUMNS)
    settings = load_settings().model_copy(update={"identity": "user"})
    events, _, is_straight = answered(tmp_path, ["event_id", "visitor_id"], None, settings)
    assert is_straight
    assert [(row["event_id"], row["visitor_id"]) for row in events] == [
        ("a", "ann"),
        ("b", "ann"),
        ("c", "anon-s2"),
    ]


def test_footers_say_nothing_of_values_that_the_mapping_changes(tmp_path: Path) -> None:
    """User 7 is not an id in this source: nobody, without a session or a device."""
    path = tmp_path / "a.parquet"
    con = duckdb.connect()
    con.execute(
        "COPY (SELECT i::VARCHAR AS id, i AS who, TIMESTAMP '2025-03-10' AS at, 'page_view' AS what"
        f" FROM range(6, 9) AS t(i)) TO '{path}'"
    )
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(
        "name: seven\nfields:\n  event_id: id\n  user_id: {column: who, unknown: ['7']}\n"
        "  event_timestamp: {column: at}\n  event_type: what\n"
    )
    settings = load_settings().model_copy(update={"events_mapping": str(mapping)})
    events, rows, is_straight = answered(path, ["visitor_id"], None, settings)
    assert is_straight
    assert [row["visitor_id"] for row in events] == ["6", "8"]
    assert rows == {"read": 3, "counted": 2, "rejected": {"missing_identity": 1}}


def test_who_did_what_in_a_small_text_file_is_asked_again_without_writing_a_statement(
    tmp_path: Path,
) -> None:
    """Ann looks at a hat on her phone before she signs in and buys it: two events of one visitor,
    found in another file by the statements of this one.
    """
    settings = load_settings().model_copy(update={"cache": "on"})
    head = (
        "event_id,event_timestamp,event_type,user_id,product_id,session_id,anonymous_id,"
        "product_category,page_url,referrer_url,cart_value\n"
    )
    for name, user in (("first", "ann"), ("second", "bob")):
        (tmp_path / f"{name}.csv").write_text(
            head + "1,2025-03-09T10:00:00Z,product_view,,hat,s1,phone,,,,\n"
            f"2,2025-03-09T10:05:00Z,purchase,{user},hat,s1,phone,,,,\n"
        )

    def visitors(name: str) -> set[str]:
        events = FileEvents.open([str(tmp_path / f"{name}.csv")], settings).clean()
        stored = f"SELECT visitor_id FROM {events.get_name()}"
        return {visitor for (visitor,) in events.get_backend().raw_sql(stored).fetchall()}

    assert visitors("first") == {"ann"}
    with patch.object(type(DuckDB.compiler), "to_sqlglot", side_effect=AssertionError):
        assert visitors("second") == {"bob"}
