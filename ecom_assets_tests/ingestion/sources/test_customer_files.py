"""Customers from exports of shops and HubSpot, by the key that the shop's orders have, too."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.core.errors import MappingError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.resources import customer_source_of

DAYS = Days((date(2026, 7, 1), date(2026, 7, 2)))


def received(
    tmp_path: Path, mapping: str, text: str, encoding: str = "utf-8", **settings: Any
) -> list[dict[str, Any]]:
    """Return what the source of customers makes of a file, in its order."""
    file = tmp_path / "customers_export.csv"
    file.write_bytes(text.encode(encoding))
    own = Settings(
        customers=str(file), customers_mapping=mapping, home=tmp_path / "home", **settings
    )
    rows = customer_source_of(own).received(DAYS).rows.to_pyarrow().to_pylist()
    assert {row["received_date"] for row in rows} == {date(2026, 7, 2)}, (
        "a file has no days: it is as of the last"
    )
    return sorted(rows, key=lambda row: int(row["record_number"]))


SHOPIFY = """\
Customer ID,First Name,Last Name,Email,Default Address City,Default Address Province Code,\
Default Address Country Code,Default Address Zip,Phone,Total Spent,Total Orders,Tags
'207119551,Ann,Ames,Ann@Example.com,'s-Gravenhage,,NL,'2511,'+31612345678,72.00,2,vip
'207119552,Bob,,,Dresden,SN,DE,'01067,,0.00,0,
"""


def test_shopify_s_customers_are_known_as_its_csv_of_orders_knows_them(tmp_path: Path) -> None:
    ann, bob = received(tmp_path, "shopify", SHOPIFY)
    assert (ann["customer_id"], ann["email"], ann["city"]) == (
        "ann@example.com",
        "Ann@Example.com",
        "'s-Gravenhage",
    )
    assert (bob["customer_id"], bob["reject_reason"]) == (None, "id: it is missing")


def test_shopify_s_customers_are_known_as_its_json_of_orders_knows_them(tmp_path: Path) -> None:
    rows = received(tmp_path, "shopify_ids", SHOPIFY)
    assert [(row["customer_id"], row["first_name"], row["region"]) for row in rows] == [
        ("207119551", "Ann", None),
        ("207119552", "Bob", "SN"),
    ]


def test_older_names_of_columns_are_known(tmp_path: Path) -> None:
    text = (
        "First Name,Last Name,Email,City,Province,Country\n"
        "Ann,Ames,ann@example.com,Dresden,Saxony,Germany\n"
    )
    [ann] = received(tmp_path, "shopify", text)
    assert (ann["city"], ann["region"], ann["country"]) == ("Dresden", "Saxony", "Germany")


def test_woocommerce_s_times_are_those_of_the_site(tmp_path: Path) -> None:
    text = (
        "Name,Username,Last Active,Sign Up,Email,Orders,Total Spend,AOV,Country / "
        "Region,City,Region,Postal Code\n"
        "Ann Ames,ann,2026-06-30 23:30:00,2026-01-05 "
        "08:00:00,Ann@example.com,2,72.00,36.00,DE,Dresden,SN,01067\n"
    )
    [ann] = received(tmp_path, "woocommerce", text, timezone="Europe/Berlin")
    assert (ann["customer_id"], ann["country"]) == ("ann@example.com", "DE")
    assert ann["created_at"] == datetime(2026, 1, 5, 7)  # noqa: DTZ001 (UTC, as tables have it)


@pytest.mark.parametrize(
    "header", ["Record ID,First Name,Last Name,Email,City", "Id,Vorname,Nachname,E-Mail,Stadt"]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_hubspot_s_labels_depend_on_the_language(
    tmp_path: Path, header: str, encoding: str
) -> None:
    text = (
        f'{header}\n7,Zoë,Müller,Zoe@example.com,Köln\n8,Jörg,"Groß\nJr.",joerg@example.com,Köln\n'
    )
    zoe, joerg = received(tmp_path, "hubspot", text, encoding)
    assert (zoe["customer_id"], zoe["first_name"], zoe["last_name"]) == (
        "zoe@example.com",
        "Zoë",
        "Müller",
    )
    assert (joerg["last_name"], joerg["city"]) == ("Groß\nJr.", "Köln")


def test_a_line_with_too_many_values_is_kept_apart(tmp_path: Path) -> None:
    good, bad = received(
        tmp_path, "shopify", "Email,First Name\nann@example.com,Ann,more\nbob@example.com,Bob\n"
    )
    assert (bad["customer_id"], bad["reject_reason"]) == (
        None,
        "the line cannot be read",
    )
    assert good["customer_id"] == "bob@example.com"


def test_a_file_without_the_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        MappingError,
        match=r"has no column 'Email' \(did you mean 'Mail'\?\), which mapping 'shopify'",
    ):
        received(tmp_path, "shopify", "Mail,First Name\nann@example.com,Ann\n")


CONSENT = ("customer_id", "has_email_consent", "email_consent_at")


def consents(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in CONSENT) for row in rows]


@pytest.mark.parametrize("column", ["Accepts Email Marketing", "Accepts Marketing"])
@pytest.mark.parametrize("mapping", ["shopify", "shopify_ids"])
def test_shopify_s_export_says_who_accepts_e_mails(
    tmp_path: Path, mapping: str, column: str
) -> None:
    text = (
        f"Customer ID,Email,{column}\n"
        "'1,a@example.com,yes\n'2,b@example.com,no\n'3,c@example.com,\n"
    )
    rows = received(tmp_path, mapping, text)
    assert [row["has_email_consent"] for row in rows] == [True, False, None]
    assert {row["email_consent_at"] for row in rows} == {None}, "it does not say since when"


def test_hubspot_s_export_says_who_unsubscribed_and_of_nobody_that_they_agreed(
    tmp_path: Path,
) -> None:
    text = "Email,Unsubscribed from all email\na@x.com,true\nb@x.com,false\nc@x.com,\n"
    rows = received(tmp_path, "hubspot", text)
    assert [row["has_email_consent"] for row in rows] == [False, None, None]


@pytest.mark.parametrize(
    ("mapping", "text"),
    [
        ("woocommerce", "Name,Email,Newsletter\nAnn,a@example.com,yes\n"),
        ("shopify", "Email,First Name\na@example.com,Ann\n"),
    ],
)
def test_what_an_export_does_not_say_is_unknown(tmp_path: Path, mapping: str, text: str) -> None:
    assert consents(received(tmp_path, mapping, text)) == [("a@example.com", None, None)]


def test_a_shop_s_own_columns_say_consent_and_since_when(tmp_path: Path) -> None:
    text = (
        "id,has_email_consent,email_consent_at\n"
        "1,yes,2026-01-05T10:00:00+02:00\n2,unsubscribed,soon\n3,maybe,\n"
    )
    assert consents(received(tmp_path, "customers", text)) == [
        ("1", True, datetime(2026, 1, 5, 8)),  # noqa: DTZ001 (UTC, as tables have it)
        ("2", False, None),
        ("3", None, None),
    ]


def test_a_mapping_of_an_api_says_where_consent_is_and_by_which_words(tmp_path: Path) -> None:
    """As Shopify's API has customers: who has not confirmed yet has agreed to nothing."""
    mapping = tmp_path / "own.yaml"
    mapping.write_text(
        "name: own\nrecords: customers\nfields:\n  id: id\n"
        "  has_email_consent: {path: email_marketing_consent.state, optional: true}\n"
        "  email_consent_at: {path: email_marketing_consent.consent_updated_at, optional: true}\n"
    )
    states = ("subscribed", "pending", "unsubscribed", "not_subscribed", "redacted", "invalid")
    people = [
        {"id": n, "email_marketing_consent": {"state": state, "consent_updated_at": None}}
        for n, state in enumerate(states)
    ]
    file = tmp_path / "customers.json"
    file.write_text(
        json.dumps({"customers": [*people, {"id": 6, "email_marketing_consent": None}]})
    )
    own = Settings(customers=str(file), customers_mapping=str(mapping), home=tmp_path / "home")
    rows = customer_source_of(own).received(DAYS).rows.to_pyarrow().to_pylist()
    said = {row["customer_id"]: row["has_email_consent"] for row in rows}
    expected = [True, None, False, False, None, None, None]
    assert said == {str(n): value for n, value in enumerate(expected)}


def test_who_took_consent_back_has_refused_whatever_else_is_said(tmp_path: Path) -> None:
    """A flag of JSON, a text or a time takes it back; a no, nothing and a missing field do not."""
    mapping = tmp_path / "own.yaml"
    mapping.write_text(
        "name: own\nrecords: customers\nfields:\n  id: id\n"
        "  has_email_consent: {path: opted_in, unless: [unsubscribed], optional: true}\n"
    )
    nothing: tuple[object, ...] = (False, None, "no", "0", "", [], "[]", "FALSCH")
    taken_back: tuple[object, ...] = (True, "yes", 1, "2026-03-02T10:00:00Z", "bounced", ["spam"])
    people = [
        {"id": n, "opted_in": True, "unsubscribed": said}
        for n, said in enumerate((*nothing, *taken_back))
    ]
    file = tmp_path / "customers.json"
    file.write_text(json.dumps({"customers": [*people, {"id": 99, "opted_in": "true"}]}))
    own = Settings(customers=str(file), customers_mapping=str(mapping), home=tmp_path / "home")
    rows = customer_source_of(own).received(DAYS).rows.to_pyarrow().to_pylist()
    said = {int(row["customer_id"]): row["has_email_consent"] for row in rows}
    assert said.pop(99)
    assert [said[n] for n in sorted(said)] == [True] * len(nothing) + [False] * len(taken_back)
