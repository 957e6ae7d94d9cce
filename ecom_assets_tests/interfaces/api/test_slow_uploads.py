"""Files that come by a byte now and then, or many at once from one caller, hold no place."""

import asyncio
from collections.abc import Iterator

import pytest
from starlette.types import Message

from ecom_assets.core.http_server.problems import RequestRefusal
from ecom_assets.interfaces.api.middleware import bounds
from ecom_assets.interfaces.api.middleware.bounds import RequestBounds, StreamedBody
from ecom_assets.interfaces.api.streams import OpenStreams

MOST_BYTES = 10_000_000


def arriving(sizes: Iterator[int], every_s: float) -> StreamedBody:
    """Return a body of blocks that come one after the other."""

    async def receive() -> Message:
        await asyncio.sleep(every_s)
        size = next(sizes, None)
        return {"type": "http.request", "body": b"x" * (size or 0), "more_body": size is not None}

    return StreamedBody(receive, MOST_BYTES, block_timeout_s=5.0)


async def read(body: StreamedBody) -> int:
    count = 0
    while (await body.receive())["type"] == "http.request" and not body.is_read:
        count += 1
    return count


def test_a_file_of_a_byte_now_and_then_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "RATE_S", 0.3)
    body = arriving(iter([1] * 1_000), every_s=0.02)
    assert asyncio.run(read(body)) <= 15
    assert body.refusal is not None
    assert body.refusal.reason == "body_too_slow"
    assert "Less than 1 kB of this file came in a second" in body.refusal.detail


def test_a_file_that_comes_slowly_but_steadily_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "RATE_S", 0.3)
    body = arriving(iter([400] * 30), every_s=0.02)  # 20 kB/s, over twice as long
    assert asyncio.run(read(body)) == 30
    assert body.refusal is None


def test_what_this_machine_takes_to_write_a_block_is_not_the_sender_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounds, "RATE_S", 0.3)
    body = arriving(iter([10] * 4), every_s=0.0)

    async def read_slowly() -> None:
        while not body.is_read:
            await body.receive()
            await asyncio.sleep(0.15)

    asyncio.run(read_slowly())
    assert body.refusal is None


def test_a_caller_sends_few_files_at_once() -> None:
    async def never(*_: object) -> None: ...

    streams = OpenStreams(5)
    uploads = RequestBounds(never, 1, 1.0, 1.0, streams).uploads
    ann = {"type": "http", "client": ("203.0.113.7", 1)}
    bob = {"type": "http", "client": ("198.51.100.9", 1)}
    refusals: list[RequestRefusal | None] = []
    opened = [uploads.opened(ann) for _ in range(bounds.MOST_UPLOADS + 1)]
    refusals = [one.__enter__() for one in opened]
    assert refusals[:-1] == [None] * bounds.MOST_UPLOADS
    assert refusals[-1] is not None
    assert refusals[-1].status == 429
    assert "has 4 uploads open" in refusals[-1].detail
    with uploads.opened(bob) as refusal:
        assert refusal is None
    for one in opened:
        one.__exit__(None, None, None)
    with uploads.opened(ann) as refusal:
        assert refusal is None
