"""A file in place of a body: sent block by block, or its path to a server that takes files."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.interfaces.api import parameters
from ecom_assets.interfaces.api.parameters import FILE_INSTEAD, FileOnce, WholeResponse, csv_blocks

TEXT = "customer_id\r\n" + "ann\r\nbob\r\n" * 50


def sent(response: Any, **scope: Any) -> list[dict[str, Any]]:
    """Return the messages of a response."""
    messages: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        messages.append(message)

    asyncio.run(response({"type": "http", **scope}, None, send))
    return messages


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_bytes(TEXT.encode())
    return path


def test_a_file_is_sent_in_blocks_and_deleted(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameters, "BLOCK_BYTES", 64)
    start, *blocks = sent(FileOnce.of_csv(file, "customers.csv", 100))
    headers = dict(start["headers"])
    assert start["status"] == 200
    assert headers[b"content-length"] == str(len(TEXT)).encode()
    assert (headers[b"x-total-count"], headers[b"cache-control"]) == (b"100", b"no-store")
    assert b"".join(block["body"] for block in blocks).decode() == TEXT
    assert len(blocks) > 5
    assert [block.get("more_body", False) for block in blocks[-2:]] == [True, False]
    assert not file.exists()


def test_a_worker_passes_the_path_on_and_the_server_sends_the_file(file: Path) -> None:
    response = FileOnce.of_csv(file, "customers.csv", 100)
    start, named = sent(response, extensions={FILE_INSTEAD: {}})
    assert named == {"type": FILE_INSTEAD, "path": str(file)}
    assert file.exists()

    async def received() -> WholeResponse:
        whole = WholeResponse()
        for message in (start, named):
            await whole.send(message)
        return whole

    messages = sent(asyncio.run(received()).response())
    assert messages[0]["headers"] == start["headers"]
    assert b"".join(block["body"] for block in messages[1:]).decode() == TEXT
    assert not file.exists()


def test_blocks_of_csv_are_written_as_the_list_of_an_answer() -> None:
    rows = [{"id": "=1+1", "numbers": {"a": "1.00"}}, {"id": "b", "numbers": {"a": None}}]
    text = "".join(csv_blocks([rows[:1], rows[1:], []], ["id", "numbers.a"]))
    assert text == "id,numbers.a\r\n'=1+1,1.00\r\nb,\r\n"
    assert text == parameters.csv_of({"rows_listed": rows}, ["rows_listed"])
