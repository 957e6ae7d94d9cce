"""Customer APIs of other layouts through mappings: paging, nested fields, ids, what does not fit,
what is refused.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.commerce.customers.contracts import SCORED_FIELDS
from ecom_assets.core.errors import MappingError, SourceError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.customer_api.api import fetch_customers
from ecom_assets.ingestion.sources.customer_api.records import (
    FOLDER,
    MISSING,
    load_customer_mapping,
    value_at,
)
from ecom_assets.ingestion.sources.mapping_file import shipped_in
from ecom_assets.orchestration.rules import customer_rule
from ecom_assets_tests.each import each
from ecom_assets_tests.ingestion.sources import customer_layouts as layouts
from ecom_assets_tests.ingestion.sources.customer_layouts import (
    LayoutService,
    Page,
    mapping_file,
    twelve,
)
from ecom_sandbox.services.service import ServiceRequest, ServiceResponse

UUIDS = [f"0b7c1f6e-{n}" for n in range(1, 13)]
FIELDS = {
    "id": "uid",
    "email": {"path": "contact.email"},
    "city": {"path": "addresses.0.town", "optional": True},
}


def nested(*ids: object) -> list[dict[str, Any]]:
    return [
        {
            "uid": id_,
            "contact": {"email": f"{id_}@example.com"},
            "addresses": [{"town": "Ulm"}] if number % 2 else [],
        }
        for number, id_ in enumerate(ids)
    ]


def test_reqres_is_read_as_it_is(tmp_path: Path) -> None:
    with LayoutService(layouts.reqres, twelve()) as api:
        fetched = fetch_customers(api.settings(tmp_path, "reqres"))
    assert [customer.id for customer in fetched.customers] == [
        str(number) for number in range(1, 13)
    ]
    assert (fetched.total, fetched.is_settled, fetched.quarantined) == (12, True, ())
    george = fetched.customers[0]
    assert (george.first_name, george.email, george.is_number_id) == (
        "George",
        "george.bluth@reqres.in",
        True,
    )
    assert {request.headers["x-api-key"] for request in api.asked} == {"k3y"}


PAGINGS: dict[str, tuple[Page, dict[str, Any]]] = {
    "offset": (
        layouts.by_offset,
        {
            "records": "items",
            "paging": {"kind": "offset", "parameter": "skip", "total": "meta.count"},
        },
    ),
    "offset without a total": (
        layouts.by_offset,
        {"records": "items", "paging": {"kind": "offset", "parameter": "skip"}},
    ),
    "next link": (
        layouts.by_link,
        {"records": "result.customers", "paging": {"kind": "next_link", "next": "links.next"}},
    ),
    "header": (layouts.by_header, {"records": ".", "paging": {"kind": "next_link"}}),
    "cursor": (
        layouts.by_cursor,
        {
            "paging": {
                "kind": "cursor",
                "parameter": "starting_after",
                "cursor": "data.-1.uid",
                "more": "has_more",
            }
        },
    ),
    "one answer": (layouts.at_once, {"records": "users", "paging": {"kind": "none"}}),
    "numbers from 0": (
        layouts.numbered_from_zero,
        {"paging": {"kind": "page", "parameter": "p", "first": 0}},
    ),
}


@pytest.mark.parametrize("name", PAGINGS)
def test_everybody_comes_once_however_pages_follow_each_other(tmp_path: Path, name: str) -> None:
    page, result = PAGINGS[name]
    mapping = mapping_file(tmp_path, fields=FIELDS, **result)
    with LayoutService(page, nested(*UUIDS)) as api:
        fetched = fetch_customers(api.settings(tmp_path, mapping))
    assert [customer.id for customer in fetched.customers] == UUIDS
    pass_count = 1 if name == "offset" else 2  # this layout alone states a total
    assert (fetched.is_settled, fetched.pass_count, fetched.quarantined) == (True, pass_count, ())
    assert fetched.customers[0].email == "0b7c1f6e-1@example.com"
    assert [customer.city for customer in fetched.customers] == [None, "Ulm"] * 6


def test_the_key_goes_where_the_mapping_says_and_is_not_kept(tmp_path: Path) -> None:
    def tagged(request: ServiceRequest, records: list[Any]) -> ServiceResponse:
        answer = layouts.at_once(request, records)
        return ServiceResponse(answer.status, answer.body, {**answer.headers, "ETag": '"1"'})

    key = {"header": "X-Shop-Token", "scheme": "Bearer"}
    mapping = mapping_file(
        tmp_path, fields={"id": "uid"}, records="users", paging={"kind": "none"}, key=key
    )
    with LayoutService(tagged, nested("a")) as api:
        fetch_customers(api.settings(tmp_path, mapping, customer_api_key="very-secret"))
        assert {request.headers["x-shop-token"] for request in api.asked} == {"Bearer very-secret"}
    kept = b"".join(file.read_bytes() for file in (tmp_path / "http_cache").iterdir())
    assert b"a@example.com" in kept
    assert b"very-secret" not in kept


def test_a_link_to_another_server_is_not_followed_with_the_key(tmp_path: Path) -> None:
    def away(_request: ServiceRequest, records: list[Any]) -> ServiceResponse:
        return ServiceResponse.json({"data": records, "next": f"{elsewhere.url}/users?page=2"})

    mapping = mapping_file(
        tmp_path, fields={"id": "uid"}, paging={"kind": "next_link", "next": "next"}
    )
    with LayoutService(layouts.at_once, []) as elsewhere, LayoutService(away, nested("a")) as api:
        with pytest.raises(
            SourceError,
            match=r"Page 1 of the customer API at .* leads to another server, .*which must",
        ):
            fetch_customers(api.settings(tmp_path, mapping))
        assert elsewhere.asked == []


def test_an_api_that_does_not_understand_its_parameter_ends(tmp_path: Path) -> None:
    mapping = mapping_file(tmp_path, fields={"id": "uid"}, paging={"kind": "page"})
    with LayoutService(layouts.deaf, nested(*UUIDS)) as api:
        with pytest.raises(SourceError, match="Page 3 of the list of the customer API leads"):
            fetch_customers(api.settings(tmp_path, mapping))
        assert len(api.asked) == 3


def test_times_and_scores_are_read_in_the_units_of_the_api(tmp_path: Path) -> None:
    fields = {
        "id": "uid",
        "created_at": {"path": "since", "format": "epoch_ms"},
        "updated_at": {"path": "changed", "format": "%d.%m.%Y %H:%M", "timezone": "Europe/Berlin"},
        "engagement_score": {"path": "score", "out_of": 1},
    }
    record = {"uid": 1, "since": 1_767_225_600_000, "changed": "01.07.2026 12:00", "score": 0.75}
    mapping = mapping_file(tmp_path, fields=fields, records="users", paging={"kind": "none"})
    with LayoutService(
        layouts.at_once, [record, record | {"uid": 2, "since": "soon", "score": 7}]
    ) as api:
        fetched = fetch_customers(api.settings(tmp_path, mapping))
    first, second = fetched.customers
    assert (first.created_instant, first.created_at) == (
        datetime(2026, 1, 1, tzinfo=UTC),
        "1767225600000",
    )
    assert first.updated_instant == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert (first.engagement_score, second.engagement_score, second.created_instant) == (
        75,
        None,
        None,
    )


NO_PAGES = {"records": "users", "paging": {"kind": "none"}}


@pytest.mark.parametrize(
    ("result", "records", "sentence"),
    [
        (
            {"fields": {"id": "uid", "city": "town"}},
            nested("a", "b"),
            (
                "does not fit the mapping own: no record has `town`, which is the field city and "
                "expected to be a text; "
            ),
        ),
        (
            {"fields": {"id": "udi"}},
            nested("a"),
            (
                r"no record has `udi` \(did you mean 'uid'\?\), which is the field id and expected "
                r"to be a text or a whole"
            ),
        ),
        (
            {"fields": {"id": "uid"}, "id_type": "number"},
            nested("a", "b"),
            (
                "in every record `uid`, the field id, is a text, expected a whole number from 0; "
                "correct"
            ),
        ),
        (
            {"fields": {"id": "uid"}, "id_type": "text"},
            nested(1, 2),
            "in every record `uid`, the field id, is a number, expected a text; correct",
        ),
        (
            {"fields": {"id": "uid", "city": "contact"}},
            nested("a"),
            "in every record `contact`, the field city, is an object, expected a text; correct",
        ),
        (
            {"fields": {"id": "uid"}, "other_fields": "refuse", "ignore_fields": ["addresses"]},
            nested("a"),
            (
                "records have `contact`, which the mapping does not name; expected are addresses, "
                "uid, so name it under"
            ),
        ),
        (
            {"fields": {"id": "uid"}, "records": "data"},
            nested("a"),
            "`data` is missing, expected the list of custom",
        ),
        (
            {"fields": {"id": "uid"}, "records": "."},
            nested("a"),
            "the answer itself is an object, expected the list",
        ),
    ],
)
def test_a_layout_that_no_record_has_is_refused_by_mapping_field_and_what_was_expected(
    tmp_path: Path, result: dict[str, Any], records: list[Any], sentence: str
) -> None:
    mapping = mapping_file(tmp_path, **(NO_PAGES | result))
    with (
        LayoutService(layouts.at_once, records) as api,
        pytest.raises(SourceError, match=f"^Page 1 of the customer API at .*{sentence}"),
    ):
        fetch_customers(api.settings(tmp_path, mapping))


def test_one_record_that_differs_is_set_aside_and_the_others_come(tmp_path: Path) -> None:
    records = [*nested("a", "b"), {"uid": ["c"], "contact": {"email": 5}}, {"contact": {}}]
    mapping = mapping_file(tmp_path, fields=FIELDS, **NO_PAGES)
    with LayoutService(layouts.at_once, records) as api:
        fetched = fetch_customers(api.settings(tmp_path, mapping))
    assert [customer.id for customer in fetched.customers] == ["a", "b"]
    assert [(record.position, record.reason) for record in fetched.quarantined] == [
        (3, "id: it is not a text or a whole number from 0"),
        (4, "id: it is missing"),
    ]


def test_one_customer_whose_id_is_a_number_here_and_a_text_there_is_one(tmp_path: Path) -> None:
    mapping = mapping_file(tmp_path, fields={"id": "uid"}, **NO_PAGES)
    with LayoutService(layouts.at_once, nested(7, "7", "07", 0)) as api:
        fetched = fetch_customers(api.settings(tmp_path, mapping))
    assert [customer.id for customer in fetched.customers] == ["7", "07", "0"]
    assert fetched.duplicate_count == 1


def test_the_example_of_the_documentation_works(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "mappings.md").read_text(encoding="utf-8")
    blocks = [block.split("\n", 1) for block in page.split("```")[1::2]]
    [example] = [
        body for kind, body in blocks if kind == "yaml" and body.startswith("name: my_shop")
    ]
    [answer] = [json.loads(body) for kind, body in blocks if kind == "json" and '"uid"' in body]
    (tmp_path / "my_shop.yaml").write_text(example)

    def first_and_last(request: ServiceRequest, _records: list[Any]) -> ServiceResponse:
        return ServiceResponse.json(
            answer if "after" not in request.query else answer | {"customers": [], "next": None}
        )

    with LayoutService(first_and_last, []) as api:
        settings = api.settings(tmp_path, tmp_path / "my_shop.yaml")
        (zoe,) = fetch_customers(settings).customers
    assert (zoe.id, zoe.first_name, zoe.last_name, zoe.email) == (
        "0b7c1f6e-1",
        "Zoe",
        "Doe",
        "zoe@example.com",
    )
    assert zoe.created_instant == datetime(2025, 1, 1, tzinfo=UTC)
    assert {request.headers["authorization"] for request in api.asked} == {"Bearer k3y"}
    assert [request.query for request in api.asked][1::2] == [{"after": "0b7c1f6e-1"}]
    assert customer_rule(settings).expected_fields == (
        "email",
        "first_name",
        "last_name",
        "created_at",
    )


URL = "https://api.example.com/customers"


def test_the_shipped_mappings_are_those_that_the_pages_name() -> None:
    of_apis, of_files = (
        {"customers", "reqres"},
        {"hubspot", "shopify", "shopify_ids", "woocommerce"},
    )
    assert set(shipped_in(FOLDER)) == of_apis | of_files
    assert load_customer_mapping("customers").expected_fields == SCORED_FIELDS
    assert load_customer_mapping("reqres").expected_fields == ("email", "first_name", "last_name")


def test_the_score_expects_what_the_mapping_that_is_set_has(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "{paging: {kind: none}, fields: {id: id, country: land, email: mail, region: land}}"
    )
    for mapping, expected in (
        ("reqres", ("email", "first_name", "last_name")),
        (str(own), ("email", "country")),
        ("customers", SCORED_FIELDS),
    ):
        settings = Settings(home=tmp_path, customer_api_url=URL, customer_api_mapping=mapping)
        assert customer_rule(settings).expected_fields == expected
    sandbox = Settings(home=tmp_path, customer_api_mapping="reqres")
    assert customer_rule(sandbox).expected_fields == SCORED_FIELDS, (
        "the sandbox's API is the native one"
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"fields": {"idd": "id"}}, "unknown key 'idd' under `fields` (did you mean 'id'?)"),
        ({"fields": {"email": "mail"}}, "`fields.id` is missing"),
        ({"fields": {"id": 5}}, "`fields.id`"),
        (
            {"fields": {"id": {"pth": "id"}}},
            "unknown key 'pth' under `fields.id` (did you mean 'path'?)",
        ),
        (
            {"fields": {"id": "id", "created_at": {"path": "since", "format": "unix"}}},
            (
                "`fields.created_at.format`: 'unix' is neither one of iso, epoch_s, epoch_ms, "
                "epoch_us, epoch_ns nor a strptime"
            ),
        ),
        (
            {"fields": {"id": "id", "updated_at": {"path": "x", "timezone": "Berlin"}}},
            "`fields.updated_at.timezone`: 'Berlin' is not a time zone",
        ),
        (
            {"paging": {"kind": "pages"}},
            "`paging`: Input tag 'pages' found using 'kind' does not match any of the",
        ),
        (
            {"paging": {"kind": "page", "totl": "n"}},
            "unknown key 'totl' under `paging.page` (did you mean 'total'?)",
        ),
        ({"paging": {"kind": "cursor"}}, "`paging.cursor.cursor` is missing"),
        ({"id_type": "uuid"}, "`id_type`: Input should be 'any', 'number' or 'text'"),
        (
            {"expected": ["phone"]},
            "`expected`: 'phone' is not a field of the quality score; these are email, first_",
        ),
        (
            {"expected": ["email"]},
            "'email' is expected for the quality score, but `fields` does not say where it is",
        ),
        ({"record": "data"}, "unknown key 'record' (did you mean 'records'?)"),
        ({"key": {"header": "X Y"}}, "`key.header`: String should match pattern"),
    ],
)
def test_a_mapping_that_is_wrong_is_refused_with_why(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(json.dumps({"paging": {"kind": "none"}, "fields": {"id": "id"}} | change))
    with pytest.raises(MappingError) as refused:
        load_customer_mapping(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert sentence in str(refused.value)
    assert str(refused.value).endswith("; see docs/mappings.md")


def test_a_name_that_is_not_shipped_is_refused() -> None:
    with pytest.raises(
        MappingError,
        match=r"there is no mapping 'reqre' \(did you mean 'reqres'\?\); shipped are cust",
    ):
        load_customer_mapping("reqre")


@each(
    "path, actual",
    [
        ("a", {"b": [1, {"c": None}]}),
        ("a.b.0", 1),
        ("a.b.-1.c", None),
        ("a.b.2", MISSING),
        ("a.x", MISSING),
        ("a.b.c", MISSING),
        ("x.y", MISSING),
    ],
)
def test_a_path_leads_through_objects_and_lists(path: str, actual: object) -> None:
    assert (
        value_at({"a": {"b": [1, {"c": None}]}}, path) == actual
        or value_at({"a": {"b": [1, {"c": None}]}}, path) is actual
    )
