"""Cases of events: how trackers and databases write them, and what one of them stands for."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from ecom_assets_tests.cases.case import Case
from ecom_assets_tests.ingestion.collector.served import collect_settings, collecting

VIEWS_AND_SALES = (
    *("--series", "product_view", "--series", "purchase"),
    *("--series", "purchase:sum(cart_amount)", "--period", "month"),
)


def by_init(case: Case, file: str, zone: str = "UTC", answers: Sequence[str] = ()) -> str:
    """Let a mapping of events be written for a file, and return what the command says."""
    options = ["--events", "--timezone", zone, "--out", "m.yaml"]
    options += [word for answer in answers for word in ("--answer", answer)]
    return case.ecom("mapping", "init", file, *options).out


@pytest.mark.slow
@pytest.mark.parametrize("case", ["205"], indirect=True)
def test_a_thank_you_page_that_is_loaded_again_sells_nothing_again(case: Case) -> None:
    """Five buyers load it three times each, with another event id each time."""
    batches = json.loads((case.folder / "sent.json").read_text())
    with collecting(collect_settings(case.folder.parent)) as client:
        for batch in batches:
            client.post({"batch": batch})
        client.wait_for(15)
        asked = ("--series", "purchase", "--series", "purchase:sum(cart_amount)", "--period", "day")
        totals = case.series(
            "--events", str(client.folder), *asked, "--series", "purchase:visitors"
        )
    assert totals == [5, 299, 5]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["208"], indirect=True)
def test_blanks_around_event_types_are_no_part_of_them(case: Case) -> None:
    by_init(case, "events.csv")
    asked = ("--mapping", "m.yaml", *VIEWS_AND_SALES, "--series", "*:visitors")
    assert case.series("--events", "events.csv", *asked) == [20, 20, 398, 20]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["219"], indirect=True)
def test_nineteen_digits_are_nanoseconds(case: Case) -> None:
    by_init(case, "events.ndjson")
    asked = ("--events", "events.ndjson", "--mapping", "m.yaml", "--series", "*", "--period", "day")
    answer = case.ecom("trend", *asked, "--json").json
    days = {
        day[5:10]: count
        for day, count in zip(answer["periods"], answer["series"][0]["values"], strict=True)
    }
    assert days == {"03-02": 5, "03-03": 5, "03-04": 5, "03-05": 5}


@pytest.mark.slow
@pytest.mark.parametrize("case", ["221"], indirect=True)
def test_a_backslash_before_a_quote_ends_no_cell(case: Case) -> None:
    assert "as events" in by_init(case, "events000.csv")
    asked = ("--events", "events000.csv", "--mapping", "m.yaml")
    assert case.series(*asked, *VIEWS_AND_SALES) == [10, 10, 199]
    note = "properties.note"
    plans = case.ecom("trend", *asked, "--series", "purchase", "--by", note, "--json").json
    assert {series["breakdown"] for series in plans["series"]} == {'say "hi" | now'}


@pytest.mark.slow
@pytest.mark.parametrize("case", ["223"], indirect=True)
def test_times_of_the_hour_that_comes_twice_are_named_with_their_number(case: Case) -> None:
    """Ten views and ten purchases of the night are 20 times that name two instants each."""
    sentence = "20 times of the hour that comes twice in Europe/Berlin"
    assert sentence in by_init(case, "events.csv", "Europe/Berlin")
    asked = ("--events", "events.csv", "--mapping", "m.yaml", "--steps", "product_view,purchase")
    funnel = case.ecom("funnel", *asked, "--within", "1h", "--json")
    assert funnel.json["rows"]["notes"][0].startswith(sentence)
    assert f"ecom: warning: {sentence}" in funnel.err
    check = case.ecom("mapping", "check", "events.csv", "--mapping", "m.yaml").out
    assert sentence in check


@pytest.mark.slow
@pytest.mark.parametrize("case", ["224"], indirect=True)
def test_people_whom_a_flag_leaves_out_are_in_no_variant(case: Case) -> None:
    answer = case.ecom(
        *("experiment", "--events", "events.jsonl.gz", "--mapping", "posthog"),
        *("--variant", "properties.$feature_flag_response", "--goal", "purchase"),
        *("--exposure", "$feature_flag_called"),
        *("--exposure-where", "properties.$feature_flag = checkout", "--json"),
    ).json
    arms = {
        arm["variant"]: (arm["unit_count"], arm["converted_count"]) for arm in answer["variants"]
    }
    assert arms == {"control": (100, 20), "test": (100, 20)}
    assert not answer["sample_ratio"]["is_mismatch"]
    assert answer["outside"] == [{"value": "false", "unit_count": 50}]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["231"], indirect=True)
def test_rows_that_stand_for_several_events_say_so(case: Case) -> None:
    """102 views and 25 purchases are 127 events, in 30 rows."""
    assert 102 + 25 == 127
    said = by_init(case, "events.csv")
    assert "itemCount says how many events each row stands for" in said
    answer: dict[str, Any] = case.ecom(
        "trend", "--events", "events.csv", "--mapping", "m.yaml", *VIEWS_AND_SALES, "--json"
    ).json
    assert answer["rows"]["notes"] == [
        (
            "30 rows stand for 127 events by itemCount, as a sample or a sum does; each row counts "
            "as one here"
        )
    ]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["240"], indirect=True)
def test_properties_as_python_writes_them_are_read(case: Case) -> None:
    series = ("--series", "*:visitors", "--series", "purchase")
    asked = (*series, "--series", "purchase:sum(cart_amount)", "--period", "month")
    totals = case.series("--events", "events.csv", "--mapping", "posthog", *asked)
    assert totals == [10, 10, 125]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["254"], indirect=True)
def test_members_beside_the_amount_are_kept(case: Case) -> None:
    by_init(case, "events.ndjson")
    asked = ("--events", "events.ndjson", "--mapping", "m.yaml", "--series", "purchase")
    answer = case.ecom("trend", *asked, "--by", "properties.plan", "--json").json
    plans = {series["breakdown"]: Decimal(series["total"]) for series in answer["series"]}
    assert plans == {"pro": 10, "free": 10}


def with_person(case: Case, column: str) -> None:
    """Answer who it was in the mapping by hand."""
    path = case.folder / "m.yaml"
    lines = path.read_text().splitlines()
    answered = [f'  user_id: "{column}"' if "user_id:" in line else line for line in lines]
    path.write_text("\n".join(answered))


@pytest.mark.slow
@pytest.mark.parametrize("case", ["301"], indirect=True)
def test_the_column_that_says_more_of_what_happened_is_taken(case: Case) -> None:
    said = by_init(case, "browsing_train.csv")
    assert "product_action says more than event_type" in said
    with_person(case, "session_id_hash")
    asked = ("--series", "purchase", "--series", "page_view", "--period", "day")
    totals = case.series("--events", "browsing_train.csv", "--mapping", "m.yaml", *asked)
    assert totals == [10, 60]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["302"], indirect=True)
def test_an_amount_that_each_row_of_an_order_repeats_is_not_that_of_a_row(case: Case) -> None:
    said = by_init(case, "ga4_flat.csv")
    assert "item_revenue adds up to purchase_revenue of each transaction_id" in said
    with_person(case, "user_pseudo_id")
    asked = ("--series", "purchase:visitors", "--series", "purchase:sum(cart_amount)")
    totals = case.series("--events", "ga4_flat.csv", "--mapping", "m.yaml", *asked)
    assert totals == [10, 775]


def channels(case: Case, file: str, mapping: str) -> dict[str, tuple[float, float]]:
    """Return the purchases and the revenue that the last visit of each channel brought."""
    options = ("--events", file, "--mapping", mapping, "--model", "last", "--json")
    rows = case.ecom("attribution", *options).json["channels"]
    return {row["channel"]: (row["credit"], row["revenue"]) for row in rows}


@pytest.mark.slow
@pytest.mark.parametrize("case", ["233"], indirect=True)
def test_an_app_s_campaign_stands_in_the_context_of_its_calls(case: Case) -> None:
    assert channels(case, "events.jsonl", "segment") == {
        "Email": (12, 120),
        "Paid Search": (8, 80),
    }


@pytest.mark.slow
@pytest.mark.parametrize("case", ["246"], indirect=True)
def test_tags_that_a_tracker_took_off_the_address_stand_in_columns(case: Case) -> None:
    by_init(case, "events.csv")
    assert channels(case, "events.csv", "m.yaml") == {
        "Email": (8, 80),
        "Organic Search": (6, 60),
        "Paid Search": (6, 60),
    }


PEOPLE_AND_SALES = (
    *("--series", "*:visitors", "--series", "purchase"),
    *("--series", "purchase:sum(cart_amount)", "--period", "month"),
)
EUROS_AT_090 = ("ECOM_CURRENCY", "EUR"), ("ECOM_RATES", "rates.csv")


@pytest.mark.slow
@pytest.mark.parametrize("case", ["255"], indirect=True)
def test_amounts_of_another_currency_are_said(case: Case) -> None:
    """One visitor of the site in dollars bought for 97.50 and 149.99; euros come to 290.19.

    At 0.90 the dollars are 222.741 euros, so that all is 512.93.
    """
    asked = ("--events", "matomo_sites.json", "--mapping", "matomo", *PEOPLE_AND_SALES)
    answer = case.ecom("trend", *asked, "--json")
    euros = Decimal("290.19")
    assert [Decimal(str(series["total"])) for series in answer.json["series"]] == [12, 7, euros]
    assert "Amounts of 2 events are not known" in answer.err
    assert "2 in USD (purchases of 247.49)" in answer.err
    rated = case.series(*asked, env=dict(EUROS_AT_090))
    assert rated == [12, 7, euros + Decimal("222.741")]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["264"], indirect=True)
def test_a_currency_beside_the_amount_in_packed_properties_counts(case: Case) -> None:
    """Of 537.68, 482.68 are euros and 26.50 + 28.50 = 55.00 dollars, at 0.90."""
    assert "2 in USD (purchases of 55.00)" in by_init(case, "cur_packed.csv")
    asked = ("--events", "cur_packed.csv", "--mapping", "m.yaml", *PEOPLE_AND_SALES)
    rated = case.series(*asked, env=dict(EUROS_AT_090))
    assert rated == [12, 7, Decimal("482.68") + Decimal("23.85") + Decimal("25.65")]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["256"], indirect=True)
def test_ids_of_hits_are_no_visitors_and_a_purchase_sent_again_is_one(case: Case) -> None:
    """A hit is left out by its source, and the first order was sent again a minute later: 19.90 +
    26.50 + 97.50 + 149.99 + 28.50 + 189.79 + 25.50.
    """
    said = by_init(case, "adobe.tsv")
    assert "exclude_hit marks 1 row that the source does not count" in said
    asked = ("--events", "adobe.tsv", "--mapping", "m.yaml", *PEOPLE_AND_SALES)
    assert case.series(*asked) == [12, 7, Decimal("537.68")]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["257"], indirect=True)
def test_a_price_beside_pieces_is_asked_with_both_sums(case: Case) -> None:
    """Ten products of seven orders: 537.68 for all pieces, 460.53 for one of each."""
    question = "price times quantity come to 537.68, price alone to 460.53"
    assert question in by_init(case, "price_qty.csv")
    (case.folder / "m.yaml").unlink()
    by_init(case, "price_qty.csv", answers=["cart_value=price times quantity"])
    asked = ("--events", "price_qty.csv", "--mapping", "m.yaml", *PEOPLE_AND_SALES)
    assert case.series(*asked) == [12, 10, Decimal("537.68")]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["258"], indirect=True)
def test_what_purchases_are_worth_is_asked_where_only_views_have_a_price(case: Case) -> None:
    person = "user_id=internal_customer_id"
    said = by_init(case, "bloomreach.ndjson", answers=[person])
    assert "no purchase has properties.price" in said
    (case.folder / "m.yaml").unlink()
    answers = [person, "cart_value=properties.total_price"]
    by_init(case, "bloomreach.ndjson", answers=answers)
    asked = ("--events", "bloomreach.ndjson", "--mapping", "m.yaml", *PEOPLE_AND_SALES)
    assert case.series(*asked) == [12, 7, Decimal("537.68")]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["259"], indirect=True)
def test_whole_amounts_of_purchases_alone_are_asked_and_counted_in_cents(case: Case) -> None:
    """Seven purchases come to 53768 cents."""
    assert "the column of the amount" in by_init(case, "cents.ndjson", answers=["user_id=actor"])
    (case.folder / "m.yaml").unlink()
    by_init(case, "cents.ndjson", answers=["user_id=actor", "cart_value=data.amount_cents"])
    asked = ("--events", "cents.ndjson", "--mapping", "m.yaml", *PEOPLE_AND_SALES)
    assert case.series(*asked) == [12, 7, Decimal("537.68")]


@pytest.mark.parametrize("case", ["260"], indirect=True)
def test_a_table_without_a_line_of_names_is_refused(case: Case) -> None:
    refused = case.ecom("mapping", "init", "UserBehavior.csv", "--events", "--out", "m.yaml")
    assert refused.sentence.startswith("The first line of the file (1000001, 5003, 304, pv, 177")
    assert not (case.folder / "m.yaml").exists()


@pytest.mark.parametrize("case", ["261"], indirect=True)
def test_visits_whose_actions_are_packed_in_a_cell_are_refused(case: Case) -> None:
    refused = case.ecom("mapping", "init", "matomo_packed.csv", "--events", "--out", "m.yaml")
    assert "has several events, which its column actionDetails lists" in refused.sentence


@pytest.mark.slow
@pytest.mark.parametrize("case", ["262"], indirect=True)
def test_a_column_for_each_type_says_what_happened(case: Case) -> None:
    by_init(case, "one_hot.csv")
    asked = ("--events", "one_hot.csv", "--mapping", "m.yaml", *PEOPLE_AND_SALES)
    assert case.series(*asked, "--series", "product_view") == [12, 7, Decimal("537.68"), 17]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["263"], indirect=True)
def test_none_among_amounts_is_no_amount(case: Case) -> None:
    """Five of the twelve are `0`, `anonymous`, `None`, `(not set)` and `undefined`: each is a
    visitor by the session.
    """
    by_init(case, "nobodies2.csv")
    asked = ("--events", "nobodies2.csv", "--mapping", "m.yaml", *PEOPLE_AND_SALES)
    assert case.series(*asked) == [12, 7, Decimal("537.68")]
