"""The values that a column has, from which forms let people choose: with counts,
a page at a time, and by scope.
"""

import json
from collections import Counter

import ibis
import pyarrow as pa
import requests

from ecom_assets.behaviour.questions.values import MOST_DOCUMENTS, _kind_of, key_counts
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import Api
from ecom_assets_tests.interfaces.api.plain_shop import PlainShop
from ecom_assets_tests.interfaces.api.served import Running
from ecom_assets_tests.interfaces.api.test_personal_data import KEYS
from ecom_assets_tests.interfaces.api.test_personal_data import keyed as keyed  # noqa: PLC0414 (the fixture, for this file too)
from ecom_assets_tests.patience import PATIENCE_S

ALL_DAYS = {"start_date": "2026-01-01", "end_date": "2026-02-09"}
HOSTILE = [
    "<script>alert(1)</script>",
    "it's",
    '"',
    "a;b",
    "x\ny",
    "' or 1=1 --",
    "%",
    "\N{SNOWMAN}",
    "[1]",
]


def test_values_are_counted_the_most_frequent_first(api: Api, shop: PlainShop) -> None:
    counts = Counter(
        event["product_category"] for event in shop.events if event["product_category"]
    )
    answer = api.json("/analytics/values", column="product_category", **ALL_DAYS)
    assert {row["value"]: row["event_count"] for row in answer["values"]} == counts
    assert answer["total_count"] == 3
    first = api.json("/analytics/values", column="product_category", limit=1, **ALL_DAYS)
    assert [row["value"] for row in first["values"]] == [
        max(counts, key=lambda name: (counts[name], name))
    ]
    found = api.json(
        "/analytics/values",
        column="product_category",
        search="HO",
        event_type="purchase",
        **ALL_DAYS,
    )
    assert {row["value"] for row in found["values"]} <= {"Shoes"}


@each("text", HOSTILE)
def test_a_search_is_a_text_and_nothing_else(api: Api, text: str) -> None:
    answer = api.json("/analytics/values", column="page_url", search=text, event_type=text)
    assert answer["values"] == []


def test_unknown_columns_are_refused_and_those_about_people_need_the_scope(
    api: Api, keyed: Running
) -> None:
    refused = api.get("/analytics/values", None, column="categoryy")
    assert (refused.status_code, "no column 'categoryy'" in refused.json()["detail"]) == (422, True)
    assert api.get("/analytics/values", None, column="a; drop").status_code == 422
    asked = f"{keyed.address}/analytics/values?column=user_id"
    statuses = {
        scope: requests.get(
            asked, headers={"X-API-Key": KEYS[scope]}, timeout=PATIENCE_S
        ).status_code
        for scope in ("read", "read+personal")
    }
    assert statuses == {"read": 403, "read+personal": 200}


def test_keys_of_properties_are_named_as_columns() -> None:
    documents = [
        {"properties": json.dumps(properties)}
        for properties in ({"country": "DE", "a b": 1}, {"country": "US", 'a"b': 2})
    ]
    documents += [{"properties": text} for text in ("[1]", "null", "3")]
    assert [(row["value"], row["event_count"]) for row in key_counts(documents, "")] == [
        ("properties.country", 2),
        ('properties."a b"', 1),
    ]
    assert [row["value"] for row in key_counts(documents, "A B")] == ['properties."a b"']
    assert MOST_DOCUMENTS == 10_000


def test_a_value_of_a_key_says_of_which_kind_it_is() -> None:
    texts = ['{"size": "2"}', '{"size": 2}', '{"size": true}']
    rows = ibis.memtable(pa.table({"properties": texts}))
    kinds = rows.select(kind=_kind_of(rows, "properties.size")).to_pyarrow().to_pylist()
    assert [row["kind"] for row in kinds] == ["text", "number", "boolean"]
