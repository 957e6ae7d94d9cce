"""Answers that are kept by the version of their data, in memory."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.types import Message, Receive, Scope, Send

from ecom_assets.interfaces.api.cache.answers import (
    AnswerCache,
    AnswersInMemory,
    CachedAnswer,
    is_same,
    takes_gzip,
)
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.served import Shop, running
from ecom_assets_tests.patience import wait_until

SALES = "/analytics/sales"


def answer(body: bytes) -> CachedAnswer:
    return CachedAnswer(
        [(b"etag", b'"1"'), (b"content-length", str(len(body)).encode())], body, b'"1"', "/a"
    )


def test_the_second_answer_is_the_first_without_asking_the_app(tmp_path: Path) -> None:
    with running(tmp_path) as served:
        first, second = served.get(SALES), served.get(SALES)
        assert first.content == second.content == b"sold 7"
        own = {"date", "x-request-id"}
        reported = [
            {name: value for name, value in response.headers.items() if name not in own}
            for response in (first, second)
        ]
        assert reported[0] == reported[1]
        assert served.shop.calls == 1
        assert [
            served.metric(f'ecom_api_cache_lookups_total{{found="{state}"}}')
            for state in ("miss", "hit")
        ] == [
            1,
            1,
        ]
        assert served.metric('ecom_api_request_seconds_count{route="/analytics/sales"}') == 2


def test_new_data_have_new_answers_at_once(tmp_path: Path) -> None:
    with running(tmp_path) as served:
        assert [served.get(SALES).text, served.get(SALES).text] == ["sold 7", "sold 7"]
        served.shop.version, served.shop.text = "v2", "sold 8"
        assert [served.get(SALES).text, served.get(SALES).text] == ["sold 8", "sold 8"]
        assert served.shop.calls == 2


def test_nothing_is_kept_while_there_are_no_data(tmp_path: Path) -> None:
    with running(tmp_path, Shop(version="")) as served:
        assert [served.get(SALES).status_code for _ in range(3)] == [200] * 3
        assert served.shop.calls == 3


@pytest.mark.parametrize("path", [f"{SALES}?limit=1", f"{SALES}?limit=2", f"{SALES}?Limit=1"])
def test_another_question_has_another_answer(tmp_path: Path, path: str) -> None:
    with running(tmp_path) as served:
        served.get(SALES)
        served.get(path)
        assert served.shop.calls == 2


@pytest.mark.parametrize("first", ["gzip;q=0", "identity", "", "br"])
def test_who_takes_no_gzip_is_never_given_what_was_packed_for_another(
    tmp_path: Path, first: str
) -> None:
    with running(tmp_path, Shop(text="long " * 1_000)) as served:
        question = [first, "gzip, br", "identity", "gzip;q=0, br", "gzip;q=0.5", "deflate"]
        reported = [served.get(SALES, **{"Accept-Encoding": encoding}) for encoding in question]
        assert [row.headers.get("content-encoding") for row in reported] == [
            None,
            "gzip",
            None,
            None,
            "gzip",
            None,
        ]
        assert {row.text for row in reported} == {served.shop.text}
        assert served.shop.calls == 2


@each(
    "accepted, takes",
    [
        (b"gzip", True),
        (b"br, gzip", True),
        (b"gzip;q=0", False),
        (b"gzip; q=0.000", False),
        (b"gzip;q=0.001", True),
        (b"GZIP;q=1", True),
        (b"br;q=1, gzip", True),
        (b"identity", False),
        (b"", False),
        (b"x-gzip;q=1", False),
    ],
)
def test_gzip_is_taken_unless_its_weight_is_zero(accepted: bytes, takes: bool) -> None:  # noqa: FBT001 (as above)
    assert takes_gzip(accepted) is takes


def test_a_client_that_has_the_answer_gets_304_without_a_body(tmp_path: Path) -> None:
    with running(tmp_path) as served:
        etag = served.get(SALES).headers["etag"]
        response = served.get(SALES, **{"If-None-Match": etag})
        assert (response.status_code, response.content, response.headers["etag"]) == (
            304,
            b"",
            etag,
        )
        assert "content-length" not in response.headers
        served.shop.version = "v2"
        assert served.get(SALES, **{"If-None-Match": etag}).status_code == 200


@each(
    "question, same",
    [
        (b'"a"', True),
        (b'W/"a"', True),
        (b'"b", W/"a"', True),
        (b"*", True),
        (b'"b"', False),
        (b"a", False),
    ],
)
def test_marks_are_compared_as_weak_ones(question: bytes, same: bool) -> None:  # noqa: FBT001 (a case's other half)
    assert is_same(question, b'W/"a"') is same


@pytest.mark.parametrize("path", ["/analytics/now", "/health", "/metrics", "/nowhere"])
def test_what_may_not_be_kept_is_not(tmp_path: Path, path: str) -> None:
    with running(tmp_path) as served:
        codes = [served.get(path).status_code for _ in range(2)]
        assert codes[0] == codes[1]
        assert served.metric("ecom_api_cache_lookups_total") == 0
        if path == "/analytics/now":
            assert served.shop.calls == 2


def test_many_who_ask_the_same_at_once_make_the_app_work_once() -> None:
    question = 0

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        nonlocal question
        question += 1
        await asyncio.sleep(0.05)
        headers = [(b"etag", b'"1"'), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})

    async def version() -> str:
        return "1"

    async def ask(cache: AnswerCache) -> bytes:
        got: list[bytes] = []

        async def send(message: Message) -> None:
            got.append(message.get("body", b""))

        async def receive() -> Message:
            return {"type": "http.request"}

        await cache(
            {"type": "http", "method": "GET", "path": "/a", "query_string": b"", "headers": []},
            receive,
            send,
        )
        return b"".join(got)

    async def all_ask() -> list[bytes]:
        cache = AnswerCache(app, version, AnswersInMemory(1_000_000))
        return await asyncio.gather(*(ask(cache) for _ in range(50)))

    assert asyncio.run(all_ask()) == [b"ok"] * 50
    assert question == 1


def test_if_the_first_fails_the_next_asks_again(tmp_path: Path) -> None:
    with running(tmp_path) as served, ThreadPoolExecutor(4) as pool:
        broken = list(pool.map(lambda _: served.get("/analytics/breaks").status_code, range(4)))
        assert broken == [500] * 4


def test_memory_keeps_what_was_asked_for_last_within_its_bound() -> None:
    size = answer(b"x" * 1_000).size + 1
    memory = AnswersInMemory(10 * size)
    for name in "abcdefghij":
        memory.put(name, answer(b"x" * 1_000))
    assert len(memory) == 10
    assert memory.get("a") is not None
    memory.put("k", answer(b"x" * 1_000))
    assert (memory.get("a") is not None, memory.get("b"), len(memory), memory.bytes) == (
        True,
        None,
        10,
        10 * size,
    )


def test_an_answer_that_would_drive_out_many_others_is_not_kept() -> None:
    memory = AnswersInMemory(100_000)
    memory.put("large", answer(b"x" * 20_000))
    assert (len(memory), memory.bytes) == (0, 0)
    none = AnswersInMemory(0)
    none.put("a", answer(b""))
    assert len(none) == 0


def test_to_put_an_answer_again_counts_its_bytes_once() -> None:
    memory = AnswersInMemory(100_000)
    for _ in range(3):
        memory.put("a", answer(b"x"))
    assert memory.bytes == answer(b"x").size + 1


def test_metrics_count_what_is_under_way(tmp_path: Path) -> None:
    with running(tmp_path) as served, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(served.get, "/analytics/waits")
        wait_until(lambda: served.shop.calls == 1)
        assert served.metric("ecom_api_requests_in_progress ") == 2, "it, and the question itself"
        served.shop.finish.set()
        assert waiting.result().json() == "done"
