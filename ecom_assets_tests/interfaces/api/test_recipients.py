"""Whom to write to: everybody of a list who agreed, with an address, and nobody else; and where an
address is found: in one file, and in nothing else that is published, answered or kept.
"""

import csv
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.app import build_app
from ecom_assets.interfaces.api.mcp.tools import questions_of
from ecom_assets.outputs.serving.email_consents import consents_path
from ecom_assets_tests.interfaces.api.conftest import Api, served
from ecom_assets_tests.interfaces.api.plain_shop import PlainShop

PATH = "/analytics/customers/to-write-to.csv"
Row = dict[str, Any]


def addresses(shop: PlainShop) -> dict[str, str]:
    """Return the address of each customer who agreed: the first and the third of five, in turn,
    unless the record has none.
    """
    agreed = (person for person in shop.people if person.get("has_email_consent") in {True, "yes"})
    return {person["id"]: person["email"] for person in agreed if "email" in person}


def file_of(api: Api, **asked: str) -> list[dict[str, str]]:
    answer = api.get(PATH, None, **asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers
    rows = list(csv.DictReader(answer.text.splitlines()))
    assert int(answer.headers["x-total-count"]) == len(rows)
    return rows


def test_who_is_due_again_and_agreed_is_written_to(api: Api, shop: PlainShop) -> None:
    due = api.json("/analytics/customers/due-again", limit=1_000)["customers"]
    agreed = addresses(shop)
    expected = [
        (row["customer_id"], agreed[row["customer_id"]], row["revenue_amount"], row["order_date"])
        for row in due
        if row["customer_id"] in agreed
    ]
    rows = file_of(api)
    assert [
        (row["customer_id"], row["email"], row["worth_amount"], row["last_date"]) for row in rows
    ] == expected
    assert 0 < len(rows) < len(due)
    names = {row["customer_id"]: row["product_names"] for row in due}
    assert [row["product_names"] for row in rows] == [names[row["customer_id"]] for row in rows]


def test_since_when_is_said_of_whom_the_shop_says_it(api: Api, shop: PlainShop) -> None:
    said = {person["id"]: "email_consent_at" in person for person in shop.people}
    rows = file_of(api, people="carts", time_range="year")
    times = {row["customer_id"]: row["email_consent_at"] for row in rows}
    assert set(times.values()) == {"", "2025-02-01T12:00:00Z"}
    assert {name: bool(time) for name, time in times.items()} == {
        name: said[name] for name in times
    }


def test_of_several_carts_the_last_one_is_written_about(api: Api, shop: PlainShop) -> None:
    asked = {"time_range": "year", "only_open": "true", "sort_by": "oldest"}
    carts = api.json("/analytics/carts", **asked, limit=1_000)["carts"]
    last = {row["visitor_id"]: row for row in carts}
    assert len(last) < len(carts), "somebody left several"
    agreed = addresses(shop)
    expected = {
        name: (row["cart_amount"] or "", row["product_names"] or "", row["age_days_count"])
        for name, row in last.items()
        if name in agreed
    }
    rows = file_of(api, people="carts", time_range="year")
    assert {
        row["customer_id"]: (
            row["worth_amount"],
            row["product_names"],
            int(row["days_since_count"]),
        )
        for row in rows
    } == expected
    assert expected


@pytest.mark.slow
def test_a_segment_has_its_customers(api: Api, shop: PlainShop, settings: Settings) -> None:
    stored = published(
        settings, "SELECT customer_id, segment FROM mart.customer_segments ORDER BY customer_id"
    )
    agreed = addresses(shop)
    found = 0
    for segment in {row[1] for row in stored}:
        expected = {name for name, own in stored if own == segment and name in agreed}
        rows = file_of(api, people="segment", segment=segment)
        assert {row["customer_id"] for row in rows} == expected
        days = [
            row["last_date"]
            for row in file_of(api, people="segment", segment=segment, sort_by="longest")
        ]
        assert days == sorted(days)
        found += len(rows)
    assert found == len(agreed.keys() & dict(stored).keys()) > 0


def test_an_address_is_in_no_other_file_that_is_published(settings: Settings) -> None:
    file = consents_path(settings)
    assert file.stat().st_mode & 0o077 == 0, "only its owner may read it"
    assert b"@example.com" in file.read_bytes()
    others = [path for path in file.parent.rglob("*") if path.is_file() and path != file]
    assert others
    assert [path for path in others if b"@example.com" in path.read_bytes()] == []
    tables = published(settings, "SELECT DISTINCT table_name FROM information_schema.tables")
    assert ("email_consents",) not in tables


def test_no_assistant_and_no_answer_as_json_has_an_address(api: Api) -> None:
    document = api.json("/openapi.json")
    assert PATH in {path.removeprefix("/v1") for path in document["paths"]}
    tools = questions_of(document)
    assert tools
    assert [name for name, tool in tools.items() if "to-write-to" in tool.path] == []
    assert api.get(PATH.removesuffix(".csv")).status_code == 404


def test_where_the_setting_is_off_nobody_is_written_to(settings: Settings) -> None:
    off = settings.model_copy(update={"publish_email_addresses": False})
    with served(build_app(off)) as api:
        answer = api.get(PATH)
        assert answer.status_code == 409
        assert "set ECOM_PUBLISH_EMAIL_ADDRESSES=on" in answer.json()["detail"]
        assert api.get("/analytics/customers/due-again.csv").status_code == 200


def published(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    """Query the snapshot."""
    (path,) = Path(settings.home / "serving").glob("marts-*.duckdb")
    with closing(duckdb.connect(str(path), read_only=True)) as con:
        return con.execute(sql).fetchall()


@pytest.mark.parametrize("asked", [{"people": "everybody"}, {"segment": "Best"}, {"limit": "3"}])
def test_what_is_no_list_is_refused(api: Api, asked: dict[str, str]) -> None:
    assert api.get(PATH, None, **asked).status_code == 422
