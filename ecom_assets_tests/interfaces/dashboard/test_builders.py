"""Builders: the address is the question, pages show what routes answer,
refusals stand beside their field.
"""

from datetime import date
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests
import yaml

from ecom_assets.behaviour.correlation.question import CorrelationQuestion
from ecom_assets.behaviour.experiments.question import ExperimentQuestion
from ecom_assets.behaviour.funnels.question import FunnelQuestion
from ecom_assets.behaviour.journeys.question import JourneyQuestion
from ecom_assets.behaviour.retention.question import RetentionQuestion
from ecom_assets.behaviour.sessions.question import SessionQuestion
from ecom_assets.behaviour.trends.question import TrendQuestion
from ecom_assets.commerce.attribution.question import AttributionQuestion
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.html import Node, read
from ecom_assets_tests.patience import PATIENCE_S

STEPS = {"step1": "product_view", "step2": "add_to_cart", "step3": "purchase"}


def page(client: Client, path: str, **choices: str) -> Node:
    result = client.get(f"/dashboard/{path}?{urlencode(choices)}")
    assert result.status_code == 200, result.text[:500]
    return read(result.text)


def post(client: Client, path: str, body: dict[str, Any], **parameters: Any) -> dict[str, Any]:
    result = requests.post(client.address + path, json=body, params=parameters, timeout=PATIENCE_S)
    assert result.status_code == 200, result.text
    actual: dict[str, Any] = result.json()
    return actual


def section(actual: Node, title: str) -> Node:
    return next(element for element in actual.all("section") if element.one("h2").text == title)


def table(actual: Node) -> list[list[str]]:
    return [[cell.text for cell in row.all("td")] for row in actual.one("table").all("tr")[1:]]


@pytest.mark.slow
def test_a_funnel_is_what_the_route_answers(client: Client) -> None:
    actual = page(
        client,
        "funnel",
        **STEPS,
        within="3d",
        where_step1="product_category = Shoes",
        by="product_category",
    )
    steps: list[Any] = [
        {"event_type": "product_view", "where": ["product_category = Shoes"]},
        "add_to_cart",
        "purchase",
    ]
    answer = post(
        client, "/analytics/funnel", {"steps": steps, "within": "3d", "by": "product_category"}
    )
    shown = table(section(actual, "Steps"))
    assert [row[1] for row in shown] == [f"{step['count']:,}" for step in answer["steps"]]
    parts = table(section(actual, "Breakdown"))
    assert [row[0] for row in parts] == [row["value"] for row in answer["breakdown"]]
    assert answer["steps"][0]["count"] > answer["steps"][-1]["count"] > 0


@pytest.mark.slow
def test_correlation_begins_with_ninety_days_and_an_address_with_its_own(client: Client) -> None:
    fields = page(client, "correlation").all("input", type="date")
    shown = {
        field.attributes["name"]: field.attributes["data-shown"]
        for field in fields
        if "data-shown" in field.attributes
    }
    days = (
        date.fromisoformat(shown["end_date"]) - date.fromisoformat(shown["start_date"])
    ).days + 1
    assert (days, shown["end_date"]) == (90, client.get("/").json()["data_as_of"])
    answer = page(client, "correlation", step1="product_view", step2="purchase")
    assert {field.attributes.get("value", "") for field in answer.all("input", type="date")} == {
        ""
    }, "all days"


def test_the_form_says_what_the_address_says(client: Client) -> None:
    form = page(client, "funnel", **STEPS, order="any", per="session").one("form", class_="builder")
    values = {
        field.attributes["name"]: field.attributes.get("value", "") for field in form.all("input")
    }
    assert {name: values[name] for name in STEPS} == STEPS
    chosen = {
        field.attributes["name"]: option.attributes["value"]
        for field in form.all("select")
        for option in field.all("option")
        if "selected" in option.attributes
    }
    assert (chosen["order"], chosen["per"]) == ("any", "session")


def test_what_the_address_leaves_out_is_not_asked(client: Client) -> None:
    actual = page(client, "funnel", step1="product_view", step2="purchase")
    assert len(table(section(actual, "Steps"))) == 2
    assert len(table(section(page(client, "funnel"), "Steps"))) == 3, (
        "an address that says nothing shows an example"
    )


@each(
    "path, choices, field, result",
    [
        ("funnel", {**STEPS, "within": "soon"}, "within", "soon"),
        ("funnel", {**STEPS, "by": "colour"}, "by", "colour"),
        ("retention", {"mode": "bracket", "brackets": "3-1"}, "brackets", "bracket"),
        ("trend", {"series1": "purchase:sum"}, "", "sum"),
        ("trend", {"series1": "purchase", "formula": "A +"}, "formula", "A +"),
    ],
)
def test_a_refusal_is_at_its_field(
    client: Client, path: str, choices: dict[str, str], field: str, result: str
) -> None:
    form = page(client, path, **choices).one("form", class_="builder")
    (alert,) = [
        element
        for element in (*form.all("span"), *form.all("p"))
        if element.attributes.get("role") == "alert"
    ]
    assert result in alert.text
    wrong = [
        field.attributes["name"]
        for field in (*form.all("input"), *form.all("select"))
        if "aria-invalid" in field.attributes
    ]
    assert wrong == ([field] if field else wrong)


@pytest.mark.slow
def test_a_definition_shown_is_one_for_the_command(client: Client) -> None:
    kinds: dict[str, tuple[Any, dict[str, str]]] = {
        "funnel": (
            FunnelQuestion,
            {
                **STEPS,
                "exclude": "remove_from_cart",
                "over": "week",
                "where": "cart_amount is not set",
            },
        ),
        "retention": (
            RetentionQuestion,
            {"start": "purchase", "period": "week", "by": "product_category"},
        ),
        "trend": (
            TrendQuestion,
            {"series1": "purchase:visitors", "series2": "*:visitors", "formula": "A / B"},
        ),
        "correlation": (CorrelationQuestion, {"step1": "product_view", "step2": "purchase"}),
        "paths": (
            JourneyQuestion,
            {"to_step": "purchase", "session_rule": "mixpanel", "exclude": "search"},
        ),
        "sessions": (SessionQuestion, {"idle": "5m", "where": "product_category is set"}),
        "credit": (
            AttributionQuestion,
            {"model": "time_decay", "half_life": "2d", "preset": "mixpanel"},
        ),
        "experiment": (
            ExperimentQuestion,
            {"variant": "product_category", "control": "Shoes", "goal": "purchase"},
        ),
    }
    for path, (kind, choices) in kinds.items():
        block = section(page(client, path, **choices), "Definition").one("pre")
        text = unescape("".join(block.one("code").texts))
        again = kind.from_mapping(yaml.safe_load(text))
        assert again, path


def test_retention_shows_each_cell_of_the_answer(client: Client) -> None:
    answer = post(client, "/analytics/retention", {"period": "week"}, limit=1000)
    shown = section(page(client, "retention", period="week"), "Cohorts")
    names = [row.one("th").text for row in shown.one("tbody").all("tr")]
    assert names == ["Average", *(cohort["cohort"] for cohort in answer["cohorts"])]
    average, *rows = table(shown)
    assert average == [
        "",
        *(f"{total['rate']:.0%}" if total["rate"] else "\N{EN DASH}" for total in answer["totals"]),
    ]
    assert rows == [
        [f"{cohort['size']:,}", *(f"{count / cohort['size']:.0%}" for count in cohort["returned"])]
        for cohort in answer["cohorts"]
    ]
    open_cells = sum(not is_over for cohort in answer["cohorts"] for is_over in cohort["complete"])
    assert len(shown.all("td", class_="open")) == open_cells > 0
    sizes = [total["size"] for total in answer["totals"]]
    sizes += [cohort["size"] for cohort in answer["cohorts"] for _ in cohort["returned"]]
    cells = shown.all("td", class_="heat")
    pale = ["few" in cell.attributes["class"].split() for cell in cells]
    assert pale == [0 < size < 30 for size in sizes]
    assert {*pale} == {True, False}
    first = cells[len(average) - 1]
    who = client.get(first.one("a").attributes["href"])
    assert f"of {answer['cohorts'][0]['cohort']}, period 0" in read(who.text).text


@pytest.mark.slow
def test_who_is_at_a_step_adds_up_to_the_step(client: Client) -> None:
    steps = list(STEPS.values())
    answer = post(client, "/analytics/funnel", {"steps": steps})
    reached = post(client, "/analytics/funnel/who", {"steps": steps}, step=2, limit=1000)
    stopped = post(
        client, "/analytics/funnel/who", {"steps": steps}, step=2, stopped=True, limit=1000
    )
    second, third = answer["steps"][1]["count"], answer["steps"][2]["count"]
    assert (reached["count"], len({row["visitor_id"] for row in reached["who"]})) == (
        second,
        second,
    )
    assert stopped["count"] == second - third
    shown = table(
        section(page(client, "funnel", **STEPS, who="2", who_stopped="yes"), "Who is at a step")
    )
    assert [row[0] for row in shown] == [row["visitor_id"] for row in stopped["who"]][:100]
    beyond = requests.post(
        f"{client.address}/analytics/funnel/who?step=9", json={"steps": steps}, timeout=PATIENCE_S
    )
    assert (beyond.status_code, beyond.json()["detail"]) == (
        422,
        "Step 9 is not one of the 3 steps; give one of them.",
    )


@pytest.mark.slow
def test_who_is_in_a_cell_adds_up_to_the_cell(client: Client) -> None:
    cohort = post(client, "/analytics/retention", {"period": "week"}, limit=1000)["cohorts"][0]
    values = {"cohort": cohort["cohort"], "period": "2", "limit": 1000}
    came, stayed_away = (
        post(client, "/analytics/retention/who", {"period": "week"}, **values, returned=returned)
        for returned in (True, False)
    )
    assert (came["count"], stayed_away["count"]) == (
        cohort["returned"][2],
        cohort["size"] - cohort["returned"][2],
    )
    choices = {"who_cohort": cohort["cohort"], "who_period": "2", "who_returned": "false"}
    shown = table(section(page(client, "retention", **choices), "Who is in a cell"))
    assert [row[0] for row in shown] == [row["visitor_id"] for row in stayed_away["who"]][:100]
    again = post(
        client,
        "/analytics/retention/who",
        {"period": "week"},
        **{**values, "limit": 2, "offset": 1},
    )
    assert again["who"] == came["who"][1:3]


@each(
    "cell, result",
    [
        ({"cohort": "2026-01-06"}, "There is no cohort '2026-01-06'"),
        ({"cohort": "2026-01-05", "period": "99"}, "The cohort 2026-01-05 has no period '99'"),
        ({"cohort": "2026-01-05", "value": "Coats"}, "No value 'Coats' stands by itself"),
    ],
)
def test_a_cell_that_is_not_there_is_refused(
    client: Client, cell: dict[str, str], result: str
) -> None:
    values = {"period": "week", "by": "product_category"}
    answer = requests.post(
        f"{client.address}/analytics/retention/who", json=values, params=cell, timeout=PATIENCE_S
    )
    assert (answer.status_code, result in answer.json()["detail"]) == (422, True), answer.text


def test_a_filled_step_shows_one_more_as_far_as_the_command_goes(client: Client) -> None:
    steps = {f"step{n}": "product_view" for n in range(1, 11)}
    actual = page(client, "funnel", **steps)
    named = [
        field.attributes["name"] for field in actual.one("form", class_="builder").all("input")
    ]
    assert "step11" in named
    assert "step12" not in named
    assert len(table(section(actual, "Steps"))) == 10
    assert "step11" in [
        field.attributes["name"] for field in actual.one("noscript").all("input")
    ], "scripts add lines"


@pytest.mark.slow
def test_sessions_paths_and_credit_are_what_the_routes_answer(client: Client) -> None:
    days = {"start_date": "2026-01-10", "end_date": "2026-01-24", "timezone": "Pacific/Auckland"}
    answer = post(client, "/analytics/journeys", {"to_step": "purchase", **days}, limit=1000)
    shown = page(client, "paths", to_step="purchase", **days)
    assert (
        next(row[2] for row in table(section(shown, "Paths")))
        == f"{answer['top_paths'][0]['sessions']:,}"
    )
    assert len(table(section(shown, "Transitions"))) == len(answer["transitions"])
    credited = post(client, "/analytics/attribution", {"model": "linear", **days})
    rows = table(section(page(client, "credit", model="linear", **days), "Channels"))
    assert [row[0] for row in rows] == [channel["channel"] for channel in credited["channels"]]
    totals = post(client, "/analytics/sessions", {"idle": "5m", **days})
    text = section(page(client, "sessions", idle="5m", **days), "Totals").text
    assert all(f"{totals[name]:,}" in text for name in ("sessions", "visitors", "engaged_sessions"))


def test_an_address_without_steps_says_so_beside_the_first_step_and_once_below(
    client: Client,
) -> None:
    asked = page(client, "funnel", by="product_category")
    assert "Fill this in" in next(element for element in asked.all("div", class_="wrong")).text
    assert asked.one("main").text.count("Complete the question and") == 1


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        (
            "funnel?step1=page_view&step2=purchase&end_date=9999-12-31",
            "Days from 1900-01-01 to 2200-12-31",
        ),
        ("retention?whole_until=9999-12-31", "Days from 1900-01-01 to 2200-12-31"),
        ("paths?min_count=100000000000000000000", "at most 1000000000"),
    ],
)
def test_a_number_or_a_day_that_is_too_great_is_refused_on_the_page(
    client: Client, address: str, sentence: str
) -> None:
    response = client.get(f"/dashboard/{address}")
    assert response.status_code < 500
    assert sentence in read(response.text).one("main").text


def test_a_filter_that_a_page_lacks_is_named_with_a_way_back(client: Client) -> None:
    response = client.get("/dashboard/funnel?overr=week")
    shown = read(response.text)
    assert response.status_code == 422
    assert "unknown parameter `overr`; did you mean 'over' or 'order'?" in unescape(
        response.text
    ).replace("<code>", "`").replace("</code>", "`")
    assert [link.attributes["href"] for link in shown.one("main").all("a")] == ["/dashboard/funnel"]


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["device", "user"])
def test_two_identity_rules_stand_below_each_other(client: Client, rule: str) -> None:
    actual = page(client, "sessions", compare_identity=rule)
    answer = post(client, "/analytics/sessions", {"compare_identity": rule})
    assert [heading.text for heading in actual.all("h3", class_="part")] == [
        "Visitors by stitched",
        f"Visitors by {rule}",
    ]
    shown = [number.attributes["data-value"] for number in actual.all("p", class_="number")]
    counts = [
        str(part[name])
        for part in (answer, answer["compared"])
        for name in ("sessions", "visitors")
    ]
    assert shown[:2] + shown[len(shown) // 2 :][:2] == counts
    assert f"ecom sessions --compare-identity {rule} --definition question.yaml" in actual.text


def test_identity_rules_are_chosen_by_what_they_are(client: Client) -> None:
    select = page(client, "trend", series1="purchase", identity="posthog").one(
        "select", name="identity"
    )
    labels = {option.attributes["value"]: option.text for option in select.all("option")}
    assert (labels[""], labels["posthog"], labels["ga4_observed"]) == (
        "The shop's rule",
        "PostHog",
        "GA4: users, else devices",
    )
    assert [
        option.attributes["value"]
        for option in select.all("option")
        if "selected" in option.attributes
    ] == ["posthog"]


def test_a_trend_stands_beside_the_days_before_in_its_own_units(client: Client) -> None:
    days = {"start_date": "2026-01-21", "end_date": "2026-01-30"}
    asked = {"series": ["purchase:sum(cart_amount)"], **days, "compare": "before"}
    (line,) = post(client, "/analytics/trend", asked)["series"]
    choices = {"series1": "purchase", "measure1": "sum", "of1": "cart_amount", "compare": "before"}
    actual = page(client, "trend", **choices, **days)
    rows = table(section(actual, "Trend"))
    assert [row[2:4] for row in rows] == [
        [f"{value:,.2f}" for value in both]
        for both in zip(line["values"], line["previous"], strict=True)
    ]
    assert "against 11" in actual.one("p", class_="covered").text
    onward = section(actual, "Trend").one("table").one("a").attributes["href"]
    hours = page(client, "trend", **dict(parse_qsl(urlsplit(unescape(onward)).query)))
    assert len(table(section(hours, "Trend"))) == 24
    written = page(client, "trend", series1="purchase:sum(cart_amount)")
    fields = {
        field.attributes["name"]: field.attributes.get("value") for field in written.all("input")
    }
    assert (fields["series1"], fields["of1"]) == ("purchase", "cart_amount")


def test_a_funnel_stands_beside_the_weekdays_of_a_year_before_or_says_that_there_are_none(
    client: Client,
) -> None:
    actual = page(client, "funnel", **STEPS, last="7d", compare="year")
    assert "The data hold none of 2025-02-04 to 2025-02-10" in actual.text
    assert (
        "choose how many days" in page(client, "funnel", **STEPS, compare="before").one("main").text
    )
    before = page(
        client, "funnel", **STEPS, start_date="2026-01-11", end_date="2026-01-20", compare="before"
    )
    steps = [{"event_type": name} for name in STEPS.values()]
    answer = post(
        client, "/analytics/funnel", {"steps": steps, "from": "2026-01-01", "to": "2026-01-10"}
    )
    shown = [label.text for label in before.all("span", class_="step-before")]
    assert [text.split()[0] for text in shown] == [f"{step['count']:,}" for step in answer["steps"]]


def test_the_menu_of_a_builder_keeps_the_days_that_were_chosen(client: Client) -> None:
    chosen = page(client, "funnel", **STEPS, start_date="2026-01-11", end_date="2026-01-20")
    links = {link.text: link.attributes["href"] for link in chosen.one("nav").all("a")}
    assert links["Sales"] == "/dashboard/sales?start_date=2026-01-11&end_date=2026-01-20"
    assert {
        link.text: link.attributes["href"] for link in page(client, "funnel").one("nav").all("a")
    }["Sales"] == ("/dashboard/sales")


def test_an_event_type_in_quotes_is_taken_as_it_is(client: Client) -> None:
    plain = page(client, "funnel", step1="product_view", step2="purchase")
    quoted = page(client, "funnel", step1='"product_view"', step2="purchase")
    assert table(section(quoted, "Steps")) == table(section(plain, "Steps"))
    odd = page(client, "funnel", step1="product_view", step2='"Is it in stock?"', step3="purchase")
    assert table(section(odd, "Steps"))[1][0] == "2 \N{MIDDLE DOT} Is it in stock?", (
        "not an optional step"
    )
    series = page(client, "trend", series1='"a: b"', measure1="visitors")
    assert "a: b (visitors)" in table(section(series, "Trend"))[0][1]


@each(
    "name",
    [
        "funnel",
        "trend",
        "retention",
        "paths",
        "sessions",
        "correlation",
        "credit",
        "experiment",
        "sales-explorer",
    ],
)
def test_a_page_of_days_beyond_the_data_says_that_nothing_is_known(
    client: Client, name: str
) -> None:
    asked = {"trend": {"series1": "purchase", "kind": "stickiness"}, "experiment": VARIANTS}
    asked |= dict.fromkeys(("funnel", "correlation"), STEPS)
    actual = page(
        client, name, **asked.get(name, {}), start_date="2099-01-01", end_date="2099-01-10"
    )
    assert "Nothing is known of these days." in actual.text
    assert "The data hold none of these days" in actual.one("p", class_="covered").text
    assert "nothing is known of 2099-01-01 to 2099-01-10" in actual.text


def test_the_number_of_an_address_without_one_stands_in_the_form(client: Client) -> None:
    """The answer is about revenue, so that the form says so, and the next question keeps it."""
    asked = page(client, "sales-explorer", by="product")
    assert asked.one("input", name="measures").attributes["value"] == "revenue_amount"
    assert [tile.one("h3").text for tile in asked.all("li", class_="tile")] == ["Revenue"]


VARIANTS = {"variant": "product_category", "goal": "purchase", "control": "Hats"}
