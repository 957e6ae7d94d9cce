"""What `ecom mapping init` proposes for who ordered, how ids are spelled,
and when an order changed.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import MappingProposal, MappingSearch
from ecom_assets_tests.ingestion.sources.conftest import write

ORDERS = 40
PEOPLE = 30


def proposed(file: Path, kind: MappingKind = MappingKind.ORDERS, **answers: str) -> MappingProposal:
    search = MappingSearch([str(file)], Settings(home=file.parent / "home"), kind)
    return search.proposal({"timezone": "UTC", **answers})


def fields_of(proposal: MappingProposal) -> dict[str, Any]:
    fields: dict[str, Any] = yaml.safe_load(proposal.text)["fields"]
    return fields


def orders(
    path: Path, header: str = "customer_id,customer_unique_id", changed: str = "Last Modified"
) -> Path:
    """Write one order a row: its own id of the customer, and the e-mail
    address of one of fewer people.
    """
    lines = [
        f"#{1000 + n},c{n:04d},Person{n % PEOPLE}@Example.com,Berlin,2026-03-{1 + n % 20:02d} "
        f"10:00:00,hat,1,{10 + n}.00,2026-04-{1 + n % 20:02d} 11:00:00"
        for n in range(ORDERS)
    ]
    return write(
        path,
        "\n".join([f"Order No,{header},customer_city,Date,SKU,Qty,Total,{changed}", *lines, ""]),
    )


@pytest.mark.slow
def test_the_id_that_repeats_is_the_customer_and_both_are_shown(tmp_path: Path) -> None:
    proposal = proposed(orders(tmp_path / "orders.csv"))
    different = len({n % PEOPLE for n in range(ORDERS)})
    [question] = [question for question in proposal.questions if question.key == "customer_id"]
    assert question.choices == ("customer_unique_id", "customer_id")
    counts = f"customer_id has {ORDERS} in {ORDERS} orders, customer_unique_id {different}"
    assert counts in question.sentence
    assert f"it repeats: {counts}" in proposal.text
    assert fields_of(proposal)["customer_id"] == {"column": "customer_unique_id", "key": "address"}


@pytest.mark.slow
def test_a_person_may_choose_the_other_one(tmp_path: Path) -> None:
    proposal = proposed(orders(tmp_path / "orders.csv"), customer_id="customer_id")
    assert fields_of(proposal)["customer_id"] == "customer_id"


@pytest.mark.slow
def test_a_city_is_no_person(tmp_path: Path) -> None:
    proposal = proposed(orders(tmp_path / "orders.csv", header="customer_id,note"))
    assert "customer_id" not in {question.key for question in proposal.questions}
    assert fields_of(proposal)["customer_id"] == "customer_id"


@pytest.mark.slow
@pytest.mark.parametrize(
    "changed", ["updated_at", "Last Modified", "Geändert am", "date_modification"]
)
def test_the_time_of_change_and_the_spelling_of_keys_are_proposed(
    tmp_path: Path, changed: str
) -> None:
    fields = fields_of(proposed(orders(tmp_path / "orders.csv", changed=changed)))
    assert fields["changed_at"] == {"column": changed, "optional": True, "timezone": "UTC"}
    assert fields["order_id"] == {"column": "Order No", "key": "order_name", "optional": True}


@pytest.mark.slow
def test_lines_that_change_at_different_times_are_no_versions_of_their_order(
    tmp_path: Path,
) -> None:
    """By `changed_at` the newer line would replace the other one of its order:
    it is marked, not set.
    """
    lines = [
        f"o{n // 2},ann,2026-03-01 10:00:00,item{n % 2},1,5.00,2026-04-01 {10 + n % 2}:00:00"
        for n in range(20)
    ]
    text = "\n".join(["order_id,customer_id,date,sku,qty,line_total,updated_at", *lines, ""])
    proposal = proposed(write(tmp_path / "lines.csv", text))
    assert "changed_at" not in fields_of(proposal)
    assert '# changed_at: "updated_at" differs among the lines of an order' in proposal.text


@pytest.mark.slow
def test_users_that_are_addresses_are_compared_as_such(tmp_path: Path) -> None:
    lines = [f"Ann{n}@Example.com,purchase,2026-03-01T10:00:0{n}Z" for n in range(5)]
    file = write(tmp_path / "events.csv", "\n".join(["user,event,time", *lines, ""]))
    assert fields_of(proposed(file, MappingKind.EVENTS))["user_id"] == {
        "column": "user",
        "key": "address",
        "optional": True,
    }
    customers = write(
        tmp_path / "c.csv", "Email,First name,City\nAnn@Example.com,Ann,Berlin\nB@x.org,Bo,Rom\n"
    )
    assert fields_of(proposed(customers, MappingKind.CUSTOMERS))["id"] == {
        "path": "Email",
        "key": "address",
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("column", "at"),
    [
        ("Email Marketing Consent", "Email Marketing Consent Timestamp"),  # Klaviyo
        ("newsletter", "newsletter_date_add"),  # PrestaShop
        ("Accepts Marketing", "accepts_marketing_updated_at"),
    ],
)
def test_consent_to_e_mails_is_found_by_its_name(tmp_path: Path, column: str, at: str) -> None:
    text = (
        f"Email,First name,{column},{at}\n"
        "ann@example.com,Ann,SUBSCRIBED,2026-01-05T10:00:00Z\n"
        "bo@example.com,Bo,NEVER_SUBSCRIBED,2026-01-06T10:00:00Z\n"
    )
    fields = fields_of(proposed(write(tmp_path / "c.csv", text), MappingKind.CUSTOMERS))
    assert fields["has_email_consent"] == {"path": column, "optional": True}
    assert fields["email_consent_at"]["path"] == at
