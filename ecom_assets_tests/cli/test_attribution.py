"""`ecom attribution`: credit for the purchases in files, without setting anything up."""

from pathlib import Path

import pytest

from ecom_assets.behaviour.questions.answer import QuestionAnswer
from ecom_assets_tests.command import HEADER, ecom, real_file, shape

# Anna came by a letter and by a search, and then bought for 30, of which she got 15 back; Ben came
# by a letter alone.
STORY = """\
a1,anna,page_view,2026-03-01T09:00:00Z,,,s1,https://shop.example/?utm_source=letter&utm_medium=email,,
a2,anna,page_view,2026-03-08T09:00:00Z,,,s2,https://shop.example/,https://www.google.com/,
a3,anna,purchase,2026-03-08T09:10:00Z,,,s2,https://shop.example/done,https://shop.example/cart,30
a4,anna,refund,2026-03-10T12:00:00Z,,,,,,15
b1,ben,page_view,2026-03-02T09:00:00Z,,,s3,https://shop.example/?utm_source=letter&utm_medium=email,,
"""


@pytest.mark.slow
def test_the_answer_has_the_shape_that_scripts_read(home: Path, events: Path) -> None:
    result = ecom("attribution", "--model", "J", "--events", events, "--json", home=home)
    assert (result.exit_code, result.err) == (0, "")
    of_every_answer = {*QuestionAnswer.model_fields} - {"rows", "definition"}
    assert shape(
        {name: value for name, value in result.json.items() if name not in of_every_answer}
    ) == {
        "model": str,
        "definition": {
            "lookback_s": int,
            "half_life_s": int,
            "two_touches": str,
            "refund_days": int,
            "source_lists": str,
            "ai_assistants": bool,
            "session_rule": str,
        },
        "conversions": int,
        "channels": [
            {"channel": str, "credit": float, "revenue": float, "removal_effect": type(None)}
        ],
        "notes": [],
        "rows": {"read": int, "counted": int, "rejected": {}},
    }
    assert (result.json["model"], result.json["conversions"]) == ("j", 1)
    assert result.json["channels"] == [
        {"channel": "Organic Search", "credit": 0.75, "revenue": 11.25, "removal_effect": None},
        {"channel": "Email", "credit": 0.25, "revenue": 3.75, "removal_effect": None},
    ]


@pytest.mark.slow
def test_removal_effects_need_those_who_did_not_buy(home: Path, events: Path) -> None:
    result = ecom("attribution", "--model", "markov", "--events", events, "--json", home=home)
    # Half of those who came by letter went on to search; without either nobody buys.
    assert result.json["channels"] == [
        {"channel": "Email", "credit": 0.5, "revenue": 7.5, "removal_effect": 1.0},
        {"channel": "Organic Search", "credit": 0.5, "revenue": 7.5, "removal_effect": 1.0},
    ]


@pytest.mark.slow
def test_people_read_channels_and_what_they_brought(home: Path, events: Path) -> None:
    result = ecom("attribution", "--events", events, "--lookback", "1h", home=home)
    assert result.out.splitlines() == [
        "1 purchases, by last_non_direct",
        "  Organic Search                       1.00            15.00",
        "Rows: 5 read, all counted",
    ]


def test_an_unknown_model_is_refused_with_a_guess(home: Path, events: Path) -> None:
    result = ecom("attribution", "--model", "linaer", "--events", events, home=home)
    assert result.exit_code == 2
    assert "There is no attribution model 'linaer'; did you mean 'linear'?" in result.err


@pytest.mark.slow
def test_where_nobody_bought_there_is_no_credit_and_a_word_about_it(
    home: Path, tmp_path: Path
) -> None:
    path = tmp_path / "views.csv"
    path.write_text(
        f"{HEADER}\nb1,ben,page_view,2026-03-02T09:00:00Z,,,s3,https://shop.example/,,\n"
    )
    result = ecom("attribution", "--model", "markov", "--events", path, "--json", home=home)
    assert (result.exit_code, result.json["conversions"], result.json["channels"]) == (0, 0, [])
    first, second = result.json["notes"]
    assert first == "There is no purchase to give credit for."
    assert "every visit is Direct" in second


@pytest.mark.slow
def test_a_trend_by_channel_of_events_without_addresses_says_so(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "views.csv"
    path.write_text(
        f"{HEADER}\nb1,ben,page_view,2026-03-02T09:00:00Z,,,s3,https://shop.example/,,\n"
    )
    result = ecom("trend", "--series", "*", "--by", "channel", "--events", path, home=home)
    assert result.exit_code == 0
    assert "every visit is Direct" in result.err


@pytest.mark.slow
def test_the_real_clickstream_has_as_much_credit_as_purchases(home: Path) -> None:
    path = real_file("rees46_2019_10_01.csv")
    result = ecom(
        "attribution",
        "--model",
        "linear",
        "--mapping",
        "rees46",
        "--events",
        path,
        "--json",
        home=home,
    )
    assert result.json["conversions"] == 214
    assert result.json["channels"] == [
        {"channel": "Direct", "credit": 214.0, "revenue": 59442.63, "removal_effect": None}
    ]
    assert result.json["notes"], "it names no addresses, and the answer says so"


@pytest.mark.slow
@pytest.mark.parametrize("model", ["j", "markov"])
def test_purchases_of_some_days_get_credit_from_visits_before(
    home: Path, events: Path, model: str
) -> None:
    """Anna's letter was on the 1st, her purchase of 30 on the 8th,
    and the refund of 15 on the 10th.
    """

    def revenue(*arguments: str) -> dict[str, float]:
        result = ecom(
            "attribution", "--model", model, "--events", events, *arguments, "--json", home=home
        )
        assert result.exit_code == 0, result.err
        return {channel["channel"]: channel["revenue"] for channel in result.json["channels"]}

    assert sum(revenue("--from", "2026-03-08", "--to", "2026-03-09").values()) == 30
    assert set(revenue("--from", "2026-03-08")) == {"Email", "Organic Search"}
    assert sum(revenue("--from", "2026-03-08").values()) == 15
    assert revenue("--to", "2026-03-07") == {}
    assert set(revenue("--where", "page_url not contains letter")) == {"Organic Search"}
