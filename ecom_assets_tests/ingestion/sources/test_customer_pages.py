"""Customers on pages that shift while they are read; copies, conflicts and records that are none.

The API is the sandbox's stand-in; six customers are on three pages.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.ingestion.sources.customer_api.api import fetch_customers
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.services import SIX, customers_fetched, ids_of, people, settings_for
from ecom_sandbox.services.pages import CustomerService
from ecom_sandbox.services.service import Faults, ServiceRequest, ServiceResponse

# Shifting pages


def test_who_crosses_the_edge_of_a_page_is_found_by_another_pass(
    customer_api: CustomerService, tmp_path: Path
) -> None:
    # After page 1 (1, 2) is read, 1 moves to the end: page 2 is now (4, 5), page 3 (6, 1), and 3
    # was on neither.
    fetched = customers_fetched(
        customer_api, tmp_path, Faults(shift_every=1, shift_count=1), source_concurrency=1
    )
    assert (sorted(ids_of(fetched)), fetched.is_settled, fetched.pass_count) == ([*SIX], True, 2)


def test_pages_that_never_rest_are_reported_and_nobody_is_lost(
    customer_api: CustomerService, tmp_path: Path
) -> None:
    restless = Faults(shift_every=2, shift_count=1000)
    fetched = customers_fetched(
        customer_api, tmp_path, restless, source_concurrency=1, customer_api_passes=4
    )
    assert (sorted(ids_of(fetched)), fetched.is_settled, fetched.pass_count) == ([*SIX], False, 4)
    assert re.match(
        r"After 4 passes over the customer API's pages no two in a row agreed: \d customers were "
        r"in some passes only \(all are taken\), 6 were found, and the API says 6; fetch "
        r"at a quieter hour",
        fetched.shortfall,
    )


def test_a_page_that_stays_empty_is_reported_with_what_the_api_says(tmp_path: Path) -> None:
    class Hollow(CustomerService):
        def answer(self, request: ServiceRequest) -> ServiceResponse:
            result = super().answer(request)
            if request.query["page"] != "2":
                return result
            return ServiceResponse.json(json.loads(result.body) | {"data": []})

    with Hollow(people(*SIX)) as hollow:
        fetched = customers_fetched(hollow, tmp_path, customer_api_passes=3)
    assert fetched.shortfall == (
        "All 3 passes over the customer API's pages found the same 4 customers, and the API says "
        "6; see whether a page is empty or leaves records out."
    )


def test_customers_who_join_meanwhile_come_too(tmp_path: Path) -> None:
    class Growing(CustomerService):
        def answer(self, request: ServiceRequest) -> ServiceResponse:
            result = super().answer(request)
            if request.query["page"] == "2" and len(self.records) < 10:
                self.records = [*people(7, 8, 9, 10), *self.records]
            return result

    with Growing(people(*SIX)) as growing:
        assert sorted(ids_of(customers_fetched(growing, tmp_path, source_concurrency=1))) == [
            *range(1, 11)
        ]


def test_two_passes_that_lose_the_same_customer_do_not_confirm_each_other(tmp_path: Path) -> None:
    # Read one by one, with a move after every second page: 1, 2, 1 and then 2, 1, 2. Nobody saw 3,
    # and both passes return the same total and the same two customers.
    with CustomerService(people(1, 2, 3)) as api:
        faults = Faults(shift_every=2, shift_count=2)
        fetched = customers_fetched(
            api, tmp_path, faults, customer_api_page_size=1, source_concurrency=1
        )
    assert (sorted(ids_of(fetched)), fetched.is_settled, fetched.pass_count) == ([1, 2, 3], True, 3)


def test_pages_with_as_many_customers_as_they_state_are_read_once(
    customer_api: CustomerService, tmp_path: Path
) -> None:
    """An id that is missing twice is two broken records, each of which the total counts."""
    customer_api.records = [*people(1, 2, 3, 4), {"city": "Ulm"}, {"city": "Bonn"}]
    fetched = customers_fetched(customer_api, tmp_path)
    assert (ids_of(fetched), len(fetched.quarantined)) == ([1, 2, 3, 4], 2)
    assert (fetched.is_settled, fetched.pass_count, fetched.shortfall) == (True, 1, "")


@given(
    count=st.integers(0, 15),
    copy_count=st.integers(0, 3),
    page_size=st.integers(1, 4),
    every=st.integers(1, 7),
    shifts=st.integers(0, 6),
    concurrency=st.integers(1, 4),
)
@examples(25)
def test_nobody_is_lost_however_pages_shift(  # noqa: PLR0913, PLR0917 (what is drawn)
    tmp_path_factory: pytest.TempPathFactory,
    count: int,
    copy_count: int,
    page_size: int,
    every: int,
    shifts: int,
    concurrency: int,
) -> None:
    everybody = [*range(1, count + 1)]
    copies = [
        {**person, "updated_at": "2025-01-01T00:00:00Z"}
        for person in people(*everybody[:copy_count])
    ]
    faults = Faults(shift_every=every, shift_count=shifts)
    with CustomerService([*people(*everybody), *copies], faults=faults) as api:
        # Six moves spoil six passes at most, and each may spoil the comparison with the one after
        # it.
        answer: dict[str, Any] = {
            "customer_api_page_size": page_size,
            "source_concurrency": concurrency,
        }
        home = tmp_path_factory.mktemp("home")
        fetched = fetch_customers(settings_for(home, api, customer_api_passes=20, **answer))
    assert (sorted(ids_of(fetched)), fetched.is_settled) == (everybody, True)


# Copies, conflicts, records that are none


def test_the_latest_copy_of_a_customer_counts(
    customer_api: CustomerService, tmp_path: Path
) -> None:
    newer = {
        **people(1)[0],
        "city": "Bonn",
        "updated_at": "2026-01-01T01:30:00+01:00",
    }  # half past midnight UTC
    older = {**people(2)[0], "city": "Kiel", "updated_at": "2025-12-31T23:59:59Z"}
    undated = {**people(3)[0], "city": "Ulm", "updated_at": "sometime"}
    customer_api.records = [*people(*SIX), newer, older, undated]
    fetched = customers_fetched(customer_api, tmp_path)
    cities = {customer.id: customer.city for customer in fetched.customers}
    assert ids_of(fetched) == [*SIX]
    assert (cities["1"], cities["2"], cities["3"]) == ("Bonn", "Berlin", "Berlin")
    assert (fetched.record_count, fetched.duplicate_count, fetched.conflicts) == (9, 3, ())


def test_different_copies_of_one_time_conflict_in_any_order(
    customer_api: CustomerService, tmp_path: Path
) -> None:
    other = {**people(4)[0], "city": "Bonn"}
    same = people(5)[0]
    chosen = set()
    for records in ([*people(*SIX), other, same], [same, other, *people(*SIX)]):
        customer_api.records = records
        fetched = customers_fetched(customer_api, tmp_path)
        (conflict,) = fetched.conflicts
        (winner,) = [customer for customer in fetched.customers if customer.id == "4"]
        assert (conflict.id, conflict.payloads[0], len(conflict.payloads)) == (
            "4",
            winner.payload,
            2,
        )
        assert "Bonn" not in repr(fetched) + repr(conflict)
        chosen.add(winner.city)
    assert chosen == {"Bonn"}  # "Bonn" sorts after "Berlin"


def test_a_bad_record_is_set_aside_and_its_page_comes(
    customer_api: CustomerService, tmp_path: Path
) -> None:
    bad: list[Any] = [
        {"email": "nobody@example.com"},
        {"id": "null"},
        {"id": True},
        {"id": 7.5},
        {"id": 8, "first_name": 42},
        {"id": 9, "last_name": "NUL\0"},
        {"id": 10, "city": "\ud800"},
    ]
    customer_api.records = [people(1)[0], *bad, people(2)[0]]
    fetched = customers_fetched(customer_api, tmp_path, customer_api_page_size=9)
    assert ids_of(fetched) == [1, 2]
    reasons = {record.position: record.reason for record in fetched.quarantined}
    assert reasons == {
        2: "id: it is missing",
        3: "id: it stands for nobody",
        4: "id: it is not a text or a whole number from 0",
        5: "id: it is not a text or a whole number from 0",
        6: "first_name: Input should be a valid string",
        7: "last_name: Value error, holds a character that no table can hold",
        8: "city: Value error, holds a character that no table can hold",
    }
    assert fetched.quarantined[0].payload == '{"email":"nobody@example.com"}'
    assert "nobody" not in repr(fetched)


def test_faults_of_every_kind_change_nothing_about_customers(
    customer_api: CustomerService, tmp_path: Path
) -> None:
    customer_api.records = people(*range(1, 101))
    faults = Faults(
        every=3,
        retry_after="0",
        shift_every=7,
        shift_count=3,
        duplicated_pages=2,
        conflicting_pages=1,
        malformed_pages=3,
    )
    # One request at a time, so that the same ones fail in each run: a response without a body
    # cannot be cut.
    options = {"customer_api_page_size": 10, "customer_api_passes": 10, "source_concurrency": 1}
    fetched = customers_fetched(customer_api, tmp_path, faults, **options)
    assert (sorted(ids_of(fetched)), fetched.is_settled) == ([*range(1, 101)], True)
    assert (len(fetched.quarantined), len(fetched.conflicts)) == (3, 1)
    # 100 customers, 2 older copies, 1 conflicting one, 3 that are none.
    assert (fetched.record_count, fetched.duplicate_count) == (106, 3)
    assert {"rate_limited", "server_error", "dropped", "truncated"} == set(
        fetched.costs.retry_counts
    )
