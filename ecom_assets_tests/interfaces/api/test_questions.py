"""Custom questions by POST: what is refused, and what their choices do,
whatever the kind of question.

Not here: the numbers (`api/test_every_number.py`).
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import ibis
import pyarrow as pa
import pytest
import requests

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days, day_of
from ecom_assets.interfaces.api.app import build_app
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import Api
from ecom_assets_tests.interfaces.api.plain_paths import _streams
from ecom_assets_tests.interfaces.api.plain_shop import PlainShop
from ecom_assets_tests.interfaces.api.served import Running, serving
from ecom_assets_tests.patience import PATIENCE_S

EXPERIMENT: dict[str, Any] = {
    "variant": "product_category",
    "goal": "purchase",
    "control": "Hats",
    "multiple": "first",
}
BOUGHT: dict[str, Any] = {"steps": ["product_view", "purchase"]}


IN_DAYS = "Days from 1900-01-01 to 2200-12-31 can be asked for"


def nested(levels: int) -> dict[str, Any]:
    """Return a condition so many levels deep."""
    return {"any_of": [nested(levels - 1)]} if levels else {"cart_amount": 1}


@each(
    "question, body, why",
    [
        ("trend", {"series": ["purchase:summ(cart_amount)"]}, "did you mean 'sum'"),
        ("trend", {"series": ["purchase"], "formula": "A / C"}, "names the series C"),
        ("trend", {"series": ["purchase"], "formula": "1e999*A"}, "has a number above 1e+300"),
        (
            "trend",
            {"start_date": 0},
            "body.start_date: It is not a date; use YYYY-MM-DD, such as 2026-01-31",
        ),
        ("sessions", {"end_date": "2026-01-10T00:00:00"}, "It is not a date; use YYYY-MM-DD"),
        ("funnel", {**BOUGHT, "from": "20260101"}, "It is not a date; use YYYY-MM-DD"),
        ("retention", {"whole_until": "2026-02-30"}, "It is not a date; use YYYY-MM-DD"),
        (
            "trend",
            {"time_range": "week", "last": "20d"},
            "`last` and time_range=week both say where the days begin",
        ),
        (
            "journeys",
            {"time_range": "today", "last": "20d"},
            "both say where the days begin; leave one of them out",
        ),
        ("trend", {"time_range": "wek"}, "(did you mean 'week'?)"),
        ("trend", {"compare": "before"}, "`compare` needs days that begin somewhere"),
        (
            "retention/who?cohort=2026-01-05&value=zz",
            {},
            "`by` names none; give `by`, or leave `value` out",
        ),
        ("trend", {"timezone": "localtime"}, "'localtime' is not an IANA time zone"),
        ("funnel", {**BOUGHT, "to": "9999-12-31"}, IN_DAYS),
        ("funnel", {**BOUGHT, "from": "9999-12-31"}, IN_DAYS),
        ("funnel", {**BOUGHT, "end_date": "9999-12-31"}, IN_DAYS),
        ("funnel", {**BOUGHT, "start_date": "0001-01-01"}, IN_DAYS),
        ("funnel/who", {**BOUGHT, "to": "9999-12-31"}, IN_DAYS),
        ("retention", {"whole_until": "9999-12-31"}, IN_DAYS),
        ("journeys", {"min_count": 10**20}, "than or equal to 1000000000"),
        (
            "experiment",
            {**EXPERIMENT, "shares": {"Hats": 1e308, "Shoes": 1e308}},
            "cannot be 1e+308",
        ),
        ("experiment", {**EXPERIMENT, "shares": {"Hats": 1, "Shoes": 1e-320}}, "at least 0.000001"),
        ("trend", {"series": ["*"], "where": [nested(30)]}, "more than 10 deep"),
        (
            "trend",
            {"series": ["*"], "where": [{"any_of": ["cart_amount > 1"] * 300}]},
            "more than 200 conditions",
        ),
        ("trend", {"series": ["*"], "where": ["page_url matches (?=a)"]}, "RE2's syntax"),
        ("trend", {"series": ["*"], "where": ["brand = x"]}, "no column 'brand'"),
        (
            "trend",
            {"series": ["*"], "where": [{"column": {}, "value": 1}]},
            "names the column '{}'; write a column",
        ),
        ("correlation", {"funnel": {"steps": ["purchase"]}}, "two steps or more"),
        (
            "correlation",
            {"funnel": {**BOUGHT, "by": "product_category"}},
            "The funnel of a correlation counts users",
        ),
        (
            "correlation",
            {"funnel": {**BOUGHT, "within": "7"}},
            "The duration '7' is not understood",
        ),
        ("correlation", {"funnel": BOUGHT, "properties": ["brand"]}, "no column 'brand'"),
        ("correlation", {"funnel": BOUGHT, "properties": ["a b"]}, "names the column 'a b'"),
        (
            "experiment",
            {**EXPERIMENT, "control": "Hat"},
            "No unit was exposed to the control 'Hat'; did you mean 'Hats'?",
        ),
        ("experiment", {**EXPERIMENT, "within": "7"}, "The duration '7' is not understood"),
        ("experiment", {**EXPERIMENT, "goal": ""}, "at least 1 character"),
        (
            "experiment",
            {**EXPERIMENT, "goal": {"event_type": "buy", "where": ["page_url matches (?=a)"]}},
            "RE2's syntax",
        ),
        ("experiment", {**EXPERIMENT, "variant": "brand"}, "no column 'brand'"),
        (
            "experiment",
            {**EXPERIMENT, "variant": "event_id"},
            "has more than 20 values, so it is not a variant",
        ),
        (
            "experiment",
            {**EXPERIMENT, "shares": {"Hats": 1}},
            "An experiment has 2 to 20 variants, not 1",
        ),
        (
            "experiment",
            {**EXPERIMENT, "shares": {"Hats": True, "Shoes": 1}},
            "True stands where a number is expected",
        ),
        ("experiment", {**EXPERIMENT, "amount": "page_url"}, "holds text, not numbers"),
    ],
)
def test_impossible_questions_are_refused(
    api: Api, question: str, body: dict[str, Any], why: str
) -> None:
    response = api.post(f"/analytics/{question}", body)
    assert (response.status_code, why in response.json()["detail"]) == (422, True), response.text


def test_a_condition_on_everything_is_one_on_each_series(api: Api) -> None:
    text = "product_category is set"
    of_all = api.post("/analytics/trend", {"series": ["*"], "where": [text]}).json()["series"]
    of_one = api.post("/analytics/trend", {"series": [{"where": [text]}]}).json()["series"]
    assert of_all[0]["values"] == of_one[0]["values"]
    assert of_all[0]["total"] > 0


def test_lines_come_a_page_at_a_time(api: Api) -> None:
    response = api.post(
        "/analytics/trend",
        {"series": ["*", "purchase"], "by": "product_category"},
        limit=1,
        offset=1,
    )
    assert (len(response.json()["series"]), response.json()["total_count"] > 2) == (1, True)


def test_a_preset_is_what_the_tool_would_do_and_the_body_wins(api: Api) -> None:
    body = {"series": ["purchase"], "period": "week", "preset": "posthog"}
    answer = api.post("/analytics/trend", body).json()
    assert (answer["definition"]["week_start"], answer["definition"]["limit"]) == ("sunday", 25)
    own = api.post("/analytics/trend", {**body, "week_start": "monday"}).json()
    assert (own["definition"]["week_start"], own["definition"]["limit"]) == ("monday", 25)
    plain = api.post(
        "/analytics/trend", {"series": ["purchase"], "period": "week", "week_start": "sunday"}
    ).json()
    assert plain["series"] == answer["series"]
    assert api.post("/analytics/trend", {**body, "preset": "heap"}).status_code == 422


@pytest.mark.slow
def test_a_preset_of_retention_is_what_the_tool_would_do_and_the_body_wins(api: Api) -> None:
    def definition(**body: Any) -> dict[str, Any]:
        response = api.post("/analytics/retention", body)
        assert response.status_code == 200, response.text
        actual: dict[str, Any] = response.json()["definition"]
        return actual

    used = definition(preset="amplitude")
    assert (used["period"], used["mode"], used["clock"]) == ("day", "on_or_after", "rolling")
    used = definition(preset="amplitude", period="week", mode="on")
    assert (used["period"], used["mode"], used["clock"]) == ("week", "on", "rolling")
    assert definition()["period"] == "week"


def test_a_goal_after_the_range_counts_within_its_time_only(api: Api) -> None:
    """Exposures are of the first week; who buys a month later counts with a time of 30 days,
    and not without.
    """
    days = {"start_date": "2026-01-01", "end_date": "2026-01-07"}
    alone, later = (
        api.post("/analytics/experiment", {**EXPERIMENT, **days, **more}).json()
        for more in ({}, {"within": "30d"})
    )
    counts = [
        [variant["unit_count"] for variant in actual["variants"]] for actual in (alone, later)
    ]
    converted = [
        sum(variant["converted_count"] for variant in actual["variants"])
        for actual in (alone, later)
    ]
    assert counts[0] == counts[1]
    assert converted[0] < converted[1]


def test_rows_come_a_page_at_a_time(api: Api) -> None:
    response = api.post("/analytics/correlation", {"funnel": BOUGHT}, limit=1, offset=1).json()
    assert (len(response["correlations"]), response["total_count"] > 2) == (1, True)


OF_ALL = ["event_type is set"]
"""A condition that every event meets: with conditions, events are cut into sessions again."""
ABOUT_THE_QUESTION = ("definition", "sql", "tables", "data_as_of")
DAYS = {"time_range": "custom", "start_date": "2026-01-03", "end_date": "2026-01-05"}


def numbers(api: Api, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of an answer."""
    answer = api.post(path, body).json()
    assert "detail" not in answer, answer
    return {name: value for name, value in answer.items() if name not in ABOUT_THE_QUESTION}


@pytest.mark.slow
@each("days", [{}, DAYS])
@each(
    "path, body",
    [
        ("/analytics/sessions", {}),
        ("/analytics/attribution", {"model": "time_decay"}),
        ("/analytics/attribution", {"model": "markov", "lookback": "3d"}),
    ],
)
def test_stored_sessions_answer_as_events_do(
    api: Api, path: str, body: dict[str, Any], days: dict[str, str]
) -> None:
    stored = numbers(api, path, body | days)
    assert stored == numbers(api, path, body | days | {"where": OF_ALL})
    assert stored.get("sessions", 1) > 0
    assert stored.get("conversions", 1) > 0


def test_sessions_by_another_rule_or_in_another_zone_are_cut_from_events(api: Api) -> None:
    stored = numbers(api, "/analytics/sessions", {})
    assert numbers(api, "/analytics/sessions", {"idle": "1s"})["sessions"] > stored["sessions"]
    first = DAYS | {"end_date": DAYS["start_date"]}
    elsewhere = numbers(api, "/analytics/sessions", first | {"timezone": "Pacific/Auckland"})
    again = numbers(
        api, "/analytics/sessions", first | {"timezone": "Pacific/Auckland", "where": OF_ALL}
    )
    assert elsewhere == again != numbers(api, "/analytics/sessions", first)


FIRST_VIEW = {"event_type": "page_view", "occurrence": "first_ever"}


def answered(api: Api, question: str, **body: Any) -> Any:
    """Return the answer to a question."""
    response = api.post(f"/analytics/{question}", body)
    assert response.status_code == 200, response.text
    return response.json()


def test_new_visitors_are_the_same_whatever_the_days_of_the_question(api: Api) -> None:
    series = [{"event_type": "page_view", "measure": "visitors", "occurrence": "first_ever"}]
    whole = answered(api, "trend", series=series)
    values = whole["series"][0]["values"]
    everybody = answered(api, "funnel", steps=["page_view"])["steps"][0]["count"]
    assert sum(values) == whole["series"][0]["total"] == everybody > values[-1]
    day = whole["periods"][-1]
    days = {"time_range": "custom", "start_date": day, "end_date": day}
    assert answered(api, "trend", series=series, **days)["series"][0]["values"] == values[-1:]
    funnel = answered(api, "funnel", **{"steps": [FIRST_VIEW, "purchase"], "from": day, "to": day})
    assert funnel["steps"][0]["count"] == values[-1]
    cohorts = answered(
        api, "retention", start="page_view", starting="first_ever", period="day", **days
    )["cohorts"]
    assert sum(cohort["size"] for cohort in cohorts) == values[-1]


def test_active_visitors_of_a_day_are_those_of_the_week_up_to_it(api: Api) -> None:
    whole = answered(api, "trend", series=["*:wau"])
    day = whole["periods"][-1]
    days = {"time_range": "custom", "start_date": day, "end_date": day}
    assert (
        answered(api, "trend", series=["*:wau"], **days)["series"][0]["values"]
        == whole["series"][0]["values"][-1:]
    )


@pytest.mark.parametrize(
    ("question", "body", "why"),
    [
        (
            "funnel",
            {"steps": [FIRST_VIEW], "time_range": "week"},
            "give the days of entry as from and to",
        ),
        (
            "retention",
            {"starting": "first_ever", "range_of": "events"},
            "range_of=events leaves days out; use starts",
        ),
        ("funnel", {"steps": ["page_view"], "per": "users"}, "did you mean 'user'"),
    ],
)
def test_what_leaves_days_out_is_refused(api: Api, question: str, body: Any, why: str) -> None:
    response = api.post(f"/analytics/{question}", body)
    assert response.status_code == 422
    assert why in response.json()["detail"]


TWICE: dict[str, Any] = {"did": "purchase", "at_least": 2}
QUESTIONS: dict[str, dict[str, Any]] = {
    "/analytics/trend": {"series": ["*:visitors"], "period": "month"},
    "/analytics/funnel": {"steps": ["page_view", "product_view"], "within": "60d"},
    "/analytics/retention": {"period": "month"},
    "/analytics/correlation": {"funnel": {"steps": ["page_view", "product_view"], "within": "60d"}},
    "/analytics/experiment": {
        "variant": "event_type",
        "control": "page_view",
        "multiple": "first",
        "goal": "purchase",
    },
}


@pytest.fixture(scope="module")
def declaring(settings: Settings) -> Iterator[Running]:
    """The API over the small shop, with a declared segment and keys of both kinds."""
    file = settings.home.parent / "segments.yaml"
    file.write_text("loyal: {did: purchase, at_least: 2}\nu01: {did: {where: [user_id = u01]}}\n")
    keys = type(settings.api_keys)("read:a-key-with-the-scopes-read")
    api_settings = settings.model_copy(
        update={"visitor_segments": file, "api_keys": keys, "rate_limit_key": "none"}
    )
    with serving(api_settings, build_app(api_settings)) as actual:
        yield actual


def visitors_of(path: str, answer: dict[str, Any]) -> int:
    """Return how many visitors an answer counts."""
    if path.endswith("trend"):
        return int(answer["series"][0]["total"])
    if path.endswith("funnel"):
        return int(answer["steps"][0]["count"])
    if path.endswith("correlation"):
        return int(answer["converted_count"] + answer["other_count"])
    name, count = ("cohorts", "size") if path.endswith("retention") else ("variants", "unit_count")
    return sum(row[count] for row in answer[name])


@each("path", QUESTIONS)
def test_every_question_is_about_the_visitors_of_the_segment(
    api: Api, shop: PlainShop, path: str
) -> None:
    """Everybody begins a visit with a page view, so all five count the same people."""
    bought = Counter(event["user_id"] for event in shop.events if event["event_type"] == "purchase")
    everybody = {event["user_id"] for event in shop.events}
    loyal = {who for who, count in bought.items() if count >= 2}
    response = api.post(path, {**QUESTIONS[path], "segment": TWICE})
    assert response.status_code == 200, response.text
    assert visitors_of(path, response.json()) == len(loyal) > 0
    assert visitors_of(path, api.post(path, QUESTIONS[path]).json()) == len(everybody) > len(loyal)
    assert response.json()["definition"]["segment"]["rule"] == {
        **TWICE,
        "did": {"event_type": "purchase"},
    }


def test_a_segment_looks_at_days_before_the_range_and_at_none_after_it(
    api: Api, shop: PlainShop
) -> None:
    days = {"start_date": "2026-01-20", "end_date": "2026-01-21"}
    bought = Counter(
        event["user_id"]
        for event in shop.events
        if event["event_type"] == "purchase" and str(event["at"].date()) <= "2026-01-21"
    )
    visitors = {
        event["user_id"] for event in shop.events if str(event["at"].date()) in days.values()
    }
    response = api.post(
        "/analytics/trend", {**QUESTIONS["/analytics/trend"], **days, "segment": TWICE}
    ).json()
    assert response["series"][0]["total"] == len({who for who in visitors if bought[who] >= 2}) > 0


def test_a_declared_segment_is_asked_for_by_its_name_and_people_only_with_the_scope(
    declaring: Running,
) -> None:
    def ask(segment: Any) -> requests.Response:
        body = {**QUESTIONS["/analytics/trend"], "segment": segment}
        headers = {"X-API-Key": "a-key-with-the-scopes-read"}
        return requests.post(
            f"{declaring.address}/analytics/trend", json=body, headers=headers, timeout=PATIENCE_S
        )

    assert ask("loyal").json()["series"] == ask(TWICE).json()["series"]
    assert (ask("u01").status_code, ask({"latest": "visitor_id = u01"}).status_code) == (403, 403)
    assert "Known: loyal, u01" in ask("loyel").json()["detail"]


@pytest.mark.parametrize(
    ("segment", "why"),
    [
        ("loyal", "No visitor segment 'loyal' is declared; known: buyers, sleeping"),
        ({"done": "purchase"}, "a part is one of did"),
        ({"did": {"where": ["brand = x"]}}, "no column 'brand'"),
    ],
)
def test_what_is_no_segment_is_refused_with_the_reason(api: Api, segment: Any, why: str) -> None:
    response = api.post("/analytics/trend", {"series": ["*"], "segment": segment})
    assert (response.status_code, why in response.json()["detail"]) == (422, True), response.text


VIEW, CART = "product_view", "add_to_cart"


def counts(api: Api, **body: Any) -> list[int]:
    response = api.post("/analytics/funnel", body)
    assert response.status_code == 200, response.text
    return [step["count"] for step in response.json()["steps"]]


def test_a_condition_on_everything_is_one_on_each_step(api: Api) -> None:
    text = "product_category is set"
    of_all = counts(api, steps=[VIEW, CART], where=[text])
    assert of_all == counts(
        api, steps=[{"event_type": VIEW, "where": text}, {"event_type": CART, "where": [text]}]
    )
    assert of_all == counts(
        api, steps=[VIEW, CART], where=[{"column": "product_category", "operator": "is_set"}]
    )
    assert of_all[1] > 0


def test_parts_add_up_to_one_step(api: Api) -> None:
    whole = api.post("/analytics/funnel", {"steps": [VIEW], "by": "product_category"}).json()
    for part in whole["breakdown"]:
        where = (
            {"product_category": part["value"]}
            if part["value"] != "(none)"
            else "product_category is not set"
        )
        of_value = counts(api, steps=[{"event_type": VIEW, "where": where}])
        # Visitors count for the first category that they viewed; there may be more who viewed this
        # one later.
        assert of_value[0] >= part["steps"][0]["count"]
    assert (
        sum(part["steps"][0]["count"] for part in whole["breakdown"]) == whole["steps"][0]["count"]
    )


def test_a_day_s_cohort_is_the_funnel_of_its_entries(api: Api) -> None:
    response = api.post(
        "/analytics/funnel",
        {"steps": [VIEW, CART], "over": "day", "time_to_convert": {"from": 1, "to": 2}},
    )
    answer = response.json()
    assert (
        sum(bin_["count"] for bin_ in answer["time_to_convert"]["bins"])
        == answer["steps"][1]["count"]
        > 0
    )
    assert [cohort["complete"] for cohort in answer["cohorts"]] == sorted(
        (cohort["complete"] for cohort in answer["cohorts"]), reverse=True
    )
    for cohort in answer["cohorts"][:3]:
        day = {"from": cohort["start"], "to": cohort["start"]}
        alone = api.post("/analytics/funnel", {"steps": [VIEW, CART], **day}).json()
        assert alone["steps"] == cohort["steps"]
        assert (alone["entries"]["first_date"], alone["entries"]["complete"]) == (
            cohort["start"],
            cohort["complete"],
        )
    last = api.post("/analytics/funnel", {"steps": [VIEW], "last": "1d"}).json()
    assert (
        last["entries"]["first_date"]
        == last["entries"]["last_date"]
        == answer["entries"]["last_date"]
    )


@each(
    "body, why",
    [
        ({"where": ["brand = x"]}, "no column 'brand'"),
        ({"where": ["page_url matches (?=a)"]}, "RE2's syntax"),
        ({"where": [{"any_of": ["cart_amount > 1"] * 300}]}, "more than 200 conditions"),
        (
            {"steps": [{"event_type": VIEW, "where": "cart_amount > ten"}]},
            "holds number, with the text 'ten'",
        ),
        (
            {"steps": [{"event_type": VIEW, "where": {"column": "page_url", "operator": "like"}}]},
            "operator 'like'",
        ),
        (
            {"from": "2026-02-02", "to": "2026-02-01"},
            "from=2026-02-02 is after to=2026-02-01; swap them",
        ),
        ({"from": "2026-02-02", "last": "30d"}, "both say where the days begin"),
        ({"last": "36h"}, "whole days; write d (days) or w (weeks)"),
        (
            {"last": "30d", "time_range": "week"},
            "leave all events of other days out; give only one kind",
        ),
        ({"time_to_convert": {"from": 1, "to": 3}}, "name two of the 2 steps by their numbers"),
        ({"steps": [VIEW], "exclude": ["search"]}, "a funnel of one step"),
        ({"time_to_convert": {"from": True, "to": 2}}, "True stands where a number is expected"),
    ],
)
def test_an_impossible_question_is_refused_with_the_reason(
    api: Api, body: dict[str, Any], why: str
) -> None:
    response = api.post("/analytics/funnel", {"steps": [VIEW, CART]} | body)
    assert (response.status_code, why in response.json()["detail"]) == (422, True), response.text
    assert response.json()["title"] == "Unprocessable Content"


@pytest.mark.slow
def test_a_preset_of_funnels_is_what_the_tool_would_do(api: Api) -> None:
    steps = [VIEW, CART]
    answer = api.post(
        "/analytics/funnel", {"steps": steps, "preset": "amplitude", "by": "product_category"}
    ).json()
    question = answer["definition"]
    assert (question["within"], question["by_attribution"]) == ("86400s", "step_1")
    assert [step["count"] for step in answer["steps"]] == counts(api, steps=steps, within="1d")
    usual = api.post(
        "/analytics/funnel", {"steps": steps, "preset": "amplitude", "within": "7d"}
    ).json()
    assert usual["definition"]["within"] == "604800s"
    assert (
        counts(api, steps=steps, preset="mixpanel", per="session")[0]
        >= counts(api, steps=steps, per="session")[0]
    )
    assert api.post("/analytics/funnel", {"steps": steps, "preset": "heap"}).status_code == 422


@pytest.mark.slow
def test_choices_of_steps_and_series_stand_beside_their_numbers(api: Api) -> None:
    series = {
        "event_type": "purchase",
        "measure": "mean_per_visitor",
        "of": "cart_amount",
        "each": "max",
    }
    (line,) = answered(api, "trend", series=[{**series, "occurrence": "first_ever"}])["series"]
    assert (line["each"], line["occurrence"]) == ("max", "first_ever")
    steps = [VIEW, f"{CART}?", "purchase"]
    by_value = answered(api, "funnel", steps=steps, by="product_category")
    (cohort, *_) = answered(api, "funnel", steps=steps, by="product_category", over="week")[
        "cohorts"
    ]
    for part in (by_value, by_value["breakdown"][0], cohort, cohort["breakdown"][0]):
        assert [step.get("optional") for step in part["steps"]] == [None, True, None]


@pytest.mark.parametrize("timezone", ["Pacific/Auckland", "America/Los_Angeles", "Europe/Berlin"])
def test_days_of_entry_are_those_of_the_zone(api: Api, shop: PlainShop, timezone: str) -> None:
    """In each zone a visitor enters on each local day on which they view a page."""
    zone = ZoneInfo(timezone)
    days: dict[str, set[int]] = {}
    for number, events in enumerate(_streams(shop).values()):
        for event in events:
            if event["event_type"] == "page_view":
                days.setdefault(str(event["at"].astimezone(zone).date()), set()).add(number)
    response = api.post(
        "/analytics/funnel",
        {"steps": ["page_view"], "over": "day", "timezone": timezone},
        limit=1000,
    ).json()
    actual = {cohort["start"]: cohort["steps"][0]["count"] for cohort in response["cohorts"]}
    assert response["entries"]["timezone"] == timezone
    assert {day: count for day, count in actual.items() if count} == {
        day: len(who) for day, who in days.items()
    }


def test_a_zone_that_does_not_exist_is_refused(api: Api) -> None:
    response = api.post("/analytics/funnel", {"steps": ["page_view"], "timezone": "Mars/Olympus"})
    assert (response.status_code, "not an IANA time zone" in response.json()["detail"]) == (
        422,
        True,
    )


@each("timezone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])
def test_days_with_clock_changes_are_those_of_python(timezone: str) -> None:
    """Every half hour of the year 2026, in which the clocks change twice."""
    times = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=30 * n) for n in range(365 * 48)]
    con = ibis.duckdb.connect()
    naive = pa.array([at.replace(tzinfo=None) for at in times], pa.timestamp("us"))
    rows = con.create_table("times", pa.table({"at": naive}))
    actual = rows.order_by("at").select(
        day=day_of(rows.at, Days.between(date(2025, 12, 30), date(2027, 1, 4)), timezone)
    )
    assert actual.to_pyarrow()["day"].to_pylist() == [
        at.astimezone(ZoneInfo(timezone)).date() for at in times
    ]
