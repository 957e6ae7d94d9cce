"""What is kept of the customer API's answers on disk: only what was whole, and never the key."""

import logging
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from requests_cache.backends.sqlite import SQLiteDict

from ecom_assets.errors import SettingError, SourceError
from ecom_assets.http import response_cache as http_cache
from ecom_assets.sandbox.services.customers import CustomerService
from ecom_assets.sandbox.services.service import Faults
from ecom_assets.sources.customer_api.api import fetch_customers
from ecom_assets_tests.services import SIX, customers_fetched, ids_of, people, settings_for

# What is kept on disk


def test_a_second_fetch_receives_only_what_has_changed(customer_api: CustomerService, tmp_path: Path) -> None:
    customers_fetched(customer_api, tmp_path)
    again = customers_fetched(customer_api, tmp_path)
    assert (ids_of(again), again.costs.unchanged_count, again.costs.received_bytes) == ([*SIX], 6, 0)
    customer_api.records = [*people(1, 2, 3, 4, 5), {**people(6)[0], "city": "Bonn"}]
    changed = customers_fetched(customer_api, tmp_path)
    assert (changed.costs.unchanged_count, changed.customers[-1].city) == (5, "Bonn")


def test_half_an_answer_is_never_kept(customer_api: CustomerService, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not JSON to its end"):
        customers_fetched(customer_api, tmp_path, Faults(unfinished=4))
    again = customers_fetched(customer_api, tmp_path)
    assert (ids_of(again), again.costs.unchanged_count) == ([*SIX], 3)


def test_a_damaged_cache_is_rebuilt(customer_api: CustomerService, tmp_path: Path) -> None:
    customers_fetched(customer_api, tmp_path)
    kept = tmp_path / "http_cache" / "customer_api.sqlite"
    for file in kept.parent.iterdir():
        file.write_bytes(b"no database " * 1000)
    assert (ids_of(customers_fetched(customer_api, tmp_path)), ids_of(customers_fetched(customer_api, tmp_path))) == (
        [*SIX],
        [*SIX],
    )
    assert kept.parent.stat().st_mode & 0o077 == 0


def test_answers_live_a_month(customer_api: CustomerService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert timedelta(days=30) == http_cache.KEPT
    customers_fetched(customer_api, tmp_path)
    monkeypatch.setattr(http_cache, "KEPT", timedelta(microseconds=1))
    again = customers_fetched(customer_api, tmp_path)
    assert again.costs.unchanged_count == 3  # those of the second pass; without the month over it is all six


def test_a_cache_that_fails_costs_time_and_not_the_fetch(
    customer_api: CustomerService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(SQLiteDict, "__getitem__", fails)
    monkeypatch.setattr(SQLiteDict, "__setitem__", fails)
    fetched = customers_fetched(customer_api, tmp_path)
    assert (ids_of(fetched), fetched.costs.unchanged_count) == ([*SIX], 0)
    assert "cannot be written (database or disk is full); going on without" in caplog.text


def test_a_place_that_cannot_be_written_is_reported(customer_api: CustomerService, tmp_path: Path) -> None:
    (tmp_path / "http_cache").write_text("a file where a folder should be")
    with pytest.raises(SettingError, match=r"customer_api\.sqlite cannot be written .* set ECOM_HOME to another"):
        customers_fetched(customer_api, tmp_path)


def test_the_key_is_nowhere(customer_api: CustomerService, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
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
