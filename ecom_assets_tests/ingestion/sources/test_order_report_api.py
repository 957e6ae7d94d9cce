"""Order reports over real sockets: each day's file lands whole or not at all,
whatever the service does.

The service is the sandbox's stand-in, over orders made up here. Not here: the stand-in itself
(`sandbox/`).
"""

import csv
import errno
import logging
import os
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecom_assets.core.errors import SettingError, SourceError
from ecom_assets.ingestion.sources.order_reports import api as order_api
from ecom_assets.ingestion.sources.order_reports.api import (
    OrderIncrement,
    count_rows,
    fetch_increments,
    land,
    metrics_of,
    path_of,
)
from ecom_assets_tests.command import real_file
from ecom_assets_tests.each import each
from ecom_assets_tests.services import settings_for
from ecom_sandbox.services.orders import OrderService
from ecom_sandbox.services.service import Faults, ServiceRequest, ServiceResponse

FIRST, SECOND, THIRD = date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)
HEADER = (
    b"id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,quantity,"
    b"payment_amount,status\r\n"
)


def order(number: int, day: date, **fields: Any) -> dict[str, Any]:
    """Return a row of a report: Ann buys one lamp for 19.90 at ten o'clock."""
    return {
        "id": number,
        "uniq_id": f"u{number}",
        "date_time": datetime(day.year, day.month, day.day, 10),  # noqa: DTZ001 (as in the file)
        "city_id": 1,
        "city_name": "Berlin",
        "customer_id": 1000001,
        "first_name": "Ann",
        "last_name": "Adler",
        "item_id": 1001,
        "item_name": 'Lamp, "big"',
        "quantity": 1,
        "payment_amount": Decimal("19.90"),
        "status": "shipped",
    } | fields


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """Three orders on the first day, one on the second, none on the third."""
    rows = [
        order(1, FIRST),
        order(2, FIRST),
        order(3, FIRST, item_name="Two\nlines"),
        order(4, SECOND),
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "orders.parquet")
    return tmp_path / "orders.parquet"


@pytest.fixture
def api(orders: Path) -> Iterator[OrderService]:
    """The service over these orders."""
    with OrderService(orders) as service:
        yield service


def fetch(
    api: OrderService, home: Path, *days: date, faults: Faults | None = None, **settings: Any
) -> list[OrderIncrement]:
    api.faults = faults or Faults()
    return list(fetch_increments(settings_for(home, orders=api, **settings), days or (FIRST,)))


def landed(home: Path) -> list[str]:
    return sorted(
        str(path.relative_to(home))
        for path in (home / "order_reports").rglob("*")
        if path.is_file()
    )


# A good day


def test_each_day_lands_in_a_place_of_its_own_from_one_report(
    api: OrderService, tmp_path: Path
) -> None:
    first, second, third = increments = fetch(api, tmp_path, FIRST, SECOND, THIRD)
    assert [(run.row_count, run.increment_id) for run in (first, second, third)] == [
        (3, "increment-2026-01-01"),
        (1, "increment-2026-01-02"),
        (0, None),
    ]
    assert third.path is None
    assert landed(tmp_path) == [
        "order_reports/increment_date=2026-01-01/user_order_log_inc.csv",
        "order_reports/increment_date=2026-01-02/user_order_log_inc.csv",
    ]
    assert second.path is not None
    assert second.path.read_bytes() == HEADER + (
        b'4,u4,2026-01-02T10:00:00,1,Berlin,1000001,Ann,Adler,1001,"Lamp, '
        b'""big""",1,19.90,shipped\r\n'
    )
    assert first.path is not None
    with first.path.open(newline="", encoding="utf-8") as file:
        assert [row["item_name"] for row in csv.DictReader(file)] == [
            'Lamp, "big"',
            'Lamp, "big"',
            "Two\nlines",
        ]
    assert api.counts.by_path["/generate_report"] == 1
    assert metrics_of(increments) | {"took_s": 0, "received_bytes": 0} == {
        "report_id": "report-1",
        "increment_count": 2,
        "days_without_increment": str(THIRD),
        "row_count": 4,
        "byte_count": sum(len(path.read_bytes()) for path in (first.path, second.path)),
        "took_s": 0,
        # a report, a look at it, an increment for each of three days and a file for two of them
        "request_count": 7,
        "retry_counts": {},
        "rate_limit_wait_s": 0.0,
        "received_bytes": 0,
        "unchanged_count": 0,
    }


def test_a_second_run_of_a_day_lands_the_same_bytes(api: OrderService, tmp_path: Path) -> None:
    (first,), (again,) = fetch(api, tmp_path), fetch(api, tmp_path)
    assert (first.path, first.row_count, first.byte_count) == (
        again.path,
        again.row_count,
        again.byte_count,
    )


# The service's bad days


@pytest.mark.parametrize(
    "faults",
    [
        Faults(server_errors=3),
        Faults(dropped=3),
        Faults(truncated=3),
        Faults(unfinished=3),
        Faults(rate_limited=3, retry_after="0"),
        Faults(running_polls=5),
        Faults(failed_reports=1),
        Faults(empty_files=3),
        Faults(short_files=3),
        Faults(cut_files=3),
        Faults(every=2, retry_after="0"),
    ],
    ids=lambda faults: str(faults)[:40],
)
def test_what_passes_is_outlived(api: OrderService, tmp_path: Path, faults: Faults) -> None:
    assert [
        increment.row_count for increment in fetch(api, tmp_path, FIRST, SECOND, faults=faults)
    ] == [3, 1]


def test_a_report_that_fails_each_time_is_reported(api: OrderService, tmp_path: Path) -> None:
    with pytest.raises(
        SourceError,
        match=r"The order report API at \S+ failed to make a report, 2 times; run again la",
    ):
        fetch(api, tmp_path, faults=Faults(failed_reports=2))


def test_a_report_that_stays_running_is_not_waited_for_for_ever(
    api: OrderService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_api, "PATIENCE_S", 0.1)
    with pytest.raises(
        SourceError,
        match=(
            r"The report of task task-1 at \S+ is still RUNNING after the 0\.1 s "
            r"that it is waited for; run again later"
        ),
    ):
        fetch(api, tmp_path, faults=Faults(running_polls=1_000_000))
    assert 2 <= api.counts.by_path["/get_report"] <= 11


@pytest.mark.parametrize(
    ("faults", "sentence"),
    [
        (Faults(empty_files=4), "gives an empty file"),
        (Faults(short_files=4), "gives a file with 2 of 3 announced rows"),
        (Faults(cut_files=4), r"gives a file whose last line is cut \(\d+ bytes\)"),
    ],
)
def test_a_file_that_is_not_whole_is_reported_and_the_earlier_one_stays(
    api: OrderService, tmp_path: Path, faults: Faults, sentence: str
) -> None:
    (whole,) = fetch(api, tmp_path)
    assert whole.path is not None
    before = whole.path.read_bytes()
    with pytest.raises(
        SourceError,
        match=(
            r"^The order report API's file of 2026-01-01 at \S+/user_order_log_inc\.csv "
            rf"{sentence}; see that the address in its answer is right, or run again later"
        ),
    ):
        fetch(api, tmp_path, faults=faults)
    assert whole.path.read_bytes() == before
    assert landed(tmp_path) == ["order_reports/increment_date=2026-01-01/user_order_log_inc.csv"]


def test_a_file_that_is_missing_is_reported(orders: Path, tmp_path: Path) -> None:
    class NoFile(OrderService):
        def answer(self, request: ServiceRequest) -> ServiceResponse:
            is_file = request.path.endswith(".csv")
            return ServiceResponse(404) if is_file else super().answer(request)

    with NoFile(orders) as service, pytest.raises(SourceError, match=r"file of 2026-01-01 .* 404"):
        fetch(service, tmp_path)
    assert not (tmp_path / "order_reports").exists()


def test_what_was_landed_before_a_failure_stays(api: OrderService, tmp_path: Path) -> None:
    increments = fetch_increments(settings_for(tmp_path, orders=api), (SECOND, FIRST))
    assert next(increments).row_count == 1
    api.faults = Faults(empty_files=4)
    with pytest.raises(SourceError, match="empty file"):
        next(increments)
    assert landed(tmp_path) == ["order_reports/increment_date=2026-01-02/user_order_log_inc.csv"]


@pytest.mark.parametrize("gone", ["/get_increment", "/day.csv"])
def test_what_is_not_there_after_an_answer_is_not_the_fault_of_the_address(
    orders: Path, tmp_path: Path, gone: str
) -> None:
    class Gone(OrderService):
        def answer(self, request: ServiceRequest) -> ServiceResponse:
            if request.path == gone:
                return ServiceResponse(404)
            if request.path != "/get_increment":
                return super().answer(request)
            data = {"increment_id": "i", "s3_path": {"user_order_log_inc": f"{self.url}/day.csv"}}
            return ServiceResponse.json({"status": "SUCCESS", "data": data})

    with Gone(orders) as service, pytest.raises(SourceError, match="answers 404") as answer:
        fetch(service, tmp_path)
    assert str(answer.value).endswith(
        "there is nothing at that address now; run again later, or ask the people who run it."
    )


def test_a_file_whose_address_expired_is_not_the_fault_of_the_key(
    orders: Path, tmp_path: Path
) -> None:
    class Expired(OrderService):
        def answer(self, request: ServiceRequest) -> ServiceResponse:
            if request.path == "/day.csv":
                return ServiceResponse(403)
            if request.path != "/get_increment":
                return super().answer(request)
            data = {"increment_id": "i", "s3_path": {"user_order_log_inc": f"{self.url}/day.csv"}}
            return ServiceResponse.json({"status": "SUCCESS", "data": data})

    with Expired(orders) as service, pytest.raises(SourceError, match="answers 403") as answer:
        fetch(service, tmp_path)
    assert "that address may have expired; run again later" in str(answer.value)
    assert "ECOM_ORDER_API" not in str(answer.value)


# Keys


@pytest.mark.parametrize("wrong", ["order_api_key", "order_api_nickname", "order_api_cohort"])
def test_an_unknown_client_learns_which_setting_is_wrong(
    api: OrderService, tmp_path: Path, wrong: str
) -> None:
    options: dict[str, Any] = {wrong: "stranger"}
    with pytest.raises(
        SourceError, match="answers 401: it does not take the key; set ECOM_ORDER_API_KEY"
    ):
        fetch(api, tmp_path, **options)
    assert api.counts.request_count == 1


def test_a_missing_address_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="ECOM_ORDER_API_URL is not set"):
        list(fetch_increments(settings_for(tmp_path), [FIRST]))


def test_files_elsewhere_are_fetched_without_the_key_and_their_signature_is_not_shown(
    orders: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    seen: list[dict[str, str]] = []

    class Store(OrderService):
        def answer(self, request: ServiceRequest) -> ServiceResponse:
            seen.append(request.headers)
            return ServiceResponse(503)

    class Elsewhere(OrderService):
        def answer(self, request: ServiceRequest) -> ServiceResponse:
            if request.path != "/get_increment":
                return super().answer(request)
            links = {"user_order_log_inc": f"{store.url}/day.csv?X-Amz-Signature=secret"}
            return ServiceResponse.json(
                {"status": "SUCCESS", "data": {"increment_id": "i", "s3_path": links}}
            )

    with (
        Store(orders) as store,
        Elsewhere(orders) as service,
        pytest.raises(SourceError, match="answers 503") as answer,
    ):
        fetch(service, tmp_path)
    assert len(seen) == 4
    assert not {"x-api-key", "x-nickname", "x-cohort"} & {
        name for headers in seen for name in headers
    }
    assert "secret" not in caplog.text + str(answer.value)
    assert answer.value.__cause__ is None


# Answers that make no sense


@pytest.mark.parametrize(
    ("step", "body", "sentence"),
    [
        (
            "/generate_report",
            {"id": 1},
            r"a response that cannot be used \(task_id: Field required\); see that ECOM_ORDER",
        ),
        (
            "/get_report",
            {"status": "LATER"},
            r"a response that cannot be used \(status: Input should be 'RUNNING', ",
        ),
        (
            "/get_report",
            {"status": "SUCCESS"},
            r"a response that cannot be used \(report_id: Field required\)",
        ),
        (
            "/get_increment",
            {"status": "FAILED"},
            r"failed on the increment of 2026-01-01; run again later",
        ),
    ],
)
def test_a_senseless_answer_is_reported(
    orders: Path, tmp_path: Path, step: str, body: object, sentence: str
) -> None:
    class Odd(OrderService):
        def answer(self, request: ServiceRequest) -> ServiceResponse:
            return ServiceResponse.json(body) if request.path == step else super().answer(request)

    with Odd(orders) as odd, pytest.raises(SourceError, match=sentence):
        fetch(odd, tmp_path)


def test_a_place_that_cannot_be_written_is_reported(api: OrderService, tmp_path: Path) -> None:
    (tmp_path / "order_reports").write_text("a file where a folder should be")
    with pytest.raises(
        SourceError,
        match=r"user_order_log_inc\.csv cannot be written \(Not a directory\); fix that",
    ):
        fetch(api, tmp_path)


FILE = date(2026, 1, 1)
ROW = b"1,u1,2026-01-01T10:00:00,1,Berlin,1,Ann,Adler,1,Lamp,1,20,shipped\r\n"


@each(
    "body, announced, fault",
    [
        (HEADER + ROW, None, ""),
        (HEADER + ROW, 1, ""),
        (
            HEADER.replace(b",status", b"") + ROW.replace(b",shipped", b""),
            None,
            "",
        ),  # older files have no status
        (b"\xef\xbb\xbf" + HEADER + ROW, None, ""),
        (HEADER, 0, ""),
        (b"", 0, "gives an empty file"),
        (HEADER, None, "gives a file with a header and no rows"),
        (HEADER + ROW, 2, "gives a file with 1 of 2 announced rows"),
        (
            HEADER + ROW[:-2],
            None,
            f"gives a file whose last line is cut ({len(HEADER) + len(ROW) - 2} bytes)",
        ),
        (HEADER + ROW + b"2,u2,2026\r\n", None, "gives a file whose last line has 3 of 13 values"),
        (
            HEADER + ROW + b'2,"u2\r\n',
            None,
            "gives a file that breaks off inside of a quoted value (",
        ),
        (b"<html>\n", None, "gives a file without the columns id, uniq_id, date_time, "),
        (HEADER + b"\xff\r\n", None, f"gives a file that is not UTF-8 at byte {len(HEADER)}"),
    ],
)
def test_a_file_is_whole_or_what_is_wrong_is_said(
    body: bytes, announced: int | None, fault: str
) -> None:
    assert count_rows(body, announced).fault[: len(fault) or None] == fault


@pytest.mark.parametrize(
    ("name", "rows"), [("user_order_log_inc.csv", 1_144), ("user_order_log.csv", 22_391)]
)
def test_real_files_are_whole(name: str, rows: int) -> None:
    counted = count_rows(real_file(name).read_bytes(), rows)
    assert (counted.row_count, counted.fault) == (rows, "")


def test_a_full_disk_leaves_the_earlier_file_and_no_half_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = path_of(tmp_path, FILE)
    land(HEADER + ROW, path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SourceError, match=r"cannot be written \(No space left on device\)"):
        land(HEADER + ROW + ROW, path)
    assert (path.read_bytes(), [path.name for path in path.parent.iterdir()]) == (
        HEADER + ROW,
        [path.name],
    )


def test_where_a_day_lies(tmp_path: Path) -> None:
    assert (
        path_of(tmp_path, FILE)
        == tmp_path / "order_reports/increment_date=2026-01-01/user_order_log_inc.csv"
    )
