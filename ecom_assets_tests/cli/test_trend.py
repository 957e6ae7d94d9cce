"""`ecom trend`: lines over time from files, without setting anything up."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ecom_assets_tests.command import HEADER, CommandResult, ecom, real_file

STORY = """\
a1,ann,page_view,2026-03-02T10:00:00Z,,,s1,https://shop.example/,,
b1,bob,page_view,2026-03-02T11:00:00Z,,,s2,https://shop.example/,,
a2,ann,purchase,2026-03-02T12:00:00Z,,,s3,https://shop.example/,,25.50
c1,cid,page_view,2026-03-04T10:00:00Z,,,s4,https://shop.example/sale,,
x1,,page_view,2026-03-04T10:00:00Z,,,,https://shop.example/,,
c2,cid,purchase,2026-03-05T10:00:00Z,,,s5,https://shop.example/,,10.00
"""
"""`x1` is of nobody; the 5th is the newest day."""


pytestmark = pytest.mark.usefixtures("events")


def ask(home: Path, *arguments: str) -> CommandResult:
    result = ecom("trend", "--events", home.parent / "story.csv", *arguments, home=home)
    (warning,) = result.err.splitlines()
    assert (result.exit_code, warning.partition(",")[0]) == (
        0,
        "ecom: warning: 1 of 6 rows (17%) are not counted",
    )
    return result


DEFINITION = {
    "series": [{"event_type": "purchase", "measure": "sum", "of": "cart_amount"}],
    "period": "day",
    "week_start": "monday",
    "by": None,
    "limit": 10,
    "cumulative": False,
    "moving_average": 1,
    "compare": None,
    "formula": None,
    "first_date": "2026-03-02",
    "last_date": "2026-03-05",
}


@pytest.mark.slow
def test_the_answer_has_the_shape_that_scripts_read(home: Path) -> None:
    actual = ask(home, "--series", "purchase:sum(cart_amount)", "--last", "4d", "--json").json
    assert (actual["range"]["start_date"], actual["range"]["end_date"]) == (
        "2026-03-02",
        "2026-03-05",
    )
    assert {name: value for name, value in actual.items() if name != "range"} == {
        "data_as_of": "2026-03-05",
        "data_version": None,
        "currency": None,
        "explain": None,
        "event_count": 5,
        "total_count": 1,
        "definition": DEFINITION,
        "periods": ["2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05"],
        "complete": [True, True, True, False],
        "series": [
            {
                "name": "A",
                "event_type": "purchase",
                "measure": "sum",
                "of": "cart_amount",
                "each": None,
                "where": None,
                "occurrence": None,
                "breakdown": None,
                "total": 35.5,
                "values": [25.5, 0, 0, 10.0],
                "previous": None,
            }
        ],
        "formula": None,
        "stickiness": None,
        "lifecycle": None,
        "warnings": [],
        "before": None,
        "compared": None,
        "rows": {"read": 6, "counted": 5, "rejected": {"missing_identity": 1}},
    }


@pytest.mark.slow
def test_one_line_is_drawn_as_bars_and_several_as_columns(home: Path) -> None:
    assert ask(home, "--series", "*:visitors").out.splitlines() == [
        "any event:visitors per day, 2026-03-02 to 2026-03-05; * is not whole",
        "2026-03-02  2  ██████████████████████████████",
        "2026-03-03  0",
        "2026-03-04  1  ███████████████",
        "2026-03-05* 1  ███████████████",
        "Rows: 6 read, 5 counted; not counted: missing_identity 1",
    ]
    arguments = (
        "--series",
        "purchase",
        "--series",
        "*",
        "--formula",
        "A / B",
        "--from",
        "2026-03-04",
    )
    assert ask(home, *arguments).out.splitlines()[1:4] == [
        "            A / B  purchase  any event",
        "2026-03-04      0         0          1",
        "2026-03-05*     1         1          1",
    ]


@pytest.mark.slow
def test_conditions_days_and_breakdowns_go_together(home: Path) -> None:
    arguments = (
        "--where",
        "page_url contains /sale or cart_amount > 20",
        "--by",
        "event_type",
        "--json",
    )
    actual = ask(home, *arguments).json["series"]
    assert {row["breakdown"]: row["values"] for row in actual} == {
        "page_view": [0, 0, 1, 0],
        "purchase": [1, 0, 0, 0],
    }


@pytest.mark.parametrize(("option", "day"), [("--from", "2030-01-01"), ("--to", "2018-01-01")])
def test_days_beyond_the_data_are_not_known_and_warned_of(
    home: Path, option: str, day: str
) -> None:
    days = f"days from {day} on" if option == "--from" else f"days up to {day}"
    result = ecom("trend", "--events", home.parent / "story.csv", option, day, "--json", home=home)
    assert (
        result.json["periods"],
        result.json["series"][0]["values"],
        result.json["complete"],
    ) == (
        [day],
        [None],
        [False],
    )
    assert result.json["warnings"] == [
        f"The data are of 2026-03-02 to 2026-03-05, so nothing is known of {days}."
    ]


@pytest.mark.slow
def test_days_begin_in_the_zone_that_is_asked_for(home: Path) -> None:
    """In Auckland, 13 hours ahead, what happened at 11:00 and 12:00 UTC on
    the 2nd happened on the 3rd.
    """
    actual = ask(home, "--timezone", "Pacific/Auckland", "--json").json
    assert (actual["periods"][0], actual["series"][0]["values"]) == ("2026-03-02", [1, 2, 1, 1])
    result = ecom(
        "trend", "--events", home.parent / "story.csv", "--timezone", "Mars/Olympus", home=home
    )
    assert (
        result.exit_code,
        result.sentence.startswith("--timezone 'Mars/Olympus' is not an IANA"),
    ) == (
        2,
        True,
    )


@pytest.mark.slow
def test_hours_stickiness_and_lifecycles_are_printed(home: Path) -> None:
    hours = ask(
        home, "--period", "hour", "--to", "2026-03-02", "--series", "page_view"
    ).out.splitlines()
    assert hours[11:13] == [
        "2026-03-02T10:00+00:00  1  ██████████████████████████████",
        "2026-03-02T11:00+00:00  1  ██████████████████████████████",
    ]
    assert ask(home, "--kind", "stickiness").out.splitlines() == [
        "any event per day, stickiness, 2026-03-02 to 2026-03-05",
        "any event, 3 visitors",
        "    1 day    2  ██████████████████████████████",
        "    2 days   1  ███████████████",
        "Rows: 6 read, 5 counted; not counted: missing_identity 1",
    ]
    assert ask(home, "--kind", "lifecycle").out.splitlines()[:5] == [
        "any event per day, lifecycle, 2026-03-02 to 2026-03-05; * is not whole",
        "            new  returning  resurrecting  dormant",
        "2026-03-02    2          0             0        -",
        "2026-03-03    0          0             0        2",
        "2026-03-04    1          0             0        0",
    ]
    result = ecom(
        "trend",
        "--events",
        home.parent / "story.csv",
        "--kind",
        "lifecycle",
        "--by",
        "x",
        home=home,
    )
    assert result.sentence == "A lifecycle counts visitors, so it has no breakdown; leave it out."


@pytest.mark.slow
def test_hours_and_days_that_begin_after_the_newest_event_are_not_known(home: Path) -> None:
    """The newest event is of 10:00 on the 5th: that hour has begun, the next one is not known,
    nor is the 6th.
    """
    newest_day = ("--series", "purchase", "--from", "2026-03-05")
    hours = ask(home, *newest_day, "--period", "hour", "--json").json
    assert hours["series"][0]["values"] == [0] * 10 + [1] + [None] * 13
    added_up = ask(home, *newest_day, "--period", "hour", "--cumulative", "--json").json
    assert added_up["series"][0]["values"] == [0] * 10 + [1] + [None] * 13
    lives = ask(home, *newest_day, "--period", "hour", "--kind", "lifecycle", "--json").json[
        "lifecycle"
    ][0]
    assert [lives[state][10:12] for state in ("new", "returning", "resurrecting", "dormant")] == [
        [1, None],
        *[[0, None]] * 3,
    ]
    drawn = ask(home, *newest_day, "--period", "hour").out.splitlines()
    assert drawn[1] == "Nothing is known of the last 13 of 24 periods."
    assert drawn[12:-1] == ["2026-03-05T10:00+00:00* 1  ██████████████████████████████"]
    assert ask(home, "--from", "2026-03-05", "--to", "2026-03-06", "--json").json["series"][0][
        "values"
    ] == [1, None]


def test_a_definition_says_all_of_it(home: Path) -> None:
    file = home.parent / "trend.yaml"
    file.write_text(
        "series: ['page_view:visitors', {event_type: purchase, where: {cart_amount: 10}}]\n"
        "period: week\n"
    )
    actual = ask(home, "--definition", str(file), "--json").json
    assert [series["values"] for series in actual["series"]] == [[3], [1]]
    refused = ecom(
        "trend",
        "--events",
        home.parent / "story.csv",
        "--definition",
        file,
        "--limit",
        "0",
        home=home,
    )
    assert (refused.exit_code, refused.sentence) == (
        2,
        "--definition says what --limit would; leave one of them out.",
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("--last", "3m"),
            "--last '3m' is not understood; write d (days) or w (weeks), such as 30d.",
        ),
        (
            ("--last", "3d", "--from", "2026-03-01"),
            "--last and --from both say where the days begin; leave one of them out.",
        ),
        (
            ("--limit", "3"),
            "--limit sets how many values of --by are shown; give --by, or leave it out.",
        ),
        (
            ("--limit", "0", "--by", "event_type"),
            "`limit` of a trend is at least 1, not 0.",
        ),
        (
            ("--period", "decade"),
            (
                "The period of a trend 'decade' is unknown; known: minute, hour, day, week, month, "
                "quarter, year."
            ),
        ),
        (
            ("--series", "purchase:sum"),
            "The measure sum of a trend needs a column, as in sum(cart_amount).",
        ),
    ],
)
def test_an_impossible_question_is_refused_in_a_sentence(
    home: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    result = ecom("trend", "--events", home.parent / "story.csv", *arguments, home=home)
    assert (result.exit_code, result.sentence) == (2, sentence)


@pytest.mark.slow
def test_a_real_shop_s_first_day_is_what_a_count_by_hand_gives(home: Path) -> None:
    """Of the lines 17,055 are views, four of which stand there twice;
    193 users made the 214 purchases.
    """
    arguments = (
        "--mapping",
        "rees46",
        "--series",
        "view",
        "--series",
        "purchase:visitors",
        "--series",
        "purchase",
        "--json",
    )
    result = ecom(
        "trend", "--events", real_file("rees46_2019_10_01.csv"), *arguments, home=home
    ).json["series"]
    assert [row["values"] for row in result] == [[17_051], [193], [214]]


def test_a_column_that_only_the_file_has_is_named_by_its_key(home: Path) -> None:
    result = ecom(
        "trend", "--events", home.parent / "story.csv", "--series", "*", "--by", "brand", home=home
    )
    assert (result.exit_code, "as in properties.brand" in result.sentence) == (2, True)


@pytest.mark.slow
def test_a_number_that_is_text_in_csv_is_warned_of_and_counted_once_it_is_mapped(
    home: Path, tmp_path: Path
) -> None:
    (tmp_path / "own.csv").write_text(
        "at,who,what,fee\n2026-01-01 10:00:00,ann,buy,2.50\n2026-01-01 11:00:00,bob,buy,4\n"
    )
    fields = (
        "fields: {event_id: {hash_of: [at, who]}, user_id: who, event_type: what, "
        "event_timestamp: at"
    )
    texts, numbers = tmp_path / "texts.yaml", tmp_path / "numbers.yaml"
    texts.write_text(f"{fields}}}\nother_columns: properties\n")
    numbers.write_text(
        f"{fields}, properties: {{expression: \"json_object('fee', fee::DOUBLE)\"}}}}\n"
    )
    arguments = (
        "trend",
        "--json",
        "--events",
        tmp_path / "own.csv",
        "--series",
        "buy:sum(properties.fee)",
    )
    as_text = ecom(*arguments, "--mapping", texts, home=home).json
    assert as_text["series"][0]["total"] is None
    assert as_text["warnings"][0].startswith(
        "properties.fee holds text, never a number, so nothing of it is added up"
    )
    as_number = ecom(*arguments, "--mapping", numbers, home=home).json
    assert (as_number["series"][0]["total"], as_number["warnings"]) == (6.5, [])
    (absent,) = ecom(
        *arguments, "--where", "properties.fees > 1", "--mapping", numbers, home=home
    ).json["warnings"]
    assert (
        absent
        == "No event has properties.fees; look at the properties of one of them for its name."
    )
    for words_of in (
        ("--by", "event_type", "--by", "properties.fees"),
        ("--kind", "lifecycle", "--where", "properties.fees > 1"),
        ("--kind", "stickiness", "--where", "properties.fees != 1"),
    ):
        assert ecom(*arguments[:-1], "buy", "--mapping", numbers, *words_of, home=home).json[
            "warnings"
        ] == [absent]


@pytest.mark.slow
def test_an_unknown_zone_or_column_and_files_without_events_are_refused_by_name(
    home: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own.csv"
    own.write_text(HEADER + "\ne-1,ann,page_view,2026-01-01T10:00:00Z,,,,,,\n")
    arguments = ("trend", "--events", own)
    refused = ecom(*arguments, "--timezone", "Mars/Olympus", home=home).sentence
    assert refused == (
        "--timezone 'Mars/Olympus' is not an IANA time zone, such as Europe/Berlin; "
        "correct it or leave it out."
    )
    refused = ecom(*arguments, "--series", "purchase:sum(nonsense)", home=home).sentence
    assert refused.startswith(
        "The events have no column 'nonsense'; known: event_id, event_at, event_date, visitor_id,"
    )
    own.write_text(HEADER + "\ne-1,,page_view,2026-01-01T10:00:00Z,,,,,,\n")
    assert (
        "Rows: 1 read, 0 counted; not counted: missing_identity 1"
        in ecom(*arguments, home=home).err
    )


@pytest.mark.slow
def test_a_day_that_is_not_over_is_said_to_be_provisional(home: Path, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    file = tmp_path / "today.csv"
    file.write_text(
        f"{HEADER}\na1,ann,page_view,{now:%Y-%m-%dT%H:%M:%SZ},,,s1,https://shop.example/,,\n"
    )
    result = ecom("trend", "--events", file, "--series", "page_view", home=home)
    assert (
        f"{now.date()} is not over: its numbers are provisional, and grow."
        in result.out.splitlines()
    )
    before = ecom(
        "trend", "--events", home.parent / "story.csv", "--series", "page_view", home=home
    )
    assert "provisional" not in before.out


@pytest.mark.slow
def test_properties_that_are_not_json_have_no_keys(home: Path, tmp_path: Path) -> None:
    documents = ['"{""plan"": ""pro""}"', '"not json with ""plan"""', '"{""plan"": ""pr"', ""]
    rows = [
        f"{n},u{n},page_view,2026-03-02T10:00:00Z,,,s,,,,{document}"
        for n, document in enumerate(documents)
    ]
    (tmp_path / "odd.csv").write_text("\n".join([f"{HEADER},properties", *rows]) + "\n")
    arguments = ("trend", "--events", tmp_path / "odd.csv", "--series", "page_view", "--json")
    by_plan = ecom(*arguments, "--by", "properties.plan", home=home).json["series"]
    assert {line["breakdown"]: line["total"] for line in by_plan} == {"pro": 1, "(none)": 3}
    (pro,) = ecom(*arguments, "--where", "properties.plan = pro", home=home).json["series"]
    assert pro["total"] == 1
