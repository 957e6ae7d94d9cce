"""Mappings of customer APIs: what is shipped, and what is refused before anything is asked."""

import json
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.customers.contracts import SCORED_FIELDS
from ecom_assets.errors import MappingError
from ecom_assets.rules import customer_rule
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.customer_api.mapping import FOLDER, MISSING, load_customer_mapping, value_at
from ecom_assets.sources.mapping_file import shipped_in

URL = "https://api.example.com/customers"


def test_the_native_one_and_reqres_are_shipped() -> None:
    assert shipped_in(FOLDER) == ["customers", "reqres"]
    assert load_customer_mapping("customers").expected_fields == SCORED_FIELDS
    assert load_customer_mapping("reqres").expected_fields == ("email", "first_name", "last_name")


def test_the_score_expects_what_the_mapping_that_is_set_has(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("{paging: {kind: none}, fields: {id: id, country: land, email: mail, region: land}}")
    for mapping, expected in (
        ("reqres", ("email", "first_name", "last_name")),
        (str(own), ("email", "country")),
        ("customers", SCORED_FIELDS),
    ):
        settings = Settings(home=tmp_path, customer_api_url=URL, customer_api_mapping=mapping)
        assert customer_rule(settings).expected_fields == expected
    sandbox = Settings(home=tmp_path, customer_api_mapping="reqres")
    assert customer_rule(sandbox).expected_fields == SCORED_FIELDS, "the sandbox's API is the native one"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"fields": {"idd": "id"}}, "unknown key 'idd' under `fields` (did you mean 'id'?)"),
        ({"fields": {"email": "mail"}}, "`fields.id` is missing"),
        ({"fields": {"id": 5}}, "`fields.id`"),
        ({"fields": {"id": {"pth": "id"}}}, "unknown key 'pth' under `fields.id` (did you mean 'path'?)"),
        (
            {"fields": {"id": "id", "created_at": {"path": "since", "format": "unix"}}},
            "`fields.created_at.format`: 'unix' is neither one of iso, epoch_s, epoch_ms, epoch_us nor a strptime",
        ),
        (
            {"fields": {"id": "id", "updated_at": {"path": "x", "timezone": "Berlin"}}},
            "`fields.updated_at.timezone`: 'Berlin' is not a time zone",
        ),
        ({"paging": {"kind": "pages"}}, "`paging`: Input tag 'pages' found using 'kind' does not match any of the"),
        ({"paging": {"kind": "page", "totl": "n"}}, "unknown key 'totl' under `paging.page` (did you mean 'total'?)"),
        ({"paging": {"kind": "cursor"}}, "`paging.cursor.cursor` is missing"),
        ({"id_type": "uuid"}, "`id_type`: Input should be 'any', 'number' or 'text'"),
        ({"expected": ["phone"]}, "`expected`: 'phone' is not a field of the quality score; these are email, first_"),
        ({"expected": ["email"]}, "'email' is expected for the quality score, but `fields` does not say where it is"),
        ({"record": "data"}, "unknown key 'record' (did you mean 'records'?)"),
        ({"key": {"header": "X Y"}}, "`key.header`: String should match pattern"),
    ],
)
def test_a_mapping_that_is_wrong_is_refused_with_why(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(json.dumps({"paging": {"kind": "none"}, "fields": {"id": "id"}} | change))
    with pytest.raises(MappingError) as refused:
        load_customer_mapping(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert sentence in str(refused.value)
    assert str(refused.value).endswith("; see docs/mappings.md")


def test_a_name_that_is_not_shipped_is_refused() -> None:
    with pytest.raises(
        MappingError, match=r"there is no mapping 'reqre' \(did you mean 'reqres'\?\); shipped are cust"
    ):
        load_customer_mapping("reqre")


@pytest.mark.parametrize(
    ("path", "actual"),
    [("a", {"b": [1, {"c": None}]}), ("a.b.0", 1), ("a.b.-1.c", None), ("a.b.2", MISSING), ("a.x", MISSING),
     ("a.b.c", MISSING), ("x.y", MISSING)],
)  # fmt: skip
def test_a_path_leads_through_objects_and_lists(path: str, actual: object) -> None:
    assert (
        value_at({"a": {"b": [1, {"c": None}]}}, path) == actual
        or value_at({"a": {"b": [1, {"c": None}]}}, path) is actual
    )
