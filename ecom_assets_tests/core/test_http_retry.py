"""How long to wait before another attempt."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from requests import Response

from ecom_assets.core.errors import SourceError
from ecom_assets.core.http.retry import Attempt, Budget, HttpStats, Pause, retry_after_s
from ecom_assets_tests.each import each


def answer(status: int, retry_after: str | None = None) -> Attempt:
    response = Response()
    response.status_code, response.url = status, "https://api.example/customers?key=secret"
    if retry_after is not None:
        response.headers["Retry-After"] = retry_after
    return Attempt(response, cause="rate_limited" if status == 429 else "server_error")


def pause() -> Pause:
    return Pause()


def test_a_shop_waits_one_two_and_four_seconds_and_then_gives_up() -> None:
    budget = Budget(base_s=1.0, max_wait_s=300.0)
    assert [budget.wait_s(answer(500), pause()) for _ in range(4)] == [1.0, 2.0, 4.0, None]


def test_a_server_that_says_when_it_is_back_is_waited_for_within_bounds() -> None:
    budget = Budget(base_s=1.0, max_wait_s=60.0)
    assert [budget.wait_s(answer(503, result), pause()) for result in ("30", "0", "86400")] == [
        30.0,
        2.0,
        60.0,
    ]


@each(
    "result, seconds",
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("soon", None),
        ("", None),
        ("-3", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(result: str, seconds: float | None) -> None:
    attempt = answer(429, result)
    assert attempt.response is not None
    assert retry_after_s(attempt.response) == seconds


def test_a_date_is_counted_from_now() -> None:
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=100)
    attempt = answer(429, format_datetime(at, usegmt=True))
    assert attempt.response is not None
    assert 95 < (retry_after_s(attempt.response) or 0) <= 100


def test_a_limit_uses_up_patience_and_no_retries() -> None:
    budget = Budget(base_s=1.0, max_wait_s=100.0)
    assert [budget.wait_s(answer(429, "20"), pause()) for _ in range(5)] == [
        0.0
    ] * 5  # all threads wait, in `Pause`
    assert budget.wait_s(answer(500), pause()) == 1.0
    with pytest.raises(
        SourceError,
        match=r"asks to wait 120 s in all, more than the 100 s that a request waits",
    ) as reported:
        budget.wait_s(answer(429, "20"), pause())
    assert "secret" not in str(reported.value)


def test_pauses_that_overlap_count_once() -> None:
    stats = HttpStats()
    shared = Pause(stats.add_wait)
    for _ in range(3):
        shared.ask(50.0)
    assert 50 <= stats.costs().rate_limit_wait_s < 51


def test_nobody_waits_after_a_stop() -> None:
    shared = pause()
    shared.ask(1000.0)
    shared.stop()
    with pytest.raises(SourceError, match="given up because another one failed"):
        shared.wait(1000.0)
