"""Who may be written to: the newest record of each customer says it, and unknown is no.

The reference goes through the records one by one, in the order in which they came.
"""

import re
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.commerce.customers.contracts import EmailConsents, RawCustomers
from ecom_assets.commerce.customers.customers import email_consents
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.engines.postgres.engine import PostgresEngine
from ecom_assets.core.warehouse.local import in_memory
from ecom_assets_tests.builders import DAY_ONE
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.platform import Platform

Record = dict[str, Any]
YES, NO = {"has_email_consent": "yes"}, {"has_email_consent": "no"}
DAYS = Days.between(DAY_ONE, DAY_ONE + timedelta(days=3))


def said(shop: Platform, *fetches: list[Record]) -> dict[str, tuple[bool, str | None]]:
    """Return what is known of each customer after fetches of as many days."""
    for n, records in enumerate(fetches):
        shop.receive_customers(records, DAY_ONE + timedelta(days=n))
    shop.run(DAYS, only=["email_consents"])
    return {
        row["customer_id"]: (row["has_email_consent"], row["email"])
        for row in shop.rows(EmailConsents)
    }


def person(name: str, **said: Any) -> Record:
    return {"id": name, "email": f"{name}@mail.example", **said}


def test_who_agreed_has_an_address_and_who_refused_has_none(shop: Platform) -> None:
    ann, bo, cy = person("ann", **YES), person("bo", **NO), person("cy")
    assert said(shop, [ann, bo, cy]) == {"ann": (True, "ann@mail.example"), "bo": (False, None)}


def test_since_when_is_said_where_the_shop_says_it(shop: Platform) -> None:
    at = {"email_consent_at": "2026-01-05T12:30:00+02:00"}
    said(shop, [person("ann", **YES, **at), person("bo", **YES, email_consent_at=["?"])])
    times = {row["customer_id"]: row["email_consent_at"] for row in shop.rows(EmailConsents)}
    assert times == {"ann": datetime(2026, 1, 5, 10, 30), "bo": None}  # noqa: DTZ001 (UTC, as stored)


def test_the_newest_record_counts_and_who_is_left_out_of_it_still_agrees(shop: Platform) -> None:
    first = [person(name, **YES) for name in ("ann", "bo", "cy")]
    assert said(shop, first, [person("ann", **NO), person("bo")]) == {
        "ann": (False, None),  # withdrawn
        "cy": (True, "cy@mail.example"),  # in no newer record; of bo, nothing is known any more
    }


def test_a_newer_record_that_is_no_customer_ends_it(shop: Platform) -> None:
    assert said(shop, [person("ann", **YES)], [person("ann", **YES, first_name=5)]) == {}


def test_an_older_record_that_came_later_says_nothing(shop: Platform) -> None:
    new = person("ann", **NO, updated_at="2026-03-02T00:00:00Z")
    old = person("ann", **YES, updated_at="2026-03-01T00:00:00Z")
    assert said(shop, [new], [old]) == {"ann": (False, None)}
    assert said(shop, [old, new, old]) == {"ann": (False, None)}


def test_who_refuses_by_one_account_of_an_address_is_written_to_by_none(shop: Platform) -> None:
    both = [person("ann", **YES), {"id": "guest-7", "email": "Ann@Mail.Example", **NO}]
    assert said(shop, both) == {"ann": (False, None), "guest-7": (False, None)}


def test_an_id_that_is_an_address_is_one(shop: Platform) -> None:
    ann = {"id": "ann@mail.example", **YES}
    bo = {"id": "4711", "email": "bo at mail", **YES}
    assert said(shop, [ann, bo]) == {
        "ann@mail.example": (True, "ann@mail.example"),
        "4711": (True, None),  # agreed, but nobody knows where to write
    }


WORDS = st.sampled_from(["yes", "YES ", True, 1, "subscribed", "no", False, 0, "pending", "", None])
RECORDS: st.SearchStrategy[Record] = st.builds(
    dict,
    id=st.sampled_from(["a", "b", "c@mail.example", "d"]),
    email=st.sampled_from(["a@mail.example", "A@mail.example", "b@mail.example", "none", None]),
    updated_at=st.sampled_from([None, *(f"2026-03-0{n}T00:00:00Z" for n in range(1, 4))]),
    has_email_consent=WORDS,
    first_name=st.sampled_from(["Ann", "Ann", "Ann", 5]),
)
ADDRESS = re.compile(r"[^@ ]+@[A-Za-z0-9-]+([.][A-Za-z0-9-]+)+")


def reference(fetches: list[list[Record]]) -> dict[str, tuple[bool, str | None]]:
    """Go through the records of each fetch, and keep the newest of each customer."""
    newest: dict[str, Record] = {}
    changed: dict[str, datetime] = {}
    for records in fetches:
        of_day: dict[str, Record] = {}
        for record in records:
            known = of_day.get(record["id"])
            if known is None or at(record) >= at(known):
                of_day[record["id"]] = record
        for name, record in of_day.items():
            before = changed.get(name, datetime.min.replace(tzinfo=UTC))
            changed[name] = max(before, at(record))
            if record["updated_at"] is None or at(record) >= before:
                newest[name] = record
    told: dict[str, tuple[bool, str]] = {}
    for name, record in newest.items():
        word = str(record["has_email_consent"]).strip().lower()
        answer = {"yes": True, "true": True, "1": True, "subscribed": True}.get(word)
        answer = False if word in {"no", "false", "0"} else answer
        if answer is None or record["first_name"] == 5:
            continue
        email = record["email"] or ""
        told[name] = (answer, email if ADDRESS.fullmatch(email) else name)
    against = {address.lower() for answer, address in told.values() if not answer}
    return {
        name: (True, address if ADDRESS.fullmatch(address) else None)
        if address.lower() not in against
        else (False, None)
        for name, (_, address) in told.items()
    }


def at(record: Record) -> datetime:
    text = record["updated_at"]
    return datetime.fromisoformat(text) if text else datetime.min.replace(tzinfo=UTC)


@pytest.mark.slow
@examples(200)
@given(fetches=st.lists(st.lists(RECORDS, max_size=6), min_size=1, max_size=3))
def test_whatever_came_it_is_as_if_read_one_by_one(
    random_shop: Platform, fetches: list[list[Record]]
) -> None:
    random_shop.clear()
    assert said(random_shop, *fetches) == reference(fetches)


@pytest.fixture(scope="module")
def random_shop() -> Platform:
    return Platform()


FETCHES: list[list[Record]] = [
    [
        person("ann", **YES, email_consent_at="2026-01-05T10:00:00Z"),
        person("bo", **YES),
        person("cy", **NO),
        {"id": "guest-7", "email": "BO@mail.example", **NO},
        {"id": "zoë@exämple.de", **YES},
        {"id": "dee@mail.example", **YES},
    ],
    [person("cy", **YES), person("ann", **YES, first_name=5), person("eve", **YES, email=" ")],
]
"""Ann's newest record is no customer, Bo refuses by another id, Cy changed their mind; Zoë's id is
no address that can be written to.
"""


def test_postgres_says_the_same_of_everybody(shop: Platform, postgres_url: str) -> None:
    said(shop, *FETCHES)
    with closing(PostgresEngine(Settings(warehouse=postgres_url)).open()) as engine:
        received = shop.table(RawCustomers).to_pyarrow()
        engine.ensure(RawCustomers)
        engine.replace(RawCustomers, in_memory(received.to_pylist(), RawCustomers), None)
        rows = email_consents(engine.table(RawCustomers)).order_by("customer_id")
        engine.ensure(EmailConsents)
        engine.replace(EmailConsents, rows, None)
        stored = engine.table(EmailConsents).order_by("customer_id").to_pyarrow().to_pylist()
    assert stored == shop.rows(EmailConsents)
    assert [row["customer_id"] for row in stored if row["email"]] == ["cy", "dee@mail.example"]
