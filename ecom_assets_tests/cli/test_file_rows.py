"""Every question to files says how many rows it read, how many counted,
and why the others did not.
"""

import gzip
import json
from collections import Counter
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.events.clean import quarantined_events
from ecom_assets.cli.app import load_command
from ecom_assets.cli.commands import COMMANDS
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.ingestion.sources.files.events import FileEvents
from ecom_assets.ingestion.sources.files.order_source import FileOrders
from ecom_assets_tests.command import HEADER, UNTIL_DUE, CommandResult, ecom
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples

# Two good events; a copy of the first; a time that nobody can read; a visitor called 0, without a
# session; no type; a field too many.
EVENTS = """\
a1,ann,page_view,2026-01-01T10:00:00Z,,,s1,https://shop.example/,,
a2,ann,purchase,2026-01-01T10:01:00Z,,,s1,https://shop.example/,,10
a1,ann,page_view,2026-01-01T10:00:00Z,,,s1,https://shop.example/,,
b1,bob,page_view,soon,,,s2,https://shop.example/,,
c1,0,page_view,2026-01-01T10:00:00Z,,,,https://shop.example/,,
d1,dan,,2026-01-01T10:00:00Z,,,s4,https://shop.example/,,
e1,eve,page_view,2026-01-01T10:00:00Z,,,s5,https://shop.example/,,,more
"""
EVENT_ROWS = {
    "read": 7,
    "counted": 2,
    "rejected": {
        "duplicate": 1,
        "malformed_event_type": 1,
        "malformed_row": 1,
        "missing_identity": 1,
        "unparseable_timestamp": 1,
    },
}
# Two good lines, the first of them twice; a negative amount; a status that is none.
ORDERS = """\
id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,quantity,payment_amount,status
1,o1,2026-03-02 10:00:00,1,Bonn,ann,,,7,Hat,1,20,shipped
2,o2,2026-03-09 10:00:00,1,Bonn,bob,,,7,Hat,1,30,shipped
3,o1,2026-03-02 10:00:00,1,Bonn,ann,,,7,Hat,1,20,shipped
4,o4,2026-03-03 10:00:00,1,Bonn,bob,,,7,Hat,1,-10,shipped
5,o5,2026-03-03 10:00:00,1,Bonn,bob,,,7,Hat,1,10,lost
"""
ORDER_ROWS = {
    "read": 5,
    "counted": 2,
    "rejected": {"duplicate": 1, "negative_amount": 1, "unknown_status": 1},
}
OF_EVENTS = {
    "sessions": (),
    "funnel": ("--steps", "page_view,purchase"),
    "retention": (),
    "journeys": (),
    "attribution": (),
    "segments": (),
    "value": (),
    "trend": (),
    "correlation": ("--steps", "page_view,purchase"),
    "experiment": (
        "--variant",
        "page_url",
        "--goal",
        "purchase",
        "--control",
        "https://shop.example/",
    ),
}
OF_ORDERS = ("retention", "segments", "value", "sales")
WARNING = "ecom: warning: 4 of 7 rows (57%) are not counted, most of them (1) for "


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "events.csv").write_text(f"{HEADER}\n{EVENTS}")
    (tmp_path / "orders.csv").write_text(ORDERS)
    return tmp_path / "home"


def ask(home: Path, command: str, kind: str, *arguments: str) -> CommandResult:
    result = ecom(command, f"--{kind}", home.parent / f"{kind}.csv", *arguments, home=home)
    assert result.exit_code == 0, result.err
    return result


@pytest.mark.slow
@each("command", OF_EVENTS)
def test_each_command_counts_the_rows_of_events(home: Path, command: str) -> None:
    arguments = OF_EVENTS[command]
    assert ask(home, command, "events", *arguments, "--json").json["rows"] == EVENT_ROWS
    last = ask(home, command, "events", *arguments).out.splitlines()[-1]
    assert last == (
        "Rows: 7 read, 2 counted; not counted: duplicate 1, malformed_event_type 1, malformed_row "
        "1, missing_identity 1, unparseable_timestamp 1"
    )


def test_the_list_has_each_command_that_reads_files() -> None:
    asking = {
        name
        for name, command in COMMANDS.items()
        if "events" in {param.name for param in load_command(command, name).params}
    }
    assert asking == {"run", "erase", "compact", "collect", "stream", *OF_EVENTS}


@pytest.mark.slow
@each("command", OF_EVENTS)
def test_no_command_drops_more_than_a_twentieth_quietly(home: Path, command: str) -> None:
    arguments = OF_EVENTS[command]
    (home.parent / "events.csv").write_text(f"{HEADER}\n{EVENTS}")
    assert WARNING in ask(home, command, "events", *arguments, "--json").err
    strict = ecom(
        command, "--events", home.parent / "events.csv", *arguments, "--strict", home=home
    )
    assert (strict.exit_code, strict.out) == (1, "")
    assert WARNING.removeprefix("ecom: warning: ") in strict.err
    rows = EVENTS.splitlines()
    good = [rows[0].replace("a1", f"g{number}") for number in range(78)]
    (home.parent / "events.csv").write_text(
        "\n".join([HEADER, *good, rows[1], rows[0], rows[3]]) + "\n"
    )
    assert (
        "are not counted" not in ask(home, command, "events", *arguments, "--strict").err
    )  # one of 80, and a copy


@pytest.mark.slow
def test_nor_does_a_run(home: Path) -> None:
    result = ecom("run", "--events", home.parent / "events.csv", "--select", UNTIL_DUE, home=home)
    _, _, summary = result.out.partition(" to 20")
    first = summary.splitlines()[1]
    assert first.startswith("  Of 7 rows of events, 4 (57%) were refused; "), "before all numbers"
    assert (
        "ecom: warning: staging/quarantined_events: Of 7 rows of events, 4 (57%) were refused; "
        in result.err
    )
    assert result.exit_code == 0


@pytest.mark.slow
@each("command", OF_ORDERS)
def test_nor_order_lines(home: Path, command: str) -> None:
    assert "ecom: warning: 2 of 5 rows (40%) are not counted" in ask(home, command, "orders").err


@pytest.mark.slow
@pytest.mark.parametrize("command", OF_ORDERS)
def test_each_command_counts_the_rows_of_orders(home: Path, command: str) -> None:
    assert ask(home, command, "orders", "--json").json["rows"] == ORDER_ROWS
    last = ask(home, command, "orders").out.splitlines()[-1]
    assert (
        last
        == "Rows: 5 read, 2 counted; not counted: duplicate 1, negative_amount 1, unknown_status 1"
    )


@pytest.mark.slow
@each("arguments", [(), ("--order", "any"), ("--by", "product_id"), ("--per", "totals")])
def test_a_funnel_is_the_same_whether_or_not_it_looks_for_copies(
    home: Path, arguments: tuple[str, ...]
) -> None:
    actual = ask(home, "funnel", "events", *OF_EVENTS["funnel"], *arguments, "--json").json
    assert actual["rows"] == EVENT_ROWS
    assert [step["count"] for step in actual["steps"]] == [1, 1]


@pytest.mark.slow
@each("kind", ["csv", "csv.gz", "ndjson"])
def test_texts_are_read_once_for_the_answer_and_for_its_rows(tmp_path: Path, kind: str) -> None:
    landed = tmp_path / "received_date=2026-01-01"
    landed.mkdir(exist_ok=True)
    lines = [line.split(",") for line in EVENTS.splitlines()[:5]]
    if kind == "ndjson":
        text = "".join(
            json.dumps(dict(zip(HEADER.split(","), line, strict=True))) + "\n" for line in lines
        )
    else:
        text = "\n".join([HEADER, *(",".join(line) for line in lines)]) + "\n"
    path = landed / f"events.{kind}"
    path.write_bytes(gzip.compress(text.encode()) if kind.endswith("gz") else text.encode())
    files = FileEvents.open([str(tmp_path)], Settings())
    events = files.clean()
    path.unlink()
    assert (files.rows.read, files.rows.counted) == (5, 2)
    assert events.visitor_id.to_pyarrow().to_pylist() == ["ann"] * 2
    files.con.disconnect()


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["e1", "e2", "e3", ""]),
        st.sampled_from(["ann", "bob", "null", ""]),
        st.sampled_from(["page_view", "$wish", " ", "product_view", ""]),
        st.sampled_from(
            ["2026-03-01T10:00:00Z", "2026-03-09T10:00:00Z", "2026-03-20T10:00:00Z", "then"]
        ),
        st.sampled_from(["2026-03-01", "2026-03-09", "2026-03-20"]),
    ),
    min_size=1,
    max_size=12,
)


@pytest.mark.slow
@given(ROWS)
@examples(40)
def test_read_is_counted_and_rejected_and_each_is_as_many_as_its_rows(
    rows: list[tuple[str, ...]],
) -> None:
    with TemporaryDirectory() as folder:
        for day in {row[-1] for row in rows}:
            landed = Path(folder) / f"received_date={day}"
            landed.mkdir()
            lines = [
                f"{i},{who},{kind},{at},,,,,,"
                for i, who, kind, at, arrived in rows
                if arrived == day
            ]
            (landed / "events.csv").write_text("\n".join([HEADER, *lines]) + "\n")
        files = FileEvents.open([folder], Settings())
        answer = files.rows
        actual: dict[str, Any] = answer.as_json()
        days = Days.between(date(2026, 2, 1), date(2026, 4, 1))
        refused = (
            quarantined_events(files.received(), files.rule, days)
            .reject_reason.to_pyarrow()
            .to_pylist()
        )
        assert actual["read"] == len(rows)
        assert actual["counted"] == files.clean().count().to_pyarrow().as_py()
        assert actual["read"] == actual["counted"] + sum(actual["rejected"].values())
        assert Counter(refused) == {
            name: n for name, n in actual["rejected"].items() if name != "duplicate"
        }
        files.con.disconnect()


@pytest.mark.slow
@given(
    ROWS,
    st.sampled_from(
        [(), ("product_id",), ("page_url", "is_bot"), ("properties.plan", "visitor_id")]
    ),
)
@examples(60)
def test_named_columns_of_parquet_are_those_of_all_columns(
    rows: list[tuple[str, ...]], named: tuple[str, ...]
) -> None:
    """Copies differ in their page, which decides which of two simultaneous ones stays,
    whether it is named or not.
    """
    with TemporaryDirectory() as folder:
        for day in {row[-1] for row in rows}:
            landed = Path(folder) / f"received_date={day}"
            landed.mkdir()
            own = [(position, row) for position, row in enumerate(rows) if row[-1] == day]
            lines = [
                f"{i},{who},{kind},{at},p{n},,s{n % 2},/{-n},," for n, (i, who, kind, at, _) in own
            ]
            text = (
                f"SELECT * FROM read_csv('{landed}/events.csv', all_varchar = true, "
                "hive_partitioning = false)"
            )
            (landed / "events.csv").write_text("\n".join([HEADER, *lines]) + "\n")
            duckdb.sql(f"COPY ({text}) TO '{landed}/events.parquet'")
            (landed / "events.csv").unlink()
        whole, part = (FileEvents.open([folder], Settings()) for _ in range(2))
        part = part.naming([*named, "received_date"])
        assert len(part.columns) < len(whole.columns)
        actual = part.clean()
        assert {name.partition(".")[0] for name in named} <= set(actual.columns)
        order = ["event_id", "event_at", "received_date"]
        if "joined_by" not in named:  # the step that found a visitor is not looked for
            actual = actual.drop("joined_by")
        expected = whole.clean().select(*actual.columns).order_by(order).to_pyarrow().to_pylist()
        assert actual.order_by(order).to_pyarrow().to_pylist() == expected
        assert part.rows.as_json() == whole.rows.as_json()
        for files in (whole, part):
            files.con.disconnect()


LINES = st.lists(
    st.tuples(st.sampled_from(["o1", "o2", ""]), st.sampled_from(["1", "0", "2"])),
    min_size=1,
    max_size=8,
)


@pytest.mark.slow
@given(LINES)
@examples(20)
def test_the_same_holds_of_order_lines(lines: list[tuple[str, str]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "orders.csv"
        rows = [f"1,{i},2026-03-02 10:00:00,1,Bonn,ann,,,7,Hat,{n},5,shipped" for i, n in lines]
        path.write_text("\n".join([ORDERS.splitlines()[0], *rows]) + "\n")
        files = FileOrders.open([str(path)], Settings())
        counted = files.clean().count().to_pyarrow().as_py()
        assert (files.rows.read, files.rows.counted) == (len(lines), counted)
        files.con.disconnect()
