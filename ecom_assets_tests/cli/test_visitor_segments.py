"""`--segment`: questions about the visitors of one segment, from files."""

from pathlib import Path

import pytest

from ecom_assets_tests.command import HEADER, CommandResult, ecom, real_file
from ecom_assets_tests.core.warehouse.engines.shop_input import ORDER_HEADER
from ecom_assets_tests.each import each

STORY = """\
a1,ann,page_view,2026-03-02T10:00:00Z,,,s1,https://shop.example/,,
a2,ann,purchase,2026-03-02T12:00:00Z,,,s1,https://shop.example/,,25.50
a3,ann,purchase,2026-03-04T12:00:00Z,,,s2,https://shop.example/,,5.00
b1,bob,page_view,2026-03-02T11:00:00Z,,,s3,https://shop.example/,,
c1,cid,purchase,2026-03-05T10:00:00Z,,,s4,https://shop.example/,,10.00
"""
SEGMENTS = """\
loyal: {did: purchase, at_least: 2}
lookers:
  - did: page_view
  - not: {did: purchase}
"""
COUNTS = ("--series", "*:visitors", "--series", "purchase", "--period", "month", "--json")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "story.csv").write_text(f"{HEADER}\n{STORY}")
    (tmp_path / "segments.yaml").write_text(SEGMENTS)
    (tmp_path / "one.yaml").write_text("loyal: {did: purchase, at_least: 2}\n")
    return tmp_path / "home"


def ask(home: Path, *arguments: str | Path, env: dict[str, str] | None = None) -> CommandResult:
    return ecom(
        "trend", "--events", home.parent / "story.csv", *COUNTS, *arguments, home=home, env=env
    )


def values(result: CommandResult) -> list[list[float]]:
    assert (result.exit_code, result.err) == (0, "")
    return [series["values"] for series in result.json["series"]]


@pytest.mark.slow
def test_a_question_is_about_the_visitors_of_a_segment_of_a_file(home: Path) -> None:
    folder = home.parent
    assert values(ask(home)) == [[3], [3]]
    assert values(ask(home, "--segment", folder / "one.yaml")) == [[1], [2]]
    assert values(ask(home, "--segment", f"{folder}/segments.yaml#lookers")) == [[1], [0]]


@pytest.mark.slow
@pytest.mark.parametrize("text", ["[{did: purchase, at_least: 2}]", "{did: purchase, at_least: 2}"])
def test_a_file_may_say_the_definition_alone(home: Path, text: str) -> None:
    (home.parent / "bare.yaml").write_text(text)
    result = ask(home, "--segment", home.parent / "bare.yaml")
    assert values(result) == [[1], [2]]
    assert result.json["definition"]["segment"]["name"] == "bare"


@pytest.mark.slow
def test_the_answer_has_the_segment_in_full(home: Path) -> None:
    answer = ask(home, "--segment", home.parent / "one.yaml").json["definition"]["segment"]
    assert answer == {"name": "loyal", "rule": {"did": {"event_type": "purchase"}, "at_least": 2}}
    assert "segment" not in ask(home).json["definition"]


@pytest.mark.slow
def test_a_name_is_one_that_the_setting_s_file_declares(home: Path) -> None:
    declared = {"ECOM_VISITOR_SEGMENTS": str(home.parent / "segments.yaml")}
    assert values(ask(home, "--segment", "loyal", env=declared)) == [[1], [2]]
    result = ask(home, "--segment", "loyel", env=declared)
    assert (result.exit_code, result.sentence) == (
        2,
        "No visitor segment 'loyel' is declared; did you mean 'loyal'? Known: loyal, lookers.",
    )


@pytest.mark.slow
def test_a_segment_is_as_of_the_last_day_of_the_question(home: Path) -> None:
    """On the 3rd Ann had bought once only."""
    assert values(ask(home, "--segment", home.parent / "one.yaml", "--to", "2026-03-03")) == [
        [0],
        [0],
    ]
    assert values(ask(home, "--segment", home.parent / "one.yaml", "--to", "2026-03-04")) == [
        [1],
        [2],
    ]


@pytest.mark.slow
def test_a_type_that_no_event_has_is_warned_of(home: Path) -> None:
    (home.parent / "odd.yaml").write_text("odd: {not: {did: purchas}}\n")
    result = ask(home, "--segment", home.parent / "odd.yaml").json
    assert result["warnings"] == [
        "No event has the type 'purchas', so it counts 0; did you mean 'purchase'?"
    ]


@each(
    "segment, text, sentence",
    [
        (
            "loyal",
            None,
            "No visitor segment 'loyal' is declared; set ECOM_VISITOR_SEGMENTS to a file",
        ),
        (
            "segments.yaml",
            None,
            "segments.yaml declares loyal, lookers; write segments.yaml#NAME for one of them.",
        ),
        (
            "absent.yaml",
            None,
            "absent.yaml cannot be read (No such file or directory); check the path.",
        ),
        (
            "odd.yaml",
            "purchase",
            "odd.yaml declares no visitor segments; give 1 to 200 names, each with its",
        ),
        ("odd.yaml", "5: {did: purchase}", "odd.yaml names a visitor segment 5; a name is a text."),
        (
            "odd.yaml",
            "a: {done: purchase}",
            "odd.yaml: The visitor segment 'a' cannot be: a part is one of did,",
        ),
    ],
)
def test_what_is_no_segment_is_refused_in_a_sentence(
    home: Path, segment: str, text: str | None, sentence: str
) -> None:
    if text:
        (home.parent / segment).write_text(text)
    result = ask(home, "--segment", segment)
    assert (result.exit_code, result.sentence.startswith(sentence)) == (2, True), result.err


@pytest.mark.slow
def test_experiments_are_asked_of_a_segment_too(home: Path) -> None:
    arguments = (
        "--variant",
        "event_type",
        "--control",
        "page_view",
        "--multiple",
        "first",
        "--goal",
        "purchase",
        "--json",
    )
    story = ("experiment", "--events", home.parent / "story.csv", *arguments)
    counts = [
        [variant["unit_count"] for variant in ecom(*story, *more, home=home).json["variants"]]
        for more in ((), ("--segment", home.parent / "one.yaml"))
    ]
    assert counts == [[2, 1], [1]]


@pytest.mark.slow
def test_funnels_are_asked_of_a_segment_too(home: Path) -> None:
    """Of Ann and Bob, who viewed, only Ann bought; without the segment the quick way answers,
    with it the other.
    """
    arguments = (
        "funnel",
        "--events",
        home.parent / "story.csv",
        "--steps",
        "page_view,purchase",
        "--json",
    )
    both, loyal = (
        ecom(*arguments, *more, home=home).json
        for more in ((), ("--segment", home.parent / "one.yaml"))
    )
    assert [[step["count"] for step in row["steps"]] for row in (both, loyal)] == [[2, 1], [1, 1]]
    assert ("segment" in both["definition"], loyal["definition"]["segment"]["name"]) == (
        False,
        "loyal",
    )
    early = ecom(
        *arguments, "--segment", home.parent / "one.yaml", "--to", "2026-03-03", home=home
    ).json
    assert [step["count"] for step in early["steps"]] == [0, 0], (
        "on the 3rd Ann had bought once only"
    )


@pytest.mark.slow
def test_retention_of_a_segment_reaches_as_far_as_the_data(home: Path) -> None:
    """Bob came on the 2nd only; the data go on to the 5th, which may still grow."""
    (home.parent / "bob.yaml").write_text("bob: {did: purchase, at_most: 0}\n")
    arguments = ("retention", "--events", home.parent / "story.csv", "--period", "day", "--json")
    (cohort,) = ecom(*arguments, "--segment", home.parent / "bob.yaml", home=home).json["cohorts"]
    assert (cohort["cohort"], cohort["size"], cohort["returned"][:3]) == (
        "2026-03-02",
        1,
        [1, 0, 0],
    )
    assert cohort["complete"][:3] == [True, True, True]
    everybody = ecom(*arguments, home=home).json["cohorts"]
    assert [row["size"] for row in everybody] == [2, 1]
    orders = home.parent / "orders.csv"
    orders.write_text(
        f"{ORDER_HEADER}\n1,o1,2026-03-02T12:00:00Z,1,Ulm,ann,A,B,i1,Hat,1,20,shipped\n"
    )
    assert ecom("retention", "--orders", orders, "--segment", "bob", home=home).sentence == (
        "--segment is about what visitors did, which orders do not have; ask with --events PATH."
    )


@pytest.mark.slow
def test_a_real_shop_s_frequent_buyers_are_what_a_count_by_hand_gives(home: Path) -> None:
    """19 users bought at least twice in that morning, 40 times in all."""
    (home.parent / "buyers.yaml").write_text("buyers: {did: purchase, at_least: 2, within: 1d}\n")
    arguments = ("--mapping", "rees46", "--segment", home.parent / "buyers.yaml", *COUNTS)
    result = ecom("trend", "--events", real_file("rees46_2019_10_01.csv"), *arguments, home=home)
    assert values(result) == [[19], [40]]


@pytest.mark.slow
def test_sessions_journeys_and_attribution_are_asked_of_a_segment_too(home: Path) -> None:
    """Of all three, Ann alone bought twice: in two sessions,
    of which the first began with a page.
    """
    story, segment = (
        ("--events", home.parent / "story.csv", "--json"),
        ("--segment", home.parent / "one.yaml"),
    )
    sessions, journeys, attribution = (
        ecom(command, *story, *segment, home=home).json
        for command in ("sessions", "journeys", "attribution")
    )
    assert (sessions["visitors"], sessions["sessions"]) == (1, 3), (
        "the purchase at noon is a session of its own"
    )
    assert (journeys["sessions"], journeys["converted_sessions"]) == (3, 2)
    assert attribution["conversions"] == 2
    assert {row["definition"]["segment"]["name"] for row in (sessions, journeys, attribution)} == {
        "loyal"
    }
    assert (
        ecom("sessions", *story, *segment, "--to", "2026-03-03", home=home).json["sessions"] == 0
    ), "nobody yet"
