"""Answers in a real Redis: shared by processes, and never missed when Redis dies, hangs or lies."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from ecom_assets.core.errors import SettingError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.app import build_stack
from ecom_assets.interfaces.api.cache.answers import CachedAnswer
from ecom_assets_tests.command import CommandResult, ecom
from ecom_assets_tests.interfaces.api.served import Shop, running, small_app
from ecom_assets_tests.patience import wait_until
from ecom_assets_tests.redis_server import RedisServer, running_redis

SALES = "/analytics/sales"
TIMEOUT_S = 0.1


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with running_redis() as actual:
        yield actual


@pytest.fixture
def kept(server: RedisServer) -> Iterator[redis.Redis]:
    """The server, up and empty."""
    if server.process is None:
        server.start()
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
        yield client


def test_what_one_process_computed_the_other_gives(
    server: RedisServer, kept: redis.Redis, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"redis_url": server.url, "redis_timeout_s": TIMEOUT_S}
    with (
        running(tmp_path / "a", **options) as first,
        running(tmp_path / "b", Shop(text="not asked"), **options) as second,
    ):
        assert first.get(SALES).text == "sold 7"
        wait_until(lambda: kept.dbsize() == 1)
        assert [second.get(SALES).text, second.get(SALES).text] == ["sold 7", "sold 7"]
        assert second.shop.calls == 0
        actual = {
            name: second.metric(f'ecom_api_cache_lookups_total{{found="{name}"}}')
            for name in ("shared", "hit")
        }
        assert actual == {"shared": 1, "hit": 1}
        assert second.get(SALES).headers["etag"] == 'W/"v1"'


def test_other_data_in_one_process_are_not_the_other_s(
    server: RedisServer, kept: redis.Redis, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"redis_url": server.url, "redis_timeout_s": TIMEOUT_S}
    with (
        running(tmp_path / "a", **options) as old,
        running(tmp_path / "b", Shop("v2", "sold 8"), **options) as new,
    ):
        assert [old.get(SALES).text, new.get(SALES).text] == ["sold 7", "sold 8"]
        wait_until(lambda: kept.dbsize() == 2)


def test_answers_do_not_stay_for_ever(
    server: RedisServer, kept: redis.Redis, tmp_path: Path
) -> None:
    with running(tmp_path, redis_url=server.url, redis_timeout_s=TIMEOUT_S) as served:
        served.get(SALES)
        wait_until(lambda: kept.dbsize() == 1)
        assert 86_000 < kept.ttl(kept.keys()[0]) <= 86_400


@pytest.mark.slow
def test_a_redis_that_dies_midway_costs_no_answer(
    server: RedisServer, kept: redis.Redis, tmp_path: Path
) -> None:
    with running(tmp_path, redis_url=server.url, redis_timeout_s=TIMEOUT_S) as served:
        assert served.get(f"{SALES}?n=0").status_code == 200
        server.kill()
        assert [served.get(f"{SALES}?n={n}").status_code for n in range(1, 40)] == [200] * 39
        assert served.log.getvalue().count("redis_does_not_answer") == 1
        server.start()
        wait_until(lambda: served.get(f"{SALES}?n={time.monotonic()}").ok and kept.dbsize() > 0)


@pytest.mark.slow
def test_a_redis_that_hangs_is_waited_for_so_long_by_each_answer(
    server: RedisServer, kept: redis.Redis, tmp_path: Path
) -> None:
    assert kept.dbsize() == 0
    with running(tmp_path, redis_url=server.url, redis_timeout_s=TIMEOUT_S) as served:
        served.get(f"{SALES}?n=0")
        server.freeze()
        try:
            begun = time.monotonic()
            assert [served.get(f"{SALES}?n={n}").status_code for n in range(1, 31)] == [200] * 30
            # Each waits for the read, and then for the write of the one before.
            assert time.monotonic() - begun < 30 * 2 * TIMEOUT_S + 2
        finally:
            server.thaw()


def test_a_redis_that_was_never_there_breaks_nothing(tmp_path: Path) -> None:
    with running(
        tmp_path, redis_url="redis://:s3cret@127.0.0.1:9/0", redis_timeout_s=TIMEOUT_S
    ) as served:
        assert [served.get(f"{SALES}?n={n}").status_code for n in range(10)] == [200] * 10
        assert "s3cret" not in served.log.getvalue()


@pytest.mark.slow
def test_what_others_wrote_into_redis_is_not_given(
    server: RedisServer, kept: redis.Redis, tmp_path: Path
) -> None:
    with running(tmp_path / "a", redis_url=server.url, redis_timeout_s=TIMEOUT_S) as served:
        served.get(SALES)
        wait_until(lambda: kept.dbsize() == 1)
    (name,) = kept.keys()
    whole = kept.get(name)
    assert isinstance(whole, bytes)
    for damaged in (
        b"",
        b"x",
        b"{}\n",
        b"[]\nx",
        whole[:-1],
        whole + b"x",
        whole.replace(b'"etag"', b'"atag"'),
    ):
        kept.set(name, damaged)
        with running(tmp_path / "b", redis_url=server.url, redis_timeout_s=TIMEOUT_S) as served:
            assert served.get(SALES).text == "sold 7"
            assert served.shop.calls == 1


def test_an_answer_is_the_same_after_it_was_bytes() -> None:
    body = bytes(range(256))
    answer = CachedAnswer(
        [(b"etag", b'"\xe4"'), (b"content-length", b"256")], body, b'"\xe4"', "/analytics/{id}"
    )
    assert CachedAnswer.from_bytes(answer.to_bytes()) == answer


def test_an_address_that_is_none_is_refused_without_its_password(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, redis_url="http://:s3cret@cache.example")
    with pytest.raises(SettingError, match="ECOM_REDIS_URL is not an address of Redis") as refused:
        build_stack(settings, small_app(Shop()))
    assert "s3cret" not in f"{refused.value}"


def _api_finding(doctor: CommandResult) -> dict[str, Any]:
    (finding,) = [finding for finding in doctor.json if finding["subject"] == "api"]
    return dict(finding)


def test_doctor_says_whether_redis_answers(
    server: RedisServer, kept: redis.Redis, home: Path
) -> None:
    assert kept.dbsize() == 0
    well = _api_finding(ecom("doctor", "--json", home=home, env={"ECOM_REDIS_URL": server.url}))
    assert well["ok"] is True
    assert (
        well["found"] == "answers everybody on this machine, as no key was made, at 127.0.0.1:8000"
    )
    dead = ecom(
        "doctor", "--json", home=home, env={"ECOM_REDIS_URL": "redis://:s3cret@127.0.0.1:9/0"}
    )
    assert (
        _api_finding(dead)["found"] == "Redis at ECOM_REDIS_URL does not answer (ConnectionError)"
    )
    assert "s3cret" not in dead.out
