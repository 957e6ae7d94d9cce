"""`ecom init`: what a shop's files cannot say is asked once, kept in ecom.toml,
and holds for every command there.
"""

import io
import os
import subprocess
from pathlib import Path

import pytest

from ecom_assets_tests.command import ECOM, HEADER, ecom
from ecom_assets_tests.patience import PATIENCE_S

PURCHASE = f"{HEADER}\ne1,ann,purchase,2026-07-01T22:30:00Z,lamp,light,s1,,,19.90\n"


@pytest.mark.slow
def test_options_are_kept_and_hold_for_questions_in_the_folder(tmp_path: Path, home: Path) -> None:
    events = tmp_path / "events.csv"
    events.write_text(PURCHASE)
    asked = ("trend", "--events", events, "--series", "purchase:sum(cart_amount)", "--json")
    before = ecom(*asked, home=home, cwd=tmp_path).json
    # Nobody has said a currency: none is shown, and certainly no dollars.
    assert (before["currency"], before["range"]["start_date"]) == (None, "2026-07-01")
    made = ecom("init", "--currency", "EUR", "--timezone", "Europe/Berlin", home=home, cwd=tmp_path)
    assert "Not set: week_start" in made.out
    after = ecom(*asked, home=home, cwd=tmp_path).json
    # 22:30 UTC is after midnight in Berlin.
    assert (after["currency"], after["range"]["start_date"]) == ("EUR", "2026-07-02")
    of_environment = ecom(*asked, home=home, cwd=tmp_path, env={"ECOM_CURRENCY": "SEK"}).json
    assert of_environment["currency"] == "SEK"


def test_what_is_there_stays_and_the_name_may_be_any_text(tmp_path: Path, home: Path) -> None:
    name = 'Lampen "Öhler" \\ Söhne'
    ecom("init", "--currency", "EUR", home=home, cwd=tmp_path)
    again = ecom(
        "init", "--shop-name", name, "--week-start", "sunday", "--json", home=home, cwd=tmp_path
    ).json
    assert again["settings"] == {"currency": "EUR", "shop_name": name, "week_start": "sunday"}
    assert again["not_set"] == ["timezone"]
    assert ecom("init", "--json", home=home, cwd=tmp_path).json == again


@pytest.mark.parametrize("currency", ["euro", "€", "EUR", "Euros"])
@pytest.mark.parametrize(
    ("zone", "day"), [("Berlin", "Montag"), ("Europe/Berlin", "lundi"), ("München", "mon")]
)
def test_words_of_people_are_taken(
    tmp_path: Path, home: Path, currency: str, zone: str, day: str
) -> None:
    words = ("--currency", currency, "--timezone", zone, "--week-start", day)
    settings = ecom("init", *words, "--json", home=home, cwd=tmp_path).json["settings"]
    assert settings == {"currency": "EUR", "timezone": "Europe/Berlin", "week_start": "monday"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--currency", "eurodollar"), "--currency 'eurodollar' is not an ISO 4217 code"),
        (("--timezone", "Nowhere"), "--timezone 'Nowhere' is not an IANA time zone"),
        (("--week-start", "restday"), "--week-start 'restday' is wrong"),
    ],
)
def test_a_wrong_answer_is_refused_and_nothing_is_written(
    tmp_path: Path, home: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = ecom("init", *arguments, home=home, cwd=tmp_path)
    assert result.exit_code == 2
    assert message in result.sentence
    assert not (tmp_path / "ecom.toml").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('curency = "EUR"\n', "curency in {path} is not a setting; did you mean 'currency'?"),
        ('currency = "euro"\n', "currency in ecom.toml, 'euro' is not an ISO 4217 code"),
        ("currency = EUR\n", "{path} cannot be read as TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name(
    tmp_path: Path, home: Path, text: str, message: str
) -> None:
    path = tmp_path / "ecom.toml"
    path.write_text(text)
    result = ecom("status", home=home, cwd=tmp_path)
    assert result.exit_code == 2
    assert message.format(path=path) in result.sentence


def test_a_terminal_is_asked_until_the_answer_is_one(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = io.StringIO("eurodollar\nEUR\nEurope/Berlin\n\nLampen\n")
    answers.isatty = lambda: True  # type: ignore[method-assign]  # a terminal
    monkeypatch.setattr("sys.stdin", answers)
    result = ecom("init", home=home, cwd=tmp_path)
    assert "is not an ISO 4217 code" in result.err
    kept = (tmp_path / "ecom.toml").read_text().splitlines()
    assert kept == [
        'currency = "EUR"',
        'timezone = "Europe/Berlin"',
        'week_start = "monday"',
        'shop_name = "Lampen"',
    ]


def test_who_presses_enter_keeps_what_holds_without_an_answer(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = io.StringIO("\n\n\n\n")
    answers.isatty = lambda: True  # type: ignore[method-assign]  # a terminal
    monkeypatch.setattr("sys.stdin", answers)
    result = ecom("init", home=home, cwd=tmp_path)
    assert result.exit_code == 0, result.err
    assert (tmp_path / "ecom.toml").read_text().splitlines() == [
        'currency = ""',
        'timezone = "UTC"',
        'week_start = "monday"',
        'shop_name = ""',
    ]


def test_version_and_help_are_where_people_look_for_them(home: Path) -> None:
    assert ecom("--version", home=home).out.startswith("ecom ")
    assert ecom("help", home=home).out == ecom("-h", home=home).out == ecom("--help", home=home).out
    assert ecom("help", "funnel", home=home).out == ecom("funnel", "-h", home=home).out
    assert (
        ecom("help", "mapping", "check", home=home).out
        == ecom("mapping", "check", "--help", home=home).out
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [("ecom ma", {"mapping"}), ("ecom mapping ", {"init", "list", "show", "check"})],
)
def test_a_shell_completes_commands(home: Path, line: str, expected: set[str]) -> None:
    position = str(len(line.split(" ")) - 1)
    env = {
        **os.environ,
        "_ECOM_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": position,
    }
    done = subprocess.run(
        ECOM,
        env=env,
        cwd=home.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert set(done.stdout.split()) == expected
