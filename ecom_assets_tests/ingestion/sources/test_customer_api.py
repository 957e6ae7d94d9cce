"""Customers over real sockets: faults are retried or reported in a sentence,
and only whole answers are kept.

The API is the sandbox's stand-in; six customers are on three pages.
"""

import logging
import sqlite3
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from requests_cache.backends.sqlite import SQLiteDict

from ecom_assets.core.errors import SettingError, SourceError
from ecom_assets.core.http import response_cache as http_cache
from ecom_assets.core.http import session
from ecom_assets.ingestion.sources.customer_api.api import fetch_customers
from ecom_assets_tests.services import SIX, customers_fetched, ids_of, people, settings_for
from ecom_sandbox.services.pages import CustomerService
from ecom_sandbox.services.service import Faults, ServiceRequest, ServiceResponse

# A good day


def test_everybody_comes_once_in_the_order_of_pages(
    customer_api: CustomerService, tmp_path: Path
) -> None:
    fetched = customers_fetched(customer_api, tmp_path)
    assert (ids_of(fetched), fetched.total, fetched.is_settled, fetched.shortfall) == (
        [*SIX],
        6,
        True,
        "",
    )
    # Three pages with as many customers as they state, so nothing has shifted.
    assert fetched.metrics() | {"took_s": 0, "received_bytes": 0} == {
        "request_count": 3,
        "retry_counts": {},
        "rate_limit_wait_s": 0.0,
        "received_bytes": 0,
        "unchanged_count": 0,
        "took_s": 0,
        "pass_count": 1,
        "is_settled": True,
        "unsettled_count": 0,
        "record_count": 6,
        "customer_count": 6,
        "duplicate_count": 0,
        "conflict_count": 0,
        "quarantined_count": 0,
    }
    assert fetched.costs.received_bytes > 6 * len('{"id":1}')


def test_no_customers_are_an_answer_too(customer_api: CustomerService, tmp_path: Path) -> None:
    customer_api.records = []
    fetched = customers_fetched(customer_api, tmp_path)
    assert (ids_of(fetched), fetched.total, fetched.is_settled) == ([], 0, True)


def test_as_many_requests_are_under_way_as_allowed_and_no_more(
    customer_api: CustomerService, tmp_path: Path
) -> None:
    customer_api.records = people(*range(1, 41))
    customers_fetched(customer_api, tmp_path, Faults(latency_s=0.05), source_concurrency=4)
    assert customer_api.counts.most_at_once == 4


# What is retried: each request has three more attempts, and the same customers come


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (Faults(server_errors=3), "server_error"),
        (Faults(dropped=3), "dropped"),
        (Faults(truncated=3), "truncated"),
        (Faults(unfinished=3), "truncated"),
        (Faults(rate_limited=3, retry_after=""), "rate_limited"),
        (Faults(rate_limited=3, retry_after="soon"), "rate_limited"),
    ],
    ids=[
        "server_error",
        "dropped",
        "shorter than announced",
        "unannounced end",
        "429",
        "429 with nonsense",
    ],
)
def test_three_failures_are_survived(
    customer_api: CustomerService, tmp_path: Path, fault: Faults, cause: str
) -> None:
    fetched = customers_fetched(customer_api, tmp_path, fault)
    assert ids_of(fetched) == [*SIX]
    assert (fetched.costs.retry_counts, fetched.costs.request_count) == ({cause: 3}, 3 + 3)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (
            Faults(server_errors=4),
            r"The customer API at \S+/api/customers answers 500 each time it was asked; run again",
        ),
        (
            Faults(dropped=4),
            (
                r"The customer API at \S+ does not answer \(ConnectionError\); see that it runs "
                r"and ECOM_CUS"
            ),
        ),
        (
            Faults(truncated=4),
            (
                r"The customer API at \S+ broke off its answer each time it was asked; run again "
                r"later\."
            ),
        ),
        (
            Faults(unfinished=4),
            (
                r"The customer API at \S+ answers with something that is not JSON to its end; see "
                r"that EC"
            ),
        ),
        (
            Faults(rate_limited=4, retry_after=""),
            r"The customer API at \S+ answers 429 each time it was asked; run aga",
        ),
    ],
)
def test_the_fourth_failure_is_reported(
    customer_api: CustomerService, tmp_path: Path, fault: Faults, sentence: str
) -> None:
    with pytest.raises(SourceError, match=f"^{sentence}"):
        customers_fetched(customer_api, tmp_path, fault)
    assert customer_api.counts.request_count == 4


def test_waits_double_from_the_base(customer_api: CustomerService, tmp_path: Path) -> None:
    fetched = customers_fetched(
        customer_api, tmp_path, Faults(server_errors=3), source_retry_base_s=0.1
    )
    assert fetched.took_s >= 0.7  # 0.1 + 0.2 + 0.4


def test_a_silent_api_is_not_waited_for(customer_api: CustomerService, tmp_path: Path) -> None:
    with pytest.raises(
        SourceError, match=r"does not answer within the \S+ s of ECOM_SOURCE_READ_TIMEOUT_S"
    ):
        customers_fetched(customer_api, tmp_path, Faults(latency_s=0.3), source_read_timeout_s=0.05)
    assert customer_api.counts.request_count == 4


def test_an_api_that_is_not_there_is_reported(
    customer_api: CustomerService, tmp_path: Path
) -> None:
    customer_api.stop()
    with pytest.raises(
        SourceError, match=r"does not answer .* see that it runs and ECOM_CUSTOMER_API_URL is right"
    ):
        customers_fetched(customer_api, tmp_path)


# Rate limits


@pytest.mark.slow
@pytest.mark.parametrize("result", ["1", "date"])
def test_retry_after_pauses_every_thread_once(tmp_path: Path, result: str) -> None:
    class Limited(CustomerService):
        """After the first page, the next five requests are too many."""

        def answer(self, request: ServiceRequest) -> ServiceResponse:
            if self.counts.request_count == 1:
                self.faults = Faults(rate_limited=5, retry_after=result, latency_s=0.3)
            response = super().answer(request)
            if not self.faults.rate_limited:
                self.faults = Faults()
            return response

    with Limited(people(*range(1, 41))) as limited:
        fetched = customers_fetched(limited, tmp_path, source_concurrency=5)
    assert (len(fetched.customers), fetched.costs.retry_counts) == (40, {"rate_limited": 5})
    # Five times a second at the same time is one second; a date has no fractions, so it says up to
    # a second less. The latency is long enough that all five requests are on their way before the
    # first is refused, on a slow machine too.
    assert (0.9 if result == "1" else 0.01) <= fetched.costs.rate_limit_wait_s < 2
    assert fetched.costs.rate_limit_wait_s <= fetched.took_s


def test_more_patience_than_there_is_ends_at_once(
    customer_api: CustomerService, tmp_path: Path
) -> None:
    with pytest.raises(
        SourceError,
        match=r"429 \(too many requests\) and asks to wait 3600 s in all, more than the 300 s",
    ):
        customers_fetched(customer_api, tmp_path, Faults(rate_limited=1, retry_after="3600"))


def test_a_limit_with_retry_after_0_cannot_go_on_for_ever(
    customer_api: CustomerService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "MAX_WAIT_S", 0.1)
    with pytest.raises(SourceError, match="that a request waits; run again later"):
        customers_fetched(customer_api, tmp_path, Faults(rate_limited=1000, retry_after="0"))
    assert customer_api.counts.request_count == 11  # ten times 10 ms


def test_one_failure_ends_the_waits_of_the_others(tmp_path: Path) -> None:
    class Broken(CustomerService):
        """Page 2 is to be asked for again in a minute; page 3, asked for at the same time,
        is gone for good.
        """

        def answer(self, request: ServiceRequest) -> ServiceResponse:
            if request.query["page"] == "2":
                threading.Event().wait(0.3)
                return ServiceResponse.json({}, 429, **{"Retry-After": "60"})
            if request.query["page"] == "3":
                threading.Event().wait(0.6)
                return ServiceResponse.json({}, 410)
            return super().answer(request)

    with (
        Broken(people(*SIX)) as broken,
        pytest.raises(SourceError, match="answers 410; run again later"),
    ):
        customers_fetched(broken, tmp_path)
    assert broken.counts.request_count == 3


# What is not retried


@pytest.mark.parametrize(("key", "status"), [("", 401), ("wrong", 403)])
def test_a_refused_key_names_its_setting(
    customer_api: CustomerService, tmp_path: Path, key: str, status: int
) -> None:
    with pytest.raises(
        SourceError, match=f"answers {status}: it does not take the key; set ECOM_CUSTOMER_API_KEY"
    ):
        customers_fetched(customer_api, tmp_path, customer_api_key=key)
    assert customer_api.counts.request_count == 1


def test_an_address_with_nothing_behind_it_names_its_setting(
    customer_api: CustomerService, tmp_path: Path
) -> None:
    with pytest.raises(
        SourceError,
        match="answers 404: there is nothing at that address; correct ECOM_CUSTOMER_API_U",
    ):
        customers_fetched(
            customer_api, tmp_path, customer_api_url=f"{customer_api.url}/api/clients"
        )
    assert customer_api.counts.request_count == 1


def test_settings_that_are_missing_or_unusable_are_reported() -> None:
    with pytest.raises(SettingError, match="ECOM_CUSTOMER_API_URL is not set"):
        fetch_customers(settings_for(Path()))
    with pytest.raises(
        SettingError, match="ECOM_CUSTOMER_API_KEY holds characters that no HTTP header can hold"
    ) as answer:
        fetch_customers(
            settings_for(Path(), customer_api_url="http://127.0.0.1:1", customer_api_key="sec\nret")
        )
    assert "ret" not in str(answer.value).replace("retry", "")


# Answers that are no pages


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            {"data": []},
            (
                r".* `page` is missing, expected a whole number from 0 to \d+; correct "
                r"ECOM_CUSTOMER_API_URL, or"
            ),
        ),
        (
            [],
            (
                r"Page 1 of the customer API at \S+ does not fit the mapping customers: `data` is "
                r"missing, expected"
            ),
        ),
        (
            {"page": 2, "total": 0, "total_pages": 0, "data": []},
            (
                r"Page 1 of the customer API at .*: it was asked for as page 1 and says that it is "
                r"page 2; cor"
            ),
        ),
        (
            {"page": 1, "total": 1, "total_pages": 10**9, "data": []},
            r"Page 1 .* `total_pages` is a number, expected a whole number from 0 to 1000000; ",
        ),
    ],
)
def test_an_answer_that_is_no_page_is_reported(tmp_path: Path, body: object, sentence: str) -> None:

    class Other(CustomerService):
        def answer(self, request: ServiceRequest) -> ServiceResponse:  # noqa: ARG002 (whatever is asked)
            return ServiceResponse.json(body)

    with Other([]) as other, pytest.raises(SourceError, match=f"^{sentence}"):
        customers_fetched(other, tmp_path)


def test_a_redirect_is_not_followed_with_the_key(tmp_path: Path) -> None:

    class Moved(CustomerService):
        def answer(self, request: ServiceRequest) -> ServiceResponse:  # noqa: ARG002 (whatever is asked)
            return ServiceResponse(302, headers={"Location": f"{elsewhere.api_url}?token=abc"})

    with CustomerService(people(1)) as elsewhere, Moved([]) as moved:
        with pytest.raises(
            SourceError, match=rf"answers 302, a redirect to {elsewhere.api_url}; set ECOM_CUSTOMER"
        ):
            customers_fetched(moved, tmp_path)
        assert elsewhere.counts.request_count == 0


# What is kept on disk


def test_a_second_fetch_receives_only_what_has_changed(
    customer_api: CustomerService, tmp_path: Path
) -> None:
    customers_fetched(customer_api, tmp_path)
    again = customers_fetched(customer_api, tmp_path)
    assert (ids_of(again), again.costs.unchanged_count, again.costs.received_bytes) == (
        [*SIX],
        3,
        0,
    )
    customer_api.records = [*people(1, 2, 3, 4, 5), {**people(6)[0], "city": "Bonn"}]
    changed = customers_fetched(customer_api, tmp_path)
    assert (changed.costs.unchanged_count, changed.customers[-1].city) == (2, "Bonn")


def test_half_an_answer_is_never_kept(customer_api: CustomerService, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not JSON to its end"):
        customers_fetched(customer_api, tmp_path, Faults(unfinished=4))
    again = customers_fetched(customer_api, tmp_path)
    assert (ids_of(again), again.costs.unchanged_count) == ([*SIX], 0)


def test_a_damaged_cache_is_rebuilt(customer_api: CustomerService, tmp_path: Path) -> None:
    customers_fetched(customer_api, tmp_path)
    kept = tmp_path / "http_cache" / "customer_api.sqlite"
    for file in kept.parent.iterdir():
        file.write_bytes(b"no database " * 1000)
    assert (
        ids_of(customers_fetched(customer_api, tmp_path)),
        ids_of(customers_fetched(customer_api, tmp_path)),
    ) == (
        [*SIX],
        [*SIX],
    )
    assert kept.parent.stat().st_mode & 0o077 == 0


def test_answers_live_a_month(
    customer_api: CustomerService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert timedelta(days=30) == http_cache.KEPT
    customers_fetched(customer_api, tmp_path)
    monkeypatch.setattr(http_cache, "KEPT", timedelta(microseconds=1))
    again = customers_fetched(customer_api, tmp_path)
    assert again.costs.unchanged_count == 0  # without the month over it is all three


def test_a_cache_that_fails_costs_time_and_not_the_fetch(
    customer_api: CustomerService,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(SQLiteDict, "__getitem__", fails)
    monkeypatch.setattr(SQLiteDict, "__setitem__", fails)
    fetched = customers_fetched(customer_api, tmp_path)
    assert (ids_of(fetched), fetched.costs.unchanged_count) == ([*SIX], 0)
    assert "cannot be written (database or disk is full); going on without" in caplog.text


def test_a_place_that_cannot_be_written_is_reported(
    customer_api: CustomerService, tmp_path: Path
) -> None:
    (tmp_path / "http_cache").write_text("a file where a folder should be")
    with pytest.raises(
        SettingError, match=r"customer_api\.sqlite cannot be written .* set ECOM_HOME to another"
    ):
        customers_fetched(customer_api, tmp_path)


def test_the_key_is_nowhere(
    customer_api: CustomerService, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = settings_for(tmp_path, customer_api, customer_api_page_size=2)
    customer_api.faults = Faults(server_errors=1, rate_limited=1, retry_after="0")
    fetched = fetch_customers(settings)
    customer_api.faults = Faults(server_errors=4)
    with pytest.raises(SourceError) as answer:
        fetch_customers(settings)
    files = b"".join(file.read_bytes() for file in (tmp_path / "http_cache").iterdir())
    assert b"N6" in files
    seen = [
        caplog.text,
        repr(fetched),
        repr(settings),
        str(fetched.metrics()),
        str(answer.value),
        repr(answer.value.__cause__),
    ]
    assert "server_error" in caplog.text
    assert [text for text in (*seen, files.decode("latin-1")) if customer_api.key in text] == []


@pytest.mark.parametrize(
    ("says", "expected"), [(True, True), (False, False), (1, True), ("unsubscribed", False)]
)
def test_consent_is_true_or_false_or_a_word_for_it(
    tmp_path: Path, says: object, *, expected: bool
) -> None:
    """All records have it in the same way, as an API gives it."""
    customers = [{**person, "has_email_consent": says} for person in people(*SIX)]
    with CustomerService(customers) as api:
        fetched = customers_fetched(api, tmp_path)
    assert [customer.has_email_consent for customer in fetched.customers] == [expected] * 6
