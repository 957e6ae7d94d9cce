"""No service holds a run up without an end, or fills its memory: the bounds on time,
size and pages of responses.
"""

import gzip
import itertools
import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.core.errors import SourceError
from ecom_assets.core.http import session
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.customer_api.api import fetch_customers
from ecom_assets.ingestion.sources.customer_api.paging import CustomerPage, read_until_settled
from ecom_assets.ingestion.sources.customer_api.records import read_record
from ecom_assets.ingestion.sources.order_reports.api import fetch_increments
from ecom_assets.ingestion.sources.stock import fetch_catalogue
from ecom_assets.outputs.delivery.sender import HttpRule, PostRequest, Sender
from ecom_assets_tests.each import each

Sends = Callable[[], Iterable[bytes]]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def served(sends: Sends) -> Iterator[str]:
    """Yield the address of a server that answers every request by these bytes,
    with a pause after each.
    """
    ends = threading.Event()

    def answer(connection: socket.socket) -> None:
        with connection:
            connection.recv(65_536)
            for part in sends():
                try:
                    connection.sendall(part)
                except OSError:
                    return
                if len(part) < 10 and ends.wait(0.05):
                    return

    def accept() -> None:
        while not ends.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=[connection], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ends.set()
            listener.shutdown(socket.SHUT_RDWR)


def drops_of(head: bytes) -> Iterator[bytes]:
    return itertools.chain([head], itertools.repeat(b" "))


def bomb(encoding: bytes = b"gzip") -> Iterator[bytes]:
    """Return 1 MB that unpack to 1 GB."""
    packed = gzip.compress(b" " * 100_000_000, mtime=0) * 10
    yield OK + b"Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (encoding, len(packed))
    yield packed


def flood() -> Iterator[bytes]:
    yield OK + b"Connection: close\r\n\r\n["
    yield from itertools.repeat(b"1," * 50_000, 2_000)


def fetch(home: Path, source: str, url: str, **options: Any) -> object:
    named: dict[str, Any] = {f"{source}_api_url": url, "source_retry_base_s": 0.01}
    settings = Settings(home=home, **(named | options))
    if source == "customer":
        return fetch_customers(settings)
    return list(fetch_increments(settings, [])) if source == "order" else fetch_catalogue(settings)


SLOW: dict[str, Sends] = {
    "a body": lambda: drops_of(OK + b"Content-Length: 100000\r\n\r\n"),
    "a body without a length": lambda: drops_of(OK + b"Connection: close\r\n\r\n[]"),
    "a chunk": lambda: drops_of(OK + b"Transfer-Encoding: chunked\r\n\r\n100000\r\n"),
    "a header": lambda: drops_of(OK + b"X-Long: "),
    "a status": lambda: drops_of(b"HTTP/1.1 200"),
}


@each("case", SLOW)
@each("source", ["customer", "order", "catalogue"])
def test_an_answer_that_drips_ends_with_a_sentence(
    tmp_path: Path, source: str, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "RESPONSE_TIMEOUT_S", 0.3)
    began = time.monotonic()
    with (
        served(SLOW[case]) as url,
        pytest.raises(
            SourceError,
            match=r"API at \S+ did not end its answer within 0.3 s; ",
        ),
    ):
        fetch(tmp_path, source, url)
    assert time.monotonic() - began < 3, "it is asked once"


@pytest.mark.slow
@each("source", ["customer", "order", "catalogue"])
@each("sends", [bomb, flood])
def test_an_answer_that_fills_the_memory_ends_with_a_sentence(
    tmp_path: Path, source: str, sends: Sends
) -> None:
    parts = list(sends()) if sends is bomb else None
    tracemalloc.start()
    try:
        with (
            served(lambda: parts or sends()) as url,
            pytest.raises(
                SourceError,
                match=r"answers with more than the 5 MB of ECOM_SOURCE_MAX_RESPONSE_MB \(unpa",
            ),
        ):
            fetch(tmp_path, source, url, source_max_response_mb=5)
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


def test_an_answer_within_its_bounds_comes_whole(tmp_path: Path) -> None:
    body = json.dumps(
        {"page": 1, "total": 1, "total_pages": 1, "data": [{"product_id": "x" * 900_000}]}
    ).encode()
    packed = gzip.compress(body)
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    with served(lambda: [head, packed]) as url:
        result = fetch(tmp_path, "catalogue", url, source_max_response_mb=1)
    assert len(result.products[0]["product_id"]) == 900_000  # type: ignore[attr-defined]


def test_deep_json_is_refused(tmp_path: Path) -> None:
    body = b"[" * 200_000 + b"]" * 200_000
    with (
        served(lambda: [OK + b"Content-Length: %d\r\n\r\n" % len(body), body]) as url,
        pytest.raises(SourceError, match="answers with JSON of a thousand levels or more"),
    ):
        fetch(tmp_path, "catalogue", url)


def test_a_tool_that_floods_its_receipt_is_no_receipt() -> None:
    with served(flood) as url:
        sender = Sender(HttpRule("tool", "ECOM_TOOL"))
        try:
            reply = sender.post(PostRequest(url, b"{}"), 1)
        finally:
            sender.close()
    assert (reply.status, reply.message, reply.may_have_it) == (
        0,
        "no answer: EndlessResponseError",
        True,
    )


def page(
    number: int, *ids: int, page_count: int | None = None, after: str | None = None
) -> CustomerPage:
    records = tuple(
        read_record({"id": id_}, number, position) for position, id_ in enumerate(ids, start=1)
    )
    return CustomerPage(number, None, page_count, records, after)


def read(read_page: Callable[[int, str | None], CustomerPage], most_pages: int = 1_000) -> None:
    read_until_settled(read_page, lambda: None, concurrency=1, most_passes=2, most_pages=most_pages)


ENDLESS: dict[str, tuple[Callable[[int], CustomerPage], str]] = {
    "the same page again": (
        lambda number: page(number, 1, 2, after=str(number)),
        r"Page 3 .* leads to one that was read already",
    ),
    "the same pages in turns": (
        lambda number: page(number, number % 5, after=str(number)),
        r"Page 7 .* leads to one that was read already",
    ),
    "empty pages": (
        lambda number: page(number, after=str(number)),
        r"Page 3 .* leads to one that was read already",
    ),
    "a cursor that never ends": (
        lambda number: page(number, number, after=str(number)),
        r"goes on after 1,000 pages, and ECOM_SOURCE_MAX_PAGES is 1,000; correct",
    ),
    "a page count that grows": (
        lambda number: page(number, number, page_count=number + 1),
        r"grows while it is read: it said 21 times",
    ),
    "a huge page count": (
        lambda number: page(number, number, page_count=900_000),
        r"says that it has 900,000 pages, and ECOM_SOURCE_MAX_PAGES is 1,000; correct",
    ),
}


@each("kind", ENDLESS)
def test_pages_without_an_end_end_with_a_sentence(kind: str) -> None:
    endless, sentence = ENDLESS[kind]
    with pytest.raises(SourceError, match=sentence):
        read(lambda number, _after: endless(number))


def test_a_page_that_repeats_one_of_a_shifting_list_is_no_end() -> None:
    shifting = [page(1, 1, 2, after="a"), page(2, 1, 2, after="b"), page(3, 3, after="c"), page(4)]
    read(lambda number, _after: shifting[number - 1])


def test_a_catalogue_of_too_many_pages_is_refused(tmp_path: Path) -> None:
    body = json.dumps({"page": 1, "total": 9, "total_pages": 9, "data": []}).encode()
    with (
        served(lambda: [OK + b"Content-Length: %d\r\n\r\n" % len(body), body]) as url,
        pytest.raises(
            SourceError, match=r"says that it has 9 pages, and ECOM_SOURCE_MAX_PAGES is 8; "
        ),
    ):
        fetch(tmp_path, "catalogue", url, source_max_pages=8)
