"""How trackers and databases write events: forms that are read, against readers of Python."""

import ast
import csv
import hashlib
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.core.errors import UsageError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.placeholders import NO_CUSTOMERS, NO_PRODUCTS, NOBODY
from ecom_assets.ingestion.sources.files.mapping import EventMapping
from ecom_assets.ingestion.sources.files.python_literals import as_json_sql
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.files.row_notes import clock_changes
from ecom_assets.ingestion.sources.proposal.event_type_words import STANDARD_TYPES
from ecom_assets.ingestion.sources.proposal.proposal import MappingSearch
from ecom_assets_tests.command import ecom
from ecom_assets_tests.each import each
from ecom_assets_tests.fresh_duckdb import fresh_duckdb
from ecom_assets_tests.hypothesis_settings import examples

OWN = EventMapping.model_validate(
    {
        "name": "own",
        "fields": {
            "event_id": "id",
            "event_type": "type",
            "event_timestamp": {"column": "at", "format": "epoch_ns"},
            "user_id": "user",
            "properties": "properties",
        },
    }
)


def read(path: Path, mapping: EventMapping = OWN) -> list[dict[str, Any]]:
    """Return the rows of a file as they are read, by their ids."""
    with fresh_duckdb() as con:
        rows = con.sql(RecordFiles.open(con, [path], mapping).received_sql())
        found = [dict(zip(rows.columns, row, strict=True)) for row in rows.fetchall()]
    return sorted(found, key=lambda row: row["event_id"] or "")


TEXTS = st.text(st.sampled_from("ab'\"\\{}[](),:;|\n\té\x02u NoneTrue"), max_size=12)
LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 999) | st.sampled_from((0.5, 19.99)) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.slow
@examples(100)
@given(objects=st.lists(st.dictionaries(st.just("k"), LITERALS, min_size=1), min_size=1))
def test_objects_as_python_writes_them_are_their_json(objects: list[dict[str, Any]]) -> None:
    written = [repr(value) for value in objects]
    assert [ast.literal_eval(text) for text in written] == objects
    with fresh_duckdb() as con:
        statement = f"SELECT {as_json_sql('t')} FROM (SELECT unnest(?) AS t)"
        found = con.execute(statement, [written]).fetchall()
    assert [json.loads(text) for (text,) in found] == objects


@each(
    "written, expected",
    [
        (
            "{'a': Decimal('12.50'), 'b': (1, 2), 'c': nan}",
            '{"a": "12.50", "b": [1, 2], "c": null}',
        ),
        ("{u'a': u'x'}", '{"a": "x"}'),
        ('{"a": "it\'s"}', '{"a": "it\'s"}'),
        ("{'a': <object>}", "{'a': <object>}"),
        ("(none)", "(none)"),
    ],
)
def test_what_is_no_object_of_python_stays(written: str, expected: str) -> None:
    with fresh_duckdb() as con:
        statement = f"SELECT {as_json_sql('t')} FROM (SELECT ? AS t)"
        assert con.execute(statement, [written]).fetchall() == [(expected,)]


@pytest.mark.slow
@examples(60)
@given(
    notes=st.lists(st.text(st.sampled_from('ab"\\,;|{}: \n'), max_size=10), min_size=2),
    delimiter=st.sampled_from(",;|"),
    is_escaped=st.booleans(),
)
def test_quotes_within_quotes_are_read_by_either_rule(
    tmp_path_factory: pytest.TempPathFactory, notes: list[str], delimiter: str, *, is_escaped: bool
) -> None:
    """Python's csv writes the file, with doubled quotes or with backslashes."""
    # The first note says by which rule: one that both read alike says nothing.
    records = [{"note": note} for note in ['say "hi" to', *notes]]
    written = io.StringIO()
    rule: dict[str, Any] = (
        {"doublequote": False, "escapechar": "\\"} if is_escaped else {"doublequote": True}
    )
    writer = csv.writer(written, delimiter=delimiter, quoting=csv.QUOTE_ALL, **rule)
    writer.writerow(["id", "type", "at", "user", "properties"])
    for number, record in enumerate(records):
        writer.writerow([f"{number:03}", "purchase", f"{number}", "anna", json.dumps(record)])
    path = tmp_path_factory.mktemp("quotes") / "events.csv"
    path.write_text(written.getvalue(), newline="")
    rows = read(path, OWN.model_copy(update={"delimiter": delimiter}))
    assert [row["malformed_row"] for row in rows] == [None] * len(records)
    assert [json.loads(row["properties"]) for row in rows] == records


@pytest.mark.slow
def test_nanoseconds_are_cut_to_microseconds_and_other_numbers_are_no_times(tmp_path: Path) -> None:
    times = ["1772445600123456789", "1772445600000000999", "1772445600.5", "9" * 30, "soon", ""]
    lines = [f"{number},purchase,{time},anna,\n" for number, time in enumerate(times)]
    path = tmp_path / "events.csv"
    path.write_text("id,type,at,user,properties\n" + "".join(lines))
    start = datetime(2026, 3, 2, 10)  # noqa: DTZ001 (UTC, as tables have it)
    assert [row["event_at"] for row in read(path)] == [
        start + timedelta(microseconds=123456),
        start,
        datetime(1970, 1, 1, 0, 0, 1, 772445),  # noqa: DTZ001 (as above)
        None,
        None,
        None,
    ]


@pytest.mark.slow
def test_blanks_around_event_types_go_before_they_are_translated(tmp_path: Path) -> None:
    """As of CHAR columns; the mapping names one type with its blanks."""
    types = {
        "kauf   ": "purchase",
        " kauf": "purchase",
        "\tAdd To Cart\u00a0": "Add To Cart",
        "  ": None,
    }
    lines = [
        json.dumps({"id": f"{n}", "type": name, "at": "1", "user": "anna"})
        for n, name in enumerate(types)
    ]
    path = tmp_path / "events.ndjson"
    path.write_text("\n".join(lines))
    mapping = OWN.model_copy(update={"event_types": {"kauf      ": "purchase"}})
    assert [row["event_type"] for row in read(path, mapping)] == list(types.values())


@pytest.mark.slow
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe"])
def test_clocks_change_when_the_zone_says_so(zone: str) -> None:
    """Each minute of two years, in plain Python."""
    clock, minute = ZoneInfo(zone), timedelta(minutes=1)
    expected = []
    for year in (2018, 2019):
        at = datetime(year, 1, 1, tzinfo=UTC)
        before = at.astimezone(clock).utcoffset()
        while at.year == year:
            after = (at + minute).astimezone(clock).utcoffset()
            if before is not None and after is not None and after != before:
                expected.append((at + minute, after - before))
            at, before = at + minute, after
    assert [*clock_changes(zone, 2018, 2019)] == expected


@pytest.mark.slow
def test_times_that_do_not_exist_prove_another_zone(home: Path, tmp_path: Path) -> None:
    """Half past two in the night of 29 March, which Berlin leaves out, and noon."""
    path, mapping = tmp_path / "events.csv", tmp_path / "m.yaml"
    path.write_text(
        "id,type,at,user\n1,purchase,2026-03-29 02:30:00,a\n2,purchase,2026-03-29 12:00:00,b\n"
    )
    fields = "event_id: id, event_type: type, user_id: user"
    for zone, count in (("Europe/Berlin", 1), ("Asia/Tokyo", 0)):
        at = f"event_timestamp: {{column: at, timezone: {zone}}}"
        mapping.write_text(f"fields: {{{fields}, {at}}}\n")
        read = ecom("mapping", "check", path, "--mapping", mapping, home=home).out
        sentence = f"1 time such as 2026-03-29 02:30:00 do not exist in {zone}"
        assert read.count(sentence) == count


def test_the_hash_of_no_id_is_nobody() -> None:
    for name in ("md5", "sha1", "sha256", "sha512"):
        for word in (b"", b"null", b"undefined", b"None", b"nan"):
            digest = hashlib.new(name, word, usedforsecurity=False).hexdigest()
            assert digest in NO_CUSTOMERS
            assert digest in NOBODY
            assert digest in NO_PRODUCTS
    assert "d41d8cd9-8f00-b204-e980-0998ecf8427e" in NOBODY
    assert hashlib.sha256(b"anna").hexdigest() not in NOBODY


@pytest.mark.slow
def test_who_only_has_the_hash_of_nothing_is_counted_by_the_session(
    home: Path, tmp_path: Path
) -> None:
    """Four buyers without an id, whose hash is the same; and one without anything else."""
    nothing = hashlib.sha256().hexdigest().upper()
    lines = [f"e{n},purchase,2026-03-02T10:0{n}:00Z,{nothing},s{n}\n" for n in range(4)]
    path, mapping = tmp_path / "events.csv", tmp_path / "m.yaml"
    path.write_text(
        "id,type,at,user,session\n"
        + "".join(lines)
        + f"e9,purchase,2026-03-02T11:00:00Z,{nothing},\n"
    )
    mapping.write_text(
        "fields: {event_id: id, event_type: type, event_timestamp: at, user_id: user, "
        "session_id: session}\n"
    )
    answer = ecom(
        *("trend", "--events", path, "--mapping", mapping, "--series", "purchase:visitors"),
        "--json",
        home=home,
    ).json
    assert answer["series"][0]["total"] == 4
    assert answer["rows"]["rejected"] == {"missing_identity": 1}


NAMES = {1: "view item", 2: "add to cart", 3: "purchase"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("named", "answers", "expected"),
    [
        (lambda code: NAMES[code], (), {"product_view": 20, "add_to_cart": 10, "purchase": 7}),
        # As Umami: only events of its own have a name, so that it is asked what the code is.
        (
            lambda code: NAMES[code] if code > 1 else "",
            ("--answer", "event_type_1=page_view"),
            {"page_view": 20, "add_to_cart": 10, "purchase": 7},
        ),
    ],
    ids=["of each", "of some"],
)
def test_names_of_events_are_read_beside_their_codes(
    home: Path, tmp_path: Path, named: Any, answers: tuple[str, ...], expected: dict[str, int]
) -> None:
    rows = [
        f"x{n}{code},k{n},{code},{named(code)},{1772442000 + 60 * n + code}"
        for n in range(20)
        for code in NAMES
        if n % code == 0
    ]
    path, mapping = tmp_path / "events.csv", tmp_path / "m.yaml"
    path.write_text("\n".join(["id,user_id,event_type,event_name,ts", *rows, ""]))
    ecom("mapping", "init", path, "--events", *answers, "--out", mapping, home=home)
    read = ecom("mapping", "check", path, "--mapping", mapping, "--json", home=home).json
    assert {each["event_type"]: each["count"] for each in read["event_types"]} == expected


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 7, 9])
def test_codes_of_events_are_one_question_by_whose_answer_they_are_as_their_names(
    home: Path, tmp_path: Path, count: int
) -> None:
    """A file of codes with the answer comes to what the file of the names does."""
    names = dict(zip(range(11, 11 + count), STANDARD_TYPES, strict=False))
    rows = [
        (f"x{n}{code},k{n}", code, f"{1772442000 + 60 * n + code},{'12.50' if code > 12 else ''}")
        for n in range(20)
        for code in names
        if n % (code - 10) == 0
    ]

    def counted(name: str, cell: dict[int, str], *answers: str) -> tuple[str, dict[str, int]]:
        path, mapping = tmp_path / f"{name}.csv", tmp_path / f"{name}.yaml"
        lines = [f"{start},{cell[code]},{end}" for start, code, end in rows]
        path.write_text("\n".join(["id,user_id,event_type,ts,value", *lines, ""]))
        said = ecom("mapping", "init", path, "--events", *answers, "--out", mapping, home=home)
        read = ecom("mapping", "check", path, "--mapping", mapping, "--json", home=home).json
        return said.out, {one["event_type"]: one["count"] for one in read["event_types"]}

    codes = {code: str(code) for code in names}
    answer = ", ".join(f"{code}={name}" for code, name in reversed(names.items()))
    _, expected = counted("names", names)
    assert counted("codes", codes, "--answer", f"event_codes={answer}")[1] == expected
    path = tmp_path / "codes.csv"
    search = MappingSearch([str(path)], Settings(home=home))
    open_ones = [one for one in search.proposal({}).questions if not one.is_optional]
    assert [one.key for one in open_ones] == ["event_codes"]
    for code in names:
        assert f"'{code}' ({rows_of(rows, code)}" in open_ones[0].sentence
    with pytest.raises(UsageError, match="It does not say what"):
        open_ones[0].checked("11=page_view")
    with pytest.raises(UsageError, match="'99' is none of"):
        open_ones[0].checked(f"{answer}, 99=refund")
    with pytest.raises(UsageError, match="'buy' is none of"):
        open_ones[0].checked(answer.replace("11=page_view", "11=buy"))
    # In a terminal, numbers of choices are typed.
    typed = ",".join(f"{code}={number}" for number, code in enumerate(codes.values(), start=1))
    assert open_ones[0].checked(open_ones[0].choice_of(typed)) == open_ones[0].checked(answer)
    # A marked line that is completed by hand gives the same.
    lines = list(search.proposal({}).lines)
    for code, name in names.items():
        [mark] = [line for line in lines if line.startswith(f'  "{code}": "?"')]
        assert f"what '{code}' is ({rows_of(rows, code)}" in mark
        lines[lines.index(mark)] = f'  "{code}": {name}'
    by_hand = tmp_path / "by_hand.yaml"
    by_hand.write_text("\n".join([*lines, ""]))
    read = ecom("mapping", "check", path, "--mapping", by_hand, "--json", home=home).json
    assert {one["event_type"]: one["count"] for one in read["event_types"]} == expected


def rows_of(rows: list[tuple[str, int, str]], code: int) -> str:
    count = sum(each == code for _, each, _ in rows)
    return f"{count} row{'s' if count > 1 else ''}"
