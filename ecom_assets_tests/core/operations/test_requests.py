"""Requests to runs: made twice they are one, and a run takes those whose days it covers."""

import json
from datetime import date
from pathlib import Path

import pytest

from ecom_assets.core.operations.requests import RELEASE, RETRY, Requests
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.command import ecom

MONDAY, TUESDAY, WEDNESDAY = (date(2026, 3, day) for day in (9, 10, 11))


@pytest.fixture
def requests(tmp_path: Path) -> Requests:
    return Requests(tmp_path)


def test_without_a_file_nobody_has_asked_and_looking_makes_none(
    requests: Requests, tmp_path: Path
) -> None:
    assert (requests.waiting(), requests.newest()) == ([], [])
    requests.take([])
    assert list(tmp_path.iterdir()) == []


def test_asking_twice_is_one_request_asked_twice(requests: Requests) -> None:
    first = requests.make(RELEASE, "orders", (MONDAY, MONDAY), "key:1")
    again = requests.make(RELEASE, "orders", (MONDAY, MONDAY), "key:2")
    assert (first.number, again.number, again.attempt, again.asked_by) == (1, 1, 2, "key:1")
    assert [request.number for request in requests.waiting(RELEASE, "orders")] == [1]
    assert requests.waiting(RETRY) == []


def test_a_request_is_taken_once_and_can_be_made_again(requests: Requests) -> None:
    request = requests.make(RETRY, "heap_events", (MONDAY, TUESDAY), "key:1")
    requests.take([request], "run-1")
    requests.take([request], "run-2")
    [taken] = requests.newest()
    assert (taken.run_id, taken.taken_at is not None, requests.waiting()) == ("run-1", True, [])
    assert requests.make(RETRY, "heap_events", (MONDAY, TUESDAY), "key:1").number == 2


@pytest.mark.parametrize(
    ("first", "last", "is_within"),
    [
        (MONDAY, TUESDAY, True),
        (MONDAY, WEDNESDAY, True),
        (TUESDAY, WEDNESDAY, False),
        (MONDAY, MONDAY, False),
    ],
)
def test_a_run_covers_a_request_if_it_is_over_all_of_its_days(
    requests: Requests,
    first: date,
    last: date,
    is_within: bool,  # noqa: FBT001 (a parameter of the test)
) -> None:
    request = requests.make(RETRY, "heap_events", (MONDAY, TUESDAY), "key:1")
    assert request.is_within(Days.from_dates([*Days.between(first, last).dates, last])) is is_within
    assert not request.is_within(Days(()))


@pytest.mark.parametrize(
    ("ledger", "shares"),
    [({}, False), ({"ECOM_LEDGER_URL": "postgres://shop@127.0.0.1:1/shop"}, True)],
)
def test_doctor_says_where_requests_are_and_for_whom(
    home: Path, ledger: dict[str, str], *, shares: bool
) -> None:
    answer = json.loads(ecom("doctor", "--json", home=home, env=ledger).out)
    (actual,) = (row for row in answer if row["subject"] == "requests")
    assert (actual["ok"], str(home / "operations.sqlite") in actual["found"]) == (True, True)
    assert ("must share this folder" in actual["found"]) is shares
